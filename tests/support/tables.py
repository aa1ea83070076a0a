"""What tables a database has."""

from __future__ import annotations

from kaskad.store.db import Database


def columns(db: Database) -> dict[str, set[str]]:
    """Return every table with its columns."""
    with db.read() as tx:
        connection = tx._connection
        if tx.dialect == "sqlite":
            names = [n for (n,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {n: {row[1] for row in connection.execute(f"PRAGMA table_info({n})")} for n in names}
        rows = connection.execute(
            b"SELECT table_name, column_name FROM information_schema.columns JOIN information_schema.tables "
            b"USING (table_schema, table_name) WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        ).fetchall()
        found: dict[str, set[str]] = {}
        for table, column in rows:
            found.setdefault(table, set()).add(column)
        return found

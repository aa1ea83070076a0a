"""SQLite databases with all tables, copied from one that was migrated once: each migration is a commit."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from kaskad.store.db import Database, open_database
from kaskad.store.migrate import upgrade


def migrated(path: Path) -> Database:
    """Return the open database of a new file."""
    lay(path)
    return open_database(str(path))


def lay(path: Path) -> None:
    """Make the file of a database that holds nothing yet."""
    path.touch(mode=0o600)  # as a database is made
    path.write_bytes(_empty())


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kaskad.db"
        db = open_database(str(path))
        upgrade(db)
        db.close()
        return path.read_bytes()

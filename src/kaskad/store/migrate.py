"""Bring a database's tables up to this program: numbered files, forward only, each in one transaction.

A file is `0001_name.sql` and is never edited once released: its checksum is kept and compared. Words that
differ stand in marked comments, `/* sqlite: … */` and `/* postgresql: … */`. `/* by contact */` behind a
table's closing parenthesis marks a large table: SQLite keeps it clustered by its key, PostgreSQL spreads it
over hash partitions where the first upgrade asked for them. `/* by contact: id */` is the table whose own
integer key is the contact's, by which SQLite clusters it as it is; `/* by contact, fillfactor 50 */` leaves
half of each page on PostgreSQL for later versions of its rows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files

from msgspec import Struct

from kaskad.domain.errors import StoreError
from kaskad.store.db import Database, Transaction
from kaskad.store.statements import Dialect, resolve

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")
_LARGE = re.compile(
    r"CREATE TABLE (?P<name>\w+)(?P<body>(?:(?!CREATE TABLE)[^;])*?)\s*"
    r"/\* by contact(?:: (?P<key>\w+))?(?:, fillfactor (?P<fill>\d+))? \*/;"
)
_VACUUM = "autovacuum_vacuum_scale_factor = 0.05"  # the default waits until a fifth of the table is dead
_COMMENT = re.compile(r"--[^\n]*")


class Migration(Struct, frozen=True):
    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return sha256(self.text.encode()).hexdigest()


@cache
def migrations() -> tuple[Migration, ...]:
    """Return the package's migrations in their order."""
    folder = files("kaskad.store") / "migrations"
    found = [(_FILE.fullmatch(entry.name), entry) for entry in folder.iterdir()]
    read = [Migration(int(name[1]), name[2], entry.read_text("utf-8")) for name, entry in found if name]
    return tuple(sorted(read, key=lambda migration: migration.number))


def upgrade(db: Database, partitions: int = 0, known: Sequence[Migration] | None = None) -> list[Migration]:
    """Return the migrations that were missing, now applied; none when the database is up to date.

    `partitions` is how many parts each large table gets on PostgreSQL. It counts only for an empty
    database: later migrations follow it. Raises StoreError for a database that this program cannot upgrade.
    """
    applied = []
    while migration := _upgrade_once(db, partitions, migrations() if known is None else known):
        applied.append(migration)
    return applied


def _upgrade_once(db: Database, partitions: int, known: Sequence[Migration]) -> Migration | None:
    with db.write() as tx:
        tx.all("lock_migrations")
        tx.run("create_migrations")
        done = tx.all("migrations")
        _check(db.name, done, known)
        if len(done) == len(known):
            return None
        migration = known[len(done)]
        if db.dialect == "sqlite":
            partitions = 0
        elif done:
            partitions = done[0][3]
        _apply(tx, migration, partitions)
        return migration


def _apply(tx: Transaction, migration: Migration, partitions: int) -> None:
    tx.script(words_for(migration.text, tx.dialect, partitions))
    tx.run(
        "add_migration",
        number=migration.number,
        name=migration.name,
        checksum=migration.checksum,
        partitions=partitions,
    )


def _check(database: str, done: Sequence[tuple[int, str, str, int]], known: Sequence[Migration]) -> None:
    if len(done) > len(known):
        newest = f"{done[-1][0]:04} {done[-1][1]}"
        raise StoreError(f"{database} was made by a newer Kaskad (migration {newest}): use that one.")
    for (number, name, checksum, _), migration in zip(done, known, strict=False):
        if (number, checksum) != (migration.number, migration.checksum):
            raise StoreError(
                f"{database} was made by migration {number:04} {name}, which is not the one of this program: "
                f"use the release that made it, or a new database."
            )


def words_for(text: str, dialect: Dialect, partitions: int) -> str:
    """Return a migration's SQL in the words of one database, large tables as they are kept there."""
    plain = _COMMENT.sub("", resolve(text, dialect))
    if dialect == "sqlite":
        return _LARGE.sub(_clustered, plain)
    return _LARGE.sub(lambda table: _spread(table, partitions), plain)


def _clustered(table: re.Match[str]) -> str:
    return f"CREATE TABLE {table['name']}{table['body']}{'' if table['key'] else ' WITHOUT ROWID'};"


def _spread(table: re.Match[str], partitions: int) -> str:
    name, body = table["name"], table["body"]
    kept = f" WITH (fillfactor = {table['fill']}, {_VACUUM})" if table["fill"] else ""
    if not partitions:
        return f"CREATE TABLE {name}{body}{kept};"
    parts = "".join(
        f"\nCREATE TABLE {name}_{part} PARTITION OF {name}"
        f" FOR VALUES WITH (MODULUS {partitions}, REMAINDER {part}){kept};"
        for part in range(partitions)
    )
    return f"CREATE TABLE {name}{body} PARTITION BY HASH ({table['key'] or 'contact_id'});{parts}"

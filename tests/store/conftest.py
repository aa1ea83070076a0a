"""The whole suite runs on SQLite, on PostgreSQL, and on PostgreSQL with every large table in 16 parts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kaskad.store.db import Database, open_database
from kaskad.store.migrate import upgrade
from support.databases import migrated
from support.postgres import PostgresServer, clear

PARTITIONS = {"postgresql": 0, "partitioned": 16}


@pytest.fixture(scope="session")
def upgraded(postgres: PostgresServer) -> Iterator[dict[str, Database]]:
    """A database of each kind for the whole session: emptying one is much quicker than making it."""
    made = {kind: open_database(postgres.create()) for kind in PARTITIONS}
    for kind, db in made.items():
        upgrade(db, partitions=PARTITIONS[kind])
    yield made
    for db in made.values():
        db.close()


@pytest.fixture(params=["sqlite", *PARTITIONS])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without tables."""
    if kind == "sqlite":
        db = open_database(str(tmp_path / "kaskad.db"))
        yield db
        db.close()
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.create()
    db = open_database(url)
    yield db
    db.close()
    server.drop(url)


@pytest.fixture
def db(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with all tables, empty."""
    if kind == "sqlite":
        db = migrated(tmp_path / "kaskad.db")
        yield db
        db.close()
        return
    db = request.getfixturevalue("upgraded")[kind]
    yield db
    clear(db)

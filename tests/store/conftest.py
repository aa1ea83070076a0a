"""The whole suite runs on SQLite, on PostgreSQL, and on PostgreSQL with every large table in 16 parts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postgres import PostgresServer, postgres_server

from kaskad.store.db import Database, open_database
from kaskad.store.migrate import upgrade

PARTITIONS = {"postgresql": 0, "partitioned": 16}


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def templates(postgres: PostgresServer) -> dict[str, str]:
    """Return an upgraded database of each kind; copying one is quicker than making its tables anew."""
    made = {}
    for kind, partitions in PARTITIONS.items():
        made[kind] = postgres.create()
        db = open_database(made[kind])
        upgrade(db, partitions=partitions)
        db.close()
    return made


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
        db = open_database(str(tmp_path / "kaskad.db"))
        upgrade(db)
        yield db
        db.close()
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.create(template=request.getfixturevalue("templates")[kind])
    db = open_database(url)
    yield db
    db.close()
    server.drop(url)

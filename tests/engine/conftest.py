"""A database for the engine: SQLite, and PostgreSQL for what is most important there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kaskad.store.db import Database, open_database
from kaskad.store.migrate import upgrade
from support.databases import migrated
from support.postgres import PostgresServer, clear
from support.stage import Stage


@pytest.fixture(scope="session")
def postgres_db(postgres: PostgresServer) -> Iterator[Database]:
    db = open_database(postgres.create())
    upgrade(db)
    yield db
    db.close()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    db = migrated(tmp_path / "kaskad.db")
    yield db
    db.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest) -> Iterator[Database]:
    """Both databases, one after the other."""
    name = "db" if request.param == "sqlite" else "postgres_db"
    found: Database = request.getfixturevalue(name)
    yield found
    if request.param == "postgresql":
        clear(found)


@pytest.fixture
def stage(db: Database) -> Stage:
    return Stage(db)

"""Whole stories on a real SQLite database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kaskad.store.db import Database, open_database
from kaskad.store.migrate import upgrade


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    db = open_database(str(tmp_path / "kaskad.db"))
    upgrade(db)
    yield db
    db.close()

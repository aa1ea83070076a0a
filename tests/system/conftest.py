"""Whole stories on a real SQLite database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kaskad.store.db import Database
from support.databases import migrated


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    db = migrated(tmp_path / "kaskad.db")
    yield db
    db.close()

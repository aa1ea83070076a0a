"""A backup is one state of the database, made while others write; a damaged one is found out."""

import threading
from pathlib import Path

import pytest

from kaskad.domain.errors import Conflict, Corrupted, NotFound
from kaskad.store import backup, settings
from kaskad.store.db import open_database
from support.databases import migrated

NAMES = [f"n{number}" for number in range(400)]


def fill(db, value):
    """Give all settings one value in one transaction: a state is whole where all are equal."""
    with db.write() as tx:
        for name in NAMES:
            settings.put(tx, name, value * 2_000)


def values(file: Path) -> set[str]:
    db = open_database(str(file))
    with db.read() as tx:
        found = {settings.get(tx, name, str) for name in NAMES}
    db.close()
    return found


@pytest.fixture
def db(tmp_path):
    db = migrated(tmp_path / "kaskad.db")
    fill(db, "a")
    yield db
    db.close()


def test_a_backup_is_one_state_though_others_write_meanwhile(db, tmp_path, monkeypatch):
    monkeypatch.setattr(backup, "PAGES", 1)
    target, parts = tmp_path / "copy.db", []

    def progress(done):
        parts.append(done)
        if len(parts) % 20 == 1:
            writer = threading.Thread(target=fill, args=(db, "bc"[len(parts) // 20 % 2]))
            writer.start()
            writer.join()

    backup.backup(tmp_path / "kaskad.db", target, progress)
    assert len(parts) > 60 and parts[-1] == 1 and parts == sorted(parts)
    assert values(target) == {"a" * 2_000}
    assert target.stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_backup_replaces_nothing(db, tmp_path):
    (tmp_path / "copy.db").write_text("precious")
    with pytest.raises(Conflict, match="already"):
        backup.backup(tmp_path / "kaskad.db", tmp_path / "copy.db", lambda _: None)
    assert (tmp_path / "copy.db").read_text() == "precious"


def test_a_restored_database_is_the_backup_and_the_old_one_is_kept(tmp_path):
    db = migrated(tmp_path / "kaskad.db")
    fill(db, "a")
    backup.backup(tmp_path / "kaskad.db", tmp_path / "copy.db", lambda _: None)
    fill(db, "later")
    db.close()
    backup.restore(tmp_path / "copy.db", tmp_path / "kaskad.db", tmp_path / "old.db")
    assert values(tmp_path / "kaskad.db") == {"a" * 2_000}
    assert values(tmp_path / "old.db") == {"later" * 2_000}


def test_damage_is_found_and_nothing_damaged_is_restored(db, tmp_path):
    backup.backup(tmp_path / "kaskad.db", tmp_path / "copy.db", lambda _: None)
    assert backup.check(tmp_path / "copy.db") == []
    with (tmp_path / "copy.db").open("r+b") as file:
        file.seek(5 * 4096)
        file.write(b"\xff" * 8192)
    assert backup.check(tmp_path / "copy.db")
    with pytest.raises(Corrupted):
        backup.restore(tmp_path / "copy.db", tmp_path / "kaskad.db", tmp_path / "old.db")
    assert values(tmp_path / "kaskad.db") == {"a" * 2_000}
    (tmp_path / "text.db").write_text("no database at all, just words" * 100)
    assert backup.check(tmp_path / "text.db")
    with pytest.raises(NotFound):
        backup.restore(tmp_path / "nowhere.db", tmp_path / "kaskad.db", tmp_path / "old.db")

"""SQLite's journal is synced beside the commits: nobody is told before it is kept, or never will be."""

import os
import threading

import pytest

from kaskad.domain.errors import Unavailable
from kaskad.store.sqlite import SqliteDatabase
from support.journals import Journals

WAIT_S = 20.0


@pytest.fixture
def db(tmp_path, disk):
    db = SqliteDatabase(str(tmp_path / "kaskad.db"))
    with db.write() as tx:
        tx.script("CREATE TABLE things (a BIGINT PRIMARY KEY);")
    yield db
    disk.release()
    db.close()


@pytest.fixture
def journals():
    journals = Journals()
    yield journals
    journals.unregister()


def put(db, number):
    with db.write_ahead() as tx:
        tx.script(f"INSERT INTO things VALUES ({number});")


def seen(db):
    with db.read() as tx:
        return tx._connection.execute("SELECT count(*) FROM things").fetchone()[0]


def test_who_commits_ahead_waits_for_nothing_and_is_told_in_order_once_it_is_kept(db, disk):
    told, last = [], threading.Event()
    put(db, 1)
    db.when_durable(lambda lost: told.append(("first", lost)))
    disk.asked.wait(WAIT_S)
    put(db, 2)
    db.when_durable(lambda lost: told.append(("second", lost)))
    db.when_durable(lambda lost: last.set())
    assert seen(db) == 2, "what is committed is seen by everybody"
    assert told == []
    disk.release()
    assert last.wait(WAIT_S)
    assert told == [("first", None), ("second", None)]
    assert disk.synced == 2, "those who waited meanwhile share one"


def test_what_the_disk_has_lost_is_never_kept_later(db, disk):
    told, last = [], threading.Event()
    disk.problem = OSError(5, "Input/output error")
    disk.release()
    put(db, 1)
    db.when_durable(lambda lost: told.append(str(lost)))
    db.when_durable(lambda _: last.set())
    assert last.wait(WAIT_S)
    assert len(told) == 1 and "kaskad.db-wal failed (Input/output error)" in told[0]
    disk.problem = None  # Linux tells an error once for each open file
    for transaction in (db.write, db.write_ahead):
        with pytest.raises(Unavailable) as refused, transaction():
            pass
        assert str(refused.value) == told[0]
    last = threading.Event()
    db.when_durable(lambda lost: told.append(str(lost)))
    db.when_durable(lambda _: last.set())
    assert last.wait(WAIT_S) and told[1] == told[0]


def test_a_commit_that_could_not_be_synced_loses_what_went_ahead_of_it(tmp_path, journals, disk):
    db = SqliteDatabase(str(tmp_path / "kaskad.db"))
    told, last = [], threading.Event()
    with db.write() as tx:
        tx.script("CREATE TABLE things (a BIGINT PRIMARY KEY);")
    put(db, 1)
    db.when_durable(lambda lost: told.append(str(lost)))
    journals.failing = True
    with pytest.raises(Unavailable, match="failed"), db.write() as tx:
        tx.script("INSERT INTO things VALUES (2);")
    journals.failing = False
    with pytest.raises(Unavailable, match="check it, then start again"), db.write():
        pass  # to try again would say that all is well
    disk.release()
    db.when_durable(lambda _: last.set())
    assert last.wait(WAIT_S)
    assert "check it, then start again" in told[0]
    db.close()


def test_a_file_named_by_a_link_in_a_folder_that_cannot_be_synced_is_no_loss(tmp_path, monkeypatch):
    def fsync(file):
        raise OSError(22, "Invalid argument")  # as file systems say that sync no folders

    monkeypatch.setattr(os, "fsync", fsync)
    folder = tmp_path / "real"
    folder.mkdir()
    (tmp_path / "kaskad.db").symlink_to(folder / "data.db")
    db = SqliteDatabase(str(tmp_path / "kaskad.db"))
    with db.write() as tx:
        tx.script("CREATE TABLE things (a BIGINT PRIMARY KEY);")
    told, last = [], threading.Event()
    put(db, 1)
    db.when_durable(told.append)
    db.when_durable(lambda _: last.set())
    assert last.wait(WAIT_S) and told == [None]
    db.close()


def test_who_has_written_nothing_wakes_no_disk(db, disk):
    disk.release()
    put(db, 1)
    for _ in range(3):
        last = threading.Event()
        db.when_durable(lambda _, last=last: last.set())
        assert last.wait(WAIT_S)
    assert disk.synced == 1


def test_closing_tells_all_who_wait(tmp_path, disk):
    disk.release()
    db = SqliteDatabase(str(tmp_path / "closed.db"))
    with db.write_ahead() as tx:
        tx.script("CREATE TABLE things (a BIGINT PRIMARY KEY);")
    told = []
    for number in range(3):
        db.when_durable(lambda lost, number=number: told.append((number, lost)))
    db.close()
    assert told == [(0, None), (1, None), (2, None)]
    db.when_durable(lambda lost: told.append(str(lost)))
    assert "has been closed" in told[3], "nobody is left waiting"


def test_a_write_that_waits_is_synced_by_its_commit_also_after_one_that_did_not(db):
    put(db, 1)
    with db.write():
        assert db._writer.pragma("synchronous") == 2

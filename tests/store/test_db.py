"""Both databases answer alike, keep all or nothing, and say what is wrong in words."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaskad.domain.errors import Conflict, Corrupted, Full, Locked, StoreError, Unavailable
from kaskad.domain.terms import Channel, Kind
from kaskad.store import checkpoints, sqlite
from kaskad.store.db import Database, open_database
from kaskad.store.postgres import PostgresDatabase
from kaskad.store.sqlite import PAGE_BYTES, SqliteDatabase
from kaskad.store.statements import read
from support.postgres import PostgresServer
from support.relay import relayed

TABLE = """
CREATE TABLE things (a BIGINT PRIMARY KEY, b TEXT, c INTEGER, d /* sqlite: BLOB */ /* postgresql: BYTEA */)
"""
STATEMENTS = (
    """
-- name: make_things
"""
    + TABLE
    + """
-- name: put_things
INSERT INTO things (a, b, c, d)
/* sqlite: VALUES (:c1, :c2, :c3, :c4) */
/* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::text[], :c3::integer[], :c4::bytea[]) */
ON CONFLICT DO NOTHING RETURNING a
-- name: put_thing
INSERT INTO things (a, b, c) VALUES (:a, :b, :c)
-- name: add_things
INSERT INTO things (a, b, c) /* sqlite: VALUES (:c1, NULL, 0) */
/* postgresql: SELECT k, NULL, 0 FROM unnest(:c1::bigint[]) AS k */
-- name: raise_things (sqlite)
UPDATE things SET c = :c2 WHERE a = :c1
-- name: raise_things (postgresql)
UPDATE things t SET c = k.c FROM unnest(:c1::bigint[], :c2::integer[]) AS k (a, c) WHERE t.a = k.a
-- name: things
SELECT a, b, c, d FROM things ORDER BY a
-- name: things_among
SELECT a FROM things WHERE a /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND a < :below ORDER BY a
-- name: sums
SELECT sum(a), count(*), avg(c) FROM things
-- name: grow
UPDATE things SET c = c + :by WHERE c < :below
-- name: empty
DELETE FROM things
"""
)
JOINS = """
-- name: neighbours
SELECT t.c, n.c FROM things t JOIN things n ON n.a = :c2 WHERE t.a = :c1 AND t.b = n.b
-- name: some_things
SELECT a FROM things WHERE c > 5 ORDER BY a LIMIT :limit
"""


@pytest.fixture
def things(empty: Database) -> Iterator[Database]:
    """A database with one table, and statements of our own for it."""
    assert isinstance(empty, SqliteDatabase | PostgresDatabase)
    empty._known.update(read([("things.sql", STATEMENTS)], empty.dialect))
    with empty.write() as tx:
        tx.run("make_things")
    yield empty


texts = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8
) | st.sampled_from(["", "NULL", "null", '"', "\\", "{a,b}", "привет, мир", "'%s'", "a:b"])
bigs = st.integers(-(2**63), 2**63 - 1)
smalls = st.integers(-(2**31), 2**31 - 1)
rows = st.lists(
    st.tuples(bigs, st.none() | texts, st.none() | smalls, st.none() | st.binary(max_size=4)),
    unique_by=lambda row: row[0],
    max_size=20,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(rows)
def test_a_batch_comes_back_as_it_went_in(things: Database, batch: list[tuple[object, ...]]) -> None:
    with things.write() as tx:
        tx.run("empty")
        assert sorted(tx.many("put_things", batch)) == sorted((row[0],) for row in batch)
        assert tx.many("put_things", batch) == []
        assert tx.all("things") == sorted(batch, key=lambda row: int(str(row[0])))


def test_codes_and_truths_are_numbers_and_words_are_texts(things: Database) -> None:
    with things.write() as tx:
        tx.many("put_things", [(Kind.SENT, Channel.EMAIL, True, None), (2, None, None, None)])
        assert tx.run("put_thing", a=Kind.GOAL, b=Channel.SMS, c=True) == 1
        assert tx.all("things") == [(1, "email", 1, None), (2, None, None, None), (32, "sms", 1, None)]


def test_sums_are_integers(things: Database) -> None:
    with things.write() as tx:
        tx.many("put_things", [(2**40, None, 1, None), (1, None, 2, None)])
        row = tx.one("sums")
    assert row == (2**40 + 1, 2, 1.5)
    assert [type(value) for value in row] == [int, int, float]


@pytest.mark.parametrize("power", [1, 7, 10**4, 10**9, 10**12])
def test_sums_are_exact_beyond_any_column(things: Database, power: int) -> None:
    numbers = [4_999 * power, 5_000 * power, power, -1, 0]
    for sign in (1, -1):
        with things.write() as tx:
            tx.run("empty")
            tx.many(
                "put_things",
                [(sign * number, None, sign * place, None) for place, number in enumerate(numbers)],
            )
        with things.read() as tx:
            ((total, count, mean),) = tx.all("sums")
        assert (total, count, mean) == (sign * sum(numbers), 5, sign * 2)
        assert type(total) is int and mean == sign * 2
        with things.write() as tx:
            tx.many("put_things", [(77 * 10**15, None, 1, None)])
            assert tx.all("sums")[0][2] == pytest.approx((sign * 10 + 1) / 6)


def test_changes_are_counted_also_in_batches(things: Database) -> None:
    batch = [(number, None, number % 3, None) for number in range(9)]
    with things.write() as tx:
        assert tx.changed_many("put_things", batch) == 9
        assert tx.changed_many("put_things", [*batch, (9, None, None, None)]) == 1
        assert tx.run("grow", by=5, below=1) == 3
        assert tx.run("grow", by=5, below=-1) == 0


def test_what_was_started_tells_how_much_it_changed_whenever_that_is_asked(things: Database) -> None:
    with things.write() as tx:
        tx.many("add_things", [(1,), (2,)])
        first = tx.start_many("raise_things", [(1, 5), (2, 6), (3, 7)])
        second = tx.start_many("raise_things", [(9, 5)])
        assert first() == 2
        assert [row[2] for row in tx.all("things")] == [5, 6]
        third = tx.start_many("raise_things", [(2, 8)])
        assert (first(), second(), third()) == (2, 0, 1)
        assert tx.start_many("raise_things", [])() == 0
        fourth = tx.start_many("raise_things", [(1, 9)])
    assert fourth() == 1
    with things.read() as tx:
        assert [row[2] for row in tx.all("things")] == [9, 8]


def test_nothing_asked_is_nothing_found(things: Database) -> None:
    with things.write() as tx:
        assert tx.many("put_things", []) == []
        assert tx.changed_many("put_things", []) == 0
        assert tx.among("things_among", [], below=1) == []
        assert tx.one("things") is None


@pytest.mark.parametrize("ids", [[3], [3, 5, 5, 1, 77], range(10), [-(2**63), 2**63 - 1, 4]])
def test_looking_among_ids_finds_those_that_are_there(things: Database, ids: list[int]) -> None:
    with things.write() as tx:
        tx.many("put_things", [(number, None, None, None) for number in range(6)])
        found = tx.among("things_among", ids, below=5)
    assert found == [(number,) for number in range(5) if number in ids]


def test_a_wrong_name_or_parameter_is_a_defect(things: Database) -> None:
    with things.write() as tx:
        with pytest.raises(KeyError):
            tx.run("no_such_statement")
        with pytest.raises(TypeError, match="put_thing"):
            tx.run("put_thing", a=1, b="x")
        with pytest.raises(TypeError, match="things_among"):
            tx.among("things_among", [1], under=1)


def test_an_exception_leaves_nothing(things: Database) -> None:
    with pytest.raises(ZeroDivisionError), things.write() as tx:
        tx.run("put_thing", a=1, b=None, c=None)
        raise ZeroDivisionError
    with pytest.raises(Conflict), things.write() as tx:
        tx.run("put_thing", a=1, b=None, c=None)
        tx.run("put_thing", a=1, b=None, c=None)
    with things.read() as tx:
        assert tx.all("things") == []


def test_what_is_not_waited_for_is_refused_at_the_commit_at_the_latest(things: Database) -> None:
    with pytest.raises(Conflict), things.write() as tx:
        tx.many("add_things", [(1,), (2,)])
        tx.many("add_things", [(2,), (3,)])
    with pytest.raises(Conflict, match="somebody was quicker"), things.write() as tx:
        tx.change_each("raise_things", [(1, 5)], "somebody was quicker")
        tx.many("add_things", [(4,)])
    with things.read() as tx:
        assert tx.all("things") == []
    with things.write() as tx:
        tx.many("add_things", [(1,), (2,)])
        tx.change_each("raise_things", [(1, 5), (2, 6)], "somebody was quicker")
        assert [row[2] for row in tx.all("things")] == [5, 6], "what was sent before is seen"


def test_of_two_that_wait_for_each_other_one_is_told_to_try_again(postgres: PostgresServer) -> None:
    url = postgres.create()
    db = open_database(url)
    assert isinstance(db, PostgresDatabase)
    db._known.update(read([("things.sql", STATEMENTS)], "postgresql"))
    with db.write() as tx:
        tx.run("make_things")
        tx.many("add_things", [(1,), (2,)])
    both = threading.Barrier(2)
    told: list[str] = []
    inside: list[str] = []

    def change(first: int, second: int) -> None:
        try:
            with db.write() as tx:
                assert tx.changed_many("raise_things", [(first, 1)]) == 1
                both.wait(30)
                tx.many("raise_things", [(second, 1)])
                for _ in range(2):  # who catches it and goes on is told the same again, also by the commit
                    try:
                        tx.all("things")
                    except Locked as error:
                        inside.append(str(error))
        except Locked as error:
            told.append(str(error))

    threads = [threading.Thread(target=change, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 1
    assert "try again" in told[0]
    assert inside == told * 2
    db.close()
    postgres.drop(url)


def test_a_reader_sees_one_state_throughout_and_changes_nothing(things: Database) -> None:
    with things.read() as reader:
        assert reader.all("things") == []
        with things.write() as writer:
            writer.run("put_thing", a=1, b=None, c=None)
        assert reader.all("things") == []
    with things.read() as reader:
        assert len(reader.all("things")) == 1
    with pytest.raises(StoreError), things.read() as reader:
        reader.run("put_thing", a=2, b=None, c=None)
    with things.read() as reader:
        assert len(reader.all("things")) == 1


def test_many_threads_may_write_and_read(things: Database) -> None:
    def work(first: int) -> None:
        for number in range(first, first + 20):
            with things.write() as tx:
                tx.run("put_thing", a=number, b=None, c=None)
            with things.read() as tx:
                assert (number, None, None, None) in tx.all("things")

    threads = [threading.Thread(target=work, args=(100 * n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with things.read() as tx:
        assert len(tx.all("things")) == 240


def test_a_write_inside_a_write_is_a_defect_on_sqlite(tmp_path: Path) -> None:
    db = open_database(str(tmp_path / "kaskad.db"))
    with pytest.raises(RuntimeError, match="inside"), db.write(), db.write():
        pass
    with db.write():
        pass
    db.close()


def test_a_full_disk_is_said_and_what_was_kept_stays(tmp_path: Path) -> None:
    db = SqliteDatabase(str(tmp_path / "kaskad.db"))
    db._known.update(read([("things.sql", STATEMENTS)], "sqlite"))
    with db.write() as tx:
        tx.run("make_things")
        tx.run("put_thing", a=1, b="kept", c=None)
    db._writer.pragma("max_page_count", 10)
    with pytest.raises(Full, match="make room"), db.write() as tx:
        tx.many("put_things", [(number, "x" * 1_000, None, None) for number in range(2, 100)])
    with db.read() as tx:
        assert tx.all("things") == [(1, "kept", None, None)]
    db._writer.pragma("max_page_count", 1_000_000)
    with db.write() as tx:
        tx.run("put_thing", a=2, b=None, c=None)
    db.close()


def test_a_locked_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_MS", 50)
    path = str(tmp_path / "kaskad.db")
    db = open_database(path)
    other = apsw.Connection(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Locked, match="close it"), db.write():
        pass
    other.execute("ROLLBACK")
    with db.write():
        pass
    db.close()


def test_a_file_that_is_no_database_is_said_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "kaskad.db"
    path.write_bytes(b"a letter to Anna " * 500)
    before = path.read_bytes()
    with pytest.raises(Corrupted, match=r"kaskad\.db"):
        open_database(str(path))
    assert path.read_bytes() == before


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "kaskad.db"
    db = SqliteDatabase(str(path))
    db._known.update(read([("things.sql", STATEMENTS)], "sqlite"))
    with db.write() as tx:
        tx.run("make_things")
        tx.many("put_things", [(number, "x" * 500, None, None) for number in range(100)])
    db.close()
    content = bytearray(path.read_bytes())
    content[PAGE_BYTES : PAGE_BYTES * 5] = b"\xff" * (PAGE_BYTES * 4)
    path.write_bytes(content)
    db = SqliteDatabase(str(path))
    db._known.update(read([("things.sql", STATEMENTS)], "sqlite"))
    with pytest.raises(Corrupted, match="backup"), db.read() as tx:
        tx.all("things")
    db.close()


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="folder"):
        open_database(str(tmp_path / "missing" / "kaskad.db"))


def test_a_server_that_does_not_answer_is_said_without_its_password() -> None:
    with pytest.raises(Unavailable) as caught:
        open_database("postgresql://anna:swordfish@127.0.0.1:1/kaskad")
    assert "127.0.0.1" in str(caught.value)
    assert "swordfish" not in str(caught.value)
    with pytest.raises(Unavailable, match="address"):
        open_database("postgresql://localhost:port/kaskad")


@pytest.mark.parametrize(("goes_on", "said"), [(True, "cannot be reached"), (False, "unknown")])
def test_a_lost_connection_is_said_and_replaced(postgres: PostgresServer, goes_on: bool, said: str) -> None:
    url = postgres.create()
    db = open_database(url)
    killer = open_database(url)
    assert isinstance(killer, PostgresDatabase)
    with pytest.raises(Unavailable, match=said), db.write() as tx:
        with killer.write() as other:
            other.script(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        if goes_on:
            tx.script("SELECT 1")
    with db.write() as tx:
        tx.script("SELECT 1")
    db.close()
    killer.close()
    postgres.drop(url)


def test_a_connection_that_was_lost_between_two_transactions_is_replaced_unnoticed(
    postgres: PostgresServer,
) -> None:
    url = postgres.create()
    with relayed(url) as relay:
        db = open_database(relay.url)
        for transaction in (db.read, db.write):
            with transaction() as tx:
                tx.script("SELECT 1")
        relay.cut()
        for transaction in (db.read, db.write):
            with transaction() as tx:
                tx.script("SELECT 1")
        db.close()
    postgres.drop(url)


@pytest.mark.parametrize(
    ("setting", "pause_s", "asked"),
    [("statement_timeout", 0.0, "pg_sleep(5)"), ("idle_in_transaction_session_timeout", 0.5, "1")],
)
def test_a_time_out_of_the_server_is_said_as_such(
    postgres: PostgresServer, setting: str, pause_s: float, asked: str
) -> None:
    url = postgres.create()
    db = open_database(url)
    with pytest.raises(Unavailable, match="time-outs"), db.write() as tx:
        tx.script(f"SET LOCAL {setting} = 50")
        time.sleep(pause_s)
        tx.script(f"SELECT {asked}")
    db.close()
    postgres.drop(url)


def test_a_second_holder_is_refused_and_told_who_holds(tmp_path: Path) -> None:
    path = str(tmp_path / "kaskad.db")
    program = (
        "import sys; from kaskad.store.db import open_database\n"
        "with open_database(sys.argv[1]).hold('kaskad serve'): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        (tmp_path / "link.db").symlink_to(path)
        db = open_database(str(tmp_path / "link.db"))
        with pytest.raises(Locked, match=rf"kaskad serve, process {holder.pid}\b"), db.hold("kaskad worker"):
            pass
        with db.write():
            pass  # short writes of other commands stay possible
        holder.kill()
    with db.hold("kaskad worker"):
        assert f"process {os.getpid()}" in Path(f"{path}.lock").read_text()
    db.close()


def test_sqlite_does_not_lock_what_we_give_to_one_thread_at_a_time(tmp_path: Path) -> None:
    db = SqliteDatabase(str(tmp_path / "own.db"))
    used = threading.Event(), threading.Event()

    def read(mine: threading.Event, other: threading.Event) -> None:
        with db.read() as tx:
            mine.set()
            assert other.wait(10)
            found.append(tx._connection)

    found: list[apsw.Connection] = []
    threads = [threading.Thread(target=read, args=order) for order in (used, used[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.write() as tx:
        found.append(tx._connection)
    assert len({id(connection) for connection in found}) == 3
    assert all(connection.open_flags & apsw.SQLITE_OPEN_NOMUTEX for connection in found)
    db.close()


@pytest.mark.parametrize("reading", [True, False])
def test_a_statement_on_sqlite_is_prepared_once_whatever_the_values(tmp_path: Path, reading: bool) -> None:
    db = SqliteDatabase(str(tmp_path / "a.db"))
    db._known.update(read([("things.sql", STATEMENTS + JOINS)], "sqlite"))
    prepared: list[str | None] = []

    def look(code: int, first: str | None, *more: object) -> int:  # is asked of all that a statement names
        prepared.append(first)
        return apsw.SQLITE_OK

    with db.write() as tx:
        tx.run("make_things")
    with db.read() if reading else db.write() as tx:
        tx._connection.authorizer = look
        for number in range(3):
            tx.many("neighbours", [(number, number + 1), (number + 1, number)])
            tx.all("some_things", limit=number)
            if number == 0:
                assert "things" in prepared
                prepared.clear()
        assert prepared == []
    db.close()


def test_a_transaction_on_sqlite_is_of_the_thread_that_began_it_until_it_ends(tmp_path: Path) -> None:
    db = SqliteDatabase(str(tmp_path / "own.db"))
    with db.read() as tx, ThreadPoolExecutor(1) as other:
        tx.script("SELECT 1")
        with pytest.raises(AssertionError, match="another thread"):
            other.submit(tx.script, "SELECT 1").result()
    with pytest.raises(AssertionError, match="after its end"):
        tx.script("SELECT 1")
    db.close()


def test_every_commit_is_synced_to_the_disk(tmp_path: Path) -> None:
    db = SqliteDatabase(str(tmp_path / "kaskad.db"))
    assert db._writer.pragma("journal_mode") == "wal"
    assert db._writer.pragma("synchronous") == 2
    db.close()


def test_what_need_not_be_synced_is_committed_and_only_that_is_not_waited_for(things: Database) -> None:
    with things.write(synced=False) as tx:
        tx.run("put_thing", a=1, b="x", c=2)
        if tx.dialect == "sqlite":
            assert things._writer.pragma("synchronous") == 1  # type: ignore[attr-defined]
        else:
            shown = tx._connection.execute(b"SHOW synchronous_commit").fetchone()  # type: ignore[attr-defined]
            assert shown[0] == "off"
    with pytest.raises(ZeroDivisionError), things.write(synced=False) as tx:
        tx.run("put_thing", a=2, b="x", c=2 // 0)
    with things.write() as tx:
        assert [row[0] for row in tx.all("things")] == [1]
        if tx.dialect == "sqlite":
            assert things._writer.pragma("synchronous") == 2  # type: ignore[attr-defined]
        else:
            shown = tx._connection.execute(b"SHOW synchronous_commit").fetchone()  # type: ignore[attr-defined]
            assert shown[0] == "on"


def test_while_much_is_written_the_journal_is_copied_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_COPIED", 20)
    monkeypatch.setattr(checkpoints, "_HELD", 200)
    db = SqliteDatabase(str(tmp_path / "kaskad.db"))
    with db.write() as tx:
        tx.script("CREATE TABLE things (a INTEGER PRIMARY KEY, b BLOB);")
    file, journal = tmp_path / "kaskad.db", tmp_path / "kaskad.db-wal"
    with db.writing_much(), db.writing_much():
        with db.write(synced=False) as tx:
            tx.script("INSERT INTO things (b) VALUES (zeroblob(50 * 8192));")
        until_s = time.monotonic() + 10
        while file.stat().st_size < 50 * PAGE_BYTES and time.monotonic() < until_s:
            time.sleep(0.005)
        assert file.stat().st_size >= 50 * PAGE_BYTES, "nobody has copied what lies in the journal"
        for _ in range(20):
            with db.write(synced=False) as tx:
                tx.script("INSERT INTO things (b) VALUES (zeroblob(50 * 8192));")
        assert journal.stat().st_size < 400 * PAGE_BYTES, "the journal has never begun anew"
    assert db._checkpointer is None and db._writer.pragma("wal_autocheckpoint") == sqlite.CHECKPOINT_PAGES
    db.close()


def test_a_new_file_and_those_beside_it_are_their_owners_only(tmp_path: Path) -> None:
    db = SqliteDatabase(str(tmp_path / "kaskad.db"))
    with db.write() as tx:
        tx.script("CREATE TABLE things (a BIGINT PRIMARY KEY);")
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    db.close()
    assert {"kaskad.db", "kaskad.db-wal", "kaskad.db-shm"} <= modes.keys()
    assert set(modes.values()) == {0o600}


def test_a_server_gone_without_a_word_is_missed_unless_the_address_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[dict[str, object]] = []

    def connect(url: str, **options: object) -> None:
        asked.append(options)
        raise psycopg.OperationalError("nobody is there")

    monkeypatch.setattr("kaskad.store.postgres.psycopg.connect", connect)
    for query in ("", "?keepalives_idle=7"):
        with pytest.raises(Unavailable), open_database(f"postgresql://me@db.example.org/{query}").read():
            pass
    assert asked[0]["keepalives_idle"] == 30 and asked[0]["tcp_user_timeout"] == 60_000
    assert "keepalives_idle" not in asked[-1] and asked[-1]["connect_timeout"] == 5

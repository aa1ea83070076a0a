"""`kaskad bench standing` on few people: clones are like who was carried, and get what is due."""

import msgspec
import pytest

from kaskad.bench import standing
from kaskad.bench.bringing import Brought
from kaskad.bench.clones import Timers
from kaskad.bench.place import PostgresPlace, SqlitePlace
from kaskad.bench.standing import FEW, Report, Work, run
from kaskad.bench.table import show, standing_table
from kaskad.config import Settings
from kaskad.store import contacts
from kaskad.store.db import open_database
from support.postgres import PostgresServer


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "FEW", 100)
    monkeypatch.setattr(standing, "_SETTLE_S", 5.0)


def right(report: Report) -> None:
    assert report.right and 40 <= report.sent <= 120, report
    assert 0 <= report.lag_p50_ms <= report.lag_p99_ms <= report.lag_max_ms
    assert report.peak_mib == pytest.approx(sum(one.peak_mib for one in report.processes), abs=1)
    assert show(standing_table(report)).count("\n") > 8 and msgspec.json.encode(report)


def test_clones_are_sent_what_is_due_once(tmp_path) -> None:
    file = tmp_path / "standing.db"
    right(run(Work(runs=1_000, per_s=20, seconds=4, db=str(file))))
    place = SqlitePlace(file)
    assert place.ask("SELECT count(*), count(DISTINCT wake_at) FROM runs")[0][0] == 1_000
    assert place.ask("SELECT count(*) FROM addresses") == [(4_000,)]
    assert place.ask("SELECT count(*) FROM address_book") == [(4_000,)]
    place.close()


def test_people_are_brought_in_meanwhile(tmp_path) -> None:
    file = tmp_path / "standing.db"
    report = run(Work(runs=1_000, per_s=20, seconds=4, db=str(file), import_rows=2_000))
    right(report)
    assert report.brought is not None and report.brought.new == 2_000
    assert "people brought in meanwhile" in show(standing_table(report))
    assert not msgspec.structs.replace(report, brought=Brought(new=1_999, seconds=1.0)).right


def test_workers_share_them_on_postgresql(postgres: PostgresServer) -> None:
    report = run(Work(runs=1_000, per_s=20, seconds=4, db=postgres.url, workers=1))
    right(report)
    assert {one.name for one in report.processes} >= {"serve", "worker 1"}


def test_people_can_be_added_to_clones_on_postgresql(postgres: PostgresServer) -> None:
    place = PostgresPlace(postgres.create())
    settings = Settings(database=place.url, secret_key="a-key-of-a-benchmarks-database-of-no-worth")
    standing._made(place, settings, Work(runs=1_000), "http://127.0.0.1:1/", lambda _: None)
    db = open_database(place.url)
    with db.write() as tx:
        assert contacts.upsert(tx, b"k" * 32, [contacts.Contact(external_id="new")], 1) == [1_001]
    db.close()
    place.close()
    postgres.drop(place.url)


def test_instants_are_those_that_the_database_is_told() -> None:
    timers = Timers(5_000, 60_000, 2 * FEW)
    assert sorted(timers.of(one) for one in range(1, 2 * FEW + 1)) == [5_000 + 30 * n for n in range(2 * FEW)]

"""The benchmark does its work right, and notices when the engine does not; how fast is no test."""

import multiprocessing
import re
import threading
from pathlib import Path

import msgspec
import pytest

from kaskad.bench.cascade4 import Measured, Report, as_data, run
from kaskad.bench.crew import Here, Worked, Workers
from kaskad.bench.fates import ONE_FAILS_IN, REACT, Fates
from kaskad.bench.measure import built_with_pgo
from kaskad.bench.outside import Noop
from kaskad.bench.prepare import CHANNELS, definition, policy
from kaskad.bench.table import cascade4_table, number, show
from kaskad.bench.target import pattern
from kaskad.bench.work import Work
from kaskad.cli.root import run as main
from kaskad.domain.definition import to_cascade
from kaskad.domain.errors import Unavailable
from kaskad.domain.policy import CAPS, WINDOWS
from kaskad.domain.terms import MessageClass
from kaskad.engine.parcel import Parcel
from support.postgres import PostgresServer

KEYS = {
    "contacts_per_s", "sends_due", "sends_made", "events_per_s", "timer_lag_p50_ms", "timer_lag_p99_ms",
    "cpu_s_per_1000", "peak_mib", "bytes_per_contact", "enrol_per_s",
}  # fmt: skip


def correct(report: Report, contacts: int) -> None:
    """Fail unless the report tells of everybody, and of plausible figures."""
    figures = report.figures
    assert report.verdict.right, report.verdict.differences()
    assert figures.sends_due == figures.sends_made
    # On a busy machine a reaction may come later than the time-out: up to three more sends are due then.
    assert 2.2 * contacts < figures.sends_made < 3.0 * contacts + 3 * figures.late_reactions
    assert len(report.verdict.lags) > contacts
    assert 0 <= figures.timer_lag_p50_ms <= figures.timer_lag_p99_ms
    assert 100 < figures.bytes_per_contact < 5_000
    assert 0 < figures.cpu_s_per_1000 < 100
    assert figures.driver_us_per_contact > 0
    assert as_data(report).keys() >= KEYS
    assert show(cascade4_table(report)).count("\n") > 8
    msgspec.json.encode(as_data(report))
    assert re.match(r"3\.\d+\.\d+.* \((with PGO|without PGO|PGO unknown)", report.versions["python"])


def test_300_contacts_on_sqlite_get_what_is_due_and_no_more(tmp_path: Path) -> None:
    file = tmp_path / "bench.db"
    correct(run(Work(contacts=300, db=str(file), latency_ms=(1, 30))), 300)
    assert file.exists()


def test_300_contacts_on_postgresql_at_a_steady_rate_get_what_is_due_and_no_more(
    postgres: PostgresServer,
) -> None:
    url = postgres.create()
    report = run(Work(contacts=300, db=url, rate=600.0))
    correct(report, 300)
    assert report.figures.enrol_per_s < 650
    postgres.drop(url)


def test_two_workers_on_one_postgresql_share_300_contacts_and_send_what_is_due_and_no_more(
    postgres: PostgresServer,
) -> None:
    url = postgres.create()
    report = run(Work(contacts=300, db=url, workers=2))
    correct(report, 300)
    assert report.figures.server_cpu_s_per_1000 > 0
    postgres.drop(url)


def test_a_worker_that_cannot_begin_ends_the_work_with_a_word_about_it() -> None:
    with pytest.raises(Unavailable, match=r"cannot be reached \(.*\): check that it runs, and its address.$"):
        Workers(Work(contacts=10, workers=2, db="x"), "postgresql://127.0.0.1:1/none")
    assert not multiprocessing.active_children()


def test_a_worker_that_dies_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = Workers(Work(contacts=0, workers=0, db="x"), "")
    ours, theirs = multiprocessing.Pipe()
    theirs.close()
    workers._lines.append(ours)
    with pytest.raises(Unavailable, match="has ended"):
        workers.begin()
    with pytest.raises(Unavailable, match="has ended"):
        workers.end()


def test_of_several_workers_the_last_to_end_counts_what_all_have_left() -> None:
    workers = Workers(Work(contacts=0, workers=0, db="x"), "")
    ends = []
    for _ in range(3):
        ours, theirs = multiprocessing.Pipe()
        theirs.send(Worked([], 1.0, 1.0, 1, 0, 0, 0.0, 0))
        workers._lines.append(ours)
        ends.append(theirs)
    assert workers.end().cpu_s == 3.0
    assert [theirs.recv() for theirs in ends] == ["end", "end", "count"]


def test_who_interrupts_it_does_not_wait_for_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Measured, "_wait", interrupted)
    monkeypatch.setattr(Here, "_count_rest", lambda _: pytest.fail("it counted"))
    with pytest.raises(KeyboardInterrupt):
        run(Work(contacts=20))
    assert "engine" not in [thread.name for thread in threading.enumerate()]


def test_several_workers_need_a_database_that_they_can_share(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--workers", "2", "--contacts", "10"]) == 2
    assert "--db postgresql" in capsys.readouterr().err


def test_300_contacts_over_http_with_webhooks_back_get_what_is_due_and_no_more() -> None:
    # At a rate that slow machines carry too: a reaction later than the time-out makes more sends due.
    correct(run(Work(contacts=300, mode="http", rate=60.0)), 300)


def test_300_contacts_over_http_from_a_thread_to_our_own_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    report = run(Work(contacts=300, mode="http", sender="thread", receipts="direct"))
    correct(report, 300)
    assert report.versions["receiver"] == "kaskad.bench.target"


def test_overload_and_late_receipts_change_nothing_about_who_is_sent_what() -> None:
    correct(run(Work(contacts=300, overload=True, latency_ms=(500, 900))), 300)


def test_a_send_that_the_outside_never_saw_is_told_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Noop.submit

    def forgetful(self: Noop, parcels: list[Parcel]) -> None:
        real(self, [parcel for parcel in parcels if parcel.contact_id != 5])

    monkeypatch.setattr(Noop, "submit", forgetful)
    monkeypatch.setattr("kaskad.bench.cascade4.STALL_S", 2.0)
    report = run(Work(contacts=20))
    assert not report.verdict.right
    assert report.verdict.lost.count == 4


def test_a_file_that_exists_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "precious.db"
    file.write_bytes(b"precious")
    assert main(["bench", "--db", str(file)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert file.read_bytes() == b"precious"


def test_the_cascade_is_advertising_on_four_channels() -> None:
    cascade = to_cascade(definition(), name="cascade4.yaml")
    assert cascade.message_class is MessageClass.ADVERTISING
    assert tuple(channel for step in cascade.steps for channel in step.channels) == CHANNELS


def test_every_default_window_and_cap_is_asked() -> None:
    assert len(policy().windows) == len(WINDOWS)
    assert len(policy().caps) == len(CAPS)


def test_the_fates_are_those_of_the_work_item() -> None:
    fates = Fates(50_000, 3, (20, 50))
    for step, share in enumerate(REACT):
        reacted = sum(fates.reacts(contact_id, step) for contact_id in range(1, 50_001)) / 50_000
        assert abs(reacted - share) < 0.01
        failed = sum(fates.fails(contact_id, step) for contact_id in range(1, 50_001)) / 50_000
        assert failed == 1 / ONE_FAILS_IN
    assert {20 <= fates.latency_ms() <= 50 for _ in range(5_000)} == {True}


def test_a_web_server_can_tell_a_number_modulo_twenty_by_its_digits() -> None:
    for remainder in range(ONE_FAILS_IN):
        told = re.compile(pattern(remainder) + "$")
        for contact_id in range(500):
            assert bool(told.search(str(contact_id))) == (contact_id % ONE_FAILS_IN == remainder), contact_id


@pytest.mark.parametrize(
    ("flags", "pgo"),
    [
        ({"CONFIG_ARGS": "'--enable-optimizations' '--with-lto'"}, True),
        ({"CONFIG_ARGS": "", "PY_CFLAGS_NODIST": "-O3 -fprofile-use -fprofile-correction"}, True),
        ({"CONFIG_ARGS": "'--enable-shared'", "PGO_PROF_USE_FLAG": "-fprofile-use"}, False),
        ({"CONFIG_ARGS": "'--enable-shared'", "PGO_PROF_USE_FLAG": ""}, None),
    ],
)
def test_how_python_was_built_is_told_by_its_flags_where_they_tell_it(
    flags: dict[str, str], pgo: bool | None
) -> None:
    assert built_with_pgo(flags) is pgo


def test_numbers_are_easy_to_read() -> None:
    assert [number(x) for x in (1_234_567.8, 99.94, 3.0, 0.25)] == ["1 234 568", "99.9", "3", "0.2"]

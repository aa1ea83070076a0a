"""CASCADE-4: N people through four steps on the real engine, and what that took.

The engine, its database and all rules are those of the product; only the outside is ours (`outside.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from importlib.metadata import version

import msgspec
from msgspec import Struct

from kaskad.bench import prepare as prepared
from kaskad.bench.checker import Verdict, check
from kaskad.bench.crew import Crew, Here, Workers
from kaskad.bench.fates import Fates
from kaskad.bench.journal import What
from kaskad.bench.measure import interpreter
from kaskad.bench.place import Place, growth, open_place
from kaskad.bench.target import target
from kaskad.bench.work import Work
from kaskad.domain.policy import Policy
from kaskad.engine.clock import SystemClock
from kaskad.store import cascades
from kaskad.store.db import Database, open_database
from kaskad.store.migrate import upgrade

POLL_S = 0.05
STALL_S = 60.0  # without any event: something is stuck, and the checker will tell what
UNLIMITED = 1_000_000


class Figures(Struct, frozen=True):
    """What came out. CPU is that of Kaskad's processes with the driver's share, which `driver_us` tells."""

    contacts_per_s: float
    sends_due: int
    sends_made: int
    events_per_s: float
    timer_lag_p50_ms: int
    timer_lag_p99_ms: int
    cpu_s_per_1000: float
    server_cpu_s_per_1000: float  # PostgreSQL's own, where it runs on this machine
    peak_mib: float
    bytes_per_contact: float
    enrol_per_s: float
    late_reactions: int  # confirmed by intake only after the next step had gone
    seconds: float
    ticks: int
    ticks_repeated: int  # undone by another process, and done again
    driver_us_per_contact: float
    driver_mib: float
    bytes_by_table: dict[str, float]
    differences: dict[str, int]


class Report(Struct, frozen=True):
    """The figures and all that one must know to judge them."""

    work: Work
    figures: Figures
    verdict: Verdict
    versions: dict[str, str]
    policy: Policy


def run(work: Work, say: Callable[[str], None] = lambda _: None) -> Report:
    """Do the work and return the report; raises KaskadError where the engine or the database give up."""
    with ExitStack() as stack:
        place = stack.enter_context(open_place(work.db))
        fates = Fates(work.contacts, work.seed, work.latency_ms)
        url, server = "http://127.0.0.1/", ""
        if work.mode == "http":
            url, server = stack.enter_context(target(fates.failing))
        db = open_database(place.url)
        stack.callback(db.close)
        upgrade(db)
        say(f"importing {work.contacts} contacts")
        limit = UNLIMITED if work.mode == "noop" else work.concurrency
        vault = prepared.vault()
        version_id = prepared.prepare(db, vault, work.contacts, url, limit)
        crew: Crew = Workers(work, place.url) if work.workers > 1 else Here(work, db, vault, fates)
        stack.enter_context(closing(crew))
        figures, verdict = Measured(work, place, db, crew).run(version_id, say)
        versions = {"kaskad": version("kaskad"), "python": interpreter(),
                    "database": place.server, "receiver": server or "none"}  # fmt: skip
        return Report(work, figures, verdict, versions, prepared.policy())


class Measured:
    """One run of a crew with everything that is measured about it."""

    def __init__(self, work: Work, place: Place, db: Database, crew: Crew) -> None:
        self._work, self._place, self._db, self._crew = work, place, db, crew
        self._enrolled_s = 0.0

    def run(self, version_id: int, say: Callable[[str], None]) -> tuple[Figures, Verdict]:
        """Carry everybody through; return the figures and what the checker says."""
        work, crew = self._work, self._crew
        before, server_s = self._place.sizes(), self._place.cpu_s()
        with self._db.write() as tx:
            cascades.launch(tx, version_id, None, round(work.rate * 3600), SystemClock().now())
        began = time.perf_counter()
        crew.begin()
        self._wait(began, say)
        seconds = time.perf_counter() - began
        worked = crew.end()
        server_s = self._place.cpu_s() - server_s
        after = self._place.sizes()
        verdict = check(worked.entries, range(1, work.contacts + 1), prepared.TIMEOUT_MS)
        counts = crew.counts()
        events = sum(counts[what] for what in (What.ACCEPTED, What.FAILED, What.RETURNED)) + worked.brought
        lags = sorted(verdict.lags) or [0]
        people = work.contacts
        figures = Figures(
            contacts_per_s=round(people / seconds, 1),
            sends_due=verdict.sends_due,
            sends_made=verdict.sends_made,
            events_per_s=round(events / seconds, 1),
            timer_lag_p50_ms=lags[len(lags) // 2],
            timer_lag_p99_ms=lags[len(lags) * 99 // 100],
            cpu_s_per_1000=round(worked.cpu_s / people * 1000, 4),
            server_cpu_s_per_1000=round(server_s / people * 1000, 4),
            peak_mib=round(worked.peak_mib, 1),
            bytes_per_contact=round(growth(before, after) / people, 1),
            enrol_per_s=round(people / self._enrolled_s, 1) if self._enrolled_s else 0.0,
            late_reactions=verdict.late,
            seconds=round(seconds, 3),
            ticks=worked.ticks,
            ticks_repeated=worked.repeated,
            driver_us_per_contact=round(worked.driver_s / people * 1e6, 2),
            driver_mib=round(worked.driver_bytes / 2**20, 1),
            bytes_by_table={
                name: round(grown / people, 1)
                for name, size in sorted(after.items())
                if (grown := size - before.get(name, 0)) > people / 20
            },
            differences={name: one.count for name, one in verdict.differences()},
        )
        return figures, verdict

    def _wait(self, began: float, say: Callable[[str], None]) -> None:
        """Return when every run has ended, or nothing has happened for too long."""
        seen, moved_at, told_at = 0, began, began
        while True:
            asked = time.perf_counter()
            running, live = self._left()
            now = time.perf_counter()
            if not running and not self._enrolled_s:
                self._enrolled_s = now - began
            if not running and not live:
                return
            if self._crew.problem() or now - moved_at > STALL_S:
                return
            counts = self._crew.counts()
            if sum(counts.values()) != seen:
                seen, moved_at = sum(counts.values()), now
            if now - told_at > 1.0:
                told_at = now
                say(f"{counts[What.SENT]} sent, {counts[What.REACTED]} reacted, {now - began:.0f} s")
            time.sleep(max(POLL_S, 20 * (now - asked)))  # so that asking takes at most a twentieth

    def _left(self) -> tuple[bool, bool]:
        """Return whether people still enter, and whether any run is live."""
        running, live = self._place.ask(
            "SELECT EXISTS (SELECT 1 FROM launches WHERE state = 'running'),"
            " EXISTS (SELECT 1 FROM runs WHERE wake_at IS NOT NULL)"
        )[0]
        return bool(running), bool(live)


def as_data(report: Report) -> dict[str, object]:
    """Return the report as flat JSON data: the figures first, then the context."""
    figures = msgspec.to_builtins(report.figures)
    work = msgspec.to_builtins(report.work)
    return {**figures, **work, "versions": report.versions, "policy": msgspec.to_builtins(report.policy)}

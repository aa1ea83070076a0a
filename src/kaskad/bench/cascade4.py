"""CASCADE-4: N people through four steps on the real engine, and what that took.

The engine, its database and all rules are those of the product; only the outside is ours (`outside.py`).
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version

import msgspec
from msgspec import Struct

from kaskad.bench import prepare as prepared
from kaskad.bench.checker import Verdict, check
from kaskad.bench.fates import Fates
from kaskad.bench.journal import Journal, What
from kaskad.bench.measure import cpu_s, own_peak_mib, peak_mib
from kaskad.bench.outside import Noop, Receipts, Reporting, Watched
from kaskad.bench.place import Place, growth, open_place
from kaskad.bench.target import target
from kaskad.domain.errors import Unavailable
from kaskad.domain.policy import Policy
from kaskad.domain.tokens import Signer
from kaskad.engine.clock import SystemClock
from kaskad.engine.counting import PIECE, count
from kaskad.engine.dispatch import Dispatch, Dispatcher
from kaskad.engine.engine import Engine
from kaskad.engine.parcel import Result
from kaskad.engine.sender import Sender
from kaskad.engine.world import Options, World
from kaskad.store import cascades
from kaskad.store.db import Database, open_database
from kaskad.store.migrate import upgrade
from kaskad.store.vault import Vault

POLL_S = 0.05
STALL_S = 60.0  # without any event: something is stuck, and the checker will tell what
UNLIMITED = 1_000_000


class Work(Struct, frozen=True):
    """What is asked for."""

    contacts: int = 20_000
    mode: str = "noop"  # noop | http
    db: str = ""
    rate: float = 0.0  # contacts a second, whatever happens; 0: as fast as the engine takes them
    overload: bool = False  # everybody enters at once
    latency_ms: tuple[int, int] = (20, 50)
    seed: int = 1
    concurrency: int = 256  # of each account, in http mode
    sender: str = "thread"  # thread | process, in http mode; as it is served: a thread
    receipts: str = "webhooks"  # webhooks | direct, in http mode: over HTTP, or straight to the engine
    batch: int = 50  # receipts in one webhook, at most


class Figures(Struct, frozen=True):
    """What came out. CPU is that of Kaskad's processes with the driver's share, which `driver_us` tells."""

    contacts_per_s: float
    sends_due: int
    sends_made: int
    events_per_s: float
    timer_lag_p50_ms: int
    timer_lag_p99_ms: int
    cpu_s_per_1000: float
    peak_mib: float
    bytes_per_contact: float
    enrol_per_s: float
    late_reactions: int  # confirmed by intake only after the next step had gone
    seconds: float
    ticks: int
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
        vault = Vault(["the key of a benchmark's database, of no worth"])
        say(f"importing {work.contacts} contacts")
        limit = UNLIMITED if work.mode == "noop" else work.concurrency
        version_id = prepared.prepare(db, vault, work.contacts, url, limit)
        measured = Measured(work, place, db, vault, fates)
        figures, verdict = measured.run(version_id, say)
        versions = {"kaskad": version("kaskad"), "python": platform.python_version(),
                    "database": place.server, "receiver": server or "none"}  # fmt: skip
        return Report(work, figures, verdict, versions, prepared.policy())


class Measured:
    """One run of the engine with everything that is measured about it."""

    def __init__(self, work: Work, place: Place, db: Database, vault: Vault, fates: Fates) -> None:
        self._work, self._place, self._db = work, place, db
        self._clock = SystemClock()
        self._journal = Journal()
        self._fates = fates
        options = Options(enrol_limit=work.contacts) if work.overload else Options()
        world = World(self._clock, Signer([(1, prepared.SIGNING)]), options)
        self._outside: Noop | Watched | None = None
        self._engine = Engine(db, vault, world, self._dispatch)
        self._enrolled_s = 0.0

    def run(self, version_id: int, say: Callable[[str], None]) -> tuple[Figures, Verdict]:
        """Carry everybody through; return the figures and what the checker says."""
        work, journal = self._work, self._journal
        before = self._place.sizes()
        with self._db.write() as tx:
            cascades.launch(tx, version_id, None, round(work.rate * 3600), self._clock.now())
        began, cpu = time.perf_counter(), time.process_time()
        self._engine.start()
        try:
            self._wait(began, say)
            seconds = time.perf_counter() - began
            self._count_rest()
            used_s = time.process_time() - cpu + sum(map(cpu_s, self._children()))
            most_mib = own_peak_mib() + sum(map(peak_mib, self._children()))
        finally:
            self._engine.stop()
        if problem := self._engine.problem():
            raise Unavailable(problem)
        after = self._place.sizes()
        verdict = check(journal.entries, range(1, work.contacts + 1), prepared.TIMEOUT_MS)
        assert self._outside is not None
        events = sum(journal.counts[what] for what in (What.ACCEPTED, What.FAILED, What.RETURNED))
        events += self._outside.receipts.brought
        lags = sorted(verdict.lags) or [0]
        people = work.contacts
        figures = Figures(
            contacts_per_s=round(people / seconds, 1),
            sends_due=verdict.sends_due,
            sends_made=verdict.sends_made,
            events_per_s=round(events / seconds, 1),
            timer_lag_p50_ms=lags[len(lags) // 2],
            timer_lag_p99_ms=lags[len(lags) * 99 // 100],
            cpu_s_per_1000=round(used_s / people * 1000, 4),
            peak_mib=round(most_mib, 1),
            bytes_per_contact=round(growth(before, after) / people, 1),
            enrol_per_s=round(people / self._enrolled_s, 1),
            late_reactions=verdict.late,
            seconds=round(seconds, 3),
            ticks=self._engine.ticks,
            driver_us_per_contact=round(self._outside.spent_s / people * 1e6, 2),
            driver_mib=round(journal.size() / 2**20, 1),
            bytes_by_table={
                name: round(grown / people, 1)
                for name, size in sorted(after.items())
                if (grown := size - before.get(name, 0)) > people / 20
            },
            differences={name: one.count for name, one in verdict.differences()},
        )
        return figures, verdict

    def _dispatch(self, engine: Engine) -> Dispatch:
        self._engine = engine
        if self._work.mode == "noop":
            self._outside = Noop(engine, self._clock, self._fates, self._journal)
            return self._outside

        def make(on_results: Callable[[list[Result]], None]) -> Dispatch:
            kind = Sender if self._work.sender == "process" else Dispatcher
            return kind(engine.world.accounts, self._clock.now, on_results)

        self._outside = Watched(make, engine, self._clock, self._receipts(engine), self._journal)
        return self._outside

    def _receipts(self, engine: Engine) -> Reporting:
        if self._work.receipts == "direct":
            return Receipts(engine.deliver, self._clock, self._fates, self._journal)
        from kaskad.bench.webhooks import Webhooks

        return Webhooks(engine, self._db, self._clock, self._fates, self._journal, self._work.batch)

    def _wait(self, began: float, say: Callable[[str], None]) -> None:
        """Return when every run has ended, or nothing has happened for too long."""
        counts = self._journal.counts
        seen, moved_at, told_at = 0, began, began
        while True:
            asked = time.perf_counter()
            running, live = self._left()
            now = time.perf_counter()
            if not running and not self._enrolled_s:
                self._enrolled_s = now - began
            if not running and not live:
                return
            if self._engine.problem() or now - moved_at > STALL_S:
                return
            if sum(counts.values()) != seen:
                seen, moved_at = sum(counts.values()), now
            if now - told_at > 1.0:
                told_at = now
                say(f"{counts[What.SENT]} sent, {counts[What.REACTED]} reacted, {now - began:.0f} s")
            time.sleep(max(POLL_S, 20 * (now - asked)))  # so that asking takes at most a twentieth

    def _count_rest(self) -> None:
        """Let the engine count now what it would soon: that belongs to what a contact costs."""
        world = self._engine.world
        now, noted = world.clock.now(), world.noted
        while (
            not self._engine.problem()
            and self._engine.write(lambda tx: count(tx, PIECE, now, noted)).result()
        ):
            pass

    def _left(self) -> tuple[bool, bool]:
        """Return whether people still enter, and whether any run is live."""
        running, live = self._place.ask(
            "SELECT EXISTS (SELECT 1 FROM launches WHERE state = 'running'),"
            " EXISTS (SELECT 1 FROM runs WHERE wake_at IS NOT NULL)"
        )[0]
        return bool(running), bool(live)

    def _children(self) -> list[int | None]:
        """Return the processes that send and that take webhooks, where there are such."""
        inner = getattr(self._outside, "inner", None)
        porter = getattr(getattr(self._outside, "receipts", None), "porter", None)
        return [inner.pid if isinstance(inner, Sender) else None, porter.pid if porter is not None else None]


def as_data(report: Report) -> dict[str, object]:
    """Return the report as flat JSON data: the figures first, then the context."""
    figures = msgspec.to_builtins(report.figures)
    work = msgspec.to_builtins(report.work)
    return {**figures, **work, "versions": report.versions, "policy": msgspec.to_builtins(report.policy)}

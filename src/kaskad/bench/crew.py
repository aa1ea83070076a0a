"""Who carries people through the cascade: an engine in this process, or several beside each other.

Several share one PostgreSQL database as `kaskad serve` on several machines does: each has connections, a
journal and receipts of its own, and what one sends another may decide about next.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from heapq import merge
from multiprocessing import get_context
from multiprocessing.connection import Connection
from operator import attrgetter
from typing import Protocol

from msgspec import Struct

from kaskad.bench import prepare as prepared
from kaskad.bench.fates import Fates
from kaskad.bench.journal import Entry, Journal, What
from kaskad.bench.measure import cpu_s, own_peak_mib, peak_mib
from kaskad.bench.outside import Noop, Receipts, Reporting, Watched
from kaskad.bench.work import Work
from kaskad.domain.errors import Unavailable
from kaskad.domain.tokens import Signer
from kaskad.engine.clock import SystemClock
from kaskad.engine.counting import ROUND, count
from kaskad.engine.dispatch import Dispatch, Dispatcher
from kaskad.engine.engine import Engine
from kaskad.engine.parcel import Result
from kaskad.engine.sender import Sender
from kaskad.engine.world import Options, World
from kaskad.store.db import Database
from kaskad.store.postgres import PostgresDatabase, PostgresTransaction
from kaskad.store.vault import Vault

TELL_S = 0.2  # between two words of a worker about how far it is
START_S = 120.0  # until every worker is ready
END_S = 300.0
_ENDED = "A worker has ended before its end; see what it has written above."


class Worked(Struct):
    """What came of it. CPU is that since the beginning, `driver_s` the driver's part of it."""

    entries: list[Entry]
    cpu_s: float
    peak_mib: float
    ticks: int
    repeated: int  # ticks that another process had undone
    brought: int  # receipts
    driver_s: float
    driver_bytes: int


class Crew(Protocol):
    """Engines that work between `begin` and `end`."""

    def begin(self) -> None:
        """Let them work; raises Unavailable where one cannot."""

    def counts(self) -> Mapping[What, int]:
        """Return what has happened so far."""

    def problem(self) -> str | None:
        """Return why an engine does not work, or None."""

    def end(self) -> Worked:
        """Count for reports what is left to count, then stop; raises Unavailable where an engine gave up."""

    def close(self) -> None:
        """Stop, however far they are; nothing where they have stopped."""


class Here:
    """One engine, in this process."""

    def __init__(
        self, work: Work, db: Database, vault: Vault, fates: Fates,
        decided_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:  # fmt: skip
        self._work, self._db, self._fates, self._decided_ns = work, db, fates, decided_ns
        self._clock = SystemClock()
        self._journal = Journal()
        self._outside: Noop | Watched | None = None
        self._cpu_s = 0.0
        self._stopped = False
        options = Options(enrol_limit=work.contacts) if work.overload else Options()
        world = World(self._clock, Signer([(1, prepared.SIGNING)]), options)
        self._engine = Engine(db, vault, world, self._dispatch)

    def begin(self) -> None:
        self._cpu_s = time.process_time()
        self._engine.start()

    def counts(self) -> Mapping[What, int]:
        return self._journal.counts

    def problem(self) -> str | None:
        return self._engine.problem()

    def end(self, *, count_rest: bool = True) -> Worked:
        try:
            if count_rest:
                self._count_rest()
            children = self._children()
            used_s = time.process_time() - self._cpu_s + sum(map(cpu_s, children))
            most_mib = own_peak_mib() + sum(map(peak_mib, children))
        finally:
            self.close()
        if problem := self._engine.problem():
            raise Unavailable(problem)
        assert self._outside is not None
        return Worked(
            self._journal.entries, used_s, most_mib, self._engine.ticks, self._engine.repeated,
            self._outside.receipts.brought, self._outside.spent_s, self._journal.size(),
        )  # fmt: skip

    def close(self) -> None:
        if not self._stopped:
            self._stopped = True
            self._engine.stop()

    def _dispatch(self, engine: Engine) -> Dispatch:
        self._engine = engine
        if self._work.mode == "noop":
            self._outside = Noop(engine, self._clock, self._fates, self._journal, self._decided_ns)
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

    def _count_rest(self) -> None:
        """Let the engine count now what it would soon: that belongs to what a contact costs."""
        world = self._engine.world
        now, noted = world.clock.now(), world.work.noted
        while (
            not self._engine.problem()
            and self._engine.write(lambda tx: count(tx, ROUND, now, noted)).result()
        ):
            pass

    def _children(self) -> list[int | None]:
        """Return the processes that send and that take webhooks, where there are such."""
        inner = getattr(self._outside, "inner", None)
        porter = getattr(getattr(self._outside, "receipts", None), "porter", None)
        return [inner.pid if isinstance(inner, Sender) else None, porter.pid if porter is not None else None]


class Workers:
    """Several engines, each in a process of its own; sends end in a function, as with `--mode noop`.

    Raises Unavailable where one of them cannot begin.
    """

    def __init__(self, work: Work, url: str) -> None:
        context = get_context("spawn")
        self._counts: list[Mapping[What, int]] = [{}] * work.workers
        self._problem: str | None = None
        self._lines: list[Connection] = []
        self._processes = []
        for _ in range(work.workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, work, url), daemon=True)
            process.start()
            theirs.close()
            self._lines.append(ours)
            self._processes.append(process)
        try:
            for place in range(work.workers):
                self._hear(place, START_S)  # that it is ready
                self._check()
        except BaseException:
            self.close()
            raise

    def begin(self) -> None:
        for place in range(len(self._lines)):
            self._say(place, "begin")

    def counts(self) -> Mapping[What, int]:
        for place, line in enumerate(self._lines):
            while self._problem is None and line.poll():
                self._hear(place, 0.0)
        total = Counter(dict.fromkeys(What, 0))
        for counts in self._counts:
            total.update(counts)
        return total

    def problem(self) -> str | None:
        return self._problem

    def end(self) -> Worked:
        self._check()
        told: list[Worked] = []
        last = len(self._lines) - 1
        for place in range(
            last + 1
        ):  # one after the other: only one may count, and the last has all to count
            self._say(place, "end" if place < last else "count")
            while (worked := self._hear(place, END_S)) is None:
                self._check()
            told.append(worked)
        return Worked(
            list(merge(*[one.entries for one in told], key=attrgetter("order"))),
            *[sum(each) for each in zip(*[_figures(one) for one in told], strict=True)],
        )

    def close(self) -> None:
        for line in self._lines:
            line.close()
        for process in self._processes:
            process.kill()
            process.join()

    def _check(self) -> None:
        if self._problem is not None:
            raise Unavailable(self._problem)

    def _say(self, place: int, word: str) -> None:
        try:
            self._lines[place].send(word)
        except OSError:
            self._problem = _ENDED
        self._check()

    def _hear(self, place: int, wait_s: float) -> Worked | None:
        """Take the next word of a worker, waiting for at most so long."""
        line = self._lines[place]
        try:
            if not line.poll(wait_s):
                self._problem = "A worker says nothing any more."
                return None
            told = line.recv()
        except (EOFError, ConnectionError):
            self._problem = _ENDED
            return None
        match told:
            case str():
                self._problem = told
            case Worked():
                return told
            case dict():
                self._counts[place] = told
        return None


def _figures(worked: Worked) -> tuple[float, ...]:
    return (
        worked.cpu_s, worked.peak_mib, worked.ticks, worked.repeated, worked.brought, worked.driver_s,
        worked.driver_bytes,
    )  # fmt: skip


class _Watched(PostgresDatabase):
    """A database of which is known when its last transaction was about to be committed.

    What that transaction decided has an order by it against what other processes do: they wait for the rows
    that it has locked. When this process comes to tell of its commit is chance.
    """

    decided_ns = 0

    @contextmanager
    def write(self, *, synced: bool = True) -> Iterator[PostgresTransaction]:
        with super().write(synced=synced) as tx:
            yield tx
            self.decided_ns = time.monotonic_ns()


def _work(line: Connection, work: Work, url: str) -> None:
    """Be one of several workers."""
    from kaskad.log import configure

    configure("warning")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with closing(_Watched(url)) as db:
            _obey(line, work, db)
    except Unavailable as error:
        with suppress(OSError):
            line.send(str(error))
    except EOFError:  # nobody wants it any more
        pass
    finally:
        line.close()


def _obey(line: Connection, work: Work, db: _Watched) -> None:
    """Begin and end as the line says; raises EOFError where nobody is there any more, Unavailable."""
    fates = Fates(work.contacts, work.seed, work.latency_ms)
    with closing(Here(work, db, prepared.vault(), fates, lambda: db.decided_ns)) as here:
        line.send(dict(here.counts()))
        line.recv()
        here.begin()
        ending = threading.Event()
        teller = threading.Thread(target=_tell, args=(line, here, ending))
        teller.start()
        try:
            word = line.recv()
        finally:
            ending.set()
            teller.join()
        line.send(here.end(count_rest=word == "count"))


def _tell(line: Connection, here: Here, ending: threading.Event) -> None:
    """Say every now and then how far it is, until the end."""
    while not ending.wait(TELL_S):
        try:
            line.send(here.problem() or dict(here.counts()))
        except OSError:
            return

"""The engine's thread: tick after tick, each one transaction; and the queues by which others speak to it."""

from __future__ import annotations

import gc
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from itertools import count
from math import inf
from time import monotonic
from typing import Any, TypeVar

import structlog

from kaskad.domain.errors import (
    Conflict,
    GivenUp,
    KaskadError,
    Locked,
    StoreError,
    Unavailable,
    Uncertain,
)
from kaskad.engine import catalog
from kaskad.engine.arrival import Arrival
from kaskad.engine.aside import Aside
from kaskad.engine.besides import MARK, marked
from kaskad.engine.clock import follow_database
from kaskad.engine.containment import Containment
from kaskad.engine.counting import Counting
from kaskad.engine.defects import is_defect
from kaskad.engine.dispatch import Dispatch
from kaskad.engine.effects import Effects, refuse
from kaskad.engine.heard import Listener
from kaskad.engine.housekeeping import Housekeeping
from kaskad.engine.move import move
from kaskad.engine.next_at import next_at
from kaskad.engine.parcel import Result
from kaskad.engine.pulse import Pulse
from kaskad.engine.receive import Delivery
from kaskad.engine.reports import ENOUGH
from kaskad.engine.tick import Only, Ticked, tick
from kaskad.engine.versions import StaleCatalog
from kaskad.engine.work import Part
from kaskad.engine.world import World
from kaskad.store import set_aside
from kaskad.store.courses import Noted
from kaskad.store.db import Database, Transaction
from kaskad.store.runs import RunKey
from kaskad.store.vault import Vault

T = TypeVar("T")
log = structlog.get_logger()

_GATHER_S = 0.01  # what comes in bits is taken together: a commit for each would cost more than its work
_LOOK_S = 0.001  # between looks at how much has come
_IDLE_S = 1.0
_SHARED_IDLE_S = 0.1  # on PostgreSQL other processes put things into the inbox too
_RELOAD_S = 2.0  # so soon does what other processes change there count here
_FOLLOW_S = 60.0  # between looks at the database's clock
_REPEATS = 20  # of a tick that a change of another process has undone
_LEFT = 10_000  # runs whose tasks are closed at a start
_TRIES = 5  # failing ticks in a row, before the engine stops


class Engine:
    """Runs the ticks of one process. `write`, `deliver` and `take_results` may be called from any thread."""

    def __init__(
        self, db: Database, vault: Vault, world: World, make_dispatch: Callable[[Engine], Dispatch]
    ) -> None:
        self.world = world
        self._db, self._vault = db, vault
        self._results: deque[Result] = deque()
        self._deliveries: list[Delivery] = []
        self._shared: Future[None] = Future()
        self._lock = threading.Lock()  # what is delivered and the future that it shares belong together
        self._writes: deque[tuple[Callable[[Transaction], Any], Future[Any], bool]] = deque()
        self._aside = Aside(db)
        self._wake = threading.Event()
        self._stopping = False
        self._began_s = 0.0
        self._served = 0  # requests and results, by the tick before
        self._halt = threading.Event()  # set with it
        self._problem: str | None = None
        self._failing: str | None = None  # why the last tick was not kept
        self._thread: threading.Thread | None = None
        self._housekeeping = Housekeeping()
        self.next_at: int | None = None  # when there is something to do that nobody wakes us for
        self.ticks = 0
        self.repeated = 0  # ticks that were undone by a change of another process, and done again
        self.pulse = Pulse()
        world.shared = db.dialect == "postgresql"
        world.work.noted = None if world.shared else Noted()
        self._counting = Counting(noted=world.work.noted)
        self._containment = Containment(db, world, self._counting)
        self._follow_clock()
        self._load()
        self._dispatch = make_dispatch(self)
        self._effects = Effects(db, self._dispatch, world.clock.now, self.take_results, self._wake.set)

    def start(self) -> None:
        """Begin to tick, in a thread of its own."""
        # A tick makes and drops a hundred thousand values without a cycle among them: what was there before
        # is left out of the collector's rounds, and these come rarely (15 % of a tick otherwise).
        gc.collect()
        gc.freeze()
        gc.set_threshold(1_000_000, 20, 100)
        self._effects.ahead = True
        if self.world.options.moves:  # this may be the release that can apply it
            self._commit([(self._retry_set_aside, Future()), (self._close_left, Future())], synced=True)
        self._thread = threading.Thread(target=self._run, name="engine")
        self._thread.start()

    def stop(self, timeout_s: float = 30.0) -> None:
        """End after the tick under way; wait for the answers to what has been handed over, and keep them.

        Raises StoreError where that, or an earlier tick, is not on the disk.
        """
        self._stopping = True
        self._halt.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self._aside.close()
        self._effects.catch_up()
        self._effects.ahead = False
        lost = self._effects.lost if self._problem is None else None  # what has not been told yet
        if lost is not None:
            self._give_up(str(lost))
        try:
            self._dispatch.close(timeout_s)
            if self._problem is None and self._thread is not None:
                self._tick(closing=True)
        finally:  # whoever waits is told, whatever the database says
            self._refuse_waiting(Unavailable("The server is stopping; try again."))
        if lost is not None:
            raise lost

    def problem(self) -> str | None:
        """Return why the engine does not work, or None."""
        return self._problem

    def trouble(self) -> str | None:
        """Return why nothing can be kept now, or None: it does not work, or goes on trying."""
        return self._problem or self._failing

    def write(self, change: Callable[[Transaction], T], *, synced: bool = True) -> Future[T]:
        """Run `change` in a transaction between two ticks; the future ends after its commit.

        `synced` as in `Database.write`: without it the change can be made again after a loss of power. On
        PostgreSQL, where others write meanwhile anyway, it then waits for no tick, and none for it.
        """
        future: Future[T] = Future()
        change, aside = marked(change), self.world.shared and not synced
        with self._lock:
            refusal = self._refusal()
            if refusal is None and not aside:
                self._writes.append((change, future, synced))
        if refusal is not None:
            return _failed(refusal)
        if aside:
            return self._aside.write(change)
        self._wake.set()
        return future

    def deliver(self, delivery: Delivery) -> Future[Any]:
        """Take what has arrived; the future ends after the commit that keeps it.

        All that one tick will keep share a future, unless the delivery brings its own.
        """
        if MARK.get() is not None:
            delivery.acts = [marked(_nothing), *delivery.acts]
        with self._lock:
            future = delivery.done or self._shared
            refusal = self._refusal()
            if refusal is None:
                self._deliveries.append(delivery)
        if refusal is not None:
            return _failed(refusal)
        if not self._wake.is_set():  # the engine clears it before it looks at what is there
            self._wake.set()
        return future

    def take_results(self, results: list[Result]) -> None:
        """Take the ends of submissions, from the dispatcher."""
        self._results.extend(results)
        self._wake.set()

    def listen(self, listener: Listener) -> None:
        """Hand what services tell by themselves, over connections that sending keeps, to `listener`."""
        self._dispatch.listen(listener)

    def reload(self) -> None:
        """Read cascades and accounts again, after a change."""
        self.write(lambda tx: catalog.load(tx, self._vault, self.world)).result()

    def _refusal(self) -> Unavailable | None:
        if self._problem is not None or (self._stopping and self._thread is not None):
            return Unavailable(self._problem or "The server is stopping; try again.")
        return None

    def _run(self) -> None:
        failures = 0
        while not self._stopping and self._effects.lost is None:
            try:
                more = self._work()
                failures, self._failing = 0, None
            except (StoreError, Conflict) as error:  # tried so often, no conflict passes
                failures += 1
                self._failing = str(error)
                log.error("tick failed", why=str(error), tries=failures)
                self._effects.catch_up()  # which finds out whether the disk is lost: then no other try helps
                away = isinstance(error, Unavailable) and self.world.shared  # a database server comes back
                if failures >= _TRIES and not away:
                    self._give_up(str(error))
                    return
                more = False
            except Exception as error:
                log.exception("engine stopped")
                self._give_up(f"The engine stopped because of a defect: {error!r}")
                return
            self._sleep(more, failures)
        if self._effects.lost is not None:
            self._give_up(str(self._effects.lost))

    def _work(self) -> bool:
        """Do the waiting writes and one tick; return whether there is more to do at once."""
        if self.world.shared and monotonic() - self._followed_s > _FOLLOW_S:
            self._follow_clock()
        if self.world.shared and monotonic() - self._loaded_s > _RELOAD_S:
            self._load()  # another process may have activated a cascade, changed an account or died
        self._do_writes()
        return self._tick()

    def _do_writes(self) -> None:
        """Run the waiting changes: first those that wait for the disk, which the others then need not."""
        taken = [self._writes.popleft() for _ in range(len(self._writes))]
        for synced in (True, False):
            self._commit([(change, future) for change, future, each in taken if each is synced], synced)

    def _commit(
        self, taken: list[tuple[Callable[[Transaction], Any], Future[Any]]], synced: bool
    ) -> None:  # fmt: skip
        """Run changes in one transaction, or one by one where one of them fails."""
        if not taken:
            return
        try:
            with self._db.write(synced=synced) as tx:
                values = [change(tx) for change, _ in taken]
        except Uncertain as error:  # once more may be twice
            for _, future in taken:
                future.set_exception(error)
            return
        except Exception:
            self._forget_noted()
            for change, future in taken:
                try:
                    with self._db.write(synced=synced) as tx:
                        value = change(tx)
                except Exception as error:
                    self._forget_noted()
                    future.set_exception(error)
                else:
                    future.set_result(value)
            return
        for (_, future), value in zip(taken, values, strict=True):
            future.set_result(value)

    def _retry_set_aside(self, tx: Transaction) -> None:
        set_aside.retry(tx)
        self.world.work.entries_set_aside = 0

    def _close_left(self, tx: Transaction) -> None:
        """Close the tasks of runs that an older release has ended without them: each keeps a place."""
        left = tx.all("tasks_left", limit=_LEFT)
        move(tx, self.world, {(row[0], row[1]) for row in left}, self.world.clock.now(), timers=False)

    def _forget_noted(self) -> None:
        """Note runs anew that a change has noted as due and that was rolled back, as a merge may be."""
        if self.world.work.noted is not None:
            self.world.work.noted.forget()

    def _tick(self, closing: bool = False) -> bool:
        self._began_s = monotonic()
        results = [self._results.popleft() for _ in range(len(self._results))]
        deliveries, shared = self._take_deliveries()
        self._served = len(results) + _told_in(deliveries)
        try:
            ticked = self._transact(results, deliveries, closing)
        except BaseException as error:
            if not is_defect(error) or not self._contain(results, deliveries, shared, closing):
                self._after_failure(results, deliveries, shared, error)
                raise
            return True
        self._after_commit(ticked, results, deliveries, shared)
        return ticked.more

    def _contain(
        self, results: list[Result], deliveries: list[Delivery], shared: Future[None], closing: bool
    ) -> bool:
        """Let nobody suffer from what one entry makes a tick fail of; return whether that is found."""
        log.exception("tick failed of what it was to do")

        def step(
            results: Sequence[Result] = (), deliveries: Sequence[Delivery] = (), only: Only | None = None
        ) -> Collection[RunKey]:
            self.world.forget_tick()
            taken = [*results], [*deliveries]
            ticked = self._transact(*taken, closing, only)
            self._after_commit(ticked, *taken, Future())
            return ticked.touched

        with self._effects.in_step():
            try:
                self._containment.contain(step, results, deliveries, shared)
            except Exception as error:
                if not is_defect(error):
                    self._after_failure(results, deliveries, shared, error)
                    raise
                return False
        return True

    def _transact(
        self, results: list[Result], deliveries: list[Delivery], closing: bool, only: Only | None = None
    ) -> Ticked:
        """Run one tick, and again where a row had changed or another process was in the way."""
        for tries in count(1):
            try:
                now, began_s = self.world.clock.now(), monotonic()
                with self._effects.transaction() as tx:
                    ticked = tick(tx, self.world, results, deliveries, now, closing=closing, only=only)
                    if self.world.options.moves and only is None:
                        self._housekeeping.run(tx, self.world, now)
                    counts = only is None and not self.world.work.rests(Part.COUNTING, now)
                    if self.world.options.moves and counts:
                        busy = ticked.more or bool(results or deliveries)  # somebody waits for the commit
                        ticked.more |= self._counting.run(tx, busy, now)
                    if self.world.options.moves and only is None and not ticked.more:
                        self.next_at = next_at(tx, self.world, now)
                    ticked.sums.write(tx)
                self.world.work.conflicts = 0
                self.world.committed()
                self._counting.committed()
                self.world.work.pace(ticked.moved, monotonic() - began_s)
                return ticked
            except (Conflict, Locked) as error:
                passing = isinstance(error, Conflict) or self.world.shared
                if not passing or isinstance(error, GivenUp) or tries >= _REPEATS:
                    raise
                log.info("tick repeated", why=str(error))
                self.repeated += 1
                self._begin_again(deliveries, error)
        raise AssertionError

    def _begin_again(self, deliveries: list[Delivery], error: KaskadError) -> None:
        """Forget what a rolled-back tick has noted in memory; read what others have changed."""
        self.world.work.conflicts += isinstance(error, Conflict)
        self.world.forget_tick()
        for delivery in deliveries:
            delivery.problems.clear()
        if isinstance(error, StaleCatalog):
            self._load()

    def _follow_clock(self) -> None:
        corrected_ms = follow_database(self.world.clock, self._db)
        if corrected_ms:
            log.info("clock follows the database's", ms=corrected_ms)
        self._followed_s = monotonic()

    def _load(self) -> None:
        with self._db.write() as tx:
            catalog.load(tx, self._vault, self.world)
        self._loaded_s = monotonic()

    def _take_deliveries(self) -> tuple[list[Delivery], Future[None]]:
        """Return what has been delivered, and the future that those share who brought none."""
        with self._lock:
            taken, self._deliveries = self._deliveries, []
            shared = self._shared
            if taken:
                self._shared = Future()
        return taken, shared

    def _after_commit(
        self, ticked: Ticked, results: list[Result], deliveries: list[Delivery], shared: Future[None]
    ) -> None:
        self.ticks += 1
        self.pulse.beat(monotonic() - self._began_s)
        under_way = self.world.traffic.under_way
        under_way.subtract(Counter([result.account_id for result in results]))
        under_way.update(Counter([parcel.account_id for parcel in ticked.parcels]))
        self._effects.follow(ticked.parcels, deliveries, shared)

    def _after_failure(
        self, results: list[Result], deliveries: list[Delivery], shared: Future[None], error: BaseException
    ) -> None:
        """Nothing of the tick was kept: results are tried again, what had not been answered is refused."""
        self._results.extendleft(reversed(results))
        self.world.forget_tick()
        if isinstance(error, Conflict):  # of the tick: theirs may come again
            error = Unavailable(f"Nothing could be kept just now: {error}")
        elif not isinstance(error, KaskadError):
            error = Unavailable(f"The engine stopped because of a defect: {error!r}")
        refuse(deliveries, shared, error)

    def _give_up(self, problem: str) -> None:
        self._problem = problem
        self._refuse_waiting(Unavailable(problem))

    def _refuse_waiting(self, error: KaskadError) -> None:
        refuse(*self._take_deliveries(), error)
        while self._writes:
            self._writes.popleft()[1].set_exception(error)

    def _sleep(self, more: bool, failures: int) -> None:
        if failures:
            self._halt.wait(min(5.0, 0.2 * 2**failures))  # nothing that arrives makes it work any sooner
        elif not more:
            if self._waiting():
                self._gather(self._began_s + _GATHER_S)
            else:
                idle_s = _SHARED_IDLE_S if self.world.shared else _IDLE_S
                until_s = self.world.clock.seconds_until(self.next_at) if self.next_at is not None else idle_s
                if until_s > 0:
                    self._wake.wait(min(idle_s, until_s))
            self._gather(monotonic() + _GATHER_S, self._served)
        self._wake.clear()

    def _gather(self, until_s: float, least: float = inf) -> None:
        """Let what comes in bits come together, until then: `least` of all, or enough of what is waited for.

        `least` is what the last tick served, since those who were answered soon come back.
        """
        while 0 < self._waiting() < least and monotonic() < until_s and not self._stopping:
            if _told_in(self._deliveries) >= ENOUGH:
                return
            if self._deliveries or least < inf:
                self._halt.wait(_LOOK_S)
            else:  # of results and writes there are never enough: until something comes, or the end
                self._wake.clear()
                self._wake.wait(max(0.0, until_s - monotonic()))

    def _waiting(self) -> int:
        """Return how many deliveries, results and changes the next tick will find."""
        return _told_in(self._deliveries) + len(self._results) + len(self._writes)


def _told_in(deliveries: list[Delivery]) -> int:
    """Return how many requests were delivered: one may bring those that came together."""
    return sum([len(delivery.raw) or 1 for delivery in deliveries])


def _nothing(tx: Transaction) -> Sequence[Arrival]:
    return ()


def _failed(error: KaskadError) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(error)
    return future

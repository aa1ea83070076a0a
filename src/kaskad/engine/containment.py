"""What a defect of ours, or an odd value, keeps a tick from doing: it is set aside, and all else goes on.

It is looked for once a tick has failed, never before. What was accepted is not lost: entries of the inbox
stay there, with the defect, until they are tried again; deliveries are refused, and told again by whoever
brought them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Protocol, TypeVar

from kaskad.domain.errors import GivenUp, KaskadError, Unavailable
from kaskad.domain.event import EventIn
from kaskad.domain.ids import contact_text, run_text
from kaskad.engine import defects
from kaskad.engine.counting import Counting
from kaskad.engine.defects import DEFECT_MS, by_halves, is_defect
from kaskad.engine.enrol import Request, enrol
from kaskad.engine.hits import unjudged
from kaskad.engine.parcel import Result
from kaskad.engine.receive import Delivery
from kaskad.engine.tick import Only, entering
from kaskad.engine.work import Part
from kaskad.engine.world import World
from kaskad.log import get_logger
from kaskad.store import set_aside
from kaskad.store.db import Database, Row, Transaction
from kaskad.store.runs import MessageKey, RunKey

T = TypeVar("T")
log = get_logger(__name__)

_NOTHING = Only()
_FAULTS = 100  # events of one request, or entries of one tick, that are left out because of a defect


class _Undone(Exception):
    """Ends a transaction of which nothing is to stay."""


class _TooMany(Exception):
    """So many fail that it is not they who are odd."""


class Step(Protocol):
    """Runs one tick and returns the runs that it leaves to be moved, or raises and changes nothing."""

    def __call__(
        self, results: Sequence[Result] = (), deliveries: Sequence[Delivery] = (), only: Only | None = None
    ) -> Collection[RunKey]: ...


class Containment:
    """Of the ticks of one engine."""

    def __init__(self, db: Database, world: World, counting: Counting) -> None:
        self._db, self._world, self._counting = db, world, counting
        self._why = ""  # the last whole tick failed, by class and place

    def contain(
        self, step: Step, results: list[Result], deliveries: Sequence[Delivery], shared: Future[None]
    ) -> None:  # fmt: skip
        """Do in pieces what one tick could not do at once, and set aside what cannot be done at all.

        Results that were noted are taken out of `results`. Raises what a tick fails of where nothing that
        has come in is the cause.
        """
        touched: set[RunKey] = set()

        def take(
            results: Sequence[Result] = (), deliveries: Sequence[Delivery] = (), only: Only | None = None
        ) -> Collection[RunKey]:
            found = step(results, deliveries, only or _NOTHING)
            touched.update(found)
            return found

        take()
        self._results(take, results)
        self._inbox(take)
        self._hits(take)
        if deliveries:
            _one_by_one(take, deliveries, shared)
        self._move(step, sorted(touched))
        if self._passes(step):
            return
        failed_at = [(run.contact_id, run.id) for runs in self._world.work.moving for run in runs]
        if self._move(step, failed_at):  # the next tick tells whether there are more of these
            return
        if self._count() or self._enter(step):
            return
        with self._db.read() as tx:
            launches = [row[0] for row in tx.all("launches_under_way")]
        alone: list[tuple[Part | int, ...]] = [(one,) for one in (*launches, *Part)]
        if not any(self._passes(step, without) for without in (*alone, tuple(Part))):
            step()

    def _count(self) -> bool:
        """Count by halves what was to be counted; return whether some had to be left out."""
        now = self._world.clock.now()
        stuck: list[RunKey] = []

        def attempt(part: Sequence[RunKey]) -> None:
            with self._db.write() as tx:
                self._counting.attempt(tx, part, now)

        def aside(key: RunKey, defect: str) -> None:
            log.error("run left out of the counting: a defect", run=run_text(*key), error=defect)
            self._counting.leave_out(key, now + DEFECT_MS)
            with self._db.write() as tx:
                set_aside.rest(tx, key, now + DEFECT_MS, defect, part=Part.COUNTING.name.lower())
            stuck.append(key)

        tried = () if self._world.work.rests(Part.COUNTING, now) else self._counting.tried
        self._sift(tried, attempt, aside)
        return bool(stuck)

    def _enter(self, step: Step) -> bool:
        """Set aside by halves who cannot enter by launches and dates; return whether all goes on then."""
        world, now = self._world, self._world.clock.now()
        out, requests = world.work.kept_out, list[Request]()

        def aside(one: Request, defect: str) -> None:
            if len(out) >= _FAULTS:
                raise _TooMany
            out[one.version.id, one.contact_id] = defect

        try:
            self._undone(lambda tx: requests.extend(entering(tx, world, now)))
            self._sift(
                requests, lambda part: self._undone(lambda tx: enrol(tx, self._world, part, now)), aside
            )
            if not out or not self._passes(step):
                return False
        except Exception as error:
            if not is_defect(error):
                raise
            return False
        else:
            for (_, contact_id), defect in out.items():
                log.error("an entry was set aside: a defect", contact=contact_text(contact_id), error=defect)
            return True
        finally:
            out.clear()

    def _undone(self, change: Callable[[Transaction], object]) -> None:
        """Try a change, and leave nothing of it."""
        try:
            with suppress(_Undone), self._db.write() as tx:
                change(tx)
                raise _Undone
        finally:
            self._world.forget_tick()  # after a change that failed, too

    def _passes(self, step: Step, without: Sequence[Part | int] = ()) -> bool:
        """Run a whole tick, or one that leaves some of its work for an hour; return whether that went.

        What is left: parts, and launches by their number.
        """
        before, until = dict(self._world.work.resting), self._world.clock.now() + DEFECT_MS
        self._world.work.resting |= dict.fromkeys(without, until)
        try:
            step()
        except Exception as error:
            self._world.work.resting = before
            if not is_defect(error):
                raise
            self._why = defects.told(error)
            return False
        for what in without:
            part, launch = (what, 0) if isinstance(what, Part) else (Part.LAUNCHES, what)
            log.error(
                "a part of the work rests: a defect", part_of_work=part.value, launch=launch, error=self._why
            )
            with self._db.write() as tx:
                set_aside.rest(tx, (0, launch), until, self._why, part=part.name.lower())
        return True

    def _results(self, take: Step, results: list[Result]) -> None:
        """Note how submissions ended; of one that cannot be noted the guard will say that nobody knows."""

        def attempt(part: Sequence[Result]) -> None:
            take(results=part)
            del results[: len(part)]

        def aside(one: Result, defect: str) -> None:
            log.error("an answer of a service could not be noted", defect=defect, step=one.step,
                      run=run_text(one.contact_id, one.run_id))  # fmt: skip
            self._world.traffic.under_way.subtract(Counter([one.account_id]))
            del results[0]

        self._sift(list(results), attempt, aside)

    def _inbox(self, take: Step) -> None:
        with self._db.read() as tx:
            rows = tx.all("look_at_inbox", limit=self._world.options.inbox_limit)

        def aside(row: Row, defect: str) -> None:
            log.error("an entry of the inbox was set aside", entry=row[0], contact=contact_text(row[1]),
                      kind=set_aside.kind_word(row[2]), defect=defect)  # fmt: skip
            with self._db.write() as tx:
                set_aside.put(tx, row[0], defect, self._world.clock.now())
                self._world.work.entries_set_aside = set_aside.count(tx)

        self._sift(rows, lambda part: take(only=Only([row[0] for row in part])), aside)

    def _hits(self, take: Step) -> None:
        """Judge by halves whose clicks and openings are due; one message's wait for an hour."""
        now = self._world.clock.now()
        with self._db.read() as tx:
            keys = unjudged(tx, now)

        def aside(key: MessageKey, defect: str) -> None:
            log.error("clicks and openings wait: a defect", run=run_text(*key[:2]), step=key[2], error=defect)
            with self._db.write() as tx:
                set_aside.put_off_hits(tx, key, now, now + DEFECT_MS)
                set_aside.rest(tx, key[:2], now + DEFECT_MS, defect, step=key[2])

        self._sift(keys, lambda part: take(only=Only(hits=part)), aside)

    def _move(self, step: Step, keys: Sequence[RunKey]) -> bool:
        """Move these runs by halves; who cannot be moved waits for an hour. Return whether there are some."""
        now = self._world.clock.now()
        stuck: list[RunKey] = []

        def aside(key: RunKey, defect: str) -> None:
            log.error("run set aside: a defect", run=run_text(*key), error=defect)
            with self._db.write() as tx:
                set_aside.put_off(tx, [key], now, now + DEFECT_MS)
                set_aside.rest(tx, key, now + DEFECT_MS, defect)
            stuck.append(key)

        self._sift(keys, lambda part: step(only=Only(runs=set(part))), aside)
        return bool(stuck)

    def _sift(
        self, things: Sequence[T], attempt: Callable[[Sequence[T]], object], aside: Callable[[T, str], None]
    ) -> None:  # fmt: skip
        """Attempt all in their order, by halves where that fails; those that fail alone are set `aside`."""

        def tried(part: Sequence[T]) -> None:
            try:
                attempt(part)
            except Exception:
                self._world.forget_tick()
                raise

        by_halves(things, tried, lambda one, error: aside(one, defects.told(error)))


def _one_by_one(take: Step, deliveries: Sequence[Delivery], shared: Future[None]) -> None:
    """Give each delivery a tick of its own, and refuse those that make it fail: nobody else suffers.

    Of those that share a future all are refused with one, and told again: what was kept counts once.
    """
    failed: KaskadError | None = None
    for delivery in deliveries:
        delivery.problems.clear()
        try:
            take(deliveries=[delivery])
        except Exception as error:
            if not is_defect(error):
                raise
            if _event_by_event(take, delivery):
                continue
            refusal: KaskadError = Unavailable(f"It could not be kept, because of a defect: {error!r}")
            if isinstance(error, GivenUp):
                refusal = error
            if delivery.done is None:
                failed = refusal
            else:
                delivery.done.set_exception(refusal)
    if failed is None:
        shared.set_result(None)
    else:
        shared.set_exception(failed)


def _event_by_event(take: Step, delivery: Delivery) -> bool:
    """Keep the events of a delivery that a defect does not keep out, and tell of each other one why.

    Return whether some were kept. One that holds more than events, or very many odd ones, is told again.
    """
    alone = Delivery(delivery.done, events=delivery.events, problems=delivery.problems)
    if delivery.done is None or delivery != alone or len(delivery.events) < 2:
        return False
    problems: list[str | None] = []
    faults = 0

    def attempt(events: Sequence[EventIn]) -> None:
        kept: Future[list[str | None]] = Future()
        take(deliveries=[Delivery(kept, events=events)])
        problems.extend(kept.result())

    def aside(_: EventIn, error: Exception) -> None:
        nonlocal faults
        faults += 1
        if faults > _FAULTS:
            raise _TooMany
        log.error("an event was left out: a defect", error=defects.told(error))
        problems.append(f"a defect keeps it from being kept ({type(error).__name__}): tell it again later")

    try:
        by_halves(delivery.events, attempt, aside)
    except _TooMany:
        return False
    if faults == len(delivery.events):
        return False
    delivery.problems[:] = problems
    delivery.done.set_result(problems)
    return True

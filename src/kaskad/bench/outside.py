"""The world outside the engine: a provider that takes or refuses messages, and people who react.

Its cost is counted apart (`spent_s`), so that the benchmark's figures are the engine's.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from typing import Any, Protocol

from kaskad.bench.fates import Fates
from kaskad.bench.journal import STEPS, Journal, What, key_of
from kaskad.domain.terms import Kind, Reason
from kaskad.engine.arrival import Arrival
from kaskad.engine.clock import Clock
from kaskad.engine.dispatch import Dispatch
from kaskad.engine.heard import Listener
from kaskad.engine.parcel import Parcel, Result
from kaskad.engine.receive import Delivery

GRAIN_MS = 5  # receipts that fall due within this time come in one delivery
AGAIN_MS = 50  # what intake has refused comes again after this time
_AGAIN = (Reason.RATE_LIMITED, Reason.TRANSIENT, Reason.AUTH)  # the account's trouble, not the message's
_BOTH = _DELIVERED, _READ = Kind.DELIVERED.value, Kind.READ.value


class Taker(Protocol):
    """What the outside needs of the engine."""

    def deliver(self, delivery: Delivery) -> Future[Any]: ...

    def take_results(self, results: list[Result]) -> None: ...


class Reporting(Protocol):
    """What brings receipts to the engine."""

    spent_s: float  # CPU time of this process that was the driver's
    brought: int  # receipts

    def plan(self, accepted: Iterable[tuple[int, int, int]], now: int) -> None: ...

    def close(self) -> None: ...


class Receipts:
    """Brings receipts after their latency, from a thread of its own, through the engine's intake."""

    def __init__(self, deliver: Callable[[Delivery], Future[Any]], clock: Clock, fates: Fates,
                 journal: Journal) -> None:  # fmt: skip
        self._deliver, self._clock, self._fates, self._journal = deliver, clock, fates, journal
        self._due: dict[int, list[Arrival]] = defaultdict(list)  # by grain
        self._number = 0
        self._planned: list[Callable[[], None]] = []  # what our own thread is to do, not the engine's
        self._changed = threading.Condition()
        self._stopping = False
        self.spent_s = 0.0
        self.brought = 0
        self._thread = threading.Thread(target=self._run, name="outside", daemon=True)
        self._thread.start()

    def plan(self, accepted: Iterable[tuple[int, int, int]], now: int) -> None:
        """Let receipts come for messages (contact, run, step) that were accepted `now`."""
        self._later(partial(self._place, accepted, now))

    def close(self) -> None:
        """Bring nothing more."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _later(self, act: Callable[[], None]) -> None:
        with self._changed:
            self._planned.append(act)
            self._changed.notify()

    def _place(self, accepted: Iterable[tuple[int, int, int]], now: int) -> None:
        latency, reacts, due, number = self._fates.latency_ms, self._fates.reacts, self._due, self._number
        for contact_id, run_id, step in accepted:
            for kind in _BOTH if reacts(contact_id, step) else _BOTH[:1]:
                number, at = number + 1, now + latency()
                arrival = Arrival(contact_id, run_id, step, kind, f"e{number}", at)
                due[at // GRAIN_MS + 1].append(arrival)
        self._number = number

    def _run(self) -> None:
        while (arrivals := self._wait()) is not None:
            self.brought += len(arrivals)
            self._bring(arrivals)
            self.spent_s = time.thread_time()

    def _wait(self) -> list[Arrival] | None:
        """Return what has fallen due, as soon as something has; None at the end."""
        while not self._stopping:
            with self._changed:
                acts, self._planned = self._planned, []
            for act in acts:
                act()
            first = min(self._due, default=0)  # of some ten
            left_s = self._clock.seconds_until(first * GRAIN_MS) if first else None
            if left_s is not None and left_s <= 0:
                return self._due.pop(first)
            with self._changed:
                if not self._planned and not self._stopping:
                    self._changed.wait(left_s)
        return None

    def _bring(self, arrivals: list[Arrival]) -> None:
        reactions = [key_of(one.contact_id, one.step) for one in arrivals if one.kind == _READ]

        def ended(done: Future[Any]) -> None:
            if done.exception() is None:
                self._journal.note(self._clock.now(), What.REACTED, reactions)
            elif not self._stopping:
                self._later(partial(self._again, arrivals))

        self._deliver(Delivery(Future(), arrivals=arrivals)).add_done_callback(ended)

    def _again(self, arrivals: list[Arrival]) -> None:
        """Bring what intake has refused later again, as providers do."""
        self._due[(self._clock.now() + AGAIN_MS) // GRAIN_MS].extend(arrivals)


class Noop:
    """A dispatcher that answers at once, without sending anything.

    `decided_ns` tells when it was settled that the parcels at hand are to go.
    """

    def __init__(
        self, engine: Taker, clock: Clock, fates: Fates, journal: Journal,
        decided_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:  # fmt: skip
        self._engine, self._clock, self._fates, self._journal = engine, clock, fates, journal
        self._decided_ns = decided_ns
        self.receipts = Receipts(engine.deliver, clock, fates, journal)
        self._spent_s = 0.0

    @property
    def spent_s(self) -> float:
        """Return the CPU time that this driver itself has taken."""
        return self._spent_s + self.receipts.spent_s

    def submit(self, parcels: list[Parcel]) -> None:
        began = time.thread_time()
        now, fails = self._clock.now(), self._fates.fails
        taken: list[Parcel] = []
        refused: list[Parcel] = []
        for parcel in parcels:
            (refused if fails(parcel.contact_id, parcel.step) else taken).append(parcel)
        self._journal.note(now, What.SENT, _keys(parcels), self._decided_ns())
        self._journal.note(now, What.FAILED, _keys(refused))
        self._journal.note(now, What.ACCEPTED, _keys(taken))
        sent = Kind.SENT
        results = [
            Result(p.contact_id, p.run_id, p.step, p.attempt, p.account_id, now, "", sent) for p in taken
        ]
        self._engine.take_results(results + [_refusal(p, now) for p in refused])
        self.receipts.plan(((p.contact_id, p.run_id, p.step) for p in taken), now)  # made in its thread
        self._spent_s += time.thread_time() - began

    def listen(self, listener: Listener) -> None:
        """Keep no connections."""

    def close(self, timeout_s: float) -> None:
        self.receipts.close()


def _keys(parcels: list[Parcel]) -> list[int]:
    return [parcel.contact_id * STEPS + parcel.step for parcel in parcels]  # as `key_of`


def _refusal(parcel: Parcel, now: int) -> Result:
    return Result(
        parcel.contact_id, parcel.run_id, parcel.step, parcel.attempt, parcel.account_id, now,
        reason=Reason.INVALID_ADDRESS, detail="no such person", accepted=False,
    )  # fmt: skip


class Watched:
    """A real dispatcher, with a journal of what went through it and receipts for what was accepted."""

    def __init__(
        self, make: Callable[[Callable[[list[Result]], None]], Dispatch], engine: Taker, clock: Clock,
        receipts: Reporting, journal: Journal,
    ) -> None:  # fmt: skip
        self._engine, self._clock, self._journal = engine, clock, journal
        self.receipts = receipts
        self._spent_s = 0.0
        self.inner = make(self._on_results)

    @property
    def spent_s(self) -> float:
        """Return the CPU time that this driver itself has taken."""
        return self._spent_s + self.receipts.spent_s

    def submit(self, parcels: list[Parcel]) -> None:
        self._journal.note(self._clock.now(), What.SENT, _keys(parcels))
        self.inner.submit(parcels)

    def listen(self, listener: Listener) -> None:
        self.inner.listen(listener)

    def close(self, timeout_s: float) -> None:
        self.inner.close(timeout_s)
        self.receipts.close()

    def _on_results(self, results: list[Result]) -> None:
        began = time.thread_time()
        taken = [one for one in results if one.reason is None]
        ends: dict[tuple[int, What], list[int]] = {}
        for one in results:
            ends.setdefault((one.at, _end_of(one)), []).append(key_of(one.contact_id, one.step))
        for (at, what), keys in ends.items():
            self._journal.note(at, what, keys)
        self._engine.take_results(results)
        self.receipts.plan([(one.contact_id, one.run_id, one.step) for one in taken], self._clock.now())
        self._spent_s += time.thread_time() - began


def _end_of(result: Result) -> What:
    if result.reason is None:
        return What.ACCEPTED
    return What.RETURNED if result.accepted is None or result.reason in _AGAIN else What.FAILED

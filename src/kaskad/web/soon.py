"""What takes long is counted in the background: who asks gets it soon, or is told that it is under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

from kaskad.domain.errors import KaskadError
from kaskad.domain.worded import worded

T = TypeVar("T")
SOON_S = 0.25  # from its beginning, so long is waited for: with its frame a page is there in 0.3
HELD_S = 0.25  # so long a page that waits already is held at a time, so that it goes on at once
AT_ONCE = 2  # counted at the same time, fewer than a database has readers; the others wait for their turn
WAITING = 32  # so many at most; more are refused
KEPT_S = 10.0  # so long an answer that was not there soon waits for who asks again
RETRY_S = 1  # when to ask again
ANEW = 3  # so often at most what stands on something that changes all the time is counted anew


class BeingCounted(KaskadError):
    """It will be there for who asks again; `for_s` tells for how long it has been counted."""

    def __init__(self, for_s: float, there: threading.Event) -> None:
        super().__init__("It is being counted: ask again in a moment.")
        self.for_s, self._there = for_s, there

    def comes(self) -> bool:
        """Wait for it for a moment; return whether it is there."""
        return self._there.wait(HELD_S)


class Busy(KaskadError):
    """It cannot be counted now: too much waits for its turn, or the server is stopping."""


class _Job:
    """One thing that is counted; `value` or `error` are there once `done` is set."""

    def __init__(
        self, make: Callable[[], Any], promised: Iterable[str] = (), mark: Hashable = "", anew: int = 0
    ) -> None:
        self.mark, self.anew = mark, anew  # what it stood on as it began; how often it was counted before
        self.began, self.ended = time.monotonic(), 0.0
        self.waits = True  # for its turn
        self.promised = set(promised)  # who was told to ask again
        self.done = threading.Event()
        self.value: Any = None
        self.error: Exception | None = None
        self._make = make

    def run(self, turn: threading.Semaphore, closed: threading.Event) -> None:
        with turn:
            self.waits = False
            try:
                if closed.is_set():
                    raise _stopping()
                self.value = self._make()
            except Exception as error:
                self.error = error
        self.ended = time.monotonic()
        self.done.set()

    def is_old(self, now: float) -> bool:
        return self.done.is_set() and now - self.ended > KEPT_S

    def is_outdated(self, mark: Hashable) -> bool:
        """Say whether it is of before a change, and to be counted anew: not for ever where all goes on to
        change."""
        return self.done.is_set() and self.mark != mark and self.anew < ANEW

    def is_for(self, who: str) -> bool:
        """Return whether that one may have it: anybody what is being counted, who waits what was."""
        return not who or not self.done.is_set() or who in self.promised


class Soon:
    """Counts in threads of its own; one of them for all of a server."""

    def __init__(self) -> None:
        self._jobs: dict[Hashable, _Job] = {}
        self._lock = threading.Lock()
        self._turn = threading.Semaphore(AT_ONCE)
        self._closed = threading.Event()

    def close(self) -> None:
        """Begin nothing more, so that closing the database waits only for what is being counted now."""
        self._closed.set()

    def get(self, name: Hashable, make: Callable[[], T], who: str = "", mark: Hashable = "") -> T:
        """Return what `make` does, which is asked once for all who ask for that name meanwhile. With another
        `mark` than it began with it is counted anew, up to ANEW times.

        With `who` asks, what was late is told once to each who was told to ask again: it may be of before a
        change by now. Raises BeingCounted where it was not there SOON_S after it began, Busy, and what `make`
        raises.
        """
        job = self._job(name, make, who, mark)
        if not job.done.wait(max(0.0, job.began + SOON_S - time.monotonic())):
            with self._lock:
                job.promised.add(who)
            raise BeingCounted(time.monotonic() - job.began, job.done)
        with self._lock:
            if who:  # else it is a page, which asks twice: for its part that waits, then whole
                job.promised.discard(who)
            waited_for = bool(job.promised)
        if not waited_for or job.ended - job.began <= SOON_S:  # what failed late is kept too
            self._forget(name, job)
        if job.error is not None:
            raise job.error
        value: T = job.value
        return value

    def begin(self, name: Hashable, make: Callable[[], Any]) -> None:
        """Begin what will be asked for in a moment, so that several things are waited for together.

        Raises Busy.
        """
        self._job(name, make)

    def forget(self, name: Hashable) -> None:
        """Count anew when that name is asked for next."""
        with self._lock:
            self._jobs.pop(name, None)

    def forget_counted(self, name: Hashable) -> None:
        """Count anew when that name is asked for next, if it was counted; what failed is told as before."""
        with self._lock:
            job = self._jobs.get(name)
            if job is not None and job.done.is_set() and job.error is None:
                del self._jobs[name]

    def _job(
        self, name: Hashable, make: Callable[[], Any], who: str = "", mark: Hashable = ""
    ) -> _Job:  # fmt: skip
        now = time.monotonic()
        with self._lock:
            for old in [each for each, job in self._jobs.items() if job.is_old(now)]:
                del self._jobs[old]
            job = self._jobs.get(name)
            outdated = job is not None and job.is_outdated(mark)
            if job is None or outdated or not job.is_for(who):
                self._check_room()
                promised = () if job is None else job.promised  # they get this one then
                anew = job.anew + 1 if job is not None and outdated else 0
                job = self._jobs[name] = _Job(make, promised, mark, anew)
                told = (self._turn, self._closed)
                threading.Thread(target=job.run, args=told, name="counting", daemon=True).start()
            return job

    def _check_room(self) -> None:
        if self._closed.is_set():
            raise _stopping()
        if sum(job.waits for job in self._jobs.values()) >= WAITING:
            raise Busy(worded("Too many figures are being counted: ask again in a few seconds."))

    def _forget(self, name: Hashable, job: _Job) -> None:
        with self._lock:
            if self._jobs.get(name) is job:
                del self._jobs[name]


def _stopping() -> Busy:
    return Busy(worded("The server is stopping: ask again once it runs."))

"""The one clock. Nothing else asks for the time, and SQL only so that this clock can follow the database's.

Several machines on one database then agree on what is due: each follows the database's clock, measured at the
start and every minute.
"""

from __future__ import annotations

import time
from typing import Protocol

from msgspec import Struct

from kaskad.store.db import Database

STAND_MS = 10_000  # a clock that is ahead by no more waits, at half its speed, to be caught up with
_MEASURES = 3


class Clock(Protocol):
    def now(self) -> int:
        """Return milliseconds since 1970 UTC."""

    def seconds_until(self, at: int) -> float:
        """Return how long to sleep until the instant `at`, in real seconds; negative when it has passed."""

    def follow(self, told_at: int, error_ms: int) -> int:
        """Go by a clock that shows `told_at` just now, give or take `error_ms`; return the correction."""


class _Base(Struct, frozen=True):
    """From when on the clock counts, and how much it still has to lose."""

    at_ms: int
    boot_ns: int
    ahead_ms: int = 0


class SystemClock:
    """Real time, possibly faster by `factor`, steady against jumps of the machine's wall clock.

    The wall clock is read once; from then on the boot clock counts, which also runs while a laptop sleeps.
    It begins no earlier than `not_before`: where a database has been run faster than the world.
    """

    def __init__(self, factor: float = 1.0, not_before: int = 0) -> None:
        self._factor = factor
        wall_at = wall_ms()
        self._lead_ms = max(wall_at, not_before) - wall_at
        self._base = _Base(wall_at + self._lead_ms, self._ticks())

    def now(self) -> int:
        base = self._base
        passed_ms = int((self._ticks() - base.boot_ns) * self._factor) // 1_000_000
        return base.at_ms + passed_ms - min(base.ahead_ms, passed_ms // 2)

    @property
    def lead_ms(self) -> int:
        """Return how far this clock is ahead of the world's, on purpose."""
        return self._lead_ms if self._factor == 1.0 else max(0, self.now() - wall_ms())

    def follow(self, told_at: int, error_ms: int) -> int:
        """Go by a clock that shows `told_at` just now, give or take `error_ms`; return the correction.

        Forwards at once. Backwards it goes at half speed until the other has caught up, so that no instant
        comes twice, unless it is ahead by more than STAND_MS: waiting that long would be worse. What the
        error explains is no difference. A clock with a speed of its own follows nobody.
        """
        if self._factor != 1.0:
            return 0
        shown, boot_ns = self.now(), self._ticks()
        behind_ms = told_at + self._lead_ms - shown
        if abs(behind_ms) <= error_ms:
            self._base = _Base(shown, boot_ns)
            return 0
        if -STAND_MS <= behind_ms < 0:
            self._base = _Base(shown, boot_ns, -behind_ms)
        else:
            self._base = _Base(shown + behind_ms, boot_ns)
        return behind_ms

    def seconds_until(self, at: int) -> float:
        return (at - self.now()) / 1000 / self._factor

    @staticmethod
    def _ticks() -> int:
        return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def follow_database(clock: Clock, db: Database) -> int:
    """Let the clock follow the database's, where it has one of its own; return the correction in ms."""
    measured = []
    with db.read() as tx:
        for _ in range(_MEASURES):
            began_ns = time.monotonic_ns()
            row = tx.one("database_now")
            took_ms = (time.monotonic_ns() - began_ns) / 1_000_000
            if row is None or row[0] is None:
                return 0
            measured.append((took_ms, clock.now() - round(row[0] + took_ms / 2)))
    took_ms, ahead_ms = min(measured)  # the quickest answer is the surest
    return clock.follow(clock.now() - ahead_ms, 1 + round(took_ms / 2))


def wall_ms() -> int:
    """Return the machine's own time in milliseconds since 1970 UTC, for what others have signed by theirs."""
    return time.time_ns() // 1_000_000


class HandClock:
    """A clock for tests that moves only when it is moved."""

    def __init__(self, at: int) -> None:
        self.at = at

    def now(self) -> int:
        return self.at

    def seconds_until(self, at: int) -> float:
        return (at - self.at) / 1000

    def follow(self, told_at: int, error_ms: int) -> int:
        return 0

"""The one clock. SQL never asks for the time, and nothing else here does."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> int:
        """Return milliseconds since 1970 UTC."""

    def seconds_until(self, at: int) -> float:
        """Return how long to sleep until the instant `at`, in real seconds; negative when it has passed."""


class SystemClock:
    """Real time, possibly faster by `factor`, steady against jumps of the machine's wall clock.

    The wall clock is read once; from then on the boot clock counts, which also runs while a laptop sleeps.
    It begins no earlier than `not_before`: where a database has been run faster than the world.
    """

    def __init__(self, factor: float = 1.0, not_before: int = 0) -> None:
        self._factor = factor
        self._start_ms = max(wall_ms(), not_before)
        self._boot_ns = self._ticks()

    def now(self) -> int:
        passed_ns = self._ticks() - self._boot_ns
        return self._start_ms + int(passed_ns * self._factor) // 1_000_000

    def seconds_until(self, at: int) -> float:
        return (at - self.now()) / 1000 / self._factor

    @staticmethod
    def _ticks() -> int:
        return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


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

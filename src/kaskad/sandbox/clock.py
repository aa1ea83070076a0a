"""The sandbox's time: the world's, or faster by a factor."""

from __future__ import annotations

import asyncio
import time


class Pace:
    """Tells the time and waits; spans are in the sandbox's own milliseconds."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor
        self._began_ms = time.time_ns() // 1_000_000
        self._began_ns = time.monotonic_ns()

    def now(self) -> int:
        """Return milliseconds since 1970 UTC, by this clock."""
        passed_ns = time.monotonic_ns() - self._began_ns
        return self._began_ms + int(passed_ns * self.factor) // 1_000_000

    def real_s(self, span_ms: float) -> float:
        """Return how long a span lasts for the machine."""
        return span_ms / 1000 / self.factor

    async def wait(self, span_ms: float) -> None:
        """Return after so long."""
        await asyncio.sleep(self.real_s(span_ms))

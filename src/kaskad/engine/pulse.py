"""How the ticks of one process go, counted for whoever watches it."""

from __future__ import annotations

from bisect import bisect_left

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Pulse:
    """Written by the engine's thread, read by any."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)  # ticks that took up to each bound; the last: longer ones
        self.seconds = 0.0

    def beat(self, took_s: float) -> None:
        """Count one tick."""
        self.counts[bisect_left(BOUNDS_S, took_s)] += 1
        self.seconds += took_s

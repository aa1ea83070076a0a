"""What happens to whom: drawn from a seed before the clock starts, so that it costs nothing while it runs."""

from __future__ import annotations

import random

REACT = (0.20, 0.40, 0.50, 0.0)  # of those whom each step reaches
ONE_FAILS_IN = 20


class Fates:
    """Who reacts to which step, whose send fails, and how long receipts take."""

    def __init__(self, contacts: int, seed: int, latency_ms: tuple[int, int]) -> None:
        chance = random.Random(seed)
        draw = chance.random
        # A send fails by the contact's number, so that a web server with a fixed answer can tell it too.
        self.failing: tuple[int, ...] = tuple(chance.sample(range(ONE_FAILS_IN), len(REACT)))
        self._reacts = bytearray(contacts + 1)
        for contact_id in range(1, contacts + 1):
            self._reacts[contact_id] = sum((draw() < share) << step for step, share in enumerate(REACT))
        self._latencies = [chance.randint(*latency_ms) for _ in range(4096)]
        self._next = 0

    def reacts(self, contact_id: int, step: int) -> int:
        """Return whether the person reacts to a step that reached them, as 0 or 1."""
        return self._reacts[contact_id] >> step & 1

    def fails(self, contact_id: int, step: int) -> bool:
        """Return whether the provider refuses this send."""
        return contact_id % ONE_FAILS_IN == self.failing[step]

    def latency_ms(self) -> int:
        """Return how long the next receipt takes."""
        self._next = (self._next + 1) & 4095
        return self._latencies[self._next]

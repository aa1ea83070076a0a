"""How customers spread over the scores of recency and frequency, by the edges that were counted last."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from kaskad.domain.rfm import BANDS, Rfm
from kaskad.store.segment_columns import Block, Flags
from kaskad.store.segment_sets import Purchases


class Cell(Struct, frozen=True):
    """Customers with these scores of recency and frequency; for how much they bought in the rule's days."""

    r: int
    f: int
    customers: int
    amount: float


class Grid:
    """Counts block by block how many had each pair of scores when the edges were counted."""

    def __init__(self, known: Rfm) -> None:
        self._known = known
        self._ages, self._counts = np.array(known.ages), np.array(known.counts)
        self._count = np.zeros(BANDS * BANDS, np.int64)
        self._money = np.zeros(BANDS * BANDS, np.int64)

    def add(self, block: Block, counts: Flags, purchases: Purchases) -> None:
        """Add a block: who of it counts, and what they bought."""
        if not self._known.customers:
            return
        last, often, much = purchases.by(self._known.rule, self._known.at)
        bought = (often > 0) & counts
        r = BANDS - np.searchsorted(self._ages, self._known.at - last[bought])
        f = 1 + np.searchsorted(self._counts, often[bought])
        places = (r - 1) * BANDS + f - 1
        self._count += np.bincount(places, minlength=BANDS * BANDS)
        np.add.at(self._money, places, much[bought])

    def cells(self) -> list[Cell]:
        """Return every pair of scores that somebody had."""
        return [
            Cell(
                place // BANDS + 1, place % BANDS + 1, int(self._count[place]), int(self._money[place]) / 100
            )
            for place in range(BANDS * BANDS)
            if self._count[place]
        ]

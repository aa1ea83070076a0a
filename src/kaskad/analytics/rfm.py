"""How customers spread over the scores of recency and frequency, by the edges that were counted last."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from kaskad.domain.rfm import BANDS, Rfm
from kaskad.store.db import Transaction
from kaskad.store.segment_base import blocks, quiet
from kaskad.store.segment_sets import purchases


class Cell(Struct, frozen=True):
    """Customers with these scores of recency and frequency; for how much they bought in the rule's days."""

    r: int
    f: int
    customers: int
    amount: float


def grid(tx: Transaction, known: Rfm) -> list[Cell]:
    """Return every pair of scores that somebody had when the edges were counted; seeds are left out."""
    count = np.zeros(BANDS * BANDS, np.int64)
    money = np.zeros(BANDS * BANDS, np.int64)
    for block, left_out in blocks(tx, quiet):
        last, often, much = purchases(block, known.rule, known.at)
        bought = (often > 0) & ~block.seeds & ~np.isin(block.ids, left_out)
        r = BANDS - np.searchsorted(np.array(known.ages), known.at - last[bought])
        f = 1 + np.searchsorted(np.array(known.counts), often[bought])
        places = (r - 1) * BANDS + f - 1
        count += np.bincount(places, minlength=BANDS * BANDS)
        np.add.at(money, places, much[bought])
    return [
        Cell(place // BANDS + 1, place % BANDS + 1, int(count[place]), int(money[place]) / 100)
        for place in range(BANDS * BANDS)
        if count[place]
    ]

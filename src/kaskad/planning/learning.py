"""Thompson sampling of channels: how likely each is the best one, by all that is believed of them.

O. Chapelle, L. Li, An Empirical Evaluation of Thompson Sampling (2011). Chances are made in batches, ahead
of the choices: by drawing each channel's rate from what is believed of it, and counting how often it is the
best. Every set of channels that may be open has its own, since channels sleep: not everybody has an address
on each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray

from kaskad.domain.shares import EQUAL
from kaskad.planning.rates import Belief

DRAWS = 4_000
Odds = dict[int, tuple[tuple[int, int], ...]]  # by bits of the open channels: channels with their chances


def odds(beliefs: Mapping[int, Belief], costs: Mapping[int, float], explore: int, seed: int) -> Odds:
    """Return the chances of every two or more of the channels, EQUAL together, none below `explore`.

    `costs` are what a message costs, as a share of what a success is worth: it counts against the rate.
    """
    generator = default_rng(seed)
    channels = sorted(beliefs)
    value = np.stack([
        beliefs[channel].draws(generator.random(DRAWS), generator) - costs.get(channel, 0.0)
        for channel in channels
    ])  # fmt: skip
    found: Odds = {}
    for size in range(2, len(channels) + 1):
        for places in combinations(range(len(channels)), size):
            best = np.bincount(value[list(places)].argmax(axis=0), minlength=size) / DRAWS
            open_ones = [channels[place] for place in places]
            parts = _rounded(best, explore)
            found[sum(1 << channel for channel in open_ones)] = tuple(zip(open_ones, parts, strict=True))
    return found


def _rounded(best: NDArray[np.float64], explore: int) -> Sequence[int]:
    """Return whole chances: `explore` for each, and the rest as often as each is the best."""
    rest = EQUAL - explore * len(best)
    wanted = best * rest
    parts = np.floor(wanted).astype(int)
    for place in np.argsort(parts - wanted)[: rest - int(parts.sum())]:
        parts[place] += 1
    return [explore + int(part) for part in parts]

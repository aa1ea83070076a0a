"""At which rate people will react, by what is known: the field's figure, what happened elsewhere, what
happened here.

A rate here is one of many like it (of other steps on the channel, of other cascades), which scatter around a
common one. How common one and scatter are is learnt from the others: where they agree, they say much about a
rate of which nothing is known yet; where they don't, its own first answers weigh more. (The beta-binomial
hierarchy, summed over a grid instead of sampled: Gelman et al., Bayesian Data Analysis, 5.3.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import overload

import numpy as np
import scipy
from msgspec import Struct
from numpy.random import Generator
from numpy.typing import NDArray

WEIGHT = 10.0  # answers that a figure of the field is worth
SCATTERS = np.array([2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0])  # answers that the common rate is worth
NODES = 32
SHIFTS = np.linspace(-3.0, 3.0, 61)
FADINGS = np.linspace(-0.6, 1.8, 25)
_HEIGHTS = np.linspace(-8.0, 8.0, 161)
_RARE = 1e-3


class Seen(Struct, frozen=True):
    """How many it could happen to, and to how many it did."""

    of: float
    hits: float


class Belief(Struct, frozen=True):
    """What is believed of one rate: a mixture of beta distributions."""

    weights: NDArray[np.float64]
    hits: NDArray[np.float64]
    misses: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Return the rate that is expected."""
        return float(self.weights @ (self.hits / (self.hits + self.misses)))

    def draws(self, common: NDArray[np.float64], chance: Generator) -> NDArray[np.float64]:
        """Return rates that may be the true one, each as often as it is believed, one for each of `common`.

        These numbers of 0 to 1 say where the common rate stands: rates that are alike share them.
        """
        chosen = np.searchsorted(np.cumsum(self.weights)[:-1], common)
        return chance.beta(self.hits[chosen], self.misses[chosen])


class Family(Struct, frozen=True):
    """Rates that are alike: how likely each common rate and scatter is, by what was seen of some of them."""

    hits: NDArray[np.float64]  # answers that a common rate is worth, by it and by the scatter
    misses: NDArray[np.float64]
    told: NDArray[np.float64]  # the logarithm of how likely that is

    def knowing(self, others: Sequence[Seen]) -> Family:
        """Return the same family with more of its rates seen."""
        told = self.told
        for seen in others:
            if seen.of:
                told = told + scipy.special.betaln(self.hits + seen.hits, self.misses + seen.of - seen.hits)
                told = told - scipy.special.betaln(self.hits, self.misses)
        return Family(self.hits, self.misses, told)

    def believed(self, own: Seen) -> Belief:
        """Return what is believed of one of its rates, which has these answers of its own."""
        told = self.knowing([own]).told
        likely = np.exp(told - told.max()).ravel()
        hits, misses = self.hits + own.hits, self.misses + own.of - own.hits
        return Belief(likely / likely.sum(), hits.ravel(), misses.ravel())


def family(figure: float | None, even: float = 1.0) -> Family:
    """Return a family of which the field has a figure; without one every common rate is as likely, or with
    `even` 0.5 those near 0 and 1 are likelier (Jeffreys' prior): of n to whom it never happened it is
    expected of half a one."""
    common, weights = _nodes(figure, even)
    hits = common[:, None] * SCATTERS
    return Family(hits, SCATTERS - hits, np.log(weights)[:, None] + np.zeros_like(hits))


def shifted(figures: Sequence[tuple[float, Seen]]) -> float:
    """Return by how much, in logits, people here react more or less than all figures of the field say.

    Where nothing was seen that is 0; a shift of 0.7 is nothing unusual.
    """
    told, betaln = -(SHIFTS**2) / (2 * 0.7**2), scipy.special.betaln
    for figure, seen in figures:
        hits = WEIGHT * moved(figure, SHIFTS)
        misses = WEIGHT - hits
        told += betaln(hits + seen.hits, misses + seen.of - seen.hits) - betaln(hits, misses)
    return float(SHIFTS[told.argmax()])


def fading(steps: Sequence[Mapping[int, Seen]]) -> list[tuple[float, float]]:
    """Return by how many logits fewer react for each message that went before, and how likely each is.

    `steps` are what was seen at each step of those to whom so many messages went before. Who has been silent
    to more of them is less ready to react to any (a line in logits at each step, whatever its height).
    """
    told = -(FADINGS**2) / (2 * 0.5**2)
    for cells in steps:
        seen = {before: cell for before, cell in cells.items() if cell.of}
        if len(seen) < 2:
            continue
        likely = np.zeros((len(FADINGS), len(_HEIGHTS)))
        middle = sum(before * cell.of for before, cell in seen.items()) / sum(
            cell.of for cell in seen.values()
        )
        for before, cell in seen.items():
            at = _HEIGHTS[None, :] - FADINGS[:, None] * (before - middle)
            likely -= cell.hits * np.logaddexp(0.0, -at) + (cell.of - cell.hits) * np.logaddexp(0.0, at)
        told = told + scipy.special.logsumexp(likely, axis=1)
    weights = np.exp(told - told.max())
    kept = weights > _RARE * weights.sum()
    return [
        (float(by), float(weight / weights[kept].sum()))
        for by, weight in zip(FADINGS[kept], weights[kept], strict=True)
    ]


def faded(seen: Seen, by: float) -> Seen:
    """Return what would have been seen where so many logits more react: of those who did not some more do, or
    of those who did some fewer."""
    if not seen.of:
        return seen
    rate = (seen.hits + 0.5) / (seen.of + 1.0)  # nobody of four is not nobody of all
    there = moved(rate, by)
    if by < 0:
        return Seen(seen.of, seen.hits * there / rate)
    return Seen(seen.of, seen.of - (seen.of - seen.hits) * (1.0 - there) / (1.0 - rate))


def mixture(beliefs: Sequence[tuple[float, Belief]]) -> Belief:
    """Return what is believed where each of these may hold, as likely as its weight says."""
    return Belief(
        np.concatenate([weight * one.weights for weight, one in beliefs]),
        np.concatenate([one.hits for _, one in beliefs]),
        np.concatenate([one.misses for _, one in beliefs]),
    )


@overload
def moved(figure: float, shift: float) -> float: ...
@overload
def moved(figure: float, shift: NDArray[np.float64]) -> NDArray[np.float64]: ...
def moved(figure: float, shift: float | NDArray[np.float64]) -> float | NDArray[np.float64]:
    """Return a figure moved by so many logits."""
    if isinstance(shift, float) and not shift:
        return figure
    return scipy.special.expit(scipy.special.logit(figure) + shift)


@lru_cache(256)
def _nodes(figure: float | None, even: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return common rates and how likely each is, such that their mean is the figure (Gauss-Jacobi)."""
    hits, misses = (even, even) if figure is None else (WEIGHT * figure, WEIGHT * (1.0 - figure))
    points, weights = scipy.special.roots_jacobi(NODES, misses - 1.0, hits - 1.0)
    return (points + 1.0) / 2.0, weights / weights.sum()

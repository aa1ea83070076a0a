"""What takes numpy: money by drawing again, and whether a lot fell as it should."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from kaskad.analytics.intervals import ALPHA, Interval

DRAWS = 2_000
_SINGLE = 16  # of the greatest values each stands for itself; the rest in as many bins
_AT_ONCE = 200  # draws in memory


class Money(Struct, frozen=True):
    """What each contact of an arm brought: how many brought which amount, nothing too. In minor units."""

    counts: Mapping[int, int] | Mapping[float, int]  # amount -> contacts

    @property
    def contacts(self) -> int:
        """Return how many there are."""
        return sum(self.counts.values())

    @property
    def mean(self) -> float | None:
        """Return what one brought on average; None: of nobody."""
        contacts = self.contacts
        return sum(value * count for value, count in self.counts.items()) / contacts if contacts else None


def bootstrap_difference(
    one: Money, other: Money, seed: int, draws: int = DRAWS, alpha: float = ALPHA
) -> Interval | None:  # fmt: skip
    """Return the percentile bootstrap interval of the first mean less the second; None: either is of nobody.

    B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), 13.3. Drawing contacts again is drawing
    how many have each amount, so it takes as long as there are different amounts, not contacts.
    """
    if not one.contacts or not other.contacts:
        return None
    generator = default_rng(seed)
    return _middle(_means(one, generator, draws) - _means(other, generator, draws), alpha)


def sample_ratio(counts: Sequence[int], weights: Sequence[float]) -> float | None:
    """Return the p-value of arms being so full, if the lot has these weights; None where nothing can be said.

    Pearson's chi-square; below UNEVEN something other than chance has chosen, and no effect can be read off.
    """
    kept = [(count, weight) for count, weight in zip(counts, weights, strict=True) if weight > 0]
    total, whole = sum(count for count, _ in kept), sum(weight for _, weight in kept)
    if len(kept) < 2 or not total:
        return None
    wanted = [total * weight / whole for _, weight in kept]
    square = sum((count - hope) ** 2 / hope for (count, _), hope in zip(kept, wanted, strict=True))
    return _chi_square_tail(square, len(kept) - 1)


def _chi_square_tail(square: float, freedom: int) -> float:
    """Return the chance of a greater chi-square, of a whole number of degrees of freedom.

    https://dlmf.nist.gov/8.4#E10 and 8.8#E2. `scipy.special` has it too, which takes 0.2 s to load.
    """
    half = square / 2
    tail = math.erfc(math.sqrt(half)) if freedom % 2 else math.exp(-half)
    for order in range(2 - freedom % 2, freedom, 2):
        tail += math.exp(order / 2 * math.log(half) - half - math.lgamma(order / 2 + 1)) if half else 0.0
    return tail


class _Bins(Struct, frozen=True):
    """Amounts, near ones together: their mean, their variance about it, and how many people have them."""

    values: NDArray[np.float64]
    variances: NDArray[np.float64]
    counts: NDArray[np.int64]


def _means(money: Money, generator: Generator, draws: int) -> NDArray[np.float64]:
    """Return means of people drawn again: so many of each bin; about its mean their sum is a normal."""
    bins = _bins(money)
    total = bins.counts.sum()
    shares = bins.counts / total
    found = []
    for done in range(0, draws, _AT_ONCE):
        drawn = generator.multinomial(total, shares, size=min(_AT_ONCE, draws - done))
        within = generator.standard_normal(len(drawn)) * np.sqrt(drawn @ bins.variances)
        found.append((drawn @ bins.values + within) / total)
    return np.concatenate(found)


def _bins(money: Money) -> _Bins:
    """Return the amounts and how many have each: few enough, with the same sum and the same spread."""
    ordered = sorted((value, count) for value, count in money.counts.items() if count)
    values = np.array([value for value, _ in ordered], dtype=np.float64)
    counts = np.array([count for _, count in ordered], dtype=np.int64)
    if len(values) <= 2 * _SINGLE:
        return _Bins(values, np.zeros(len(values)), counts)
    low, weights, places = values[:-_SINGLE], counts[:-_SINGLE], _places(values[:-_SINGLE])
    sizes = np.bincount(places, weights=weights, minlength=_SINGLE)
    means = np.bincount(places, weights=weights * low, minlength=_SINGLE) / np.maximum(sizes, 1)
    squares = np.bincount(places, weights=weights * (low - means[places]) ** 2, minlength=_SINGLE)
    full = sizes > 0
    return _Bins(
        np.concatenate([means[full], values[-_SINGLE:]]),
        np.concatenate([squares[full] / sizes[full], np.zeros(_SINGLE)]),
        np.concatenate([sizes[full].astype(np.int64), counts[-_SINGLE:]]),
    )


def _places(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return into which of _SINGLE equally wide bins each value falls; nothing stays a bin of its own."""
    first, last = float(values[0]), float(values[-1])
    place = ((values - first) / (last - first) * (_SINGLE - 2)).astype(np.int64) + 1
    return np.where(values == 0, 0, place)


def _middle(means: NDArray[np.float64], alpha: float) -> Interval:
    low, high = np.quantile(means, [alpha / 2, 1 - alpha / 2])
    return Interval(float(low), float(high))

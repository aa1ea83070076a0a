"""How many people will enter in the next days, by how many have entered each day lately."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kaskad.planning.forecast import Range

Floats = NDArray[np.float64]

LEAST_DAYS = 7  # of fewer, weekdays alone may make the difference
WEEK = 7
TREND = 0.03  # of logarithms a day: before anything is seen, two weeks may well differ by a fifth
WEEKDAYS = 1.0  # of logarithms: some weekdays bring thrice as many as others
# By how much more than chance days differ, and how likely each is before anything is seen: the variance over
# the mean; and how far a day's level, in logarithms, goes from what it would be. It wanders from that of the
# day before for good (`keeps` 1), or comes back: so much of it is still there a day later. Where one is much
# larger than the one before, days of between are taken for the larger, and their range is too wide.
SPREADS = {1.0: 0.4, **dict.fromkeys((1.5, 2.5, 4.0, 7.0, 12.0, 24.0, 48.0, 96.0, 400.0, 2_000.0), 0.06)}


class _Wander(Struct, frozen=True):
    far: float
    keeps: float = 1.0


WANDERS = {
    _Wander(0.0): 0.65, _Wander(0.03): 0.1, _Wander(0.08): 0.1, _Wander(0.2): 0.07,
    _Wander(0.4, 0.6): 0.04, _Wander(0.8, 0.6): 0.04,
}  # fmt: skip
_TURNS = 30


class Entries(Struct, frozen=True):
    """How many are expected to enter together, and what eight of ten outcomes lie between."""

    per_day: float  # of the days seen
    expected: int
    between: Range


class _Fit(Struct, frozen=True):
    """What one pair of SPREADS and WANDERS tells: how likely it is (a logarithm), how many enter if the level
    is the likeliest one, and the mean and the variance of their number."""

    likely: float
    usual: float
    total: float
    wide: float


def entries(daily: Sequence[int], days: int) -> Entries | None:
    """Return how many will enter in the next `days`; None: too few days are known.

    The level of days grows or falls steadily, wanders, and differs by weekday, all of it as far as the days
    show; numbers of people scatter around it as negative binomial draws (with a variance in proportion to the
    mean; Poisson where that is one). How much they wander and scatter is not known either: the range is that
    of all that is likely (a log-linear mixed model, by Laplace's approximation; Fahrmeir and Tutz,
    Multivariate Statistical Modelling Based on Generalized Linear Models, 7 and 8).
    """
    if len(daily) < LEAST_DAYS:
        return None
    mean = fmean(daily)
    if not mean:
        return Entries(0.0, 0, Range(0.0, 0.0))
    model = _Model(np.array(daily, dtype=np.float64), days)
    fits, known = [], []
    for wander, before in WANDERS.items():
        model.going(wander)
        for spread, as_well in SPREADS.items():
            fits.append(model.fit(spread))
            known.append(fits[-1].likely + np.log(before * as_well))
    likely = np.exp(np.array(known) - max(known))
    likely /= likely.sum()
    expected = float(likely @ np.array([fit.usual for fit in fits]))
    return Entries(mean, round(expected), _range(fits, likely))


class _Model:
    """Days seen and days to come: their level is a constant, a trend, a weekday's own, and how far it goes
    from that."""

    def __init__(self, daily: Floats, days: int) -> None:
        self._daily, self._seen = daily, len(daily)
        number = np.arange(self._seen + days)
        weekdays = np.eye(WEEK)[number % WEEK] if self._seen >= 2 * WEEK else np.zeros((len(number), 0))
        late = number - (self._seen - 1) / 2
        self._fixed = np.column_stack((np.ones(len(number)), late, weekdays))
        self._sure = np.array([0.01, TREND**-2, *[WEEKDAYS**-2] * weekdays.shape[1]])
        self._ways = np.zeros((len(number), 0))
        self._law = np.zeros(0)

    def going(self, wander: _Wander) -> None:
        """Let the level go so far from what it would be."""
        number = np.arange(len(self._fixed))
        if wander.keeps == 1.0:
            self._ways = wander.far * np.tri(len(number))[:, 1:] if wander.far else np.zeros((len(number), 0))
        else:
            apart = np.abs(number[:, None] - number)
            self._ways = wander.far * np.linalg.cholesky(wander.keeps**apart)
        self._law = np.zeros(self._fixed.shape[1] + self._ways.shape[1])
        self._law[0] = np.log(self._daily.mean())

    def fit(self, spread: float) -> _Fit:
        """Return what a spread tells; the next one is looked for from where this one was found."""
        design = np.column_stack((self._fixed, self._ways))
        past, ahead = design[: self._seen], design[self._seen :]
        sure, law = np.concatenate((self._sure, np.ones(self._ways.shape[1]))), self._law
        for _ in range(_TURNS):
            told = np.exp(np.clip(past @ law, -20.0, 20.0))
            known = (past.T * (told / spread)) @ past + np.diag(sure)
            turn = np.linalg.solve(known, past.T @ (self._daily - told) / spread - sure * law)
            law = law + turn / max(1.0, float(np.abs(turn).max()))
            if np.abs(turn).max() < 1e-3:
                break
        self._law = law
        told = np.exp(np.clip(past @ law, -20.0, 20.0))
        likely = _likely(self._daily, told, spread) - 0.5 * float(sure @ law**2)
        likely += 0.5 * float(np.log(sure).sum()) - 0.5 * float(np.linalg.slogdet(known)[1])
        # Days to come are log-normal around their level.
        alike = np.clip(ahead @ np.linalg.solve(known, ahead.T), -3.0, 3.0)
        usual = np.exp(np.clip(ahead @ law, -20.0, 20.0))
        level = usual * np.exp(np.diag(alike) / 2)
        total = float(level.sum())
        return _Fit(
            likely, float(usual.sum()), total, spread * total + float(level @ np.expm1(alike) @ level)
        )


def _likely(daily: Floats, told: Floats, spread: float) -> float:
    """Return the logarithm of how likely these numbers are, where so many were to be expected."""
    from scipy.special import gammaln

    if spread == 1.0:
        return float((daily * np.log(told) - told - gammaln(daily + 1)).sum())
    size = told / (spread - 1.0)
    parts = gammaln(daily + size) - gammaln(size) - gammaln(daily + 1) - size * np.log(spread)
    return float((parts + daily * np.log(1.0 - 1.0 / spread)).sum())


def _range(fits: Sequence[_Fit], likely: Floats) -> Range:
    """Return between which numbers eight of ten draws lie, by all fits as far as each is likely."""
    from scipy.stats import nbinom

    those = likely > 1e-4
    total = np.array([fit.total for fit in fits])[those]
    share = total / np.maximum(np.array([fit.wide for fit in fits])[those], total * (1 + 1e-9))
    weights, law = likely[those] / likely[those].sum(), nbinom(total * share / (1 - share), share)
    ends = []
    for part in (0.1, 0.9):
        low, high = -1, int(law.ppf(part).max())
        while high - low > 1:  # the least number that so many do not exceed
            middle = (low + high) // 2
            low, high = (low, middle) if float(weights @ law.cdf(middle)) >= part else (middle, high)
        ends.append(float(high))
    return Range(ends[0], ends[1])


def scaled(at_100: Range, at_10_000: Range, rate: float, people: int) -> Range:
    """Return the range of a count among so many people, by its ranges among 100 and 10 000.

    `rate` is what is expected of each. The squared distance of an end from it is a part that stays however
    many enter (the rate is not known for certain), and a part that falls with their number (chance).
    """
    ends = []
    for name in ("low", "high"):
        small = (getattr(at_100, name) / 100 - rate) ** 2
        large = (getattr(at_10_000, name) / 10_000 - rate) ** 2
        chance = max(0.0, (small - large) / (1 / 100 - 1 / 10_000))
        stays = max(0.0, large - chance / 10_000)
        ends.append((stays + chance / max(people, 1)) ** 0.5)
    return Range(max(0.0, people * (rate - ends[0])), people * (rate + ends[1]))

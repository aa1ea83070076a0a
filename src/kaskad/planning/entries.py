"""How many people will enter in the next days, by how many have entered each day lately."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, variance

from msgspec import Struct

from kaskad.planning.forecast import Range

LEAST_DAYS = 7  # of fewer, weekdays alone may make the difference


class Entries(Struct, frozen=True):
    """How many are expected to enter together, and what eight of ten outcomes lie between."""

    per_day: float
    days_seen: int
    expected: int
    between: Range


def entries(daily: Sequence[int], days: int) -> Entries | None:
    """Return how many will enter in the next `days`; None: too few days are known.

    Counts of days are taken as draws of a negative binomial distribution (Poisson where they spread no more
    than that); that their mean is itself only estimated widens the range.
    """
    if len(daily) < LEAST_DAYS:
        return None
    from scipy.stats import nbinom, poisson

    mean = fmean(daily)
    spread = max(variance(daily), mean)
    total = days * mean
    wide = days * spread + days * days * spread / len(daily)
    if not mean:
        return Entries(0.0, len(daily), 0, Range(0.0, 0.0))
    if wide <= total:
        low, high = poisson.ppf(0.1, total), poisson.ppf(0.9, total)
    else:
        share = total / wide
        law = nbinom(total * share / (1 - share), share)
        low, high = law.ppf(0.1), law.ppf(0.9)
    return Entries(mean, len(daily), round(total), Range(float(low), float(high)))


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

"""Intervals and tests that hold however often one looks, and whenever one stops because of what was seen.

An ordinary interval is right at one look that was fixed beforehand. Whoever looks every day and stops at the
first good one is wrong much more often than 5 %. These are right at all looks together, so they are wider.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf, lgamma, log, log1p, sqrt

from kaskad.analytics.intervals import ALPHA, Interval, Share, difference

TUNED = 400.0  # by how many people, in effect, the bound is tightest at about eight times as many
_LOT = 400.0  # of how many people beforehand the mixture is as sure as of the lot's weights
_FACTORS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0)  # by how much a rate may be over its bound: what is looked for


def looks_z(one: float, other: float, alpha: float = ALPHA) -> float:
    """Return how many standard errors a difference of two arms may be off at any look: 3 to 4, not 1.96.

    The boundary of the normal mixture: H. Robbins, Ann. Math. Stat. 41 (1970), 1397-1409, for means that are
    nearly normal: I. Waudby-Smith et al., Ann. Stat. 52 (2024), 2613-2640. The people of unequal arms count
    as 1 / (1 / one + 1 / other).
    """
    if not one or not other:
        return inf
    people = 1 / (1 / one + 1 / other)
    return sqrt((1 + TUNED / people) * (log1p(people / TUNED) + 2 * log(1 / alpha)))


def difference_at_any_look(
    one: Share, other: Share, alpha: float = ALPHA, effects: tuple[float, float] = (1.0, 1.0)
) -> Interval | None:  # fmt: skip
    """Return the interval of the first share less the second, at any look; None: either is of nobody.

    Newcombe's interval with the standard errors of `looks_z`: its skewness keeps the promise where goals are
    rare. Simulated with a look after every ten people: tests/analytics/test_intervals.py. `effects` as there.
    """
    if not one.of or not other.of:
        return None
    return difference(one, other, looks_z(one.of / effects[0], other.of / effects[1], alpha), effects)


def evidence_above(share: Share, bound: float) -> float:
    """Return how many times likelier rates over `bound` make this than `bound`; 1 / alpha is an alarm.

    At most a share alpha of all who watch a rate at or under the bound ever sees that, however often they
    look: a mixture of likelihood ratios (at `bound` times the factors) is a supermartingale there.
    """
    if not 0 < bound < 1:
        raise ValueError(f"a bound is a share between 0 and 1, not {bound}")
    rates = [rate for factor in _FACTORS if (rate := bound * factor) < 1] or [(1 + bound) / 2]
    logs = [_log_likelihood(share.hits, share.of - share.hits, rate) for rate in rates]
    null = _log_likelihood(share.hits, share.of - share.hits, bound)
    return _mean_of_exp([told - null for told in logs])


def evidence_uneven(counts: Sequence[int], weights: Sequence[float]) -> float:
    """Return how many times likelier arms are so full by other weights than by these; 1 / alpha is an alarm.

    At most a share alpha of all lots that fall as they should ever shows that, however often one looks: the
    Dirichlet mixture of all weights, M. Lindon, A. Malek, NeurIPS 35 (2022). 1 where nothing can be said.
    """
    kept = [(count, weight) for count, weight in zip(counts, weights, strict=True) if weight > 0]
    total, whole = sum(count for count, _ in kept), sum(weight for _, weight in kept)
    if len(kept) < 2 or not total:
        return 1.0
    told = lgamma(_LOT) - lgamma(_LOT + total)
    for count, weight in kept:
        share = weight / whole
        told += lgamma(_LOT * share + count) - lgamma(_LOT * share) - count * log(share)
    return exp(told) if told < 700 else inf


def _mean_of_exp(logs: Sequence[float]) -> float:
    greatest = max(logs)
    total = sum(exp(one - greatest) for one in logs) / len(logs)
    return exp(greatest) * total if greatest < 700 else inf


def _log_likelihood(hits: int, misses: int, rate: float) -> float:
    likely = 0.0
    if hits:
        likely += hits * log(rate) if rate > 0 else -inf
    if misses:
        likely += misses * log1p(-rate) if rate < 1 else -inf
    return likely

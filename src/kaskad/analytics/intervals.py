"""How sure a share, a difference of two and a relative lift are; how many people it takes to be sure.

Only the standard library: reports on hot paths may ask. All intervals are two-sided, of 95 % unless told.
"""

from __future__ import annotations

from math import ceil, exp, log, sqrt
from statistics import NormalDist

from msgspec import Struct

ALPHA = 0.05
POWER = 0.8
UNEVEN = 0.001  # below this p-value a lot did not fall as it should
_NORMAL = NormalDist()


def is_uneven(evenly: float | None) -> bool:
    """Say whether something other than the lot has chosen, by the p-value of groups being so full."""
    return evenly is not None and evenly < UNEVEN


class Share(Struct, frozen=True):
    """So many of so many: those with a goal, of those who entered."""

    hits: int
    of: int

    @property
    def rate(self) -> float | None:
        """Return the share; None: of nobody."""
        return self.hits / self.of if self.of else None


class Interval(Struct, frozen=True):
    """From where to where the truth is believed to lie."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Say whether an effect is shown: the interval holds no zero."""
        return self.low > 0 or self.high < 0


def z_of(alpha: float = ALPHA) -> float:
    """Return how many standard errors an interval reaches to each side: 1.96 for alpha 0.05."""
    return _NORMAL.inv_cdf(1 - alpha / 2)


def wilson(share: Share, z: float | None = None) -> Interval | None:
    """Return Wilson's interval of a share; None: of nobody.

    E. B. Wilson, JASA 22 (1927), 209-212; `z`: standard errors, those of 95 % unless told.
    """
    if not share.of:
        return None
    z = z_of() if z is None else z
    n, p = share.of, share.hits / share.of
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low = 0.0 if share.hits == 0 else max(centre - half, 0.0)
    return Interval(low, 1.0 if share.hits == n else min(centre + half, 1.0))


def difference(
    one: Share, other: Share, z: float | None = None, effects: tuple[float, float] = (1.0, 1.0)
) -> Interval | None:  # fmt: skip
    """Return Newcombe's interval of the first share less the second; None: where either is of nobody.

    R. G. Newcombe, Statistics in Medicine 17 (1998), 873-890, method 10. `effects`: so many times fewer
    people each share tells of, as people count several times (`clusters.design_effect`).
    """
    z = z_of() if z is None else z
    first, second = wilson(one, z * sqrt(effects[0])), wilson(other, z * sqrt(effects[1]))
    if first is None or second is None:
        return None
    p, q = one.hits / one.of, other.hits / other.of
    low = p - q - sqrt((p - first.low) ** 2 + (second.high - q) ** 2)
    high = p - q + sqrt((first.high - p) ** 2 + (q - second.low) ** 2)
    return Interval(max(low, -1.0), min(high, 1.0))


def shown(one: Share, other: Share) -> bool:
    """Say whether the first share differs from the second for who looks once: `difference` holds no zero."""
    told = difference(one, other)
    return told is not None and told.excludes_zero


def p_value(one: Share, other: Share) -> float | None:
    """Return how small alpha may be until `difference` holds zero; None where either is of nobody."""
    if not one.of or not other.of:
        return None
    low, high = 0.0, 40.0
    if one.hits * other.of == other.hits * one.of:
        return 1.0
    for _ in range(60):
        z = (low + high) / 2
        told = difference(one, other, z)
        low, high = (z, high) if told is not None and told.excludes_zero else (low, z)
    return 2 * _NORMAL.cdf(-low)


def lift(one: Share, other: Share, z: float | None = None) -> Interval | None:
    """Return the interval of how much higher the first share is, relatively: 0.43 is +43 %.

    By the logarithm of the ratio (D. Katz et al., Biometrics 34 (1978), 469-474). None: either has no hits,
    or both have nothing else, where it would say that it is sure of itself.
    """
    if not one.hits or not other.hits or (one.hits == one.of and other.hits == other.of):
        return None
    ratio = log(one.hits / one.of) - log(other.hits / other.of)
    half = (z_of() if z is None else z) * sqrt(
        1 / one.hits - 1 / one.of + 1 / other.hits - 1 / other.of
    )  # fmt: skip
    return Interval(exp(ratio - half) - 1, exp(ratio + half) - 1)


def needed(
    rate: float, other: float, share: float = 0.5, alpha: float = ALPHA, power: float = POWER
) -> int | None:  # fmt: skip
    """Return how many people in all it takes to tell two rates apart; None: no number does.

    `share` of them have the first rate. The normal approximation without pooling, each arm rounded up.
    """
    if rate == other or not 0 < share < 1 or not 0 <= rate <= 1 or not 0 <= other <= 1:
        return None
    zs = (_NORMAL.inv_cdf(1 - alpha / 2) + _NORMAL.inv_cdf(power)) ** 2
    spread = rate * (1 - rate) / share + other * (1 - other) / (1 - share)
    return ceil(zs * spread / (rate - other) ** 2)


def holm(p_values: list[float]) -> list[float]:
    """Return p-values that may be compared with alpha though there are several: S. Holm (1979), 65-70."""
    adjusted, least = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = least
    return adjusted

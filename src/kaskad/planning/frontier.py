"""Of many orders the one that does what is wished: reach for the least money, or the most for a budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

TINY = 1e-9
_SCALE = 1e6  # of what is wished against what settles ties, which is above the solver's tolerance
_TOLERANCE = 1e-10  # the least that HiGHS takes
_TRIES = 100  # choices that the solver takes to keep the limits, within its tolerance, and that do not


class Point(Struct, frozen=True):
    """An order as it counts here, for one person who enters. `capped`: messages of what is scarce (calls)."""

    reach: float
    cost: float
    messages: float = 0.0
    capped: float = 0.0
    worth: float = 0.0  # those reached, each as much as is left of a value that fades


class Wish(Struct, frozen=True):
    """What is asked for; all for one person who enters, money in minor units. None: it is not asked for."""

    reach: float | None = None
    budget: float | None = None
    capped: float | None = None
    value: float | None = None  # of a person reached
    annoyance: float = 0.0  # what a message costs besides its price

    def gains(self, point: Point) -> float:
        """Return what an order brings beyond what it costs."""
        return (self.value or 0.0) * point.worth - point.cost - self.annoyance * point.messages

    def loss(self, point: Point) -> float:
        """Return what is to be as little as can be."""
        if self.value is not None:
            return -self.gains(point)
        return point.cost if self.reach is not None else -point.reach

    def lacks(self, point: Point) -> str:
        """Return which limit an order does not keep: reach, budget or capped; "" where it keeps all."""
        if self.reach is not None and point.reach < self.reach - TINY:
            return "reach"
        if self.budget is not None and point.cost > self.budget + TINY:
            return "budget"
        return "capped" if self.capped is not None and point.capped > self.capped + TINY else ""


class Mix(Struct, frozen=True):
    """Orders and the shares of people who go each; what one more reached person costs there, None: no
    limit on reach holds the cost up."""

    shares: Sequence[tuple[int, float]]
    reach: float
    cost: float
    marginal: float | None


def efficient(points: Sequence[Point]) -> list[int]:
    """Return which orders no other beats in both reach and cost, the cheapest first."""
    found: list[int] = []
    best = -1.0
    ranked = sorted(range(len(points)), key=lambda n: (points[n].cost, -points[n].reach, points[n].messages))
    for n in ranked:
        if points[n].reach > best + TINY:
            found.append(n)
            best = points[n].reach
    return found


def best(points: Sequence[Point], wish: Wish) -> int | None:
    """Return the order that does best what is wished, None: none keeps the limits.

    With a value that which brings most; else with a reach the cheapest; else the one that reaches most, of
    several the cheapest.
    """
    kept = [n for n, point in enumerate(points) if not wish.lacks(point)]
    if not kept:
        return None
    if wish.value is not None:
        return max(kept, key=lambda n: (wish.gains(points[n]), -points[n].messages))
    if wish.reach is not None:
        return min(kept, key=lambda n: (round(points[n].cost, 9), -points[n].reach, points[n].messages))
    return max(kept, key=lambda n: (round(points[n].reach, 9), -points[n].cost))


def mixed(points: Sequence[Point], wish: Wish) -> Mix | None:
    """Return the shares in which orders do it best together: at least cost where a reach is wished, else with
    the highest reach. None: the limits cannot be kept. (A linear programme, solved by HiGHS.)

    Limits are put as shares of themselves: of millions of people a few calls are far below its tolerance.
    """
    from scipy.optimize import linprog

    reach, cost = np.array([point.reach for point in points]), np.array([point.cost for point in points])
    limits = [
        (sign * limit, sign * np.array(figures))
        for limit, figures, sign in (
            (wish.reach, reach, -1.0), (wish.budget, cost, 1.0),
            (wish.capped, [point.capped for point in points], 1.0),
        )
        if limit is not None
    ]  # fmt: skip
    scales = [abs(limit) or _largest(figures) for limit, figures in limits]
    loss = cost if wish.reach is not None else -reach
    found = linprog(
        loss / _largest(loss),
        A_ub=np.array([figures / scale for (_, figures), scale in zip(limits, scales, strict=True)]) if limits
        else None,
        b_ub=[limit / scale for (limit, _), scale in zip(limits, scales, strict=True)] or None,
        A_eq=np.ones((1, len(points))), b_eq=[1.0],
        options={"primal_feasibility_tolerance": _TOLERANCE, "dual_feasibility_tolerance": _TOLERANCE},
    )  # fmt: skip
    if found.x is None:
        return None
    price = None
    if limits:
        price = _marginal(wish, float(found.ineqlin.marginals[0]) * _largest(loss) / scales[0])
    shares = [(n, float(share)) for n, share in enumerate(found.x) if share > TINY]
    return Mix(shares, float(reach @ found.x), float(cost @ found.x), price)


def _marginal(wish: Wish, told: float) -> float | None:
    """Return what one more reached person costs, by what more of the limit changes that is written first."""
    if wish.reach is None and wish.budget is None:
        return None
    price = abs(told)
    if wish.reach is None:  # then it is reach for money
        return 1.0 / price if price > TINY else None
    return price if price > TINY else None


def keeps(rate: float, price: float, wish: Wish) -> bool | None:
    """Say whether a step is worth its price: V p > c + annoyance; None: no value was told."""
    return None if wish.value is None else wish.value * rate > price + wish.annoyance


def split(parts: Sequence[Sequence[Point]], shares: Sequence[float], wish: Wish) -> list[int] | None:
    """Return which order each part of the people goes, so that all of them together do best what is wished.

    `shares` of the people come to 1; what is wished is that of all, by the rules of `best`. None: no choice
    keeps the limits. (A multiple-choice knapsack, as an integer programme solved by HiGHS.)
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    places = [(part, n) for part, points in enumerate(parts) for n in _undominated(points, wish)]
    told, whose = [parts[part][n] for part, n in places], np.array([part for part, _ in places])
    share, each = np.array(shares)[whose], whose == np.arange(len(parts))[:, np.newaxis]
    rows, highest = [LinearConstraint(each.astype(float), 1.0, 1.0)], np.ones(len(places))
    for limit, figures, sign in (
        (wish.reach, [one.reach for one in told], -1.0), (wish.budget, [one.cost for one in told], 1.0),
        (wish.capped, [one.capped for one in told], 1.0),
    ):  # fmt: skip
        if limit is None:
            continue
        # What each part needs at least is taken off, and what takes more than is left then is out, so that
        # figures are shares of what is left: far above the solver's tolerance, however few people a part is.
        took = sign * share * np.array(figures)
        least = np.where(each, took, np.inf).min(axis=1)
        over, left = took - least[whose], sign * limit + TINY - float(least.sum())
        if left < 0:
            return None
        highest[over > left] = 0.0
        rows.append(LinearConstraint(np.where(over > left, 0.0, over) / max(left, 1e-300), -np.inf, 1.0))
    loss, even = (
        np.array(each) for each in ([wish.loss(one) for one in told], [_even(one, wish) for one in told])
    )  # fmt: skip
    loss = share * (_SCALE * loss / _largest(loss) + even / _largest(even))
    for _ in range(_TRIES):
        found = milp(
            loss, constraints=rows, integrality=np.ones(len(places), dtype=np.int8),
            bounds=Bounds(0, highest), options={"mip_rel_gap": 0.0},
        )  # fmt: skip
        if found.x is None:
            return None
        taken = found.x > 0.5
        if not wish.lacks(of_all(zip(share[taken], np.array(told, dtype=object)[taken], strict=True))):
            return [n for (_, n), one in zip(places, taken, strict=True) if one]
        rows.append(LinearConstraint(taken.astype(float), -np.inf, len(parts) - 1.0))  # all but this one
    return None


def of_all(parts: Iterable[tuple[float, Point]]) -> Point:
    """Return what orders do together, of each part of the people its share and its order."""
    told = list(parts)
    return Point(
        *(sum(share * getattr(point, name) for share, point in told) for name in Point.__struct_fields__)
    )  # fmt: skip


def _largest(figures: NDArray[np.float64]) -> float:
    return max(float(np.abs(figures).max()), 1e-12)


def _even(point: Point, wish: Wish) -> float:
    """Return what is to be as little as can be where orders do the same of what is wished."""
    if wish.value is not None:
        return point.messages
    return -point.reach if wish.reach is not None else point.cost


def _undominated(points: Sequence[Point], wish: Wish) -> list[int]:
    """Return the orders that no other beats or equals in all that is wished; of equal ones the first."""
    told = np.array(
        [
            (
                wish.loss(one), -one.reach if wish.reach is not None else 0.0,
                one.cost if wish.budget is not None else 0.0,
                one.capped if wish.capped is not None else 0.0, _even(one, wish), one.messages,
            )
            for one in points
        ]
    )  # fmt: skip
    ranked = np.lexsort(told.T[::-1])
    kept: list[int] = []
    for n in ranked.tolist():
        if not kept or not (told[kept] <= told[n] + TINY).all(axis=1).any():
            kept.append(n)
    return sorted(kept)


def price_of_reach(points: Sequence[Point], wish: Wish, reach: float) -> float:
    """Return what one more reached person is worth, in minor units: the value that is told, else what one
    costs where so many are reached."""
    if wish.value is not None:
        return wish.value
    found = mixed(points, Wish(reach=reach))
    return (found.marginal or 0.0) if found is not None else 0.0

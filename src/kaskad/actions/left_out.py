"""Why a step is left out of what is proposed: by what would come of it there."""

from __future__ import annotations

from collections.abc import Callable

from kaskad.actions.arranging import Arrangement
from kaskad.actions.weighing import point_of
from kaskad.domain.worded import worded
from kaskad.planning.frontier import TINY, Point, Wish
from kaskad.planning.orders import Choice, Freedom, Table, chosen, orders

Priced = Callable[[float | None], str]  # what one more person costs, in words; None: nobody is reached


def why_left_out(
    ground: Arrangement, mean: Table, wish: Wish, freedom: Freedom, best: Choice, at: int,
    now: float | None, priced: Priced,
) -> str:  # fmt: skip
    """Return why an item is not in the best order; `now`: what one more person costs there as it stands.

    Where it would do more for the wish by itself, a limit keeps it out: of a part of the people one that all
    have together. Else it costs more than it is worth, by its price, by what it annoys, or by the delay.
    """
    with_it = _with(ground, mean, wish, freedom, best, at)
    if with_it is None:
        return priced(now)
    point = point_of(ground, best)
    if wish.loss(point) - wish.loss(with_it) > TINY:
        return _limited(wish, point, with_it) or priced(now)
    if wish.value is None or now is None or now >= wish.value:
        return priced(now)
    reach, cost = with_it.reach - point.reach, with_it.cost - point.cost
    brings = wish.value * reach - cost
    if brings <= TINY:  # most whom it reaches would react to a later step
        return priced(cost / reach if reach > TINY else None)
    if brings - wish.annoyance * (with_it.messages - point.messages) <= TINY:
        return worded("its messages annoy by more than it is worth")
    return worded("waiting for it delays what comes after by more than it is worth")


def _with(
    ground: Arrangement, mean: Table, wish: Wish, freedom: Freedom, best: Choice, at: int
) -> Point | None:
    """Return what the best order would do with one more item, where it does most for the wish."""
    allowed = set(orders(ground.items, freedom))
    placed = [(*best.order[:place], at, *best.order[place:]) for place in range(len(best.order) + 1)]
    points = [point_of(ground, chosen(mean, order)) for order in placed if order in allowed]
    return min(points, key=wish.loss, default=None)


def _limited(wish: Wish, best: Point, with_it: Point) -> str:
    """Return which limit keeps a step out; "": none, or that on money where nobody told a person's worth."""
    budget = wish.budget is not None and with_it.cost > best.cost + TINY
    capped = wish.capped is not None and with_it.capped > best.capped + TINY
    fewer = wish.reach is not None and with_it.reach < best.reach - TINY
    if not (budget or capped or fewer):
        return ""
    if budget + capped + fewer > 1:
        return worded("with it the limits would not be kept")
    if budget:
        return "" if wish.value is None else worded("with it the budget would not be kept")
    if capped:
        return worded("with it there would be more calls by people than are allowed")
    return worded("with it fewer people would be reached than are wished")

"""What became of those who entered each of several versions at the same time."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from kaskad.analytics.courses import Tally
from kaskad.domain.course import LEVELS
from kaskad.domain.terms import Kind

# What the runs of versions are compared by. Each is a share of those who entered, the control group aside:
# whoever was to get a message counts, whether it could be sent or not.
COMPARED = ("delivered", "seen", "reacted", "goal", "opted_out")
_LEFT = Kind.UNSUBSCRIBED.bit | Kind.COMPLAINED.bit


class Outcomes(Struct):
    """How many entered, and how many of them count by each measure; `cost` by currency, minor units."""

    entered: int = 0
    under_way: int = 0
    goal: int = 0
    reacted: int = 0
    seen: int = 0
    delivered: int = 0
    opted_out: int = 0
    cost: dict[str, int] = field(default_factory=dict)

    def of(self, measure: str) -> int:
        """Return how many count by a measure of COMPARED."""
        count: int = getattr(self, measure)
        return count


def outcomes(told: Tally, money: Mapping[int, str]) -> Outcomes:
    """Return what became of these runs; `money` has the accounts' currencies."""
    found = Outcomes()
    for shape, runs in told.shapes.items():
        if shape.holdout:
            continue
        found.entered += runs
        found.under_way += runs * (not shape.outcome)
        found.goal += runs * bool(shape.marks & Kind.GOAL.bit)
        found.opted_out += runs * bool(shape.marks & _LEFT)
        for measure in ("reacted", "seen", "delivered"):
            hit = shape.levels >> LEVELS.index(measure) & 1
            setattr(found, measure, getattr(found, measure) + runs * hit)
    for leg, runs in told.legs.items():
        if leg.cost and (currency := money.get(leg.account_id or 0, "")):
            found.cost[currency] = found.cost.get(currency, 0) + leg.cost * runs
    return found

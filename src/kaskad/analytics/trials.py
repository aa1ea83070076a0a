"""What became of those who entered each of several versions at the same time."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from kaskad.analytics.clusters import design_effect, gathered
from kaskad.analytics.courses import Tally
from kaskad.domain.course import LEVELS, SIGNS
from kaskad.domain.rates import OWN, Exchange
from kaskad.domain.terms import Kind
from kaskad.store.courses import parts
from kaskad.store.db import Transaction

LOOKED_AT = 50_000  # runs of a version, of whose people it is asked how alike their runs are

# What the runs of versions are compared by. Each is a share of those who entered, the control group aside:
# whoever was to get a message counts, whether it could be sent or not.
COMPARED = ("delivered", "seen", "reacted", "goal", "opted_out")
_REFUSED = 1 << SIGNS.index("left") | 1 << SIGNS.index("complained")


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


def outcomes(told: Tally, money: Mapping[int, str], told_in: Exchange = OWN) -> Outcomes:
    """Return what became of these runs; `money` has the accounts' currencies."""
    found = Outcomes()
    for shape, runs in told.shapes.items():
        if shape.holdout:
            continue
        found.entered += runs
        found.under_way += runs * (not shape.outcome)
        found.goal += runs * bool(shape.marks & Kind.GOAL.bit)
        found.opted_out += runs * bool(shape.signs & _REFUSED)
        for measure in ("reacted", "seen", "delivered"):
            hit = shape.levels >> LEVELS.index(measure) & 1
            setattr(found, measure, getattr(found, measure) + runs * hit)
    for leg, runs in told.legs.items():
        if leg.cost and (currency := money.get(leg.account_id or 0, "")):
            found.cost[currency] = found.cost.get(currency, 0) + leg.cost * runs
    found.cost = told_in.told(found.cost)
    return found


def design_effects(
    tx: Transaction, version_id: int, since: int, until: int, told: Tally
) -> dict[str, float]:  # fmt: skip
    """Return by measure how many times fewer people than runs a version's shares tell of (`clusters`)."""
    if not any(shape.again for shape in told.shapes):
        return dict.fromkeys(COMPARED, 1.0)
    every = max(1, sum(told.shapes.values()) // LOOKED_AT)
    rows = list(
        tx.all("person_courses", version_id=version_id, since=since, until=until, every=every)
    )  # fmt: skip
    ends: dict[int, Outcomes] = {}
    for course_id, course in parts(tx, {row[1] for row in rows}, {}).items():
        one = Tally()
        for part in course:
            one.add(part, version_id, 1, 0)
        ends[course_id] = outcomes(one, {})
    rows = [row for row in rows if ends[row[1]].entered]
    return {
        name: design_effect(
            gathered((contact, ends[course].of(name) * runs, runs) for contact, course, runs in rows)
        )
        for name in COMPARED
    }

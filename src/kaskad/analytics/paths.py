"""Where the people of a cascade went from step to step, and how a step's variants compare.

What each figure counts is told in `figures.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct, field

from kaskad.analytics.courses import Tally
from kaskad.analytics.reach import Amounts
from kaskad.analytics.services import UNKNOWN, Service
from kaskad.domain.cascade import Cascade
from kaskad.domain.figures import NO_MESSAGE, counted_as
from kaskad.domain.rates import OWN, Exchange
from kaskad.domain.terms import Outcome

ENTRY = "entered"
UNDER_WAY = "under_way"


class Flow(Struct, frozen=True):
    """How many runs went from one place to the next; a place is `entered`, `step:ID`, or `end:OUTCOME`.

    The end of those who are still at their last step is `end:under_way`.
    """

    source: str
    target: str
    runs: int


class Variant(Struct):
    """One variant of a step, in messages."""

    step: str
    id: str
    sent: int = 0
    delivered: int = 0
    seen: int = 0
    reacted: int = 0
    machine: int = 0
    cost: Amounts = field(default_factory=dict)


def flows(told: Tally, cascade: Cascade) -> list[Flow]:
    """Return the ways of runs but hold-outs, from the entry to the ends, by steps that made a message."""
    names = {step.number: step.id for step in cascade.steps}
    last = len(names) + 256
    ways: Counter[tuple[int, int, str, str]] = Counter()
    for shape, runs in told.shapes.items():
        if shape.holdout:
            continue
        at, here = -1, ENTRY
        for step in shape.steps:
            there = f"step:{names.get(step, step)}"
            ways[at, step, here, there] += runs
            at, here = step, there
        end = Outcome.of(shape.outcome).value if shape.outcome else UNDER_WAY
        ways[at, last, here, f"end:{end}"] += runs
    return [Flow(source, target, runs) for (_, _, source, target), runs in sorted(ways.items())]


def variants(
    told: Tally, cascade: Cascade, accounts: Mapping[int, Service], told_in: Exchange = OWN
) -> list[Variant]:  # fmt: skip
    """Return the variants of the steps that have some, as the current definition names them."""
    steps = {step.number: step for step in cascade.steps}
    made: dict[tuple[int, int], Variant] = {}
    for leg, runs in told.legs.items():
        if leg.variant is None or leg.state in NO_MESSAGE:
            continue
        one = made.get((leg.step, leg.variant))
        if one is None:
            step = steps.get(leg.step)
            known = step.variants if step else ()
            name = known[leg.variant].id if leg.variant < len(known) else str(leg.variant + 1)
            one = Variant(step.id if step else str(leg.step), name)
            made[leg.step, leg.variant] = one
        account = accounts.get(leg.account_id or 0, UNKNOWN)
        for figure in counted_as(leg.state, leg.mask, leg.past, account.delivers):
            if figure in _COMPARED:
                setattr(one, figure, getattr(one, figure) + runs)
        if currency := account.currency:
            one.cost[currency] = one.cost.get(currency, 0) + leg.cost * runs
    for one in made.values():
        one.cost = told_in.told(one.cost)
    return [made[key] for key in sorted(made)]


_COMPARED = ("sent", "delivered", "seen", "reacted", "machine")

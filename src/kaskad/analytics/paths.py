"""Where the people of a cascade went from step to step, and how a step's variants compare.

What each figure counts is told beside its SQL, in `store/sql/reports.sql`.
"""

from __future__ import annotations

from collections import Counter

import msgspec
from msgspec import Struct, field

from kaskad.analytics.reach import EVERYTHING, MACHINE, REACTED, SEEN, Amounts, Scope
from kaskad.domain.cascade import Cascade
from kaskad.domain.terms import Outcome
from kaskad.store.db import Transaction

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


def flows(tx: Transaction, cascade_id: int, cascade: Cascade, scope: Scope = EVERYTHING) -> list[Flow]:
    """Return the ways of all runs in `scope` but hold-outs, from the entry to the ends, by steps."""
    names = {step.number: step.id for step in cascade.steps}
    found: Counter[tuple[int, int, str, str]] = Counter()
    for first, step, following, code, count in tx.all(
        "report_flows", cascade_id=cascade_id, **scope.params
    ):  # fmt: skip
        end = f"end:{Outcome.of(code).value if code else UNDER_WAY}"
        here, at = (ENTRY, -1) if step is None else (f"step:{names.get(step, step)}", step)
        if first and step is not None:
            found[-1, step, ENTRY, here] += count
        if following is None:
            found[at, len(names) + 256, here, end] += count
        else:
            found[at, following, here, f"step:{names.get(following, following)}"] += count
    return [Flow(source, target, runs) for (_, _, source, target), runs in sorted(found.items())]


def variants(
    tx: Transaction, cascade_id: int, cascade: Cascade, scope: Scope = EVERYTHING
) -> list[Variant]:  # fmt: skip
    """Return the variants of the steps that have some, as the current definition names them."""
    steps = {step.number: step for step in cascade.steps}
    currencies = {row[0]: msgspec.json.decode(row[8]).get("currency", "") for row in tx.all("accounts")}
    found: dict[tuple[int, int], Variant] = {}
    for step, number, account_id, *counts, cost in tx.all(
        "report_variants", cascade_id=cascade_id, seen=SEEN, reacted=REACTED, machine=MACHINE, **scope.params
    ):
        told = steps.get(step)
        known = told.variants if told else ()
        name = known[number].id if number < len(known) else str(number + 1)
        one = found.setdefault((step, number), Variant(told.id if told else str(step), name))
        for figure, count in zip(("sent", "delivered", "seen", "reacted", "machine"), counts, strict=True):
            setattr(one, figure, getattr(one, figure) + count)
        if currency := currencies.get(account_id, ""):
            one.cost[currency] = one.cost.get(currency, 0) + cost
    return list(found.values())

"""All orders of a cascade's steps weighed for some people: what is known of these, and what follows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct, structs

from kaskad.actions.arranging import Arrangement, arranged, spread_over, told_by
from kaskad.actions.crowds import Asker
from kaskad.actions.past import Past
from kaskad.domain.cascade import Cascade
from kaskad.planning.forecast import Kind
from kaskad.planning.frontier import Point
from kaskad.planning.orders import Choice, Order, Table, chosen, table
from kaskad.planning.outlook import Outlook, Plan
from kaskad.planning.propensity import SPREADS, Fitted, Floats, Told, believed, fitted
from kaskad.planning.walk import stages

DRAWS = 200
SEED = 1


class Weighing(Struct, frozen=True):
    """Orders weighed: `mean` as they are expected, `drawn` in DRAWS worlds. `spreads`: how likely each of
    SPREADS is; `unpriced` steps have no price, of `unknown` ones nothing tells who reacts."""

    ground: Arrangement
    known: Past
    spreads: Floats
    fit: Fitted
    mean: Table
    drawn: Table
    unpriced: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def today(self) -> Order:
        """Return the order as it is."""
        return tuple(range(len(self.ground.items)))

    def choice(self, order: Order) -> Choice:
        """Return what an order is expected to do."""
        return chosen(self.mean, order)

    def hours_at(self, sooner: Sequence[float]) -> float:
        """Return after how many hours today's order reaches somebody, where its items wait so much less:
        only those wait at an item to whom it is open."""
        items = [
            structs.replace(item, hours=item.hours - less)
            for item, less in zip(self.ground.items, sooner, strict=True)
        ]
        told = table(items, self.ground.groups, self.fit).mean(self.spreads)
        return float(chosen(told, self.today).hours[0])

    def point(self, order: Order) -> Point:
        """Return the same as it is compared."""
        return point_of(self.ground, self.choice(order))


def point_of(ground: Arrangement, choice: Choice) -> Point:
    """Return an order as it is compared; calls by people are what is scarce."""
    calls = sum(
        (float(choice.messages[at, 0]) for at, item in enumerate(ground.items) if item.intrusion == 4), 0.0
    )
    return Point(
        float(choice.reach[0]), float(choice.cost[0]), float(choice.messages.sum()), calls,
        float(choice.worth[0]),
    )  # fmt: skip


class _Look(Struct, frozen=True):
    """What is known of some people, before their readiness is judged."""

    ground: Arrangement
    outlook: Outlook
    fit: Fitted


def _look(
    cascade: Cascade, kinds: Sequence[Kind], known: Past, asker: Asker, currency: str | None
) -> _Look:  # fmt: skip
    plan = Plan(
        stages(cascade), [step.channels[0] for step in cascade.steps],
        [step.success for step in cascade.steps], cascade.first,
    )  # fmt: skip
    outlook = Outlook(plan, known.today, known.elsewhere, known.again)
    ground = arranged(cascade, kinds, outlook, asker.times_after, currency)
    told: Told = spread_over(told_by(ground, outlook.means), SPREADS)
    return _Look(ground, outlook, fitted(ground.items, ground.groups, told, SPREADS))


def leaning(
    cascade: Cascade, kinds: Sequence[Kind], known: Past, asker: Asker, currency: str | None = None
) -> Floats:  # fmt: skip
    """Return how likely each of SPREADS is by what these people have done."""
    return believed(_look(cascade, kinds, known, asker, currency).fit, known.today.cells)


def weighed(
    cascade: Cascade, kinds: Sequence[Kind], known: Past, asker: Asker, half_life: float, *,
    currency: str | None = None, spreads: Floats | None = None, part: int = 0,
) -> Weighing:  # fmt: skip
    """Return the orders of a cascade weighed for these people.

    A value halves in `half_life` hours, 0: never. Of a part of the people `currency` and `spreads` are those
    of all, and `part` is its number. Raises Invalid for what cannot be compared.
    """
    seen = _look(cascade, kinds, known, asker, currency)
    ground, outlook = seen.ground, seen.outlook
    spreads = believed(seen.fit, known.today.cells) if spreads is None else spreads
    drawn_at = np.random.default_rng(SEED).choice(SPREADS, p=spreads, size=DRAWS)
    fit = fitted(ground.items, ground.groups, told_by(ground, outlook.drawn(SEED, DRAWS, part)), drawn_at)
    return Weighing(
        ground, known, spreads, seen.fit,
        table(ground.items, ground.groups, seen.fit, half_life).mean(spreads),
        table(ground.items, ground.groups, fit, half_life),
        tuple(step.id for step in ground.steps if not asker.priced(step)),
        tuple(step.id for step in ground.steps if not outlook.knows(step.number, step.channels[0])),
    )  # fmt: skip

"""A cascade as its steps can be put in order: which may move, for whom each is open, at what price."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from msgspec import Struct

from kaskad.actions.past import silences_ms
from kaskad.domain.cascade import Cascade, Step, agents_asked
from kaskad.domain.condition import Name, walk
from kaskad.domain.errors import Invalid
from kaskad.domain.terms import Channel, Reaction
from kaskad.domain.worded import worded
from kaskad.planning import walk as walking
from kaskad.planning.costs import Cost
from kaskad.planning.forecast import Kind
from kaskad.planning.orders import MOST, intrusion
from kaskad.planning.outlook import Outlook
from kaskad.planning.propensity import Floats, Group, Item, Rate, Told
from kaskad.planning.walk import Ask, Crowd, Stage
from kaskad.store.courses import HOUR_MS

T = TypeVar("T")


class Arrangement(Struct, frozen=True):
    """The steps that silence leads through, and people by what is open to them. `fixed` tells of each step
    that stays where it is why: anchor, branch, keys, condition, informs. `currency` "": no price is known,
    so messages are counted."""

    steps: tuple[Step, ...]
    items: tuple[Item, ...]
    groups: tuple[Group, ...]
    asks: tuple[Mapping[Channel, Ask], ...]  # of each item, one on each channel
    fixed: Mapping[int, str]
    currency: str
    looked_at: frozenset[int] = (
        frozenset()
    )  # steps that another one's condition or words name: these stay too

    @property
    def free(self) -> int:
        """Return how many steps may be moved or left out."""
        return sum(not item.needed for item in self.items)


When = Callable[[Sequence[int], int], Sequence[int]]  # a step goes, after silence at others


def arranged(
    cascade: Cascade, kinds: Sequence[Kind], outlook: Outlook, when: When, currency: str | None = None
) -> Arrangement:  # fmt: skip
    """Return a cascade's main path as it can be arranged, each step at the price of when it would go.

    `currency`: that of all of whom these are a part. Raises Invalid for what cannot be compared.
    """
    path = path_of(cascade)
    if len(path) > MOST:
        raise Invalid(
            [worded("The cascade has %(steps)s steps in a row: up to %(most)s are compared.",
                    steps=len(path), most=MOST)]
        )  # fmt: skip
    currency = _currency(kinds) if currency is None else currency
    fixed = {step.number: why for step in path if (why := fixed_by(cascade, step))}
    looked_at = frozenset(step.number for step in path if _is_looked_at(cascade, step))
    hours = [ms / HOUR_MS for ms in silences_ms(cascade)]
    stages = walking.stages(cascade)
    items: list[Item] = []
    for step in path:
        last, needed = items[-1] if items else None, step.number in fixed or step.number in looked_at
        block = 0 if last is None else last.block + (needed or last.needed)
        led = _led(step, stages, kinds, outlook, currency)
        stage = stages[step.number]
        items.append(
            Item(step.number, intrusion(step.channels[0]), block, needed, stage.ends or bool(stage.branch),
                 stage.held, led, hours[step.number])
        )  # fmt: skip
    groups, asks = _groups(path, kinds, currency, when)
    return Arrangement(tuple(path), tuple(items), groups, asks, fixed, currency, looked_at)


def told_by(arrangement: Arrangement, rates: walking.Rates) -> Told:
    """Return the rates that an outlook tells, as `propensity.fitted` asks for them."""

    def told(at: int, channel: Channel, before: int) -> Rate:
        found = rates(arrangement.items[at].step, arrangement.asks[at][channel], before)
        return Rate(found.reacts, found.leaves / np.maximum(1.0 - found.reacts, 1e-12))

    return told


def spread_over(told: Told, worlds: Floats) -> Told:
    """Return rates of one world as those of several."""

    def spread(at: int, channel: Channel, before: int) -> Rate:
        one = told(at, channel, before)
        return Rate(one.reacts + 0.0 * worlds, one.leaves + 0.0 * worlds)

    return spread


def stretches(cascade: Cascade) -> list[list[Step]]:
    """Return the steps of the path that may be moved or left out: those together between which none stays."""
    found: list[list[Step]] = [[]]
    for step in path_of(cascade):
        if fixed_by(cascade, step):
            found.append([])
        else:
            found[-1].append(step)
    return found


def in_places(cascade: Cascade, rows: Sequence[Sequence[T]], kept: Callable[[Step], T]) -> list[T]:
    """Return what stands in a definition where each of its stretches is a row of something else, of any
    length; all other steps are `kept` where they stand."""
    places: dict[int, Sequence[T]] = {}
    for stretch, row in zip(stretches(cascade), rows, strict=True):
        for at, step in enumerate(stretch):
            places[step.number] = row[at:] if step is stretch[-1] else row[at : at + 1]
    found: list[T] = []
    for step in cascade.steps:
        found += places[step.number] if step.number in places else [kept(step)]
    return found


def in_text(cascade: Cascade, order: Sequence[str]) -> list[int]:
    """Return the steps of a definition as they stand once its path is in this order; those of the path that
    are not named are gone, those beside it stay where they are."""
    rows = []
    for stretch in stretches(cascade):
        named = {step.id: step.number for step in stretch}
        rows.append([named[name] for name in order if name in named])
    return in_places(cascade, rows, lambda step: step.number)


def path_of(cascade: Cascade) -> list[Step]:
    """Return the steps through which silence leads."""
    found: list[Step] = []
    at: int | None = cascade.first if cascade.steps else None
    while at is not None:
        found.append(cascade.steps[at])
        at = cascade.steps[at].next
    return found


def fixed_by(cascade: Cascade, step: Step) -> str:
    """Return why a step stays where it is; "": it does not."""
    if step.at is not None:
        return "anchor"
    if any(step.number in (branch.step, branch.go) for branch in cascade.branches):
        return "branch"
    keys = agents_asked(cascade.steps)
    if step.number in keys or step.number in keys.values():
        return "keys"
    if step.success is Reaction.NONE:
        return "informs"
    looks = any(path[0] in ("steps", "run") for path in _names_in(step))
    return "condition" if looks or "steps." in _words_of(step) else ""


def _is_looked_at(cascade: Cascade, step: Step) -> bool:
    """Say whether another step's condition or words name this one: without it they would say nothing."""
    named = re.compile(rf"\bsteps\.{re.escape(step.id)}\b")
    return any(
        ("steps", step.id) in (path[:2] for path in _names_in(other)) or named.search(_words_of(other))
        for other in cascade.steps
        if other is not step
    )


def _names_in(step: Step) -> list[tuple[str, ...]]:
    """Return what a step's condition looks at."""
    if step.condition is None:
        return []
    return [tuple(node.path) for node in walk(step.condition.tree) if isinstance(node, Name)]


def _words_of(step: Step) -> str:
    return str((step.content, step.variants))


def _currency(kinds: Sequence[Kind]) -> str:
    named = {ask.currency for kind in kinds for ask in kind.asks if ask is not None} - {""}
    if len(named) > 1:
        raise Invalid(
            [
                worded(
                    "Prices are in %(currencies)s: costs can be compared in one currency only. Give the "
                    "accounts prices in the same currency, or bring exchange rates.",
                    currencies=" and ".join(sorted(named)),
                )
            ]
        )
    return next(iter(named), "")


def _groups(
    path: Sequence[Step], kinds: Sequence[Kind], currency: str, when: When
) -> tuple[tuple[Group, ...], tuple[Mapping[Channel, Ask], ...]]:
    """Return people by over which channel each step goes to them, with the mean price of a message."""
    people: dict[tuple[Channel | None, ...], float] = {}
    paid: dict[tuple[Channel | None, ...], Floats] = {}
    dated: dict[tuple[Channel | None, ...], dict[int, Floats]] = {}
    asks: tuple[dict[Channel, Ask], ...] = tuple({} for _ in path)
    turning = _turning(path, kinds, when) if currency else {}
    total = sum(kind.people for kind in kinds) or 1
    for kind in kinds:
        own = [kind.asks[step.number] for step in path]
        over = tuple(None if ask is None else ask.channel for ask in own)
        prices = np.array([0.0 if ask is None else ask.price if currency else 1.0 for ask in own])
        people[over] = people.get(over, 0.0) + kind.people
        paid[over] = paid.get(over, np.zeros(len(path))) + kind.people * prices
        for at, (found, ask) in enumerate(zip(asks, own, strict=True)):
            if ask is not None:
                found[ask.channel] = ask
            if at in turning:
                open_to = sum(1 << n for n, channel in enumerate(over) if channel is not None)
                by_set = turning[at].get(ask.dated if ask else None, np.full(1 << len(path), prices[at]))
                sums = dated.setdefault(over, {})
                came = by_set[np.arange(1 << len(path)) & open_to]  # what is passed over takes no time
                sums[at] = sums.get(at, np.zeros(1 << len(path))) + kind.people * came
    groups = tuple(
        Group(
            count / total, over, tuple((paid[over] / count).tolist()),
            {at: sums / count for at, sums in dated.get(over, {}).items()},
        )
        for over, count in people.items()
    )  # fmt: skip
    return groups, asks


def _turning(path: Sequence[Step], kinds: Sequence[Kind], when: When) -> dict[int, dict[Cost | None, Floats]]:
    """Return of the items whose prices change with the time each of these, after every set of other items."""
    found: dict[int, dict[Cost | None, Floats]] = {}
    for at, step in enumerate(path):
        costs = {ask.dated for kind in kinds if (ask := kind.asks[step.number]) is not None and ask.dated}
        if not costs:
            continue
        times = [
            when([path[n].number for n in range(len(path)) if have >> n & 1 and n != at], step.number)
            for have in range(1 << len(path))
        ]
        found[at] = {cost: np.array([cost.mean(each) for each in times]) for cost in costs if cost}
    return found


def _led(
    step: Step, stages: Sequence[Stage], kinds: Sequence[Kind], outlook: Outlook, currency: str
) -> float:  # fmt: skip
    """Return what the branch costs that a reaction to a step leads to, for one person."""
    go = stages[step.number].branch
    if go is None:
        return 0.0
    total = sum(kind.people for kind in kinds) or 1
    crowds = [Crowd(np.array([kind.people / total]), kind.asks) for kind in kinds]
    told = walking.walk(stages, crowds, go, outlook.means, walking.at_its_rate)
    if not currency:
        return float(told.messages[0])
    return float(told.cost.get(currency, np.zeros(1))[0])

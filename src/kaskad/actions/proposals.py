"""What is proposed for a cascade: its figures, its reasons, what was rejected, what speaks against it.

A proposal is a text that may become a draft; nothing is changed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct

from kaskad.actions.arranging import Arrangement, in_text
from kaskad.actions.crowds import drawn
from kaskad.actions.waiting import Patience, clock_of, clocks_of
from kaskad.domain.cascade import Cascade, Money, Span
from kaskad.domain.definition import UnreadableError, load
from kaskad.domain.definition.edit import EditError, Tree, move, put, remove, tree_of
from kaskad.domain.money import amount
from kaskad.domain.span import format_span
from kaskad.domain.terms import Reaction
from kaskad.domain.worded import worded
from kaskad.planning.forecast import Range, range_of
from kaskad.planning.frontier import Wish
from kaskad.planning.history import Happened
from kaskad.planning.orders import Choice, Order, Table, chosen
from kaskad.planning.propensity import Floats
from kaskad.store.courses import HOUR_MS

LEAST_PEOPLE, LEAST_REACTIONS = 30, 5  # of a step: below that only the field's figures speak
REFUSALS = 0.001  # by how much more people may say no
COMPLAINTS = 0.001  # of messages: beyond that mailbox services send mail to spam
REJECTED = 4
SAME = 1e-4  # of a figure: less is no improvement


class Change(Struct, frozen=True):
    """One change: a step is moved (`was` and `becomes` are places), left_out, or its wait is another."""

    kind: str
    step: str
    was: str
    becomes: str
    why: str


class Rejected(Struct, frozen=True):
    """An order that was not chosen, and why."""

    steps: tuple[str, ...]
    reach: float
    cost: float
    why: str


class Figure(Struct, frozen=True):
    """A figure for each who enters, now and as proposed, with its P10 to P90, and that of the change."""

    now: float
    proposed: float
    now_between: Range
    proposed_between: Range
    change: Range


class Proposal(Struct, frozen=True):
    """One proposal. `hindrances` say why it may not become a draft, "cautions" what one should know.

    `order` are the steps as they would stand, `waits` the spans that change; `definition` is the text.
    """

    name: str  # order | waits
    changes: tuple[Change, ...]
    figures: Mapping[str, Figure]
    hindrances: tuple[str, ...]
    cautions: tuple[str, ...]
    rejected: tuple[Rejected, ...]
    order: tuple[str, ...]
    waits: Mapping[str, str]
    definition: str

    @property
    def ready(self) -> bool:
        """Say whether it may become a draft."""
        return not self.hindrances


class Weighed(Struct, frozen=True):
    """Orders as they were weighed: today's, the best of those allowed, the best of all, the frontier."""

    today: Choice
    best: Choice | None
    free: Choice | None
    front: Sequence[Choice]
    wish: Wish
    drawn: Table
    mean: Table
    own: Happened
    unpriced: tuple[str, ...]

    def reached_at(self, at: int) -> float:
        """Return whom an item of today's order reaches, of each who enters."""
        return float(self.mean.reach[(1 << at) - 1, at, 0])


def proposals(
    text: str, cascade: Cascade, ground: Arrangement, weighed: Weighed, waits: Sequence[Patience]
) -> tuple[Proposal, ...]:  # fmt: skip
    """Return what is proposed, if anything."""
    found = []
    if weighed.best is not None and _better(weighed):
        found.append(_order(text, cascade, ground, weighed, weighed.best))
    if any(one.proposed_hours is not None for one in waits):
        found.append(_waits(text, cascade, ground, weighed, waits))
    return tuple(found)


def redrawn(slug: str, text: str, order: Sequence[str], waits: Mapping[str, str]) -> str:
    """Return a definition with its path in another order, steps that are not named left out, and other waits.

    Comments and the rest stay. Raises EditError for what cannot be changed in this text.
    """
    cascade = drawn(slug, text)
    unknown = {*order, *waits} - {step.id for step in cascade.steps}
    if unknown:
        raise EditError(worded("There is no step %(name)s.", name=min(unknown)))
    for step in cascade.steps:
        if span := waits.get(step.id):
            at, number = clock_of(step), step.number
            if at is None:
                raise EditError(worded("%(step)s has no clock that can be changed.", step=step.id))
            text = put(text, f"steps[{number}].wait", _wait(text, cascade, number, at, span))
    wanted = in_text(cascade, order) if order else [step.number for step in cascade.steps]
    stands = [step.number for step in cascade.steps]
    for number in reversed(stands.copy()):
        if number not in wanted:
            text = remove(text, f"steps[{number}]")
            stands.remove(number)
    for place, number in enumerate(wanted):
        at = stands.index(number)
        if at != place:
            text = move(text, "steps", at, place)
            stands.insert(place, stands.pop(at))
    return text


def _wait(text: str, cascade: Cascade, number: int, at: int, span: str) -> Tree:
    """Return what a step's `wait` becomes where one of its clocks takes another time."""
    step = cascade.steps[number]
    steps = tree_of(text)
    assert isinstance(steps, Mapping)
    own = steps.get("steps")
    assert isinstance(own, Sequence) and not isinstance(own, str)
    told = own[number]
    now = told.get("wait") if isinstance(told, Mapping) else None
    if isinstance(now, Sequence) and not isinstance(now, str):
        return [
            {**each, "for": span} if n == at and isinstance(each, Mapping) else each
            for n, each in enumerate(now)
        ]
    clocks = clocks_of(step)
    if now is not None or len(clocks) == 1:
        return span
    return [
        {"unless": clock.unless.value, "for": span if n == at else format_span(clock.span)}
        | ({"from": clock.start.value} if clock.start is not None else {})
        for n, clock in enumerate(clocks)
        if clock.unless is not Reaction.NONE
    ]


def _better(weighed: Weighed) -> bool:
    """Say whether the best order does more for the wish than today's, by more than nothing."""
    best, today, wish = weighed.best, weighed.today, weighed.wish
    assert best is not None
    if best.order == today.order:
        return False
    if wish.value is not None:
        gain = wish.value * (best.worth[0] - today.worth[0]) - (best.cost[0] - today.cost[0])
        gain -= wish.annoyance * (best.messages.sum() - today.messages.sum())
        return bool(gain > SAME * max(float(today.cost[0]), 1e-9))
    keeps = wish.reach is None or float(today.reach[0]) >= wish.reach - 1e-9
    keeps &= wish.budget is None or float(today.cost[0]) <= wish.budget + 1e-9
    if not keeps:
        return True
    cheaper = float(best.cost[0]) < float(today.cost[0]) * (1.0 - SAME)
    return cheaper or (wish.reach is None and float(best.reach[0]) > float(today.reach[0]) * (1.0 + SAME))


def _order(
    text: str, cascade: Cascade, ground: Arrangement, weighed: Weighed, best: Choice
) -> Proposal:  # fmt: skip
    names = tuple(ground.steps[at].id for at in best.order)
    now, proposed = (chosen(weighed.drawn, one.order) for one in (weighed.today, best))
    figures = {
        name: _figure(float(_sum(one)[0]), float(_sum(other)[0]), _sum(before), _sum(after))
        for name, one, other, before, after in (
            ("reach", weighed.today.reach, best.reach, now.reach, proposed.reach),
            ("cost", weighed.today.cost, best.cost, now.cost, proposed.cost),
            ("messages", weighed.today.messages, best.messages, now.messages, proposed.messages),
            ("hours", weighed.today.hours, best.hours, now.hours, proposed.hours),
        )
    }  # fmt: skip
    changed = [at for at in range(len(ground.items)) if at not in best.order or best.order.index(at) != at]
    cautions = []
    if weighed.wish.value is None and figures["cost"].change.high > 0 > figures["cost"].change.low:
        cautions.append(worded("It may as well cost more: what is known does not settle it."))
    return _proposal(
        "order", text, cascade, _changes(ground, weighed, best), figures,
        [*_unfounded(ground, weighed, changed), *_refusals(ground, weighed, best)], cautions,
        _rejected(ground, weighed, best), names, {},
    )  # fmt: skip


def _sum(each: Floats) -> Floats:
    """Return a figure by world; of messages all items together."""
    return each.sum(axis=0) if each.ndim == 2 else each


def _figure(now: float, proposed: float, before: Floats, after: Floats) -> Figure:
    return Figure(
        round(now, 6), round(proposed, 6), range_of(before), range_of(after), range_of(after - before)
    )  # fmt: skip


def _changes(ground: Arrangement, weighed: Weighed, best: Choice) -> list[Change]:
    found = []
    kept = [at for at in range(len(ground.items)) if at in best.order]
    for at, step in enumerate(ground.steps):
        now = _each(weighed.mean, weighed.today.order, at)
        if at not in best.order:
            why = worded("one more person whom it reaches costs %(each)s", each=_money(ground, now))
            found.append(Change("left_out", step.id, str(at + 1), "", why))
        elif best.order.index(at) != kept.index(at):
            then = _each(weighed.mean, best.order, at)
            why = worded("it goes only to those whom cheaper steps before it have not reached")
            if now is None or (then is not None and then <= now):
                why = worded(
                    "one more person whom it reaches costs %(then)s there, %(now)s where it stands",
                    then=_money(ground, then), now=_money(ground, now),
                )  # fmt: skip
            found.append(Change("moved", step.id, str(at + 1), str(best.order.index(at) + 1), why))
    return found


def _each(mean: Table, order: Order, at: int) -> float | None:
    """Return what one more reached person costs at an item of an order."""
    placed = sum(1 << one for one in order[: order.index(at)])
    reach = float(mean.reach[placed, at, 0])
    return float(mean.cost[placed, at, 0]) / reach if reach > 0 else None


def _money(ground: Arrangement, minor: float | None) -> str:
    if minor is None:
        return "∞"
    if not ground.currency:
        return f"{minor:.1f}"
    return amount(Money(round(minor), ground.currency))


def _unfounded(ground: Arrangement, weighed: Weighed, changed: Sequence[int]) -> list[str]:
    """Return what is not known of the steps that would change."""
    few = []
    for at in changed:
        told = weighed.own.step(ground.items[at].step)
        if told.of < LEAST_PEOPLE or told.reacted < LEAST_REACTIONS:
            few.append(ground.steps[at].id)
    found = list[str]()
    if few:
        found.append(
            worded(
                "Of %(steps)s only figures of the field are known: at least %(people)s people must have got "
                "the step, and %(reactions)s reacted.",
                steps=", ".join(few), people=LEAST_PEOPLE, reactions=LEAST_REACTIONS,
            )
        )  # fmt: skip
    dear = [ground.steps[at].id for at in changed if ground.steps[at].id in weighed.unpriced]
    if dear and ground.currency:
        found.append(
            worded("The price of %(steps)s is not known: give its account one.", steps=", ".join(dear))
        )
    return found


def _refusals(ground: Arrangement, weighed: Weighed, best: Choice) -> list[str]:
    """Return that more people would say no, or that too many messages would be complained of."""
    refused, complained = np.zeros((2, len(ground.items)))
    for at, item in enumerate(ground.items):
        told = weighed.own.step(item.step)
        refused[at] = told.refused / told.of if told.of else 0.0
        complained[at] = told.complained / told.of if told.of else 0.0
    sent = [one.messages[:, 0] for one in (weighed.today, best)]
    before, after = (float(refused @ each) for each in sent)
    found = list[str]()
    if after - before > REFUSALS:
        found.append(
            worded(
                "More people would say no or complain: %(after)s %% of those who enter, now %(before)s %%.",
                after=f"{100 * after:.2f}", before=f"{100 * before:.2f}",
            )
        )  # fmt: skip
    before, after = (float(complained @ each) / max(float(each.sum()), 1e-12) for each in sent)
    if after > max(COMPLAINTS, before + 1e-9):
        found.append(
            worded(
                "%(after)s %% of messages would be reported as spam, now %(before)s %%: 0.1 %% is the bound.",
                after=f"{100 * after:.2f}", before=f"{100 * before:.2f}",
            )
        )  # fmt: skip
    return found


def _rejected(ground: Arrangement, weighed: Weighed, best: Choice) -> list[Rejected]:
    """Return the orders that come next to the chosen one, and why each was not."""
    found: dict[Order, Rejected] = {}

    def reject(choice: Choice, why: str) -> None:
        if choice.order not in (best.order, weighed.today.order) and choice.order not in found:
            names = tuple(ground.steps[at].id for at in choice.order)
            reach, cost = float(choice.reach[0]), float(choice.cost[0])
            found[choice.order] = Rejected(names, round(reach, 6), round(cost, 4), why)

    free = weighed.free
    if free is not None and free.order != best.order and free.cost[0] < best.cost[0] - 1e-9:
        reject(free, worded("a more intrusive channel would come before a less intrusive one"))
    less = [one for one in weighed.front if one.reach[0] < best.reach[0] - 1e-9]
    more = [one for one in weighed.front if one.reach[0] > best.reach[0] + 1e-9]
    for one in less[-2:][::-1]:
        reject(one, worded("reaches fewer people"))
    for one in more[:2]:
        extra = float(one.cost[0] - best.cost[0]) / float(one.reach[0] - best.reach[0])
        reject(one, worded("each more person reached costs %(each)s", each=_money(ground, extra)))
    return list(found.values())[:REJECTED]


def _waits(
    text: str, cascade: Cascade, ground: Arrangement, weighed: Weighed, waits: Sequence[Patience]
) -> Proposal:  # fmt: skip
    changed = [one for one in waits if one.proposed_hours is not None]
    spans = {one.step: format_span(Span(ms=round((one.proposed_hours or 0) * HOUR_MS))) for one in changed}
    sooner = np.zeros(len(ground.items))
    for at, step in enumerate(ground.steps):
        sooner[at] = sum(one.wait_hours - (one.proposed_hours or 0) for one in changed if one.step == step.id)
    # Whoever is reached by a later step is written to that much earlier, or later.
    now = chosen(weighed.drawn, weighed.today.order)
    extra_cost, extra = sum(one.extra_cost for one in changed), sum(one.extra_messages for one in changed)
    reach, hours = float(weighed.today.reach[0]), float(weighed.today.hours[0])
    earlier = sum(
        weighed.reached_at(at) * float(sooner[:at].sum()) for at in range(len(ground.items))
    ) / max(reach, 1e-12)  # fmt: skip
    scale = now.reach / max(reach, 1e-12)
    messages = _sum(now.messages)
    figures = {
        "reach": _figure(reach, reach, now.reach, now.reach),
        "cost": _figure(float(weighed.today.cost[0]), float(weighed.today.cost[0]) + extra_cost,
                        now.cost, now.cost + extra_cost * scale),
        "messages": _figure(float(weighed.today.messages.sum()), float(weighed.today.messages.sum()) + extra,
                            messages, messages + extra * scale),
        "hours": _figure(hours, hours - earlier, now.hours, now.hours - earlier),
    }  # fmt: skip
    changes = [
        Change("wait", one.step, format_span(Span(ms=round(one.wait_hours * HOUR_MS))), spans[one.step],
               one.why)
        for one in changed
    ]  # fmt: skip
    late = [
        worded("%(share)s %% of those silent at %(step)s so far react later: they are spared what follows.",
               share=f"{100 * one.spared:.0f}", step=one.step)
        for one in changed if one.spared
    ]  # fmt: skip
    late += [
        worded("%(share)s %% of those who react to %(step)s do so later: they get the next message too.",
               share=f"{100 * one.late:.0f}", step=one.step)
        for one in changed if one.late >= 0.005
    ]  # fmt: skip
    return _proposal("waits", text, cascade, changes, figures, [], late, [], (), spans)


def _proposal(
    name: str, text: str, cascade: Cascade, changes: list[Change], figures: Mapping[str, Figure],
    hindrances: Sequence[str], cautions: Sequence[str], rejected: list[Rejected], order: tuple[str, ...],
    waits: Mapping[str, str],
) -> Proposal:  # fmt: skip
    """Return the proposal with its text, which is read again: it may have no mistake that was not there."""
    try:
        made = redrawn(cascade.id, text, order, waits)
    except (EditError, UnreadableError) as error:
        made = ""
        hindrances = [*hindrances, str(error)]
    else:
        before = {problem.message for problem in load(text, name=cascade.id).errors}
        wrong = [
            problem.message for problem in load(made, name=cascade.id).errors if problem.message not in before
        ]
        hindrances = [*hindrances, *wrong]
    return Proposal(
        name, tuple(changes), figures, tuple(hindrances), tuple(cautions), tuple(rejected), order, waits, made
    )  # fmt: skip

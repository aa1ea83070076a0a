"""What is proposed for a cascade: its figures, its reasons, what was rejected, what speaks against it.

A proposal is a text that may become a draft; nothing is changed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from msgspec import Struct

from kaskad.actions.arranging import Arrangement, in_text
from kaskad.actions.crowds import drawn
from kaskad.actions.left_out import why_left_out
from kaskad.actions.rewaiting import rewaited
from kaskad.actions.splitting import Way, split_drawn
from kaskad.actions.waiting import Patience
from kaskad.actions.weighing import point_of
from kaskad.domain.cascade import Cascade, Money, Span
from kaskad.domain.definition import UnreadableError, load
from kaskad.domain.definition.edit import EditError, move, remove
from kaskad.domain.money import amount
from kaskad.domain.span import format_span
from kaskad.domain.worded import worded
from kaskad.planning.forecast import Range, range_of
from kaskad.planning.frontier import Point, Wish
from kaskad.planning.history import Happened
from kaskad.planning.orders import Choice, Freedom, Order, Table, chosen
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


class Theirs(Struct, frozen=True):
    """What is proposed for a part of the people: a segment, or "", everybody else."""

    segment: str
    share: float
    changes: tuple[Change, ...]
    figures: Mapping[str, Figure]
    order: tuple[str, ...]
    waits: Mapping[str, str]


class Proposal(Struct, frozen=True):
    """One proposal. `hindrances` say why it may not become a draft, "cautions" what one should know.

    `order` are the steps as they would stand, `waits` the spans that change; `definition` is the text. Where
    parts of the people go different ways, `parts` tells these, and `changes`, `order` and `waits` are empty.
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
    parts: tuple[Theirs, ...] = ()

    @property
    def ready(self) -> bool:
        """Say whether it may become a draft."""
        return not self.hindrances


class Weighed(Struct, frozen=True):
    """Orders as they were weighed: today's, the best of those allowed, the best of all, the frontier.

    Of a part of the people `wish` is that of all, and its limits are theirs together.
    """

    today: Choice
    best: Choice | None
    free: Choice | None
    front: Sequence[Choice]
    wish: Wish
    freedom: Freedom
    drawn: Table
    mean: Table
    own: Happened
    unpriced: tuple[str, ...]
    hours_at: Callable[[Sequence[float]], float]  # as `Weighing.hours_at`


def proposals(
    text: str, cascade: Cascade, ground: Arrangement, weighed: Weighed, waits: Sequence[Patience]
) -> tuple[Proposal, ...]:  # fmt: skip
    """Return what is proposed, if anything."""
    found = []
    best, today = weighed.best, weighed.today
    if best is not None and best.order != today.order and _gains(ground, weighed, best):
        found.append(_order(text, cascade, ground, weighed, best))
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
            text = rewaited(text, step, step.number, span)
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


def _gains(ground: Arrangement, weighed: Weighed, best: Choice) -> bool:
    return improves(point_of(ground, best), point_of(ground, weighed.today), weighed.wish)


def improves(best: Point, today: Point, wish: Wish) -> bool:
    """Say whether other orders than today's do more for the wish, by more than nothing."""
    if wish.value is not None:
        return bool(wish.gains(best) - wish.gains(today) > SAME * max(today.cost, 1e-9))
    keeps = wish.reach is None or today.reach >= wish.reach - 1e-9
    keeps &= wish.budget is None or today.cost <= wish.budget + 1e-9
    if not keeps:
        return True
    cheaper = best.cost < today.cost * (1.0 - SAME)
    return cheaper or (wish.reach is None and best.reach > today.reach * (1.0 + SAME))


def _order(
    text: str, cascade: Cascade, ground: Arrangement, weighed: Weighed, best: Choice
) -> Proposal:  # fmt: skip
    names = tuple(ground.steps[at].id for at in best.order)
    figures = figures_of([(1.0, weighed, best)])
    changed = [at for at in range(len(ground.items)) if at not in best.order or best.order.index(at) != at]
    cautions = []
    if weighed.wish.value is None and figures["cost"].change.high > 0 > figures["cost"].change.low:
        cautions.append(worded("It may as well cost more: what is known does not settle it."))
    return proposal(
        "order", text, cascade, changes_of(ground, weighed, best), figures,
        [*unfounded(ground, weighed, changed), *refusals(ground, [(1.0, weighed, best)])], cautions,
        rejected(ground, weighed, best), names, {},
    )  # fmt: skip


def figures_of(parts: Sequence[tuple[float, Weighed, Choice]]) -> dict[str, Figure]:
    """Return the figures of other orders than today's: of each part of the people its share, what is known of
    it, and its order."""
    worlds = [
        [(share, chosen(one.drawn, choice.order)) for share, one, choice in side]
        for side in (
            [(share, one, one.today) for share, one, _ in parts],
            [(share, one, best) for share, one, best in parts],
        )
    ]  # fmt: skip
    means = [[(share, one.today) for share, one, _ in parts], [(share, best) for share, _, best in parts]]
    now, proposed, before, after = (_summed(each) for each in (*means, *worlds))
    return {
        name: figure(float(now[name][0]), float(proposed[name][0]), before[name], after[name]) for name in now
    }


def _summed(parts: Sequence[tuple[float, Choice]]) -> dict[str, Floats]:
    """Return what orders do for all who enter, by world; hours are those of whoever is reached."""
    reach, cost, messages, hours = (
        np.sum([share * np.asarray(figure(choice)) for share, choice in parts], axis=0)
        for figure in (
            lambda one: one.reach, lambda one: one.cost, lambda one: sum_of(one.messages),
            lambda one: one.reach * one.hours,
        )
    )  # fmt: skip
    return {
        "reach": reach, "cost": cost, "messages": messages, "hours": hours / np.maximum(reach, 1e-300),
    }  # fmt: skip


def sum_of(each: Floats) -> Floats:
    """Return a figure by world; of messages all items together."""
    return each.sum(axis=0) if each.ndim == 2 else each


def figure(now: float, proposed: float, before: Floats, after: Floats) -> Figure:
    return Figure(
        round(now, 6), round(proposed, 6), range_of(before), range_of(after), range_of(after - before)
    )  # fmt: skip


def changes_of(ground: Arrangement, weighed: Weighed, best: Choice) -> list[Change]:
    found = []
    kept = [at for at in range(len(ground.items)) if at in best.order]
    for at, step in enumerate(ground.steps):
        now = _each(weighed.mean, weighed.today.order, at)
        if at not in best.order:
            why = why_left_out(
                ground, weighed.mean, weighed.wish, weighed.freedom, best, at, now, partial(_priced, ground)
            )
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


def _priced(ground: Arrangement, each: float | None) -> str:
    return worded("one more person whom it reaches costs %(each)s", each=_money(ground, each))


def _each(mean: Table, order: Order, at: int) -> float | None:
    """Return what one more reached person costs at an item of an order."""
    placed = sum(1 << one for one in order[: order.index(at)])
    reach = float(mean.reach[placed, at, 0])
    return float(mean.cost[placed, at, 0]) / reach if reach > 0 else None


def _money(ground: Arrangement, minor: float | None) -> str:
    if minor is None:
        return "∞"
    if not ground.currency:
        return worded("%(count)s messages", count=f"{minor:.1f}")
    return amount(Money(round(minor), ground.currency))


def unfounded(ground: Arrangement, weighed: Weighed, changed: Sequence[int]) -> list[str]:
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


def refusals(ground: Arrangement, parts: Sequence[tuple[float, Weighed, Choice]]) -> list[str]:
    """Return that more people would say no, or that too many messages would be complained of.

    Of each part of the people its share, what is known of it, and the best order for it.
    """
    told = np.zeros((3, 2))  # who refuse, complaints, messages: today and as proposed
    for share, weighed, best in parts:
        for at, item in enumerate(ground.items):
            cell = weighed.own.step(item.step)
            sent = share * np.array([one.messages[at, 0] for one in (weighed.today, best)])
            told += np.outer([cell.refused / max(1, cell.of), cell.complained / max(1, cell.of), 1.0], sent)
    before, after = told[0].tolist()
    found = list[str]()
    if after - before > REFUSALS:
        found.append(
            worded(
                "More people would say no or complain: %(after)s %% of those who enter, now %(before)s %%.",
                after=f"{100 * after:.2f}", before=f"{100 * before:.2f}",
            )
        )  # fmt: skip
    before, after = (told[1] / np.maximum(told[2], 1e-12)).tolist()
    if after > max(COMPLAINTS, before + 1e-9):
        found.append(
            worded(
                "%(after)s %% of messages would be reported as spam, now %(before)s %%: 0.1 %% is the bound.",
                after=f"{100 * after:.2f}", before=f"{100 * before:.2f}",
            )
        )  # fmt: skip
    return found


def rejected(ground: Arrangement, weighed: Weighed, best: Choice) -> list[Rejected]:
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
        late = extra < 0 and weighed.wish.value is not None
        reject(
            one,
            worded("it reaches people later, when they are worth less") if late
            else worded("each more person reached costs %(each)s", each=_money(ground, extra)),
        )  # fmt: skip
    return list(found.values())[:REJECTED]


def _waits(
    text: str, cascade: Cascade, ground: Arrangement, weighed: Weighed, waits: Sequence[Patience]
) -> Proposal:  # fmt: skip
    changed = [one for one in waits if one.proposed_hours is not None]
    return proposal(
        "waits", text, cascade, wait_changes(changed), wait_figures(ground, [(1.0, weighed, changed)]), [],
        wait_cautions(changed), [], (), {one.step: wait_of(one) for one in changed},
    )  # fmt: skip


def wait_of(one: Patience) -> str:
    """Return the wait that is proposed, as a definition says it."""
    return format_span(Span(ms=round((one.proposed_hours or 0) * HOUR_MS)))


def wait_figures(
    ground: Arrangement, parts: Sequence[tuple[float, Weighed, Sequence[Patience]]]
) -> dict[str, Figure]:  # fmt: skip
    """Return the figures of other waits: of each part of the people its share, what is known of it, and the
    waits that change."""
    means = _summed([(share, weighed.today) for share, weighed, _ in parts])
    now = _summed([(share, chosen(weighed.drawn, weighed.today.order)) for share, weighed, _ in parts])
    more = {"reach": 0.0, "cost": 0.0, "messages": 0.0}
    hours = 0.0
    for share, weighed, changed in parts:
        more["cost"] += share * sum(one.extra_cost for one in changed)
        more["messages"] += share * sum(one.extra_messages for one in changed)
        sooner = [
            sum(one.wait_hours - (one.proposed_hours or 0) for one in changed if one.step == step.id)
            for step in ground.steps
        ]
        hours += share * float(weighed.today.reach[0]) * weighed.hours_at(sooner)
    before = {name: float(told[0]) for name, told in means.items()}
    hours /= max(before["reach"], 1e-12)
    scale = now["reach"] / max(before["reach"], 1e-12)
    found = {
        name: figure(before[name], before[name] + extra, now[name], now[name] + extra * scale)
        for name, extra in more.items()
    }
    # Of the hours whoever is reached waits for fewer or more: they are drawn as today's are.
    sped = now["hours"] * hours / max(before["hours"], 1e-12)
    return {**found, "hours": figure(before["hours"], hours, now["hours"], sped)}


def wait_changes(changed: Sequence[Patience]) -> list[Change]:
    """Return the waits that change, with the reasons."""
    return [
        Change("wait", one.step, format_span(Span(ms=round(one.wait_hours * HOUR_MS))), wait_of(one), one.why)
        for one in changed
    ]


def wait_cautions(changed: Sequence[Patience]) -> list[str]:
    """Return what one should know of who reacts late, and of figures that nothing was played for."""
    late: list[str] = [
        worded("%(share)s %% of those silent at %(step)s so far react later: they are spared what follows.",
               share=f"{100 * one.spared:.0f}", step=one.step)
        for one in changed if one.spared
    ]  # fmt: skip
    late += [
        worded("%(share)s %% of those who react to %(step)s do so later: they get the next message too.",
               share=f"{100 * one.late:.0f}", step=one.step)
        for one in changed if one.late >= 0.005
    ]  # fmt: skip
    if changed:
        late.append(
            worded(
                "Reckoned from how long people took to react, not played: nights, caps and the speed of "
                "services are not in it. A simulation of the text shows them."
            )
        )
    return late


def proposal(
    name: str, text: str, cascade: Cascade, changes: list[Change], figures: Mapping[str, Figure],
    hindrances: Sequence[str], cautions: Sequence[str], rejected: list[Rejected], order: tuple[str, ...],
    waits: Mapping[str, str], parts: Sequence[Theirs] = (),
) -> Proposal:  # fmt: skip
    """Return the proposal with its text, which is read again: it may have no mistake that was not there."""
    try:
        made = (
            split_drawn(cascade.id, text, [Way(one.segment, one.order, one.waits) for one in parts])
            if parts
            else redrawn(cascade.id, text, order, waits)
        )
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
        name, tuple(changes), figures, tuple(hindrances), tuple(cautions), tuple(rejected), order, waits,
        made, tuple(parts),
    )  # fmt: skip

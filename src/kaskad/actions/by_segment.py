"""Several segments optimised at once: each goes its own way where what is known of it carries that.

Somebody in several segments is in the first of them. Who is in none, or in one of which too little is known
to tell it from the others, goes the way of everybody else, which is found for all of these together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct, structs

from kaskad.actions.arranging import Arrangement
from kaskad.actions.crowds import Asker
from kaskad.actions.optimized import Part, Spot
from kaskad.actions.parting import Parting
from kaskad.actions.past import Past, together
from kaskad.actions.proposals import (
    LEAST_PEOPLE,
    LEAST_REACTIONS,
    Proposal,
    Theirs,
    Weighed,
    changes_of,
    figures_of,
    improves,
    proposal,
    refusals,
    rejected,
    unfounded,
)
from kaskad.actions.weighing import Weighing, leaning, point_of, weighed
from kaskad.domain.cascade import Cascade
from kaskad.domain.worded import worded
from kaskad.planning.forecast import Kind
from kaskad.planning.frontier import Point, Wish, best, efficient, of_all, price_of_reach, split
from kaskad.planning.history import Happened
from kaskad.planning.orders import Choice, Freedom, Order, chosen, orders
from kaskad.planning.propensity import Floats, agreed

SURE = 0.9  # of drawn worlds in which a way of their own must do more than that of everybody else
_PEOPLE = 1_000_000  # as which kinds of several parts are counted together
Group = frozenset[int]  # parts that go one way, by their numbers


class Asked(Struct, frozen=True):
    """What is optimised: the definition and what is wished of it.

    `wish` is for each who enters; not `wished`: there is none, so each part is to be reached as it is now.
    `half_life` in hours, 0: nothing fades.
    """

    text: str
    cascade: Cascade
    wish: Wish
    wished: bool
    freedom: Freedom
    half_life: float


class Ways(Struct, frozen=True):
    """Orders, and what each of them does."""

    orders: list[Order]
    points: list[Point]


class Grounds:
    """What is known of the parts of an audience, each of them and several together."""

    def __init__(
        self, asked: Asked, asker: Asker, parting: Parting, whole: Weighing, pasts: Sequence[Happened]
    ) -> None:  # fmt: skip
        self.asked, self.parting, self.pasts = asked, parting, pasts
        self.shares = parting.shares
        self.last = len(parting.segments)  # the number of everybody else
        self._asker, self._whole = asker, whole
        self._kinds = [asker.real(ids)[0] if ids else [] for ids in parting.ids]
        there = [part for part, kinds in enumerate(self._kinds) if kinds]
        self._spreads = agreed([
            leaning(asked.cascade, self._kinds[part], self.past(frozenset({part})), asker, self.currency)
            for part in there
        ])  # fmt: skip
        self._known: dict[Group, Weighing] = {}
        self._compared: dict[Group, Ways] = {}

    @property
    def currency(self) -> str:
        """Return the currency in which all costs are told."""
        return self._whole.ground.currency

    def share(self, group: Group) -> float:
        """Return which share of the audience a group is."""
        return sum(self.shares[part] for part in group)

    def of(self, group: Group) -> Weighing:
        """Return the orders weighed for the people of some parts."""
        if group not in self._known:
            kinds = [
                Kind(round(_PEOPLE * self.shares[part] * kind.people / total), kind.asks)
                for part in sorted(group)
                for total in [sum(kind.people for kind in self._kinds[part])]
                for kind in self._kinds[part]
            ]
            self._known[group] = weighed(
                self.asked.cascade, [kind for kind in kinds if kind.people], self.past(group), self._asker,
                self.asked.half_life, currency=self.currency, spreads=self._spreads, part=1 + min(group),
            )  # fmt: skip
        return self._known[group]

    def compared(self, group: Group) -> Ways:
        """Return the orders that people of some parts may go, with what each does; of nobody today's."""
        if group not in self._compared:
            weighing = self.of(group)
            ways = [weighing.today]
            if self.share(group):
                ways = [one for one in orders(weighing.ground.items, self.asked.freedom) if one]
                ways += [] if weighing.today in ways else [weighing.today]
            self._compared[group] = Ways(ways, [weighing.point(one) for one in ways])
        return self._compared[group]

    def past(self, group: Group) -> Past:
        """Return what happened to the people of some parts."""
        inside = [own for part, own in enumerate(self.pasts) if part in group]
        others = [own for part, own in enumerate(self.pasts) if part not in group]
        return together(self.asked.cascade, self._whole.known, inside, others)


class Settled(Struct, frozen=True):
    """Which way each part goes: `groups` with their orders, the last is that of everybody else; `why` a
    segment goes with these."""

    groups: tuple[Group, ...]
    orders: tuple[Order, ...]
    why: dict[int, str]

    def order_of(self, part: int) -> Order:
        """Return the order of a part."""
        return next(order for group, order in zip(self.groups, self.orders, strict=True) if part in group)


def settled(grounds: Grounds) -> Settled | None:
    """Return which way each part goes; None: no choice keeps all limits."""
    why: dict[int, str] = {
        part: worded("nobody of the audience is in it, or all of these are in one before it")
        for part in range(grounds.last)
        if not grounds.parting.ids[part]
    }
    while True:
        own = [frozenset({part}) for part in range(grounds.last) if part not in why]
        groups = (*own, frozenset({grounds.last, *why}))
        found = _choice(grounds, groups)
        if found is None:
            return None
        joining = {
            min(group): reason
            for group, order in zip(own, found, strict=False)
            if (reason := _same_as_others(grounds, group, order, found[-1]))
        }
        if not joining:
            return Settled(groups, tuple(found), why)
        why |= joining


def _choice(grounds: Grounds, groups: Sequence[Group]) -> list[Order] | None:
    """Return the orders of these groups that do best together."""
    wish, compared = grounds.asked.wish, [grounds.compared(group) for group in groups]
    if grounds.asked.wished:
        found = split([each.points for each in compared], [grounds.share(group) for group in groups], wish)
        return None if found is None else [each.orders[n] for each, n in zip(compared, found, strict=True)]
    chosen_ones = []
    for group, each in zip(groups, compared, strict=True):
        today = grounds.of(group).today
        now = each.points[each.orders.index(today)]
        place = best(each.points, structs.replace(wish, reach=now.reach))
        chosen_ones.append(today if place is None else each.orders[place])
    return chosen_ones


def _same_as_others(grounds: Grounds, group: Group, order: Order, others: Order) -> str:
    """Return why a part goes the way of everybody else though another seems to do more, "": it does not."""
    weighing, (part,) = grounds.of(group), group
    own = grounds.pasts[part]
    few = [
        weighing.ground.steps[at].id
        for at in moved_between(order, others)
        if _few(own, weighing.ground.items[at].step)
    ]
    if few:
        return worded(
            "of %(steps)s too little is known of them: at least %(people)s of them must have got the step, "
            "and %(reactions)s reacted",
            steps=", ".join(few), people=LEAST_PEOPLE, reactions=LEAST_REACTIONS,
        )  # fmt: skip
    if order == others:
        return ""
    wish = grounds.asked.wish
    each = price_of_reach(grounds.compared(group).points, wish, weighing.point(order).reach)

    def gains(one: Order) -> Floats:
        told = chosen(weighing.drawn, one)
        reached = told.worth if wish.value is not None else told.reach
        return np.asarray(each * reached - told.cost - wish.annoyance * told.messages.sum(axis=0))

    if float((gains(order) > gains(others)).mean()) < SURE:
        return worded("what is known of them does not settle that another order does more for them")
    return ""


def _few(own: Happened, step: int) -> bool:
    told = own.step(step)
    return told.of < LEAST_PEOPLE or told.reacted < LEAST_REACTIONS


def moved_between(order: Order, others: Order) -> list[int]:
    """Return the items that only one of both orders has, or that stand elsewhere among what both have."""
    both = [
        [at for at in one if at in other] for one, other in ((order, others), (others, order))
    ]  # fmt: skip
    moved = {at for pair in zip(*both, strict=True) for at in pair if pair[0] != pair[1]}
    return sorted(moved | (set(order) ^ set(others)))


def parts_told(grounds: Grounds, found: Settled, waits: Proposal | None) -> tuple[Part, ...]:
    """Return the parts with what their ways do for them. A way is their own where its order is another than
    that of everybody else, or its waits are, or there is nobody else."""
    told = []
    theirs = [one.waits for one in waits.parts] if waits is not None else [{}] * (grounds.last + 1)
    for part, segment in enumerate((*grounds.parting.segments, "")):
        if not grounds.parting.ids[part]:
            nothing = Spot((), 0.0, 0.0, 0.0, 0.0)
            told.append(
                Part(segment, 0, 0.0, 0, False, found.why.get(part, ""), nothing, nothing)
            )  # fmt: skip
            continue
        weighing, why = grounds.of(frozenset({part})), found.why.get(part, "")
        own = (
            found.order_of(part) != found.orders[-1] or theirs[part] != theirs[-1]
            or (not grounds.parting.ids[-1] and not why)
        )  # fmt: skip
        if part < grounds.last and not own and not why:
            why = worded("the same does best for them")
        seen = max(
            (round(grounds.pasts[part].step(item.step).of) for item in weighing.ground.items), default=0
        )
        told.append(
            Part(
                segment, grounds.parting.sizes[part], round(grounds.shares[part], 4), seen,
                own or part == grounds.last, "" if own else why,
                spot_of(weighing, weighing.choice(weighing.today), today=True),
                spot_of(weighing, weighing.choice(found.order_of(part))),
            )
        )  # fmt: skip
    return tuple(told)


def spot_of(weighing: Weighing, choice: Choice, efficient: bool = False, today: bool = False) -> Spot:
    """Return an order as it is told."""
    names = tuple(weighing.ground.steps[at].id for at in choice.order)
    return Spot(
        names, round(float(choice.reach[0]), 6), round(float(choice.cost[0]), 4),
        round(float(choice.messages.sum()), 4), round(float(choice.hours[0]), 2), efficient, today,
    )  # fmt: skip


def weighed_for(grounds: Grounds, part: int, order: Order | None) -> Weighed:
    """Return a part's orders as proposals look at them."""
    weighing = grounds.of(frozenset({part}))
    front = []
    if order is not None:
        compared = grounds.compared(frozenset({part}))
        front = [weighing.choice(compared.orders[n]) for n in efficient(compared.points)]
    return Weighed(
        today=weighing.choice(weighing.today), best=None if order is None else weighing.choice(order),
        free=None, front=front, wish=grounds.asked.wish, freedom=grounds.asked.freedom,
        drawn=weighing.drawn, mean=weighing.mean, own=grounds.pasts[part], unpriced=weighing.unpriced,
        hours_at=weighing.hours_at,
    )  # fmt: skip


def order_proposal(grounds: Grounds, found: Settled) -> Proposal | None:
    """Return the proposal of other orders for some or all parts; None: today's do as well."""
    asked, ground = grounds.asked, grounds.of(frozenset({grounds.last})).ground
    each = {
        part: (grounds.shares[part], one, one.best)
        for part in range(grounds.last + 1)
        if grounds.parting.ids[part]
        for one in [weighed_for(grounds, part, found.order_of(part))]
        if one.best is not None
    }
    now = of_all((share, point_of(ground, one.today)) for share, one, _ in each.values())
    then = of_all((share, point_of(ground, choice)) for share, _, choice in each.values())
    wish = asked.wish if asked.wished else structs.replace(asked.wish, reach=now.reach)
    same = all(choice.order == one.today.order for _, one, choice in each.values())
    if same or not improves(then, now, wish):
        return None
    told, figures = list(each.values()), figures_of(list(each.values()))
    ways = {part: choice.order for part, (_, _, choice) in each.items()}
    cautions = cautions_of_segments() if len(set(ways.values())) > 1 else []
    if wish.value is None and figures["cost"].change.high > 0 > figures["cost"].change.low:
        cautions.insert(0, worded("It may as well cost more: what is known does not settle it."))
    parts = [
        Theirs(
            segment, round(grounds.shares[part], 4),
            tuple(changes_of(ground, *each[part][1:])) if part in each else (),
            figures_of([(1.0, *each[part][1:])]) if part in each else {},
            tuple(ground.steps[at].id for at in found.order_of(part)), {},
        )
        for part, segment in enumerate((*grounds.parting.segments, ""))
    ]  # fmt: skip
    against = [*_unfounded(grounds, ways, told[0][1]), *refusals(ground, told)]
    names = (*grounds.parting.segments, "")
    cautions += refusing(ground, {names[part]: each[part][1:] for part in ways})
    return proposal(
        "order", asked.text, asked.cascade, [], figures, against, cautions,
        rejected(ground, *told[-1][1:]), (), {}, parts,
    )  # fmt: skip


def refusing(ground: Arrangement, parts: Mapping[str, tuple[Weighed, Choice]]) -> list[str]:
    """Return which segments ("": all others) would by themselves say no more often than all may; the bounds
    for all, which hold a proposal back, may not show it. Less than 5 refusals tell nothing of a segment."""
    found = list[str]()
    for segment, (one, choice) in parts.items():
        known = sum(one.own.step(item.step).refused for item in ground.items)
        if known < LEAST_REACTIONS or not refusals(ground, [(1.0, one, choice)]):
            continue
        found.append(
            worded(
                "Of segment %(segment)s by itself more people would say no or complain than of all may.",
                segment=segment,
            )
            if segment
            else worded("Of all others by themselves more people would say no or complain than of all may.")
        )
    return found


def _unfounded(grounds: Grounds, ways: Mapping[int, Order], one: Weighed) -> list[str]:
    """Return what is not known of steps that change, of all together who go the same way."""
    found: dict[str, None] = {}
    for order in dict.fromkeys(ways.values()):
        group = frozenset(part for part, own in ways.items() if own == order)
        known = structs.replace(one, own=grounds.past(group).own)
        moved = moved_between(order, one.today.order)
        found |= dict.fromkeys(unfounded(grounds.of(frozenset({grounds.last})).ground, known, moved))
    return list(found)


def cautions_of_segments() -> list[str]:
    """Return what one should know of a cascade in which segments go different ways."""
    return [
        worded("Who is in several of these segments goes the way of the first of them."),
        worded(
            "Who is in which segment is asked before each step: whoever changes it on the way goes on by the "
            "other way, and gets no step twice."
        ),
    ]

"""What a cascade could do better: all orders and subsets of its steps compared, times to wait learnt.

People, prices and what is open to whom are those of the forecast (`crowds.py`), reactions those of the past
(`past.py`); people are taken to have a common readiness (`planning/propensity.py`). Nothing is changed here:
what is proposed becomes a draft when somebody says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct, structs

from kaskad.actions import crowds
from kaskad.actions.arranging import arranged, spread_over, told_by
from kaskad.actions.audience import Audience
from kaskad.actions.cascades import revision_of, source_of
from kaskad.actions.crowds import SAMPLE, TYPICAL, Asker, Sampled, audience_of, drawn
from kaskad.actions.office import Office
from kaskad.actions.past import Past, past
from kaskad.actions.proposals import Proposal, Weighed, proposals
from kaskad.actions.rates import into
from kaskad.actions.reactions import Reactions, reactions
from kaskad.actions.waiting import Patience, patience
from kaskad.domain.cascade import Cascade, Money
from kaskad.domain.errors import Invalid
from kaskad.domain.rates import OWN, Exchange
from kaskad.domain.worded import worded
from kaskad.planning.forecast import Kind
from kaskad.planning.frontier import Mix, Point, Wish, best, efficient, keeps, mixed
from kaskad.planning.orders import Choice, Freedom, Order, chosen, orders, table
from kaskad.planning.outlook import Outlook, Plan
from kaskad.planning.propensity import SPREADS, believed, fitted
from kaskad.planning.walk import stages

DRAWS = 200
SEED = 1
MOST_POINTS = 200
ENTERED = "those who have entered so far"
EVEN = 1e-6  # below this two orders cost the same


class Target(Struct, frozen=True):
    """What is asked for; nothing: as much reach as now, for less. `fades_ms`: the time in which half of a
    reached person's `value` is lost; `budget` and `calls` (by people) are those of the whole audience."""

    reach: float | None = None
    budget: Money | None = None
    value: Money | None = None
    annoyance: Money | None = None  # that a message causes, besides its price
    fades_ms: int = 0
    calls: int | None = None
    freedom: Freedom = Freedom.GENTLE


class StepWorth(Struct, frozen=True):
    """A step where it stands today. `rate` is of those who get it while silent, `seen` of how many of its own
    that is known; `each_reached` what one more reached person costs there, minor units; `keeps` whether that
    is worth the value told, None: none was. `fixed` says why it stays (anchor, branch, keys, condition,
    informs), "": it may move. `open`: the share of people to whom it is open."""

    step: str
    channel: str
    open: float
    rate: float
    seen: int
    price: float | None
    each_reached: float | None
    keeps: bool | None
    fixed: str
    wait_hours: float


class Spot(Struct, frozen=True):
    """An order: the share it reaches, what it costs and sends for each who enters (minor units, messages),
    and after how many hours the message goes that reaches somebody."""

    steps: tuple[str, ...]
    reach: float
    cost: float
    messages: float
    hours: float
    efficient: bool = False
    today: bool = False


class Share(Struct, frozen=True):
    steps: tuple[str, ...]
    share: float


class Mixed(Struct, frozen=True):
    """Orders that do it best together, each for a share of the people. `marginal`: what one more reached
    person costs there; None: nothing holds that up."""

    shares: tuple[Share, ...]
    reach: float
    cost: float
    marginal: float | None


class Sort(Struct, frozen=True):
    """People to whom the same steps are open: their share, and what today's order does for each of them."""

    steps: tuple[str, ...]
    share: float
    reach: float
    cost: float
    best_reach: float  # of what is proposed; as today where nothing is
    best_cost: float


class Optimized(Struct, frozen=True):
    """What is known of a cascade, and what is proposed. `currency` "": no price is known, costs are messages.

    `spread`: how much of their readiness to react people have in common (0: nothing). `notes` say what is not
    known.
    """

    audience: str
    size: int
    sample: int
    currency: str
    basis: str
    spread: float
    compared: int
    today: Spot
    steps: tuple[StepWorth, ...]
    spots: tuple[Spot, ...]
    mixed: Mixed | None
    sorts: tuple[Sort, ...]
    waits: tuple[Patience, ...]
    proposals: tuple[Proposal, ...]
    notes: tuple[str, ...]
    revision: str


def optimize(
    office: Office, slug: str, text: str = "", target: Target = Target(), *,  # noqa: B008 (frozen)
    whom: Audience | None = None, typical: bool = False, sample: int = SAMPLE,
) -> Optimized:  # fmt: skip
    """Return what a cascade could do better: by `text`, else its draft, else what runs.

    It is for `whom`, else whom the trigger names, else those who have entered so far, else typical people.
    Raises NotFound, and Invalid for what cannot be compared.
    """
    if not text:
        with office.read() as tx:
            text = source_of(tx, slug)[0]
    cascade = drawn(slug, text)
    known, waited = past(office, slug, cascade), reactions(office, slug, cascade)
    people = None if typical else _people(office, cascade, whom, waited, known, sample)
    return _Making(office, cascade, text, target, people, known, waited).made()


def _people(
    office: Office, cascade: Cascade, whom: Audience | None, waited: Reactions, known: Past, sample: int
) -> Sampled | None:  # fmt: skip
    chosen = whom or audience_of(office, cascade)
    if chosen is not None:
        return crowds.sampled(office, cascade, chosen, sample)
    if not waited.people:
        return None
    ids = waited.people[:: max(1, len(waited.people) // sample)][:sample]
    return Sampled(ENTERED, max(len(waited.people), known.own.over + known.own.under_way), ids)


def _currencies(target: Target) -> set[str]:
    return {money.currency for money in (target.budget, target.value, target.annoyance) if money is not None}


def _told(money: Money | None, told_in: Exchange) -> Money | None:
    """Return what was wished in the currency of prices, where a rate brings it into that."""
    if money is None:
        return None
    ((currency, minor),) = told_in.told({money.currency: money.minor}).items()
    return Money(minor, currency)


class _Making:
    """One optimisation being made."""

    def __init__(
        self, office: Office, cascade: Cascade, text: str, target: Target, people: Sampled | None,
        known: Past, waited: Reactions,
    ) -> None:  # fmt: skip
        self._office, self._cascade, self._text, self._target = office, cascade, text, target
        self._known, self._waited, self._sampled = known, waited, people
        asker = Asker(office, cascade, size=0 if people is None else people.size)
        kinds: Sequence[Kind] = asker.typical() if people is None else asker.real(people.ids)[0]
        self._size = TYPICAL if people is None else people.size
        plan = Plan(
            stages(cascade), [step.channels[0] for step in cascade.steps],
            [step.success for step in cascade.steps], cascade.first,
        )  # fmt: skip
        outlook = Outlook(plan, known.own, known.elsewhere)
        self._ground = ground = arranged(cascade, kinds, outlook, asker.times_after)
        self._unpriced = [step.id for step in ground.steps if not asker.priced(step)]
        self._unknown = [step.id for step in ground.steps if not outlook.knows(step.number, step.channels[0])]
        self._half_life = target.fades_ms / 3_600_000
        self._wish = self._wished()
        told = spread_over(told_by(ground, outlook.means), SPREADS)
        fit = fitted(ground.items, ground.groups, told, SPREADS)
        self._spreads = believed(fit, known.own.cells)
        self._mean = table(ground.items, ground.groups, fit, self._half_life).mean(self._spreads)
        self._fit = fit
        drawn_at = np.random.default_rng(SEED).choice(SPREADS, p=self._spreads, size=DRAWS)
        fit = fitted(ground.items, ground.groups, told_by(ground, outlook.drawn(SEED, DRAWS)), drawn_at)
        self._drawn = table(ground.items, ground.groups, fit, self._half_life)
        self._today: Order = tuple(range(len(ground.items)))

    def _wished(self) -> Wish:
        """Return the target for one person who enters."""
        target, size = self._target, max(1, self._size)
        known = self._ground.currency
        told_in = into(self._office, known, *_currencies(target)) if known else OWN
        target = structs.replace(
            target, budget=_told(target.budget, told_in), value=_told(target.value, told_in),
            annoyance=_told(target.annoyance, told_in),
        )  # fmt: skip
        for money in (target.budget, target.value, target.annoyance):
            if money is not None and money.currency != self._ground.currency:
                raise Invalid(
                    [
                        worded("Prices are in %(known)s, and this is in %(told)s.",
                               known=self._ground.currency, told=money.currency)
                        if self._ground.currency
                        else worded("No account tells a price, so money cannot be weighed: messages are.")
                    ]
                )  # fmt: skip
        return Wish(
            reach=target.reach, budget=None if target.budget is None else target.budget.minor / size,
            capped=None if target.calls is None else target.calls / size,
            value=None if target.value is None else float(target.value.minor),
            annoyance=0.0 if target.annoyance is None else float(target.annoyance.minor),
        )  # fmt: skip

    def made(self) -> Optimized:
        """Return what was found."""
        ground, wish = self._ground, self._wish
        allowed = [order for order in orders(ground.items, self._target.freedom) if order]
        if self._today not in allowed:
            allowed.append(self._today)
        choices = [chosen(self._mean, order) for order in allowed]
        points = [self._point(choice) for choice in choices]
        today = chosen(self._mean, self._today)
        if wish == Wish(annoyance=wish.annoyance):
            wish = Wish(reach=float(today.reach[0]), annoyance=wish.annoyance)
        found = best(points, wish) if self._reaches(today) else None
        weighed = self._weighed(wish, choices, points, today, None if found is None else choices[found])
        waits = patience(
            self._cascade, ground, self._mean, self._waited, self._target.value, self._half_life
        )  # fmt: skip
        mix = mixed(points, wish) if wish.value is None and self._reaches(today) else None
        return Optimized(
            audience="" if self._sampled is None else self._sampled.name, size=self._size,
            sample=0 if self._sampled is None else len(self._sampled.ids), currency=ground.currency,
            basis="own" if self._known.learnt else "others" if self._known.elsewhere else "prior",
            spread=round(float(self._spreads @ SPREADS), 2), compared=len(allowed),
            today=self._spot(today, True, True), steps=tuple(self._worths(wish)),
            spots=tuple(self._spots(choices, points)),
            mixed=None if mix is None else self._mix(mix, choices),
            sorts=tuple(self._sorts(choices[found].order if found is not None else self._today)),
            waits=waits, proposals=proposals(self._text, self._cascade, ground, weighed, waits),
            notes=tuple(self._notes(today, found, wish)), revision=revision_of(self._text),
        )  # fmt: skip

    def _reaches(self, today: Choice) -> bool:
        return bool(self._ground.groups) and float(today.reach[0]) > 0

    def _point(self, choice: Choice) -> Point:
        calls = [at for at, item in enumerate(self._ground.items) if item.intrusion == 4]
        return Point(
            float(choice.reach[0]), float(choice.cost[0]), float(choice.messages.sum()),
            float(sum(choice.messages[at, 0] for at in calls)), float(choice.worth[0]),
        )  # fmt: skip

    def _weighed(
        self, wish: Wish, choices: Sequence[Choice], points: Sequence[Point], today: Choice,
        best_one: Choice | None,
    ) -> Weighed:  # fmt: skip
        free = None
        if self._target.freedom is Freedom.GENTLE and best_one is not None:
            others = [
                chosen(self._mean, order) for order in orders(self._ground.items, Freedom.FREE) if order
            ]
            place = best([self._point(one) for one in others], wish)
            free = None if place is None else others[place]
        return Weighed(
            today=today, best=best_one, free=free, front=[choices[n] for n in efficient(points)], wish=wish,
            drawn=self._drawn, mean=self._mean, own=self._known.own, unpriced=tuple(self._unpriced),
        )  # fmt: skip

    def _spot(self, choice: Choice, efficient: bool = False, today: bool = False) -> Spot:
        names = tuple(self._ground.steps[at].id for at in choice.order)
        return Spot(
            names, round(float(choice.reach[0]), 6), round(float(choice.cost[0]), 4),
            round(float(choice.messages.sum()), 4), round(float(choice.hours[0]), 2), efficient, today,
        )  # fmt: skip

    def _spots(self, choices: Sequence[Choice], points: Sequence[Point]) -> list[Spot]:
        """Return the orders that are worth showing: of each set of steps the cheapest, and today's."""
        front = {choices[n].order for n in efficient(points)}
        cheapest: dict[frozenset[int], Choice] = {}
        for choice in choices:
            key = frozenset(choice.order)
            if key not in cheapest or choice.cost[0] < cheapest[key].cost[0] - EVEN:
                cheapest[key] = choice
        shown = {choice.order: choice for choice in cheapest.values()}
        shown |= {choice.order: choice for choice in choices if choice.order in front | {self._today}}
        ranked = sorted(
            shown.values(),
            key=lambda one: (one.order not in front, one.order != self._today, float(one.cost[0])),
        )
        return sorted(
            (self._spot(one, one.order in front, one.order == self._today) for one in ranked[:MOST_POINTS]),
            key=lambda spot: (spot.cost, spot.reach),
        )  # fmt: skip

    def _mix(self, mix: Mix, choices: Sequence[Choice]) -> Mixed:
        shares = tuple(
            Share(tuple(self._ground.steps[at].id for at in choices[n].order), round(share, 4))
            for n, share in mix.shares
        )
        return Mixed(shares, round(mix.reach, 6), round(mix.cost, 4), mix.marginal)

    def _worths(self, wish: Wish) -> list[StepWorth]:
        found, placed = [], 0
        hours = [item.hours for item in self._ground.items]
        for at, step in enumerate(self._ground.steps):
            reach, sent = float(self._mean.reach[placed, at, 0]), float(self._mean.messages[placed, at, 0])
            cost = float(self._mean.cost[placed, at, 0])
            rate, price = (reach / sent, cost / sent) if sent else (0.0, 0.0)
            found.append(
                StepWorth(
                    step.id, step.channels[0].value,
                    round(sum(g.share for g in self._ground.groups if g.channels[at] is not None), 4),
                    round(rate, 6), self._known.own.step(step.number).of,
                    None if step.id in self._unpriced else round(price, 4),
                    round(cost / reach, 4) if reach and step.id not in self._unpriced else None,
                    keeps(rate, price, wish) if sent else None, self._ground.fixed.get(step.number, ""),
                    round(hours[at], 4),
                )
            )  # fmt: skip
            placed |= 1 << at
        return found

    def _sorts(self, order: Order) -> list[Sort]:
        """Return the largest groups of people by what is open to them."""
        found: dict[tuple[str, ...], list[float]] = {}
        for group in sorted(self._ground.groups, key=lambda group: -group.share)[:40]:
            own = table(self._ground.items, [group], self._fit).mean(self._spreads)
            names = tuple(
                step.id for step, over in zip(self._ground.steps, group.channels, strict=True) if over
            )
            sums = found.setdefault(names, [0.0] * 5)
            for n, each in enumerate((self._today, order)):
                told = chosen(own, each)
                sums[1 + 2 * n] += float(told.reach[0])
                sums[2 + 2 * n] += float(told.cost[0])
            sums[0] += group.share
        ranked = sorted(found.items(), key=lambda each: -each[1][0])[:8]
        return [
            Sort(names, round(share, 4), *(round(each / share, 6) for each in told))
            for names, (share, *told) in ranked
        ]

    def _notes(self, today: Choice, found: int | None, wish: Wish) -> list[str]:
        """Return what is not known, and what stands in the way."""
        ground, notes = self._ground, list[str]()
        if not ground.groups:
            notes.append(worded("There is nobody in this audience."))
        elif not any(channel for group in ground.groups for channel in group.channels):
            notes.append(
                worded("No step can be sent to anybody of this audience: no address, no consent, or the law.")
            )
        elif not self._reaches(today):
            notes.append(worded("Nothing tells that anybody reacts to any step: nothing can be weighed yet."))
        elif found is None:
            notes.append(worded("No order of these steps keeps all limits."))
        if not ground.currency and ground.groups:
            notes.append(worded("No account tells a price: messages are counted instead of money."))
        elif self._unpriced:
            steps = ", ".join(self._unpriced)
            notes.append(worded("No account tells a price for %(steps)s: counted as free.", steps=steps))
        if self._unknown:
            notes.append(
                worded("Nothing is known of who reacts to %(steps)s: nobody is counted as reacting.",
                       steps=", ".join(self._unknown))
            )  # fmt: skip
        return notes

"""What a cascade could do better: all orders and subsets of its steps compared, times to wait learnt.

People, prices and what is open to whom are those of the forecast (`crowds.py`), reactions those of the past
(`past.py`); people are taken to have a common readiness (`planning/propensity.py`). Nothing is changed here:
what is proposed becomes a draft when somebody says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from kaskad.actions import crowds
from kaskad.actions.audience import Audience
from kaskad.actions.budget_left import budgeted
from kaskad.actions.by_segment import Asked, Grounds, order_proposal, parts_told, settled, spot_of
from kaskad.actions.cascade_texts import revision_of, source_of
from kaskad.actions.crowds import SAMPLE, TYPICAL, Asker, Sampled, audience_of, drawn
from kaskad.actions.office import Office
from kaskad.actions.optimized import Mixed, Optimized, Share, Sort, Spot, StepWorth, Target
from kaskad.actions.parting import WIDE, Parting, parted, thinned
from kaskad.actions.past import Past, happened_to_parts, past
from kaskad.actions.proposals import Weighed, proposals
from kaskad.actions.rates import into
from kaskad.actions.reactions import Reactions, reactions, reactions_of_parts
from kaskad.actions.waiting import patience
from kaskad.actions.waits_by_segment import wait_proposal
from kaskad.actions.weighing import point_of, weighed
from kaskad.domain.cascade import Cascade, Money
from kaskad.domain.errors import Invalid
from kaskad.domain.rates import OWN, Exchange
from kaskad.domain.worded import worded
from kaskad.planning.frontier import Mix, Point, Wish, best, efficient, keeps, mixed
from kaskad.planning.orders import Choice, Freedom, Order, chosen, orders, table
from kaskad.planning.propensity import SPREADS

MOST_POINTS = 200
ENTERED = "those who have entered so far"
NO_ORDER = worded("No order of these steps keeps all limits.")
EVEN = 1e-6  # below this two orders cost the same


def optimize(
    office: Office, slug: str, text: str = "", target: Target = Target(), *,  # noqa: B008 (frozen)
    whom: Audience | None = None, typical: bool = False, sample: int = SAMPLE, segments: Sequence[str] = (),
) -> Optimized:  # fmt: skip
    """Return what a cascade could do better: by `text`, else its draft, else what runs.

    It is for `whom`, else whom the trigger names, else those who have entered so far, else typical people. Of
    these the `segments` may go ways of their own, the first that somebody is in. Raises NotFound, and Invalid
    for what cannot be compared.
    """
    if not text:
        with office.read() as tx:
            text = source_of(tx, slug)[0]
    cascade = drawn(slug, text)
    known, waited = past(office, slug, cascade), reactions(office, slug, cascade)
    wide = None if typical else _people(office, cascade, whom, waited, known, WIDE if segments else sample)
    if not segments:
        return _Making(office, cascade, text, target, wide, known, waited).made()
    if wide is None:
        raise Invalid([worded("Typical people are in no segment: say for whom it is.")])
    people = structs.replace(wide, ids=thinned(wide.ids, sample))
    parting = parted(office, segments, wide, sample)
    return _Making(office, cascade, text, target, people, known, waited).parted(parting)


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
        self._asker = Asker(office, cascade, size=0 if people is None else people.size)
        kinds = (self._asker.typical() if people is None else self._asker.real(people.ids))[0]
        self._size = TYPICAL if people is None else people.size
        self._half_life = target.fades_ms / 3_600_000
        self._whole = weighed(cascade, kinds, known, self._asker, self._half_life)
        self._ground, self._mean, self._today = self._whole.ground, self._whole.mean, self._whole.today
        self._wish = self._wished()

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
        points = [point_of(self._ground, choice) for choice in choices]
        today = chosen(self._mean, self._today)
        if wish == Wish(annoyance=wish.annoyance):
            wish = Wish(reach=float(today.reach[0]), annoyance=wish.annoyance)
        found = best(points, wish) if self._reaches(today) else None
        weighed = self._weighed(wish, choices, points, today, None if found is None else choices[found])
        waits = patience(
            self._cascade, ground, self._mean, self._waited, wish.value, self._half_life
        )  # fmt: skip
        mix = mixed(points, wish) if wish.value is None and self._reaches(today) else None
        return Optimized(
            audience="" if self._sampled is None else self._sampled.name, size=self._size,
            sample=0 if self._sampled is None else len(self._sampled.ids), currency=ground.currency,
            basis="own" if self._known.learnt else "others" if self._known.elsewhere else "prior",
            spread=round(float(self._whole.spreads @ SPREADS), 2), compared=len(allowed),
            today=spot_of(self._whole, today, True, True), steps=tuple(self._worths(wish)),
            spots=tuple(self._spots(choices, points)),
            mixed=None if mix is None else self._mix(mix, choices),
            sorts=tuple(self._sorts(choices[found].order if found is not None else self._today)),
            waits=waits, proposals=proposals(self._text, self._cascade, ground, weighed, waits),
            notes=tuple(self._notes(today, found)), revision=revision_of(self._text),
        )  # fmt: skip

    def parted(self, parting: Parting) -> Optimized:
        """Return what was found for all, with proposals in which each part of them may go its own way."""
        told, office, slug = self.made(), self._office, self._cascade.id
        wish = self._wish
        asked = Asked(
            self._text, self._cascade, wish, wish != Wish(annoyance=wish.annoyance), self._target.freedom,
            self._half_life,
        )  # fmt: skip
        groups = [members.tolist() for members in parting.members]
        pasts = happened_to_parts(office, slug, self._cascade, self._known.own, groups)
        count = len(groups) + 1
        waited = reactions_of_parts(office, slug, self._cascade, parting.part_of, count)
        grounds = Grounds(asked, self._asker, parting, self._whole, pasts)
        ways = settled(grounds) if told.today.reach > 0 else None
        if ways is None:
            if told.today.reach <= 0 or NO_ORDER in told.notes:  # it stands in the way of all
                return told
            return structs.replace(told, proposals=(), notes=(NO_ORDER, *told.notes))
        found = (order_proposal(grounds, ways), wait_proposal(grounds, waited))
        return structs.replace(
            told, parts=parts_told(grounds, ways, found[1]),
            proposals=tuple(one for one in found if one is not None),
            notes=tuple(note for note in told.notes if note != NO_ORDER),
        )  # fmt: skip

    def _reaches(self, today: Choice) -> bool:
        return bool(self._ground.groups) and float(today.reach[0]) > 0

    def _weighed(
        self, wish: Wish, choices: Sequence[Choice], points: Sequence[Point], today: Choice,
        best_one: Choice | None,
    ) -> Weighed:  # fmt: skip
        free = None
        if self._target.freedom is Freedom.GENTLE and best_one is not None:
            others = [
                chosen(self._mean, order) for order in orders(self._ground.items, Freedom.FREE) if order
            ]
            place = best([point_of(self._ground, one) for one in others], wish)
            free = None if place is None else others[place]
        return Weighed(
            today=today, best=best_one, free=free, front=[choices[n] for n in efficient(points)], wish=wish,
            freedom=self._target.freedom, drawn=self._whole.drawn, mean=self._mean, own=self._known.own,
            unpriced=self._whole.unpriced, hours_at=self._whole.hours_at,
        )  # fmt: skip

    def _stays(self, number: int) -> str:
        """Return why a step stays where it is; "": it does not."""
        looked_at = "looked_at" if number in self._ground.looked_at else ""
        return self._ground.fixed.get(number, looked_at)

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
            (
                spot_of(self._whole, one, one.order in front, one.order == self._today)
                for one in ranked[:MOST_POINTS]
            ),
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
            rate, price = (reach / sent, cost / sent) if sent else (None, None)
            found.append(
                StepWorth(
                    step.id, step.channels[0].value,
                    round(sum(g.share for g in self._ground.groups if g.channels[at] is not None), 4),
                    None if rate is None else round(rate, 6), round(self._known.own.step(step.number).of),
                    None if price is None or step.id in self._whole.unpriced else round(price, 4),
                    round(cost / reach, 4) if reach and step.id not in self._whole.unpriced else None,
                    None if rate is None or price is None else keeps(rate, price, wish),
                    self._stays(step.number),
                    round(hours[at], 4),
                )
            )  # fmt: skip
            placed |= 1 << at
        return found

    def _sorts(self, order: Order) -> list[Sort]:
        """Return the largest groups of people by what is open to them."""
        found: dict[tuple[str, ...], list[float]] = {}
        for group in sorted(self._ground.groups, key=lambda group: -group.share)[:40]:
            own = table(self._ground.items, [group], self._whole.fit).mean(self._whole.spreads)
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

    def _notes(self, today: Choice, found: int | None) -> list[str]:
        """Return what is not known, and what stands in the way."""
        ground, notes = self._ground, list[str]()
        sent = any(channel for group in ground.groups for channel in group.channels)
        if not ground.groups:
            notes.append(worded("There is nobody in this audience."))
        elif not sent:
            notes.append(
                worded(
                    "No step can be sent to anybody of this audience: no account, no address, no consent, or "
                    "the law."
                )
            )
        elif not self._reaches(today):
            notes.append(worded("Nothing tells that anybody reacts to any step: nothing can be weighed yet."))
        elif found is None:
            notes.append(NO_ORDER)
        if not ground.currency and sent:  # else no price was asked for
            notes.append(worded("No account tells a price: messages are counted instead of money."))
        elif self._whole.unpriced:
            steps = ", ".join(self._whole.unpriced)
            notes.append(worded("No account tells a price for %(steps)s: counted as free.", steps=steps))
        if ground.groups and self._target.budget is None and budgeted(self._office, self._cascade):
            notes.append(worded("What is left of budgets is not counted here: tell how much may be spent."))
        if self._whole.unknown:
            notes.append(
                worded("Nothing is known of who reacts to %(steps)s: nobody is counted as reacting.",
                       steps=", ".join(self._whole.unknown))
            )  # fmt: skip
        return notes

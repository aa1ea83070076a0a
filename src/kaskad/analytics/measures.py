"""The measures of a cascade: rates of its messages by step, channel and variant, of its runs, and its money.

What each one says stands in `domain/measures.py`. All are made of pooled counts: a report over a million runs
looks at some hundred kinds of messages and runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct, field

from kaskad.analytics.courses import Tally
from kaskad.analytics.exchange import ALONE
from kaskad.analytics.exchange import Told as ToldIn
from kaskad.analytics.reach import Amounts, Exact, each
from kaskad.analytics.services import UNKNOWN, Service
from kaskad.domain.cascade import Cascade, Content
from kaskad.domain.channels import CHANNELS, Family
from kaskad.domain.course import LEVELS, SIGNS, Leg
from kaskad.domain.definition import defined
from kaskad.domain.figures import DELIVERED, LEFT, NO_MESSAGE, SEEN, SETTLED, SUSPECTED, arrived
from kaskad.domain.rates import whole as round_off
from kaskad.domain.returns import WHOLE
from kaskad.domain.terms import Channel, Kind
from kaskad.store import cascades
from kaskad.store.db import Transaction

_OPENED, _PREFETCHED, _CLICKED = Kind.OPENED.bit, Kind.MACHINE_OPENED.bit, Kind.CLICKED.bit
_EMAIL = Channel.EMAIL.code
_MESSENGERS = frozenset(
    channel.code for channel, traits in CHANNELS.items()
    if traits.family is Family.MESSENGER and channel not in (Channel.SMS, Channel.PUSH)
)  # fmt: skip


class Rate(Struct, frozen=True):
    """So many of so many; `share` is None of nothing."""

    part: int
    whole: int
    share: float | None


class Row(Struct):
    """Messages of a step, a channel and a variant ("": of all), in counts, rates and money."""

    step: str
    channel: str
    variant: str
    sent: int = 0
    arrived: int = 0  # delivered; over services that do not tell, sent and not known to have failed
    cost: Amounts = field(default_factory=dict)
    revenue: Amounts = field(default_factory=dict)  # of runs with such a message that arrived
    rates: dict[str, Rate] = field(default_factory=dict)


class Gain(Struct, frozen=True):
    """What a person brought above one held out, in minor units, with the ends of its interval (None: too few
    have bought to tell); shown where the interval does not hold zero."""

    each: float
    low: float | None
    high: float | None
    shown: bool


NONE: Mapping[str, Gain] = {}


class Measured(Struct):
    """All measures of a cascade; those of runs and money are of the whole cascade, however rows "
    "are chosen."""

    rows: list[Row]
    all: Row
    entered: int
    holdouts: int
    rates: dict[str, Rate]  # of OF_RUNS
    goal_gain: float | None
    money: dict[str, Amounts]  # of OF_MONEY
    uncounted: int
    gains: dict[str, Gain] = field(default_factory=dict)  # `revenue_gain` by currency


class Chosen(Struct, frozen=True):
    """Which messages are meant; "": any."""

    step: str = ""
    channel: str = ""
    variant: str = ""


EVERY = Chosen()


class Seen(Struct, frozen=True):
    """What measures need to know besides the counts."""

    accounts: Mapping[int, Service]
    sources: Mapping[int, str]  # of versions
    brand: str  # currency
    told_in: ToldIn = ALONE  # the currency of all sums


def seen(
    tx: Transaction, told: Tally, accounts: Mapping[int, Service], brand: str, told_in: ToldIn = ALONE
) -> Seen:  # fmt: skip
    """Return what the measures of these runs need to know."""
    versions = {version for version, _ in told.placed} | set(told.values) | set(told.held)
    return Seen(accounts, {each: cascades.version(tx, each).source for each in versions}, brand, told_in)


class _Counts(Struct):
    """What the rates of one row are made of."""

    sent: int = 0
    telling: int = 0  # sent over services that tell of deliveries
    delivered: int = 0  # of these
    arrived: int = 0
    observable: int = 0
    opened: int = 0
    readable: int = 0
    read: int = 0
    observable_raw: int = 0
    opened_raw: int = 0
    clicked: int = 0
    clicked_raw: int = 0
    clicked_mails: int = 0
    left: int = 0
    complained: int = 0
    goals: int = 0
    cost: Amounts = field(default_factory=dict)
    revenue: Amounts = field(default_factory=dict)

    def add(self, leg: Leg, runs: int, value: int, account: Service, html: bool, currency: str) -> None:
        """Count so many messages of which this became, and what their runs' goals were worth."""
        if account.currency:
            self.cost[account.currency] = self.cost.get(account.currency, 0) + leg.cost * runs
        self.sent += runs * (leg.state in LEFT)
        self.telling += runs * (leg.state in LEFT and account.delivers)
        self.delivered += runs * (leg.state in DELIVERED and account.delivers)
        if not arrived(leg.state, leg.mask, account.delivers):
            return
        mask = leg.in_time
        self.arrived += runs
        self.clicked += runs * bool(mask & _CLICKED)
        self.clicked_raw += runs * bool(mask & (SETTLED | SUSPECTED))
        self.left += runs * leg.left
        self.complained += runs * bool(mask & Kind.COMPLAINED.bit)
        self.goals += runs * leg.goal
        if value:
            self.revenue[currency] = self.revenue.get(currency, 0) + value
        if leg.channel == _EMAIL:
            self._mail(mask, runs, html and not leg.hidden)
        elif leg.channel in _MESSENGERS and account.reads:
            self.readable += runs
            self.read += runs * bool(mask & SEEN)

    def _mail(self, mask: int, runs: int, may_be_seen: bool) -> None:
        opened = bool(mask & _OPENED)
        by_any = opened or bool(mask & _PREFETCHED)
        self.clicked_mails += runs * bool(mask & _CLICKED)
        self.opened += runs * opened
        self.opened_raw += runs * by_any
        self.observable += runs * (opened or (may_be_seen and not by_any))
        self.observable_raw += runs * (by_any or may_be_seen)

    def rates(self) -> dict[str, Rate]:
        """Return the rates of OF_MESSAGES."""
        return {
            "delivery_rate": rate(self.delivered, self.telling),
            "open_rate": rate(self.opened, self.observable),
            "open_rate_raw": rate(self.opened_raw, self.observable_raw),
            "observable_share": rate(self.observable + self.readable, self.arrived),
            "read_rate": rate(self.read, self.readable),
            "ctr": rate(self.clicked, self.arrived),
            "ctr_raw": rate(self.clicked_raw, self.arrived),
            "ctor": rate(self.clicked_mails, self.opened),
            "goal_rate": rate(self.goals, self.arrived),
            "unsubscribe_rate": rate(self.left, self.arrived),
            "complaint_rate": rate(self.complained, self.arrived),
        }


def rate(part: int, whole: int) -> Rate:
    """Return a rate."""
    return Rate(part, whole, part / whole if whole else None)


def measured(
    told: Tally, cascade: Cascade, known: Seen, chosen: Chosen = EVERY, gains: Mapping[str, Gain] = NONE
) -> Measured:  # fmt: skip
    """Return all measures of runs that went so, in the words of the current definition."""
    steps = {step.number: step for step in cascade.steps}
    made: dict[tuple[int, int, int], _Counts] = {}
    whole = _Counts()
    for (version, leg), (runs, value) in told.placed.items():
        if (leg.state in NO_MESSAGE and not leg.cost) or not (runs or value):
            continue
        step = steps.get(leg.step)
        names = (step.id if step else str(leg.step), Channel.of(leg.channel).value, _variant(cascade, leg))
        if not all(not asked or asked == name for asked, name in zip(_asked(chosen), names, strict=True)):
            continue
        source = known.sources[version]
        account = known.accounts.get(leg.account_id or 0, UNKNOWN)
        html, currency = _has_pixel(source, leg.step, leg.variant), _currency(source) or known.brand
        place = (leg.step, leg.channel, -1 if leg.variant is None else leg.variant)
        for counts in (made.setdefault(place, _Counts()), whole):
            counts.add(leg, runs, value, account, html, currency)
    rows = []
    for number, channel, variant in sorted(made):
        one = steps.get(number)
        name = _named(cascade, number, variant) if variant >= 0 else ""
        told_as = (one.id if one else str(number), Channel.of(channel).value, name)
        rows.append(_row(told_as, made[number, channel, variant], known.told_in))
    return _of_runs(told, known, rows, _row(_asked(chosen), whole, known.told_in), _spent(told, known), gains)


def of_lines(made: Measured) -> dict[tuple[str, str], dict[str, Rate]]:
    """Return the rates of each step on each channel, its variants together."""
    found: dict[tuple[str, str], dict[str, Rate]] = {}
    for row in made.rows:
        line = found.setdefault((row.step, row.channel), {})
        for name, one in row.rates.items():
            before = line.get(name, Rate(0, 0, None))
            line[name] = rate(before.part + one.part, before.whole + one.whole)
    return found


def _asked(chosen: Chosen) -> tuple[str, str, str]:
    return chosen.step, chosen.channel, chosen.variant


def _row(place: tuple[str, str, str], counts: _Counts, told_in: ToldIn) -> Row:
    cost, revenue = told_in.cost.told(counts.cost), told_in.worth.told(counts.revenue)
    return Row(*place, counts.sent, counts.arrived, cost, revenue, counts.rates())


def _spent(told: Tally, known: Seen) -> Exact:
    """Return what all messages cost."""
    cost: Amounts = {}
    for leg, runs in told.legs.items():
        account = known.accounts.get(leg.account_id or 0)
        if account and account.currency and leg.cost:
            cost[account.currency] = cost.get(account.currency, 0) + leg.cost * runs
    return known.told_in.cost.exact(cost)


def _of_runs(
    told: Tally, known: Seen, rows: list[Row], whole: Row, cost: Exact, gains: Mapping[str, Gain]
) -> Measured:  # fmt: skip
    entered = holdouts = goals = held_goals = held_kept = beyond = 0
    counts = dict.fromkeys((*LEVELS, *SIGNS, "goal_delivered", "goal_clicked", "back", "whole"), 0)
    for shape, runs in told.shapes.items():
        goal = bool(shape.marks & Kind.GOAL.bit)
        if shape.holdout:
            holdouts, held_goals = holdouts + runs, held_goals + runs * goal
            held_kept += runs * (goal and not shape.marks & WHOLE)
            continue
        entered, goals = entered + runs, goals + runs * goal
        for bit, name in enumerate(LEVELS):
            counts[name] += runs * (shape.levels >> bit & 1)
        for bit, name in enumerate(SIGNS):
            counts[name] += runs * (shape.signs >> bit & 1)
        counts["goal_delivered"] += runs * (goal and shape.levels & 1)
        counts["goal_clicked"] += runs * (goal and shape.signs & 1)
        counts["back"] += runs * bool(shape.marks & Kind.RETURNED.bit)
        counts["whole"] += runs * bool(shape.marks & WHOLE)
    beyond = counts["beyond"]
    rates = {f"reach_{name}": rate(counts[name], entered) for name in LEVELS} | {
        "cascade_conversion": rate(counts["rescued"], entered),
        "rescue_rate": rate(counts["rescued"], beyond),
        "cr_entered": rate(goals, entered),
        "cr_delivered": rate(counts["goal_delivered"], counts["delivered"]),
        "cr_click": rate(counts["goal_clicked"], counts["clicked"]),
        "cr_kept": rate(goals - counts["whole"], entered),
        "goals_returned": rate(counts["back"], goals),
        "cr_holdout": rate(held_goals, holdouts),
        "cr_holdout_kept": rate(held_kept, holdouts),
        "run_unsubscribe_rate": rate(counts["left"], entered),
    }
    gain = goals / entered - held_goals / holdouts if entered and holdouts else None
    money = {f"cost_{name}": each(cost, counts[name]) for name in LEVELS} | {
        "cost_entered": each(cost, entered),
        "cost_goal": each(cost, goals),
        **_brought(told, known, entered),
        "revenue_gain": {currency: round(one.each) for currency, one in gains.items()},
    }
    return Measured(rows, whole, entered, holdouts, rates, gain, money, told.uncounted, dict(gains))


def _brought(told: Tally, known: Seen, entered: int) -> dict[str, Amounts]:
    """Return what goals were worth: in all, what came back of it, and by run."""
    revenue, returned = _worth(told.values, known), _worth(told.returned, known)
    return {
        "revenue": round_off(revenue),
        "returned": round_off(returned),
        "revenue_each": each(revenue, entered),
    }


def currency_of(version: int, known: Seen) -> str:
    """Return the currency of what goals of a version are worth; "": none is known."""
    return _currency(known.sources[version]) or known.brand


def _worth(values: Mapping[int, int], known: Seen) -> Exact:
    found: Amounts = {}
    for version, minor in values.items():
        if minor:
            currency = currency_of(version, known)
            found[currency] = found.get(currency, 0) + minor
    return known.told_in.worth.exact(found)


def _variant(cascade: Cascade, leg: Leg) -> str:
    return "" if leg.variant is None else _named(cascade, leg.step, leg.variant)


def _named(cascade: Cascade, step: int, variant: int) -> str:
    known = next((each.variants for each in cascade.steps if each.number == step), ())
    return known[variant].id if variant < len(known) else str(variant + 1)


@lru_cache(10_000)
def _currency(source: str) -> str:
    return defined(source, name="version").budget.currency


@lru_cache(10_000)
def _has_pixel(source: str, step: int, variant: int | None) -> bool:
    """Say whether mails of a step can carry the pixel: they have HTML, or a template that may."""
    found = next((each for each in defined(source, name="version").steps if each.number == step), None)
    if found is None:
        return True
    content: Content = found.content
    if variant is not None and variant < len(found.variants):
        content = found.variants[variant].content
    return bool(content.html or content.mjml or content.template)

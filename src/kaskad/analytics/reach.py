"""The report of a cascade: who entered, who was reached, by what, and for how much.

What each figure counts is told in `figures.py`; the unit is a run: whoever enters again counts again. Only
what people do is a reaction; machines stand beside. Money is what providers took, else the prices agreed; it
is told in one currency where rates tell (`exchange.py`), else by currency.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct, field

from kaskad.analytics.courses import Tally, tally
from kaskad.analytics.exchange import ALONE, Told, exchanges
from kaskad.analytics.scope import EVERYTHING, Scope
from kaskad.analytics.services import UNKNOWN, Service, services
from kaskad.domain.cascade import Cascade, Money
from kaskad.domain.course import LEVELS, Leg
from kaskad.domain.definition import defined
from kaskad.domain.figures import FAILED, NO_MESSAGE, SKIPPED, counted_as
from kaskad.domain.rates import EXACT, whole
from kaskad.domain.returns import LATE, UNREAD
from kaskad.domain.terms import Channel, Kind, Outcome, Reason, SkipReason
from kaskad.store import cascades, settings
from kaskad.store.db import Transaction

Amounts = dict[str, int]  # currency -> minor units
Exact = Mapping[str, Decimal]  # the same, not rounded yet


class Line(Struct):
    """One step on one channel, in messages; `reached` in contacts. Rates of these: measures.py."""

    step: int
    id: str
    channel: str
    sent: int = 0
    delivered: int = 0
    seen: int = 0
    reacted: int = 0
    machine: int = 0
    suspected: int = 0
    opened: int = 0  # by a person: each of these once, however often
    opened_raw: int = 0  # by whomever
    clicked: int = 0
    clicked_raw: int = 0
    prefetched: int = 0  # opened by a machine only
    arrived: int = 0  # sent, and not known to have failed: mail servers tell no more
    silent: int = 0  # of these, those about whom no person was heard of
    failed: int = 0
    unknown: int = 0
    waiting: int = 0
    reached: int = 0  # runs in which the first message that a person saw was of this step on this channel
    price: Amounts = field(default_factory=dict)
    cost: Amounts = field(default_factory=dict)


class Level(Struct, frozen=True):
    """How many contacts were reached in one sense, their share of those who entered, and the cost of each."""

    name: str
    contacts: int
    share: float
    cost_each: Amounts


class Trip(Struct, frozen=True):
    """One person's run."""

    contact_id: int
    run_id: int
    external_id: str
    name: str
    outcome: str  # "" while under way
    by: str  # the step that the outcome came at
    sent: int
    cost: int
    holdout: bool


class Report(Struct):
    """The whole of it, as of `as_of`."""

    cascade: str
    title: str
    as_of: int
    entered: int
    under_way: int
    outcomes: dict[str, int]
    holdouts: int
    holdouts_under_way: int
    lines: list[Line]
    skips: dict[str, dict[str, int]]  # step id -> reason -> how many
    failures: dict[str, dict[str, int]]
    failure_words: dict[str, dict[str, dict[str, int]]]  # the same by the provider's own codes or words
    levels: list[Level]
    price: Amounts
    cost: Amounts
    goals: int  # these and the next: see OF_MONEY in figures.py
    revenue: Amounts
    revenue_each: Amounts
    goal_cost: Amounts
    return_rate: float | None
    returned: Amounts  # what came back, and is in no revenue; of so many goals …
    goals_returned: int
    returned_late: int  # … of these, some of it after the goal's time: figures of then have changed since
    returned_unread: int  # … with a return of which no amount is known: it is not deducted
    rates: Mapping[
        str, Decimal
    ] = {}  # what one unit of each currency that was converted counted as in costs, on average
    worth_rates: Mapping[str, Decimal] = {}  # the same of what goals were worth, whose days are others
    told_in: str = ""  # the currency of figures; what no rate brings into it stands apart
    returns_known: bool = False  # the definition of now names the event by which returns are told
    uncounted: int = 0  # runs that have changed since, where they are too many to be looked at now


class Brought(Struct, frozen=True):
    """What goals were worth less what came back of it, and what came back."""

    left: Amounts
    returned: Amounts


class Progress(Struct, frozen=True):
    """How far a cascade has come; hold-outs, who only wait for the end of their time, are not counted."""

    under_way: int
    next_at: int | None
    launches: int
    lines: list[Line]


def progress(tx: Transaction, cascade_id: int, cascade: Cascade) -> Progress:
    """Return where the cascade's people are now."""
    row = tx.one("report_progress", cascade_id=cascade_id)
    launches = tx.one("open_launches", cascade_id=cascade_id)
    assert row is not None and launches is not None
    told = tally(tx, cascade_id, EVERYTHING)
    return Progress(row[0], row[1], launches[0], lines_of(told, _names(cascade), services(tx)))


def report(tx: Transaction, cascade_id: int, cascade: Cascade, now: int, scope: Scope = EVERYTHING) -> Report:
    """Return the report of a cascade, whose current definition names its steps.

    It is of the runs in `scope`; seed contacts are in no figure.
    """
    told, told_in = tally(tx, cascade_id, scope), exchanges(tx, cascade_id, now, scope)
    return report_of(told, cascade, services(tx), worth(tx, told), now, told_in)


def report_of(
    told: Tally, cascade: Cascade, accounts: Mapping[int, Service], revenue: Brought, now: int,
    told_in: Told = ALONE,
) -> Report:  # fmt: skip
    """Return the report of runs that went so.

    Sums are told in one currency as far as `told_in` can, each line and the whole rounded by themselves.
    """
    names = _names(cascade)
    lines = lines_of(told, names, accounts)
    paid, prices = _total(line.cost for line in lines), _total(line.price for line in lines)
    cost, price = told_in.cost.exact(paid), told_in.cost.told(prices)
    brought = told_in.worth.exact(revenue.left)
    for line in lines:
        line.cost, line.price = told_in.cost.told(line.cost), told_in.cost.told(line.price)
    ends, held = Counter[int](), Counter[int]()
    goals, back = 0, Counter[int]()
    for shape, runs in told.shapes.items():
        (held if shape.holdout else ends)[shape.outcome] += runs
        goals += runs if shape.marks & Kind.GOAL.bit and not shape.holdout else 0
        for bit in () if shape.holdout else (Kind.RETURNED.bit, LATE, UNREAD):
            back[bit] += runs * bool(shape.marks & bit)
    outcomes = {Outcome.of(code).value: runs for code, runs in ends.items() if code}
    skips, failures, words = _why(told.legs, names)
    rates, worth_rates = told_in.used({**prices, **paid}, {**revenue.left, **revenue.returned})
    return Report(
        cascade=cascade.id,
        title=cascade.title,
        as_of=now,
        entered=ends.total(),
        under_way=ends[0],
        outcomes=dict(sorted(outcomes.items(), key=lambda pair: (-pair[1], pair[0]))),
        holdouts=held.total(),
        holdouts_under_way=held[0],
        lines=lines,
        skips=skips,
        failures=failures,
        failure_words=words,
        levels=_levels(told, cost),
        price=price,
        cost=whole(cost),
        goals=goals,
        revenue=whole(brought),
        revenue_each=each(brought, ends.total()),
        goal_cost=each(cost, goals),
        return_rate=_rate(brought, cost) if _is_worth_told(cascade, goals, revenue) else None,
        returned=told_in.worth.told(revenue.returned),
        goals_returned=back[Kind.RETURNED.bit],
        returned_late=back[LATE],
        returned_unread=back[UNREAD],
        told_in=told_in.cost.to,
        rates=rates,
        worth_rates=worth_rates,
        returns_known=bool(cascade.goal and cascade.goal.returned),
        uncounted=told.uncounted,
    )


def trips(tx: Transaction, cascade_id: int, cascade: Cascade, limit: int) -> list[Trip]:
    """Return the runs of up to `limit` people, in the order of the contacts."""
    names = {step.number: step.id for step in cascade.steps}
    found = []
    for row in tx.all("report_people", cascade_id=cascade_id, limit=limit, **EVERYTHING.params):
        attributes = msgspec.json.decode(row[3])
        outcome = Outcome.of(row[5]).value if row[5] else ""
        by = "" if row[6] is None else names.get(row[6], str(row[6]))
        found.append(Trip(
            row[0], row[1], row[2] or "", str(attributes.get("name", "")), outcome, by, row[9], row[10],
            bool(row[4]),
        ))  # fmt: skip
    return found


def worth(tx: Transaction, told: Tally) -> Brought:
    """Return what goals were worth, by currency; "" where neither budget nor brand has one."""
    found = Brought({}, {})
    for counts, amounts in ((told.values, found.left), (told.returned, found.returned)):
        for version_id, minor in counts.items():
            if minor:
                currency = currency_of(tx, version_id)
                amounts[currency] = amounts.get(currency, 0) + minor
    return found


def currency_of(tx: Transaction, version_id: int) -> str:
    """Return the currency of what goals of a version are worth; "": none is known."""
    source = cascades.version(tx, version_id).source
    return defined(source, name=f"version {version_id}").budget.currency or settings.currency(tx)


def lines_of(told: Tally, names: Mapping[int, str], accounts: Mapping[int, Service]) -> list[Line]:
    """Return what became of the messages of each step on each channel; `figures.py` says what is counted."""
    lines: dict[tuple[int, int], Line] = {}
    for leg, runs in told.legs.items():
        if leg.state in NO_MESSAGE and not leg.cost:  # one taken back may have cost something before
            continue
        key = (leg.step, leg.channel)
        line = lines.get(key)
        if line is None:
            name = names.get(leg.step, str(leg.step))
            line = lines[key] = Line(leg.step, name, Channel.of(leg.channel).value)
        account = accounts.get(leg.account_id or 0, UNKNOWN)
        for figure in counted_as(leg.state, leg.mask, leg.past, account.delivers):
            setattr(line, figure, getattr(line, figure) + runs)
        line.reached += runs * leg.first
        if currency := account.currency:
            line.price[currency] = line.price.get(currency, 0) + leg.price * runs
            line.cost[currency] = line.cost.get(currency, 0) + leg.cost * runs
    return [lines[key] for key in sorted(lines)]


def _names(cascade: Cascade) -> dict[int, str]:
    return {step.number: step.id for step in cascade.steps}


def _levels(told: Tally, cost: Exact) -> list[Level]:
    entered, counts = 0, dict.fromkeys(LEVELS, 0)
    for shape, runs in told.shapes.items():
        if shape.holdout:
            continue
        entered += runs
        for bit, name in enumerate(LEVELS):
            counts[name] += runs * (shape.levels >> bit & 1)
    return [
        Level(name, count, count / entered if entered else 0.0, each(cost, count))
        for name, count in counts.items()
    ]


def each(amounts: Exact, count: int) -> Amounts:
    """Return what falls to each of so many, rounded to a minor unit; nothing for nobody."""
    if not count:
        return {}
    return whole({currency: EXACT.divide(minor, Decimal(count)) for currency, minor in amounts.items()})


def _is_worth_told(cascade: Cascade, goals: int, revenue: Brought) -> bool:
    """Return whether it is known what goals brought: where none came, nothing, if one would tell it."""
    if not goals:
        return bool(cascade.goal and cascade.goal.value)
    return any((*revenue.left.values(), *revenue.returned.values()))


def _rate(revenue: Exact, cost: Exact) -> float | None:
    """Return revenue by cost, where all of both is in one known currency."""
    known = {name for amounts in (revenue, cost) for name, minor in amounts.items() if minor}
    if len(known) != 1 or "" in known:
        return None
    currency = known.pop()
    spent = cost.get(currency, Decimal(0))
    return float(revenue.get(currency, Decimal(0)) / spent) if spent > 0 else None


Reasons = dict[str, dict[str, int]]  # step id -> reason -> how many


def _why(legs: Mapping[Leg, int], names: Mapping[int, str]) -> tuple[Reasons, Reasons, dict[str, Reasons]]:
    """Return why steps were passed over, why messages failed, and what providers called that."""
    skips: dict[str, Counter[str]] = defaultdict(Counter)
    failures: dict[str, Counter[str]] = defaultdict(Counter)
    words: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for leg, runs in sorted(legs.items(), key=lambda pair: pair[0].step):
        name = names.get(leg.step, str(leg.step))
        if leg.state == SKIPPED:
            skips[name][_word(SkipReason, leg.reason)] += runs
        elif leg.state in FAILED:
            reason = _word(Reason, leg.reason)
            failures[name][reason] += runs
            if leg.word:
                words[name][reason][leg.word] += runs
    told = {name: _most_first(reasons) for name, reasons in words.items()}
    return _most_first(skips), _most_first(failures), told


def _word(words: type[SkipReason] | type[Reason], code: int | None) -> str:
    return words.of(code).value if code is not None else Reason.OTHER.value


def _most_first(found: Mapping[str, Counter[str]]) -> Reasons:
    return {
        name: dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
        for name, counts in found.items()
    }


def _total(parts: Any) -> Amounts:
    total: Amounts = {}
    for amounts in parts:
        for currency, minor in amounts.items():
            total[currency] = total.get(currency, 0) + minor
    return total


def money(amounts: Amounts) -> list[Money]:
    """Return amounts as money, the largest currency first by name."""
    return [Money(minor, currency) for currency, minor in sorted(amounts.items())]

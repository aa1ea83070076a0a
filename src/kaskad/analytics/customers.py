"""Customers over time, whatever cascade brought them: who stays, by cohort too, and what one is worth.

From the events that are purchases (`RfmRule`). What each figure says stands in `domain/measures.py`. Periods
are whole months or weeks of UTC; the one under way is in none. Seeds and erased people are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct

from kaskad.analytics.intervals import Share, wilson
from kaskad.store.segment_columns import Block, Flags, Floats, Integers

Unit = Literal["month", "week"]
DAY_MS = 86_400_000
COHORTS = 12  # periods that are shown unless others are asked for
MOST = 60
_THURSDAY = 3  # 1970 began on one; weeks begin on Monday


class Rule(Struct, frozen=True):
    """What is counted: purchases, the property of their amount, and events that give such an amount back.

    A purchase makes a customer for `keep` periods. `margin` is a share of the revenue (None: not known),
    `discount` what a period's delay takes from money.
    """

    events: tuple[str, ...]
    property: str
    returns: tuple[str, ...] = ()
    unit: Unit = "month"
    keep: int = 1
    margin: float | None = None
    discount: float = 0.0


class Bought(Struct, frozen=True):
    """A row for each person and period with a purchase, people in order: who, which period, how much."""

    people: Integers
    periods: Integers
    amounts: Floats


class Period(Struct, frozen=True):
    """Customers at the start of a period, those still at its end, new ones, those won back; who bought."""

    begins_at: int
    at_start: int
    kept: int
    new: int
    won_back: int
    buyers: int
    amount: float
    retention: float | None


class Cohort(Struct, frozen=True):
    """Those who first bought in a period; `active`: how many bought in that period, the next, and so on."""

    begins_at: int
    size: int
    active: list[int]
    shares: list[float]


class Later(Struct, frozen=True):
    """Of the people of all cohorts that are so many periods old, who bought in that period; how sure."""

    after: int
    active: int
    of: int
    share: float
    low: float
    high: float


class Customers(Struct, frozen=True):
    """All of it, as of `as_of`; `currency` is the brand's. What is not known is None."""

    as_of: int
    currency: str
    customers: int
    revenue: float
    revenue_each: float | None
    retention: float | None  # pooled over the periods shown
    churn: float | None
    ltv: float | None
    ltv_predicted: float | None
    periods: list[Period]
    cohorts: list[Cohort]
    curve: list[Later]  # all cohorts together


def period_of(at: Integers, unit: Unit) -> Integers:
    """Return the number of the period of UTC that each instant lies in."""
    if unit == "week":
        return (at // DAY_MS + _THURSDAY) // 7
    return at.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)


def begins_at(period: int, unit: Unit) -> int:
    """Return the first instant of a period."""
    if unit == "week":
        return (period * 7 - _THURSDAY) * DAY_MS
    return int(np.datetime64(period, "M").astype("datetime64[ms]").astype(np.int64))


class Buying:
    """Gathers block by block who bought in which period for how much, less what was given back since."""

    def __init__(self, rule: Rule, now: int) -> None:
        self._rule, self._now = rule, now
        self._found: list[tuple[Integers, Integers, Floats]] = []

    def add(self, block: Block, counts: Flags, _: object) -> None:
        """Add a block, and who of it counts."""
        rule = self._rule
        for names, sign in ((rule.events, 1.0), (rule.returns, -1.0)):
            for name in names:
                told = block.amounts(name, rule.property)  # first: their events need not be read apart then
                happened = block.events(name)
                amounts = (
                    np.zeros(len(happened.at)) if told is None else np.where(np.isfinite(told), told, 0.0)
                )
                chosen = counts[happened.places] & (happened.at <= self._now)
                people = block.ids[happened.places[chosen]]
                periods = period_of(happened.at[chosen], rule.unit)
                self._found.append((people, periods * 2 + (sign < 0), sign * amounts[chosen]))

    def whole(self) -> Bought:
        """Return all that was added."""
        return _joined(self._found)


def _joined(found: Sequence[tuple[Integers, Integers, Floats]]) -> Bought:
    """Return a row for each person and period with a purchase; what is given back goes to the one before."""
    people = np.concatenate([each[0] for each in found]) if found else np.zeros(0, np.int64)
    codes = np.concatenate([each[1] for each in found]) if found else np.zeros(0, np.int64)
    amounts = np.concatenate([each[2] for each in found]) if found else np.zeros(0)
    order = np.lexsort((codes, people))
    people, codes, amounts = people[order], codes[order], amounts[order]
    given_back = codes % 2 == 1
    periods = codes // 2
    first = np.ones(len(people), np.bool_)
    first[1:] = (people[1:] != people[:-1]) | (periods[1:] != periods[:-1])
    first &= ~given_back
    rows = np.cumsum(first) - 1  # of a purchase its period's, of a return that of the purchase before it
    known = rows >= 0
    starts = np.flatnonzero(first)
    known[known] = people[known] == people[starts[rows[known]]]  # a return by who has bought nothing
    sums = np.zeros(len(starts))
    np.add.at(sums, rows[known], amounts[known])
    return Bought(people[starts], periods[starts], sums)


def among(told: Bought, people: Integers) -> Bought:
    """Return the purchases of these people."""
    own = np.isin(told.people, people, kind="table")  # ids are dense; else it would sort all of both
    return Bought(told.people[own], told.periods[own], told.amounts[own])


def customers(
    told: Bought, rule: Rule, now: int, currency: str, since: int | None = None, until: int | None = None
) -> Customers:
    """Return the figures of purchases; of nobody they are not known.

    Periods and cohorts are those that began from `since` on and before `until`, else the last twelve; the
    worth to date is of all time.
    """
    current = int(period_of(np.array([now], np.int64), rule.unit)[0])
    begins = np.ones(len(told.people), np.bool_)
    begins[1:] = told.people[1:] != told.people[:-1]
    starts = np.flatnonzero(begins)
    who = np.cumsum(begins) - 1  # each row's person, by number
    first_of = told.periods[starts][who]  # the period in which each row's person first bought
    shown = _shown(told, rule.unit, current, since, until)
    periods = [_period(told, who, first_of, each, rule) for each in shown]
    cohorts = [_cohort(told, first_of, each, current, rule.unit) for each in shown]
    cohorts = [cohort for cohort in cohorts if cohort.size]
    at_start, kept = sum(p.at_start for p in periods), sum(p.kept for p in periods)
    retention = kept / at_start if at_start else None
    churn = None if retention is None else 1 - retention
    count, revenue = len(starts), float(told.amounts.sum())
    each = revenue / count if count else None
    return Customers(
        as_of=now, currency=currency, customers=count, revenue=revenue, revenue_each=each,
        retention=retention, churn=churn,
        ltv=None if each is None or rule.margin is None else each * rule.margin,
        ltv_predicted=_predicted(periods, churn, rule), periods=periods, cohorts=cohorts,
        curve=_curve(cohorts),
    )  # fmt: skip


def _shown(told: Bought, unit: Unit, current: int, since: int | None, until: int | None) -> range:
    """Return the periods that are told of: over, not before the first purchase, at most `MOST` of them."""
    first = int(told.periods.min()) if len(told.periods) else current
    end = current if until is None else min(current, _next(until, unit))
    begin = end - COHORTS if since is None else max(_next(since, unit), end - MOST)
    return range(max(begin, first), end)


def _next(at: int, unit: Unit) -> int:
    """Return the first period that begins at an instant or later.

    Periods are of UTC, days of whoever asks: an instant is taken for the nearest midnight of UTC.
    """
    at = (at + DAY_MS // 2) // DAY_MS * DAY_MS
    period = int(period_of(np.array([at], np.int64), unit)[0])
    return period if begins_at(period, unit) == at else period + 1


def _curve(cohorts: Sequence[Cohort]) -> list[Later]:
    found = []
    for after in range(1, max((len(one.active) for one in cohorts), default=0)):
        old = [one for one in cohorts if len(one.active) > after]
        share = Share(sum(one.active[after] for one in old), sum(one.size for one in old))
        between = wilson(share)
        if between is not None and share.rate is not None:
            found.append(Later(after, share.hits, share.of, share.rate, between.low, between.high))
    return found


def _period(told: Bought, who: Integers, first_of: Integers, period: int, rule: Rule) -> Period:
    in_it = told.periods == period
    people = int(who[-1]) + 1 if len(who) else 0

    def between(low: int, high: int) -> Flags:
        found = np.zeros(people, np.bool_)
        found[who[(told.periods >= low) & (told.periods <= high)]] = True
        return found

    start, end = between(period - rule.keep, period - 1), between(period - rule.keep + 1, period)
    at_start, at_end, kept = (int(np.count_nonzero(each)) for each in (start, end, start & end))
    new = int((in_it & (first_of == period)).sum())
    buyers = int(in_it.sum())
    amount = float(told.amounts[in_it].sum())
    return Period(
        begins_at(period, rule.unit), at_start, kept, new, at_end - kept - new, buyers, amount,
        kept / at_start if at_start else None,
    )  # fmt: skip


def _cohort(told: Bought, first_of: Integers, period: int, current: int, unit: Unit) -> Cohort:
    own = told.periods[first_of == period]
    active = np.bincount(own - period, minlength=current - period)[: current - period].tolist()
    size = active[0] if active else 0
    return Cohort(
        begins_at(period, unit), size, active, [count / size if size else 0.0 for count in active]
    )  # fmt: skip


def _predicted(periods: Iterable[Period], churn: float | None, rule: Rule) -> float | None:
    """Return what a customer will bring: margin by customer and period, as long as churn lets it."""
    whole = list(periods)
    active = sum(one.kept + one.new + one.won_back for one in whole)
    if rule.margin is None or churn is None or not active or churn + rule.discount <= 0:
        return None
    margin = sum(one.amount for one in whole) * rule.margin / active
    return margin * (1 + rule.discount) / (churn + rule.discount)

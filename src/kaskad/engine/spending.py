"""Budgets of accounts and of the whole installation, by day or month: what they allow, and what is spent.

Sums are kept by account and day (of the policy's zone) while there is a budget; who has none pays nothing
for it. What is under way counts, so nothing can be overspent between a hand-over and its answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec import Struct

from kaskad.domain.money import parse_money
from kaskad.domain.policy import SpendingLimit
from kaskad.domain.rates import NO_RATES, Rates, converted
from kaskad.providers.base import Account
from kaskad.store import settings
from kaskad.store.db import Row, Transaction

SINCE = "spending_since"  # the setting that says from which day on sums are whole
EPOCH = 719_163  # 1970, in days since the year 1
_QUARTER_MS = 900_000  # zones differ by quarters of an hour


class Limit(Struct, frozen=True):
    """What may be spent within a day or month by an account (0: by all that its currency can count)."""

    minor: int
    currency: str
    period: str
    account_id: int

    def holds_for(self, account: Account, rates: Rates, day: int) -> bool:
        """Return whether messages of the account count.

        A budget of all counts those paid in its currency, and in any that a rate of that day (since the year
        1) brings into it; the account's own counts however it is paid.
        """
        if account.price is None or self.account_id not in (0, account.id):
            return False
        return (
            bool(self.account_id)
            or rates.find(account.price.currency, self.currency, day - EPOCH) is not None
        )


class Spending:
    """The budgets in force, and the rates by which amounts of other currencies count in them."""

    def __init__(
        self, limits: Iterable[SpendingLimit], accounts: Mapping[str, Account], zone: str,
        rates: Rates = NO_RATES,
    ) -> None:  # fmt: skip
        self.rates = rates
        self.limits: list[Limit] = []
        for one in limits:
            money = parse_money(one.amount)
            account = accounts.get(one.account)
            if account is not None or not one.account:
                number = account.id if account else 0
                self.limits.append(Limit(money.minor, money.currency, one.period, number))
        self._zone = ZoneInfo(zone)
        self._day = lru_cache(2_000)(self._day_of_quarter)

    def day_of(self, at: int) -> int:
        """Return the number of the day of an instant in the policy's zone."""
        return self._day(at // _QUARTER_MS)

    def _day_of_quarter(self, quarter: int) -> int:
        at = datetime.fromtimestamp(quarter * _QUARTER_MS / 1000, UTC)
        return at.astimezone(self._zone).date().toordinal()

    def began(self, period: str, day: int) -> int:
        """Return the first day of the period that a day is in."""
        return day if period == "day" else date.fromordinal(day).replace(day=1).toordinal()

    def ends_at(self, period: str, day: int) -> int:
        """Return when the next period begins."""
        following = date.fromordinal(day) + timedelta(days=1)
        if period == "month":
            following = (date.fromordinal(day).replace(day=1) + timedelta(days=32)).replace(day=1)
        return int(datetime.combine(following, time(), self._zone).timestamp() * 1000)


class Till:
    """What may still be spent in this tick: read once, and locked by then (`Sums.lock`)."""

    def __init__(
        self, tx: Transaction, spending: Spending, accounts: Mapping[int, Account], now: int
    ) -> None:
        self._tx, self._spending, self._accounts = tx, spending, accounts
        self._day = spending.day_of(now)
        self._spent: dict[Limit, Decimal] | None = None

    def take(self, account: Account, amount: int) -> int | None:
        """Return None where the budgets allow so much more, which is then counted; else when to ask again."""
        rates, day = self._spending.rates, self._day
        limits = [one for one in self._spending.limits if one.holds_for(account, rates, day)]
        if not limits or not amount or account.price is None:
            return None
        more = {one: _in(rates, amount, account.price.currency, one.currency, day, day) for one in limits}
        if self._spent is None:
            self._spent = spent(self._tx, self._spending, self._accounts, self._day)
        full = [one for one in limits if (each := more[one]) is None or self._spent[one] + each > one.minor]
        if full:
            return max(self._spending.ends_at(one.period, self._day) for one in full)
        for one in limits:
            self._spent[one] += more[one] or 0
        return None


def _in(rates: Rates, amount: int, base: str, quote: str, day: int, today: int) -> Decimal | None:
    """Return an amount of a day (since the year 1) in another currency, where that has no rate by today's."""
    found = rates.find(base, quote, day - EPOCH) or rates.find(base, quote, today - EPOCH)
    return None if found is None else converted(amount, base, quote, found.value)


def spent(
    tx: Transaction, spending: Spending, accounts: Mapping[int, Account], day: int
) -> dict[Limit, Decimal]:  # fmt: skip
    """Return what is spent of each budget in the period that a day is in, in its minor units, not rounded.

    Amounts in other currencies count at the rates of their days.
    """
    by_start: dict[int, list[Row]] = {}
    found: dict[Limit, Decimal] = {}
    for one in spending.limits:
        start = spending.began(one.period, day)
        if start not in by_start:
            by_start[start] = tx.all("spent_since", day=start)
        found[one] = Decimal(0)
        for number, of_day, amount in by_start[start]:
            account = accounts.get(number)
            if account is not None and account.price and one.holds_for(account, spending.rates, day):
                each = _in(spending.rates, amount, account.price.currency, one.currency, of_day, day)
                found[one] += each or 0
    return found


def load(
    tx: Transaction, limits: Iterable[SpendingLimit], accounts: Iterable[Account], zone: str, now: int,
    rates: Rates = NO_RATES,
) -> Spending | None:  # fmt: skip
    """Return the budgets in force, None where there is none; this month is counted once, from messages."""
    limits = list(limits)
    since = settings.get(tx, SINCE, int)
    if not limits:
        if since:
            tx.run("clear_spending", day=1 << 40)
            settings.put(tx, SINCE, 0)
        return None
    spending = Spending(limits, {account.name: account for account in accounts}, zone, rates)
    if not since:
        tx.one("lock_spending")
        month = spending.began("month", spending.day_of(now))
        began_at = int(datetime.combine(date.fromordinal(month), time(), ZoneInfo(zone)).timestamp() * 1000)
        sums: dict[tuple[int, int], int] = defaultdict(int)
        for number, quarter, amount in tx.all("spent_by_quarter", since=began_at):
            sums[number, spending.day_of(quarter * _QUARTER_MS)] += amount
        tx.run("clear_spending", day=1 << 40)
        if sums:
            tx.many("add_spending", [(*place, amount) for place, amount in sorted(sums.items())])
        settings.put(tx, SINCE, month)
    return spending

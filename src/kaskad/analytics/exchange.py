"""In which currency a report adds up sums of several, and at which rates.

Those of the days (of the installation's zone) on which messages were handed over, and of the days (of UTC) on
which runs entered for what their goals were worth. A report of all runs so comes to what the tab "Money" says
day by day; one of some of them takes the mean of the same days.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from msgspec import Struct

from kaskad.analytics.scope import EVERYTHING, FOREVER, Scope
from kaskad.analytics.services import currencies
from kaskad.analytics.spent import clocks
from kaskad.domain.rates import OWN, Daily, Exchange
from kaskad.store import rates, settings
from kaskad.store.courses import DAY, HOUR_MS
from kaskad.store.db import Transaction

DAY_MS = 86_400_000


class Told(Struct, frozen=True):
    """What costs and what the worth of goals are told in."""

    cost: Exchange = OWN
    worth: Exchange = OWN

    def used(
        self, cost: Iterable[str], worth: Iterable[str]
    ) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
        """Return what one unit of each currency counted as in costs, and in what goals were worth.

        The same currency may have two, as each goes by its own days; of those that had to be converted.
        """
        return _used(self.cost, cost), _used(self.worth, worth)


ALONE = Told()


def _used(told_in: Exchange, names: Iterable[str]) -> dict[str, Decimal]:
    return {name: told_in.values[name] for name in names if name != told_in.to and name in told_in.values}


def daily(tx: Transaction, names: Iterable[str]) -> Daily:
    """Return the rates of these currencies in that of figures; none where all is in one anyway."""
    to = settings.reporting(tx)
    others = sorted({name for name in names if name and name != to})
    if not to or not others:
        return Daily(to)
    return Daily(to, rates.reporting(tx, others))


def exchanges(tx: Transaction, cascade_id: int, now: int, scope: Scope = EVERYTHING) -> Told:
    """Return what the figures of a cascade (0: of all) are told in."""
    money, worth = currencies(tx), _currencies_of_versions(tx, cascade_id)
    found = daily(tx, (*money.values(), *worth.values()))
    if not found.told:
        return Told(Exchange(found.to), Exchange(found.to))
    zone = settings.zone(tx)
    until = min(scope.until, now + 1)
    last = day_of(max(until - 1, 0), zone)
    return Told(
        found.over(_spent(tx, cascade_id, money, found, zone, scope.since, until), last),
        found.over(_brought(tx, worth, found, scope.since, until), last),
    )


def lately(tx: Transaction, money: Mapping[int, str], since: int, now: int) -> Exchange:
    """Return what costs of messages of all cascades are told in that were handed over since an instant."""
    found = daily(tx, money.values())
    if not found.told:
        return Exchange(found.to)
    zone = settings.zone(tx)
    return found.over(_spent(tx, 0, money, found, zone, since, now + 1), day_of(now, zone))


def today(tx: Transaction, names: Iterable[str], now: int) -> Exchange:
    """Return what is told in of what is still to be spent: at the rates of today."""
    found = daily(tx, names)
    return found.on(day_of(now, settings.zone(tx))) if found.told else Exchange(found.to)


def day_of(at: int, zone: ZoneInfo) -> int:
    """Return the day of an instant in a zone, in days since 1970."""
    there = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone)
    offset = there.utcoffset()
    return (at + (0 if offset is None else int(offset.total_seconds()) * 1000)) // DAY_MS


def _spent(
    tx: Transaction, cascade_id: int, money: Mapping[int, str], found: Daily, zone: ZoneInfo, since: int,
    until: int,
) -> Iterator[tuple[str, int, int]]:  # fmt: skip
    accounts = [number for number, currency in money.items() if currency in found.told]
    row = tx.one("first_spent")
    if not accounts or row is None or row[0] is None:
        return
    first, last = max(row[0], since // HOUR_MS), -(-min(until, FOREVER) // HOUR_MS)
    for begins, ends, offset in clocks(zone, first, last):
        for number, day, cost in tx.among(
            "spent_by_day", accounts, cascade_id=cascade_id, since=begins, until=ends, offset=offset
        ):
            yield money[number], int(day), int(cost)


def _brought(
    tx: Transaction, worth: Mapping[int, str], found: Daily, since: int, until: int
) -> Iterator[tuple[str, int, int]]:
    versions = [number for number, currency in worth.items() if currency in found.told]
    first, last = since // HOUR_MS // DAY * DAY, -(-until // HOUR_MS // DAY) * DAY
    for number, hour, value in tx.among("worth_by_day", versions, since=first, until=last):
        yield worth[number], hour * HOUR_MS // DAY_MS, int(value)


def _currencies_of_versions(tx: Transaction, cascade_id: int) -> dict[int, str]:
    brand = settings.currency(tx)
    return {row[0]: row[1] or brand for row in tx.all("version_worths", cascade_id=cascade_id)}

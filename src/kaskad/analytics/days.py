"""What a cascade sent day by day, by the installation's clock, with all that became of it since.

A message is in the figures of the day on which it was handed over; seed contacts are in none.
"""

from __future__ import annotations

from collections import Counter
from datetime import date

from msgspec import Struct, field

from kaskad.analytics import exchange
from kaskad.analytics.changed import PIECE
from kaskad.analytics.courses import leg_of, moves
from kaskad.analytics.exchange import day_of
from kaskad.analytics.reach import Amounts
from kaskad.analytics.services import UNKNOWN, services
from kaskad.analytics.spent import clocks
from kaskad.domain.course import Leg
from kaskad.domain.figures import NO_MESSAGE, counted_as
from kaskad.store import settings
from kaskad.store.courses import HOUR_MS, waiting
from kaskad.store.db import Transaction

DAY_HOURS = 24
_EPOCH = date(1970, 1, 1).toordinal()


class Day(Struct):
    """The messages of one day, as `OF_STEPS` counts them; cost in minor units, at the rates of the day."""

    day: date
    sent: int = 0
    arrived: int = 0
    seen: int = 0
    reacted: int = 0
    failed: int = 0
    cost: Amounts = field(default_factory=dict)


def days(tx: Transaction, cascade_id: int, now: int, count: int, version_id: int = 0) -> list[Day]:
    """Return the last `count` days of a cascade (of one version; 0: of all), the oldest first, today last."""
    last = day_of(now, settings.zone(tx))
    found = {day: Day(date.fromordinal(_EPOCH + day)) for day in range(last - count + 1, last + 1)}
    accounts = services(tx)
    rates = exchange.daily(tx, {each.currency for each in accounts.values()})
    for (day, leg), messages in _legs(tx, cascade_id, version_id, now, count + 1).items():
        if leg.state in NO_MESSAGE or day not in found:
            continue
        one, account = found[day], accounts.get(leg.account_id or 0, UNKNOWN)
        for figure in counted_as(leg.state, leg.mask, leg.past, account.delivers):
            if figure in Day.__struct_fields__:
                setattr(one, figure, getattr(one, figure) + messages)
        if currency := account.currency:
            one.cost[currency] = one.cost.get(currency, 0) + leg.cost * messages
    for day, one in found.items():
        one.cost = rates.on(day).told(one.cost)
    return list(found.values())


def _legs(
    tx: Transaction, cascade_id: int, version_id: int, now: int, count: int
) -> Counter[tuple[int, Leg]]:  # fmt: skip
    """Return how many messages of each day went so: as counted, and as what has changed since would be.

    While very much is going on this is as of some seconds ago.
    """
    zone, until = settings.zone(tx), now // HOUR_MS + 1
    since = max(0, until - count * DAY_HOURS)
    found = Counter[tuple[int, Leg]]()
    for first, last, offset in clocks(zone, since, until):
        for day, text, messages in tx.all(
            "legs_by_day",
            cascade_id=cascade_id,
            version_id=version_id,
            since=first,
            until=last,
            offset=offset,
        ):
            found[int(day), leg_of(text)] += int(messages)
    changed = waiting(tx, PIECE)
    of = {row[0]: row[1] for row in tx.all("version_cascades")}
    for hour, number, leg, sign in moves(tx, changed if len(changed) <= PIECE else set()):
        if since <= hour < until and of[number] == cascade_id and version_id in (0, number):
            found[day_of(hour * HOUR_MS, zone), leg] += sign
    return found

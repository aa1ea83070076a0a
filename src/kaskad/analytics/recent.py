"""What has left lately, by cascade: how many reached, for how much; and the throughput by hour.

What each figure counts is told beside its SQL, in `store/sql/reports.sql`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct, field

from kaskad.analytics.reach import Amounts
from kaskad.domain.figures import SEEN
from kaskad.domain.terms import Channel
from kaskad.store.db import Transaction

HOUR_MS = 3_600_000


class Lately(Struct):
    """What one cascade did since an instant."""

    reached: int = 0
    sent: int = 0
    failed: int = 0
    cost: Amounts = field(default_factory=dict)


class Hour(Struct, frozen=True):
    """What left within one hour of the clock, and how much of it failed."""

    begins_at: int
    sent: int
    failed: int


def lately(tx: Transaction, since: int) -> Mapping[int, Lately]:
    """Return by cascade what has left since an instant."""
    currencies = {row[0]: msgspec.json.decode(row[8]).get("currency", "") for row in tx.all("accounts")}
    found: dict[int, Lately] = {}
    for cascade_id, account_id, sent, failed, cost in tx.all("recent_sent", since=since):
        one = found.setdefault(cascade_id, Lately())
        one.sent += sent
        one.failed += failed
        if currency := currencies.get(account_id, ""):
            one.cost[currency] = one.cost.get(currency, 0) + cost
    for cascade_id, reached in tx.all("recent_reached", since=since, seen=SEEN, sms=Channel.SMS.code):
        found.setdefault(cascade_id, Lately()).reached = reached
    return found


def hours(tx: Transaction, now: int, count: int = 24) -> list[Hour]:
    """Return the last hours of the clock, the oldest first; the last one has just begun."""
    first = now // HOUR_MS - count + 1
    told = {row[0]: (row[1], row[2]) for row in tx.all("recent_hours", since=first * HOUR_MS)}
    return [Hour(hour * HOUR_MS, *told.get(hour, (0, 0))) for hour in range(first, first + count)]

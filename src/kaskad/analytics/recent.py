"""What has left lately, by cascade: how many reached, for how much; and the throughput by hour.

Counted by whole hours of submission, seed contacts aside: a message is in the figures of the hour in which it
was handed over, with all that became of it since.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from kaskad.analytics import exchange
from kaskad.analytics.courses import left_between
from kaskad.analytics.reach import Amounts
from kaskad.analytics.scope import FOREVER
from kaskad.analytics.services import currencies
from kaskad.domain.figures import FAILED, LEFT, NO_MESSAGE
from kaskad.store.db import Transaction

HOUR_MS = 3_600_000


class Lately(Struct):
    """What one cascade did since an instant: runs whose person was reached by what left since then (a message
    was seen, or an SMS delivered), messages that left us, those that failed, those that were refused and
    never left, the cost of all."""

    reached: int = 0
    sent: int = 0
    failed: int = 0
    refused: int = 0  # of those that failed
    cost: Amounts = field(default_factory=dict)


class Hour(Struct, frozen=True):
    """What left within one hour of the clock, and what of it, or of what was refused then, failed."""

    begins_at: int
    sent: int
    failed: int


def lately(tx: Transaction, since: int, now: int) -> Mapping[int, Lately]:
    """Return by cascade what has left since the hour that an instant lies in."""
    money = currencies(tx)
    cascades = {row[0]: row[1] for row in tx.all("version_cascades")}
    found: dict[int, Lately] = {}
    for (_, version_id, leg), count in left_between(tx, since // HOUR_MS, FOREVER // HOUR_MS).items():
        sent, failed = count * (leg.state in LEFT), count * (leg.state in FAILED)
        reached = count * leg.last
        if leg.state in NO_MESSAGE:
            continue
        one = found.setdefault(cascades[version_id], Lately())
        one.sent, one.failed, one.reached = one.sent + sent, one.failed + failed, one.reached + reached
        one.refused += failed * (leg.state not in LEFT)
        if currency := money.get(leg.account_id or 0, ""):
            one.cost[currency] = one.cost.get(currency, 0) + leg.cost * count
    told_in = exchange.lately(tx, money, since, now)
    for one in found.values():
        one.cost = told_in.told(one.cost)
    return found


def hours(tx: Transaction, now: int, count: int = 24) -> list[Hour]:
    """Return the last hours of the clock, the oldest first; the last one has just begun."""
    first = now // HOUR_MS - count + 1
    told = {hour: [0, 0] for hour in range(first, first + count)}
    for (hour, _, leg), messages in left_between(tx, first, first + count, by=1).items():
        told[hour][0] += messages * (leg.state in LEFT)
        told[hour][1] += messages * (leg.state in FAILED)
    return [Hour(hour * HOUR_MS, *counts) for hour, counts in told.items()]

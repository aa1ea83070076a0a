"""What messages cost in a time, from counts by the hour of their submission; seed contacts are in none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache, partial
from zoneinfo import ZoneInfo

from msgspec import Struct

from kaskad.analytics.changed import CORRECTED
from kaskad.analytics.courses import moves
from kaskad.domain.spent import sums_of
from kaskad.store.courses import HOUR_MS, waiting
from kaskad.store.db import Transaction

_HOUR_S, _DAY_S = 3600, 86_400
_EPOCH = date(1970, 1, 1).toordinal()
_Place = tuple[int, int, int, int, str, int]  # as in `Sum`, the day by its number since 1970


class Span(Struct, frozen=True):
    """Messages of a cascade (0: of all) that were handed over from `since` until before `until`."""

    cascade_id: int
    since: int
    until: int


class Sum(Struct, frozen=True, gc=False):
    """Messages of one kind (domain/spent.py) of one day; `account_id` 0: of none."""

    cascade_id: int
    version_id: int
    step: int
    account_id: int
    kind: str
    day: date
    messages: int
    price: int
    cost: int


class Spent(Struct, frozen=True):
    """All of them, in order; `uncounted`: so many runs that have changed, or more, are counted as before."""

    sums: list[Sum]
    uncounted: int = 0


def whole_hours(span: Span, now: int) -> Span:
    """Return a time in whole hours, none of them after the one that `now` lies in."""
    last = now // HOUR_MS + 1
    since = min(max(span.since // HOUR_MS, 0), last)
    until = max(min(-(-span.until // HOUR_MS), last), since)
    return Span(span.cascade_id, since * HOUR_MS, until * HOUR_MS)


def spent(tx: Transaction, span: Span, zone: ZoneInfo) -> Spent:
    """Return what was spent, by the days of `zone`; `span` is of whole hours."""
    found: dict[_Place, list[int]] = {}
    since, until = span.since // HOUR_MS, span.until // HOUR_MS
    cascades = {
        version_id: cascade_id
        for version_id, cascade_id in tx.all("version_cascades")
        if span.cascade_id in (0, cascade_id)
    }
    for first, last, offset in clocks(zone, since, until):
        for row in tx.among("spent_between", list(cascades), since=first, until=last, offset=offset):
            _add(found, (cascades[row[0]], *row[:5]), *row[5:])
    changed = waiting(tx, CORRECTED)
    if len(changed) <= CORRECTED:
        ahead = cache(partial(_offset, zone))  # thousands of moves share some hours
        for hour, version_id, leg, sign in moves(tx, changed):
            if since <= hour < until and version_id in cascades:
                day = (hour * _HOUR_S + ahead(hour)) // _DAY_S
                for kind, *told in sums_of(leg):
                    place = (cascades[version_id], version_id, leg.step, leg.account_id or 0, kind, day)
                    _add(found, place, *(sign * number for number in told))
    days = {day: date.fromordinal(_EPOCH + day) for day in {place[5] for place in found}}
    sums = [
        Sum(*place[:5], days[place[5]], *told)
        for place, told in sorted(found.items()) if any(told)
    ]  # fmt: skip
    return Spent(sums, len(changed) if len(changed) > CORRECTED else 0)


def clocks(zone: ZoneInfo, since: int, until: int) -> Iterator[tuple[int, int, int]]:
    """Yield stretches of hours in which the clocks of a zone are so many seconds ahead of UTC."""
    first, offset = since, _offset(zone, since)
    hour = since
    while hour < until:
        ahead = min(hour + 24, until)
        if _offset(zone, ahead - 1) != offset:
            ahead = next(each for each in range(hour, ahead) if _offset(zone, each) != offset)
            yield first, ahead, offset
            first, offset = ahead, _offset(zone, ahead)
        hour = ahead
    if first < until:
        yield first, until, offset


def _offset(zone: ZoneInfo, hour: int) -> int:
    ahead = datetime.fromtimestamp(hour * _HOUR_S, UTC).astimezone(zone).utcoffset()
    return 0 if ahead is None else int(ahead.total_seconds())


def _add(found: dict[_Place, list[int]], place: _Place, messages: int, price: int, cost: int) -> None:
    total = found.setdefault(place, [0, 0, 0])
    total[0] += messages
    total[1] += price
    total[2] += cost

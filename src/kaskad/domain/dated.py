"""Dates of contacts that begin runs: when such a run is due, and of whom to ask at all.

A date comes once (a product ends) or every year (a birthday). What is due counts in days from it, at a time
by the contact's own clock. A cascade whose steps count back from the same date begins early enough for them,
and also takes in whoever gets the date late (C8). 29 February is 28 February in other years.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from msgspec import Struct

from kaskad.domain.cascade import Cascade, Span
from kaskad.domain.hours import add, day_start, local_day, subtract, wall_instant
from kaskad.domain.policy import DAY, HOUR, MINUTE

AHEAD_MS = HOUR + 10 * MINUTE  # runs are begun so long before they are due: longer than between two looks
_EPOCH = date(1970, 1, 1)
_SLACK = timedelta(days=3)  # months and zones are counted for each contact


class Dated(Struct, frozen=True):
    """What of a date begins a run."""

    attribute: str
    yearly: bool
    before: bool
    shift: Span
    minute: int  # of the day
    anchored: bool  # the steps count back from the date itself


class Due(Struct, frozen=True):
    """A run that a date begins; `key` makes it one and the same."""

    at: int
    key: str
    on: str  # the day that the date falls on, such as 2027-05-17
    years: int  # since the date itself; 0 for one that comes once


class Wanted(Struct, frozen=True):
    """Which texts of an attribute may be due: those whose part from `start` on is in one of two ranges."""

    start: int
    low: str
    high: str
    low2: str
    high2: str


def dated_of(cascade: Cascade) -> Dated | None:
    """Return what of a date begins runs of the cascade; None where another trigger does."""
    trigger = cascade.trigger
    if not trigger.date:
        return None
    path = f"contact.{trigger.date}"
    leads = [step.at.by for step in cascade.steps if step.at and step.at.before and step.at.path == path]
    anchored = bool(leads) and trigger.shift is None and not trigger.yearly
    if anchored:
        days = max(by.months * 31 + by.days + -(-by.ms // DAY) for by in leads) + 1
        return Dated(trigger.date, False, True, Span(days=days), trigger.minute, True)
    return Dated(trigger.date, trigger.yearly, trigger.before, trigger.shift or Span(), trigger.minute, False)


def wanted(dated: Dated, now: int, lateness_ms: int) -> Wanted:
    """Return which texts of the attribute to look for now: a few too many, which `due` tells apart."""
    first, last = _day(now - lateness_ms), _day(now + AHEAD_MS)
    low, high = _back(dated, first) - _SLACK, _back(dated, last) + _SLACK
    if dated.anchored:
        low = min(low, _day(now) - _SLACK)
    if not dated.yearly:
        return Wanted(1, low.isoformat(), high.isoformat(), "~", "~")
    ends = low.isoformat()[5:], high.isoformat()[5:]
    if low.year == high.year:
        return Wanted(6, *ends, "~", "~")
    return Wanted(6, ends[0], "12-31", "01-01", ends[1])


def due(dated: Dated, text: str, zone: str, now: int, lateness_ms: int) -> Due | None:
    """Return the run that the date begins now, or within AHEAD_MS; None for no date, or another day."""
    try:
        told = date.fromisoformat(text[:10])
    except ValueError:
        return None
    if not dated.yearly:
        return _due(dated, told, told, zone, now, lateness_ms)
    year = _back(dated, _day(now)).year
    for each in (year - 1, year, year + 1):
        on = _in_year(told, each)
        if on > told and (found := _due(dated, told, on, zone, now, lateness_ms)):
            return found
    return None


def _due(dated: Dated, told: date, on: date, zone: str, now: int, lateness_ms: int) -> Due | None:
    noon = day_start((on - _EPOCH).days, zone) + 12 * HOUR
    there = (subtract if dated.before else add)(noon, dated.shift, zone)
    at = wall_instant(local_day(there, zone), dated.minute * MINUTE, zone)
    late = day_start((on - _EPOCH).days, zone) <= now if dated.anchored else at <= now - lateness_ms
    if late or at > now + AHEAD_MS:
        return None
    years = on.year - told.year if dated.yearly else 0
    return Due(at, f"{dated.attribute} {on.isoformat()}", on.isoformat(), years)


def _in_year(told: date, year: int) -> date:
    try:
        return told.replace(year=year)
    except ValueError:  # 29 February
        return date(year, 2, 28)


def _back(dated: Dated, day: date) -> date:
    """Return about the date whose run is due on a day."""
    days = dated.shift.months * 30 + dated.shift.days
    return day + timedelta(days=days if dated.before else -days)


def _day(at: int) -> date:
    return datetime.fromtimestamp(at / 1000, UTC).date()

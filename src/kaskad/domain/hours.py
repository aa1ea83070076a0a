"""Wall-clock arithmetic: spans on a zone's clock, and windows in every zone a contact may be in (C1-C8).

Instants are milliseconds since 1970 UTC. A contact whose zone is not known has several candidates, and a
window is open only where it is open in all of them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from kaskad.domain.cascade import Span
from kaskad.domain.policy import DAY, HOUR, MINUTE, Days, Policy, Window, WindowRule
from kaskad.domain.terms import Channel, MessageClass

if TYPE_CHECKING:
    from holidays import HolidayBase

# The rule, the candidate zones (never none) and the country ("" when not known).
WindowKey = tuple[WindowRule, tuple[str, ...], str]

LIMIT = 14 * DAY  # a window that does not open within this is as good as none

_EPOCH = datetime(1970, 1, 1)
_EPOCH_ORDINAL = _EPOCH.toordinal()
_MS = timedelta(milliseconds=1)
_WEEK = 7 * DAY
_MEMORY = 10_000  # answers a Windows keeps before it starts afresh


def add(at: int, span: Span, zone: str) -> int:
    """Return the instant `span` after `at`: months and days on the zone's wall clock, then elapsed time."""
    return _shift(at, span.months, span.days, zone) + span.ms


def subtract(at: int, span: Span, zone: str) -> int:
    """Return the instant `span` before `at`: months and days on the zone's wall clock, then elapsed time."""
    return _shift(at, -span.months, -span.days, zone) - span.ms


def local_day(at: int, zone: str) -> int:
    """Return the calendar day of `at` in `zone`, in days since 1970-01-01."""
    return (at + _offset(at, zone)) // DAY


def hour_of_day(at: int, zone: str) -> int:
    """Return the milliseconds since midnight by the wall clock of `zone`."""
    return (at + _offset(at, zone)) % DAY


def hour_of_week(at: int, zone: str) -> int:
    """Return the hour of the week by the wall clock of `zone`; 0 is Monday's first."""
    return ((at + _offset(at, zone)) // HOUR + 72) % 168


def day_start(day: int, zone: str) -> int:
    """Return the first instant of the calendar day `day` (days since 1970-01-01) in `zone`."""
    return _instant(_EPOCH + timedelta(days=day), zone)


def wall_instant(day: int, since_midnight_ms: int, zone: str) -> int:
    """Return the instant at which the clock of `zone` shows a time of the day (C2)."""
    return _instant(_EPOCH + timedelta(days=day, milliseconds=since_midnight_ms), zone)


def _shift(at: int, months: int, days: int, zone: str) -> int:
    if not months and not days:
        return at  # not by way of the wall clock: the second pass of a fold would become the first
    wall = _EPOCH + (at + _offset(at, zone)) * _MS
    if months:
        year, month = divmod(wall.year * 12 + wall.month - 1 + months, 12)
        first = wall.replace(year=year, month=month + 1, day=1)
        last_day = ((first + timedelta(days=31)).replace(day=1) - timedelta(days=1)).day
        wall = first.replace(day=min(wall.day, last_day))
    return _instant(wall + timedelta(days=days), zone)


def _instant(wall: datetime, zone: str) -> int:
    """Return the instant of a wall time: after a gap by as much as it lies in it, first of a fold (C2)."""
    # zoneinfo reads fold=0 with the offset before the change, which is just that in both cases.
    offset = wall.replace(tzinfo=zone_info(zone), fold=0).utcoffset() or timedelta()
    return (wall - _EPOCH - offset) // _MS


def _offset(at: int, zone: str) -> int:
    there = datetime.fromtimestamp(at // 1000, UTC).astimezone(zone_info(zone))
    return (there.utcoffset() or timedelta()) // _MS


def is_zone(name: str) -> bool:
    """Return whether `name` is an IANA zone that we know."""
    return name in _zone_names()


@cache
def zone_info(name: str) -> ZoneInfo:
    """Return the zone; raises KeyError for a name that is none.

    Its rules are those of the package tzdata, which can be kept up to date (C4): ZoneInfo(name) prefers the
    system's, and these may be years old.
    """
    if not is_zone(name):
        raise KeyError(f"no zone {name!r}: names look like Asia/Almaty")
    with _zones().joinpath(*name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@lru_cache(maxsize=1)
def _zones() -> Traversable:
    """Return where the zones lie: to find that takes ten times as long as to read one."""
    return resources.files("tzdata.zoneinfo")


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text().split())


# The country has had one time since March 2024 (C4); the tables give its mobile numbers all 16 zones of +7.
_KAZAKH = ("+76", "+77")
# The tables say the same of all mobile numbers of Russia, and take 30 µs to say it of each;
# of some blocks, such as +7930000, they say nothing: those count as the others.
_RUSSIAN, _RUSSIAN_MOBILE = "+79000000000", re.compile(r"\+79\d{9}", re.ASCII)


def candidate_zones(phone: str) -> tuple[str, ...]:
    """Return the zones in which the owner of an E.164 number may be; () when it tells nothing."""
    if phone.startswith(_KAZAKH):
        return ("Asia/Almaty",)
    return _tabled(_RUSSIAN if _RUSSIAN_MOBILE.fullmatch(phone) else phone)


@lru_cache(maxsize=4096)
def _tabled(phone: str) -> tuple[str, ...]:
    from phonenumbers import NumberParseException, parse
    from phonenumbers.timezone import time_zones_for_number  # late: large tables

    try:
        zones = time_zones_for_number(parse(phone))
    except NumberParseException:
        return ()
    return tuple(zone for zone in zones if zone != "Etc/Unknown" and is_zone(zone))


def zones_for(known: str | None, phone: str, brand: str) -> tuple[str, ...]:
    """Return the candidate zones of a contact, never none (C5): its own, else its number's, else the brand's.

    `known` is column `contacts.zone`: names separated by spaces; names that we do not know are passed over.
    """
    own = tuple(zone for zone in known.split() if is_zone(zone)) if known else ()
    if own:
        return own
    return (candidate_zones(phone) if phone else ()) or ((brand if is_zone(brand) else "UTC"),)


ZONE_SOURCES = ("told", "delivery_address", "site")  # by their code less one, best first
ZoneSource = Literal["told", "delivery_address", "site", "phone", "brand"]
Confidence = Literal["certain", "likely", "possible", "guess"]


class Zones(Struct, frozen=True):
    """The zones in which a contact may be, and how that is known."""

    zones: tuple[str, ...]
    source: ZoneSource
    confidence: Confidence


def zones_known(known: str | None, source: int | None, phone: str, brand: str) -> Zones:
    """Return what `zones_for` does, with where it comes from and how much that is worth (C5)."""
    zones = zones_for(known, phone, brand)
    if zones_for(known, "", "") == zones and known:
        named: ZoneSource = ZONE_SOURCES[(source or 1) - 1]  # type: ignore[assignment]
        sure: Confidence = "likely" if named == "site" else "certain"
        return Zones(zones, named, sure if len(zones) == 1 else "possible")
    if phone and zones == candidate_zones(phone):
        return Zones(zones, "phone", "likely" if len(zones) == 1 else "possible")
    return Zones(zones, "brand", "guess")


def jitter(contact_id: int, step: int, max_ms: int) -> int:
    """Return 0 to `max_ms`, always the same for one contact and step and spread evenly over contacts."""
    # The finaliser of splitmix64: Python's own hash of integers is not mixed at all.
    mixed = (contact_id * 0x9E3779B97F4A7C15 + step + 1) & 0xFFFFFFFFFFFFFFFF
    mixed = ((mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return (mixed ^ mixed >> 31) % (max_ms + 1)


def next_allowed(at: int, rule: WindowRule, zones: tuple[str, ...], country: str = "") -> int | None:
    """Return the first instant from `at` on at which the rule is open in all zones; None: none in 14 days."""
    return _next(_edges(at // _WEEK, (rule, zones, country)), at, 0)


def describe(rule: WindowRule, zones: tuple[str, ...], country: str = "") -> str:
    """Return the rule in words: `09:00-21:00 on working days of KZ, in Asia/Almaty`."""
    if not rule:
        return "at any time"
    hours = " and ".join(dict.fromkeys(_words(window, country) for window in rule))
    if len(zones) == 1:
        return f"{hours}, in {zones[0]}"
    return f"{hours}, in each of {len(zones)} possible zones ({', '.join(zones)})"


class Windows:
    """The windows of a policy with memory: questions of one tick about equal keys are answered by look-up."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._rules: dict[tuple[Channel, MessageClass, str, bool], WindowRule] = {}
        self._known: dict[tuple[int, WindowKey], list[int]] = {}
        self._texts: dict[WindowKey, str] = {}

    def key(
        self,
        channel: Channel,
        message_class: MessageClass,
        zones: tuple[str, ...],
        country: str = "",
        urgent: bool = False,
    ) -> WindowKey:
        """Return what to ask `next` with for such a message to a contact there."""
        about = (channel, message_class, country, urgent)
        rule = self._rules.get(about)
        if rule is None:
            rule = self._policy.rule(channel, message_class, country, urgent=urgent)
            self._rules[about] = rule
        return rule, zones, country

    def next(self, at: int, key: WindowKey, spread: int = 0) -> int | None:
        """Return `next_allowed`; what has to wait comes `spread` ms (its jitter) after the opening (C7)."""
        if not key[0]:
            return at
        edges = self._known.get((at // _WEEK, key))
        if edges is None:
            edges = self._learn(at // _WEEK, key)
        if bisect_right(edges, at) & 1:
            return at
        return _next(edges, at, spread)

    def opening(self, at: int, key: WindowKey) -> tuple[int, int] | None:
        """Return when closed windows open next and how many ms they then stay open; None: not in 14 days.

        `next` with a spread is that opening and the spread, which begins anew where it is longer.
        """
        edges = self._known.get((at // _WEEK, key)) or self._learn(at // _WEEK, key)
        i = bisect_right(edges, at)
        if i & 1:
            raise ValueError("the windows are open")
        if i == len(edges) or edges[i] - at > LIMIT:
            return None
        return edges[i], edges[i + 1] - edges[i]

    def turns(self, at: int, key: WindowKey) -> int:
        """Return when the windows open or close next; until then it is as at `at`."""
        if not key[0]:
            return at + LIMIT
        edges = self._known.get((at // _WEEK, key))
        if edges is None:
            edges = self._learn(at // _WEEK, key)
        place = bisect_right(edges, at)
        return edges[place] if place < len(edges) else at + LIMIT

    def last_before(self, due: int, earliest: int, key: WindowKey) -> int | None:
        """Return `due` if the rule is open then, else the start of the last allowed minute before (C8).

        None when that would be before `earliest`, or more than 14 days before.
        """
        edges = self._known.get((due // _WEEK, key))
        return _last(self._learn(due // _WEEK, key) if edges is None else edges, due, earliest)

    def why(self, key: WindowKey) -> str:
        """Return the rule in words, as `describe`."""
        text = self._texts.get(key)
        if text is None:
            if len(self._texts) >= _MEMORY:
                self._texts.clear()
            text = self._texts[key] = describe(*key)
        return text

    def _learn(self, week: int, key: WindowKey) -> list[int]:
        if len(self._known) >= _MEMORY:
            self._known.clear()
        edges = self._known[week, key] = _edges(week, key)
        return edges


def _next(edges: Sequence[int], at: int, spread: int) -> int | None:
    i = bisect_right(edges, at)
    if i & 1:
        return at
    if i == len(edges) or edges[i] - at > LIMIT:
        return None
    return edges[i] + spread % (edges[i + 1] - edges[i])


def _last(edges: Sequence[int], due: int, earliest: int) -> int | None:
    i = bisect_right(edges, due)
    if i & 1:
        return due
    if i == 0:
        return None
    opens, closes = edges[i - 2], edges[i - 1]
    last = max(opens, closes - MINUTE, earliest)
    return last if last < closes and due - last <= LIMIT else None


def _edges(week: int, key: WindowKey) -> list[int]:
    """Return when all windows open and close in all zones, in turn, for questions about that week.

    The list reaches as far before and after the week as an answer can, so that one list serves them all.
    """
    rule, zones, country = key
    if rule and not zones:
        raise ValueError("no zone to look at the clock in: take zones_for, which always has one")
    edges = [week * _WEEK - LIMIT - 2 * DAY, (week + 1) * _WEEK + LIMIT + 2 * DAY]
    start, end = edges
    for zone in zones:
        for window in rule:
            edges = _both(edges, _window_edges(window, _segments(zone, start, end), country))
    return edges


def _both(left: Sequence[int], right: Sequence[int]) -> list[int]:
    """Return the edges of what is open in both."""
    edges: list[int] = []
    i = j = 0
    while i < len(left) and j < len(right):
        opens, closes = max(left[i], right[j]), min(left[i + 1], right[j + 1])
        if opens < closes:
            edges += (opens, closes)
        if left[i + 1] < right[j + 1]:
            i += 2
        else:
            j += 2
    return edges


def _window_edges(window: Window, segments: Sequence[tuple[int, int, int]], country: str) -> list[int]:
    edges: list[int] = []
    spans = window.spans()
    for start, end, offset in segments:
        for day in range((start + offset) // DAY, (end - 1 + offset) // DAY + 1):
            if not _is_open(window.days, country, day):
                continue
            for first, until in spans:
                opens = max(start, day * DAY + first * MINUTE - offset)
                closes = min(end, day * DAY + until * MINUTE - offset)
                if opens >= closes:
                    continue
                if edges and edges[-1] == opens:
                    edges[-1] = closes
                else:
                    edges += (opens, closes)
    return edges


@lru_cache(maxsize=4096)
def _segments(zone: str, start: int, end: int) -> tuple[tuple[int, int, int], ...]:
    """Return `(from, until, offset)` for the stretches in which the zone's clock runs without a jump."""
    segments = []
    begin, at, offset = start, start, _offset(start, zone)
    while at < end:
        after = min(at + DAY, end)
        if _offset(after, zone) == offset:
            at = after
            continue
        low, high = at, after  # the clock jumps between them: close in on the first instant after
        while high - low > 1:
            middle = (low + high) // 2
            if _offset(middle, zone) == offset:
                low = middle
            else:
                high = middle
        segments.append((begin, high, offset))
        begin, at, offset = high, high, _offset(high, zone)
    if begin < end:
        segments.append((begin, end, offset))
    return tuple(segments)


@lru_cache(maxsize=16_384)
def _is_open(days: Days, country: str, day: int) -> bool:
    if days is Days.EVERY:
        return True
    here = date.fromordinal(day + _EPOCH_ORDINAL)
    calendar = _calendar(country, here.year)
    if days is Days.NOT_HOLIDAYS:
        return calendar is None or here not in calendar
    return here.weekday() < 5 if calendar is None else calendar.is_working_day(here)


@lru_cache(maxsize=1024)
def _calendar(country: str, year: int) -> HolidayBase | None:
    """Return the country's calendar around that year, whole and never changed again (threads share it)."""
    from holidays import country_holidays  # late: it weighs 43 MB, and few policies need it

    try:
        return country_holidays(country, years=range(year - 1, year + 2), expand=False)
    except NotImplementedError:  # no such country there, or none is known
        return None


def _words(window: Window, country: str) -> str:
    hours = " or ".join(window.hours)
    if window.days is Days.EVERY:
        return hours
    kind = "working days" if window.days is Days.WORKING else "days that are no holidays"
    return f"{hours} on {kind} of {country}" if country else f"{hours} on {kind}"

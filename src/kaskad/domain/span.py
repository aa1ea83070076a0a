"""Durations as text, to `Span` and back: ISO 8601 (`PT24H`, `P1DT2H`) and short (`24h`, `2d`, `1d 12h`).

Days, weeks and months are of the calendar; hours, minutes and seconds are elapsed time (C1).
"""

from __future__ import annotations

import re

from kaskad.domain.cascade import Span
from kaskad.domain.worded import worded

SECOND_MS = 1_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
MAX_DAYS = 3_660  # ten years: what a cascade can wait for, far inside what a calendar can count
MAX_MS = MAX_DAYS * 24 * HOUR_MS
MAX_MONTHS = 120

_SHORT = re.compile(r"(\d{1,12})\s*(mo|ms|min|s|m|h|d|w)(?![a-z])", re.IGNORECASE | re.ASCII)
_ISO = re.compile(
    r"P(?:(?P<years>\d{1,3})Y)?(?:(?P<months>\d{1,3})M)?(?:(?P<weeks>\d{1,4})W)?(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,7})M)?(?:(?P<seconds>\d{1,9}(?:\.\d{1,3})?)S)?)?",
    re.IGNORECASE | re.ASCII,
)
_UNITS_MS = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "min": MINUTE_MS, "h": HOUR_MS}


def parse_span(text: str) -> Span:
    """Return the span that the text says; raises ValueError with what is wrong and what to write."""
    word = text.strip()
    if not word:
        raise ValueError(worded("a duration is expected, for example 24h, 2d, 30m or PT24H"))
    span = _iso(word) if word[0] in "Pp" else _short(word)
    if span is None:
        raise ValueError(_hint(word))
    if span.days > MAX_DAYS or span.ms > MAX_MS or span.months > MAX_MONTHS:
        raise ValueError(worded("%(word)s is longer than ten years", word=word[:40]))
    return span


def format_span(span: Span) -> str:
    """Return the shortest text that parses to the same span: `24h`, `2d`, else ISO 8601."""
    if span.months == 0 and (span.days == 0) != (span.ms == 0):
        return f"{span.days}d" if span.days else _short_elapsed(span.ms)
    date = (f"{span.months}M" if span.months else "") + (f"{span.days}D" if span.days else "")
    hours, rest = divmod(span.ms, HOUR_MS)
    minutes, ms = divmod(rest, MINUTE_MS)
    time = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    if ms:
        time += f"{ms // 1000}.{ms % 1000:03d}S" if ms % 1000 else f"{ms // 1000}S"
    return "P" + date + (f"T{time}" if time else "") if date or time else "0s"


def approximate_ms(span: Span) -> int:
    """Return about how long the span is, for comparing spans: a day as 24 h, a month as 30 days."""
    return span.ms + (span.days + 30 * span.months) * 24 * HOUR_MS


def _short_elapsed(ms: int) -> str:
    for unit, size in (("h", HOUR_MS), ("m", MINUTE_MS), ("s", SECOND_MS)):
        if ms % size == 0:
            return f"{ms // size}{unit}"
    return f"{ms}ms"


def _iso(word: str) -> Span | None:
    found = _ISO.fullmatch(word)
    if found is None or not any(found.groupdict().values()) or word[-1] in "Tt":
        return None
    part = {name: int(value or 0) for name, value in found.groupdict().items() if name != "seconds"}
    seconds_ms = round(float(found["seconds"] or 0) * SECOND_MS)
    return Span(
        ms=part["hours"] * HOUR_MS + part["minutes"] * MINUTE_MS + seconds_ms,
        days=part["days"] + 7 * part["weeks"],
        months=part["months"] + 12 * part["years"],
    )


def _short(word: str) -> Span | None:
    ms = days = months = place = 0
    while place < len(word):
        found = _SHORT.match(word, place)
        if found is None:
            return None
        count, unit = int(found[1]), found[2].lower()
        if unit in _UNITS_MS:
            ms += count * _UNITS_MS[unit]
        elif unit == "mo":
            months += count
        else:
            days += count * (7 if unit == "w" else 1)
        place = found.end()
        while place < len(word) and word[place] == " ":
            place += 1
    return Span(ms=ms, days=days, months=months)


def _hint(word: str) -> str:
    shown = worded("%(word)r is not a duration", word=word[:40])
    if word.isdigit():
        return worded(
            "%(shown)s: it has no unit; write %(word)sh, %(word)sm or %(word)sd", shown=shown, word=word[:6]
        )
    if word.startswith("-"):
        return worded("%(shown)s: it cannot be negative", shown=shown)
    return worded("%(shown)s: write 24h, 2d, 30m, or ISO 8601 as PT24H, P1D", shown=shown)

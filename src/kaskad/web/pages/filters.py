"""Which runs of a cascade its pages of figures tell of, as their addresses say it."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from typing import TypedDict
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from msgspec import Struct

from kaskad.actions import cascade_texts, rates, segments
from kaskad.actions.office import Office
from kaskad.actions.reports import Among
from kaskad.analytics.scope import ENDS_FIRST
from kaskad.domain.errors import Invalid
from kaskad.web.pages.cascades import CHOICES
from kaskad.web.pages.look import Look


class Filters(Struct, frozen=True):
    """What the address asks for, as it stands there."""

    segment: str = ""
    version: int = 0
    since: str = ""
    until: str = ""

    def among(self, look: Look) -> Among:
        """Return the runs that are meant; days begin at midnight of the reader."""
        since, until = begin_of(look, read_day(self.since)), end_of(look, read_day(self.until))
        return Among(self.segment, self.version, since, until)

    def problems(self, look: Look) -> dict[str, str]:
        """Return what is wrong with the days, by their names."""
        days = {"since": self.since, "until": self.until}
        found = {
            name: look._("Write days like 2026-11-26.")
            for name, day in days.items() if day and read_day(day) is None
        }  # fmt: skip
        begins, ends = read_day(self.since), read_day(self.until)
        if begins and ends and ends < begins:
            found["until"] = look.told(ENDS_FIRST)
        return found

    def refuse(self, look: Look) -> None:
        """Raise Invalid where something is wrong with the days: for what has no fields to say it at."""
        if found := self.problems(look):
            raise Invalid(list(found.values()), [f"/{name}" for name in found])

    @property
    def query(self) -> str:
        """Return these filters as the end of an address."""
        told = {name: str(getattr(self, name)) for name in self.__struct_fields__ if getattr(self, name)}
        return f"?{urlencode(told)}" if told else ""


def named(office: Office, slug: str, among: Among, *more: str) -> str:
    """Return by which name figures of these runs are remembered.

    Two readers' days are not the same instants, and other rates make other figures.
    """
    runs = (among.segment, among.version, among.since, among.until)
    return "\0".join((slug, json.dumps([*runs, rates.told_by(office), *more])))


class Offered(TypedDict):
    """What `ui.run_filters` lets choose from."""

    choices: list[tuple[str, str]]
    numbers: list[tuple[int, str]]


def offered(office: Office, slug: str) -> Offered:
    """Return the segments, and the versions of a cascade."""
    return {
        "choices": [(each.name, each.name) for each in segments.listing(office, after="", limit=CHOICES)],
        "numbers": [(each.number, str(each.number)) for each in cascade_texts.versions(office, slug)],
    }


def number_of(text: str) -> int:
    """Return the number that an address names; 0: none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def read_day(text: str) -> date | None:
    """Return the day that an address or a form names; None: it names none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def begin_of(look: Look, day: date | None) -> int | None:
    """Return when a day of the reader begins, in milliseconds since 1970 UTC."""
    if day is None:
        return None
    return round(datetime.combine(day, time(), ZoneInfo(look.zone)).timestamp() * 1000)


def end_of(look: Look, day: date | None) -> int | None:
    """Return when the day after it begins; None where the calendar ends with it."""
    return None if day is None or day == date.max else begin_of(look, day + timedelta(days=1))

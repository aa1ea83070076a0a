"""Which runs of a cascade its pages of figures tell of, as their addresses say it."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from typing import TypedDict
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from msgspec import Struct

from kaskad.actions import cascades, rates, segments
from kaskad.actions.office import Office
from kaskad.actions.reports import Among
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
        until = _day(look, self.until)
        if until is not None:
            until += timedelta(days=1)
        return Among(self.segment, self.version, _ms(_day(look, self.since)), _ms(until))

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
        "numbers": [(each.number, str(each.number)) for each in cascades.versions(office, slug)],
    }


def number_of(text: str) -> int:
    """Return the number that an address names; 0: none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _day(look: Look, text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time(), ZoneInfo(look.zone))
    except ValueError:
        return None


def _ms(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1000)

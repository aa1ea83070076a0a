"""How pages read: the reader's language, colours and time zone, and the words and numbers in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Context, Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.dates import format_datetime, format_skeleton, format_timedelta
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from kaskad.actions.office import Office
from kaskad.analytics.reach import Amounts, money
from kaskad.domain.errors import Invalid, KaskadError
from kaskad.domain.money import Amount, format_fine, format_money, format_number
from kaskad.domain.terms import Channel
from kaskad.domain.worded import Worded, wording
from kaskad.engine.clock import wall_ms
from kaskad.web.page import language_of
from kaskad.web.pages.i18n import LANGUAGES, Words, words
from kaskad.web.pages.words import NAMELESS, WORDS

LANGUAGE_COOKIE = "kaskad_lang"
THEME_COOKIE = "kaskad_theme"
ZONE_COOKIE = "kaskad_zone"  # set by js/app.js: a request does not tell where the reader is
_CHANNEL_PLACES = ("channel", "first", "second")
THEMES = ("light", "dark")
YEAR_S = 365 * 86_400
_PERCENT = re.compile(r"(\d+)\.(\d+) %")
_RATE = Context(prec=8)  # digits of an exchange rate that people look at


class Look(Struct, frozen=True):
    """How this reader wants pages."""

    language: str
    path: str
    theme: str = ""  # "": as the system has it
    zone: str = "UTC"
    chosen: bool = False  # the language, by this very request
    now: int = 0  # by the installation's clock, which in a demo is ahead of the wall's

    @classmethod
    def of(cls, request: Request, language: str = "", theme: str = "") -> Look:
        """Return how this reader wants pages: by ?lang=, their settings, cookies, the browser."""
        asked = request.query_params.get("lang", "")
        kept = request.cookies.get(LANGUAGE_COOKIE, "")
        found = next((each for each in (asked, language, kept) if each in LANGUAGES), "")
        spoken = found or language_of(request.headers.get("accept-language", ""))
        shade = theme or request.cookies.get(THEME_COOKIE, "")
        zone = request.cookies.get(ZONE_COOKIE, "").replace("%2F", "/")
        return cls(
            spoken, request.url.path, shade if shade in THEMES else "", zone if _zone(zone) else "UTC",
            asked in LANGUAGES, _now(request),
        )  # fmt: skip

    @property
    def words(self) -> Words:
        """Return the texts in this language."""
        return words(self.language)

    def _(self, message: str, **values: object) -> str:
        """Return a text, with what its %(names)s stand for."""
        return self.words.gettext(message) % values if values else self.words.gettext(message)

    def told(self, text: str) -> str:
        """Return a text of an action, such as a problem, where the catalogues have it; else as it stands."""
        if isinstance(text, Worded):
            return self._(text.pattern) % {name: self._value(each) for name, each in text.values.items()}
        said = self._(text) if text else ""
        if said != text or self.language == "en" or (found := self.words.recognised(text)) is None:
            return said
        pattern, values = found
        return self._(pattern) % {name: self._read(name, each) for name, each in values.items()}

    def refusal(self, error: KaskadError) -> str:
        """Return what an error says, all of it."""
        said = error.worded if isinstance(error, Invalid) else (wording(error),)
        return " ".join(self.told(each) for each in said)

    def refusals(self, error: Invalid) -> dict[str, str]:
        """Return what an error says by the field that it is about; "" is the whole."""
        found: dict[str, str] = {}
        for pointer, said in zip(error.pointers, error.worded, strict=True):
            field = pointer.removeprefix("/")
            found[field] = f"{found[field]} {self.told(said)}" if field in found else self.told(said)
        return found

    def _value(self, value: object) -> object:
        """Return what stands in a text: a channel's word, a sentence, or a name or number as it is."""
        if isinstance(value, Channel):
            return self.word("channel", value.value)
        if isinstance(value, Amount):
            return format_money(value.money, self.language)
        if isinstance(value, Worded):
            return self.told(value)
        return self._spaced(value) if isinstance(value, str) and " " in value else value

    def _read(self, name: str, value: str) -> str:
        """Return what was found in a text: a channel's or a figure's word, a sentence, or a name as it is."""
        if name in _CHANNEL_PLACES and value in WORDS["channel"]:
            return self.word("channel", value)
        if name == "why":
            return self.coded(value)
        if name == "figure":
            return self._(value)
        return self._spaced(value) if " " in value else value

    def _spaced(self, value: str) -> str:
        """Return a share, or a sentence, that stands in a text."""
        if self.language == "ru" and (share := _PERCENT.fullmatch(value)):
            return f"{share[1]},{share[2]}\u00a0%"
        return self.told(value)

    def word(self, kind: str, name: str) -> str:
        """Return how a channel, an outcome, a reason … is called (`words.py`)."""
        return self._(WORDS[kind][name])

    def by(self, who: str) -> str:
        """Return how somebody is called who did something."""
        return self._(NAMELESS[who]) if who in NAMELESS else who

    def coded(self, text: str) -> str:
        """Return the word of a failure's code, such as no_answer; of other texts what they say."""
        codes = (self.word(kind, text) for kind in ("call", "reason", "skip") if text in WORDS[kind])
        return next(codes, None) or self.told(text)

    def n(self, number: float) -> str:
        """Return a number with its thousands set apart."""
        return format_number(number, self.language)

    def pct(self, share: float) -> str:
        """Return a share as a percentage."""
        shown = f"{share * 100:.1f}" if 0 < share < 0.1 else f"{share * 100:.0f}"
        return f"{shown.replace('.', ',')}\u00a0%" if self.language == "ru" else f"{shown}%"

    def money(self, amounts: Amounts) -> str:
        """Return amounts of several currencies; "" where there are none."""
        return " + ".join(format_money(each, self.language) for each in money(amounts))

    def fine(self, amount: str, currency: str) -> str:
        """Return an amount in whole units that may be finer than the currency's coins."""
        return format_fine(amount, currency, self.language)

    def rate(self, value: Decimal) -> str:
        """Return as much of an exchange rate as people look at."""
        return format_number(_RATE.plus(value), self.language)

    def rounded(self, amounts: Mapping[str, float]) -> str:
        """Return amounts whose minor units are not whole, such as means."""
        return self.money({name: round(minor) for name, minor in amounts.items()})

    def decimal(self, number: float) -> str:
        """Return a number with one digit behind the point."""
        shown = f"{number:,.1f}"
        return shown.translate({ord(","): "\u00a0", ord("."): ","}) if self.language == "ru" else shown

    def each(self, amounts: Amounts, count: int) -> str:
        """Return what each of so many has cost; "" for nothing or nobody."""
        return self.rounded({name: minor / count for name, minor in amounts.items()}) if count else ""

    def audience(self, told: str) -> str:
        """Return whom a launch is for; a first part is told by whom it is of."""
        kind, _, name = told.partition(" ")
        if kind == "canary":
            return self._("first part of: %(whom)s", whom=self.audience(name.removeprefix("of ")))
        if kind == "seed":
            return self.word("audience", kind)
        return f"{self.word('audience', kind or 'some_list')} {name}".strip()

    def day(self, at: int) -> str:
        """Return the day of an instant: "26 Nov 2026"."""
        return format_skeleton("yMMMd", self._local(at), locale=self._locale)

    def month(self, at: int) -> str:
        """Return the month of UTC of an instant: "Nov 2026"."""
        return format_datetime(datetime.fromtimestamp(at / 1000, UTC), "LLL y", locale=self._locale)

    def week(self, at: int) -> str:
        """Return the day of UTC that a week begins with: "23 Nov 26"."""
        return format_datetime(datetime.fromtimestamp(at / 1000, UTC), "d MMM yy", locale=self._locale)

    def utc_day(self, at: int) -> str:
        """Return the day of UTC of an instant: "23 Nov"."""
        return format_datetime(datetime.fromtimestamp(at / 1000, UTC), "d MMM", locale=self._locale)

    def utc_date(self, at: int) -> str:
        """Return the day of UTC of an instant, with its year: "23 Nov 2026"."""
        return format_skeleton("yMMMd", datetime.fromtimestamp(at / 1000, UTC), locale=self._locale)

    def time(self, at: int) -> str:
        """Return an instant as day and time: "26 Nov, 14:05"; of another year with the year."""
        local = self._local(at)
        same = local.year == self._local(self.now or wall_ms()).year
        day = format_skeleton("MMMd" if same else "yMMMd", local, locale=self._locale)
        return f"{day}, {format_skeleton('Hm', local, locale=self._locale)}"

    def wall_time(self, wall_at: int) -> str:
        """Return what a clock shows, told as if it were UTC: "26 Nov 2026, 14:05"."""
        shown = datetime.fromtimestamp(wall_at / 1000, UTC)
        return f"{self.utc_date(wall_at)}, {format_skeleton('Hm', shown, locale=self._locale)}"

    def clock(self, at: int) -> str:
        """Return the time of an instant with seconds; the zone only where the reader's is not known."""
        zone = " UTC" if self.zone == "UTC" else ""
        return format_datetime(self._local(at), "HH:mm:ss", locale=self._locale) + zone

    def iso(self, at: int) -> str:
        """Return an instant as machines read it."""
        return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds")

    def ago(self, at: int, now: int = 0) -> str:
        """Return how far an instant is from now: "3 minutes ago", "in 2 hours"."""
        span = timedelta(milliseconds=at - (now or self.now or wall_ms()))
        return format_timedelta(span, add_direction=True, locale=self._locale)

    def span(self, ms: int) -> str:
        """Return how long something takes: "6 hours"."""
        return format_timedelta(timedelta(milliseconds=ms), locale=self._locale, threshold=1.2)

    def keep(self, response: Response) -> None:
        """Let the browser remember the language that was just chosen."""
        if self.chosen:
            response.set_cookie(LANGUAGE_COOKIE, self.language, YEAR_S, samesite="lax", httponly=True)

    @property
    def wall(self) -> int:
        """Return the wall's clock, by which sessions, keys and webhooks are kept."""
        return wall_ms()

    @property
    def _locale(self) -> str:
        return "en_GB" if self.language == "en" else self.language

    def _local(self, at: int) -> datetime:
        zone: tzinfo = _zone(self.zone) or UTC
        return datetime.fromtimestamp(at / 1000, zone)


def _now(request: Request) -> int:
    office: Office | None = getattr(request.app.state, "office", None)
    return office.now() if office is not None else 0


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None

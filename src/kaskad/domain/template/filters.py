"""The filters that Liquid lacks: money, numbers, dates and plurals as a person's language and zone have them.

The scope's `here` says whose they are; without it they are Russian, and UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation, Overflow
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec import Struct

from kaskad.domain.money import BadMoney, format_amount, format_number
from kaskad.domain.sms import Encoding, encoding
from kaskad.domain.template.problem import RenderError
from kaskad.domain.worded import worded

HERE = "kaskad_here"  # the name in a scope under which a `Here` stands
MAX_PATTERN = 100
_SECONDS_UNTIL = 100_000_000_000  # larger numbers are milliseconds: as seconds they are past the year 5138

# GOST 7.79-2000 B without its apostrophes, which an SMS has no use for; Kazakh by the sound.
_LATIN = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "yo", "ж": "zh", "з": "z", "и": "i",
    "й": "y", "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t",
    "у": "u", "ф": "f", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ы": "y", "ь": "",
    "э": "e", "ю": "yu", "я": "ya", "ә": "a", "ғ": "g", "қ": "q", "ң": "n", "ө": "o", "ұ": "u", "ү": "u",
    "һ": "h", "і": "i", "ї": "yi", "є": "ye", "ґ": "g",
}  # fmt: skip
_TRANSLIT = {ord(letter): latin for letter, latin in _LATIN.items()} | {
    ord(letter.upper()): latin.capitalize() for letter, latin in _LATIN.items()
}
_TRANSLIT |= {ord("«"): '"', ord("»"): '"', ord("—"): "-", ord("–"): "-", ord("…"): "...", ord("№"): "N",
              ord("₸"): "KZT", ord("₽"): "RUB", 0xA0: " ", 0x202F: " ", ord("„"): '"', ord("“"): '"',
              ord("”"): '"', ord("’"): "'", ord("‘"): "'"}  # fmt: skip
_PLAIN_SIGNS = {
    sign: plain for sign, plain in _TRANSLIT.items() if not chr(sign).isalpha() and chr(sign) not in "№₸₽"
}  # signs that say the same
_PATRONYMIC = (
    "вич", "вна", "ична", "кызы", "қызы", "оглы", "улы", "ұлы", "vich", "vna", "ichna", "kyzy", "qyzy", "uly",
)  # fmt: skip
_SURNAME = ("ов", "ова", "ев", "ева", "ёв", "ёва", "ин", "ина", "ын", "ына", "ский", "ская", "цкий", "цкая",
            "ко", "юк", "ук", "ян", "дзе", "швили", "баев", "баева", "беков", "бекова")  # fmt: skip


# CLDR 48, fields/day, and how day and time are joined there (dateTimeFormat-type-atTime); babel has neither.
DAYS = {
    "ru": {-2: "позавчера", -1: "вчера", 0: "сегодня", 1: "завтра", 2: "послезавтра"},
    "kk": {-2: "алдыңгүні", -1: "кеше", 0: "бүгін", 1: "ертең", 2: "бүрсігүні"},
    "en": {-1: "yesterday", 0: "today", 1: "tomorrow"},
}
AT = {"ru": "{} в {}", "en": "{} at {}"}


class Here(Struct, frozen=True):
    """The language (`ru`, `kk`, `en`, …) and the time zone in which a person reads."""

    language: str = "ru"
    zone: str = "UTC"
    now: int = 0  # the instant of sending, in milliseconds; 0: there is none


NOWHERE = Here()


def money(here: Here, value: object, currency: object, language: object = "") -> str:
    """Return an amount with its currency: 12 500 ₸."""
    return _shown(format_amount, value, str(currency), str(language) or here.language)


def number(here: Here, value: object, language: object = "") -> str:
    """Return a number with its thousands set apart."""
    return _shown(format_number, value, str(language) or here.language)


def local_date(here: Here, value: object, pattern: object, language: object = "") -> str:
    """Return an instant or a day by a pattern of Unicode ("d MMMM", "EEEE HH:mm") in the person's words.

    https://www.unicode.org/reports/tr35/tr35-dates.html#Date_Field_Symbol_Table
    """
    from babel.core import UnknownLocaleError
    from babel.dates import format_date, format_datetime

    pattern, told = str(pattern), str(language) or here.language
    if len(pattern) > MAX_PATTERN:
        raise RenderError(
            worded("a date's pattern may have %(max_pattern)s characters", max_pattern=MAX_PATTERN)
        )
    moment = instant_of(value, here.zone)
    try:
        if isinstance(moment, datetime):
            return format_datetime(moment, pattern, locale=_locale(told))
        return format_date(moment, pattern, locale=_locale(told))
    except (UnknownLocaleError, ValueError, KeyError, AttributeError, TypeError):
        remedy = worded('write for example "d MMMM" or "dd.MM.yyyy HH:mm"')
        raise RenderError(
            worded(
                "%(pattern_)r is no pattern for %(value)r: %(remedy)s",
                pattern_=pattern,
                value=str(value)[:40],
                remedy=remedy,
            )
        ) from None


def days_until(here: Here, value: object) -> int:
    """Return how many midnights of the person lie between the sending and an instant or day."""
    if not here.now:
        raise RenderError(worded("how far a day is away is known only in a message to somebody"))
    moment = instant_of(value, here.zone)
    day = moment.date() if isinstance(moment, datetime) else moment
    today = datetime.fromtimestamp(here.now / 1000, _zone(here.zone)).date()
    return (day - today).days


def day_words(here: Here, value: object, language: object = "") -> str:
    """Return when something is, as one says it on the day of sending: завтра в 08:00, 4 июня в 08:00."""
    from babel.dates import format_date, format_time

    locale = _locale(str(language) or here.language)
    words = DAYS.get(locale[:2])
    day = (words or {}).get(days_until(here, value))
    moment = instant_of(value, here.zone)
    if day is None:
        day = format_date(moment, "MMMM d" if locale == "en" else "d MMMM", locale=locale)
    if not isinstance(moment, datetime):
        return day
    time = format_time(moment.timetz(), "short", locale=locale)
    narrow = "\u202f"  # between 8:00 and AM; one would make an SMS UCS-2
    return AT.get(locale[:2], "{}, {}").format(day, time).replace(narrow, " ")


def plural(_: Here, value: object, *forms: object) -> str:
    """Return the form that goes with a number.

    Three forms are for 1, 2 and 5 (товар, товара, товаров), two for 1 and the rest, one for all.
    """
    words = [str(form) for form in forms]
    try:
        count = abs(Decimal(str(value).strip().replace(",", ".")))
    except (InvalidOperation, Overflow):
        raise RenderError(
            worded("%(value)r is not a number that a plural could go with", value=str(value)[:40])
        ) from None
    if isinstance(value, bool) or not count.is_finite() or not 1 <= len(words) <= 3:
        raise RenderError(
            worded(
                "plural takes a number and up to three forms: %(example)s",
                example='plural: "товар", "товара", "товаров"',
            )
        )
    if len(words) < 3:
        return words[0] if count == 1 else words[-1]
    if count != count.to_integral_value():
        return words[1]
    ones, tens = int(count % 10), int(count % 100)
    if ones == 1 and tens != 11:
        return words[0]
    return words[1] if 2 <= ones <= 4 and not 12 <= tens <= 14 else words[2]


def first_name(_: Here, value: object) -> str:
    """Return the given name out of a full one, with its first letter large: ИВАНОВА АННА ПЕТРОВНА → Анна."""
    words = [word for word in str(value).replace(",", " ").split() if not word.endswith(".")]
    if not words:
        return ""
    return "-".join(part[:1].upper() + part[1:].lower() for part in _given(words).split("-"))


def _given(words: list[str]) -> str:
    """Return the given name: before a patronymic, else behind a surname, else the first word."""
    for place, word in enumerate(words):
        if place and word.lower().endswith(_PATRONYMIC):
            return words[place - 1]
    if len(words) == 2 and words[0].lower().endswith(_SURNAME) and not words[1].lower().endswith(_SURNAME):
        return words[1]
    return words[0]


def translit(_: Here, value: object) -> str:
    """Return a text in Latin letters, so that an SMS has room for 160 of them."""
    return str(value).translate(_TRANSLIT)


def gsm(_: Here, value: object) -> str:
    """Return a text with plain quotes, dashes and blanks, if that makes it fit GSM-7; else as it was."""
    text = str(value)
    plain = text.translate(_PLAIN_SIGNS)
    return plain if encoding(plain) is Encoding.GSM7 else text


def instant_of(value: object, zone: str) -> datetime | date:
    """Return an instant in a zone, or a day; raises RenderError.

    Read are ISO 8601, with an offset or as the zone's own wall clock, and seconds or milliseconds since 1970.
    """
    there = _zone(zone)
    try:
        if isinstance(value, datetime):
            return value.astimezone(there) if value.tzinfo else value.replace(tzinfo=there)
        if isinstance(value, date):
            return value
        text = str(value).strip()
        if (isinstance(value, int | float) and not isinstance(value, bool)) or (
            text.isdecimal() and len(text) > 8
        ):
            at = float(text)
            seconds = at / 1000 if at >= _SECONDS_UNTIL else at
            return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).astimezone(there)
        if len(text) == 10:
            return date.fromisoformat(text)
        read = datetime.fromisoformat(text)
        return read.astimezone(there) if read.tzinfo else read.replace(tzinfo=there)
    except (ValueError, OverflowError):
        remedy = worded("write it as 2026-03-08 or 2026-03-08T10:00:00+05:00")
        raise RenderError(
            worded("%(value)r is no instant: %(remedy)s", value=str(value)[:40], remedy=remedy)
        ) from None


def _shown(function: Callable[..., str], value: object, *args: str) -> str:
    try:
        return function(value, *args)
    except BadMoney as problem:
        raise RenderError(str(problem)) from None


@lru_cache(512)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return ZoneInfo("UTC")


@lru_cache(64)
def _locale(language: str) -> str:
    """Return the name of a locale that babel has: the language without its country where that is needed."""
    from babel.core import Locale, UnknownLocaleError

    for name in (language.replace("-", "_"), language[:2].lower()):
        try:
            return str(Locale.parse(name))
        except (UnknownLocaleError, ValueError):
            continue
    return "en"


LOCAL: dict[str, Callable[..., str | int]] = {
    "money": money,
    "number": number,
    "day_words": day_words,
    "days_until": days_until,
    "plural": plural,
    "first_name": first_name,
    "gsm": gsm,
    "translit": translit,
}

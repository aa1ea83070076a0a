"""Tell what each column of a file of people is: as asked for, by its header, or by what stands in it.

A column is a field of the contact (`COLUMNS` below), `consent_CHANNEL`, `trigger.x` (property `x` of the
event that enrols the person), `contact.x` (an attribute), `date.x` (an attribute whose dates are kept as
2026-02-14), or "", which is not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import lru_cache

from msgspec import Struct

from kaskad.domain.address import BadAddress, normalise_email, normalise_phone
from kaskad.domain.errors import Invalid
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded

COLUMNS: dict[str, tuple[str, ...]] = {  # what a column is -> its headers, lower-case letters and digits only
    "external_id": ("externalid", "id", "contactid", "crmid", "код", "номер", "userid", "customerid"),
    "name": ("name", "firstname", "fullname", "имя", "фио", "аты", "фиоклиента", "имяклиента"),
    "email": ("email", "mail", "emailaddress", "почта", "электроннаяпочта", "емейл", "имейл",
              "адресэлектроннойпочты", "emailадрес", "элпочта", "эпочта"),
    "sms": ("phone", "mobile", "tel", "sms", "phonenumber", "mobilephone", "cell", "телефон", "мобильный",
            "сотовый", "тел", "моб", "номертелефона", "мобильныйтелефон", "сотовыйтелефон", "телефоны",
            "мобтелефон", "контактныйтелефон"),
    "telegram": ("telegram", "telegramid", "tg", "телеграм"),
    "whatsapp": ("whatsapp", "wa", "ватсап"),
    "viber": ("viber", "вайбер"),
    "vk": ("vk", "vkid", "вк", "вконтакте"),
    "max": ("max", "maxid", "макс"),
    "push": ("push", "pushtoken"),
    "facebook_messenger": ("facebookmessenger", "messenger", "psid"),
    "instagram": ("instagram", "igsid"),
    "zone": ("zone", "timezone", "tz", "часовойпояс"),
    "language": ("language", "lang", "locale", "язык"),
    "country": ("country", "страна"),
    "tracking": ("trackingconsent", "tracking"),
    "seed": ("seed", "seedcontact", "testcontact", "тестовыйконтакт"),
    "consent": ("consent", "согласие", "optin"),
}  # fmt: skip
SKIP = "skip"
EXPORTED = ("health", "consents", "lists", "contact")  # of a file of ours: for reading only

_BY_HEADER = {header: field for field, headers in COLUMNS.items() for header in headers}
_CHANNELS = frozenset(channel.value for channel in Channel)
_PREFIXES = ("contact.", "date.", "trigger.")
_MOST = 0.8  # of the cells of a column must be of a kind
_LONGEST_TOLD = 40  # characters of a header
_FEWEST = 3  # cells by which a column is judged
# Not by strptime, which takes twenty times as long.
_year_first = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})").fullmatch
_day_first = re.compile(r"(?P<day>[0-9]{1,2})([./])(?P<month>[0-9]{1,2})\2(?P<year>[0-9]{4})").fullmatch
_our_id = re.compile(r"con_[0-9]+").fullmatch
_whole_number = re.compile(r"[\d\s()+.-]{10,25}").fullmatch


class Taken(Struct, frozen=True):
    """What each column is, in the order of the header, and which of them were told by their cells only."""

    meanings: list[str]
    guessed: list[str]


def propose(
    header: Sequence[str], rows: Sequence[Sequence[str]], asked: Mapping[str, str], country: str | None,
    source: str,
) -> Taken:  # fmt: skip
    """Return what the columns are, with what the caller has `asked` (header -> meaning) before all else.

    `rows` are the first of the file. Raises Invalid where it cannot be told, or nothing names a person.
    """
    problems = _unknown(header, asked, source)
    ours = _is_ours(header, rows)
    meanings = [
        _asked(name, asked[name]) if name in asked else "" if ours and _is_to_read(name) else _meaning(name)
        for name in header
    ]
    guessed = _by_cells(header, meanings, rows, asked, country)
    problems += _clashes(header, meanings, source)
    if not any(meaning == "external_id" or meaning in _CHANNELS for meaning in meanings):
        there = ", ".join(repr(name[:_LONGEST_TOLD]) for name in header[:20] if name)
        problems.append(
            worded(
                "%(source)s: no column names or reaches a person: there must be id, email, "
                "phone, or a chat id (%(there)s are there): call one so, or let `kaskad import` know by "
                "--map 'COLUMN=phone'",
                source=source,
                there=there,
            )
        )
    if problems:
        raise Invalid(problems)
    return Taken(meanings, guessed)


def header_of(attribute: str) -> str:
    """Return the header under which an export writes an attribute, so that an import reads it as that one."""
    own = f"contact.{attribute}"
    plain = attribute == "name" or (_meaning(attribute) == own and not _is_to_read(attribute))
    return attribute if plain else own


def _is_to_read(name: str) -> bool:
    """Say whether a column of an export is for reading only; JSON has one for each address in `health`."""
    return name in EXPORTED or name.startswith("health.")


def _is_ours(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Say whether an export wrote the file; JSON Lines have no fields for what nobody has."""
    if "contact" not in header:
        return False
    place = header.index("contact")
    cells = [row[place] for row in rows if place < len(row) and row[place]]
    return all(map(_our_id, cells)) and (bool(cells) or set(EXPORTED) <= set(header))


def _unknown(header: Sequence[str], asked: Mapping[str, str], source: str) -> list[str]:
    known = ", ".join(repr(name) for name in header if name)
    problems: list[str] = [
        worded(
            "%(source)s has no column %(name)r, which a mapping names: it has %(known)s",
            source=source,
            name=name,
            known=known,
        )
        for name in asked
        if name not in header
    ]
    for name, meaning in asked.items():
        if _asked(name, meaning) == "?":
            fields = ", ".join(COLUMNS).replace("sms", "phone").replace("external_id", "id")
            problems.append(
                worded(
                    "column %(name)r cannot be %(meaning)r: it is one of %(fields)s, "
                    "consent_CHANNEL, attribute, contact.NAME, date.NAME, trigger.NAME, skip",
                    name=name,
                    meaning=meaning,
                    fields=fields,
                )
            )
    return problems


def _asked(name: str, meaning: str) -> str:
    """Return a meaning as it is kept; "?" for what is none."""
    if meaning in ("id", "phone", "attribute", SKIP):
        return {"id": "external_id", "phone": "sms", "attribute": f"contact.{name}"}.get(meaning, "")
    if meaning in COLUMNS or _is_consent(meaning):
        return meaning
    if meaning == "date":
        return f"date.{name}"
    return meaning if any(meaning.startswith(each) and meaning != each for each in _PREFIXES) else "?"


def _clashes(header: Sequence[str], meanings: Sequence[str], source: str) -> list[str]:
    named = [name for name in header if name]
    problems: list[str] = [
        worded("%(source)s: column %(name)r is there twice: rename one of them", source=source, name=name)
        for name in sorted({name for name in named if named.count(name) > 1})
    ]
    if problems:
        return problems
    for meaning in sorted(set(meanings) - {""}):
        if meanings.count(meaning) > 1:
            both = [name for name, same in zip(header, meanings, strict=True) if same == meaning]
            problems.append(
                worded(
                    "%(source)s: columns %(known)s are both %(meaning)s: rename one of them, or "
                    "leave one out by `kaskad import --map '%(both)s=skip'`",
                    source=source,
                    known=" and ".join(both),
                    meaning=meaning,
                    both=both[-1],
                )
            )
    return problems


@lru_cache(maxsize=2_000)
def _meaning(name: str) -> str:
    if name.startswith(("trigger.", "contact.")) and not name.endswith("."):
        return name
    plain = re.sub(r"[\W_]+", "", name.lower())
    if plain in _BY_HEADER:
        return _BY_HEADER[plain]
    lower = name.lower().replace(" ", "_").replace("-", "_")
    if _is_consent(lower):
        return lower
    return f"contact.{name}" if name else ""


def _is_consent(text: str) -> bool:
    return text.startswith("consent_") and text.removeprefix("consent_") in {*_CHANNELS, "phone"}


def _by_cells(
    header: Sequence[str], meanings: list[str], rows: Sequence[Sequence[str]], asked: Mapping[str, str],
    country: str | None,
) -> list[str]:  # fmt: skip
    """Change what the cells of columns without a known header show; return which columns those are."""
    kinds: tuple[tuple[str, Callable[[str], bool]], ...] = (
        ("email", _is_mail), ("sms", lambda cell: _is_phone(cell, country)), ("date", _is_date),
    )  # fmt: skip
    changed = []
    for place, name in enumerate(header):
        if name in asked or not meanings[place].startswith("contact."):
            continue
        cells = [row[place].strip() for row in rows if place < len(row) and row[place].strip()]
        for kind, holds in kinds:
            if kind in meanings or len(cells) < _FEWEST:
                continue
            if sum(map(holds, cells)) >= _MOST * len(cells):
                meanings[place] = f"date.{name}" if kind == "date" else kind
                changed.append(name)
                break
    return changed


def _is_mail(cell: str) -> bool:
    try:
        return "@" in cell and bool(normalise_email(cell))
    except BadAddress:
        return False


def _is_phone(cell: str, country: str | None) -> bool:
    """Return whether it is a telephone's number, and is written like one: other numbers are long as well."""
    written = cell.startswith("+") or any(sign in cell for sign in " (-") or cell[0] in "78"
    try:
        return bool(written and _whole_number(cell) and normalise_phone(cell, country))
    except BadAddress:
        return False


def _is_date(cell: str) -> bool:
    return iso_date(cell) is not None


@lru_cache(maxsize=20_000)
def iso_date(cell: str) -> str | None:
    """Return a date (2026-02-14, 14.02.2026, 14/02/2026) as 2026-02-14, None for what is none."""
    found = _year_first(cell) or _day_first(cell)
    if found is None:
        return None
    parts = found.groupdict()
    try:
        return date(int(parts["year"]), int(parts["month"]), int(parts["day"])).isoformat()
    except ValueError:
        return None

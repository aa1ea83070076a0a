"""Read people from a CSV file: who they are, where they are reached, what they allowed, and why they enter.

What a column means follows from its header, in English or Russian (`COLUMNS` below). A column `trigger.x` is
property `x` of the event that enrols the person; any other column is an attribute of the contact. Nothing is
dropped silently: what cannot be read stands in `notes` with its row as a spreadsheet counts it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from kaskad.domain.address import BadAddress, country_of, normalise
from kaskad.domain.consent import ALL_CHANNELS, ANY
from kaskad.domain.errors import Invalid
from kaskad.domain.hours import is_zone
from kaskad.domain.terms import Channel, MessageClass
from kaskad.store.contacts import Address, Consent, Contact

COLUMNS: dict[str, tuple[str, ...]] = {  # what a column is -> its headers in lower case without _, -, spaces
    "external_id": ("externalid", "id", "contactid", "crmid", "код", "номер"),
    "name": ("name", "firstname", "имя"),
    "email": ("email", "mail", "почта", "электроннаяпочта", "емейл"),
    "sms": ("phone", "mobile", "tel", "sms", "телефон", "мобильный", "сотовый"),
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
    "consent": ("consent", "согласие", "optin"),
}
YES = frozenset({"yes", "y", "true", "1", "да", "д", "+", "✓", "иә"})
NO = frozenset({"no", "n", "false", "0", "нет", "н", "-", "жоқ"})

_BY_HEADER = {header: field for field, headers in COLUMNS.items() for header in headers}
_CHANNELS = {channel.value: channel for channel in Channel}
_TELEPHONE = (Channel.SMS, Channel.ROBOT_CALL, Channel.AGENT_CALL)
_ADVERTISING = MessageClass.ADVERTISING.code
_DATES = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y")
_whole = re.compile(r"-?(?:0|[1-9]\d{0,14})").fullmatch
_decimal = re.compile(r"-?\d{1,12}\.\d{1,9}").fullmatch
_ENCODINGS = ("utf-8-sig", "cp1251")
_DELIMITERS = ",;\t|"
_LONGEST_HEADER = 65_536
_LONGEST_ID = 200
_AT_ONCE = 10_000


class Person(Struct, frozen=True):
    """One row: the contact, and the properties of what makes it enter."""

    row: int
    contact: Contact
    properties: dict[str, Any]


class Note(Struct, frozen=True):
    """What could not be read. `rejected`: the whole row was left out, else only what the text names."""

    row: int
    text: str
    rejected: bool = False


class People(Struct, frozen=True):
    """A file as it was read; `columns` tells of each header what it was taken for."""

    people: tuple[Person, ...]
    notes: tuple[Note, ...]
    columns: dict[str, str]
    encoding: str
    delimiter: str

    @property
    def consented(self) -> int:
        """Return how many people the file shows a consent of."""
        return sum(any(consent.granted for consent in person.contact.consents) for person in self.people)

    @property
    def has_consents(self) -> bool:
        return any(meaning.startswith("consent") for meaning in self.columns.values())


class Piece(Struct, frozen=True):
    """Some rows of a file."""

    people: tuple[Person, ...]
    notes: tuple[Note, ...]
    rows: int  # read so far, with what was left out


class PeopleFile:
    """A CSV file whose first line has been understood; its rows are read when they are asked for.

    `country` is where numbers without a country code were written; `source` and `told_at` (when the file was
    first imported) are kept as the proof of the consents in it. Raises Invalid.
    """

    def __init__(self, data: bytes, source: str, country: str | None, told_at: int) -> None:
        encoding = encoding_of(data, source)
        self.encoding = encoding.removesuffix("-sig")
        self.rows_about = max(data.count(b"\n") - data.endswith(b"\n"), 0)  # lines, but for the header
        text = io.TextIOWrapper(io.BytesIO(data), encoding, "replace", newline="")
        self.delimiter = delimiter_of(text.read(_LONGEST_HEADER))
        text.seek(0)
        self._source = source
        self._row = 1  # the header is row 1, as in a spreadsheet
        self._rows = csv.reader(text, delimiter=self.delimiter)
        with self._told():
            header = [name.strip() for name in next(self._rows, [])]
        meanings = _meanings(header, source)
        self.columns = dict(zip(header, meanings, strict=True))
        self._reader = _Reader(meanings, country, source, told_at)

    def take(self, rows: int) -> Piece | None:
        """Return the people of the next so many rows, None at the end; raises Invalid where it breaks off."""
        with self._told():
            taken = list(islice(self._rows, rows))
        if not taken:
            return None
        for cells in taken:
            self._row += 1
            self._reader.read(self._row, cells)
        return Piece(*self._reader.take(), self._row - 1)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except csv.Error as error:
            raise Invalid([f"{self._source}, line {self._rows.line_num}: {error}"]) from None


def read_people(data: bytes, source: str, country: str | None, told_at: int) -> People:
    """Return all people of a CSV file, as `PeopleFile` reads it; raises Invalid."""
    file = PeopleFile(data, source, country, told_at)
    pieces = list(iter(lambda: file.take(_AT_ONCE), None))
    people = tuple(person for piece in pieces for person in piece.people)
    notes = tuple(note for piece in pieces for note in piece.notes)
    return People(people, notes, file.columns, file.encoding, file.delimiter)


def encoding_of(data: bytes, source: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        if "\0" in data.decode("utf-16", "replace"):
            raise Invalid([f"{source} holds the character U+0000: save it as CSV in UTF-8"])
        return "utf-16"
    if b"\0" in data:
        raise Invalid([f"{source} is no text: save it as CSV in UTF-8"])
    for encoding in _ENCODINGS:
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    raise Invalid([f"{source} is neither UTF-8 nor Windows-1251 text: save it as CSV in UTF-8"])


def delimiter_of(text: str) -> str:
    """Return what separates the cells: what the header has most of, outside quotes."""
    header = re.sub(r'"[^"]*"', "", text.lstrip().splitlines()[0]) if text.strip() else ""
    return max(_DELIMITERS, key=header.count)


def _meanings(header: Sequence[str], source: str) -> list[str]:
    """Return what each column is; raises Invalid where that cannot be told, or nothing names a person."""
    problems = []
    if not any(header):
        raise Invalid([f"{source} is empty: its first line must name the columns, such as id,name,email"])
    meanings = [_meaning(name) for name in header]
    for name in {name for name in header if header.count(name) > 1}:
        problems.append(f"{source}: column {name!r} is there twice: rename one of them")
    for meaning in sorted(set(meanings) - {""}):
        if meanings.count(meaning) > 1 and len(set(header)) == len(header):
            both = [name for name, same in zip(header, meanings, strict=True) if same == meaning]
            problems.append(f"{source}: columns {' and '.join(both)} are both {meaning}: rename one of them")
    if not any(meaning == "external_id" or meaning in _CHANNELS for meaning in meanings):
        problems.append(
            f"{source}: no column names or reaches a person: there must be id, email, phone, or a chat id"
        )
    if problems:
        raise Invalid(problems)
    return meanings


def _meaning(name: str) -> str:
    if name.startswith("trigger."):
        return name
    plain = re.sub(r"[\s_-]+", "", name.lower())
    if plain in _BY_HEADER:
        return _BY_HEADER[plain]
    lower = name.lower().replace(" ", "_").replace("-", "_")
    if lower.startswith("consent_") and lower.removeprefix("consent_") in {*_CHANNELS, "phone"}:
        return lower
    return f"contact.{name}" if name else ""


class _Reader:
    """Reads rows one by one."""

    def __init__(self, meanings: Sequence[str], country: str | None, source: str, told_at: int) -> None:
        self._meanings = meanings
        self._country = country
        self._source = source
        self._told_at = told_at
        self._seen: dict[str, int] = {}  # external id -> its row
        self.people: list[Person] = []
        self.notes: list[Note] = []

    def take(self) -> tuple[tuple[Person, ...], tuple[Note, ...]]:
        """Return who was read since the last call, and what could not be."""
        people, notes = tuple(self.people), tuple(self.notes)
        self.people.clear()
        self.notes.clear()
        return people, notes

    def read(self, row: int, cells: Sequence[str]) -> None:
        """Take one row, or note why not."""
        if not any(cell.strip() for cell in cells):
            return
        if len(cells) > len(self._meanings):
            self._reject(row, f"{len(cells)} cells, and the header names {len(self._meanings)} columns")
            return
        pairs = zip(self._meanings, cells, strict=False)
        told = {meaning: cell.strip() for meaning, cell in pairs if cell.strip()}
        country = self._read_country(row, told) or self._country
        addresses = self._addresses(row, told, country)
        external_id = told.get("external_id")
        if external_id is None and not addresses:
            self._reject(row, "nothing in it names or reaches a person")
            return
        if external_id is not None:
            if len(external_id) > _LONGEST_ID:
                self._reject(row, f"its id has more than {_LONGEST_ID} characters")
                return
            if external_id in self._seen:
                self._reject(row, f"id {external_id!r} is already in row {self._seen[external_id]}")
                return
            self._seen[external_id] = row
        self.people.append(Person(row, self._contact(row, told, external_id, addresses), _properties(told)))

    def _contact(
        self, row: int, told: Mapping[str, str], external_id: str | None, addresses: Sequence[Address]
    ) -> Contact:
        phone = next((a.value for a in addresses if a.channel is Channel.SMS), "")
        attributes = {
            meaning.removeprefix("contact."): _typed(cell)
            for meaning, cell in told.items()
            if meaning.startswith("contact.")
        }
        if "name" in told:
            attributes["name"] = told["name"]
        tracking = _answer(told.get("tracking", ""))
        if "tracking" in told and tracking is None:
            self._note(row, f"tracking {told['tracking']!r} is neither yes nor no: counted as no")
        return Contact(
            external_id=external_id,
            zone=self._zones(row, told.get("zone", "")),
            language=told["language"].lower()[:2] if "language" in told else None,
            country=self._read_country(row, told, quiet=True) or (country_of(phone) if phone else None),
            tracking=None if "tracking" not in told else bool(tracking),
            attributes=attributes,
            addresses=addresses,
            consents=self._consents(row, told),
        )

    def _addresses(self, row: int, told: Mapping[str, str], country: str | None) -> list[Address]:
        found = []
        for meaning, cell in told.items():
            channel = _CHANNELS.get(meaning)
            if channel is not None:
                try:
                    found.append(Address(channel, normalise(channel, cell, country)))
                except BadAddress as error:
                    self._note(row, f"{error}; left out")
        return found

    def _read_country(self, row: int, told: Mapping[str, str], quiet: bool = False) -> str | None:
        country = told.get("country", "").upper()
        if not country:
            return None
        if len(country) == 2 and country.isascii() and country.isalpha():
            return country
        if not quiet:
            self._note(row, f"country {told['country']!r} is no code of two letters, such as KZ; left out")
        return None

    def _zones(self, row: int, cell: str) -> str | None:
        names = cell.replace(",", " ").split()
        for name in names:
            if not is_zone(name):
                self._note(row, f"time zone {name!r} is not known: write such as Asia/Almaty; left out")
        return " ".join(name for name in names if is_zone(name)) or None

    def _consents(self, row: int, told: Mapping[str, str]) -> list[Consent]:
        found = []
        for meaning, cell in told.items():
            if meaning != "consent" and not meaning.startswith("consent_"):
                continue
            granted = _answer(cell)
            at = _instant(cell) if granted is None else None
            granted = True if at is not None else granted
            if granted is None:
                self._note(row, f"{meaning} {cell!r} is neither yes, no nor a date: counted as none")
                continue
            # A "yes" without a date is older than all else that is known; a "no" is as new as the file.
            since = at or (0 if granted else self._told_at)
            found.append(Consent(
                granted=granted, at=since, purpose=ANY if granted else _ADVERTISING,
                channels=_bits(meaning), proof=self._proof(row, cell),
            ))  # fmt: skip
        return found

    def _proof(self, row: int, cell: str) -> str:
        told = datetime.fromtimestamp(self._told_at / 1000, UTC).isoformat(timespec="seconds")
        proof = {"act": "import", "source": self._source, "row": row, "said": cell, "imported_at": told}
        return msgspec.json.encode(proof).decode()

    def _note(self, row: int, text: str) -> None:
        self.notes.append(Note(row, text))

    def _reject(self, row: int, text: str) -> None:
        self.notes.append(Note(row, text, rejected=True))


def _bits(meaning: str) -> int:
    """Return the channels that a consent column speaks of; `consent_phone` is SMS and calls."""
    if meaning == "consent":
        return ALL_CHANNELS
    name = meaning.removeprefix("consent_")
    return sum(1 << each.code for each in (_TELEPHONE if name == "phone" else (_CHANNELS[name],)))


def _properties(told: Mapping[str, str]) -> dict[str, Any]:
    """Return what `trigger.` columns say; a dot in the rest of the name leads one level down."""
    found: dict[str, Any] = {}
    for meaning, cell in told.items():
        if meaning.startswith("trigger."):
            *path, last = meaning.removeprefix("trigger.").split(".")
            place = found
            for name in path:
                place = place.setdefault(name, {}) if isinstance(place.get(name, {}), dict) else {}
            place[last] = _typed(cell)
    return found


def _typed(cell: str) -> str | int | float | bool:
    """Return a number or a truth where the text is one; `007` and long digits stay text."""
    if _whole(cell):
        return int(cell)
    if _decimal(cell):
        return float(cell)
    return {"true": True, "false": False}.get(cell.lower(), cell)


def _answer(cell: str) -> bool | None:
    plain = cell.strip().lower()
    return True if plain in YES else False if plain in NO else None


def _instant(cell: str) -> int | None:
    """Return a date's first instant (UTC), or that of a date and time; None for anything else."""
    for form in _DATES:
        try:
            return int(datetime.strptime(cell, form).replace(tzinfo=UTC).timestamp() * 1000)
        except ValueError:
            continue
    try:
        at = datetime.fromisoformat(cell) if len(cell) > 10 else None
    except ValueError:
        return None
    if at is None:
        return None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)

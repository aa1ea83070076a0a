"""Read rows of a file of people: who it is, where reached, what they allowed, and what was odd in it.

Nothing here asks the database or remembers other rows, so that several processes can read one file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct, field

from kaskad.domain.address import BadAddress, country_of, normalise
from kaskad.domain.consent import ALL_CHANNELS, ANY
from kaskad.domain.hours import is_zone
from kaskad.domain.mailbox import is_role, meant
from kaskad.domain.terms import Channel, MessageClass
from kaskad.engine.columns import iso_date
from kaskad.engine.tables import Line
from kaskad.store.contacts import Address, Consent, Contact

YES = frozenset({"yes", "y", "true", "1", "да", "д", "+", "✓", "иә"})
NO = frozenset({"no", "n", "false", "0", "нет", "н", "-", "жоқ"})
FIXED_TOLD = 20  # of the rows read at once

_CHANNELS = {channel.value: channel for channel in Channel}
_TELEPHONE = (Channel.SMS, Channel.ROBOT_CALL, Channel.AGENT_CALL)
_ADVERTISING = MessageClass.ADVERTISING.code
_LONGEST_ID = 200
_whole = re.compile(r"-?(?:0|[1-9]\d{0,14})").fullmatch
_decimal = re.compile(r"-?\d{1,12}\.\d{1,9}").fullmatch
_formula = re.compile(r"[=@\t\r]|[+-](?![\d\s().-]*$)").match
_rounded = re.compile(r"\d[.,]\d+[eE]\+?\d+").fullmatch
_between_addresses = re.compile(r"[;,/\n|]+")


class Kind(StrEnum):
    """What a note says of its row."""

    REJECTED = "rejected"  # it was left out
    UNREAD = "unread"  # a value of it was left out
    ASKED = "asked"  # an address looks mistyped: you are asked what was meant
    DUPLICATE = "duplicate"  # it is of the same person as an earlier one
    SUPPRESSED = "suppressed"  # an address of it is on the stop-list
    FLAGGED = "flagged"  # taken, but look at it
    FIXED = "fixed"  # taken in another spelling


class Typos(StrEnum):
    """What is done with an address whose domain looks mistyped."""

    ASK = "ask"  # left out until you say which of the two
    KEEP = "keep"
    FIX = "fix"


class Person(Struct, frozen=True):
    """One row: the contact, and the properties of what makes it enter."""

    row: int
    contact: Contact
    properties: dict[str, Any]


class Note(Struct, frozen=True):
    """What was odd in a row. `rejected`: the whole row was left out, else only what the text names."""

    row: int
    text: str
    rejected: bool = False
    kind: Kind = Kind.UNREAD


class Plan(Struct, frozen=True):
    """How rows are read: what each column is, where numbers are from, and what proofs say of the file."""

    meanings: list[str]
    country: str | None
    source: str
    told_at: int
    typos: Typos = Typos.ASK


class Batch(Struct, frozen=True):
    """Rows that were read at once. `fixed` are those in another spelling; only some of them have notes."""

    rows: int
    people: list[Person] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    fixed: list[int] = field(default_factory=list)


def read_rows(plan: Plan, lines: Sequence[Line]) -> Batch:
    """Return who the rows are of, and what was odd in them."""
    reader = _Reader(plan)
    for line in lines:
        reader.read(line)
    return Batch(len(lines), reader.people, reader.notes, reader.fixed)


def read_packed(packed: bytes) -> bytes:
    """Do what `read_rows` does, for a process that is asked from another one."""
    plan, lines = msgspec.msgpack.decode(packed, type=tuple[Plan, list[Line]])
    return msgspec.msgpack.encode(read_rows(plan, lines))


class _Reader:
    """Reads rows one by one."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._told = datetime.fromtimestamp(plan.told_at / 1000, UTC).isoformat(timespec="seconds")
        self._spelled: list[str] = []  # what was taken in another spelling in this row
        self.people: list[Person] = []
        self.notes: list[Note] = []
        self.fixed: list[int] = []

    def read(self, line: Line) -> None:
        """Take one row, or note why not."""
        row, cells = line.row, line.cells
        if line.problem:
            self._reject(row, line.problem)
            return
        if len(cells) > len(self._plan.meanings):
            cells = _trimmed(cells, len(self._plan.meanings))
        if not any(cell.strip() for cell in cells):
            return
        if len(cells) > len(self._plan.meanings):
            self._reject(row, f"{len(cells)} cells, and the header names {len(self._plan.meanings)} columns")
            return
        pairs = zip(self._plan.meanings, cells, strict=False)
        told = {meaning: text for meaning, cell in pairs if meaning and (text := _bare(cell))}
        country = self._read_country(row, told) or self._plan.country
        addresses = self._addresses(row, told, country)
        external_id = told.get("external_id")
        if external_id is None and not addresses:
            self._reject(row, "nothing in it names or reaches a person")
        elif external_id is not None and len(external_id) > _LONGEST_ID:
            self._reject(row, f"its id has more than {_LONGEST_ID} characters")
        else:
            contact = self._contact(row, told, external_id, addresses)
            self.people.append(Person(row, contact, _properties(told)))
            self._tell_spelling(row)
        self._spelled.clear()

    def _tell_spelling(self, row: int) -> None:
        if self._spelled:
            self.fixed.append(row)
            if len(self.fixed) <= FIXED_TOLD:
                self._note(row, "; ".join(self._spelled), Kind.FIXED)

    def _contact(
        self, row: int, told: Mapping[str, str], external_id: str | None, addresses: Sequence[Address]
    ) -> Contact:
        phone = next((a.value for a in addresses if a.channel is Channel.SMS), "")
        tracking = _answer(told.get("tracking", ""))
        if "tracking" in told and tracking is None:
            self._note(row, f"tracking {told['tracking']!r} is neither yes nor no: counted as no")
        return Contact(
            external_id=external_id,
            zone=self._zones(row, told.get("zone", "")),
            language=told["language"].lower()[:2] if "language" in told else None,
            country=self._read_country(row, told, quiet=True) or (country_of(phone) if phone else None),
            tracking=None if "tracking" not in told else bool(tracking),
            attributes=self._attributes(row, told),
            addresses=addresses,
            consents=self._consents(row, told),
        )

    def _attributes(self, row: int, told: Mapping[str, str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for meaning, cell in told.items():
            if meaning.startswith("contact."):
                found[meaning[8:]] = _typed(cell)
            elif meaning.startswith("date."):
                found[meaning[5:]] = self._date(row, cell)
            elif meaning == "name":
                found["name"] = cell
            else:
                continue
            if _formula(cell):
                self._note(row, f"{_short(cell)} looks like a formula: kept as text", Kind.FLAGGED)
        return found

    def _date(self, row: int, cell: str) -> str:
        date = iso_date(cell)
        if date is None:
            self._note(row, f"{_short(cell)} is no date such as 14.02.2026: kept as text", Kind.FLAGGED)
            return cell
        if date != cell:
            self._spelled.append(f"{_short(cell)} taken as {date}")
        return date

    def _addresses(self, row: int, told: Mapping[str, str], country: str | None) -> list[Address]:
        found: list[Address] = []
        for meaning, cell in told.items():
            channel = _CHANNELS.get(meaning)
            if channel is not None:
                for value in self._normal(row, channel, cell, country):
                    checked = self._checked(row, value) if channel is Channel.EMAIL else value
                    if checked is not None:
                        found.append(Address(channel, checked))
        return found

    def _normal(self, row: int, channel: Channel, cell: str, country: str | None) -> list[str]:
        """Return the addresses in a cell as they are kept: one, or those of several that can be read."""
        try:
            value = normalise(channel, cell, country)
        except BadAddress as error:
            parts = [part.strip() for part in _between_addresses.split(cell) if part.strip()]
            if 1 < len(parts) <= 10 and channel is not Channel.PUSH and not _rounded(cell):
                several = [self._normal(row, channel, part, country) for part in parts]
                return list(dict.fromkeys(value for values in several for value in values))
            hint = ": a spreadsheet has rounded it, make its column text" if _rounded(cell) else ""
            self._note(row, f"{error}{hint}; left out")
            return []
        if value != cell:
            self._spelled.append(f"{_short(cell)} taken as {value}")
        return [value]

    def _checked(self, row: int, mail: str) -> str | None:
        """Return the mail address that is taken, None where it must be asked for first; note what is odd."""
        better = meant(mail)
        if better is not None:
            if self._plan.typos is Typos.FIX:
                self._spelled.append(f"{mail!r} taken as {better}, as was asked for")
                return better
            left_out = self._plan.typos is Typos.ASK
            what = "left out until you say which" if left_out else "taken as it is, as was asked for"
            self._note(row, f"{mail!r} looks mistyped: was {better!r} meant? {what}", Kind.ASKED)
            return None if left_out else mail
        if is_role(mail):
            text = f"{mail!r} is the mailbox of a role: no advertising unless its own row shows a consent"
            self._note(row, text, Kind.FLAGGED)
        if mail.rpartition("@")[2] in disposable_domains():
            self._note(row, f"{mail!r} is a mailbox to be thrown away: it will soon be gone", Kind.FLAGGED)
        return mail

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
            at = instant(cell) if granted is None else None
            granted = True if at is not None else granted
            if granted is None:
                self._note(row, f"{meaning} {cell!r} is neither yes, no nor a date: counted as none")
                continue
            # A "yes" without a date is older than all else that is known; a "no" is as new as the file.
            since = at or (0 if granted else self._plan.told_at)
            found.append(Consent(
                granted=granted, at=since, purpose=ANY if granted else _ADVERTISING,
                channels=_bits(meaning), proof=self._proof(row, cell),
            ))  # fmt: skip
        return found

    def _proof(self, row: int, cell: str) -> str:
        proof = {
            "act": "import",
            "source": self._plan.source,
            "row": row,
            "said": cell,
            "imported_at": self._told,
        }
        return msgspec.json.encode(proof).decode()

    def _note(self, row: int, text: str, kind: Kind = Kind.UNREAD) -> None:
        self.notes.append(Note(row, text, kind=kind))

    def _reject(self, row: int, text: str) -> None:
        self.notes.append(Note(row, text, rejected=True, kind=Kind.REJECTED))


@cache
def disposable_domains() -> frozenset[str]:
    """Return domains of mailboxes that are thrown away after use.

    They are the list of https://github.com/disposable-email-domains/disposable-email-domains (CC0), as the
    package disposable-email-domains (MIT) brings it.
    """
    from disposable_email_domains import blocklist

    return frozenset(blocklist)


def _trimmed(cells: list[str], width: int) -> list[str]:
    """Return the cells without the empty ones behind the last column."""
    while len(cells) > width and not cells[-1].strip():
        cells = cells[:-1]
    return cells


def _bare(cell: str) -> str:
    """Return what stands in a cell: some programs write `="0079"` so that a spreadsheet keeps the zeros."""
    text = cell.strip()
    if text.startswith('="') and text.endswith('"') and '"' not in text[2:-1]:
        return text[2:-1].strip()
    return text


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


def instant(cell: str) -> int | None:
    """Return a date's first instant (UTC), or that of a date and time; None for anything else."""
    if day := iso_date(cell):
        return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)
    try:
        at = datetime.fromisoformat(cell) if len(cell) > 10 else None
    except ValueError:
        return None
    if at is None:
        return None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}…")

"""Read rows of a file of people: who it is, where reached, what they allowed, and what was odd in it.

Nothing here asks the database or remembers other rows, so that several processes can read one file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct, field

from kaskad.domain.address import BadAddress, country_of, normalise, normalise_email, normalise_phone
from kaskad.domain.consent import ALL_CHANNELS, ANY
from kaskad.domain.hours import is_zone
from kaskad.domain.mailbox import is_role, meant
from kaskad.domain.terms import Channel, MessageClass
from kaskad.engine.columns import iso_date
from kaskad.engine.sheets import as_told
from kaskad.engine.tables import Line
from kaskad.store.contacts import Consent, Contact, folded
from kaskad.store.crowd import Key, Told

YES = frozenset({"yes", "y", "true", "1", "да", "д", "+", "✓", "иә"})
NO = frozenset({"no", "n", "false", "0", "нет", "н", "-", "жоқ"})
FIXED_TOLD = 20  # of the rows read at once

_CHANNELS = {channel.value: channel for channel in Channel}
_TELEPHONE = (Channel.SMS, Channel.ROBOT_CALL, Channel.AGENT_CALL)
_EMAIL, _SMS = Channel.EMAIL.code, Channel.SMS.code
_TRUTHS = {"true": True, "false": False}
_LENGTHS = frozenset(map(len, _TRUTHS))
_ADVERTISING = MessageClass.ADVERTISING.code
_LONGEST_ID = 200
_AHEAD_MS = 86_400_000  # it may be tomorrow already where a consent was given
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


class Person(Struct, frozen=True, array_like=True):
    """One row: what it tells of the person, and the properties of what makes it enter."""

    row: int
    told: Told
    properties: dict[str, Any]
    seed: bool = False  # of our own people: in no figure

    @property
    def contact(self) -> Contact:
        return self.told.contact


class Note(Struct, frozen=True, array_like=True):
    """What was odd in a row. `rejected`: the whole row was left out, else only what the text names."""

    row: int
    text: str
    rejected: bool = False
    kind: Kind = Kind.UNREAD


class Agreed(Struct, frozen=True):
    """What everybody has agreed to whose own row says nothing of it; `but_mail` is for the mail of a role."""

    consent: Consent
    but_mail: Consent


class Plan(Struct, frozen=True):
    """How rows are read: what each column is, where numbers are from, and what proofs say of the file."""

    meanings: list[str]
    country: str | None
    source: str
    told_at: int
    typos: Typos = Typos.ASK
    agreed: Agreed | None = None
    is_csv: bool = True
    guarded: bool = False  # cells that look like formulas may stand behind an apostrophe
    numbers_on: tuple[Channel, ...] = ()  # channels on which a telephone number is an address too


class Batch(Struct, frozen=True, array_like=True):
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


class _Columns:
    """Where in a row stands what."""

    def __init__(self, meanings: Sequence[str]) -> None:
        fields: dict[str, int] = {}
        self.addresses: list[tuple[int, Channel]] = []
        self.attributes: list[tuple[int, str, bool]] = []  # place, name, whether it holds dates
        self.consents: list[tuple[int, str, int]] = []  # place, meaning, bits of channels
        self.properties: list[tuple[int, list[str]]] = []
        for place, meaning in enumerate(meanings):
            if meaning in _CHANNELS:
                self.addresses.append((place, _CHANNELS[meaning]))
            elif meaning.startswith(("contact.", "date.")):
                kind, _, name = meaning.partition(".")
                self.attributes.append((place, name, kind == "date"))
            elif meaning == "name":
                self.attributes.append((place, meaning, False))
            elif meaning.startswith("trigger."):
                self.properties.append((place, meaning.removeprefix("trigger.").split(".")))
            elif meaning == "consent" or meaning.startswith("consent_"):
                self.consents.append((place, meaning, _bits(meaning)))
            elif meaning:
                fields[meaning] = place
        nowhere = len(meanings)  # an empty cell stands behind the others
        self.external_id = fields.get("external_id", nowhere)
        self.zone, self.language = fields.get("zone", nowhere), fields.get("language", nowhere)
        self.country, self.tracking = fields.get("country", nowhere), fields.get("tracking", nowhere)
        self.seed = fields.get("seed", nowhere)


class _Reader:
    """Reads rows one by one."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._columns = _Columns(plan.meanings)
        self._width = len(plan.meanings)
        # The constant ends of a proof; what lies between is the row and what its cell said.
        told = datetime.fromtimestamp(plan.told_at / 1000, UTC).isoformat(timespec="seconds")
        self._proof_begins = f'{{"act":"import","source":{_json(plan.source)},"row":'
        self._proof_ends = f',"imported_at":"{told}"}}'
        self._spelled: list[str] = []  # what was taken in another spelling in this row
        self.people: list[Person] = []
        self.notes: list[Note] = []
        self.fixed: list[int] = []

    def read(self, line: Line) -> None:
        """Take one row, or note why not."""
        row, cells, columns = line.row, [cell.strip() for cell in line.cells], self._columns
        if self._plan.is_csv and '="' in "".join(cells):
            cells = [_bare(cell) for cell in cells]
        if self._plan.guarded:
            cells = [as_told(cell) for cell in cells]
        if line.problem:
            self._reject(row, line.problem)
            return
        if len(cells) != self._width:
            while len(cells) > self._width and not cells[-1]:
                cells.pop()
            if len(cells) > self._width:
                self._reject(row, f"{len(cells)} cells, and the header names {self._width} columns")
                return
            cells += [""] * (self._width - len(cells))
        if not any(cells) and not any(cell.strip() for cell in line.cells):
            return
        cells.append("")
        stated = self._country(row, cells[columns.country])
        addresses = self._addresses(row, cells, stated or self._plan.country)
        external_id = cells[columns.external_id] or None
        if external_id is None and not addresses:
            self._reject(row, "nothing in it names or reaches a person")
        elif external_id is not None and len(external_id) > _LONGEST_ID:
            self._reject(row, f"its id has more than {_LONGEST_ID} characters")
        else:
            told = self._told(row, cells, external_id, stated, addresses)
            properties = self._properties(cells) if columns.properties else {}
            self.people.append(Person(row, told, properties, self._seed(row, cells[columns.seed])))
            if self._spelled:
                self._tell_spelling(row)
        self._spelled.clear()

    def _tell_spelling(self, row: int) -> None:
        self.fixed.append(row)
        if len(self.fixed) <= FIXED_TOLD:
            self._note(row, "; ".join(self._spelled), Kind.FIXED)

    def _told(
        self, row: int, cells: Sequence[str], external_id: str | None, country: str | None,
        addresses: tuple[Key, ...],
    ) -> Told:  # fmt: skip
        columns = self._columns
        tracking = self._tracking(row, cells[columns.tracking])
        zone = self._zones(row, cells[columns.zone])
        attributes = self._attributes(row, cells)
        if country is None:
            for code, value in addresses:
                if code == _SMS:
                    country = country_of(value)
                    break
        return Told(
            external_id, zone, cells[columns.language].lower()[:2] or None, country, tracking,
            _json(attributes) if attributes else "{}", folded(attributes) if attributes else None,
            addresses, self._consents(row, cells, addresses),
        )  # fmt: skip

    def _tracking(self, row: int, cell: str) -> bool | None:
        if not cell:
            return None
        answer = _answer(cell)
        if answer is None:
            self._note(row, f"tracking {cell!r} is neither yes nor no: counted as no")
        return bool(answer)

    def _seed(self, row: int, cell: str) -> bool:
        if not cell:
            return False
        answer = _answer(cell)
        if answer is None:
            self._note(row, f"seed {_short(cell)} is neither yes nor no: counted as no")
        return bool(answer)

    def _attributes(self, row: int, cells: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for place, name, is_date in self._columns.attributes:
            cell = cells[place]
            if not cell:
                continue
            if is_date:
                found[name] = self._date(row, cell)
            else:
                found[name] = cell if name == "name" and self._plan.meanings[place] == name else _typed(cell)
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

    def _addresses(self, row: int, cells: Sequence[str], country: str | None) -> tuple[Key, ...]:
        found: list[Key] = []
        for place, channel in self._columns.addresses:
            cell = cells[place]
            if not cell:
                continue
            for value in self._normal(row, channel, cell, country):
                checked = self._checked(row, value) if channel is Channel.EMAIL else value
                if checked is not None:
                    found.append((channel.code, checked))
        if self._plan.numbers_on:
            numbers = [value for code, value in found if code == _SMS]
            found += [(each.code, value) for each in self._plan.numbers_on for value in numbers]
            return tuple(dict.fromkeys(found))
        return tuple(found)

    def _normal(self, row: int, channel: Channel, cell: str, country: str | None) -> list[str]:
        """Return the addresses in a cell as they are kept: one, or those of several that can be read."""
        try:
            value = _normalised(channel, cell, country)
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

    def _country(self, row: int, cell: str) -> str | None:
        if not cell:
            return None
        country = cell.upper()
        if len(country) == 2 and country.isascii() and country.isalpha():
            return country
        self._note(row, f"country {cell!r} is no code of two letters, such as KZ; left out")
        return None

    def _zones(self, row: int, cell: str) -> str | None:
        if not cell:
            return None
        names = cell.replace(",", " ").split()
        for name in names:
            if not is_zone(name):
                self._note(row, f"time zone {name!r} is not known: write such as Asia/Almaty; left out")
        return " ".join(name for name in names if is_zone(name)) or None

    def _consents(self, row: int, cells: Sequence[str], addresses: Sequence[Key]) -> tuple[Consent, ...]:
        found = []
        for place, meaning, channels in self._columns.consents:
            cell = cells[place]
            if not cell:
                continue
            granted = _answer(cell)
            at = instant(cell) if granted is None else None
            if at is not None and 0 < self._plan.told_at < at - _AHEAD_MS:  # 0: nobody has said when it is
                self._note(row, f"{meaning} {cell!r} is a day that has not come yet: counted as none")
                continue
            granted = True if at is not None else granted
            if granted is None:
                self._note(row, f"{meaning} {cell!r} is neither yes, no nor a date: counted as none")
                continue
            # A "yes" without a date is older than all else that is known; a "no" is as new as the file.
            found.append(Consent(
                granted=granted, at=at or (0 if granted else self._plan.told_at),
                purpose=ANY if granted else _ADVERTISING, channels=channels,
                proof=f'{self._proof_begins}{row},"said":{_json(cell)}{self._proof_ends}',
            ))  # fmt: skip
        agreed = self._plan.agreed
        if agreed is None or found:
            return tuple(found)
        role = any(code == _EMAIL and is_role(value) for code, value in addresses)
        return (agreed.but_mail if role else agreed.consent,)

    def _properties(self, cells: Sequence[str]) -> dict[str, Any]:
        """Return what `trigger.` columns say; a dot in the rest of the name leads one level down."""
        found: dict[str, Any] = {}
        for place, (*path, last) in self._columns.properties:
            if not cells[place]:
                continue
            within = found
            for name in path:
                within = within.setdefault(name, {}) if isinstance(within.get(name, {}), dict) else {}
            within[last] = _typed(cells[place])
        return found

    def _note(self, row: int, text: str, kind: Kind = Kind.UNREAD) -> None:
        self.notes.append(Note(row, text, kind=kind))

    def _reject(self, row: int, text: str) -> None:
        self.notes.append(Note(row, text, rejected=True, kind=Kind.REJECTED))


def _normalised(channel: Channel, cell: str, country: str | None) -> str:
    if channel is Channel.EMAIL:
        return normalise_email(cell)
    return normalise_phone(cell, country) if channel is Channel.SMS else normalise(channel, cell, country)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


@cache
def disposable_domains() -> frozenset[str]:
    """Return domains of mailboxes that are thrown away after use.

    They are the list of https://github.com/disposable-email-domains/disposable-email-domains (CC0), as the
    package disposable-email-domains (MIT) brings it.
    """
    from disposable_email_domains import blocklist

    return frozenset(blocklist)


def _bare(cell: str) -> str:
    """Return what stands in a cell: some programs write `="0079"` so that a spreadsheet keeps the zeros."""
    if cell.startswith('="') and cell.endswith('"') and '"' not in cell[2:-1]:
        return cell[2:-1].strip()
    return cell


def _bits(meaning: str) -> int:
    """Return the channels that a consent column speaks of; `consent_phone` is SMS and calls."""
    if meaning == "consent":
        return ALL_CHANNELS
    name = meaning.removeprefix("consent_")
    return sum(1 << each.code for each in (_TELEPHONE if name == "phone" else (_CHANNELS[name],)))


def _typed(cell: str) -> str | int | float | bool:
    """Return a number or a truth where the text is one; `007` and long digits stay text."""
    if cell[0] == "-" or cell[0].isdecimal():
        if _whole(cell):
            return int(cell)
        if _decimal(cell):
            return float(cell)
    return _TRUTHS.get(cell.lower(), cell) if len(cell) in _LENGTHS else cell


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

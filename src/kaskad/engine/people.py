"""Read people from a file: who they are, where they are reached, what they allowed, and why they enter.

What a column means follows from its header, in English or Russian, from its cells, or is said (`columns.py`).
Nothing is dropped silently: what cannot be read stands in `notes` with its row as a spreadsheet counts it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from itertools import islice

import msgspec
from msgspec import Struct

from kaskad.domain.terms import Channel
from kaskad.engine.columns import propose
from kaskad.engine.firsts import FirstRows
from kaskad.engine.rows import Agreed, Batch, Kind, Note, Person, Plan, Typos, read_rows
from kaskad.engine.stretches import BATCH, Rows, Stretch, Stretches
from kaskad.engine.tables import open_table

__all__ = [
    "Kind",
    "Note",
    "People",
    "PeopleFile",
    "Person",
    "Piece",
    "Reading",
    "Rejected",
    "Typos",
    "read_people",
]

CLEAN = "clean"  # rows that were taken as they stood
_LOOKED_AT = 200  # rows by which columns are judged
_AT_ONCE = 10_000
_ADDRESSES = frozenset(channel.value for channel in Channel)
_LOSING = frozenset({Kind.UNREAD, Kind.ASKED})


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


class Rejected(Struct, frozen=True):
    """A row that was left out, as it stood in the file."""

    row: int
    reason: str
    cells: list[str]


class Piece(Struct, frozen=True):
    """Some rows of a file, one after the other, with all that is to be told of them.

    `counts`: how many are clean, or have notes of a kind (not each fixed one has). `which`: of the people
    of the file each is, counted with those who are left out. `source`: what they were read from.
    """

    people: Sequence[Person]
    notes: Sequence[Note]
    rows: int  # read so far, with what was left out
    rejected: Sequence[Rejected] = ()
    counts: Mapping[str, int] = {}
    which: Sequence[int] = ()
    source: Rows | None = None

    def left_out(self, rows: Mapping[int, str]) -> Piece:
        """Return the piece with these rows of its people told as rejected, and why."""
        notes = [Note(row, why, rejected=True, kind=Kind.REJECTED) for row, why in rows.items()]
        odd = {note.row for note in self.notes}
        counts = {**self.counts, Kind.REJECTED.value: self.counts.get(Kind.REJECTED, 0) + len(rows)}
        counts[CLEAN] = counts.get(CLEAN, 0) - len(rows.keys() - odd)
        people = [person for person in self.people if person.row not in rows]
        told = sorted([*self.notes, *notes], key=lambda note: note.row)
        lines = () if self.source is None else self.source.lines
        rejected = [Rejected(line.row, rows[line.row], line.cells) for line in lines if line.row in rows]
        rejected = sorted([*self.rejected, *rejected], key=lambda each: each.row)
        return msgspec.structs.replace(self, people=people, notes=told, rejected=rejected, counts=counts)


class Reading(Struct, frozen=True):
    """How a file is to be read: `mapping` says of headers what they are, as `columns.propose` takes it."""

    country: str | None = None  # where numbers without a country code were written
    mapping: Mapping[str, str] = {}
    typos: Typos = Typos.ASK
    agreed: Agreed | None = None
    numbers_on: tuple[Channel, ...] = ()  # channels on which a telephone number is an address too


class PeopleFile:
    """A file that was looked through, and whose header is understood; rows are read as they are taken.

    `source` and `told_at` (when the file was first imported) are kept as the proof of the consents in it.
    Raises Invalid.
    """

    def __init__(self, data: bytes, source: str, reading: Reading, told_at: int) -> None:
        table = open_table(data, source)
        self.encoding, self.delimiter, self.shape = table.encoding, table.delimiter, table.shape
        self.rows_about, self.header = table.size, table.header
        first = [line.cells for line in islice(table.lines(), _LOOKED_AT)]
        taken = propose(table.header, first, reading.mapping, reading.country, source)
        self.columns = dict(zip(table.header, taken.meanings, strict=True))
        self.columns.pop("", None)
        self.guessed = taken.guessed
        self._remark = [Note(1, table.remark, kind=Kind.FLAGGED)] if table.remark else []
        self._plan = Plan(
            taken.meanings, reading.country, source, told_at, reading.typos, reading.agreed,
            bool(table.delimiter), table.guarded, reading.numbers_on,
        )  # fmt: skip
        self._lines = table.lines()
        self._stretches: Stretches | None = None
        self._read = 0  # people, with those who are left out
        self._part: _Part | None = None  # what is left of the rows that were read last
        addresses = sum(each in _ADDRESSES for each in taken.meanings) + len(reading.numbers_on)
        self._seen = FirstRows(table.size * (1 + addresses))
        self._rows = 0

    def told_at(self, at: int) -> None:
        """Keep `at` in the proofs as the instant at which the file was first imported."""
        self._plan = msgspec.structs.replace(self._plan, told_at=at)

    def share(self, helpers: Executor) -> None:
        """Let other processes read the rows, a stretch ahead of those that are taken."""
        self._stretches = Stretches(helpers, self._plan, self._lines)

    def begin_stretch(self) -> Stretch | None:
        """Return the stretch that was read ahead and whose rows are taken next; None anywhere else."""
        return self._stretches.begin() if self._stretches is not None and self._part is None else None

    def take(self, people: int) -> Piece | None:
        """Return the next rows, with at most so many people, and notes on them; None at the end.

        The first `rows` rows of a file always have the same people and notes, however they are taken.
        """
        if self._part is None:
            found = self._next()
            if found is None:
                return self._last()
            self._part = self._sorted(*found)
        pieces = -(-len(self._part.people) // people)  # alike: a short one costs nearly what a whole one does
        taken, self._part = self._part.cut(-(-len(self._part.people) // max(pieces, 1)))
        self._rows += len(taken.numbers)
        rejected = _rejected(taken.rows, taken.notes) if taken.notes else []
        notes = [*self._remark, *taken.notes]
        self._remark = []
        counts = _counts(taken.people, notes, set(taken.fixed))
        return Piece(taken.people, notes, self._rows, rejected, counts, taken.which, taken.rows)

    def pass_over(self, rows: int) -> Iterator[int]:
        """Leave out the first rows, which were brought in before, but know them; yield how many so far."""
        self._remark = []
        while self._rows < rows and (found := self._next()) is not None:
            passed, self._part = self._sorted(*found).cut_rows(rows - self._rows)
            self._rows += len(passed.numbers)
            yield self._rows

    def _last(self) -> Piece | None:
        """Return what is to be told of a file without rows."""
        remark, self._remark = self._remark, []
        return Piece((), remark, self._rows) if remark else None

    def _next(self) -> tuple[Rows, Batch, int] | None:
        """Return rows as they were read, and how many people were before them."""
        if self._stretches is not None:
            return self._stretches.take()
        chunk = list(islice(self._lines, BATCH))
        if not chunk:
            return None
        batch, before = read_rows(self._plan, chunk), self._read
        self._read += len(batch.people)
        return Rows(chunk, [line.row for line in chunk]), batch, before

    def _sorted(self, rows: Rows, batch: Batch, before: int) -> _Part:
        """Return what was read, without people whose id was there before, and with notes on who was."""
        people, notes = batch.people, list(batch.notes)
        again = self._ids_again(people)
        for number, row in again.items():
            person = people[number]
            text = f"id {person.told.external_id!r} is already in row {row}"
            notes.append(Note(person.row, text, rejected=True, kind=Kind.REJECTED))
        which: Sequence[int] = range(before, before + len(people))
        if again:
            people = [person for number, person in enumerate(people) if number not in again]
            which = [each for number, each in enumerate(which) if number not in again]
        for person, row in self._sharing(people):
            text = f"has an address of row {row}"
            unnamed = person.told.external_id is None
            text += ": counted as the same person" if unnamed else ", under another id"
            notes.append(Note(person.row, text, kind=Kind.DUPLICATE))
        left_out = {note.row for note in notes if note.rejected}
        notes = [note for note in notes if note.rejected or note.row not in left_out or note.kind in _LOSING]
        notes.sort(key=lambda note: note.row)
        fixed = [row for row in batch.fixed if row not in left_out]
        return _Part(rows, rows.numbers, people, which, notes, fixed)

    def _ids_again(self, people: Sequence[Person]) -> dict[int, int]:
        """Return who has the id of an earlier row, by place in the list, and that row."""
        named = [number for number, person in enumerate(people) if person.told.external_id is not None]
        hashes = [hash(people[number].told.external_id) for number in named]
        found = self._seen.earlier(hashes, [people[number].row for number in named])
        return {named[place]: row for place, row in found.items()}

    def _sharing(self, people: Sequence[Person]) -> list[tuple[Person, int]]:
        """Return who has an address of an earlier row, and that row: of the first such address."""
        owners = [person for person in people for _ in person.told.addresses]
        hashes = [hash(key) for person in people for key in person.told.addresses]
        found = self._seen.earlier(hashes, [person.row for person in owners])
        sharing: dict[int, tuple[Person, int]] = {}
        for place, row in found.items():
            sharing.setdefault(owners[place].row, (owners[place], row))
        return list(sharing.values())


class _Part(Struct, frozen=True):
    """Rows that were read and are not taken yet; everything is in their order."""

    rows: Rows  # these, and those with which they were read
    numbers: Sequence[int]  # of these
    people: list[Person]
    which: Sequence[int]  # of the people of the file
    notes: list[Note]
    fixed: list[int]

    def cut(self, people: int) -> tuple[_Part, _Part | None]:
        """Return the first rows, with so many people at most, and the others if there are any."""
        if len(self.people) <= people:
            return self, None
        return self.cut_rows(bisect_left(self.numbers, self.people[people].row))

    def cut_rows(self, count: int) -> tuple[_Part, _Part | None]:
        """Return so many rows, and the others if there are any."""
        if count >= len(self.numbers):
            return self, None
        row = self.numbers[count]
        people, notes = bisect_left(self.people, row, key=_row), bisect_left(self.notes, row, key=_row)
        fixed = bisect_left(self.fixed, row)
        first = _Part(
            self.rows, self.numbers[:count], self.people[:people], self.which[:people], self.notes[:notes],
            self.fixed[:fixed],
        )  # fmt: skip
        return first, _Part(
            self.rows, self.numbers[count:], self.people[people:], self.which[people:], self.notes[notes:],
            self.fixed[fixed:],
        )  # fmt: skip


def _row(of: Person | Note) -> int:
    return of.row


def _rejected(rows: Rows, notes: Sequence[Note]) -> list[Rejected]:
    reasons = {note.row: note.text for note in notes if note.rejected}
    if not reasons:
        return []
    for note in notes:  # the row that reaches nobody says why: what was left out of it
        if note.kind in _LOSING and note.row in reasons and note.text not in reasons[note.row]:
            reasons[note.row] = f"{note.text}; {reasons[note.row]}"
    return [Rejected(line.row, reasons[line.row], line.cells) for line in rows.lines if line.row in reasons]


def _counts(kept: Sequence[Person], notes: Sequence[Note], fixed: set[int]) -> dict[str, int]:
    rows: dict[str, set[int]] = {kind.value: set() for kind in Kind}
    rows[Kind.FIXED] |= fixed
    for note in notes:
        rows[note.kind].add(note.row)
    odd = set().union(*rows.values())
    counts = {CLEAN: sum(person.row not in odd for person in kept)}
    return counts | {kind: len(found) for kind, found in rows.items()}


def read_people(data: bytes, source: str, country: str | None, told_at: int) -> People:
    """Return all people of a file, as `PeopleFile` reads it; raises Invalid."""
    file = PeopleFile(data, source, Reading(country), told_at)
    pieces = list(iter(lambda: file.take(_AT_ONCE), None))
    people = tuple(person for piece in pieces for person in piece.people)
    notes = tuple(note for piece in pieces for note in piece.notes if note.kind is not Kind.FIXED)
    return People(people, notes, file.columns, file.encoding, file.delimiter)

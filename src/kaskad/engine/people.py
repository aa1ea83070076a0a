"""Read people from a file: who they are, where they are reached, what they allowed, and why they enter.

What a column means follows from its header, in English or Russian, from its cells, or is said (`columns.py`).
Nothing is dropped silently: what cannot be read stands in `notes` with its row as a spreadsheet counts it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

import msgspec
from msgspec import Struct

from kaskad.domain.terms import Channel
from kaskad.engine.columns import propose
from kaskad.engine.firsts import FirstRows
from kaskad.engine.rows import (
    Agreed,
    Batch,
    Kind,
    Note,
    Person,
    Plan,
    Typos,
    read_packed,
    read_rows,
)  # fmt: skip
from kaskad.engine.tables import Line, open_table

__all__ = ["Kind", "Note", "People", "PeopleFile", "Person", "Piece", "Reading", "Typos", "read_people"]

CLEAN = "clean"  # rows that were taken as they stood
_LOOKED_AT = 200  # rows by which columns are judged
_AT_ONCE = 10_000
_BATCH = 1_000  # rows read at once: about 40 ms
_AHEAD = 4  # batches that other processes read while one is written
_ADDRESSES = frozenset(channel.value for channel in Channel)
_LOSING = frozenset({Kind.UNREAD, Kind.ASKED})
_pack = msgspec.msgpack.encode
_unpack = msgspec.msgpack.Decoder(Batch).decode


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

    `counts`: how many are clean, or have notes of a kind (not each fixed one has).
    """

    people: Sequence[Person]
    notes: Sequence[Note]
    rows: int  # read so far, with what was left out
    rejected: Sequence[Rejected] = ()
    counts: Mapping[str, int] = {}


class Reading(Struct, frozen=True):
    """How a file is to be read: `mapping` says of headers what they are, as `columns.propose` takes it."""

    country: str | None = None  # where numbers without a country code were written
    mapping: Mapping[str, str] = {}
    typos: Typos = Typos.ASK
    agreed: Agreed | None = None


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
        self._plan = Plan(taken.meanings, reading.country, source, told_at, reading.typos, reading.agreed)
        self._helpers: Executor | None = None
        self._batches = self._read(table.lines())
        self._part: _Part | None = None  # what is left of the rows that were read last
        self._seen = FirstRows(table.size * (1 + sum(each in _ADDRESSES for each in taken.meanings)))
        self._rows = 0

    def told_at(self, at: int) -> None:
        """Keep `at` in the proofs as the instant at which the file was first imported."""
        self._plan = msgspec.structs.replace(self._plan, told_at=at)

    def share(self, helpers: Executor) -> None:
        """Let other processes read the rows, some ahead of those that are taken."""
        self._helpers = helpers

    def take(self, people: int) -> Piece | None:
        """Return the next rows, with at most so many people, and notes on them; None at the end.

        The first `rows` rows of a file always have the same people and notes, however they are taken.
        """
        if self._part is None:
            found = next(self._batches, None)
            if found is None:
                return self._last()
            self._part = self._sorted(*found)
        pieces = -(-len(self._part.people) // people)  # alike: a short one costs nearly what a whole one does
        taken, self._part = self._part.cut(-(-len(self._part.people) // max(pieces, 1)))
        self._rows += len(taken.lines)
        rejected = _rejected(taken.lines, taken.notes) if taken.notes else []
        notes = [*self._remark, *taken.notes]
        self._remark = []
        counts = _counts(taken.people, notes, set(taken.fixed))
        return Piece(taken.people, notes, self._rows, rejected, counts)

    def pass_over(self, rows: int) -> Iterator[int]:
        """Leave out the first rows, which were brought in before, but know them; yield how many so far."""
        self._remark = []
        while self._rows < rows and (found := next(self._batches, None)) is not None:
            passed, self._part = self._sorted(*found).cut_lines(rows - self._rows)
            self._rows += len(passed.lines)
            yield self._rows

    def _last(self) -> Piece | None:
        """Return what is to be told of a file without rows."""
        remark, self._remark = self._remark, []
        return Piece((), remark, self._rows) if remark else None

    def _read(self, lines: Iterator[Line]) -> Iterator[tuple[list[Line], Batch]]:
        chunks = iter(lambda: list(islice(lines, _BATCH)), [])
        if self._helpers is None:
            for chunk in chunks:
                yield chunk, read_rows(self._plan, chunk)
            return
        ahead: deque[tuple[list[Line], Future[bytes] | None]] = deque()
        for chunk in chunks:
            ahead.append((chunk, self._ask(chunk)))
            if len(ahead) > _AHEAD:
                yield self._answer(*ahead.popleft())
        while ahead:
            yield self._answer(*ahead.popleft())

    def _ask(self, chunk: list[Line]) -> Future[bytes] | None:
        assert self._helpers is not None
        try:
            return self._helpers.submit(read_packed, _pack((self._plan, chunk)))
        except BrokenProcessPool:
            return None

    def _answer(self, chunk: list[Line], asked: Future[bytes] | None) -> tuple[list[Line], Batch]:
        """Return what a helper has read; where it has died (of a lack of memory, say), read it here."""
        try:
            if asked is not None:
                return chunk, _unpack(asked.result())
        except BrokenProcessPool:
            pass
        return chunk, read_rows(self._plan, chunk)

    def _sorted(self, lines: list[Line], batch: Batch) -> _Part:
        """Return what was read, without people whose id was there before, and with notes on who was."""
        kept, notes, first = [], list(batch.notes), self._seen.first
        for person in batch.people:
            row, told = person.row, person.told
            external_id, before = told.external_id, 0
            if external_id is not None and (seen := first(external_id, row)) != row:
                text = f"id {external_id!r} is already in row {seen}"
                notes.append(Note(row, text, rejected=True, kind=Kind.REJECTED))
                continue
            for code, value in told.addresses:
                seen = first(f"\0{code}:{value}", row)
                before = before or (seen if seen != row else 0)
            if before:
                text = f"has an address of row {before}"
                text += ": counted as the same person" if external_id is None else ", under another id"
                notes.append(Note(row, text, kind=Kind.DUPLICATE))
            kept.append(person)
        left_out = {note.row for note in notes if note.rejected}
        notes = [note for note in notes if note.rejected or note.row not in left_out or note.kind in _LOSING]
        notes.sort(key=lambda note: note.row)
        return _Part(lines, kept, notes, [row for row in batch.fixed if row not in left_out])


class _Part(Struct, frozen=True):
    """Rows that were read and are not taken yet; everything is in their order."""

    lines: list[Line]
    people: list[Person]
    notes: list[Note]
    fixed: list[int]

    def cut(self, people: int) -> tuple[_Part, _Part | None]:
        """Return the first lines, with so many people at most, and the others if there are any."""
        if len(self.people) <= people:
            return self, None
        return self.cut_lines(bisect_left(self.lines, self.people[people].row, key=_row))

    def cut_lines(self, count: int) -> tuple[_Part, _Part | None]:
        """Return so many lines, and the others if there are any."""
        if count >= len(self.lines):
            return self, None
        row = self.lines[count].row
        people, notes = bisect_left(self.people, row, key=_row), bisect_left(self.notes, row, key=_row)
        fixed = bisect_left(self.fixed, row)
        return (
            _Part(self.lines[:count], self.people[:people], self.notes[:notes], self.fixed[:fixed]),
            _Part(self.lines[count:], self.people[people:], self.notes[notes:], self.fixed[fixed:]),
        )


def _row(of: Line | Person | Note) -> int:
    return of.row


def _rejected(lines: Sequence[Line], notes: Sequence[Note]) -> list[Rejected]:
    reasons = {note.row: note.text for note in notes if note.rejected}
    for note in notes:  # the row that reaches nobody says why: what was left out of it
        if note.kind in _LOSING and note.row in reasons and note.text not in reasons[note.row]:
            reasons[note.row] = f"{note.text}; {reasons[note.row]}"
    return [Rejected(line.row, reasons[line.row], line.cells) for line in lines if line.row in reasons]


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

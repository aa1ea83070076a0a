"""Read people from a file: who they are, where they are reached, what they allowed, and why they enter.

What a column means follows from its header, in English or Russian, from its cells, or is said (`columns.py`).
Nothing is dropped silently: what cannot be read stands in `notes` with its row as a spreadsheet counts it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

import msgspec
from msgspec import Struct

from kaskad.engine.columns import propose
from kaskad.engine.rows import (
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
    """Some rows of a file. `counts`: how many are clean, or have notes of a kind (not each fixed one has)."""

    people: tuple[Person, ...]
    notes: tuple[Note, ...]
    rows: int  # read so far, with what was left out
    rejected: tuple[Rejected, ...] = ()
    counts: Mapping[str, int] = {}


class Reading(Struct, frozen=True):
    """How a file is to be read: `mapping` says of headers what they are, as `columns.propose` takes it."""

    country: str | None = None  # where numbers without a country code were written
    mapping: Mapping[str, str] = {}
    typos: Typos = Typos.ASK


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
        self._plan = Plan(taken.meanings, reading.country, source, told_at, reading.typos)
        self._helpers: Executor | None = None
        self._batches = self._read(table.lines())
        self._waiting: deque[Person] = deque()
        self._seen: dict[str, int] = {}  # external ids and addresses -> their row
        self._rows = 0

    def told_at(self, at: int) -> None:
        """Keep `at` in the proofs as the instant at which the file was first imported."""
        self._plan = msgspec.structs.replace(self._plan, told_at=at)

    def share(self, helpers: Executor) -> None:
        """Let other processes read the rows, some ahead of those that are taken."""
        self._helpers = helpers

    def take(self, people: int) -> Piece | None:
        """Return the next people, at most so many, and notes on what was read for them; None at the end."""
        notes, self._remark = self._remark, []
        rejected: list[Rejected] = []
        counts: dict[str, int] = {}
        if not self._waiting:
            found = next(self._batches, None)
            if found is None:
                return Piece((), tuple(notes), self._rows) if notes else None
            lines, batch = found
            self._rows += batch.rows
            kept, more = self._once(batch)
            self._waiting.extend(kept)
            left_out = {note.row for note in more if note.rejected}
            more = [
                note for note in more if note.rejected or note.row not in left_out or note.kind in _LOSING
            ]
            notes = sorted(notes + more, key=lambda note: note.row)
            rejected = _rejected(lines, notes)
            counts = _counts(kept, notes, set(batch.fixed) - left_out)
        taken = tuple(self._waiting.popleft() for _ in range(min(people, len(self._waiting))))
        return Piece(taken, tuple(notes), self._rows - len(self._waiting), tuple(rejected), counts)

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

    def _once(self, batch: Batch) -> tuple[list[Person], list[Note]]:
        """Return the people of a batch and its notes, with those on rows that are of somebody seen before."""
        kept, notes = [], list(batch.notes)
        for person in batch.people:
            external_id = person.contact.external_id
            keys = [f"\0{address.channel}:{address.value}" for address in person.contact.addresses]
            if external_id is not None and external_id in self._seen:
                text = f"id {external_id!r} is already in row {self._seen[external_id]}"
                notes.append(Note(person.row, text, rejected=True, kind=Kind.REJECTED))
                continue
            before = next((self._seen[key] for key in keys if key in self._seen), None)
            if before is not None:
                text = f"has an address of row {before}"
                text += ": counted as the same person" if external_id is None else ", under another id"
                notes.append(Note(person.row, text, kind=Kind.DUPLICATE))
            for key in keys if external_id is None else [external_id, *keys]:
                self._seen.setdefault(key, person.row)
            kept.append(person)
        return kept, notes


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

"""A long file's rows, read by other processes: a stretch ahead of those that are taken, addresses in order.

Addresses come in no order, and who writes them so changes a page of the database for each. In the order of
addresses many share a page; those of a stretch are sorted where they were read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from itertools import islice

import msgspec
from msgspec import Raw, Struct

from kaskad.engine.rows import Batch, Plan, read_rows
from kaskad.engine.tables import Line

BATCH = 1_000  # rows read at once: about 40 ms
# Batches of the first stretch, for which everybody waits, and of the longest: each takes about 0.5 MB.
_FIRST, _LONGEST = 10, 50
_PLACES = 4_000  # sorted addresses that are given at once

Place = tuple[str, int, int]  # value, code of its channel, and which of the people of the stretch has it
_pack = msgspec.msgpack.encode
_lines = msgspec.msgpack.Decoder(list[Line]).decode
_batch = msgspec.msgpack.Decoder(Batch).decode
_places = msgspec.msgpack.Decoder(list[Place]).decode


class _Answer(Struct, frozen=True, array_like=True):
    people: int
    places: Raw
    batch: Raw


_answer = msgspec.msgpack.Decoder(_Answer).decode


def read_packed(plan: bytes, lines: bytes) -> bytes:
    """Return who the rows are of, and their addresses, for a process that asks another one."""
    batch = read_rows(msgspec.msgpack.decode(plan, type=Plan), _lines(lines))
    places = [
        (value, code, number)
        for number, person in enumerate(batch.people)
        for code, value in dict.fromkeys(person.told.addresses)
    ]
    places.sort()
    return _pack(_Answer(len(batch.people), Raw(_pack(places)), Raw(_pack(batch))))


def sort_packed(parts: Sequence[tuple[int, bytes]]) -> list[bytes]:
    """Return the addresses of several answers in order; with each is how many people were before its own."""
    places = [
        (value, code, before + number) for before, part in parts for value, code, number in _places(part)
    ]
    places.sort()
    return [_pack(places[start : start + _PLACES]) for start in range(0, len(places), _PLACES)]


class Rows:
    """Rows that were read at once, as they stood in the file; kept packed, for they are seldom asked for."""

    def __init__(self, lines: list[Line] | bytes, numbers: Sequence[int]) -> None:
        self._lines = lines
        self.numbers = numbers  # as a spreadsheet counts them

    @property
    def lines(self) -> list[Line]:
        return _lines(self._lines) if isinstance(self._lines, bytes) else self._lines


class Stretch(Struct, frozen=True):
    """So many people from number `first` of the file on, and their addresses in order, packed in pieces."""

    first: int
    people: int
    packed: Sequence[bytes]

    def places(self) -> Iterator[list[Place]]:
        """Yield the addresses, some thousand at a time."""
        return map(_places, self.packed)


class _Asked(Struct, frozen=True):
    rows: Rows
    answer: Future[bytes] | None


class Stretches:
    """Has the rows of a file read; `take` gives them in the file's order."""

    def __init__(self, helpers: Executor, plan: Plan, lines: Iterator[Line]) -> None:
        self._helpers, self._plan, self._packed_plan = helpers, plan, _pack(plan)
        self._chunks = iter(lambda: list(islice(lines, BATCH)), [])
        self._size = _FIRST
        self._taken: list[_Asked] = []  # of the stretch that is taken, the next one last
        self._coming: list[_Asked] = []
        self._sorting: Future[list[bytes]] | None = None  # of the stretch to come
        self._more = True
        self._people = 0  # taken so far

    def begin(self) -> Stretch | None:
        """Return the stretch to come where the next rows begin it, once all of it is read; else None."""
        if self._taken:
            return None
        self._ask(self._size)
        packed = self._sorted()
        people = sum(self._answered(asked).people for asked in self._coming) if packed else 0
        self._taken, self._coming, self._sorting = self._coming[::-1], [], None
        self._size = min(self._size * 3 // 2, _LONGEST)
        self._ask(self._size // 3)  # it reads while addresses are put into the book
        return Stretch(self._people, people, packed) if packed else None

    def take(self) -> tuple[Rows, Batch, int] | None:
        """Return the next rows, who they are of, and how many people were before these."""
        if not self._taken:
            self.begin()
        if not self._taken:
            return None
        asked = self._taken.pop()
        self._ask(2)
        if self._sorting is None and self._is_read():
            self._sort()
        batch = self._read(asked)
        before, self._people = self._people, self._people + len(batch.people)
        return asked.rows, batch, before

    def _ask(self, batches: int) -> None:
        """Have more rows of the stretch to come read."""
        while self._more and batches and len(self._coming) < self._size:
            batches -= 1
            chunk = next(self._chunks, None)
            if chunk is None:
                self._more = False
                return
            first, last = chunk[0].row, chunk[-1].row
            alike = last - first + 1 == len(chunk)
            numbers = range(first, last + 1) if alike else [line.row for line in chunk]
            packed = _pack(chunk)
            self._coming.append(_Asked(Rows(packed, numbers), self._submit(packed)))

    def _submit(self, packed: bytes) -> Future[bytes] | None:
        try:
            return self._helpers.submit(read_packed, self._packed_plan, packed)
        except BrokenProcessPool:
            return None

    def _is_read(self) -> bool:
        whole = not self._more or len(self._coming) == self._size
        return whole and all(asked.answer is None or asked.answer.done() for asked in self._coming)

    def _sort(self) -> None:
        """Have the addresses of the stretch to come sorted, unless a helper has died."""
        parts, before = [], 0
        with suppress(BrokenProcessPool):
            for asked in self._coming:
                answer = self._answered(asked)
                parts.append((before, bytes(answer.places)))
                before += answer.people
            self._sorting = self._helpers.submit(sort_packed, parts)

    def _sorted(self) -> list[bytes]:
        """Return the addresses of the stretch to come.

        None are where a helper has died (of a lack of memory, say).
        """
        if self._sorting is None and self._coming:
            self._sort()
        try:
            return self._sorting.result() if self._sorting is not None else []
        except BrokenProcessPool:
            return []

    def _answered(self, asked: _Asked) -> _Answer:
        if asked.answer is None:
            raise BrokenProcessPool
        return _answer(asked.answer.result())

    def _read(self, asked: _Asked) -> Batch:
        """Return what a helper has read; where it has died, read it here."""
        try:
            return _batch(self._answered(asked).batch)
        except BrokenProcessPool:
            return read_rows(self._plan, asked.rows.lines)

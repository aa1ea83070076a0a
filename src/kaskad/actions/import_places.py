"""The addresses of an import's people, put into the book ahead of them: in order, a stretch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from typing import TypeVar

from kaskad.actions.office import WAIT_S, Office
from kaskad.domain.errors import Unavailable
from kaskad.domain.worded import worded
from kaskad.engine.stretches import Stretch
from kaskad.store import book

T = TypeVar("T")


class Placing:
    """Has numbers for the people of a stretch, and takes back those that nobody came under."""

    def __init__(self, office: Office, import_id: int, owner: str) -> None:
        self._office, self._id, self._owner = office, import_id, owner
        self._stretch: Stretch | None = None
        self._first = 0  # the number of the first one
        self._came = bytearray()  # 1: under the number that was kept

    def clear(self) -> None:
        """Take out what processes that have ended, or an earlier try of this one, left in the book."""
        with self._office.read() as tx:
            left = book.left(tx, self._id, self._owner)
        for placement in left:
            for entries in book.entries(self._office.db, placement):
                self._unplace(entries)
            self._give_back(placement.import_id)

    def begin(self, stretch: Stretch) -> bool:
        """Put the addresses of a stretch into the book, after the people of the one before are written.

        Return False where there is no book.
        """
        self._take_back()
        owner, count = self._owner, stretch.people
        if not count:
            return True
        reserve = self._office.engine.write(
            lambda tx: book.reserve(tx, self._id, owner, count), synced=False
        )  # fmt: skip
        first = _result(reserve)
        if first is None:
            return False
        self._stretch, self._first, self._came = stretch, first, bytearray(count)
        waiting: Future[None] | None = None
        for places in stretch.places():
            entries = [(value, code, first + number) for value, code, number in places]
            before, waiting = waiting, self._write(entries)
            if before is not None:
                _result(before)
        if waiting is not None:
            _result(waiting)
        return True

    def numbers(self, which: Sequence[int]) -> list[int]:
        """Return the numbers that are kept for these people of the file; [] where there are none."""
        stretch = self._stretch
        if stretch is None or not which or not stretch.first <= which[0] < stretch.first + stretch.people:
            return []
        shift = self._first - stretch.first
        return [shift + number for number in which]

    def came(self, ids: Iterable[int]) -> None:
        """Take note of contacts that are written."""
        first, came = self._first, self._came
        for each in ids:
            if 0 <= each - first < len(came):
                came[each - first] = 1

    def end(self) -> None:
        """Take back all that nobody came under, and the numbers."""
        self._take_back()
        self._give_back(self._id)

    def _give_back(self, import_id: int) -> None:
        self._office.write(lambda tx: book.end(tx, import_id))

    def _write(self, entries: list[book.Entry]) -> Future[None]:
        return self._office.engine.write(lambda tx: book.place(tx, entries), synced=False)

    def _take_back(self) -> None:
        stretch, self._stretch = self._stretch, None
        if stretch is None or all(self._came):
            return
        for places in stretch.places():
            entries = [
                (value, code, self._first + number)
                for value, code, number in places
                if not self._came[number]
            ]
            if entries:
                self._unplace(entries)

    def _unplace(self, entries: Sequence[book.Entry]) -> None:
        self._office.write(lambda tx: book.unplace(tx, entries))


def _result(waiting: Future[T]) -> T:
    try:
        return waiting.result(WAIT_S)
    except TooLate:
        raise Unavailable(worded("The engine has not come round in time.")) from None

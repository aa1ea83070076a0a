"""In which row of a file a text was seen first, for millions of texts in little memory."""

from __future__ import annotations

_SMALLEST = 1_024  # places


class FirstRows:
    """Texts and the first row of each: 12 bytes a place, where a dictionary of them takes ten times as much.

    A text is known by its hash of 64 bits, which is keyed anew in every process: that two of three million
    are taken for the same happens once in four million such files.
    """

    def __init__(self, about: int = 0) -> None:
        self._begin(max(about * 4 // 3 + 1, _SMALLEST))

    def _begin(self, size: int) -> None:
        self._size = size
        self._left = size * 4 // 5  # texts, before it is made larger
        self._codes = memoryview(bytearray(size * 8)).cast("q")
        self._rows = memoryview(bytearray(size * 4)).cast("I")  # 0: nothing is there

    def first(self, text: str, row: int) -> int:
        """Return the row in which the text was seen first: an earlier one, or this one (from 1 on)."""
        return self._put(hash(text), row)

    def _put(self, code: int, row: int) -> int:
        codes, rows, size = self._codes, self._rows, self._size
        place = code % size
        while held := rows[place]:
            if codes[place] == code:
                return held
            place = place + 1 if place + 1 < size else 0
        codes[place], rows[place] = code, row
        self._left -= 1
        if not self._left:
            self._grow()
        return row

    def _grow(self) -> None:
        codes, rows = self._codes, self._rows
        self._begin(len(rows) * 2)
        for code, row in zip(codes, rows, strict=True):
            if row:
                self._put(code, row)

"""In which row of a file a text was seen first, for millions of texts in little memory."""

from __future__ import annotations

_SMALLEST = 1_024  # places


class FirstRows:
    """Texts and the first row of each: 12 bytes a place, where a dictionary of them takes ten times as much.

    A text is known by its hash of 64 bits, which is keyed anew in every process: that two of three million
    are taken for the same happens once in four million such files.
    """

    def __init__(self, about: int = 0) -> None:
        size = _SMALLEST
        while size < about * 3 // 2:
            size *= 2
        self._begin(size)

    def _begin(self, size: int) -> None:
        self._mask = size - 1
        self._left = size * 3 // 4  # texts, before it is made larger
        self._codes = memoryview(bytearray(size * 8)).cast("q")
        self._rows = memoryview(bytearray(size * 4)).cast("I")  # 0: nothing is there

    def first(self, text: str, row: int) -> int:
        """Return the row in which the text was seen first: an earlier one, or this one (from 1 on)."""
        return self._put(hash(text), row)

    def _put(self, code: int, row: int) -> int:
        codes, rows, mask = self._codes, self._rows, self._mask
        place = code & mask
        while held := rows[place]:
            if codes[place] == code:
                return held
            place = (place + 1) & mask
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

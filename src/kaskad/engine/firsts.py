"""In which row of a file a text was seen first, for millions of texts in little memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Codes = NDArray[np.int64]
    Numbers = NDArray[np.uint32]

_SMALLEST = 1_024  # places


class FirstRows:
    """Texts and the first row of each: 12 bytes a place, where a dictionary of them takes ten times as much.

    A text is known by its hash of 64 bits, which is keyed anew in every process: that two of three million
    are taken for the same happens once in four million such files. Thousands are looked up at once, by
    arithmetic over all of them: one by one took several times as long.
    """

    def __init__(self, about: int = 0) -> None:
        self._begin(max(about * 4 // 3 + 1, _SMALLEST))

    def _begin(self, size: int) -> None:
        import numpy as np  # late: who reads no file of people need not wait for it

        self._left = size * 4 // 5  # texts, before it is made larger
        self._codes: Codes = np.zeros(size, np.int64)
        self._rows: Numbers = np.zeros(size, np.uint32)  # 0: nothing is there

    def earlier(self, hashes: Sequence[int], rows: Sequence[int]) -> dict[int, int]:
        """Return which of these texts, by their place in the list, were seen in an earlier row, and in which.

        `rows` (from 1 on) are those in which they stand, in order.
        """
        import numpy as np

        codes, own = np.array(hashes, np.int64), np.array(rows, np.uint32)
        self._left -= len(codes)
        while self._left <= 0:
            self._grow()
        found = self._put(codes, own)
        again = np.nonzero(found != own)[0]
        return dict(zip(again.tolist(), found[again].tolist(), strict=True))

    def _put(self, codes: Codes, rows: Numbers) -> Numbers:
        """Return the first row of each text, and keep those that are new."""
        import numpy as np

        found, places, asked = np.empty_like(rows), codes % len(self._codes), np.arange(len(codes))
        while len(asked):
            free = self._rows[places] == 0
            # Of several for one place the one that is written last stays: the first.
            new, at = asked[free][::-1], places[free][::-1]
            self._codes[at], self._rows[at] = codes[new], rows[new]
            same = self._codes[places] == codes[asked]
            found[asked[same]] = self._rows[places[same]]
            asked, places = asked[~same], (places[~same] + 1) % len(self._codes)
        return found

    def _grow(self) -> None:
        codes, rows, left = self._codes, self._rows, self._left
        kept = rows.nonzero()[0]
        self._begin(len(rows) * 2)
        self._left += left - len(rows) * 4 // 5
        self._put(codes[kept], rows[kept])

"""The runs that have changed since they were counted, looked at once for all that is asked of one state."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kaskad.store.courses import LATE, Standing, stand, waiting
from kaskad.store.db import Row, Transaction

# Runs that figures look at themselves where counting has not got to them yet: 0.15 s of CPU.
CORRECTED = 5_000
# The same for what looks once an hour, where nobody waits: a busy site is never done with counting.
LOOKED = 50_000
PIECE = 1_000
Span = tuple[int, int, int]  # which counts: of so many hours each, from one hour (since 1970) until another
Asked = tuple[int, int, Span]  # of a cascade, of its version (0: of all)


class Changed:
    """Runs of one transaction that are to be counted anew, as they stand: each is looked at once.

    `uncounted`: there are so many, or more, above `most` (CORRECTED); then none is looked at. `courses`
    are the texts of theirs, by id. Nothing is known that came after `now`.
    """

    def __init__(self, tx: Transaction, now: int = LATE, most: int | None = None) -> None:
        most = CORRECTED if most is None else most
        keys = waiting(tx, most)
        self.uncounted = len(keys) if len(keys) > most else 0
        self.courses: dict[int, str] = {}
        self.sums: dict[Asked, list[Row]] = {}  # what was summed of whole hours, see `courses`
        self._tx, self.now = tx, now
        self._keys = [] if self.uncounted else sorted(keys)
        self._known: dict[tuple[int, int], Standing] = {}

    @property
    def contact_ids(self) -> list[int]:
        """Return whose they are, some perhaps several times."""
        return [contact_id for contact_id, _ in self._keys]

    def standings(self, means: Callable[[int], bool] = lambda contact_id: True) -> Iterator[Standing]:
        """Yield how the runs of those contacts stand, in their order."""
        keys = [key for key in self._keys if means(key[0])]
        new = [key for key in keys if key not in self._known]
        for start in range(0, len(new), PIECE):
            piece = set(new[start : start + PIECE])
            self._known |= stand(self._tx, piece, self.courses, self.now)
        for key in keys:
            yield self._known[key]

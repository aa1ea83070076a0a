"""Keeps what reports count: runs about which something has changed are counted anew, some at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from time import monotonic

from msgspec import structs

from kaskad.domain.course import Part, id_of, live, text_of
from kaskad.store.courses import DAY, EVER, HOUR_MS, Entry, Standing, parts, stand
from kaskad.store.db import Transaction
from kaskad.store.runs import RunKey

PIECE = 500  # changes taken between two ticks: some ten milliseconds
EVERY_S = 5.0  # a run that changes several times within it is counted once
_SHARE = 10  # of the time that ticks want for themselves, one part in so many


class Counting:
    """One engine's share in the counting: at most one process counts at a time."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def run(self, tx: Transaction, busy: bool) -> bool:
        """Count a piece if it is time to; return whether another should follow at once."""
        began_s = monotonic()
        if began_s < self._next_s:
            return False
        more = count(tx) == PIECE
        ended_s = monotonic()
        pause_s = (ended_s - began_s) * _SHARE if busy else 0.0
        self._next_s = ended_s + (pause_s if more else EVERY_S)
        return more and not busy


def count(tx: Transaction, limit: int = PIECE) -> int:
    """Count anew up to `limit` runs that have changed; return how many changes were taken."""
    rows = tx.all("courses_due", limit=limit)
    if not rows:
        return 0
    free = tx.one("one_counter")
    if free is None or not free[0]:
        return 0
    courses: dict[int, str] = {}
    standings = stand(tx, {(row[1], row[2]) for row in rows}, courses)
    changed = {key: one for key, one in standings.items() if one.counted != one.entry}
    if changed:
        tx.many("put_courses", sorted(courses.items()))
        _put(tx, changed)
        _add(tx, changed, courses)
    tx.among("drop_due", [row[0] for row in rows])
    return len(rows)


def _put(tx: Transaction, changed: Mapping[RunKey, Standing]) -> None:
    """Keep as what each run is counted now."""
    put, gone = [], []
    for key, standing in sorted(changed.items(), key=lambda pair: pair[0]):
        if standing.entry is None:
            gone.append(key)
        else:
            entry = standing.entry
            put.append((*key, entry.course_id, entry.version_id, entry.entered_at, entry.value))
    if put:
        tx.many("put_run_courses", put)
    if gone:
        tx.many("drop_run_courses", gone)


def _add(tx: Transaction, changed: Mapping[RunKey, Standing], courses: Mapping[int, str]) -> None:
    """Move the parts of these runs from one count to another."""
    runs, values = Counter[Entry](), Counter[Entry]()
    for standing in changed.values():
        for entry, sign in ((standing.counted, -1), (standing.entry, 1)):
            if entry is not None:
                place = structs.replace(entry, entered_at=entry.entered_at // HOUR_MS, value=0)
                runs[place] += sign
                values[place] += sign * entry.value
    known = parts(tx, {place.course_id for place in runs}, courses)
    sums: dict[tuple[int, int, Part], list[int]] = {}
    for place, count in runs.items():
        for part in known[place.course_id]:
            total = sums.setdefault((place.version_id, place.entered_at, part), [0, 0])
            total[0] += count
            total[1] += values[place]
    _put_counts(tx, sums)


def _put_counts(tx: Transaction, sums: Mapping[tuple[int, int, Part], Sequence[int]]) -> None:
    """Add to the counts of each hour, of its day, and to those of all time."""
    texts = {part: text_of(part) for _, _, part in sums}
    ids = {part: id_of(text) for part, text in texts.items()}
    rows: dict[tuple[int, int, int, int], list[int]] = {}
    for (version_id, hour, part), (count, value) in sums.items():
        for hours, first in ((EVER, 0), (DAY, hour // DAY * DAY), (1, hour)):
            total = rows.setdefault((version_id, hours, first, ids[part]), [0, 0])
            total[0] += count
            total[1] += value
    moved = [(*place, *total) for place, total in sorted(rows.items()) if total != [0, 0]]
    if moved:
        tx.many("put_course_parts", [(ids[part], text, live(part)) for part, text in texts.items()])
        tx.many("add_counts", moved)
    fewer = [row[:4] for row in moved if row[4] < 0]
    if fewer:
        tx.many("drop_empty_counts", fewer)

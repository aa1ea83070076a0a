"""Keeps what reports count: runs about which something has changed are counted anew, between ticks.

In rounds: all that is due is claimed, and each run counted once, however often it has changed. Its changes
stay due until the round is over, and counting a run twice changes nothing, so a round may end anywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from time import monotonic

from msgspec import Struct, structs

from kaskad.domain.course import Leg, Part, id_of, live, text_of
from kaskad.domain.spent import sums_of
from kaskad.engine.clock import wall_ms
from kaskad.store import doubles, run_blocks
from kaskad.store.courses import (
    DAY,
    EVER,
    HOUR_MS,
    LATE,
    Noted,
    Standing,
    alike,
    claim,
    drop_due,
    last_due,
    parts,
    submitted,
)
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import RunKey

PIECE = 500  # runs counted between two ticks, at most: some ten milliseconds …
FEWEST = 20  # … and at least, however long these take
_AIM_S = 0.03  # for a piece. Where rows are read from disk, 500 runs take half a second: timers wait for that
ROUND = 20_000  # runs claimed at once
EVERY_S = 10.0  # a run that changes several times within it is counted once
SHORT_S = 15.0  # that reports are behind, at most, before counting takes its full share …
_SHARE, _LESS = 10, 20  # … of the time that ticks want for themselves: one part in so many; until then


_Runs = tuple[Standing, list[RunKey]]  # runs that stand alike


class Round(Struct, frozen=True):
    """What was claimed: ids of what was due, its runs, and how many of these are counted."""

    ids: Sequence[int]
    keys: Sequence[RunKey]
    done: int = 0


class Counting:
    """One engine's share in the counting: at most one process counts at a time."""

    def __init__(self, piece: int = PIECE, noted: Noted | None = None) -> None:
        self._most, self._noted = piece, noted
        self._piece = min(piece, FEWEST)  # runs of the next one
        self._next_s = 0.0
        self._round: Round | None = None
        self._after: Round | None = None  # what the round is once this transaction is committed
        self._last = 0  # up to where rounds follow each other at once; 0: the next one says
        self._since_s = 0.0  # when the first of these began
        self.tried: Sequence[RunKey] = ()  # what the last piece was of
        self._left_out: dict[RunKey, int] = {}  # until when: they cannot be counted, for a defect

    def run(self, tx: Transaction, busy: bool, now: int = LATE) -> bool:
        """Count a piece if it is time to; return whether another should follow at once.

        `now` is the time by which facts come in.
        """
        began_s = monotonic()
        self._after = self._round
        if began_s < self._next_s:
            return False
        may = _may_count(tx)
        more = may and self._count(tx, now)
        ended_s = monotonic()
        if may:
            self._fit(ended_s - began_s)
        share = _LESS if ended_s - self._since_s < SHORT_S else _SHARE
        pause_s = (ended_s - began_s) * share if busy else 0.0
        self._next_s = ended_s + (pause_s if more else EVERY_S)
        return more and not busy

    def _fit(self, took_s: float) -> None:
        """Choose the size of the next piece by how long a whole one took."""
        if len(self.tried) < self._piece:
            return
        fitting = min(self._piece * _AIM_S / max(took_s, 1e-6), self._piece * 2)
        self._piece = int(min(max(fitting, FEWEST), self._most))

    def committed(self) -> None:
        """Go on behind the piece that was counted, which until now was to be counted again."""
        self._round = self._after

    def attempt(self, tx: Transaction, keys: Sequence[RunKey], now: int) -> None:
        """Count some runs at once, if nobody else counts: twice counts once."""
        if _may_count(tx):
            recount(tx, keys, now)

    def leave_out(self, key: RunKey, until: int) -> None:
        """Count the others without this run until then."""
        self._left_out[key] = until

    def _count(self, tx: Transaction, now: int) -> bool:
        """Count the next piece; return whether more is known to be due."""
        under_way = self._round or self._claim(tx)
        done = under_way.done + self._piece
        piece = under_way.keys[under_way.done : done]
        if self._left_out:
            piece = [key for key in piece if self._left_out.get(key, 0) <= now]
        self.tried = piece
        recount(tx, piece, now)
        if done < len(under_way.keys):
            self._after = structs.replace(under_way, done=done)
            return True
        drop_due(tx, under_way.ids)
        self._after = None
        if len(under_way.keys) >= ROUND:
            return True
        self._last = 0
        return False

    def _claim(self, tx: Transaction) -> Round:
        """Return a new round, of what was due when the first of several began: what comes later can wait."""
        if not self._last:
            self._last, self._since_s = last_due(tx), monotonic()
        ids, keys = claim(tx, ROUND, wall_ms(), self._last)
        if self._noted is not None:
            self._noted.claimed(keys)
        return Round(ids, keys)


def count(tx: Transaction, limit: int, now: int = LATE, noted: Noted | None = None) -> int:
    """Count anew what is due, up to some more runs than `limit`, at once; return how many were counted.

    Facts come in by `now`. Beside an engine: in its transactions, and with what it has `noted`.
    """
    if not _may_count(tx):
        return 0
    ids, keys = claim(tx, limit, LATE)
    if noted is not None:
        noted.claimed(keys)
    recount(tx, keys, now)
    drop_due(tx, ids)
    return len(keys)


def recount(tx: Transaction, keys: Collection[RunKey], now: int = LATE) -> None:
    """Count these runs as they stand now, and not as they were counted."""
    courses: dict[int, str] = {}
    several: set[int] = set()
    found = alike(tx, set(keys), courses, now, several)
    changed = [(one, runs) for one, runs in found if one.counted != one.entry]
    if changed:
        tx.many("put_courses", sorted(courses.items()))
        _put(tx, changed)
        _add(tx, changed, courses)
    people = {contact_id for _, runs in found for contact_id, _ in runs}
    run_blocks.note(tx, people)
    doubles.recount(tx, people, several)


def _may_count(tx: Transaction) -> bool:
    free = tx.one("one_counter")
    return free is not None and bool(free[0])


def _put(tx: Transaction, changed: Sequence[_Runs]) -> None:
    """Keep as what each run is counted now."""
    put: list[Row] = []
    gone: list[RunKey] = []
    for one, runs in changed:
        if one.entry is None:
            gone += runs
        else:
            of = one.entry
            entry = (of.course_id, of.version_id, of.entered_at, of.value, of.hours, of.returned)
            put += [key + entry for key in runs]
    if put:
        tx.many("put_run_courses", sorted(put))
    if gone:
        tx.many("drop_run_courses", sorted(gone))


def _add(tx: Transaction, changed: Sequence[_Runs], courses: Mapping[int, str]) -> None:
    """Move the parts of these runs from one count to another."""
    moved: dict[tuple[int, int, int, str], list[int]] = {}
    for one, runs in changed:
        for entry, times in ((one.counted, -len(runs)), (one.entry, len(runs))):
            if entry is None:
                continue
            place = (entry.course_id, entry.version_id, entry.entered_at // HOUR_MS, entry.hours)
            total = moved.get(place)
            if total is None:
                total = moved[place] = [0, 0, 0]
            total[0] += times
            if entry.value or entry.returned:
                total[1] += times * entry.value
                total[2] += times * entry.returned
    known = parts(tx, {place[0] for place in moved}, courses)
    sums: dict[tuple[int, int, Part], list[int]] = {}
    sent: dict[tuple[int, int, Leg], int] = {}
    for (course_id, version_id, hour, hours), (count, value, returned) in moved.items():
        for part in known[course_id]:
            total = sums.setdefault((version_id, hour, part), [0, 0, 0])
            total[0] += count
            total[1] += value
            total[2] += returned
        for at, leg in submitted(hour, hours, known[course_id]):
            sent[version_id, at, leg] = sent.get((version_id, at, leg), 0) + count
    _put_counts(tx, sums)
    _put_leg_counts(tx, sent)
    _put_spent_counts(tx, sent)


def _put_spent_counts(tx: Transaction, sent: Mapping[tuple[int, int, Leg], int]) -> None:
    """Add to what the messages submitted within each hour cost."""
    sums: dict[tuple[int, int, int, int, str], list[int]] = {}
    for (version_id, hour, leg), times in sent.items():
        if times:
            for kind, *told in sums_of(leg):
                total = sums.setdefault((hour, version_id, leg.step, leg.account_id or 0, kind), [0, 0, 0])
                for at, number in enumerate(told):
                    total[at] += times * number
    moved = [(*place, *total) for place, total in sorted(sums.items()) if any(total)]
    if moved:
        tx.many("add_spent_counts", moved)
    fewer = [place for place, total in sums.items() if min(total) < 0]
    if fewer:
        tx.many("drop_empty_spent_counts", fewer)


def _put_leg_counts(tx: Transaction, sent: Mapping[tuple[int, int, Leg], int]) -> None:
    """Add to the counts of the messages submitted within each hour, and within its day."""
    rows: dict[tuple[int, int, int, int], int] = {}
    for (version_id, hour, leg), count in sent.items():
        for hours, first in ((DAY, hour // DAY * DAY), (1, hour)):
            place = (hours, first, version_id, id_of(text_of(leg)))
            rows[place] = rows.get(place, 0) + count
    moved = [(*place, count) for place, count in sorted(rows.items()) if count]
    if moved:
        tx.many("add_leg_counts", moved)
    fewer = [row[:4] for row in moved if row[4] < 0]
    if fewer:
        tx.many("drop_empty_leg_counts", fewer)


def _put_counts(tx: Transaction, sums: Mapping[tuple[int, int, Part], Sequence[int]]) -> None:
    """Add to the counts of each hour, of its day, and to those of all time."""
    texts = {part: text_of(part) for _, _, part in sums}
    ids = {part: id_of(text) for part, text in texts.items()}
    rows: dict[tuple[int, int, int, int], list[int]] = {}
    for (version_id, hour, part), more in sums.items():
        for hours, first in ((EVER, 0), (DAY, hour // DAY * DAY), (1, hour)):
            total = rows.setdefault((version_id, hours, first, ids[part]), [0, 0, 0])
            for at, count in enumerate(more):
                total[at] += count
    moved = [(*place, *total) for place, total in sorted(rows.items()) if any(total)]
    if moved:
        tx.many("put_course_parts", [(ids[part], text, live(part)) for part, text in texts.items()])
        tx.many("add_counts", moved)
    fewer = [row[:4] for row in moved if row[4] < 0]
    if fewer:
        tx.many("drop_empty_counts", fewer)

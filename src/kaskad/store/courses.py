"""How runs went, as reports count it: each as what it is counted, and as what it should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from itertools import accumulate, chain
from operator import itemgetter, sub
from typing import Any

import msgspec
from msgspec import Struct, structs

from kaskad.domain.alike import TOLD
from kaskad.domain.course import MOVED, Leg, Part, id_of, impersonal, parts_of, reaches, shape_of, text_of
from kaskad.domain.figures import FAILED, SEEN, UNDER_WAY, WINDOW_MS, WINDOWED, cost_of, price_of
from kaskad.domain.terms import Channel, Kind
from kaskad.store.course_times import IN_TIME, Times, times_of
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import RunKey

HOUR_MS = 3_600_000  # counts are kept by the hour of the entry
DAY = 24  # hours; by the day too
EVER = 0  # and all together
TOGETHER = 500  # runs that are due in one row, at most
LEASE_MS = 60_000
_ROWS = 50  # that are read at first: these may be of one run each, or of TOGETHER
# Rows of `runs_to_count`: a run's key, when it entered (now, as it is counted), and from here on how it went.
_ENTERED, _WAY = 2, 4
# Where in that are what they are named for:
_VERSION, _VALUE, _SEED, _SHAPE, _MARKS, _CASCADE, _COUNTED = 0, 1, 2, 3, 8, 9, 10
_LEGS, _RETURNED, _AMOUNTS = 15, 16, 17
_KNOWN = 5_000  # ways in which runs went that are remembered
_NOTED = 50_000  # runs that are remembered as due, some MiB

LATE = 1 << 62  # after all that can be known
_EMAIL, _LEFT = Channel.EMAIL.code, Kind.UNSUBSCRIBED.bit

_encode = msgspec.json.Encoder().encode
_numbers = msgspec.json.Decoder(list[int]).decode
_told = msgspec.json.Decoder(dict[str, Any]).decode


class Entry(Struct, frozen=True, gc=False):
    """As what a run is counted: `course_id` stands for how it went."""

    course_id: int
    version_id: int
    entered_at: int
    value: int  # less what came back of it
    hours: str = ""  # of submission, counted from that of the entry, by message
    returned: int = 0


class Standing(Struct, frozen=True, gc=False):
    """One run: as what it is counted, and as what it should be; None: not at all."""

    counted: Entry | None
    entry: Entry | None


class Noted:
    """Runs that are due and that nobody counts yet: to note each of their changes again would tell nothing.

    For a process that alone has what is due, as on SQLite; whoever claims some of it must say so (`claimed`).
    """

    def __init__(self) -> None:
        # Of each contact the run that was noted last: of several, one is noted again, which harms nothing.
        self._known: dict[int, int] = {}
        self._fresh: list[RunKey] = []  # noted by a transaction that is not committed yet …
        self._written = 0  # … and how many of these it has written

    def note(self, rows: Iterable[Row]) -> None:
        """Note the runs of these rows (contact, run, …), but for most of those that are noted already."""
        noted = self._known.get
        fresh = [row[:2] for row in rows if noted(row[0]) != row[1]]
        if fresh:
            self._known.update(fresh)
            self._fresh += fresh

    def fresh(self) -> set[RunKey]:
        """Return those noted since the last time, for the caller to write in this transaction."""
        fresh, self._written = set(self._fresh[self._written :]), len(self._fresh)
        return fresh

    def committed(self) -> None:
        """Take what was written since as noted for good."""
        self._fresh.clear()
        self._written = 0
        if len(self._known) > _NOTED:
            self._known.clear()

    def forget(self) -> None:
        """Undo what a transaction that was rolled back has noted."""
        for contact_id, _ in self._fresh:
            self._known.pop(contact_id, None)
        self._fresh.clear()
        self._written = 0

    def claimed(self, keys: Iterable[RunKey]) -> None:
        """Let these runs be noted anew: they are counted from now on."""
        known = self._known
        for contact_id, run_id in keys:
            if known.get(contact_id) == run_id:
                del known[contact_id]


def due(tx: Transaction, keys: Collection[RunKey]) -> None:
    """Let these runs be counted anew: something that reports count has changed about them."""
    if keys:
        ordered = sorted(keys)
        tx.many(
            "put_due", [(_packed(ordered[at : at + TOGETHER]),) for at in range(0, len(ordered), TOGETHER)]
        )


def due_again(tx: Transaction, contact_id: int) -> None:
    """Let all runs of a contact be counted anew."""
    tx.run("due_again", contact_id=contact_id)


def waiting(tx: Transaction, most: int) -> set[RunKey]:
    """Return which runs are to be counted anew: all of them, or more than `most`."""
    keys: set[RunKey] = set()
    after, limit = 0, _ROWS
    while len(keys) <= most and (rows := tx.all("due_runs", after=after, limit=limit)):
        for after, text in rows:  # noqa: B007 (the last one is where to go on)
            keys.update(_unpacked(text))
        limit *= 2
    return keys


def last_due(tx: Transaction) -> int:
    """Return the id of what was due last; 0: nothing is due."""
    row = tx.one("last_due")
    return 0 if row is None else row[0] or 0


def claim(tx: Transaction, most: int, now: int, last: int = LATE) -> tuple[list[int], list[RunKey]]:
    """Return ids of what is due, and its runs in order: some more than `most`, if there are so many.

    Only of what was due up to the id `last`.

    Nobody else claims these before LEASE_MS have passed. Whoever has counted them drops the ids.
    """
    ids: list[int] = []
    keys: set[RunKey] = set()
    limit = _ROWS
    while len(keys) < most and (
        rows := tx.all("claim_due", now=now, until=now + LEASE_MS, last=last, limit=limit)
    ):
        for number, text in rows:
            ids.append(number)
            keys.update(_unpacked(text))
        limit *= 2
    return ids, sorted(keys)


def drop_due(tx: Transaction, ids: Sequence[int]) -> None:
    """Forget what was due, once it is counted; what has changed since is due again under another id."""
    tx.among("drop_due", ids)


def _packed(keys: Sequence[RunKey]) -> str:
    contacts, runs = zip(*keys, strict=True)
    return _encode(
        [*chain.from_iterable(zip(map(sub, contacts, (0, *contacts)), runs, strict=False))]
    ).decode()


def _unpacked(text: str) -> Iterator[RunKey]:
    numbers = _numbers(text)
    return zip(accumulate(numbers[::2]), numbers[1::2], strict=True)


def stand(
    tx: Transaction, keys: Set[RunKey], courses: dict[int, str], now: int = LATE,
    several: set[int] | None = None,
) -> dict[RunKey, Standing]:  # fmt: skip
    """Return how these runs stand; see `alike`."""
    told = alike(tx, keys, courses, now, set() if several is None else several)
    return {key: one for one, runs in told for key in runs}


def alike(
    tx: Transaction, keys: Set[RunKey], courses: dict[int, str], now: int, several: set[int]
) -> list[tuple[Standing, list[RunKey]]]:  # fmt: skip
    """Return how these runs stand, those that are gone too, with all that stand so; texts go into `courses`.

    Nothing about them is known that came after `now`, which spares asking when it came. Those of their
    contacts who have several runs go into `several`.
    """
    rows = tx.among("runs_to_count", sorted({key[0] for key in keys}))
    more = _repeated([row[0] for row in rows])
    again = _again([row for row in rows if row[0] in more]) if more else set()
    several |= more
    apart = [row for row in rows if row[0] in more and row[:2] in keys] if more else []
    found: list[tuple[Standing, list[RunKey]]] = []
    for way, times in _ways(rows, keys, more).items():
        course, legs = None, _legs(way[_LEGS])
        for entered, runs in times.items():
            if legs.doubtful or legs.failed or _asks_when(way, entered[0], legs, now):
                apart += [(*key, *entered, *way) for key in runs]  # something is to be read of each
                continue
            course = course or _course_of(way, courses)
            found.append((_standing(way, entered, course), runs))
    found += [(one, [key]) for key, one in _apart(tx, apart, again, courses, now)]
    if sum([len(runs) for _, runs in found]) < len(keys):
        found += [(one, [key]) for key, one in _gone(tx, set(keys).difference(*[runs for _, runs in found]))]
    return found


def _ways(
    rows: Sequence[Row], keys: Set[RunKey], without: Set[int]
) -> dict[Row, dict[Row, list[RunKey]]]:  # fmt: skip
    """Return the runs by how they went, and by when they entered, but for those of contacts `without`."""
    found: dict[Row, dict[Row, list[RunKey]]] = {}
    for row in rows:
        key = row[:_ENTERED]
        if key not in keys or row[0] in without:
            continue
        way, entered = row[_WAY:], row[_ENTERED:_WAY]
        times = found.get(way)
        if times is None:
            times = found[way] = {}
        runs = times.get(entered)
        if runs is None:
            times[entered] = [key]
        else:
            runs.append(key)
    return found


def _apart(
    tx: Transaction, rows: Sequence[Row], again: Set[RunKey], courses: dict[int, str], now: int
) -> Iterator[tuple[RunKey, Standing]]:  # fmt: skip
    """Yield how runs stand that each are looked at by themselves."""
    runs = [(row[:2], row, _legs(row[_WAY + _LEGS])) for row in rows]
    firsts, words, times = _firsts(tx, runs), _words(tx, runs), _times(tx, runs, now)
    for key, row, _ in runs:
        way = row[_WAY:]
        course = _course_of(
            way, courses, key in again, firsts.get(key), words.get(key, ()), times.get(key)
        )  # fmt: skip
        yield key, _standing(way, row[_ENTERED:_WAY], course)


def _course_of(
    way: Row, courses: dict[int, str], again: bool = False, first: int | None = None,
    words: Sequence[str] = (), times: Times | None = None,
) -> tuple[int, str]:  # fmt: skip
    """Return the course of runs that went so, and the hours of submission; the text goes into `courses`."""
    if way[_SEED]:
        return 0, ""  # is not counted
    course_id, text, hours = _course(
        way[_SHAPE:_CASCADE], again, way[_LEGS], first, words, times, way[_AMOUNTS]
    )  # fmt: skip
    courses[course_id] = text
    return course_id, hours


def _standing(way: Row, entered: Row, course: tuple[int, str]) -> Standing:
    (course_id, hours), (at, counted_at) = course, entered
    entry = counted = None
    if not way[_SEED]:
        entry = Entry(course_id, way[_VERSION], at, way[_VALUE], hours, way[_RETURNED])
    if way[_COUNTED] is not None:
        course_id, version_id, *more = way[_COUNTED:_LEGS]
        counted = Entry(course_id, version_id, counted_at, *more)
    return Standing(counted, entry)


def parts(tx: Transaction, course_ids: Collection[int], known: Mapping[int, str]) -> dict[int, list[Part]]:
    """Return the parts of courses: of those whose text is `known`, and of those that are kept."""
    found = {course_id: parts_of(known[course_id]) for course_id in course_ids if course_id in known}
    rest = sorted(course_id for course_id in course_ids if course_id not in found)
    for course_id, text in tx.among("courses_by_id", rest) if rest else ():
        found[course_id] = parts_of(text)
    return found


def submitted(entered: int, hours: str, course: Sequence[Part]) -> Iterator[tuple[int, Leg]]:
    """Yield the messages of a course with the hours of their submission, of a run that entered then."""
    if hours:
        legs = [part for part in course if isinstance(part, Leg)]
        for leg, told in zip(legs, hours.split(","), strict=False):
            if told:
                yield entered + int(told), leg


def _repeated(ids: Sequence[int]) -> set[int]:
    """Return those of these ids that are there more than once."""
    if len(set(ids)) == len(ids):
        return set()
    return {each for each, times in Counter(ids).items() if times > 1}


def _again(rows: Sequence[Row]) -> set[RunKey]:
    """Return which of these runs are not their contact's first through their cascade."""
    first: dict[tuple[int, int], int] = {}
    for row in rows:
        place = (row[0], row[_WAY + _CASCADE])
        first[place] = min(row[1], first.get(place, row[1]))
    return {row[:2] for row in rows if row[1] > first[row[0], row[_WAY + _CASCADE]]}


class _Legs(Struct, frozen=True):
    """The messages of a run, by step."""

    rows: tuple[Row, ...]
    doubtful: bool  # a person has reacted to several
    failed: tuple[int, ...]  # the steps of those that have failed
    hours: str  # of submission, counted from that of the entry
    told: int  # the first of these hours of a message of which more is known than that it arrived; else LATE
    left: bool  # the person opted out by one of them
    early: bool  # one may have been submitted after what a person did at another one


_Counted = tuple[RunKey, Row, _Legs]  # a run with what the database tells of it, and of its messages


@lru_cache(_KNOWN)
def _legs(text: str | None) -> _Legs:
    """Return what the database tells of a run's messages: a number each, in rows."""
    found = [_numbers_of(row) for row in text.split(";")] if text else []
    rows = tuple(sorted(found, key=itemgetter(0)))
    return _Legs(
        rows,
        sum(1 for row in rows if row[3] & SEEN) > 1,
        tuple([row[0] for row in rows if row[2] in FAILED]),
        ",".join(["" if row[9] is None else str(row[9]) for row in rows]).rstrip(","),
        min([row[9] for row in rows if row[3] & WINDOWED and row[9] is not None], default=LATE),
        any(row[3] & _LEFT for row in rows),
        any(
            one[3] & SEEN and row[9] is not None and (row[0] > one[0] or row[9] > (one[9] or 0))
            for one in rows for row in rows if row is not one
        ),
    )  # fmt: skip


def _numbers_of(text: str) -> Row:
    return tuple([int(number) if number else None for number in text.split(",")])


@lru_cache(_KNOWN)
def _course(
    shape: Row, again: bool, text: str | None, first: int | None, words: Sequence[str], times: Times | None,
    amounts: str | None,
) -> tuple[int, str, str]:  # fmt: skip
    """Return the course of all runs that are so, with its id, and the hours of submission.

    `words` are those of the failed messages; `times` is None where they say nothing; `amounts` tell how what
    messages cost has changed. The first of `shape` is 1 where openings may not be noted.
    """
    hidden, holdout, outcome, outcome_step, late, marks = shape
    legs, times = _legs(text), times or IN_TIME
    told = dict(zip(legs.failed, words, strict=False))
    past, early, changes = dict(times.past), _early(legs, times, outcome), _changes(amounts)
    made = [_leg(row, told.get(row[0], ""), past.get(row[0], 0)) for row in legs.rows]
    reacted = [leg.step for leg in made if leg.mask & SEEN]
    if reacted:
        first = reacted[0] if len(reacted) == 1 else first
    last = max([leg.step for leg in made if reaches(leg)], default=None)
    goal, moved = bool(marks & Kind.GOAL.bit), bool(marks & MOVED)
    made = [
        structs.replace(
            leg, first=bool(reacted) and leg.step == first, left=leg.step == times.left, goal=goal,
            again=again, last=leg.step == last, hidden=bool(hidden) and leg.channel == _EMAIL,
            early=early.get(leg.step, ()), changes=changes.get(leg.step, ()),
            moved=moved,
        )
        for leg in made
    ]  # fmt: skip
    made_of = shape_of(holdout, outcome or 0, outcome_step, late, marks & ~TOLD, made, again)
    course = text_of([made_of, *made])
    return id_of(course), course, legs.hours


def _early(legs: _Legs, times: Times, outcome: int | None) -> dict[int, tuple[tuple[int, int, int], ...]]:
    """Return by step what people had done at others before its message left, of a run that is over."""
    if outcome is None:
        return {}
    channels = {row[0]: row[1] for row in legs.rows}
    return {
        step: tuple([(other, channels[other], mask) for other, mask in done if other in channels])
        for step, done in times.early
    }


def _changes(amounts: str | None) -> dict[int, tuple[tuple[int, int, int], ...]]:
    """Return by step how often its amount changed for each reason, and by how much together."""
    found: dict[int, dict[int, tuple[int, int]]] = {}
    for step, kind, minor in [map(int, row.split(",")) for row in amounts.split(";")] if amounts else ():
        count, total = found.setdefault(step, {}).get(kind, (0, 0))
        found[step][kind] = (count + 1, total + minor)
    return {step: tuple([(kind, *sums) for kind, sums in sorted(own.items())]) for step, own in found.items()}


def _leg(row: Row, word: str, past: int) -> Leg:
    step, channel, state, mask, account_id, variant, reason, price, cost, _ = row
    return Leg(
        step, channel, state, mask, account_id, variant, reason, price_of(state, price),
        cost_of(state, price, cost), False, word, past=past & mask, held=price if state == UNDER_WAY else 0,
    )  # fmt: skip


def _asks_when(way: Row, entered_at: int, legs: _Legs, now: int) -> bool:
    """Say whether of a run something may have been told late, or an opt-out may follow from a message."""
    old = (now - WINDOW_MS) // HOUR_MS
    until = (old + 1) * HOUR_MS  # nothing of who entered later is so old
    return bool(
        legs.left or legs.early or way[_MARKS] & _LEFT
        or (entered_at < until and entered_at // HOUR_MS + legs.told <= old)
    )  # fmt: skip


def _times(tx: Transaction, runs: Sequence[_Counted], now: int) -> dict[RunKey, Times]:
    """Return what was told late, and what went last before an opt-out, of runs of which it may be."""
    asked = [key for key, row, legs in runs if _asks_when(row[_WAY:], row[_ENTERED], legs, now)]
    return times_of(tx, asked) if asked else {}


def _firsts(tx: Transaction, runs: Sequence[_Counted]) -> dict[RunKey, int]:
    """Return the step that a person first reacted to, of runs where several may be it."""
    doubtful = [key for key, _, legs in runs if legs.doubtful]
    found = tx.many("first_reactions", doubtful) if doubtful else ()
    return {(row[0], row[1]): row[2] for row in found if row[2] is not None}


def _words(tx: Transaction, runs: Sequence[_Counted]) -> dict[RunKey, tuple[str, ...]]:
    """Return what providers called the failures of each run, in the order of its steps."""
    failed = [(key, legs.failed) for key, _, legs in runs if legs.failed]
    asked = [(*key, step) for key, steps in failed for step in steps]
    if not asked:
        return {}
    words: dict[tuple[int, ...], str] = {}
    for row in sorted(tx.many("told_failures", asked), key=lambda row: (-row[3], row[4])):
        words.setdefault(row[:3], _word(row[5]))  # the last instant counts, and of one what was told first
    return {key: tuple([words.get((*key, step), "") for step in steps]) for key, steps in failed}


@lru_cache(_KNOWN)
def _word(value: str) -> str:
    """Return what a provider called a failure: its code, else the words."""
    more = _told(value)
    return str(more.get("code") or "") or impersonal(str(more.get("detail") or ""))


def _gone(tx: Transaction, keys: Set[RunKey]) -> Iterator[tuple[RunKey, Standing]]:
    rows = tx.among("counted_of_contacts", sorted({key[0] for key in keys}))
    known = {(row[0], row[1]): Entry(*row[2:]) for row in rows}
    for key in keys:
        yield key, Standing(known.get(key), None)

"""How the runs of a cascade went: what is counted, and what has changed since."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from sys import byteorder

import msgspec
from msgspec import Struct, field, structs

from kaskad.analytics.changed import PIECE, Asked, Changed, Span
from kaskad.analytics.scope import FOREVER, People, Scope
from kaskad.domain.course import Leg, Part, Shape, live, part_of
from kaskad.store.courses import DAY, EVER, HOUR_MS, Entry, parts, stand, submitted, waiting
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import RunKey

WEEK = 7 * DAY  # hours
END = FOREVER // HOUR_MS
LATELY_MS = 90 * DAY * HOUR_MS  # what came since then is summed sooner than all before it, mostly
Counts = dict[tuple[int, int], list[int]]  # by version and course: runs, their worth, what of it came back


class Tally(Struct):
    """How many runs have each shape and leg; what goals but hold-outs' were worth, by version, minor units,
    less `returned`: what of it came back.

    `uncounted`: so many runs that have changed, or more, are left out: too many to be looked at now.
    """

    shapes: Counter[Shape] = field(default_factory=Counter)
    values: Counter[int] = field(default_factory=Counter)
    legs: Counter[Leg] = field(default_factory=Counter)
    people: Counter[tuple[int, int]] = field(default_factory=Counter)  # version, held out -> runs of its lot
    placed: dict[tuple[int, Leg], tuple[int, int]] = field(
        default_factory=dict
    )  # version, leg -> runs, worth
    held: Counter[int] = field(default_factory=Counter)  # `values` of those held out
    returned: Counter[int] = field(default_factory=Counter)
    uncounted: int = 0

    def add(self, part: Part, version_id: int, runs: int, value: int, returned: int = 0) -> None:
        """Count a part of so many runs more, all of one version."""
        if isinstance(part, Leg):
            self.legs[part] += runs
            known = self.placed.get((version_id, part), (0, 0))
            self.placed[version_id, part] = (known[0] + runs, known[1] + value)
        else:
            self.shapes[part] += runs
            (self.held if part.holdout else self.values)[version_id] += value
            self.returned[version_id] += 0 if part.holdout else returned
            self.people[version_id, part.holdout] += runs * part.of_the_lot


def tally(tx: Transaction, cascade_id: int, scope: Scope, changed: Changed | None = None) -> Tally:
    """Return how the runs in `scope` went, without seeds'.

    Who asks several times tells what has `changed`, else it is looked at again with each.
    """
    changed = changed or Changed(tx)
    told = Tally(uncounted=changed.uncounted)
    counts = Counts()
    whole = _in_hours(scope)
    if whole is not None:  # as counted, the rest by runs
        _sum(tx, cascade_id, whole, told, changed)
        edges = [(scope.since, whole.since), (whole.until, scope.until)]
    else:
        edges = [(scope.since, scope.until)]
    for since, until in edges:
        if since < until:
            _scan(tx, cascade_id, structs.replace(scope, since=since, until=until), counts)
    _correct(tx, cascade_id, scope, changed, counts)
    _add(tx, counts, changed.courses, told)
    for found in (told.shapes, told.legs):
        for part in [part for part, count in found.items() if not count]:
            del found[part]
    return told


def tally_of(tx: Transaction, keys: Sequence[RunKey]) -> Tally:
    """Return how these runs went as they stand now, however much is to be counted still; without seeds'.

    30 µs each, so that this is for some thousands.
    """
    courses: dict[int, str] = {}
    counts = Counts()
    for start in range(0, len(keys), PIECE):
        for one in stand(tx, set(keys[start : start + PIECE]), courses).values():
            if one.entry is not None:
                _count(counts, one.entry)
    told = Tally()
    _add(tx, counts, courses, told)
    return told


def weekly(
    tx: Transaction, cascade_id: int, scope: Scope, changed: Changed, *, legs: bool
) -> dict[int, Tally]:  # fmt: skip
    """Return how the runs of a version in `scope` went by the week of their entry (since 1970, UTC), of all
    people and from the first on.

    Without `legs` only the shapes are told of those who were not held out: a third of all.
    """
    found: defaultdict[int, Tally] = defaultdict(Tally)
    for hours, since, until in _days(0, scope.until // HOUR_MS):
        for week, text, runs in tx.all(
            "part_sums_by_week", version_id=scope.version_id, hours=hours, since=since, until=until,
            week=WEEK, legs=int(legs),
        ):  # fmt: skip
            found[week].add(part_of_text(text), scope.version_id, runs, 0)
    moved = list(_moved(tx, cascade_id, scope, changed))
    known = parts(tx, {entry.course_id for _, entry in moved}, changed.courses)
    for sign, entry in moved:
        week = entry.entered_at // HOUR_MS // WEEK
        for part in known[entry.course_id]:
            if legs or live(part) is not None:
                found[week].add(part, entry.version_id, sign, 0)
    return dict(found)


def standings(tx: Transaction, cascade_id: int = 0) -> dict[int, tuple[int, int]]:
    """Return by cascade how many runs have begun and how many are under way, without hold-outs and seeds.

    While very much is going on this is as of some seconds ago.
    """
    found: dict[int, list[int]] = {
        row[0]: [row[1], row[2]] for row in tx.all("counts_under_way", cascade_id=cascade_id)
    }
    cascades = {row[0]: row[1] for row in tx.all("version_cascades")}
    for sign, entry, own in _corrected(tx, _waiting(tx)):
        of = cascades[entry.version_id]
        for under_way in (live(part) for part in own):
            if under_way is not None and cascade_id in (0, of):
                counts = found.setdefault(of, [0, 0])
                counts[0] += sign
                counts[1] += sign * under_way
    return {number: (begun, under_way) for number, (begun, under_way) in found.items() if begun}


def messages(tx: Transaction) -> Counter[Leg]:
    """Return how many messages and skipped steps there are, by what became of each; no seeds'.

    While very much is going on this is as of some seconds ago.
    """
    found = Counter[Leg]()
    for text, count in tx.all("parts_ever"):
        if isinstance(part := part_of_text(text), Leg):
            found[part] += count
    for sign, _, own in _corrected(tx, _waiting(tx)):
        for leg in (part for part in own if isinstance(part, Leg)):
            found[leg] += sign
    return found


def carried(tx: Transaction) -> frozenset[int]:
    """Return the numbers of the accounts by which anything has ever left, as far as it is counted."""
    return frozenset(row[0] for row in tx.all("accounts_that_carried"))


def uncounted(tx: Transaction) -> int:
    """Return how many runs at least such counts leave out: 0, unless too many changed to be looked at."""
    count = len(waiting(tx, PIECE))
    return count if count > PIECE else 0


def _waiting(tx: Transaction) -> set[tuple[int, int]]:
    """Return the runs that are to be counted anew; none, where there are too many to be looked at."""
    changed = waiting(tx, PIECE)
    return changed if len(changed) <= PIECE else set()


def _corrected(
    tx: Transaction, keys: set[tuple[int, int]]
) -> Iterator[tuple[int, Entry, Sequence[Part]]]:  # fmt: skip
    """Yield as what these runs are counted (-1), and as what they should be (1), each with its parts."""
    courses: dict[int, str] = {}
    told = stand(tx, keys, courses).values()
    moved = [(sign, entry) for one in told for entry, sign in ((one.counted, -1), (one.entry, 1)) if entry]
    known = parts(tx, {entry.course_id for _, entry in moved}, courses)
    for sign, entry in moved:
        yield sign, entry, known[entry.course_id]


def _scan(tx: Transaction, cascade_id: int, scope: Scope, counts: Counts) -> None:
    """Count what was counted of runs that entered between two instants, run by run."""
    for (version_id, course_id), more in _scanned(tx, cascade_id, scope):
        sums = counts.setdefault((version_id, course_id), [0, 0, 0])
        counts[version_id, course_id] = [one + other for one, other in zip(sums, more, strict=True)]


def _scanned(tx: Transaction, cascade_id: int, scope: Scope) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """Yield by version and course how many runs there are, their worth, what of it came back."""
    if scope.people is not None:
        yield from scope.people.counted(tx, cascade_id).sums(scope.since, scope.until, scope.means)
        return
    for version_id, course_id, *more in tx.all("course_scan", cascade_id=cascade_id, **_span(scope)):
        if scope.has(version_id):
            yield (version_id, course_id), more


def _span(scope: Scope) -> dict[str, int]:
    return {"version_id": scope.version_id, "since": scope.since, "until": scope.until}


def look_ahead(tx: Transaction, scopes: Iterable[tuple[int, Scope]], changed: Changed) -> None:
    """Sum what tallies of these scopes of cascades will ask for, by one statement for all of them."""
    wanted: dict[Asked, None] = {}
    for cascade_id, scope in scopes:
        whole = _in_hours(scope)
        if whole is not None:
            for _, span in _pieces(whole, changed.now):
                wanted[cascade_id, scope.version_id, span] = None
    _look_up(tx, wanted, changed)


def _in_hours(scope: Scope) -> Scope | None:
    """Return what of a scope is whole hours, which are counted; None: nothing is, or of some people."""
    since, until = -(-scope.since // HOUR_MS) * HOUR_MS, scope.until // HOUR_MS * HOUR_MS
    return (
        None
        if scope.people is not None or since > until
        else structs.replace(scope, since=since, until=until)
    )


def _pieces(scope: Scope, now: int) -> list[tuple[int, Span]]:
    """Return which counts are to be added up (1), or taken off (-1)."""
    first, last = scope.since // HOUR_MS, scope.until // HOUR_MS
    if first <= 0 and 0 < last < END and now - scope.until <= LATELY_MS:
        return [(1, (EVER, 0, 1)), *[(-1, span) for span in spans(last, END)]]  # less what came since
    return [(1, span) for span in spans(first, last)]


def _sum(tx: Transaction, cascade_id: int, scope: Scope, told: Tally, changed: Changed) -> None:
    pieces = _pieces(scope, changed.now)
    _look_up(tx, [(cascade_id, scope.version_id, span) for _, span in pieces], changed)
    found: dict[tuple[int, str], list[int]] = {}
    for sign, span in pieces:
        for version_id, text, *more in _sums(cascade_id, scope.version_id, span, changed):
            if scope.has(version_id):
                sums = found.setdefault((version_id, text), [0, 0, 0])
                for at, each in enumerate(more):
                    sums[at] += sign * each
    for (version_id, text), sums in found.items():
        if any(sums):
            told.add(part_of_text(text), version_id, *sums)


def _look_up(tx: Transaction, wanted: Iterable[Asked], changed: Changed) -> None:
    """Sum by one statement what of this was not asked for before."""
    sums = changed.sums
    new = [each for each in wanted if each not in sums and (each[0], 0, each[2]) not in sums]
    sums.update((each, []) for each in new)
    for place, *row in tx.many("part_sums", [(at, *each[:2], *each[2]) for at, each in enumerate(new)]):
        sums[new[place]].append(tuple(row))


def _sums(cascade_id: int, version_id: int, span: Span, changed: Changed) -> Sequence[Row]:
    """Return the counts of a cascade's version (0: of all) by version and part, as they were looked up."""
    of_all = changed.sums.get((cascade_id, 0, span))
    if of_all is None:
        return changed.sums[cascade_id, version_id, span]
    return of_all if not version_id else [row for row in of_all if row[0] == version_id]


Left = tuple[int, int, Leg]  # the first hour of some (0: of all), a version, what became of a message


def left_between(tx: Transaction, since: int, until: int, *, by: int = 0) -> Counter[Left]:
    """Return how many messages were submitted from one hour (since 1970) until before another; no seeds'.

    `by`: so many hours together, 1 or DAY, told by the first of them; 0: all. While very much is going on
    this is as of some seconds ago.
    """
    found = Counter[Left]()
    for hours, first, last in [(1, since, until)] if by == 1 else spans(max(since, 1), until):
        for hour, version_id, text, count in tx.all(
            "legs_between", hours=hours, since=first, until=last, by=by
        ):
            found[hour, version_id, leg_of(text)] += count
    for hour, version_id, leg, sign in moves(tx, _waiting(tx)):
        if since <= hour < until:
            found[hour // by * by if by else 0, version_id, leg] += sign
    return found


def moves(tx: Transaction, keys: set[tuple[int, int]]) -> Iterator[tuple[int, int, Leg, int]]:
    """Yield the messages of these runs by hour and version: as counted (-1), and as they are (1)."""
    for sign, entry, own in _corrected(tx, keys):
        entered = entry.entered_at // HOUR_MS
        for hour, leg in submitted(entered, entry.hours, own):
            yield hour, entry.version_id, leg, sign


def spans(since: int, until: int) -> list[Span]:
    """Return which counts make up the hours from `since` to `until`: whole days where there are any."""
    if until >= END:
        return [(EVER, 0, 1)] if since <= 0 else _days(since, -(-END // DAY) * DAY)
    return _days(since, until)


def _days(since: int, until: int) -> list[Span]:
    first, last = -(-since // DAY) * DAY, until // DAY * DAY
    if first >= last:
        return [(1, since, until)]
    found = [(1, since, first), (DAY, first, last), (1, last, until)]
    return [(hours, least, most) for hours, least, most in found if least < most]


def worth_each(
    tx: Transaction, cascade_id: int, scope: Scope, changed: Changed | None = None
) -> dict[int, Counter[int]]:
    """Return how many first runs brought which amount, held out (1) or not; who brought nothing lacks."""
    changed = changed or Changed(tx)
    found: Counter[tuple[int, int]] = Counter()
    scanned = list(_brought(tx, cascade_id, scope))
    for sign, entry in _moved(tx, cascade_id, scope, changed):
        if entry.value:
            found[entry.course_id, entry.value] += sign
    ids = {course_id for course_id, _ in (*scanned, *found)}
    arms: dict[int, Counter[int]] = {0: Counter(), 1: Counter()}
    known = parts(tx, ids, changed.courses)
    shapes = {each: next(part for part in own if isinstance(part, Shape)) for each, own in known.items()}
    arm_of = {each: arms[shape.holdout] for each, shape in shapes.items() if shape.of_the_lot}
    for course_id, amounts in scanned:
        if course_id in arm_of:
            arm_of[course_id].update(amounts)
    for (course_id, value), count in found.items():
        if course_id in arm_of:
            arm_of[course_id][value] += count
    return arms


def _brought(tx: Transaction, cascade_id: int, scope: Scope) -> Iterator[tuple[int, Sequence[int]]]:
    """Yield courses with what runs that went so are counted as worth, where they are worth something."""
    from kaskad.store import run_columns  # numpy, which reports of everybody do without

    people = scope.people
    counted = run_columns.brought(tx, cascade_id) if people is None else people.counted(tx, cascade_id)
    if counted is not None:
        yield from counted.worths(scope.since, scope.until, scope.means)
        return
    for version_id, course_id, values in tx.all("worth_scan", cascade_id=cascade_id, **_span(scope)):
        if scope.has(version_id):
            yield course_id, _amounts(values)


def _amounts(told: str | bytes) -> Sequence[int]:
    """Return the numbers of a text, or of PostgreSQL's bytes."""
    if isinstance(told, str):
        return msgspec.json.decode(f"[{told}]", type=list[int])
    found = array("q", told)
    if byteorder == "little":
        found.byteswap()
    return found


def held_out_lately(
    tx: Transaction, cascade_id: int, scope: Scope, most: int, changed: Changed | None = None
) -> People | None:
    """Return those of a scope whose runs were held out last, so many runs or all; None: everybody.

    Others may be among them. To look for many people in a statement takes longer than to find these.
    """
    changed = changed or Changed(tx)
    if scope.people is None or changed.uncounted or len(scope.people.ids) <= most:
        return scope.people
    counted = scope.people.counted(tx, cascade_id)
    courses = parts(tx, {course_id for _, course_id in counted.ways}, {})
    held = {course_id for course_id, own in courses.items() if any(_is_held(part) for part in own)}
    found = counted.latest(scope.since, scope.until, lambda each: scope.version_id in (0, each), held, most)
    return People([*found, *(each for each in changed.contact_ids if each in scope.people)])


def _is_held(part: Part) -> bool:
    return isinstance(part, Shape) and bool(part.holdout)


def _correct(
    tx: Transaction, cascade_id: int, scope: Scope, changed: Changed, counts: Counts
) -> None:  # fmt: skip
    """Count what has changed as it stands, and not as it was counted."""
    for sign, entry in _moved(tx, cascade_id, scope, changed):
        _count(counts, entry, sign)


def _count(counts: Counts, entry: Entry, sign: int = 1) -> None:
    sums = counts.setdefault((entry.version_id, entry.course_id), [0, 0, 0])
    for at, more in enumerate((1, entry.value, entry.returned)):
        sums[at] += sign * more


def _add(tx: Transaction, counts: Counts, courses: Mapping[int, str], told: Tally) -> None:
    """Add the parts of what was counted by course; `courses` are the texts of some of these."""
    moved = [place for place, sums in counts.items() if any(sums)]
    known = parts(tx, {course_id for _, course_id in moved}, courses)
    for place in moved:
        for part in known[place[1]]:
            told.add(part, place[0], *counts[place])


def _moved(tx: Transaction, cascade_id: int, scope: Scope, changed: Changed) -> Iterator[tuple[int, Entry]]:
    """Yield as what these runs are no longer to be counted (-1), and as what instead (1)."""
    people = scope.people
    found = list(changed.standings(lambda contact_id: people is None or contact_id in people))
    if not found:
        return
    versions = {row[0] for row in tx.all("versions_of", cascade_id=cascade_id) if scope.has(row[0])}
    if scope.version_id:
        versions &= {scope.version_id}
    for standing in found:
        for entry, sign in ((standing.counted, -1), (standing.entry, 1)):
            if (
                entry is not None
                and entry.version_id in versions
                and scope.since <= entry.entered_at < scope.until
            ):
                yield sign, entry


part_of_text = lru_cache(20_000)(part_of)  # the same parts are asked for again and again


def leg_of(text: str) -> Leg:
    part = part_of_text(text)
    assert isinstance(part, Leg)
    return part

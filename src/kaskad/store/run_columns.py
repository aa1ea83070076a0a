"""As what runs are counted, by column: in blocks of contacts that were made before, others as they stand.

A column has one entry for each counted run of a cascade. What a run is counted as, its version and course, is
kept once in a block, with a code for every run.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import partial
from secrets import randbits

import msgspec
import numpy as np
from msgspec import Struct

from kaskad.store import deed_columns, mail_columns, run_blocks, segment_blocks, touch_columns
from kaskad.store.db import Database, Row, Transaction
from kaskad.store.packed import Packed, pack, unpack
from kaskad.store.segment_blocks import BLOCK, Write, writer
from kaskad.store.segment_columns import TOGETHER, Flags, Integers

_FEW = 64  # people of a block, of whom rows are read sooner than its columns
_VALUE = 4  # its place in rows of `counted_among`
_READ = 50_000  # people of whom rows are read at once
WAYS = "ways"  # the word on the shelf for columns of runs …
ROWS = "rows"  # … and for those who were counted anew since
_ROOM = 200  # bytes that a row takes in memory, about
WORTH = "worth"  # the word in `deed_columns`: runs that were worth something, as all are kept
_NOBODY: Integers = np.zeros(0, np.int64)

Way = tuple[int, int]  # a version, a course


class Counted(Struct, frozen=True):
    """As what the runs of some people through one cascade are counted: an entry for each run, in no order."""

    ways: list[Way]
    contacts: Integers
    codes: Integers  # places in `ways`
    entered: Integers
    values: Integers  # less what came back
    returned: Integers

    def sums(self, since: int, until: int, has: Callable[[int], bool]) -> Iterator[tuple[Way, list[int]]]:
        """Yield how many runs went each way, what they were worth and what came back.

        Of those that entered from one instant until before another, by versions that `has` says.
        """
        chosen = self._chosen(since, until, has)
        codes, size = self.codes[chosen], len(self.ways)
        told = [np.bincount(codes, minlength=size)]
        for amounts in (self.values, self.returned):
            found = np.zeros(size, np.int64)
            some = chosen & (amounts != 0)
            np.add.at(found, self.codes[some], amounts[some])
            told.append(found)
        for place in np.flatnonzero(told[0]).tolist():
            yield self.ways[place], [int(each[place]) for each in told]

    def worths(
        self, since: int, until: int, has: Callable[[int], bool]
    ) -> Iterator[tuple[int, list[int]]]:  # fmt: skip
        """Yield by course what such runs were worth; those worth nothing are left out."""
        some = np.flatnonzero(self._chosen(since, until, has) & (self.values != 0))
        narrow = np.min_scalar_type(len(self.ways))  # such numbers are sorted by digits, five times sooner
        codes = self.codes[some].astype(narrow)
        values = self.values[some[np.argsort(codes, kind="stable")]]
        counts = np.bincount(codes, minlength=len(self.ways))
        ends = np.cumsum(counts).tolist()
        for (_, course_id), end, count in zip(self.ways, ends, counts.tolist(), strict=True):
            if count:
                yield course_id, values[end - count : end].tolist()

    def latest(
        self, since: int, until: int, has: Callable[[int], bool], course_ids: Set[int], most: int
    ) -> list[int]:
        """Return whose are the last of such runs that went these courses: of so many runs, or of all."""
        went = np.array([course_id in course_ids for _, course_id in self.ways], np.bool_)
        places = np.flatnonzero(self._chosen(since, until, has))
        places = places[went[self.codes[places]]]
        if len(places) > most:
            places = places[np.argpartition(self.entered[places], -most)[-most:]]
        found: list[int] = self.contacts[places].tolist()
        return found

    def _chosen(self, since: int, until: int, has: Callable[[int], bool]) -> Flags:
        of = np.array([has(version_id) for version_id, _ in self.ways], np.bool_)
        within = self.entered < until
        if since > 0:
            within &= self.entered >= since
        return within if of.all() else within & of[self.codes]


class _Packed(Struct, frozen=True, array_like=True):
    """The columns of a cascade in a block, as they are kept: little-endian numbers, each with their kind."""

    versions: Packed  # of the ways …
    courses: Packed  # … and their courses
    contacts: Packed  # counted from the first of the block
    codes: Packed
    entered: Packed  # counted from `first`
    values: Packed
    returned: Packed
    first: int

    @property
    def nbytes(self) -> int:
        of_ways, of_runs = (self.versions, self.courses), (self.contacts, self.codes, self.entered)
        return sum(len(data) for _, data in (*of_ways, *of_runs, self.values, self.returned))


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Packed).decode


def counted(tx: Transaction, cascade_id: int, people: Sequence[int]) -> Counted:
    """Return as what the runs of some people (in the order of their ids) through a cascade are counted."""
    ids: Integers = np.array(people, np.int64)
    made = run_blocks.generations(tx)
    by_column = {block: own for block, own in _blocks(ids) if block in made and own.stop - own.start >= _FEW}
    elsewhere, turns = np.ones(len(ids), np.bool_), dict[int, int]()
    if by_column:
        turns = dict(tx.among("touched_runs_of", list(by_column)))
        for own in by_column.values():
            elsewhere[own] = False
    anew = np.isin(ids, np.array(list(turns), np.int64)) & ~elsewhere
    together = _Together()
    for block, packed in _taken(tx, {block: made[block] for block in by_column}, cascade_id).items():
        own, wanted = by_column[block], np.zeros(BLOCK, np.bool_)
        wanted[ids[own][~anew[own]] - block * BLOCK] = True
        together.add(packed, block, wanted)
    since = {contact_id: turns[contact_id] for contact_id in ids[anew].tolist()}
    together.add_rows(_counted_anew(tx, cascade_id, since))
    rest = ids[elsewhere]
    for start in range(0, len(rest), _READ):
        some = array("q", rest[start : start + _READ].tobytes())
        together.add_rows(tx.among("counted_among", some, cascade_id=cascade_id))
    return together.whole()


def bring(tx: Transaction, cascade_id: int) -> None:
    """Bring into memory as what everybody's runs through a cascade are counted."""
    _taken(tx, run_blocks.generations(tx), cascade_id)
    _worth(tx, cascade_id)
    _counted_anew(tx, cascade_id, run_blocks.anew(tx, deed_columns.MOST) or {})


def _worth(tx: Transaction, cascade_id: int) -> dict[int, _Packed]:
    """Return by block the runs that were worth something."""
    read = partial(deed_columns.read, tx, WORTH, cascade_id, _decode)
    return tx.shelf.take((WORTH, cascade_id), run_blocks.generations(tx), read)


def _taken(tx: Transaction, made: Mapping[int, int], cascade_id: int) -> dict[int, _Packed]:
    return tx.shelf.take((WAYS, cascade_id), made, partial(_read, tx, cascade_id))


class _Rows(Struct, frozen=True):
    """Rows of `counted_among` of a contact."""

    rows: list[Row]

    @property
    def nbytes(self) -> int:
        return _ROOM * len(self.rows)


def _counted_anew(tx: Transaction, cascade_id: int, turns: Mapping[int, int]) -> list[Row]:
    """Return as what the runs of people are counted who were counted since their block was made; `turns` say
    in which turn last."""
    told = tx.shelf.take((ROWS, cascade_id), turns, partial(_rows, tx, cascade_id))
    return [row for own in told.values() for row in own.rows]


def _rows(tx: Transaction, cascade_id: int, people: Sequence[int]) -> Iterator[tuple[int, _Rows]]:
    """Yield as what the runs of people are counted."""
    found: dict[int, list[Row]] = defaultdict(list)
    for row in tx.among("counted_among", people, cascade_id=cascade_id):
        found[row[0]].append(row)
    return ((contact_id, _Rows(rows)) for contact_id, rows in found.items())


def _read(tx: Transaction, cascade_id: int, blocks: Sequence[int]) -> Iterator[tuple[int, _Packed]]:
    """Yield the columns of a cascade in some blocks."""
    for start in range(0, len(blocks), TOGETHER):
        rows = tx.among("run_columns_of", blocks[start : start + TOGETHER], cascade_id=cascade_id)
        yield from ((block, _decode(data)) for block, data in rows)


def brought(tx: Transaction, cascade_id: int) -> Counted | None:
    """Return as what everybody's runs through a cascade are counted, of those worth something; None: the
    columns do not tell.
    """
    anew = run_blocks.anew(tx, deed_columns.MOST)
    if anew is None:
        return None
    together, rest = _Together(), np.array(list(anew), np.int64)
    for block, packed in _worth(tx, cascade_id).items():
        wanted = np.ones(BLOCK, np.bool_)
        wanted[rest[rest // BLOCK == block] - block * BLOCK] = False
        together.add(packed, block, wanted)
    together.add_rows([row for row in _counted_anew(tx, cascade_id, anew) if row[_VALUE]])
    return together.whole()


def _blocks(ids: Integers) -> Iterator[tuple[int, slice]]:
    """Yield the blocks of some ids that are in order, each with where its ids are among them."""
    blocks, starts = np.unique(ids // BLOCK, return_index=True)
    ends = [*starts[1:].tolist(), len(ids)]
    for block, start, end in zip(blocks.tolist(), starts.tolist(), ends[: len(starts)], strict=True):
        yield block, slice(start, end)


class _Together:
    """Runs of several blocks, and others, put together."""

    def __init__(self) -> None:
        self._ways: list[Integers] = [np.zeros((2, 0), np.int64)]
        self._known = 0  # ways so far, some of them several times
        self._columns: list[list[Integers]] = [[], [], [], [], []]

    def add(self, packed: _Packed, block: int, wanted: Flags) -> None:
        """Add the runs of the contacts of a block that are wanted."""
        places = unpack(packed.contacts)
        chosen = np.flatnonzero(wanted[places])
        self._add(
            np.array([unpack(packed.versions), unpack(packed.courses)], np.int64),
            places[chosen].astype(np.int64) + block * BLOCK,
            unpack(packed.codes)[chosen].astype(np.int64),
            unpack(packed.entered)[chosen].astype(np.int64) + packed.first,
            *[unpack(each)[chosen].astype(np.int64) for each in (packed.values, packed.returned)],
        )

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Add the runs of rows of `counted_among`."""
        if rows:
            contacts, versions, courses, *rest = np.array(rows, np.int64).T
            self._add(np.array([versions, courses]), contacts, np.arange(len(rows)), *rest)

    def whole(self) -> Counted:
        """Return all that was added."""
        # 225 ways in each of 123 blocks: a call for each would take longer than all else.
        (versions, version_of), (courses, course_of) = (
            np.unique(each, return_inverse=True) for each in np.concatenate(self._ways, axis=1)
        )
        ways, way_of = np.unique(course_of * len(versions) + version_of, return_inverse=True)
        contacts, codes, *rest = (np.concatenate([_NOBODY, *each]) for each in self._columns)
        told = [versions[ways % len(versions)], courses[ways // len(versions)]] if len(ways) else [ways, ways]
        pairs = zip(*[each.tolist() for each in told], strict=True)
        return Counted(list(pairs), contacts, way_of[codes], *rest)

    def _add(self, ways: Integers, contacts: Integers, codes: Integers, *rest: Integers) -> None:
        """Add runs whose codes are places among these ways."""
        for own, more in zip(self._columns, (contacts, codes + self._known, *rest), strict=True):
            own.append(more)
        self._ways.append(ways)
        self._known += ways.shape[1]


def making(db: Database, write: Write | None = None) -> Iterator[tuple[int, int]]:
    """Make every block that is not made or has changed; yield how many are done, of how many.

    `write` carries out a change in a transaction. Writes are short.
    """
    carry_out = write or writer(db)
    return segment_blocks.making(db, run_blocks, lambda block: make(db, block, carry_out))


def make(db: Database, block: int, write: Write) -> None:
    """Make one block; where somebody else makes or drops it meanwhile, it is theirs."""
    generation, made_as = randbits(48), randbits(48)  # like no other: `store/shelf.py` goes by it

    def begin(tx: Transaction) -> int:
        tx.one("lock_counter")  # whoever counts from now on sees that there is a block
        return tx.run("begin_run_block", block=block, generation=generation)

    write(begin)
    with db.read() as tx:
        turn = run_blocks.last_turn(tx)
        packed, worth = _pack(tx, block)
        deeds = [*worth]
        for each in (deed_columns, mail_columns, touch_columns):
            deeds += each.pack_block(tx, block)

    def end(tx: Transaction) -> int:
        tx.one("lock_counter")  # whoever counts changes the same rows, in another order
        if tx.run("end_run_block", block=block, generation=generation, made_as=made_as):
            run_blocks.empty(tx, block)
            tx.many("put_run_columns", packed)
            tx.many("put_deed_columns", deeds)
            run_blocks.forget(tx, block, turn)
        return 0

    write(end)


def _pack(tx: Transaction, block: int) -> tuple[list[Row], list[Row]]:
    """Return the columns of a block by cascade, and those of runs that were worth something."""
    first = block * BLOCK
    of: dict[int, list[Row]] = defaultdict(list)
    for cascade_id, *row in tx.all("counted_within", first=first, last=first + BLOCK - 1):
        of[cascade_id].append(tuple(row))
    worth = {cascade_id: [row for row in rows if row[_VALUE]] for cascade_id, rows in of.items()}
    return (
        [(cascade_id, block, _packed(rows, first)) for cascade_id, rows in of.items()],
        [(WORTH, cascade_id, block, _packed(rows, first)) for cascade_id, rows in worth.items() if rows],
    )


def _packed(rows: Sequence[Row], first: int) -> bytes:
    """Return rows of `counted_among` as they are kept; `first` is the first contact of their block."""
    contacts, versions, courses, entered, values, returned = zip(*rows, strict=True)
    known: dict[Way, int] = {}
    codes = [known.setdefault(way, len(known)) for way in zip(versions, courses, strict=True)]
    begun = min(entered)
    ways: Integers = np.array(list(known), np.int64).T
    return _encode(_Packed(
        pack(ways[0]), pack(ways[1]), pack(np.array(contacts, np.int64) - first),
        pack(np.array(codes, np.int64)), pack(np.array(entered, np.int64) - begun),
        pack(np.array(values, np.int64)), pack(np.array(returned, np.int64)), begun,
    ))  # fmt: skip

"""Blocks of contacts: making their columns, and asking all of them a question.

A question sees one state of the database. Of a block that is made, those who were changed since are asked as
they stand; of one that is not, everybody is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from secrets import randbits
from time import sleep

import numpy as np

from kaskad.domain.rfm import BANDS, Rfm, RfmRule
from kaskad.domain.terms import Channel
from kaskad.store import segment_blocks
from kaskad.store.db import Database, Transaction
from kaskad.store.segment_blocks import BLOCK, Write, last_block, writer
from kaskad.store.segment_columns import Ahead, Block, Columns, Flags, Integers, Live, Made, pack
from kaskad.store.segment_patch import Patched
from kaskad.store.segment_sets import Purchases, Question, purchases

Progress = Callable[[int, int], None]  # blocks done, of how many
Stretch = tuple[int, int]  # the first and the last id of some contacts
Look = Callable[[Block, Flags, Purchases], None]  # at a block: who of it counts, and what they bought
EVERYBODY: Stretch = (0, 1 << 62)

CODES = [channel.code for channel in Channel]

_NOBODY: Integers = np.zeros(0, np.int64)
_PAUSE_S, _TRIES = 0.02, 500
_PATCHED = 0.25  # of a block: when more were changed, all of it is read


def everybody(
    tx: Transaction, question: Question, seeds: bool, progress: Progress, reach: Integers | None = None,
    within: Stretch = EVERYBODY,
) -> Integers:  # fmt: skip
    """Return the ids of all who meet a condition, in their order; seed contacts only where they are wanted.

    Of others than those `within` some may be among them. `progress` may raise, and so ends the question.
    `reach` counts good addresses by channel.
    """
    found: list[Integers] = []
    for block, left_out in blocks(tx, progress, within):
        met = question.meets(block) & counted(block, left_out, seeds)
        found.append(block.ids[met])
        if reach is not None:
            own = block.reach[met]
            for code in CODES:
                reach[code] += np.count_nonzero(own & 1 << code)
    return _in_order(found)


def everybody_of(tx: Transaction, questions: Sequence[Question], look: Sequence[Look]) -> list[Integers]:
    """Return who meets each of some conditions, in one look at everybody; seed contacts are left out.

    Each of `look` is shown every block, too.
    """
    found: list[list[Integers]] = [[] for _ in questions]
    for block, left_out in blocks(tx, quiet):
        counts, bought = counted(block, left_out), Purchases(block)
        for question, own in zip(questions, found, strict=True):
            own.append(block.ids[question.meets(block, bought) & counts])
        for each in look:
            each(block, counts, bought)
    return [_in_order(own) for own in found]


def counted(block: Block, left_out: Integers, seeds: bool = False) -> Flags:
    """Return who of a block counts: nobody who comes again as they stand, and seeds only where wanted."""
    counts = np.ones(len(block.ids), np.bool_) if seeds else ~block.seeds
    return counts & ~np.isin(block.ids, left_out) if len(left_out) else counts


def _in_order(found: Sequence[Integers]) -> Integers:
    return np.sort(np.concatenate(found), kind="stable") if found else _NOBODY  # they nearly are


def blocks(
    tx: Transaction, progress: Progress, within: Stretch = EVERYBODY
) -> Iterator[tuple[Block, Integers]]:
    """Yield everybody by blocks, each with those to leave out of it: they come again as they stand.

    Only blocks that hold some of those `within`.
    """
    first, last = within[0] // BLOCK, min(last_block(tx), within[1] // BLOCK)
    made = segment_blocks.generations(tx)
    touched = np.array([row[0] for row in tx.all("segment_touched")] if made else [], np.int64)
    touched.sort()
    touched = touched[slice(*np.searchsorted(touched, [first * BLOCK, (last + 1) * BLOCK]))]
    ahead = Ahead(tx, last, {block: made[block] for block in made if first <= block <= last})
    for block in range(first, last + 1):
        progress(block, last + 1)
        own: Block = Made(tx, block, ahead) if block in made else _whole(tx, block)
        if len(own.ids):
            yield own, _within(touched, block) if block in made else _NOBODY
    again = touched[np.isin(touched // BLOCK, np.array(sorted(made), np.int64))]
    for start in range(0, len(again), BLOCK):
        those = Live(tx, again[start : start + BLOCK].tolist())
        if len(those.ids):
            yield those, _NOBODY
    progress(last + 1, last + 1)


def edges(tx: Transaction, rule: RfmRule, now: int) -> Rfm:
    """Return the edges of the scores of everybody but seed contacts."""
    ages, counts, amounts = [_NOBODY], [_NOBODY], [_NOBODY]
    for block, left_out in blocks(tx, quiet):
        last, often, much = purchases(block, rule, now)
        bought = (often > 0) & counted(block, left_out)
        ages.append(now - last[bought])
        counts.append(often[bought])
        amounts.append(much[bought])
    told = [np.concatenate(each) for each in (ages, counts, amounts)]
    if not len(told[0]):
        return Rfm(now, 0, rule=rule)
    parts = [number / BANDS for number in range(1, BANDS)]
    found = [tuple(np.quantile(each, parts, method="inverted_cdf").tolist()) for each in told]
    return Rfm(now, len(told[0]), found[0], found[1], found[2], rule)


def making(db: Database, now: int, write: Write | None = None) -> Iterator[tuple[int, int]]:
    """Make every block that is not made or has changed; yield how many are done, of how many.

    `write` carries out a change in a transaction. Writes are short. A block of which something is dropped
    meanwhile is left as it is for the next time.
    """
    carry_out = write or writer(db)
    return segment_blocks.making(db, segment_blocks, lambda block: make(db, block, now, carry_out))


def make(db: Database, block: int, now: int, write: Write) -> None:
    """Make one block; of one that is made and of which few were changed, only those are read."""
    part = {"first": block * BLOCK, "last": block * BLOCK + BLOCK - 1}

    first = randbits(48)  # a block that was dropped and is begun again must not look like the one before

    def begin(tx: Transaction) -> int:
        ((generation,),) = tx.all("begin_block", block=block, first=first)
        tx.run("take_touched", generation=generation, **part)
        return int(generation)

    generation = write(begin)
    if generation == first and not _told_of(db):
        return
    with db.read() as tx:
        before, after = _columns(tx, block)
    gone = [(block, *key) for key in before if key not in after]
    changed = [(block, *key, data) for key, data in after.items() if before.get(key) != data]

    def end(tx: Transaction) -> int:
        if tx.run("end_block", block=block, generation=generation, now=now):
            if not before:
                tx.run("drop_columns", block=block)
            for lost in gone:
                tx.run("drop_column", block=lost[0], kind=lost[1], name=lost[2], property=lost[3])
            if changed:
                tx.many("put_columns", changed)
            tx.run("drop_taken", generation=generation, **part)
        return 0

    write(end)


def _told_of(db: Database) -> bool:
    """Wait until whoever was changing people when the block was begun has committed: they noted nothing yet.

    Return False where somebody takes too long. On SQLite there is nobody: one writes at a time.
    """
    with db.read() as tx:
        ((_, until),) = tx.all("transactions_under_way")
    for _ in range(_TRIES):
        with db.read() as tx:
            ((oldest, _),) = tx.all("transactions_under_way")
        if oldest >= until:
            return True
        sleep(_PAUSE_S)
    return False


def _columns(tx: Transaction, block: int) -> tuple[Columns, Columns]:
    """Return the columns of a block as they are kept, where that helps, and as they should be."""
    row = tx.one("block_built_at", block=block)
    touched = [
        row[0] for row in tx.all("touched_within", first=block * BLOCK, last=block * BLOCK + BLOCK - 1)
    ]
    if row is None or row[0] is None or len(touched) > BLOCK * _PATCHED:
        return {}, pack(_whole(tx, block))
    made = Made(tx, block)
    return made.columns(), pack(Patched(made, Live(tx, touched), touched))


def quiet(done: int, of: int) -> None:
    """Tell nobody of progress."""


def _whole(tx: Transaction, block: int) -> Live:
    return Live(tx, block=(block * BLOCK, block * BLOCK + BLOCK - 1))


def _within(ids: Integers, block: int) -> Integers:
    first, last = np.searchsorted(ids, [block * BLOCK, (block + 1) * BLOCK])
    return ids[first:last]

"""Which blocks of contacts are made for segments, and how many people were changed since.

Apart from the columns themselves, so that whoever only wants to know this does not load numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec import Struct

from kaskad.store.db import Database, Transaction

BLOCK = 8192  # contacts, also in the migration
COLUMN = "column"  # the word on the shelf for what segments ask about

# Making anew is worth it when so many of those who are made have been changed since, or this share of them.
_MANY, _SHARE = 1_000, 0.01

Generation = tuple[int, int]
Write = Callable[[Callable[[Transaction], int]], int]


class Standing(Struct, frozen=True):
    """How much of what segments ask about is made.

    `touched` counts people who were changed since, to no more than is needed; on PostgreSQL some may be
    counted twice.
    """

    blocks: int
    kept: int  # made, or begun
    made: int
    touched: int

    @property
    def stale(self) -> bool:
        return self.made < self.blocks or self.touched > bearable(self.made)


def generations(tx: Transaction) -> dict[int, Generation]:
    """Return by block that is made which generation it is, and when it was made: what was read of a block and
    of nobody in `segment_touched` is what would be read again, as long as both are the same."""
    rows = tx.all("segment_blocks")
    return {block: (generation, at) for block, at, generation in rows if at is not None}


def drop_gone(tx: Transaction) -> None:
    """Keep no column in memory that was made anew or dropped since: somebody in it may have been erased."""
    tx.shelf.drop_gone(COLUMN, generations(tx))


class Changed(Struct, frozen=True):
    """What is kept of all contacts stands as long as `made` does, but for these contacts."""

    made: tuple[tuple[int, Generation], ...]
    contacts: list[int]


def changed(tx: Transaction) -> Changed | None:
    """Return who was changed since all blocks were made; None: a block is not made, or they are too many."""
    if standing(tx).stale:
        return None
    contacts = [row[0] for row in tx.all("segment_touched")]
    return Changed(tuple(generations(tx).items()), sorted(contacts))


def bearable(made: int) -> int:
    """Return of how many changed people a question may be asked one by one before blocks are made anew."""
    return int(max(_MANY, made * BLOCK * _SHARE))


def standing(tx: Transaction) -> Standing:
    """Return how much is made; quick, however many people were changed."""
    rows = tx.all("segment_blocks")
    made = sum(built_at is not None for _, built_at, _ in rows)
    ((touched,),) = tx.all("count_touched", most=bearable(made) + 1)
    return Standing(last_block(tx) + 1, len(rows), made, touched)


def last_block(tx: Transaction) -> int:
    """Return the last block that has contacts; -1: there are none."""
    last = (tx.one("last_contact") or (None,))[0]
    return -1 if last is None else int(last) // BLOCK


def is_due(tx: Transaction, block: int) -> bool:
    """Tell whether a block is not made, or somebody of it was changed since."""
    return tx.one("block_due", block=block, first=block * BLOCK, last=block * BLOCK + BLOCK - 1) is not None


def all_due(tx: Transaction) -> list[int]:
    """Return the blocks that are due, in their order."""
    made = generations(tx)
    changed = {row[0] for row in tx.all("touched_blocks")}
    return [each for each in range(last_block(tx) + 1) if each not in made or each in changed]


def drop(tx: Transaction, block: int) -> int:
    """Drop what is made of a block: until it is made again, its people are read as they stand."""
    tx.run("drop_columns", block=block)
    tx.run("drop_touched", first=block * BLOCK, last=block * BLOCK + BLOCK - 1)
    return tx.run("drop_block", block=block)


def kept(tx: Transaction) -> list[int]:
    """Return the blocks that are made, or were begun."""
    return [row[0] for row in tx.all("segment_blocks")]


class Kind(Protocol):
    """What is kept by blocks; a module."""

    def all_due(self, tx: Transaction) -> list[int]:
        """Return the blocks that are due, in their order."""

    def is_due(self, tx: Transaction, block: int) -> bool:
        """Tell whether a block is due."""


def making(db: Database, kind: Kind, make: Callable[[int], None]) -> Iterator[tuple[int, int]]:
    """Make every block that is due; yield how many are done, of how many."""
    with db.read() as tx:
        waiting = kind.all_due(tx)
    for done, block in enumerate(waiting, 1):
        with db.read() as tx:
            due = kind.is_due(tx, block)  # another process may have made it
        if due:
            make(block)
        yield done, len(waiting)


def writer(db: Database) -> Write:
    """Return what carries out a change in a transaction of its own."""

    def write(change: Callable[[Transaction], int]) -> int:
        with db.write() as tx:
            return change(tx)

    return write

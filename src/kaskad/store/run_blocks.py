"""Of which blocks of contacts the counted runs are kept by column, and who was counted anew since.

Apart from the columns themselves, so that whoever only counts does not load numpy.
"""

from __future__ import annotations

from collections.abc import Collection

from kaskad.store.db import Transaction
from kaskad.store.segment_blocks import BLOCK, Standing, bearable, last_block

_NEVER = 1 << 62


def generations(tx: Transaction) -> dict[int, int]:
    """Return by block that is made which generation it is; no two are alike, in whatever block."""
    return {block: generation for block, is_made, generation in tx.all("run_blocks") if is_made}


def note(tx: Transaction, contact_ids: Collection[int]) -> None:
    """Keep that runs of these contacts are counted as something else now, where there are columns at all.

    Only for whoever counts: one process does at a time.
    """
    if contact_ids:
        for (turn,) in tx.all("next_turn"):
            tx.many("touch_runs", [(contact_id, turn) for contact_id in sorted(contact_ids)])


def last_turn(tx: Transaction) -> int:
    """Return the turn in which somebody was counted anew last; 0: nobody was. None comes twice."""
    ((turn,),) = tx.all("last_turn")
    return int(turn)


def standing(tx: Transaction) -> Standing:
    """Return how much is made, and how many people were counted anew since, to no more than is needed."""
    rows = tx.all("run_blocks")
    made = sum(is_made for _, is_made, _ in rows)
    ((touched,),) = tx.all("count_touched_runs", most=bearable(made) + 1)
    return Standing(last_block(tx) + 1, len(rows), made, touched)


def anew(tx: Transaction, most: int) -> dict[int, int] | None:
    """Return who was counted anew since all blocks were made, each with the turn in which they were last;
    None: they are more than `most`, or a block is not made."""
    made = len(generations(tx))
    if not made or made <= last_block(tx):
        return None
    ((touched,),) = tx.all("count_touched_runs", most=most + 1)
    return None if touched > most else dict(tx.all("touched_runs"))


def is_due(tx: Transaction, block: int) -> bool:
    """Tell whether a block is not made, or somebody of it was counted anew since."""
    span = {"first": block * BLOCK, "last": block * BLOCK + BLOCK - 1}
    return tx.one("run_block_due", block=block, **span) is not None


def all_due(tx: Transaction) -> list[int]:
    """Return the blocks that are not made, or of which somebody was counted anew since, in their order."""
    made = generations(tx)
    changed = {row[0] for row in tx.all("touched_run_blocks")}
    return [each for each in range(last_block(tx) + 1) if each not in made or each in changed]


def kept(tx: Transaction) -> list[int]:
    """Return the blocks that are made, or were begun."""
    return [row[0] for row in tx.all("run_blocks")]


def drop(tx: Transaction, block: int) -> int:
    """Drop what is made of a block: until it is made again, its people are read as they stand."""
    tx.one("lock_counter")
    empty(tx, block)
    forget(tx, block, _NEVER)
    return tx.run("drop_run_block", block=block)


def empty(tx: Transaction, block: int) -> None:
    """Drop the columns of a block."""
    tx.run("drop_run_columns", block=block)
    tx.run("drop_deed_columns", block=block)


def forget(tx: Transaction, block: int, turn: int) -> None:
    """Forget who of a block was counted anew, up to a turn."""
    tx.run("drop_touched_runs", first=block * BLOCK, last=block * BLOCK + BLOCK - 1, turn=turn)

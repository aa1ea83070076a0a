"""Messages that may have arrived, by column, in the blocks of `run_columns`: whose, when, and which.

Goals are shared out among them. Whether one has arrived is said where somebody asks, as that depends on what
its account's service tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import msgspec
import numpy as np
from msgspec import Struct

from kaskad.store import deed_columns, run_blocks
from kaskad.store.db import Transaction
from kaskad.store.packed import Packed, pack, unpack
from kaskad.store.segment_blocks import BLOCK
from kaskad.store.segment_columns import Integers

TOUCHED = "touched"  # the word in `deed_columns`, under no cascade

Touch = tuple[int, int, int, int, int, int]  # version, step, channel; account, state, mask


class Touches(Struct, frozen=True):
    """Messages of some people: `codes` are places in `kinds`."""

    kinds: list[Touch]
    contacts: Integers
    at: Integers
    codes: Integers


class _Touches(Struct, frozen=True, array_like=True):
    """The messages of a block, the earliest first: whose (from its first contact), how long after the one
    before (the first at `first`), and which."""

    kinds: list[Touch]
    contacts: Packed
    gaps: Packed
    codes: Packed
    first: int

    @property
    def nbytes(self) -> int:
        return sum(len(data) for _, data in (self.contacts, self.gaps, self.codes))


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Touches).decode


def pack_block(tx: Transaction, block: int) -> Iterator[tuple[str, int, int, bytes]]:
    """Yield the messages of a block, if it has any: word, no cascade, block, data."""
    rows = tx.all("touches_within", first=block * BLOCK, last=block * BLOCK + BLOCK - 1)
    if not rows:
        return
    contacts, at, *kinds = zip(*rows, strict=True)
    known: dict[Touch, int] = {}
    codes = [known.setdefault(kind, len(known)) for kind in zip(*kinds, strict=True)]
    told: Integers = np.array([contacts, at, codes], np.int64)
    told = told[:, np.argsort(told[1], kind="stable")]
    gaps = np.diff(told[1], prepend=told[1, 0])
    packed = (pack(told[0] - block * BLOCK), pack(gaps), pack(told[2]))
    yield TOUCHED, 0, block, _encode(_Touches(list(known), *packed, int(told[1, 0])))


def touches(tx: Transaction, people: Integers, since: int, counts: Callable[[Touch], bool]) -> Touches:
    """Return what left us since an instant for some people, who are in order: of the kinds that count.

    All blocks are made.
    """
    kinds: dict[Touch, int] = {}
    found: list[Integers] = [np.zeros((3, 0), np.int64)]
    for block, kept in sorted(_kept(tx).items()):
        own = people[slice(*np.searchsorted(people, [block * BLOCK, (block + 1) * BLOCK]))]
        if len(own):
            found.append(_chosen(kept, own - block * BLOCK, block, since, counts, kinds))
    contacts, at, codes = np.concatenate(found, axis=1)
    return Touches(list(kinds), contacts, at, codes)


def bring(tx: Transaction) -> None:
    """Bring all messages into memory."""
    _kept(tx)


def _kept(tx: Transaction) -> dict[int, _Touches]:
    """Return the messages by block."""
    read = partial(deed_columns.read, tx, TOUCHED, 0, _decode)
    return tx.shelf.take(TOUCHED, run_blocks.generations(tx), read)


def _chosen(
    kept: _Touches, people: Integers, block: int, since: int, counts: Callable[[Touch], bool],
    kinds: dict[Touch, int],
) -> Integers:  # fmt: skip
    at = np.cumsum(unpack(kept.gaps), dtype=np.int64) + kept.first
    late = slice(int(np.searchsorted(at, since)), None)
    contacts, codes = unpack(kept.contacts)[late], unpack(kept.codes)[late]
    wanted = np.zeros(BLOCK, np.bool_)
    wanted[people] = True
    told = np.array([kinds.setdefault(kind, len(kinds)) if counts(kind) else -1 for kind in kept.kinds])
    chosen = np.flatnonzero(wanted[contacts] & (told[codes] >= 0))
    return np.array(
        [contacts[chosen].astype(np.int64) + block * BLOCK, at[late][chosen], told[codes[chosen]]], np.int64
    )

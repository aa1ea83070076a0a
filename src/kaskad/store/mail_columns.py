"""Mails that contacts were handed, by column, in the blocks of `run_columns`: when, and what became of them.

In whose mailbox a mail lies is not said here, as addresses change: that is a column of what segments ask
about (`segment_columns`), and the two are put together where somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec
import numpy as np
from msgspec import Struct

from kaskad.domain.figures import WINDOW_MS
from kaskad.store.db import Transaction
from kaskad.store.packed import Packed, pack, unpack
from kaskad.store.segment_blocks import BLOCK
from kaskad.store.segment_columns import Ahead, Integers, Made

MAILED = "mailed"  # the word in `deed_columns`, under no cascade

Fate = tuple[int, int, int, int, int]  # account, state, reason, mask, and whether called spam in time
Sums = tuple[int, int, int, int]
Counts = Callable[[Fate], Sums]

_ROOM = 4  # places for each mail, up to which they are counted without sorting


class _Mails(Struct, frozen=True, array_like=True):
    """The mails of a block, the earliest first: whose (from its first contact), day (from `first`), fate."""

    fates: list[Fate]
    contacts: Packed
    days: Packed
    codes: Packed
    first: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Mails).decode


def pack_block(tx: Transaction, block: int) -> Iterator[tuple[str, int, int, bytes]]:
    """Yield the mails of a block, if it has any: word, no cascade, block, data."""
    span = {"first": block * BLOCK, "last": block * BLOCK + BLOCK - 1}
    rows = tx.all("mails_within", window=WINDOW_MS, **span)
    if not rows:
        return
    contacts, days, *fates = zip(*rows, strict=True)
    known: dict[Fate, int] = {}
    codes = [known.setdefault(fate, len(known)) for fate in zip(*fates, strict=True)]
    told: Integers = np.array([contacts, days, codes], np.int64)
    told = told[:, np.argsort(told[1], kind="stable")]
    first = int(told[1, 0])
    packed = (pack(told[0] - block * BLOCK), pack(told[1] - first), pack(told[2]))
    yield MAILED, 0, block, _encode(_Mails(list(known), *packed, first))


def summed(
    tx: Transaction, blocks: Iterable[int], left_out: Iterable[int], since: int, counts: Counts
) -> Iterator[tuple[int, str, Sums]]:
    """Yield by day and domain what the mails of these blocks since a day (of 1970, UTC) come to.

    All blocks are made, also those of segments. `left_out` are contacts who do not count, as seeds do not,
    nor whoever has no address. `counts` says for which sums a mail counts, as 0 or 1 each.
    """
    grouped = _Grouped(since)
    wanted, out = set(blocks), np.array(sorted(left_out), np.int64)
    ahead = Ahead(tx, max(wanted, default=0))
    for block, data in sorted(tx.all("deed_columns", word=MAILED, cascade_id=0)):
        if block in wanted:
            grouped.add(_decode(data), Made(tx, block, ahead), block, out)
    yield from grouped.sums(counts)


class _Grouped:
    """Mails of several blocks by day, domain and fate."""

    def __init__(self, since: int) -> None:
        self._since = since
        self._domains: dict[str, int] = {}
        self._fates: dict[Fate, int] = {}
        self._mails: list[Integers] = []  # days since then, domains and fates by their codes

    def add(self, mails: _Mails, made: Made, block: int, left_out: Integers) -> None:
        """Add the mails of a block."""
        days = unpack(mails.days).astype(np.int64) + (mails.first - self._since)
        late = slice(int(np.searchsorted(days, 0)), None)
        if not len(days[late]):
            return
        column = made.mailboxes
        of = [-1, *[self._domains.setdefault(each, len(self._domains)) for each in column.values]]
        domains = np.full(BLOCK, -1, np.int64)
        domains[made.ids - block * BLOCK] = np.array(of, np.int64)[column.codes]
        own = left_out[slice(*np.searchsorted(left_out, [block * BLOCK, (block + 1) * BLOCK]))]
        domains[np.concatenate([made.ids[made.seeds], own]) - block * BLOCK] = -1
        fates = [self._fates.setdefault(each, len(self._fates)) for each in mails.fates]
        told = domains[unpack(mails.contacts)[late]]
        codes = np.array(fates, np.int64)[unpack(mails.codes)[late]]
        self._mails.append(np.array([days[late], told, codes])[:, told >= 0])

    def sums(self, counts: Counts) -> Iterator[tuple[int, str, Sums]]:
        """Yield what the mails come to, by day and domain."""
        if not self._mails:
            return
        days, domains, fates = np.concatenate(self._mails, axis=1)
        size = len(self._domains)
        keys, often = _often((days * size + domains) * len(self._fates) + fates)
        places, of = np.unique(keys // len(self._fates), return_inverse=True)
        each: Integers = np.array([counts(fate) for fate in self._fates], np.int64)
        sums = np.zeros((len(places), each.shape[1]), np.int64)
        np.add.at(sums, of, each[keys % len(self._fates)] * often[:, None])
        names = list(self._domains)
        for place, (sent, arrived, bounced, spam) in zip(places.tolist(), sums.tolist(), strict=True):
            yield self._since + place // size, names[place % size], (sent, arrived, bounced, spam)


def _often(keys: Integers) -> tuple[Integers, Integers]:
    """Return each key once, in order, and how often it comes."""
    if len(keys) and int(keys.max()) < _ROOM * len(keys):
        often = np.bincount(keys)
        found = np.flatnonzero(often)
        return found, often[found]
    return np.unique(keys, return_counts=True)

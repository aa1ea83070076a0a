"""What cascades did with people, and people with them, by column, in the blocks of `run_columns`.

So `cascade("sale").reacted(90d)` is arithmetic over arrays. Whoever was counted anew since, or is
still due to be, is asked as they stand; where these are too many, or a block is not made, the tables are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import msgspec
import numpy as np
from msgspec import Struct

from kaskad.domain.condition_kept import ANY, OUTCOMES, REACTIONS
from kaskad.store import courses, run_blocks
from kaskad.store.db import Transaction
from kaskad.store.packed import Packed, pack, unpack
from kaskad.store.segment_blocks import BLOCK
from kaskad.store.segment_columns import Flags, Integers

MOST = 20_000  # runs that are due, and people who are asked as they stand
ENTERED, SENT, REACTED, ENDED = "entered", "sent", "reacted", "ended"

_Codes: TypeAlias = Callable[
    [Any], Any
]  # which kinds of facts, or outcomes, are meant; for arrays and numbers


class _Deeds(Struct, frozen=True, array_like=True):
    """Deeds under one word, the earliest first: whose (from the first of the block), how long after the one
    before (the first at `first`), and their codes, where there are any.

    So they take half the room of instants, and those of a time lie together.
    """

    contacts: Packed
    gaps: Packed
    codes: Packed
    first: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Deeds).decode


def pack_block(tx: Transaction, block: int) -> Iterator[tuple[str, int, int, bytes]]:
    """Yield the columns of a block: word, cascade, block, data."""
    span = {"first": block * BLOCK, "last": block * BLOCK + BLOCK - 1}
    of: dict[tuple[str, int], list[tuple[int, int, int]]] = defaultdict(list)
    for cascade_id, contact_id, entered_at, finished_at, outcome in tx.all("runs_within", **span):
        of[ENTERED, cascade_id].append((contact_id, entered_at, 0))
        if outcome is not None and finished_at is not None:
            of[ENDED, cascade_id].append((contact_id, finished_at, outcome))
    for cascade_id, contact_id, at in tx.all("sends_within", **span):
        of[SENT, cascade_id].append((contact_id, at, 0))
    for cascade_id, contact_id, at, kind in tx.all("reactions_within", **span):
        of[REACTED, cascade_id].append((contact_id, at, kind))
    for (word, cascade_id), rows in of.items():
        told = np.array(rows, np.int64).T
        contacts, at, codes = told[:, np.argsort(told[1], kind="stable")]
        gaps = np.diff(at, prepend=at[0])
        kinds = codes if codes.any() else codes[:0]
        packed = _Deeds(pack(contacts - block * BLOCK), pack(gaps), pack(kinds), int(at[0]))
        yield word, cascade_id, block, _encode(packed)


def loose(tx: Transaction) -> list[int] | None:
    """Return who is asked as they stand: who was counted anew since all blocks were made, or is due to be, in
    the order of their ids; None: they are too many, or a block is not made."""
    anew = run_blocks.anew(tx, MOST)
    due = set() if anew is None else courses.waiting(tx, MOST)
    if anew is None or len(due) > MOST:
        return None
    found = {*anew, *(contact_id for contact_id, _ in due)}
    return None if len(found) > MOST else sorted(found)


class Deeds:
    """What is kept by column, as one transaction sees it; who is asked as they stand is looked up once."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    @cached_property
    def _made(self) -> set[int]:
        return {block for block, is_made in self._tx.all("run_blocks") if is_made}

    @cached_property
    def _loose(self) -> list[int] | None:
        return loose(self._tx)

    def doers(self, slug: str, word: str, after: int, until: int) -> Integers | None:
        """Return of whom a cascade (or `any`) did that, or who did that with it, in the order of their ids.

        After an instant, up to another. None: the tables are to be asked.
        """
        if self._loose is None:
            return None
        row = (0,) if slug == ANY else self._tx.one("cascade_by_slug", slug=slug)
        if row is None:
            return np.zeros(0, np.int64)
        kept, codes = _meant(word)
        whole = self._by_column(row[0], kept, codes, after, until)
        if not self._loose:
            return whole
        own = {
            contact_id
            for contact_id, of, at, code in _as_they_stand(self._tx, kept, self._loose)
            if slug in (ANY, of) and after < at <= until and (codes is None or codes(code))
        }
        whole = whole[~np.isin(whole, np.array(self._loose, np.int64))]
        return np.sort(np.concatenate([whole, np.array(sorted(own), np.int64)]), kind="stable")

    def _by_column(
        self, cascade_id: int, kept: str, codes: _Codes | None, after: int, until: int
    ) -> Integers:  # fmt: skip
        """Return whom the columns tell of, in the order of their ids."""
        marks: dict[int, Flags] = {}
        for block, data in self._tx.all("deed_columns", word=kept, cascade_id=cascade_id):
            if block in self._made:
                deeds = _decode(data)
                at = np.cumsum(unpack(deeds.gaps), dtype=np.int64) + deeds.first
                within = slice(*np.searchsorted(at, [after, until], "right"))
                contacts = unpack(deeds.contacts)[within]
                if codes is not None:
                    contacts = contacts[codes(unpack(deeds.codes)[within].astype(np.int64))]
                marks.setdefault(block, np.zeros(BLOCK, np.bool_))[contacts] = True
        found = [np.flatnonzero(marks[block]) + block * BLOCK for block in sorted(marks)]
        return np.concatenate(found) if found else np.zeros(0, np.int64)


def _meant(word: str) -> tuple[str, _Codes | None]:
    """Return under which word deeds are kept, and which of their codes are meant; None: any."""
    if word in REACTIONS:
        kinds = REACTIONS[word]
        return REACTED, lambda code: kinds >> code & 1 != 0
    if word in OUTCOMES:
        outcome = OUTCOMES[word].code
        return ENDED, lambda code: code == outcome
    return word, None


def _as_they_stand(
    tx: Transaction, kept: str, contact_ids: Sequence[int]
) -> Iterator[tuple[int, str, int, int]]:
    """Yield what is so of some people in the tables: contact, cascade, when, code."""
    if kept == SENT:
        for contact_id, slug, at in tx.among("sends_of", contact_ids):
            yield contact_id, slug, at, 0
    elif kept == REACTED:
        for contact_id, slug, kind, at in tx.among("reactions_of", contact_ids):
            yield contact_id, slug, at, kind
    else:
        for contact_id, slug, entered_at, finished_at, outcome in tx.among("runs_of_segments", contact_ids):
            if kept == ENTERED:
                yield contact_id, slug, entered_at, 0
            elif outcome is not None and finished_at is not None:
                yield contact_id, slug, finished_at, outcome

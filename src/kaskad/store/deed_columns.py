"""What cascades did with people, and people with them, by column, in the blocks of `run_columns`.

So `cascade("sale").reacted(90d)` is arithmetic over arrays. Whoever was counted anew since, or is
still due to be, is asked as they stand; where these are too many, or a block is not made, the tables are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, TypeAlias

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kaskad.domain.condition import Kept
from kaskad.domain.condition_kept import ANY, OUTCOMES, REACTIONS, span
from kaskad.store import courses, run_blocks
from kaskad.store.db import Transaction
from kaskad.store.packed import Packed, pack, unpack
from kaskad.store.segment_blocks import BLOCK
from kaskad.store.segment_columns import TOGETHER, Integers

MOST = 20_000  # runs that are due, and people who are asked as they stand
ENTERED, SENT, REACTED, ENDED = "entered", "sent", "reacted", "ended"
FIRST, LAST = "first", "last"  # deeds of a contact
LONG_AGO = -(2**61)  # before any deed

Asked: TypeAlias = tuple[str, str, str]  # a cascade or `any`, the word, FIRST or LAST
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
    def _made(self) -> dict[int, int]:
        return run_blocks.generations(self._tx)

    @cached_property
    def _loose(self) -> list[int] | None:
        return loose(self._tx)

    def doers(self, slug: str, word: str, after: int, until: int) -> Integers | None:
        """Return of whom a cascade (or `any`) did that, or who did that with it, in the order of their ids.

        After an instant, up to another. None: the tables are to be asked.
        """
        if self._loose is None:
            return None
        cascade_id = _cascade_of(self._tx, slug)
        if cascade_id is None:
            return np.zeros(0, np.int64)
        kept, codes = _meant(word)
        whole = self._by_column(cascade_id, word, after, until)
        if not self._loose:
            return whole
        own = {
            contact_id
            for contact_id, of, at, code in _as_they_stand(self._tx, kept, self._loose)
            if slug in (ANY, of) and after < at <= until and (codes is None or codes(code))
        }
        whole = whole[~np.isin(whole, np.array(self._loose, np.int64))]
        return np.sort(np.concatenate([whole, np.array(sorted(own), np.int64)]), kind="stable")

    def _by_column(self, cascade_id: int, word: str, after: int, until: int) -> Integers:
        """Return whom the columns tell of, in the order of their ids."""
        edge = FIRST if after <= LONG_AGO else LAST
        told = _taken(self._tx, self._made, cascade_id, word, edge)
        unsure = [] if edge is FIRST else [block for block, one in told.items() if one.latest > until]
        found = {
            block: one.contacts[one.at <= until if edge is FIRST else one.at > after]
            for block, one in told.items()
        }
        for block, deeds in _read(self._tx, cascade_id, word, unsure):
            found[block] = np.unique(deeds.contacts[(deeds.at > after) & (deeds.at <= until)])
        ids = [found[block].astype(np.int64) + block * BLOCK for block in sorted(found)]
        return np.concatenate(ids) if ids else np.zeros(0, np.int64)


def asked_for(node: Kept) -> Asked:
    """Return what `bring` brings for a part of a condition."""
    after, _, word = span(node, 0)
    return node.names[0], word, FIRST if after is None else LAST


def bring(tx: Transaction, asked: Asked) -> None:
    """Bring into memory what is asked for."""
    slug, word, edge = asked
    cascade_id = _cascade_of(tx, slug)
    if cascade_id is not None:
        _taken(tx, run_blocks.generations(tx), cascade_id, word, edge)


def _cascade_of(tx: Transaction, slug: str) -> int | None:
    """Return the id of a cascade, 0 for any; None: there is none of that name."""
    row = (0,) if slug == ANY else tx.one("cascade_by_slug", slug=slug)
    return None if row is None else int(row[0])


def _taken(
    tx: Transaction, made: Mapping[int, int], cascade_id: int, word: str, edge: str
) -> dict[int, _Told]:  # fmt: skip
    """Return by block the deeds of a word, of each contact its first or its last."""
    return tx.shelf.take((cascade_id, word, edge), made, partial(_edges, tx, cascade_id, word, edge))


class _Told(Struct, frozen=True):
    """Deeds of a block: whose, from its first contact, and when."""

    contacts: NDArray[np.uint16]
    at: Integers

    @property
    def nbytes(self) -> int:
        return self.contacts.nbytes + self.at.nbytes

    @property
    def latest(self) -> int:
        return int(self.at.max(initial=LONG_AGO))


def _read(
    tx: Transaction, cascade_id: int, word: str, blocks: Sequence[int]
) -> Iterator[tuple[int, _Told]]:  # fmt: skip
    """Yield the deeds of some blocks that are meant by a word, in the order of time."""
    kept, codes = _meant(word)
    for start in range(0, len(blocks), TOGETHER):
        together: dict[int, list[_Told]] = defaultdict(list)
        some = blocks[start : start + TOGETHER]
        for block, data in tx.among("deed_columns_of", some, word=kept, cascade_id=cascade_id):
            deeds = _decode(data)
            at = np.cumsum(unpack(deeds.gaps), dtype=np.int64) + deeds.first
            contacts = unpack(deeds.contacts).astype(np.uint16, copy=False)
            if codes is not None:
                meant = codes(np.arange(64))[unpack(deeds.codes)]
                contacts, at = contacts[meant], at[meant]
            together[block].append(_Told(contacts, at))
        for block, parts in together.items():
            yield block, _in_order(parts)


def _in_order(parts: Sequence[_Told]) -> _Told:
    if len(parts) == 1:
        return parts[0]
    contacts, at = (np.concatenate([getattr(each, name) for each in parts]) for name in ("contacts", "at"))
    order = np.argsort(at, kind="stable")  # of parts that are in order each
    return _Told(contacts[order], at[order])


def _edges(
    tx: Transaction, cascade_id: int, word: str, edge: str, blocks: Sequence[int]
) -> Iterator[tuple[int, _Told]]:  # fmt: skip
    """Yield of each contact of some blocks its first deed or its last, in the order of contacts."""
    for block, deeds in _read(tx, cascade_id, word, blocks):
        one_way = slice(None, None, -1 if edge is FIRST else 1)
        instants = np.full(BLOCK, LONG_AGO, np.int64)
        instants[deeds.contacts[one_way]] = deeds.at[one_way]  # of several the one that comes last stays
        contacts = np.flatnonzero(instants > LONG_AGO)
        yield block, _Told(contacts.astype(np.uint16), instants[contacts])


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

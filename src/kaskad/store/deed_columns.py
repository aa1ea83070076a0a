"""What cascades did with people, and people with them, by column, in the blocks of `run_columns`.

So `cascade("sale").reacted(90d)` is arithmetic over arrays. Whoever was counted anew since, or is
still due to be, is asked as they stand; where these are too many, or a block is not made, the tables are.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, TypeAlias, TypeVar

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
from kaskad.store.segment_columns import TOGETHER, Flags, Integers

MOST = 20_000  # runs that are due, and people who are asked as they stand
ENTERED, SENT, REACTED, ENDED = "entered", "sent", "reacted", "ended"
FIRST, LAST = "first", "last"  # deeds of a contact
STANDING = "standing"  # the word on the shelf for what is so of contacts in the tables
_ROOM = 150  # bytes that a deed takes in memory, about
LONG_AGO = -(2**61)  # before any deed

T = TypeVar("T")
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


class _Loose(Struct, frozen=True):
    """Who is asked as they stand: who is due to be counted; others who were counted anew since all blocks
    were made, each with the turn in which they were last."""

    due: list[int]
    turns: dict[int, int]

    @property
    def ids(self) -> list[int]:
        return sorted((*self.due, *self.turns))


def loose(tx: Transaction) -> list[int] | None:
    """Return who is asked as they stand: who was counted anew since all blocks were made, or is due to be, in
    the order of their ids; None: they are too many, or a block is not made."""
    found = _loose(tx)
    return None if found is None else found.ids


def _loose(tx: Transaction) -> _Loose | None:
    anew = run_blocks.anew(tx, MOST)
    waiting = set() if anew is None else courses.waiting(tx, MOST)
    if anew is None or len(waiting) > MOST:
        return None
    due = {contact_id for contact_id, _ in waiting}
    turns = {contact_id: turn for contact_id, turn in anew.items() if contact_id not in due}
    return None if len(due) + len(turns) > MOST else _Loose(sorted(due), turns)


class Deeds:
    """What is kept by column, as one transaction sees it; who is asked as they stand is looked up once."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    @cached_property
    def _made(self) -> dict[int, int]:
        return run_blocks.generations(self._tx)

    @cached_property
    def _loose(self) -> _Loose | None:
        return _loose(self._tx)

    def doers(self, slug: str, word: str, after: int, until: int) -> Flags | None:
        """Return of which contacts, by their ids, a cascade (or `any`) did that, or who did that with it.

        After an instant, up to another. None: the tables are to be asked.
        """
        if self._loose is None:
            return None
        cascade_id = _cascade_of(self._tx, slug)
        found = np.zeros((max(self._made) + 1) * BLOCK, np.bool_)
        if cascade_id is None:
            return found
        self._by_column(found, cascade_id, word, after, until)
        kept, codes = _meant(word)
        found[self._loose.ids] = False
        found[[
            contact_id
            for contact_id, stands in self._standing(kept, self._loose)
            if any(
                slug in (ANY, of) and after < at <= until and (codes is None or codes(code))
                for of, at, code in stands.deeds
            )
        ]] = True  # fmt: skip
        return found

    def bring(self, cascade_id: int, word: str, edge: str) -> None:
        """Bring into memory what a cascade's columns tell, and what is so of those whom they do not."""
        _taken(self._tx, self._made, cascade_id, word, edge)
        if self._loose is not None:
            deque(self._standing(_meant(word)[0], self._loose), 0)

    def _by_column(self, found: Flags, cascade_id: int, word: str, after: int, until: int) -> None:
        """Mark whom the columns tell of."""
        edge, unsure = FIRST if after <= LONG_AGO else LAST, []
        for block, one in _taken(self._tx, self._made, cascade_id, word, edge).items():
            if edge is LAST and one.latest > until:
                unsure.append(block)
            else:
                found[block * BLOCK :][one.contacts] = one.at <= until if edge is FIRST else one.at > after
        for block, deeds in _read(self._tx, cascade_id, word, unsure):
            found[block * BLOCK :][deeds.contacts[(deeds.at > after) & (deeds.at <= until)]] = True

    def _standing(self, kept: str, those: _Loose) -> Iterator[tuple[int, _Stands]]:
        """Yield what is so of those in the tables. Nothing of who was counted in a turn changes without their
        being due from then on."""
        read = partial(_as_they_stand, self._tx, kept)
        yield from self._tx.shelf.take((STANDING, kept), those.turns, read).items()
        yield from read(those.due) if those.due else ()


def asked_for(node: Kept) -> Asked:
    """Return what `bring` brings for a part of a condition."""
    after, _, word = span(node, 0)
    return node.names[0], word, FIRST if after is None else LAST


def bring(tx: Transaction, asked: Asked) -> None:
    """Bring into memory what is asked for."""
    slug, word, edge = asked
    cascade_id = _cascade_of(tx, slug)
    if cascade_id is not None:
        Deeds(tx).bring(cascade_id, word, edge)


def _cascade_of(tx: Transaction, slug: str) -> int | None:
    """Return the id of a cascade, 0 for any; None: there is none of that name."""
    row = (0,) if slug == ANY else tx.one("cascade_by_slug", slug=slug)
    return None if row is None else int(row[0])


def _taken(
    tx: Transaction, made: Mapping[int, int], cascade_id: int, word: str, edge: str
) -> dict[int, _Told]:  # fmt: skip
    """Return by block the deeds of a word, of each contact its first or its last."""
    return tx.shelf.take((cascade_id, word, edge), made, partial(_edges, tx, cascade_id, word, edge))


class _Told(Struct, frozen=True, dict=True):
    """Deeds of a block: whose, from its first contact, and when."""

    contacts: NDArray[np.uint16]
    at: Integers

    @property
    def nbytes(self) -> int:
        return self.contacts.nbytes + self.at.nbytes

    @cached_property
    def latest(self) -> int:
        return int(self.at.max(initial=LONG_AGO))


def read(
    tx: Transaction, word: str, cascade_id: int, decode: Callable[[bytes], T], blocks: Sequence[int]
) -> Iterator[tuple[int, T]]:  # fmt: skip
    """Yield what is kept of some blocks under a word of one cascade, or of none (0)."""
    for start in range(0, len(blocks), TOGETHER):
        some = blocks[start : start + TOGETHER]
        for block, data in tx.among("deed_columns_of", some, word=word, cascade_id=cascade_id):
            yield block, decode(data)


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


class _Stands(Struct, frozen=True):
    """What is so of a contact: cascade, when, code."""

    deeds: list[tuple[str, int, int]]

    @property
    def nbytes(self) -> int:
        return _ROOM * (1 + len(self.deeds))


def _as_they_stand(
    tx: Transaction, kept: str, contact_ids: Sequence[int]
) -> Iterator[tuple[int, _Stands]]:  # fmt: skip
    """Yield what is so of some people in the tables."""
    found: dict[int, list[tuple[str, int, int]]] = defaultdict(list)
    for contact_id, slug, at, code in _deeds_of(tx, kept, contact_ids):
        found[contact_id].append((slug, at, code))
    return ((contact_id, _Stands(deeds)) for contact_id, deeds in found.items())


def _deeds_of(
    tx: Transaction, kept: str, contact_ids: Sequence[int]
) -> Iterator[tuple[int, str, int, int]]:  # fmt: skip
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

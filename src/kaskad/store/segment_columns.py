"""What segments ask about, by column: one block of contacts, either made before or read as they stand.

A column has one entry for each contact of the block, in the order of their ids; those of events have one for
each event. Values are kept once each, with a code for every contact, so that what only the matcher can say is
asked once for each value. What `segment_touched` and `segment_blocks` are for stands in their migration.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, Protocol, TypeAlias

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kaskad.domain.condition_values import amount_of
from kaskad.domain.consent import ConsentRow
from kaskad.domain.scope import contact_scope
from kaskad.store.db import Row, Transaction
from kaskad.store.segment_blocks import COLUMN, Generation, generations
from kaskad.store.segments import consent_of

Integers: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Codes: TypeAlias = NDArray[np.unsignedinteger[Any]]
Key: TypeAlias = tuple[str, ...]  # kind, name and property
Columns: TypeAlias = dict[tuple[str, str, str], bytes]  # by these

_BEGINS = frozenset("+-.0123456789iInN")  # of numbers as texts, infinite ones too
TOGETHER = 16  # blocks of which a column is read at once: some MiB
ROOM = 16 * 2**20  # bytes of a column of all blocks, to be kept in memory
EXACT = 2**53  # beyond it floats are no longer all whole numbers

# What any property that is a number looks like, also as a text; most events have none, and are not decoded.
_NUMBERED = re.compile(r':\s*"?\s*[-+.0-9iInN\\\x80-\U0010ffff]').search

_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_attributes = msgspec.json.Decoder(dict[str, Any]).decode
_list = msgspec.json.Decoder(list[Any]).decode
_consents = msgspec.json.Decoder(list[list[ConsentRow]]).decode


@lru_cache(10_000)
def _written(value: str) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


class Coded(Struct, frozen=True):
    """Code 0 has no value; code n has the value n - 1."""

    codes: Codes
    values: list[Any]


class Happened(Struct, frozen=True):
    """Events of a name: whose, by place in the block and in that order, and when."""

    places: NDArray[np.integer[Any]]
    at: Integers


class Block(Protocol):
    """Contacts by column; whoever is erased is not among them."""

    @property
    def ids(self) -> Integers: ...
    @property
    def seeds(self) -> Flags: ...
    @property
    def reach(self) -> Integers:
        """Bits 1 << channel code where the contact has an address in good health."""

    @property
    def consents(self) -> Coded:
        """Values are lists of ConsentRow."""

    @property
    def mailboxes(self) -> Coded:
        """Values are domains of mail addresses, each contact's preferred one."""

    def attribute(self, name: str) -> Coded: ...
    def events(self, name: str) -> Happened: ...
    def amounts(self, name: str, property_name: str) -> Floats | None:
        """Return what the property of each event comes to, 0 where it is no number and NaN where it is no
        float; None where it is a number in no event."""


class Whole(Block, Protocol):
    """A block that can also tell what there is to ask about."""

    def attributes(self) -> list[str]: ...
    def names_of_events(self) -> list[str]: ...
    def properties(self, name: str) -> list[str]: ...


class Live:
    """Contacts as they stand: these, or all from the first to the last of a block."""

    def __init__(
        self, tx: Transaction, ids: Sequence[int] = (), block: tuple[int, int] | None = None
    ) -> None:  # fmt: skip
        self._tx = tx
        self._span = None if block is None else {"first": block[0], "last": block[1]}
        known = tx.among("segment_contacts", ids) if self._span is None else tx.all(
            "segment_contacts_within", **self._span
        )  # fmt: skip
        rows = sorted(known)
        self._ids = [row[0] for row in rows]
        self.ids: Integers = np.array(self._ids, np.int64)
        self.seeds: Flags = np.array([row[1] for row in rows], np.bool_)
        self._events: dict[str, list[Row]] = {}
        self._happened: dict[str, Happened] = {}
        self._amounts: dict[str, dict[str, tuple[list[int], list[float]]]] = {}
        self._all_events = False

    @cached_property
    def _raws(self) -> list[dict[str, msgspec.Raw]]:
        rows = sorted(self._tx.among("segment_attributes", self._ids))
        raws = [_raw(row[1]) for row in rows]
        for known, row in zip(raws, rows, strict=True):
            for name, value in contact_scope({}, *row[2:]).items():
                known.setdefault(name, _written(value))
        return raws

    def attributes(self) -> list[str]:
        """Return the names of all attributes of these people."""
        return sorted({name for raws in self._raws for name in raws})

    def attribute(self, name: str) -> Coded:
        known: dict[bytes, int] = {}
        codes = [
            0 if (raw := raws.get(name)) is None else known.setdefault(bytes(raw), len(known) + 1)
            for raws in self._raws
        ]
        return Coded(narrow(codes, len(known)), _list(b"[" + b",".join(known) + b"]"))

    @cached_property
    def reach(self) -> Integers:
        masks = dict.fromkeys(self._ids, 0)
        for contact_id, channel in self._tx.among("reach_of", self._ids):
            masks[contact_id] |= 1 << channel
        return np.array(list(masks.values()), np.int64)

    @cached_property
    def consents(self) -> Coded:
        told: dict[int, list[ConsentRow]] = {}
        for row in self._tx.among("look_consents", self._ids):
            told.setdefault(row[0], []).append(consent_of(row))
        known: dict[tuple[ConsentRow, ...], int] = {}
        codes = [
            known.setdefault(tuple(told[each]), len(known) + 1) if each in told else 0 for each in self._ids
        ]
        return Coded(narrow(codes, len(known)), [list(rows) for rows in known])

    @cached_property
    def mailboxes(self) -> Coded:
        domains: dict[int, str] = {}
        for contact_id, domain in self._tx.among("mailboxes_of", self._ids):
            domains.setdefault(contact_id, domain)  # the preferred one comes first
        known: dict[str, int] = {}
        codes = [
            known.setdefault(domains[each], len(known) + 1) if each in domains else 0 for each in self._ids
        ]
        return Coded(narrow(codes, len(known)), list(known))

    def names_of_events(self) -> list[str]:
        """Return the names of all events of these people."""
        rows = self._tx.among("segment_events", self._ids)
        for name in {row[1] for row in rows}:
            self._events[name] = [(row[0], row[2], row[3]) for row in rows if row[1] == name]
        self._all_events = True
        return sorted(self._events)

    def events(self, name: str) -> Happened:
        if name in self._events or self._all_events:
            rows = self._named(name)
            whose = np.array([row[0] for row in rows], np.int64)
            return Happened(np.searchsorted(self.ids, whose), np.array([row[1] for row in rows], np.int64))
        if name not in self._happened:
            self._happened[name] = self._told(name)
        return self._happened[name]

    def _told(self, name: str) -> Happened:
        """Return events without their properties: as two texts for all, which is quick."""
        found = self._tx.among("segment_happened", self._ids, name=name) if self._span is None else (
            self._tx.all("segment_happened_within", **self._span, name=name)
        )  # fmt: skip
        told = [row for row in found if row[0]]
        whose = np.fromstring(",".join(row[0] for row in told), np.int64, sep=",")
        at = np.fromstring(",".join(row[1] for row in told), np.int64, sep=",")
        here = np.isin(whose, self.ids)  # who is erased is not
        whose, at = whose[here], at[here]
        order = np.lexsort((at, whose))
        return Happened(np.searchsorted(self.ids, whose[order]), at[order])

    def properties(self, name: str) -> list[str]:
        """Return the properties that are a number in some event of the name."""
        return sorted(self._sums(name))

    def amounts(self, name: str, property_name: str) -> Floats | None:
        told = self._sums(name).get(property_name)
        if told is None:
            return None
        found = np.zeros(len(self._named(name)), np.float64)
        found[told[0]] = told[1]
        return found

    def _sums(self, name: str) -> dict[str, tuple[list[int], list[float]]]:
        """Return for each property in which events it is a number, and which."""
        if name not in self._amounts:
            known: dict[str, tuple[list[int], list[float]]] = {}
            for number, (_, _, text) in enumerate(self._named(name)):
                for key, value in _attributes(text).items() if _NUMBERED(text) else ():
                    if (amount := _amount(value)) is not None:
                        told = known.setdefault(key, ([], []))
                        told[0].append(number)
                        told[1].append(amount)
            self._amounts[name] = known
        return self._amounts[name]

    def _named(self, name: str) -> list[Row]:
        """Return whose, when and with what properties the events of a name are, by person and instant."""
        if name not in self._events and not self._all_events:
            rows = self._tx.among("segment_events_named", self._ids, name=name) if self._span is None else (
                self._tx.all("segment_events_within", **self._span, name=name)
            )  # fmt: skip
            here = set(self._ids)
            self._events[name] = sorted(row for row in rows if row[0] in here)
        return self._events.get(name, [])


class Packed(Struct, frozen=True, array_like=True):
    """A column as it is kept: arrays of little-endian numbers, with their kind, and values as JSON."""

    kind: str
    data: bytes
    places: bytes = b""
    values: bytes = b""

    @property
    def nbytes(self) -> int:
        return len(self.data) + len(self.places) + len(self.values)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Packed).decode


class Ahead:
    """Columns of blocks that are asked in order, up to the `last`: each is read for TOGETHER of them, as a
    statement for each column of each block would take longer than all else.

    With the generations of `made` blocks a column is read of all of these, and kept in memory, if there is
    room for it.
    """

    def __init__(self, tx: Transaction, last: int, made: Mapping[int, Generation] | None = None) -> None:
        self._tx, self._last, self._made = tx, last, made
        self._read: dict[Key, tuple[range, dict[int, Packed]]] = {}

    def column(self, block: int, *key: str) -> Packed | None:
        """Return a column of a block; None: there is none."""
        blocks, found = self._read.get(key, (range(0), {}))
        if block not in blocks:
            if self._made is not None and _size(self._tx, key) <= ROOM:
                blocks, found = range(self._last + 1), kept(self._tx, self._made, key)
            else:
                blocks = range(block, min(block + TOGETHER - 1, self._last) + 1)
                found = dict(_columns(self._tx, key, blocks[0], blocks[-1]))
            self._read[key] = blocks, found
        return found.get(block)


def kept(tx: Transaction, made: Mapping[int, Generation], key: Key) -> dict[int, Packed]:
    """Return a column of blocks, which is kept in memory."""

    def read(blocks: Sequence[int]) -> Iterator[tuple[int, Packed]]:
        for start in range(0, len(blocks), TOGETHER):
            some = blocks[start : start + TOGETHER]
            yield from _columns(tx, key, some[0], some[-1])

    return tx.shelf.take((COLUMN, *key), made, read)


def bring(tx: Transaction, names: Collection[str]) -> None:
    """Bring into memory who is in blocks, and what they did of these names."""
    made = generations(tx)
    for key in (("ids", "", ""), ("seeds", "", ""), *(("events", name, "") for name in names)):
        if _size(tx, key) <= ROOM:
            kept(tx, made, key)


def _size(tx: Transaction, key: Key) -> int:
    kind, name, property_name = key
    ((found,),) = tx.all("segment_column_size", kind=kind, name=name, property=property_name)
    return int(found)


def _columns(tx: Transaction, key: Key, first: int, last: int) -> Iterator[tuple[int, Packed]]:
    """Yield a column of blocks from the first to the last."""
    kind, name, property_name = key
    for block, data in tx.all(
        "segment_column", kind=kind, name=name, property=property_name, first=first, last=last
    ):
        yield block, _decode(data)


class Made:
    """Contacts of a block as they stood when it was made; with others after it, columns are read `ahead`."""

    def __init__(self, tx: Transaction, block: int, ahead: Ahead | None = None) -> None:
        self._tx, self._block = tx, block
        self._ahead = ahead or Ahead(tx, block)
        self._all: Columns | None = None

    def columns(self) -> Columns:
        """Return all columns as they are kept; from then on none is read a second time."""
        if self._all is None:
            self._all = {
                (kind, name, property_name): bytes(data)
                for kind, name, property_name, data in self._tx.all("columns_of_block", block=self._block)
            }
        return self._all

    def names(self, kind: str) -> set[str]:
        """Return of what there are columns of a kind."""
        return {name for own, name, _ in self.columns() if own == kind}

    def properties(self, name: str) -> set[str]:
        """Return of which properties of the events of a name there are columns."""
        return {each for kind, own, each in self.columns() if kind == "amounts" and own == name}

    @cached_property
    def ids(self) -> Integers:
        return _numbers(self._column("ids"))

    @cached_property
    def seeds(self) -> Flags:
        seeds = _numbers(self._column("seeds"))
        return np.isin(self.ids, seeds) if len(seeds) else np.zeros(len(self.ids), np.bool_)

    @cached_property
    def reach(self) -> Integers:
        return _numbers(self._column("reach"))

    @cached_property
    def consents(self) -> Coded:
        kept = self._column("consents")
        if kept is None:
            return self._nothing()
        return Coded(np.frombuffer(kept.data, kept.kind), _consents(kept.values))

    @cached_property
    def mailboxes(self) -> Coded:
        return self._listed("mailboxes")

    def attribute(self, name: str) -> Coded:
        return self._listed("attribute", name)

    def events(self, name: str) -> Happened:
        kept = self._column("events", name)
        if kept is None:
            return Happened(np.zeros(0, np.uint16), np.zeros(0, np.int64))
        return Happened(np.frombuffer(kept.places, "<u2"), _numbers(kept))

    def amounts(self, name: str, property_name: str) -> Floats | None:
        kept = self._column("amounts", name, property_name)
        return None if kept is None else np.frombuffer(kept.data, kept.kind).astype(np.float64, copy=False)

    def _listed(self, kind: str, name: str = "") -> Coded:
        kept = self._column(kind, name)
        if kept is None:
            return self._nothing()
        return Coded(np.frombuffer(kept.data, kept.kind), _list(kept.values))

    def _nothing(self) -> Coded:
        return Coded(np.zeros(len(self.ids), np.uint8), [])

    def _column(self, kind: str, name: str = "", property_name: str = "") -> Packed | None:
        if self._all is not None:
            data = self._all.get((kind, name, property_name))
            return None if data is None else _decode(data)
        return self._ahead.column(self._block, kind, name, property_name)


def pack(people: Whole) -> Columns:
    """Return all columns of people; one in which nobody has anything is left out."""
    found: Columns = {}

    def add(kind: str, packed: Packed, name: str = "", property_name: str = "") -> None:
        found[kind, name, property_name] = _encode(packed)

    add("ids", _whole(people.ids))
    add("seeds", _whole(people.ids[people.seeds]))
    add("reach", _whole(people.reach))
    consents = people.consents
    if consents.values:
        add("consents", _coded(consents, consents.values))
    mailboxes = people.mailboxes
    if mailboxes.values:
        add("mailboxes", _coded(mailboxes, mailboxes.values))
    for name in people.attributes():
        column = people.attribute(name)
        if column.values:
            add("attribute", _coded(column, column.values), name)
    for name in people.names_of_events():
        happened = people.events(name)
        if not len(happened.at):
            continue
        places = happened.places.astype("<u2").tobytes()
        add("events", Packed("<i8", happened.at.astype("<i8").tobytes(), places), name)
        for each in people.properties(name):
            amounts = people.amounts(name, each)
            if amounts is not None and amounts.any():
                add("amounts", _floats(amounts), name, each)
    return found


def _coded(column: Coded, values: Sequence[object]) -> Packed:
    codes = column.codes
    return Packed(codes.dtype.str, codes.tobytes(), values=msgspec.json.encode(values))


def _whole(numbers: Integers) -> Packed:
    return Packed("<i8", numbers.astype("<i8").tobytes())


def _floats(amounts: Floats) -> Packed:
    """Return amounts in half the room where that loses nothing."""
    narrow = amounts.astype("<f4")
    same = bool(np.array_equal(narrow.astype(np.float64), amounts, equal_nan=True))
    kept = narrow if same else amounts.astype("<f8")
    return Packed(kept.dtype.str, kept.tobytes())


def _numbers(packed: Packed | None) -> Integers:
    return np.zeros(0, np.int64) if packed is None else np.frombuffer(packed.data, "<i8")


def narrow(codes: Sequence[int] | Integers, most: int) -> Codes:
    """Return codes up to `most` in as little room as they need."""
    return np.array(codes, "<u1" if most < 2**8 else "<u2" if most < 2**16 else "<u4")


def _amount(value: object) -> float | None:
    """Return what a property comes to; NaN for what is no exact float, None for what is no number."""
    if isinstance(value, str):
        start = value.lstrip()[:1]
        if start.isascii() and start not in _BEGINS:  # most texts: to try is slow
            return None
    amount = amount_of(value)
    if amount is None:
        return None
    return float(amount) if abs(amount) < EXACT else float("nan")

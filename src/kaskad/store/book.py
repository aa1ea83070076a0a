"""Tables `address_book` and `placements`: who may have an address, on SQLite; PostgreSQL has an index for it.

Triggers put everybody's addresses into the book. Who brings in many people may do so before they are there,
in the order of addresses: the numbers of these contacts are then kept for them. What led to nobody is taken
out again. Who of them shares an address, with whomever, is noted in `booked_twice` when that comes about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from msgspec import Struct

from kaskad.store.db import Database, Transaction

_AT_ONCE = 2_000

Entry = tuple[str, int, int]  # value, code of its channel, contact


class Placement(Struct, frozen=True):
    """Numbers that an import has for contacts to come."""

    import_id: int
    first: int
    last: int


def reserve(tx: Transaction, import_id: int, owner: str, count: int) -> int | None:
    """Keep numbers for so many contacts, in place of those of before; return the first.

    None where there is no book.
    """
    tx.run("forget_booked_twice", import_id=import_id)
    row = tx.one("reserve_contacts", import_id=import_id, owner=owner, count=count)
    return None if row is None else int(row[0])


def place(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Put addresses that nobody has yet into the book; of the same ones the first.

    `entries` are in order, and nobody has an address twice in them.
    """
    there = {(row[0], row[1]) for row in tx.among_texts("booked_addresses", [value for value, *_ in entries])}
    rows, twice, last = [], [], ("", 0)
    for entry in entries:
        key = entry[:2]
        if key != last and key not in there:
            rows.append(entry)
        else:
            twice.append((entry[2],))
        last = key
    tx.many("place_addresses", rows)
    tx.many("note_booked_twice", twice)


def shared(tx: Transaction, reserved: Sequence[int]) -> set[int]:
    """Return for which of these numbers, in order, an address is not only theirs."""
    return {row[0] for row in tx.all("booked_twice", first=reserved[0], last=reserved[-1])}


@contextmanager
def writing(tx: Transaction, reserved: Sequence[int]) -> Iterator[None]:
    """Let the addresses of contacts be written whose numbers these are, and who all stand in the book."""
    if not reserved:
        yield
        return
    tx.run("write_placed", number=reserved[0], writing=1)
    yield
    tx.run("write_placed", number=reserved[0], writing=0)


def unplace(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Take out what leads to nobody."""
    tx.many("unplace_addresses", entries)


def left(tx: Transaction, import_id: int, owner: str) -> list[Placement]:
    """Return what was kept for this import, and for those of processes that have ended."""
    return [Placement(*row) for row in tx.all("placements", import_id=import_id, owner=owner)]


def entries(db: Database, placement: Placement) -> Iterator[list[Entry]]:
    """Yield what stands in the book under the numbers of a placement, some thousand at a time."""
    after: Entry = ("", 0, 0)
    while True:
        with db.read() as tx:
            rows = tx.all(
                "placed_addresses", value=after[0], channel=after[1], contact_id=after[2],
                first=placement.first, last=placement.last, limit=_AT_ONCE,
            )  # fmt: skip
        if not rows:
            return
        found: list[Entry] = [(row[0], row[1], row[2]) for row in rows]
        yield found
        after = found[-1]


def end(tx: Transaction, import_id: int) -> None:
    """Give back the numbers that were kept for an import."""
    tx.run("forget_booked_twice", import_id=import_id)
    tx.run("end_placement", import_id=import_id)

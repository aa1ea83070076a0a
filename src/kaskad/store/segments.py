"""Table `segments`: conditions under a name, and who meets them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from kaskad.domain.segment import Equals, Segment
from kaskad.store.db import Row, Transaction

_PIECE = 5_000


class KnownSegment(Struct, frozen=True):
    """A segment as it is kept."""

    id: int
    name: str
    segment: Segment
    created_at: int


_conditions = msgspec.json.Decoder(tuple[Equals, ...]).decode
_attributes = msgspec.json.Decoder(dict[str, Any]).decode


def put(tx: Transaction, name: str, segment: Segment, now: int) -> None:
    """Make the segment, or change the one of that name."""
    tx.run("put_segment", name=name, conditions=msgspec.json.encode(segment.all).decode(), now=now)


def find(tx: Transaction, name: str) -> KnownSegment | None:
    """Return the segment of that name, or None."""
    row = tx.one("segment_by_name", name=name)
    return None if row is None else _segment(row)


def page(tx: Transaction, *, after: str, limit: int) -> list[KnownSegment]:
    """Return segments by name, those after a name."""
    return [_segment(row) for row in tx.all("segments", after=after, limit=limit)]


def drop(tx: Transaction, name: str) -> bool:
    """Forget a segment; return whether there was one."""
    return bool(tx.run("drop_segment", name=name))


def matching(tx: Transaction, segment: Segment, *, after: int = 0) -> Iterator[int]:
    """Yield the contacts of a segment in the order of their ids, those after one of them."""
    needle = segment.needle()
    while True:
        rows = tx.all("segment_candidates", after=after, needle=needle, limit=_PIECE)
        for contact_id, attributes in rows:
            if segment.test(_attributes(attributes)):
                yield contact_id
        if len(rows) < _PIECE:
            return
        after = rows[-1][0]


def _segment(row: Row) -> KnownSegment:
    return KnownSegment(row[0], row[1], Segment(_conditions(row[2])), row[3])

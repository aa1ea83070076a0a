"""Segments: conditions under a name; who meets them is asked anew each time."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

from kaskad.actions import contacts, lists
from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict, NotFound
from kaskad.domain.segment import Segment
from kaskad.store import cards
from kaskad.store import cascades as launch_store
from kaskad.store import lists as list_store
from kaskad.store import segments as store
from kaskad.store.db import Transaction
from kaskad.store.segments import KnownSegment


def create(office: Office, name: str, segment: Segment) -> KnownSegment:
    """Make a segment; raises Conflict for a name that a segment or a list has."""

    def change(tx: Transaction) -> None:
        if store.find(tx, name) is not None:
            raise Conflict(f"There is a segment {name!r} already.")
        _put(tx, office, name, segment)

    office.write(change)
    return show(office, name)


def put(office: Office, name: str, segment: Segment) -> KnownSegment:
    """Make a segment, or change the one of that name; raises Conflict for a name that a list has."""
    office.write(lambda tx: _put(tx, office, name, segment))
    return show(office, name)


def _put(tx: Transaction, office: Office, name: str, segment: Segment) -> None:
    if list_store.find(tx, name) is not None:
        raise Conflict(f"{name!r} is a list: choose another name for the segment.")
    store.put(tx, name, segment, office.now())


def listing(office: Office, *, after: str, limit: int) -> list[KnownSegment]:
    """Return segments by name, those after a name."""
    with office.read() as tx:
        return store.page(tx, after=after, limit=limit)


def show(office: Office, name: str) -> KnownSegment:
    """Return the segment; raises NotFound."""
    with office.read() as tx:
        return _get(tx, name)


def delete(office: Office, name: str) -> None:
    """Forget a segment; launches that have begun go on. Raises NotFound."""
    if not office.write(lambda tx: store.drop(tx, name)):
        raise _none(name)


def count(office: Office, name: str) -> int:
    """Return how many contacts are in a segment now; raises NotFound."""
    with office.read() as tx:
        return sum(1 for _ in store.matching(tx, _get(tx, name).segment))


def preview(office: Office, name: str, *, after: int, limit: int) -> contacts.Page:
    """Return contacts of a segment in the order of their ids; raises NotFound."""
    with office.read() as tx:
        ids = list(islice(store.matching(tx, _get(tx, name).segment, after=after), limit))
        return contacts.with_addresses(tx, cards.among(tx, ids))


def freeze(office: Office, name: str) -> int:
    """Return the id of a new list of who is in a segment now; raises NotFound.

    A launch goes through such a list: whom it is for does not change while it goes on.
    """
    with office.read() as tx:
        contact_ids = list(store.matching(tx, _get(tx, name).segment))
    at = datetime.fromtimestamp(office.now() / 1000, UTC).isoformat(" ", "milliseconds")
    list_id = office.write(lambda tx: launch_store.save_list(tx, f"{name} {at[:-6]}"))
    lists.fill(office, list_id, contact_ids)
    return list_id


def _get(tx: Transaction, name: str) -> KnownSegment:
    found = store.find(tx, name)
    if found is None:
        raise _none(name)
    return found


def _none(name: str) -> NotFound:
    return NotFound(f"There is no segment {name!r}: `kaskad segment list` shows them.")

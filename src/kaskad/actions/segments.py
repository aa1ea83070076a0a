"""Segments: conditions under a name; who meets them is asked anew each time."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

from kaskad.actions import contacts, lists
from kaskad.actions.office import Office
from kaskad.domain.condition import Condition
from kaskad.domain.errors import Conflict, Invalid, NotFound
from kaskad.domain.segment import Equals, circle, names_in, read
from kaskad.store import cards
from kaskad.store import cascades as launch_store
from kaskad.store import lists as list_store
from kaskad.store import segments as store
from kaskad.store.db import Transaction
from kaskad.store.segments import KnownSegment

Told = str | tuple[Equals, ...]  # a condition, or what attributes equal


def create(office: Office, name: str, told: Told) -> KnownSegment:
    """Make a segment of a text or of values; raises Conflict for a name that is taken, and Invalid."""

    def change(tx: Transaction) -> None:
        if store.is_kept(tx, name):
            raise Conflict(f"There is a segment {name!r} already.")
        _put(tx, office, name, told)

    office.write(change)
    return show(office, name)


def put(office: Office, name: str, told: Told) -> KnownSegment:
    """Make a segment, or change the one of that name; raises Conflict for a name that a list has."""
    office.write(lambda tx: _put(tx, office, name, told))
    return show(office, name)


def _put(tx: Transaction, office: Office, name: str, told: Told) -> None:
    if list_store.find(tx, name) is not None:
        raise Conflict(f"{name!r} is a list: choose another name for the segment.")
    if isinstance(told, str):
        condition = read(told)
        named = _below(tx, condition)
        if circle(name, {**named, name: condition}):
            raise Invalid([f"The segment {name!r} would name itself: say in it whom you mean."])
        store.count_pieces(tx, condition, office.now())
    store.put(tx, name, told, office.now())


def _below(tx: Transaction, condition: Condition) -> dict[str, Condition]:
    """Return the segments that the condition names; raises Invalid for one that is not there."""
    named = store.below(tx, [condition.tree])
    missing = sorted(names_in(condition.tree) - named.keys())
    if missing:
        raise Invalid([f"There is no segment {missing[0]!r}: make it first, or ask what it would ask."])
    return named


def listing(office: Office, *, after: str, limit: int) -> list[KnownSegment]:
    """Return segments by name, those after a name."""
    with office.read() as tx:
        return store.page(tx, after=after, limit=limit)


def ready(office: Office) -> list[KnownSegment]:
    """Return the segments that are there without being made, as they are now."""
    with office.read() as tx:
        return [store.find(tx, each.name) or each for each in store.ready()]


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
        return store.count(tx, _get(tx, name).condition, office.now())


def count_text(office: Office, text: str) -> int:
    """Return how many contacts meet a condition now; raises Invalid."""
    condition = read(text)
    with office.read() as tx:
        _below(tx, condition)
        return store.count(tx, condition, office.now())


def preview(office: Office, name: str, *, after: int, limit: int) -> contacts.Page:
    """Return contacts of a segment in the order of their ids; raises NotFound."""
    with office.read() as tx:
        return _preview(tx, office, _get(tx, name).condition, after, limit)


def preview_text(office: Office, text: str, *, after: int, limit: int) -> contacts.Page:
    """Return contacts who meet a condition in the order of their ids; raises Invalid."""
    condition = read(text)
    with office.read() as tx:
        _below(tx, condition)
        return _preview(tx, office, condition, after, limit)


def _preview(tx: Transaction, office: Office, condition: Condition, after: int, limit: int) -> contacts.Page:
    found = store.matching(tx, condition, office.now(), after=after, piece=limit)
    return contacts.with_addresses(tx, cards.among(tx, list(islice(found, limit))))


def freeze(office: Office, name: str) -> int:
    """Return the id of a new list of who is in a segment now; raises NotFound.

    A launch goes through such a list: whom it is for does not change while it goes on.
    """
    with office.read() as tx:
        contact_ids = list(store.matching(tx, _get(tx, name).condition, office.now()))
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

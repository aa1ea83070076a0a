"""Lists: people put together by hand, by an import, or by a segment at the moment of a launch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from kaskad.actions import contacts
from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict
from kaskad.domain.worded import worded
from kaskad.store import cards, segments
from kaskad.store import cascades as launch_store
from kaskad.store import lists as store
from kaskad.store.db import Transaction
from kaskad.store.lists import KnownList

PIECE = 2_000  # members written between two ticks
HOURS = "hours of launch "  # people by when it is their hour
_OWN = ("seeds ", "canary of ", HOURS)  # how names begin of lists that launches make for themselves


def create(office: Office, name: str) -> KnownList:
    """Make an empty list; raises Conflict for a name that a list or a segment has."""

    def change(tx: Transaction) -> KnownList:
        if store.find(tx, name) is not None:
            raise Conflict(worded("There is a list %(name)r already.", name=name))
        if segments.find(tx, name) is not None:
            raise Conflict(worded("%(name)r is a segment: choose another name for the list.", name=name))
        return KnownList(launch_store.save_list(tx, name), name, 0)

    return office.write(change)


def listing(office: Office, *, after: str, limit: int) -> list[KnownList]:
    """Return lists by name, those after a name."""
    with office.read() as tx:
        return store.page(tx, after=after, limit=limit)


def names(office: Office, *, limit: int, after: str = "") -> list[str]:
    """Return the names of lists, those after a name."""
    with office.read() as tx:
        return store.names(tx, limit=limit, after=after)


def to_choose(office: Office, limit: int) -> list[str]:
    """Return names of lists to choose from: without those that launches make for themselves."""
    found: list[str] = []
    after = ""
    with office.read() as tx:
        while len(found) < limit and (piece := store.names(tx, after=after, limit=PIECE)):
            found += [name for name in piece if not name.startswith(_OWN)]
            after = piece[-1]
    return found[:limit]


def put_all(office: Office, name: str, contact_ids: Sequence[int]) -> int:
    """Put contacts on a list, which is made where there is none; return how many were not on it.

    Raises Conflict for the name of a segment.
    """

    def made(tx: Transaction) -> int:
        if store.find(tx, name) is None and segments.find(tx, name) is not None:
            raise Conflict(worded("%(name)r is a segment: choose another name for the list.", name=name))
        return launch_store.save_list(tx, name)

    return fill(office, office.write(made), contact_ids)


def show(office: Office, name: str) -> KnownList:
    """Return the list; raises NotFound."""
    with office.read() as tx:
        return store.get(tx, name)


def members(office: Office, name: str, *, after: int, limit: int) -> contacts.Page:
    """Return contacts of a list in the order of their ids; raises NotFound."""
    with office.read() as tx:
        found = cards.members(tx, store.get(tx, name).id, after=after, limit=limit)
        return contacts.with_addresses(tx, found)


def add(office: Office, name: str, who: Sequence[str]) -> int:
    """Put contacts on a list; return how many were not. Raises NotFound, and Invalid for unknown contacts."""
    with office.read() as tx:
        found = store.get(tx, name)
        contact_ids = contacts.find_many(tx, who, "/contacts")
    return fill(office, found.id, contact_ids)


def forget(office: Office, list_ids: Sequence[int]) -> None:
    """Drop lists that nobody has seen, between ticks, some members at a time."""
    for list_id in list_ids:
        while office.write(partial(store.clear, list_id=list_id, limit=PIECE)):
            pass
        office.write(partial(store.drop, list_id=list_id))


def fill(office: Office, list_id: int, contact_ids: Sequence[int]) -> int:
    """Put contacts on a list between ticks, some at a time; return how many were not."""
    return sum(
        office.write(lambda tx, piece=piece: launch_store.add_members(tx, list_id, piece))  # type: ignore[misc]
        for piece in contacts.pieces(sorted(set(contact_ids)), PIECE)
    )


def remove(office: Office, name: str, who: Sequence[str]) -> int:
    """Take contacts off a list; return how many were on it. Raises NotFound, and Invalid for unknown ones."""
    with office.read() as tx:
        found = store.get(tx, name)
        contact_ids = contacts.find_many(tx, who, "/contacts")
    return sum(
        office.write(lambda tx, piece=piece: store.remove_members(tx, found.id, piece))  # type: ignore[misc]
        for piece in contacts.pieces(sorted(set(contact_ids)), PIECE)
    )


def delete(office: Office, name: str) -> None:
    """Forget a list, not its people; raises NotFound, and Conflict while a launch goes through it."""
    with office.read() as tx:
        found = store.get(tx, name)
        store.refuse_in_use(tx, found)

    def end(tx: Transaction) -> None:
        store.refuse_in_use(tx, found)
        while store.clear(tx, found.id, PIECE):  # who was added meanwhile
            pass
        store.drop(tx, found.id)

    while office.write(lambda tx: store.clear(tx, found.id, PIECE)):
        pass
    office.write(end)

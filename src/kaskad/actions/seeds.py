"""Seed and test contacts: staff who look at what is sent, and are in no figure."""

from __future__ import annotations

from collections.abc import Sequence

from kaskad.actions import contacts
from kaskad.actions.office import Office
from kaskad.store import cards
from kaskad.store import lists as list_store
from kaskad.store import seeds as store


def listing(office: Office) -> contacts.Page:
    """Return the seed contacts, in the order of their ids."""
    with office.read() as tx:
        return contacts.with_addresses(tx, cards.among(tx, store.all_seeds(tx)))


def mark(office: Office, who: Sequence[str], list_name: str, seed: bool) -> int:
    """Make contacts seeds, or people again, with everybody on a list where one is named.

    Return how many were not. Raises NotFound, and Invalid for unknown contacts.
    """
    with office.read() as tx:
        ids = set(contacts.find_many(tx, who, "/contacts"))
        if list_name:
            list_id = list_store.get(tx, list_name).id
            ids |= {card.id for card in cards.members(tx, list_id, after=0, limit=_MOST)}
    changed = sum(
        office.write(lambda tx, piece=piece: store.mark(tx, piece, seed))  # type: ignore[misc]
        for piece in contacts.pieces(sorted(ids), contacts.PIECE)
    )
    office.reload()
    return changed


_MOST = 10_000  # seed contacts: they are looked at by people

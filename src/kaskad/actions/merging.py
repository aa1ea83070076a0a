"""Contacts that may be one person: proposed, and made one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic, sleep
from typing import Any, TypeVar

from msgspec import Struct

from kaskad.actions.contacts import find, find_one
from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict
from kaskad.domain.ids import contact_text
from kaskad.domain.worded import worded
from kaskad.engine import merging
from kaskad.log import get_logger
from kaskad.store import cards, changes, merges
from kaskad.store.cards import Card
from kaskad.store.changes import KnownChange
from kaskad.store.db import Transaction
from kaskad.store.merges import Same
from kaskad.store.runs import RunKey

T = TypeVar("T")
log = get_logger(__name__)

_WAIT_S = 10.0  # for the answer to a message that is being handed over
_LOOK_S = 0.2
_TICK_S = 1.0  # longer than a tick of another process takes
_HEARD_S = 4.0  # until other processes on the database know that merged contacts have to be expected


class Merged(Struct, frozen=True):
    """What a merge has done."""

    contact_id: int
    merged: int
    runs: int
    ended: int
    conflicts: Mapping[str, Any]


class Likely(Struct, frozen=True):
    """A contact, and others that may be the same person, each with the addresses that both have."""

    card: Card
    others: Sequence[tuple[Card, Sequence[Same]]]


def merge(office: Office, who: str, other: str, by: str) -> Merged:
    """Make two contacts one: `who` is kept, and what led to `other` leads there from now on.

    A message to `other` that is just being handed over is waited for. Raises NotFound, Conflict.
    """
    with office.read() as tx:
        kept, old = find_one(tx, who), find_one(tx, other)
    if kept == old:
        raise Conflict(
            worded(
                "%(who)s and %(other)s are one contact already: %(contact)s.",
                who=who,
                other=other,
                contact=contact_text(kept),
            )
        )
    _announce(office)
    world = office.engine.world
    done = _once_answered(office, lambda tx: merging.merge(tx, world, kept, old, f"api {by}", office.now()))
    if world.shared:  # a tick of another process may have begun before the merge and end after it
        sleep(_TICK_S)
        _once_answered(office, lambda tx: merging.take_over(tx, world, done.merged, office.now()))
    log.info("contacts merged", contact=done.contact_id, merged=done.merged, by=by)
    return Merged(done.contact_id, done.merged, done.runs, done.ended, done.conflicts)


def _once_answered(office: Office, change: Callable[[Transaction], T]) -> T:
    """Run a change as soon as no message is being handed over; raises InFlight where that takes too long."""
    until = monotonic() + _WAIT_S
    while True:
        try:
            return office.write(change)
        except merging.InFlight:
            if monotonic() > until:
                raise
            sleep(_LOOK_S)


def duplicates(office: Office, *, after: int, limit: int) -> list[Likely]:
    """Return contacts that share an address with later ones, in the order of their ids."""
    with office.read() as tx:
        found = merges.likely(tx, after=after, limit=limit)
        known = _cards(tx, found)
        return [
            Likely(known[one.contact_id], [(known[other], same) for other, same in one.others.items()])
            for one in found
        ]


def like(office: Office, who: str) -> list[tuple[Card, list[str]]]:
    """Return who else has an address of this contact, with the addresses that both have; raises NotFound."""
    with office.read() as tx:
        contact_id = find(tx, who)
        own = [(each.channel.code, each.value) for each in cards.addresses(tx, contact_id) if each.shared]
        both: dict[int, list[str]] = {}
        for _, value, other, _ in tx.many("contacts_by_address", own) if own else []:
            both.setdefault(other, []).append(value)
        both.pop(contact_id, None)
        return [(card, both[card.id]) for card in cards.among(tx, sorted(both))] if both else []


def run_now(office: Office, key: RunKey) -> RunKey:
    """Return what a run is called now: that of a merged contact has a new name, and is found by the old."""
    with office.read() as tx:
        return merges.kept_run(tx, key)


def history(office: Office, who: str, *, before: int | None, limit: int) -> list[KnownChange]:
    """Return what was changed of a contact, the newest first; raises NotFound."""
    with office.read() as tx:
        return changes.page(tx, find(tx, who), before=before, limit=limit)


def _cards(tx: Transaction, found: Sequence[merges.Likely]) -> dict[int, Card]:
    ids = {one.contact_id for one in found}.union(*(one.others for one in found))
    return {card.id: card for card in cards.among(tx, sorted(ids))} if ids else {}


def _announce(office: Office) -> None:
    """Before the first merge of all, let every process on the database expect what it brings."""
    world = office.engine.world
    if world.merges or not world.shared:
        return
    office.write(lambda tx: merging.announce(tx, office.now()))
    sleep(_HEARD_S)
    world.merges = True

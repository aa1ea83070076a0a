"""What has arrived and a defect of ours kept from being applied: shown, tried again, or left out for good."""

from __future__ import annotations

from msgspec import structs

from kaskad.actions.hiding import hidden
from kaskad.actions.office import Office
from kaskad.domain.errors import NotFound
from kaskad.domain.worded import worded
from kaskad.store import set_aside as store
from kaskad.store.db import Transaction
from kaskad.store.set_aside import Entry, Resting


def listing(office: Office, *, after: int = 0, limit: int) -> list[Entry]:
    """Return what is set aside, the oldest first."""
    with office.read() as tx:
        found = store.page(tx, after=after, limit=limit)
        return [structs.replace(each, value=hidden(tx, office.signer, each.value or "")) for each in found]


def resting(office: Office, limit: int) -> list[Resting]:
    """Return what a defect lets rest for an hour, in whichever process."""
    with office.read() as tx:
        return store.resting(tx, office.now(), limit)


def count(office: Office) -> int:
    """Return how much is set aside."""
    with office.read() as tx:
        return store.count(tx)


def retry(office: Office, number: int = 0) -> int:
    """Let one entry be applied again, or all (0); return how many. Raises NotFound.

    One that fails again is set aside again.
    """

    def change(tx: Transaction) -> int:
        found = store.retry(tx, number)
        if number and not found:
            raise _none(number)
        office.engine.world.work.entries_set_aside = store.count(tx)
        return found

    return office.write(change)


def drop(office: Office, number: int) -> None:
    """Leave one entry out for good: its contact is written to as if it had not come. Raises NotFound."""

    def change(tx: Transaction) -> None:
        if not store.drop(tx, number):
            raise _none(number)
        office.engine.world.work.entries_set_aside = store.count(tx)

    office.write(change)


def _none(number: int) -> NotFound:
    return NotFound(
        worded("Nothing of number %(number)s is set aside: `kaskad set-aside` lists it.", number=number)
    )

"""Where one contact is reached: listed in the order of use, added, preferred, spoilt, mended, removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

from kaskad.actions.contacts import find
from kaskad.actions.office import Office
from kaskad.domain.address import BadAddress, normalise
from kaskad.domain.errors import Conflict, Invalid, NotFound
from kaskad.domain.ids import contact_text
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded, wording
from kaskad.store import cards, changes, contacts, places, suppressions
from kaskad.store.cards import KnownAddress
from kaskad.store.db import Transaction

Deed = Literal["primary", "invalid", "valid"]
WORDS = {"primary": "made primary", "invalid": "marked invalid", "valid": "marked valid"}


class Ranked(Struct, frozen=True):
    """An address; `used`: the next message on its channel goes there, if anything may be sent at all."""

    address: KnownAddress
    used: bool
    reacted_at: int | None  # when the last message went there to which the person has reacted


def listing(office: Office, who: str) -> list[Ranked]:
    """Return the addresses of a contact by channel, the one that is used first; raises NotFound."""
    with office.read() as tx:
        contact_id = find(tx, who)
        known = cards.addresses(tx, contact_id)
        answered = places.reacted(tx, [contact_id])
    ranked, seen = [], set()
    for each in places.in_order(known, answered, contact_id):
        at = answered.get((contact_id, each.channel.code, each.value))
        ranked.append(Ranked(each, each.health == 0 and each.channel not in seen, at))
        seen.add(each.channel)
    return ranked


def add(office: Office, who: str, channel: Channel, value: str, by: str, *, primary: bool = False) -> str:
    """Give a contact an address; return it as it is kept. Raises NotFound, Invalid."""

    def change(tx: Transaction) -> str:
        contact_id = find(tx, who)
        kept = _normal(tx, contact_id, channel, value)
        key = suppressions.hash_key(tx, office.vault)
        contacts.add_addresses(tx, key, contact_id, [contacts.Address(channel, kept)])
        if primary:
            tx.run("set_main_address", contact_id=contact_id, channel=channel.code, value=kept)
        _note(tx, office, contact_id, "address added", by, channel, kept)
        return kept

    return office.write(change)


def mark(office: Office, who: str, channel: Channel, value: str, deed: Deed, by: str) -> None:
    """Make an address the first of its channel, say that it is dead, or that it works after all.

    Raises NotFound, Invalid, Conflict for an address that is suppressed.
    """
    statements = {"primary": "set_main_address", "invalid": "spoil_address", "valid": "mend_address"}

    def change(tx: Transaction, contact_id: int, kept: str) -> None:
        row = tx.one("address_of", contact_id=contact_id, channel=channel.code, value=kept)
        if row is not None and row[0] == suppressions.SUPPRESSED and deed != "primary":
            raise Conflict(
                worded(
                    "%(kept)s is on the stop-list, which is about the address and not about this "
                    "contact: it stays as it is.",
                    kept=kept,
                )
            )
        place = {"contact_id": contact_id, "channel": channel.code, "value": kept}
        timed = {} if deed == "primary" else {"now": office.now()}
        tx.run(statements[deed], **place, **timed)

    _do(office, who, channel, value, f"address {WORDS[deed]}", by, change)


def remove(office: Office, who: str, channel: Channel, value: str, by: str) -> None:
    """Take an address from a contact; raises NotFound, Invalid."""

    def change(tx: Transaction, contact_id: int, kept: str) -> None:
        places.remove(tx, contact_id, channel, kept)

    _do(office, who, channel, value, "address removed", by, change)


def _do(
    office: Office, who: str, channel: Channel, value: str, what: str, by: str,
    change: Callable[[Transaction, int, str], None],
) -> None:  # fmt: skip
    """Change an address that the contact has, and keep that in its history."""

    def whole(tx: Transaction) -> None:
        contact_id = find(tx, who)
        kept = _normal(tx, contact_id, channel, value)
        if tx.one("address_of", contact_id=contact_id, channel=channel.code, value=kept) is None:
            known = _told(cards.addresses(tx, contact_id), channel)
            raise NotFound(
                worded(
                    "%(contact)s has no %(channel)s address %(kept)s%(known)s.",
                    contact=contact_text(contact_id),
                    channel=channel.value,
                    kept=kept,
                    known=known,
                )
            )
        change(tx, contact_id, kept)
        _note(tx, office, contact_id, what, by, channel, kept)

    office.write(whole)


def _told(known: Sequence[KnownAddress], channel: Channel) -> str:
    values = [each.value for each in known if each.channel is channel]
    return f": it has {', '.join(values)}" if values else ": it has none there"


def _note(
    tx: Transaction, office: Office, contact_id: int, what: str, by: str, channel: Channel, value: str
) -> None:  # fmt: skip
    detail = {"channel": channel.value, "address": value}
    changes.note(tx, [changes.Change(contact_id, office.now(), what, f"api {by}", detail)])


def _normal(tx: Transaction, contact_id: int, channel: Channel, value: str) -> str:
    card = cards.card(tx, contact_id)
    try:
        return normalise(channel, value, card.country if card else None)
    except BadAddress as error:
        raise Invalid([worded("%(error)s.", error=wording(error))], ["/value"]) from None

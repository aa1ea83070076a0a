"""The addresses of one contact: which is used, and how it is known to work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from kaskad.domain.entering import ADDRESS_CHANNEL
from kaskad.domain.run import HUMAN
from kaskad.domain.terms import Channel
from kaskad.store.cards import KnownAddress
from kaskad.store.db import Transaction

Place = tuple[int, int, str]  # contact, code of the channel, value


class _Went(Struct):
    to: str = ""


_decode = msgspec.json.Decoder(_Went).decode


def reacted(tx: Transaction, contact_ids: Iterable[int]) -> dict[Place, int]:
    """Return when the last message went to each address to which the person has reacted there."""
    wanted = sorted(set(contact_ids))
    found: dict[Place, int] = {}
    for contact_id, channel, body, at in tx.among("answered_places", wanted, human=HUMAN) if wanted else ():
        place = ADDRESS_CHANNEL.get(channel) or int(channel)
        found[contact_id, place, _decode(body).to] = at
    return found


def in_order(known: Sequence[KnownAddress], answered: dict[Place, int], who: int) -> list[KnownAddress]:
    """Return addresses by channel, in each the one first that is used, as the last look orders them."""

    def rank(place: KnownAddress) -> tuple[int, ...]:
        at = answered.get((who, place.channel.code, place.value), 0)
        own = -place.preferred if place.preferred else -(1 << 30)
        number = place.channel is Channel.WHATSAPP and place.value.startswith("+")
        return (-place.health, int(place.main), own, place.confirmed_at or 0, at, int(number))

    ranked = sorted(sorted(known, key=lambda place: place.value), key=rank, reverse=True)
    return sorted(ranked, key=lambda place: place.channel.code)


def confirm(tx: Transaction, places: Iterable[tuple[int, Channel, str]], at: int) -> None:
    """Keep that people have shown that addresses (contact, channel, value) are theirs."""
    rows = [(contact_id, channel.code, value, at) for contact_id, channel, value in places]
    if rows:
        tx.changed_many("confirm_addresses", rows)


def remove(tx: Transaction, contact_id: int, channel: Channel, value: str) -> bool:
    """Take an address from a contact; return whether it had it."""
    place = {"channel": channel.code, "value": value}
    gone = tx.run("remove_address", contact_id=contact_id, **place)
    tx.run("unshare_last", **place)
    return bool(gone)

"""Other names of a person whom a service tells by two: what is known by the one is then known by both.

WhatsApp tells a number and an id while it still shows the number; who hides it later is told by the id alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from kaskad.engine.arrival import Arrival
from kaskad.providers.base import Inbound
from kaskad.store import contacts
from kaskad.store.db import Transaction


class Aliases:
    """The second names of one webhook, kept within the tick's transaction; it may be called again."""

    def __init__(self, told: Sequence[Inbound], hash_key: bytes) -> None:
        self._told, self._hash_key = told, hash_key

    def __call__(self, tx: Transaction) -> list[Arrival]:
        for one in self._told:
            code = one.channel.code
            if tx.one("contacts_at_address", channel=code, value=one.also) is not None:
                continue  # known already, perhaps as somebody else's
            for (contact_id,) in tx.all("contacts_at_address", channel=code, value=one.address):
                second = contacts.Address(one.channel, one.also)
                contacts.add_addresses(tx, self._hash_key, contact_id, [second])
        return []

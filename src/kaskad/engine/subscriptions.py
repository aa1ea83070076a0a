"""A browser has made its push subscription anew: it is the same browser, so the same contact's address."""

from __future__ import annotations

from kaskad.domain.subscription import Subscription
from kaskad.domain.terms import Channel
from kaskad.engine.arrival import Arrival
from kaskad.store import contacts
from kaskad.store.db import Transaction


class Renewal:
    """An act within the tick's transaction; `known` says afterwards whether the old one was anybody's.

    Who tells us the old subscription knows its secret, which only that browser and we have. The consent is
    that of the channel, and stays as it is. It may be called again, when a tick is repeated.
    """

    def __init__(self, old: Subscription, new: Subscription, at: int, hash_key: bytes) -> None:
        self._old, self._new, self._at, self._hash_key = str(old), str(new), at, hash_key
        self.known = False

    def __call__(self, tx: Transaction) -> list[Arrival]:
        rows = tx.many("contacts_by_address", [(Channel.PUSH.code, self._old)])
        holders = [row[2] for row in rows]
        self.known = bool(holders)
        if self._old == self._new:
            return []
        address = contacts.Address(Channel.PUSH, self._new, preferred=1)
        for holder in holders:
            contacts.add_addresses(tx, self._hash_key, holder, [address])
        contacts.mark_invalid(tx, [(holder, Channel.PUSH, self._old) for holder in holders], self._at)
        return []

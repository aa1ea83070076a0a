"""Reports that name an instant instead of a message: all that was sent to the person until then is meant."""

from __future__ import annotations

from kaskad.domain.terms import Kind
from kaskad.engine.arrival import Arrival
from kaskad.providers.base import Account, UpTo
from kaskad.store.db import Transaction

# Our `sent_at` is when the answer came, the service's instant a little earlier, and clocks differ.
MARGIN_MS = 2_000


class Watermark:
    """One such report, applied within the tick's transaction; it may be called again."""

    def __init__(self, account: Account, told: UpTo, until: int) -> None:
        self._account, self._told, self._until = account, told, until

    def __call__(self, tx: Transaction) -> list[Arrival]:
        told, kind = self._told, Kind(self._told.kind)
        rows = tx.all(
            "messages_until",
            channel=told.channel.code,
            value=told.address,
            account_id=self._account.id,
            until=self._until + MARGIN_MS,
            bit=kind.bit,
        )
        event = kind.name.lower()  # as a report without an id of its own: the kind counts once
        return [Arrival(row[0], row[1], row[2], kind.value, event, self._until) for row in rows]

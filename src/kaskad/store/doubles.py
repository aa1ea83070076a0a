"""Table `double_messages`: what followed a message of another cascade to the same person within a day."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from kaskad.store.db import Transaction
from kaskad.store.runs import MessageKey

KEPT_MS = 86_400_000  # messages that followed by less than this are kept


class Double(Struct, frozen=True, gc=False):
    """Such a message; `after_ms` since the latest one of another cascade, `account_id` 0: of none."""

    contact_id: int
    run_id: int
    step: int
    version_id: int
    account_id: int
    submitted_at: int
    after_ms: int
    cost: int  # minor units

    @property
    def key(self) -> MessageKey:
        return self.contact_id, self.run_id, self.step


def kept(tx: Transaction, contact_ids: Collection[int]) -> set[Double]:
    """Return what is kept of these contacts."""
    return {Double(*row) for row in tx.among("double_messages_kept", sorted(contact_ids))}


def now(tx: Transaction, contact_ids: Collection[int]) -> set[Double]:
    """Return what should be kept of these contacts."""
    several = [row[0] for row in tx.among("contacts_of_several", sorted(contact_ids))]
    return {Double(*row) for row in tx.among("double_messages_now", several)}


def recount(tx: Transaction, contact_ids: Collection[int], several: Collection[int]) -> None:
    """Keep of these contacts what should be kept; only those among `several` have more than one run.

    Of all their messages: one that is told late may be what another one followed.
    """
    before, after = kept(tx, contact_ids), now(tx, several)
    gone = {one.key for one in before} - {one.key for one in after}
    if gone:
        tx.many("drop_double_messages", sorted(gone))
    if fresh := after - before:
        tx.many(
            "put_double_messages",
            sorted((one.contact_id, one.run_id, one.step, one.version_id, one.account_id, one.submitted_at,
                    one.after_ms, one.cost) for one in fresh),
        )  # fmt: skip

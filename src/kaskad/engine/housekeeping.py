"""The short list of jobs that nobody waits for: receipt TTL, orphans, retention of raw webhooks."""

from __future__ import annotations

from kaskad.domain.terms import Channel, Kind, MessageState
from kaskad.engine.world import World
from kaskad.store.db import Transaction

DAY_MS = 86_400_000
EVERY_MS = 60_000
ORPHANS_MS = 72 * 3_600_000  # E4
RAW_MS = 30 * DAY_MS
_BATCH = 2_000


class Housekeeping:
    """Runs a small piece of one job at a time, within a tick's transaction."""

    def __init__(self) -> None:
        self._next_at = 0
        self._after = 0  # contact up to which the receipt TTL has been looked at

    def run(self, tx: Transaction, world: World, now: int) -> None:
        """Do what is due."""
        if now < self._next_at:
            return
        tx.run("drop_old_orphans", before=now - ORPHANS_MS)
        tx.run("drop_old_webhooks", before=now - RAW_MS)
        done = self._expire_receipts(tx, world, now)
        self._next_at = now + EVERY_MS if done else now

    def _expire_receipts(self, tx: Transaction, world: World, now: int) -> bool:
        """Call messages unknown whose provider has said nothing for the receipt TTL (E5)."""
        policies = {id(version.policy): version.policy for version in world.versions.values()}.values()
        if not policies:
            return True
        policy = next(iter(policies))
        shortest = min(policy.receipt_ttl_ms.of(channel) for channel in Channel)
        rows = tx.all("silent_messages", after=self._after, before=now - shortest, limit=_BATCH)
        facts, folded = [], []
        for contact_id, run_id, step, channel, sent_at in rows:
            if now - sent_at >= policy.receipt_ttl_ms.of(Channel.of(channel)):
                key = (contact_id, run_id, step)
                facts.append((*key, Kind.UNKNOWN.value, "receipt ttl", now, None))
                folded.append((*key, Kind.UNKNOWN.bit, MessageState.UNKNOWN.code, None, None))
        if facts:
            tx.many("put_facts", facts)
            tx.many("fold_messages", folded)
        self._after = rows[-1][0] if len(rows) == _BATCH else 0
        return len(rows) < _BATCH

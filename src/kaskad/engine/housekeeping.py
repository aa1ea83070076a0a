"""The short list of jobs that nobody waits for: receipt TTL, orphans, opt-in links, retention, rejects."""

from __future__ import annotations

from kaskad.domain.terms import Channel, Kind, MessageState
from kaskad.engine import returns
from kaskad.engine.clock import wall_ms
from kaskad.engine.receive import arrived_whole
from kaskad.engine.retention import Keeping
from kaskad.engine.work import Part
from kaskad.engine.world import World
from kaskad.store import courses, erasures, imports, pulls, set_aside
from kaskad.store.db import Transaction

DAY_MS = 86_400_000
EVERY_MS = 60_000
ORPHANS_MS = 72 * 3_600_000  # E4
OPT_INS_MS = 90 * DAY_MS  # after a link has expired
ERASED_MS = 7 * DAY_MS  # so long after an erasure services may still tell of the person
IMPORT_NOTES_MS = 30 * DAY_MS  # what an import found, row by row: its figures stay
REJECTS_MS = 7 * DAY_MS  # how long rows that an import left out are kept to be mended
SWEEP_MS = 3_600_000
PIECE_MS = 5_000  # between two pieces of a job
_BATCH = 2_000
_CONTACTS = 5_000


class Housekeeping:
    """Runs a small piece of one job at a time, within a tick's transaction."""

    def __init__(self) -> None:
        self._next_at = 0
        self._sweep_at = 0
        self._keeping = Keeping()
        self._after = 0  # contact up to which the receipt TTL has been looked at

    def run(self, tx: Transaction, world: World, now: int) -> None:
        """Do what is due, but for what a defect lets rest."""
        if now < self._next_at:
            return
        done = True
        for part, job in (
            (Part.TIDYING, self._tidy),
            (Part.ORPHANS, _match_late),
            (Part.RECEIPTS, self._expire_receipts),
            (Part.RETENTION, self._keep),
            (Part.RETURNS, _find_returns),
        ):
            if not world.work.rests(part, now):
                done = job(tx, world, now) and done
        self._next_at = now + (EVERY_MS if done else PIECE_MS)

    def _tidy(self, tx: Transaction, _: World, now: int) -> bool:
        """Drop what is old; return that nothing more of it is to be done soon."""
        courses.due(tx, set_aside.not_counted(tx, now))
        tx.run("drop_rested", now=now)
        tx.run("drop_old_orphans", before=now - ORPHANS_MS)
        tx.run("drop_old_opt_ins", before=now - OPT_INS_MS)
        imports.drop_rejects(tx, now - REJECTS_MS)
        pulls.drop_old(tx, wall_ms() - DAY_MS)
        tx.run("drop_old_idempotent", before=now - DAY_MS)
        tx.run("empty_old_import_notes", before=now - IMPORT_NOTES_MS)
        if now >= self._sweep_at:
            erasures.sweep(tx, now - ERASED_MS)
            self._sweep_at = now + SWEEP_MS
        return True

    def _keep(self, tx: Transaction, _: World, now: int) -> bool:
        return not self._keeping.run(tx, now)

    def _expire_receipts(self, tx: Transaction, world: World, now: int) -> bool:
        """Call messages unknown whose provider should have told of them within the receipt TTL (E5).

        It should have answered in any case, also where the run had gone on before the answer was lost.

        Return whether all contacts have been looked at; a piece at a time, so that no timer waits for it.
        """
        last = tx.one("last_messaged_contact")
        if not world.versions or last is None or last[0] is None:
            return True
        ttl_ms = {c.code: next(iter(world.versions.values())).policy.receipt_ttl_ms.of(c) for c in Channel}
        until = self._after + _CONTACTS
        rows = tx.all("silent_messages", after=self._after, until=until, before=now - min(ttl_ms.values()))
        facts, folded = [], []
        for contact_id, run_id, step, channel, sent_at, account_id, unanswered in rows:
            if now - sent_at >= ttl_ms[channel] and (unanswered or _is_told(world, account_id)):
                key = (contact_id, run_id, step)
                facts.append((*key, Kind.UNKNOWN.value, "receipt ttl", now, None))
                folded.append((*key, Kind.UNKNOWN.bit, MessageState.UNKNOWN.code, None, None))
        if facts:
            tx.many("put_facts", facts)
            tx.many("fold_messages", folded)
            courses.due(tx, {row[:2] for row in folded})
        self._after = until if until < last[0] else 0
        return self._after == 0


def _is_told(world: World, account_id: int) -> bool:
    """Return whether the account's provider tells of deliveries: from others silence means nothing."""
    able = world.accounts.capabilities.get(account_id)
    return able is None or Kind.DELIVERED in able.receipts


def _find_returns(tx: Transaction, world: World, _: int) -> bool:
    return not returns.find_anew(tx, world)


def _match_late(tx: Transaction, _: World, now: int) -> bool:
    """Give receipts to the inbox whose message became known in another process at that very moment (E4)."""
    rows = tx.all("known_orphans", limit=_BATCH)
    if rows:
        whole = [row for row in rows if row[10] is None or arrived_whole(tx, row[8], row[9], row[3], row[:3])]
        if whole:
            tx.many("put_inbox", [(now, *row[:7]) for row in whole])
        tx.among("drop_orphans", [row[7] for row in rows])
    return True

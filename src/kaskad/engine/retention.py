"""What is kept of people for a time only goes when its time is over, a small piece at a time."""

from __future__ import annotations

from kaskad.domain.policy import DAY, Policy, Retention
from kaskad.engine.catalog import POLICY
from kaskad.store import erasures, settings
from kaskad.store.db import Transaction
from kaskad.store.erasures import overwriting

OLDEST = 500  # rows that are looked at in one piece
CONTACTS = 500
SIGN_UPS = 50
ZONES_MS = 180 * DAY  # so long what a site knows of a person's zone counts as recent (C5)
EVERY_MS = DAY  # from one round over all contacts to the next

# Which period of the policy concerns what.
_BY_AGE = (
    ("requests", "drop_old_hits"),
    ("raw_webhooks", "drop_old_raw_webhooks"),
    ("texts", "drop_old_stops"),
    ("texts", "drop_old_thread_texts"),
)
_BY_CONTACT = (
    ("texts", "drop_old_bodies"),
    ("texts", "empty_old_replies"),
    ("texts", "empty_old_attempts"),
    ("texts", "empty_old_notes"),
    ("texts", "drop_old_threads"),
    ("events", "drop_old_events"),
    ("events", "empty_old_triggers"),
    ("events", "drop_old_changes"),
    ("proofs", "drop_old_proofs"),
)


class Keeping:
    """Goes through what is kept again and again; begins anew with the process."""

    def __init__(self) -> None:
        self._after = 0  # contact up to which this round has come
        self._round_at = 0

    def run(self, tx: Transaction, now: int) -> bool:
        """Do one piece; return whether there is more to do soon."""
        policy = settings.get(tx, POLICY, Policy) or Policy()
        more = False
        with overwriting(tx):
            for name, statement in _BY_AGE:
                before = _before(policy.retention, name, now)
                more |= tx.run(statement, before=before, limit=OLDEST) == OLDEST
            more |= tx.run("drop_old_short_links", now=now, limit=OLDEST) == OLDEST
            more |= _forget_unconfirmed(tx, policy.retention, now)
            return self._next_contacts(tx, policy.retention, now) or more

    def _next_contacts(self, tx: Transaction, kept: Retention, now: int) -> bool:
        if now < self._round_at:
            return False
        last = (tx.one("last_contact") or (None,))[0] or 0
        first = (tx.one("first_contact_after", after=self._after) or (None,))[0] or 1  # over a gap of ids
        part = {"after": first - 1, "until": first - 1 + CONTACTS}
        for name, statement in _BY_CONTACT:
            tx.run(statement, before=_before(kept, name, now), **part)
        tx.run("forget_old_zones", before=now - ZONES_MS, **part)
        if part["until"] < last:
            self._after = part["until"]
            return True
        self._after, self._round_at = 0, now + EVERY_MS
        return False


def _forget_unconfirmed(tx: Transaction, kept: Retention, now: int) -> bool:
    """Forget sign-ups whose time is over, and who is known by nothing else; return whether there are more.

    Whoever has confirmed has a consent, so nothing is lost. The addresses may sign up again.
    """
    rows = tx.all("old_sign_ups", before=_before(kept, "unconfirmed", now), limit=SIGN_UPS)
    for number, contact_id, unknown in rows:
        tx.run("drop_sign_up", id=number)
        if unknown:
            erasures.forget(tx, contact_id, now)
    return len(rows) == SIGN_UPS


def _before(kept: Retention, name: str, now: int) -> int:
    days = int(getattr(kept, name))
    return now - days * DAY if days else 0

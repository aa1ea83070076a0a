"""Table `crm_jobs`: conversations with CRMs that are to be held, each until it has succeeded."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kaskad.store.db import Row, Transaction

LEARN, JOURNAL = 0, 1  # kinds
WAITING, DONE, GIVEN_UP = 0, 1, 2  # states


class Job(Struct, frozen=True):
    """An attempt that was begun, the `attempts`-th of its job; `payload` is JSON."""

    id: int
    kind: int
    key: str
    payload: str
    attempts: int
    created_at: int


def put(tx: Transaction, rows: Sequence[Row]) -> None:
    """Keep jobs: account, kind, key, payload, now; a question that was begun before is asked anew."""
    if rows:
        tx.many("put_crm_jobs", list({row[:3]: row for row in rows}.values()))


def claim(tx: Transaction, account_id: int, now: int, lease_ms: int) -> Job | None:
    """Begin the job that is due longest; nobody else begins it within `lease_ms`. None: there is none."""
    row = tx.one("claim_crm_job", account_id=account_id, now=now, again_at=now + lease_ms)
    return None if row is None else Job(*row)


def due_accounts(tx: Transaction, now: int) -> list[int]:
    """Return the accounts for which something is to be done now."""
    return [row[0] for row in tx.all("due_crm_accounts", now=now)]


def end(tx: Transaction, job: Job, *, state: int, next_at: int | None, now: int, answer: str) -> None:
    """Keep how an attempt ended; `next_at` None: it was the last."""
    ended_at = now if next_at is None else None
    tx.run("end_crm_job", id=job.id, attempts=job.attempts, state=state, next_at=next_at, ended_at=ended_at,
           answer=answer[:500])  # fmt: skip


def forget(tx: Transaction, account_id: int) -> None:
    """Drop what waits for an account that is deleted."""
    tx.run("drop_crm_jobs_of", account_id=account_id)

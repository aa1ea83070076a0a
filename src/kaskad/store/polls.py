"""Table `polls`: how far an account has been polled, and which process polls it."""

from __future__ import annotations

from kaskad.store.db import Transaction


def claim(tx: Transaction, account_id: int, holder: str, now: int, until: int, *, force: bool) -> str | None:
    """Return the cursor if `holder` may poll until `until`; None while another process does.

    `force`: no other process can be there, what stands in the table is of one that has ended.
    """
    row = tx.one("claim_poll", account_id=account_id, holder=holder, now=now, until=until, force=int(force))
    return None if row is None else str(row[0])


def advance(tx: Transaction, account_id: int, holder: str, cursor: str) -> None:
    """Keep where to go on, unless another process has taken over."""
    tx.run("advance_poll", account_id=account_id, holder=holder, cursor=cursor)


def release(tx: Transaction, account_id: int, holder: str) -> None:
    """Let another process take over at once."""
    tx.run("release_poll", account_id=account_id, holder=holder)

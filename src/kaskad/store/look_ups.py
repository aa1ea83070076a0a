"""Table `look_ups`: messages that their service is to be asked about, and when."""

from __future__ import annotations

from msgspec import Struct

from kaskad.store.db import Database, Transaction


class LookUp(Struct, frozen=True):
    """A message that is asked about."""

    account_id: int
    provider_id: str
    contact_id: int
    run_id: int
    step: int
    sent_at: int
    tries: int


def first_due(db: Database) -> int | None:
    """Return when the first is due; None where there is nothing to ask."""
    with db.read() as tx:
        row = tx.one("first_look_up")
    return None if row is None or row[0] is None else int(row[0])


def claim(tx: Transaction, now: int, *, again_at: int, limit: int) -> list[LookUp]:
    """Return what is due, and hide it from other processes until `again_at`."""
    return [LookUp(*row) for row in tx.all("claim_look_ups", now=now, again_at=again_at, limit=limit)]


def put_off(tx: Transaction, one: LookUp, tries: int, due_at: int) -> None:
    """Ask again at `due_at`."""
    tx.run(
        "put_off_look_up",
        account_id=one.account_id,
        provider_id=one.provider_id,
        tries=tries,
        due_at=due_at,
    )


def drop(tx: Transaction, one: LookUp) -> None:
    """Ask no more about a message."""
    tx.run("drop_look_up", account_id=one.account_id, provider_id=one.provider_id)

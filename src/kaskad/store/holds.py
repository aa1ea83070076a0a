"""Table `account_holds`: accounts that send nothing until somebody has looked."""

from __future__ import annotations

from msgspec import Struct

from kaskad.store.db import Transaction


class Held(Struct, frozen=True):
    """Since when an account is held, and why, in words."""

    at: int
    why: str


def load(tx: Transaction) -> dict[int, Held]:
    """Return the accounts that are held, by id."""
    return {row[0]: Held(row[1], row[2]) for row in tx.all("account_holds")}


def put(tx: Transaction, account_id: int, held: Held) -> bool:
    """Hold an account; return False where it is held already."""
    return bool(tx.run("hold_account", account_id=account_id, now=held.at, why=held.why))


def drop(tx: Transaction, account_id: int) -> bool:
    """Let an account go on; return whether it was held."""
    return bool(tx.run("resume_account", account_id=account_id))

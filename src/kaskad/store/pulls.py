"""Tables `crm_pulls` and `crm_pages`: people who are being fetched from a CRM, page by page, encrypted."""

from __future__ import annotations

from msgspec import Struct

from kaskad.store.db import Transaction
from kaskad.store.vault import Vault


class Pull(Struct, frozen=True):
    """How far it has come; `place` is the cursor of the next page, `whole`: all were fetched."""

    changed_at: int
    place: str
    pages: int
    people: int
    whole: bool


def find(tx: Transaction, account_id: int) -> Pull | None:
    """Return what was fetched from an account so far, or None."""
    row = tx.one("pull_of", account_id=account_id)
    return None if row is None else Pull(row[0], row[1], row[2], row[3], bool(row[4]))


def begin(tx: Transaction, account_id: int, now: int) -> Pull:
    """Begin from the first page, and forget what was fetched before."""
    tx.run("drop_pulled", account_id=account_id)
    tx.run("begin_pull", account_id=account_id, now=now)
    return Pull(now, "", 0, 0, whole=False)


def keep(
    tx: Transaction,
    vault: Vault,
    account_id: int,
    before: Pull,
    lines: str,
    people: int,
    place: str,
    now: int,
) -> bool:
    """Keep a page, with the cursor of the next ("": it was the last); return whether nobody was quicker."""
    moved = tx.run("advance_pull", account_id=account_id, pages=before.pages, people=people, place=place,
                   whole=int(not place), now=now)  # fmt: skip
    if moved and lines:
        token = vault.encrypt(lines)
        tx.run("put_pulled", account_id=account_id, number=before.pages + 1, lines=token)
    return moved > 0


def lines(tx: Transaction, vault: Vault, account_id: int) -> bytes:
    """Return all that was fetched as JSON Lines."""
    rows = tx.all("pulled", account_id=account_id)
    return b"".join(vault.decrypt(bytes(row[0]), str).encode() for row in rows)


def drop(tx: Transaction, account_id: int) -> None:
    """Forget what was fetched."""
    tx.run("drop_pulled", account_id=account_id)
    tx.run("drop_pull", account_id=account_id)


def drop_old(tx: Transaction, before: int) -> None:
    """Forget what was fetched and has led to nothing since."""
    for (account_id,) in tx.all("old_pulls", before=before):
        drop(tx, account_id)

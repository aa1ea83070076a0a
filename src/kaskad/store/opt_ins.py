"""Table `opt_ins`: links by which a person brings us a chat and the consent to write there."""

from __future__ import annotations

from hashlib import sha256

from msgspec import Struct

from kaskad.domain.consent import ANY
from kaskad.store.db import Row, Transaction

TOKEN = 32  # characters of a link's token: A–Z a–z 0–9 _ -


class OptIn(Struct, frozen=True):
    """One link as it is kept; the token itself is not."""

    contact_id: int
    account_id: int
    expires_at: int
    used_at: int | None = None
    purpose: int = ANY
    confirm: bool = True
    tries: int = 0
    topic: str = ""
    consent: str = ""
    address: str | None = None
    token_hash: bytes = b""


def hash_of(token: str) -> bytes:
    """Return what a token is known by."""
    return sha256(token.encode()).digest()


def put(tx: Transaction, token: str, opt_in: OptIn, now: int) -> None:
    """Keep a new link."""
    tx.run(
        "put_opt_in",
        token_hash=hash_of(token),
        contact_id=opt_in.contact_id,
        account_id=opt_in.account_id,
        created_at=now,
        expires_at=opt_in.expires_at,
        purpose=opt_in.purpose,
        confirm=int(opt_in.confirm),
        topic=opt_in.topic,
        consent=opt_in.consent,
    )


def find(tx: Transaction, token: str) -> OptIn | None:
    """Return the link with this token, or None."""
    return _opt_in(tx.one("opt_in", token_hash=hash_of(token)))


def asked(tx: Transaction, account_id: int, address: str) -> OptIn | None:
    """Return the link that this chat has opened and not confirmed, or None."""
    return _opt_in(tx.one("asked_opt_in", account_id=account_id, address=address))


def ask(tx: Transaction, opt_in: OptIn, address: str) -> None:
    """Keep that this chat has opened the link and is to confirm it."""
    tx.run("ask_opt_in", token_hash=opt_in.token_hash, address=address)


def miss(tx: Transaction, opt_in: OptIn) -> None:
    """Count one wrong answer."""
    tx.run("miss_opt_in", token_hash=opt_in.token_hash)


def use(tx: Transaction, opt_in: OptIn, address: str, at: int) -> bool:
    """Keep that the link has been used; return whether it had not been."""
    return tx.run("use_opt_in", token_hash=opt_in.token_hash, address=address, at=at) == 1


def _opt_in(row: Row | None) -> OptIn | None:
    if row is None:
        return None
    contact_id, account_id, expires_at, used_at, purpose, confirm, tries, topic, consent, address, token = row
    return OptIn(
        contact_id, account_id, expires_at, used_at, purpose, bool(confirm), tries, topic, consent, address,
        bytes(token),
    )  # fmt: skip

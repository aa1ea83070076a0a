"""Tables `users` and `user_links`: who signs in, as what, and the links that let them choose a password."""

from __future__ import annotations

from hashlib import sha256

import msgspec
from msgspec import Struct

from kaskad.domain.errors import NotFound
from kaskad.domain.worded import worded
from kaskad.store.db import Row, Transaction


class User(Struct, frozen=True):
    """One person who may sign in; `active` once a password was chosen."""

    id: int
    email: str
    name: str
    role: str
    active: bool
    language: str
    theme: str
    has_totp: bool
    created_at: int


class Secrets(Struct, frozen=True):
    """What a user is known by; `totp` is encrypted, `codes` are digests."""

    password: str | None
    totp: str | None
    totp_last: int
    codes: tuple[str, ...]


def add(tx: Transaction, email: str, name: str, role: str, now: int) -> int:
    """Keep a new user; return the id. Raises Conflict where the email is taken."""
    row = tx.one("add_user", email=email, name=name, role=role, now=now)
    assert row is not None
    return int(row[0])


def all_users(tx: Transaction) -> list[User]:
    """Return everybody, the oldest first."""
    return [_user(row) for row in tx.all("users")]


def anybody(tx: Transaction) -> bool:
    """Say whether there is a user."""
    return tx.one("any_user") is not None


def by_id(tx: Transaction, user_id: int) -> User:
    """Return a user; raises NotFound."""
    row = tx.one("user_by_id", id=user_id)
    if row is None:
        raise NotFound(worded("This person has been removed."))
    return _user(row)


def by_email(tx: Transaction, email: str) -> User | None:
    """Return the user with this address, or None."""
    row = tx.one("user_by_email", email=email)
    return None if row is None else _user(row)


def secrets_of(tx: Transaction, user_id: int) -> Secrets:
    """Return what a user is known by; raises NotFound."""
    row = tx.one("user_secrets", id=user_id)
    if row is None:
        raise NotFound(worded("This person has been removed."))
    return Secrets(row[0], row[1], row[2], msgspec.json.decode(row[3], type=tuple[str, ...]))


def other_owners(tx: Transaction, user_id: int) -> int:
    """Return how many owners who can sign in there are besides this user."""
    row = tx.one("other_owners", id=user_id)
    return 0 if row is None else int(row[0])


def set_role(tx: Transaction, user_id: int, role: str) -> None:
    """Change what a user may do."""
    tx.run("set_user_role", id=user_id, role=role)


def set_name(tx: Transaction, user_id: int, name: str) -> None:
    """Change how a user is called."""
    tx.run("set_user_name", id=user_id, name=name)


def set_password(tx: Transaction, user_id: int, password: str | None) -> None:
    """Keep the hash of a password; None: none opens anything."""
    tx.run("set_user_password", id=user_id, password=password)


def set_manner(tx: Transaction, user_id: int, language: str, theme: str) -> None:
    """Keep how a user wants pages."""
    tx.run("set_user_manner", id=user_id, language=language, theme=theme)


def set_totp(tx: Transaction, user_id: int, totp: str | None, last: int, codes: tuple[str, ...]) -> None:
    """Ask a user for codes from now on; None: no longer."""
    tx.run("set_user_totp", id=user_id, totp=totp, last=last, codes=_json(codes))


def use_totp(tx: Transaction, user_id: int, last: int) -> bool:
    """Use the code of half minute `last` up; return False where it, or a later one, was used."""
    return bool(tx.run("use_totp", id=user_id, last=last))


def use_code(tx: Transaction, user_id: int, code: str) -> bool:
    """Use a recovery code up; return False where it is none."""
    known = secrets_of(tx, user_id).codes
    told = digest(code).hex()
    left = tuple(each for each in known if each != told)
    return len(left) < len(known) and bool(
        tx.run("use_recovery_code", id=user_id, codes=_json(left), before=_json(known))
    )


def remove(tx: Transaction, user_id: int) -> None:
    """Forget a user, with sessions and links."""
    tx.run("drop_user", id=user_id)


def add_link(tx: Transaction, user_id: int, token: str, now: int, expires_at: int) -> None:
    """Let a token choose this user's password until it expires, and no earlier one."""
    tx.run("drop_user_links", user=user_id, now=now)
    tx.run("add_user_link", hash=digest(token), user=user_id, expires_at=expires_at)


def of_link(tx: Transaction, token: str, now: int) -> User | None:
    """Return whose link this is, or None where it is none, was used or has expired."""
    row = tx.one("user_of_link", hash=digest(token), now=now)
    return None if row is None else by_id(tx, row[0])


def drop_links(tx: Transaction, user_id: int, now: int) -> None:
    """Let no link of this user open anything any more."""
    tx.run("drop_user_links", user=user_id, now=now)


def digest(token: str) -> bytes:
    """Return the hash under which a token is known: it is random, so a plain one is safe."""
    return sha256(token.encode()).digest()


def _json(codes: tuple[str, ...]) -> str:
    return msgspec.json.encode(codes).decode()


def _user(row: Row) -> User:
    return User(row[0], row[1], row[2], row[3], bool(row[4]), row[5], row[6], bool(row[7]), row[8])

"""Tables `api_keys` and `sign_ins`: who may call the API and see pages. The secrets are nowhere kept."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import msgspec
from msgspec import Struct

from kaskad.domain.errors import NotFound
from kaskad.domain.worded import worded
from kaskad.store.db import Row, Transaction


class ApiKey(Struct, frozen=True):
    """One key as it is kept."""

    id: int
    name: str
    scopes: frozenset[str]
    created_at: int
    revoked_at: int | None = None
    used_at: int | None = None  # to within five minutes


def add(tx: Transaction, name: str, key: str, scopes: Iterable[str], now: int) -> ApiKey:
    """Keep a new key; raises Conflict where the name or the key is taken."""
    told = msgspec.json.encode(sorted(scopes)).decode()
    row = tx.one("add_api_key", name=name, hash=digest(key), scopes=told, now=now)
    assert row is not None
    return ApiKey(row[0], name, frozenset(scopes), now)


def all_keys(tx: Transaction) -> list[ApiKey]:
    """Return every key, the oldest first, revoked ones too."""
    return [_key(row) for row in tx.all("api_keys")]


def find(tx: Transaction, key: str) -> ApiKey | None:
    """Return what is known of a key that was given, or None where it is none or was revoked."""
    row = tx.one("api_key_by_hash", hash=digest(key))
    return None if row is None else _key(row)


def use(tx: Transaction, key_id: int, now: int) -> None:
    """Note that a key was used."""
    tx.run("use_api_key", id=key_id, now=now)


def by_id(tx: Transaction, key_id: int) -> ApiKey | None:
    """Return the key, or None where there is none or it was revoked."""
    row = tx.one("api_key_by_id", id=key_id)
    return None if row is None else _key(row)


def add_sign_in(tx: Transaction, token: str, now: int, expires_at: int) -> None:
    """Let `token` sign a browser in once, until it expires; forget those that have expired."""
    tx.run("drop_old_sign_ins", now=now)
    tx.run("add_sign_in", hash=digest(token), expires_at=expires_at)


def use_sign_in(tx: Transaction, token: str, now: int) -> bool:
    """Use a token up; return False where it is none, was used before or has expired."""
    return bool(tx.run("use_sign_in", hash=digest(token), now=now))


def revoke(tx: Transaction, name: str, now: int) -> None:
    """Let the key of that name open nothing any more; raises NotFound."""
    if not tx.run("revoke_api_key", name=name, now=now):
        raise NotFound(worded("There is no key %(name)r: `kaskad key list` shows them.", name=name))


def digest(key: str) -> bytes:
    """Return the hash under which a key is known: it is 256 random bits, so a plain one is safe."""
    return sha256(key.encode()).digest()


def _key(row: Row) -> ApiKey:
    return ApiKey(row[0], row[1], msgspec.json.decode(row[2], type=frozenset[str]), *row[3:6])

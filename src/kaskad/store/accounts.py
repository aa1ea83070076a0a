"""Table `accounts`: a provider's credentials, limits and prices. Secrets are encrypted and never printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct, field

from kaskad.domain.errors import NotFound
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded
from kaskad.store.db import Row, Transaction
from kaskad.store.vault import Vault

MOST_QUEUED = 10_000  # messages that are counted as waiting for one account


class Account(Struct, frozen=True, kw_only=True):
    """One account as it is kept; the engine reads `limits` and `prices` as its provider's shapes."""

    name: str
    provider: str
    channel: Channel
    id: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    prices: Mapping[str, Any] = field(default_factory=dict)
    priority: int = 0
    weight: int = 1
    enabled: bool = True

    def __repr__(self) -> str:
        """Return text without secrets, for logs and tracebacks."""
        return f"Account({self.id}, {self.name!r}, {self.provider!r})"


def save(tx: Transaction, vault: Vault, account: Account) -> int:
    """Keep the account under its name, in place of one that has it; return its id."""
    row = tx.one(
        "save_account",
        name=account.name,
        provider=account.provider,
        channel=account.channel.code,
        settings=_json(account.settings),
        secrets=vault.encrypt(account.secrets),
        priority=account.priority,
        weight=account.weight,
        limits=_json(account.limits),
        prices=_json(account.prices),
        enabled=int(account.enabled),
    )
    assert row is not None
    return int(row[0])


def all_accounts(tx: Transaction, vault: Vault) -> list[Account]:
    """Return every account with its secrets readable, in the order in which they are asked."""
    return [_account(row, vault) for row in tx.all("live_accounts")]


def queue_lengths(tx: Transaction) -> dict[int, int]:
    """Return how many messages wait for each account; MOST_QUEUED are as many or more."""
    return {row[0]: int(row[1]) for row in tx.all("queue_lengths", most=MOST_QUEUED)}


def delete(tx: Transaction, vault: Vault, name: str, now: int) -> None:
    """Let nothing go through the account any more and forget its secrets; raises NotFound."""
    if not tx.run("delete_account", name=name, secrets=vault.encrypt({}), now=now):
        raise NotFound(worded("There is no account %(name)r: `kaskad account list` shows them.", name=name))


def enable(tx: Transaction, name: str, enabled: bool) -> None:
    """Let messages go through the account, or no more."""
    tx.run("enable_account", name=name, enabled=int(enabled))


def _account(row: Row, vault: Vault) -> Account:
    return Account(
        id=row[0],
        name=row[1],
        provider=row[2],
        channel=Channel.of(row[3]),
        settings=msgspec.json.decode(row[4]),
        secrets=vault.decrypt(row[5], dict[str, str]),
        priority=row[6],
        limits=msgspec.json.decode(row[7]),
        prices=msgspec.json.decode(row[8]),
        enabled=bool(row[9]),
        weight=row[10],
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()

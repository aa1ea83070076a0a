"""Tables `webhooks`, `outbox` and `deliveries`: who is told of which events, and what was told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from kaskad.domain.errors import NotFound
from kaskad.domain.worded import worded
from kaskad.store.db import Row, Transaction
from kaskad.store.vault import Vault

WAITING, DELIVERED, GIVEN_UP = 0, 1, 2
_ALL = 2**62
STATES = {WAITING: "waiting", DELIVERED: "delivered", GIVEN_UP: "given_up"}


class Secret(Struct, frozen=True):
    """One signing secret; `until` None: it counts until it is replaced."""

    text: str
    until: int | None = None

    def __repr__(self) -> str:
        return f"Secret(until={self.until})"


class Webhook(Struct, frozen=True):
    """One endpoint that is told of events; of its secrets the first is the newest."""

    id: int
    url: str
    description: str
    types: frozenset[str]
    secrets: tuple[Secret, ...]
    enabled: bool
    disabled_why: str
    created_at: int

    def __repr__(self) -> str:
        """Return text without the secrets."""
        return f"Webhook({self.id}, {self.url!r})"


class Delivery(Struct, frozen=True):
    """One event on its way to one webhook."""

    id: int
    message_id: str
    type: str
    body: str
    created_at: int
    next_at: int | None
    ended_at: int | None
    state: int
    attempts: int
    answer: str


class Attempt(Struct, frozen=True):
    """An attempt that was begun, the `number`-th of its delivery."""

    id: int
    message_id: str
    type: str
    body: str
    number: int


def add(
    tx: Transaction, vault: Vault, url: str, description: str, types: Iterable[str],
    secrets: Sequence[Secret], enabled: bool, now: int,
) -> int:  # fmt: skip
    """Keep a new webhook; return its id."""
    row = tx.one(
        "add_webhook", url=url, description=description, types=_json(sorted(types)),
        secrets=vault.encrypt(secrets), enabled=int(enabled), now=now,
    )  # fmt: skip
    assert row is not None
    return int(row[0])


def all_webhooks(tx: Transaction, vault: Vault) -> list[Webhook]:
    """Return every webhook with its secrets readable, the oldest first."""
    return [_webhook(row, vault) for row in tx.all("webhooks")]


def subscribed(tx: Transaction) -> frozenset[str]:
    """Return the types of events that anybody is to be told of now."""
    return frozenset(kind for row in tx.all("webhooks") if row[5] for kind in _types(row))


def change(
    tx: Transaction, webhook_id: int, url: str, description: str, types: Iterable[str], enabled: bool
) -> None:
    """Change a webhook; raises NotFound."""
    given = {"url": url, "description": description, "types": _json(sorted(types)), "enabled": int(enabled)}
    if not tx.run("change_webhook", id=webhook_id, **given):
        raise _missing()


def put_secrets(tx: Transaction, vault: Vault, webhook_id: int, secrets: Sequence[Secret]) -> None:
    """Replace the secrets of a webhook; raises NotFound."""
    if not tx.run("put_webhook_secrets", id=webhook_id, secrets=vault.encrypt(secrets)):
        raise _missing()


def clear(tx: Transaction, webhook_id: int, limit: int) -> int:
    """Forget up to so many of a webhook's deliveries; return how many."""
    return tx.run("drop_deliveries_of", webhook_id=webhook_id, limit=limit)


def delete(tx: Transaction, webhook_id: int) -> None:
    """Forget a webhook and what it was told, which is quick once it was cleared; raises NotFound."""
    if not tx.run("delete_webhook", id=webhook_id):
        raise _missing()
    clear(tx, webhook_id, _ALL)


def claim(
    tx: Transaction, webhook_id: int, now: int, limit: int, lease_ms: int
) -> list[Attempt]:  # fmt: skip
    """Begin up to `limit` attempts that are due; no other process begins them within `lease_ms`."""
    rows = tx.all("claim_deliveries", webhook_id=webhook_id, now=now, limit=limit, again_at=now + lease_ms)
    return [Attempt(*row) for row in rows]


def give_back(tx: Transaction, attempt: Attempt, now: int) -> None:
    """Let an attempt that was claimed and not made come due again, as if it had not been."""
    tx.run("give_back_delivery", id=attempt.id, attempts=attempt.number, now=now)


def to_replay(
    tx: Transaction, webhook_id: int, state: int, since: int, later: int, *, after: int, last: int, limit: int
) -> list[int]:
    """Return deliveries since an instant that can be told again, with ids after one of them, up to `last`.

    `state` is WAITING or GIVEN_UP. What is due before `later` may be under way, and is none of them.
    """
    asked = {"webhook_id": webhook_id, "state": state, "since": since, "later": later}
    rows = tx.all("deliveries_to_replay", after=after, last=last, limit=limit, **asked)
    return [row[0] for row in rows]


def replay(tx: Transaction, ids: Sequence[int], now: int, later: int) -> int:
    """Let those of these be tried now that can be told again still; return how many."""
    return len(tx.among("replay_deliveries", ids, now=now, later=later))


def listing(tx: Transaction, webhook_id: int, after: int, limit: int, state: int = -1) -> list[Delivery]:
    """Return deliveries of a webhook after the one with the id `after`; `state` -1: all."""
    rows = tx.all("deliveries", webhook_id=webhook_id, after=after, limit=limit, state=state)
    return [Delivery(*row) for row in rows]


def latest(tx: Transaction, webhook_id: int, before: int, limit: int, state: int = -1) -> list[Delivery]:
    """Return deliveries of a webhook before the one with the id `before`; `state` -1: all."""
    rows = tx.all("latest_deliveries", webhook_id=webhook_id, before=before, limit=limit, state=state)
    return [Delivery(*row) for row in rows]


def _webhook(row: Row, vault: Vault) -> Webhook:
    secrets = tuple(vault.decrypt(row[4], list[Secret]))
    return Webhook(row[0], row[1], row[2], _types(row), secrets, bool(row[5]), row[6], row[7])


def _types(row: Row) -> frozenset[str]:
    return msgspec.json.decode(row[3], type=frozenset[str])


def _missing() -> NotFound:
    return NotFound(worded("There is no such webhook: `kaskad webhook list` shows them."))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()

"""Keys of the API: made, listed, revoked, and asked what they open."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence

from msgspec import Struct

from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict, Invalid
from kaskad.store import keys as key_store
from kaskad.store.keys import ApiKey

PREFIX = "kaskad_"

ALL = "all"
SCOPES: dict[str, str] = {
    ALL: "everything",
    "contacts:read": "see contacts, lists, segments and what happened to each person",
    "contacts:write": "import and change contacts, lists, segments and consents",
    "events:write": "tell what people did: triggers, goals, plain events",
    "cascades:read": "see cascades, versions, runs, messages and reports",
    "cascades:write": "change, activate, launch, pause, resume and stop cascades; cancel runs",
    "texts:approve": "approve texts that somebody else has written",
    "accounts:read": "see providers' accounts without their secrets",
    "accounts:write": "change providers' accounts and send tests",
    "tasks:read": "see the calls that people are to make, with what is known of whom they call",
    "tasks:write": "claim, dial and close these calls",
    "threads:read": "see what people write to us and are answered",
    "threads:write": "answer, hand over and close these conversations",
    "webhooks:write": "see and change outgoing webhooks",
    "settings:read": "see the policy, and what the law answers",
    "settings:write": "change the policy: hours, caps, hold-outs, what the sender is to the law",
    "metrics:read": "see the figures of /metrics",
    "audit:read": "see who changed what and who looked at whom",
    "keys:write": "make and revoke keys",
    "users:write": "see, invite and change the people who sign in",
}


class NewKey(Struct, frozen=True):
    """A key just made. `key` is shown this once and kept nowhere."""

    name: str
    key: str
    scopes: frozenset[str]


def create(office: Office, name: str, scopes: Sequence[str], held: Collection[str]) -> NewKey:
    """Make a key, which opens no more than the scopes `held` by who makes it.

    Raises Invalid for scopes that are unknown or not held, Conflict for a taken name.
    """
    problems = [
        f"There is no scope {scope!r}: choose from {', '.join(SCOPES)}."
        for scope in scopes
        if scope not in SCOPES
    ]
    problems += [
        f"The scope {scope!r} is not yours to give: make the key with one that has it."
        for scope in scopes
        if scope in SCOPES and not {scope, ALL} & set(held)
    ]
    if not scopes:
        problems.append(f"Name what the key opens: {', '.join(SCOPES)}.")
    if problems:
        raise Invalid(problems)
    key = PREFIX + secrets.token_urlsafe(32)
    try:
        made = office.write(lambda tx: key_store.add(tx, name, key, scopes, office.now()))
    except Conflict:
        raise Conflict(f"There is a key {name!r} already: choose another name, or revoke that one.") from None
    return NewKey(made.name, key, made.scopes)


def listing(office: Office) -> list[ApiKey]:
    """Return all keys that open something."""
    with office.read() as tx:
        return [key for key in key_store.all_keys(tx) if key.revoked_at is None]


def revoke(office: Office, name: str) -> None:
    """End a key at once; raises NotFound."""
    office.write(lambda tx: key_store.revoke(tx, name, office.now()))

"""Keys of the API: made, listed, revoked, and asked what they open."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence

from msgspec import Struct

from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.worded import worded
from kaskad.store import keys as key_store
from kaskad.store.keys import ApiKey

PREFIX = "kaskad_"

ALL = "all"
SCOPES: dict[str, str] = {
    ALL: worded("everything"),
    "contacts:read": worded("see contacts, lists, segments and what happened to each person"),
    "contacts:write": worded("import and change contacts, lists, segments and consents"),
    "events:write": worded("tell what people did: triggers, goals, plain events"),
    "cascades:read": worded("see cascades, versions, runs, messages and reports"),
    "cascades:write": worded("change, activate, launch, pause, resume and stop cascades; cancel runs"),
    "texts:approve": worded("approve texts that somebody else has written"),
    "accounts:read": worded("see providers' accounts without their secrets"),
    "accounts:write": worded("change providers' accounts and send tests"),
    "tasks:read": worded("see the calls that people are to make, with what is known of whom they call"),
    "tasks:write": worded("claim, dial and close these calls"),
    "threads:read": worded("see what people write to us and are answered"),
    "threads:write": worded("answer, hand over and close these conversations"),
    "webhooks:write": worded("see and change outgoing webhooks"),
    "settings:read": worded("see the policy, and what the law answers"),
    "settings:write": worded(
        "change the brand and the policy: hours, caps, hold-outs, what the sender is to the law"
    ),
    "metrics:read": worded("see the figures of /metrics"),
    "audit:read": worded("see who changed what and who looked at whom"),
    "keys:write": worded("make and revoke keys"),
    "users:write": worded("see, invite and change the people who sign in"),
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
    problems: list[str] = [
        worded("There is no scope %(scope)r: choose from %(known)s.", scope=scope, known=", ".join(SCOPES))
        for scope in scopes
        if scope not in SCOPES
    ]
    problems += [
        worded("The scope %(scope)r is not yours to give: make the key with one that has it.", scope=scope)
        for scope in scopes
        if scope in SCOPES and not {scope, ALL} & set(held)
    ]
    if not scopes:
        problems.append(worded("Name what the key opens: %(known)s.", known=", ".join(SCOPES)))
    if problems:
        raise Invalid(problems)
    key = PREFIX + secrets.token_urlsafe(32)
    try:
        made = office.write(lambda tx: key_store.add(tx, name, key, scopes, office.now()))
    except Conflict:
        raise Conflict(
            worded("There is a key %(name)r already: choose another name, or revoke that one.", name=name)
        ) from None
    return NewKey(made.name, key, made.scopes)


def listing(office: Office) -> list[ApiKey]:
    """Return all keys that open something."""
    with office.read() as tx:
        return [key for key in key_store.all_keys(tx) if key.revoked_at is None]


def revoke(office: Office, name: str) -> None:
    """End a key at once; raises NotFound."""
    office.write(lambda tx: key_store.revoke(tx, name, office.now()))

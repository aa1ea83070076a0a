"""What a webhook says of messages, as it is kept: put into the engine's words without an engine.

Intake does it in the engine's process, `web/porter` in one of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from kaskad.domain.terms import Kind
from kaskad.domain.tokens import BadToken, Signer
from kaskad.engine.arrival import Arrival, Unmatched
from kaskad.engine.parcel import storable
from kaskad.log import get_logger
from kaskad.providers import provider
from kaskad.providers.base import Account, Provider, Receipt, Told

log = get_logger(__name__)

ENOUGH = 32  # webhooks, beside which a commit costs little: the next ones are read while these are kept

_encode = msgspec.json.Encoder().encode
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
_LEAST_SECRET = 8  # octets of one that is looked for in bodies: a shorter one could be part of any word
_HIDDEN = b"***"


class Report(Struct, frozen=True, gc=False, array_like=True):
    """A webhook that tells of messages only, and what is kept of it: headers as JSON, and the body.

    `body` None: it is one of several portions, and another one brings that.
    """

    account_id: int
    headers: str
    body: bytes | None
    arrivals: list[Arrival]
    unmatched: list[Unmatched]


def report_of(
    signer: Signer, account: Account, told: Sequence[Told], headers: Mapping[str, str], body: bytes | None,
    now: int,
) -> Report | None:  # fmt: skip
    """Return what is kept of a verified webhook; None where it tells of more than of messages.

    Only such an account's may be read so that `is_plain` says so.
    """
    arrivals: list[Arrival] = []
    unmatched: list[Unmatched] = []
    for one in told:
        if not isinstance(one, Receipt):
            return None
        found = read_receipt(signer, account, one, now if one.at is None else min(one.at, now))
        if isinstance(found, Arrival):
            arrivals.append(found)
        elif found is not None:
            unmatched.append(found)
    kept, body = ("", None) if body is None else without_secrets(account, headers, body)
    return Report(account.id, kept, body, arrivals, unmatched)


def is_plain(carrying: Provider) -> bool:
    """Say whether receipts of a provider mean no more than what they say of messages.

    Else their service expects something in return, or people may be written to for a while because of them.
    """
    return type(carrying).follow_up is Provider.follow_up and not carrying.capabilities.window_ms


def read_receipt(signer: Signer, account: Account, told: Receipt, at: int) -> Arrival | Unmatched | None:
    """Return what a receipt says of a message; None where it names none of ours, or changes nothing.

    `at`: when that happened.
    """
    kind = told.kind
    if kind is None:
        return None
    event, value = storable(told.event) or once(kind), _value(account, told)
    if told.reference:
        try:
            message = signer.read_reference(told.reference, account.id)
        except BadToken:
            log.warning("receipt of no message of ours", account=account.name)
        else:
            return Arrival(*message, kind.value, event, at, value)
    if told.provider_id:
        earlier = tuple(map(storable, told.earlier))
        return Unmatched(account.id, storable(told.provider_id), kind.value, event, at, value, earlier)
    return None


def without_secrets(account: Account, headers: Mapping[str, str], body: bytes) -> tuple[str, bytes]:
    """Return what is kept of a webhook, its headers as JSON: some services prove themselves by telling the
    secret itself."""
    secrets = [secret for secret in account.secrets.values() if secret]
    kept, told = headers, "\n".join(headers.values())
    if not _SECRET_HEADERS.isdisjoint(map(str.lower, headers)) or any(secret in told for secret in secrets):
        kept = {
            name: value
            for name, value in headers.items()
            if name.lower() not in _SECRET_HEADERS and not any(secret in value for secret in secrets)
        }
    for secret in map(str.encode, secrets):
        if len(secret) >= _LEAST_SECRET and secret in body:
            body = body.replace(secret, _HIDDEN)
    if (keys := provider(account.provider).hidden) is not None:
        body = keys.sub(rb"\g<1>" + _HIDDEN, body)
    return _encode(kept).decode(), body


def once(kind: Kind) -> str:
    """Return the event id of a report that has none of its own: its kind counts once for the message."""
    return kind.name.lower()


def _value(account: Account, told: Receipt) -> str | None:
    """Return what the receipt tells besides its kind, as JSON; None where that is nothing."""
    more: dict[str, Any] = {}
    if told.reason is not None:
        more["reason"] = told.reason.value
    for name in ("code", "detail", "text", "key"):
        if text := getattr(told, name):
            more[name] = text
    if told.cost is not None:
        if account.price is None or told.cost.currency in ("", account.price.currency):
            more["cost"] = told.cost.minor
        else:  # adding tenge to roubles would make every sum wrong
            log.warning(
                "cost in another currency left out", account=account.name, currency=told.cost.currency
            )
    return _encode(more).decode() if more else None

"""Vonage Messages API: SMS. https://developer.vonage.com/en/messages/overview

Our reference travels as `client_ref` and comes back in every status, which also tells the price and its
currency. Statuses go to the address given with each message, what people write to that in the application's
settings: write `https://…/hooks/<account>` there as the inbound URL. Both are signed: a JSON Web Token names
the body's hash.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, ClassVar

from kaskad.domain.cascade import Money
from kaskad.domain.errors import BadSignature, Invalid, SendError
from kaskad.domain.money import charged
from kaskad.domain.terms import Channel, Kind, Reaction, Reason
from kaskad.providers import jwt, senders
from kaskad.providers.base import (
    Accepted,
    Account,
    Capabilities,
    Inbound,
    Outgoing,
    Provider,
    Receipt,
    Request,
    Response,
    Setting,
    basic_auth,
    decode,
    status_error,
)
from kaskad.providers.signatures import check_secret

MAX_TEXT = 3200
MIN_TTL_S, MAX_TTL_S = 20, 604_800
TOKEN_S = 900

STATUSES: dict[
    str, Kind | None
] = {  # https://developer.vonage.com/en/messages/concepts/messages-status-callbacks
    "submitted": Kind.SENT,
    "delivered": Kind.DELIVERED,
    "read": Kind.READ,  # other channels; never a plain SMS
    "rejected": Kind.FAILED,  # `error` tells why
    "undeliverable": Kind.FAILED,  # the carrier could not be reached
}
CODES: dict[str, Reason] = {  # `error.title` of a status: https://developer.vonage.com/en/api-errors/messages
    "1010": Reason.RATE_LIMITED,
    "1100": Reason.RATE_LIMITED,
    "1300": Reason.INVALID_ADDRESS,
    "1310": Reason.INVALID_ADDRESS,
    "1320": Reason.INVALID_ADDRESS,
    "1330": Reason.INVALID_ADDRESS,
    "1420": Reason.WINDOW,
}
_NUMBER = re.compile(r"\+?[0-9]{5,15}").fullmatch


class VonageMessages(Provider):
    """SMS through Vonage's Messages API, by an application's key, with the price in the statuses."""

    name = "vonage_messages"
    title = "Vonage Messages"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.SMS})
    settings = (
        Setting(
            "application_id", required=False, help="With its private key; or give api_key and api_secret"
        ),
        Setting(
            "private_key",
            secret=True,
            lines=True,
            required=False,
            help="Of the application, PEM, BEGIN and END too",
        ),
        Setting("api_key", required=False, usual=True),
        Setting("api_secret", secret=True, required=False, usual=True),
        Setting("sender", help=f"A number, or up to 11 letters and digits. {senders.HELP}"),
        Setting(
            "signature_secret", secret=True, required=False, help="Of the account: it signs the webhooks"
        ),
        Setting("base_url", default="https://api.nexmo.com"),
    )
    connect = (
        "Create an application with the Messages capability there: its id and the private key that you get "
        "then.",
        "As its inbound URL write `https://…/hooks/<account>`; statuses come by themselves to Kaskad's "
        "`base_url`.",
        "Take the signature secret from the account's settings: what is not signed with it is refused.",
        "Give the account a price in Vonage's currency: it counts until a status has told the real one.",
    )
    judges = ("vonage_messages", "vonage_jwt")
    capabilities = Capabilities(
        receipts=frozenset({*(kind for kind in STATUSES.values() if kind), Kind.REPLIED}),
        reactions=frozenset({Reaction.DELIVERED, Reaction.REPLIED}),
        echoes_reference=True,
        reports_sent=True,
        price_in_receipt=True,
        ttl=True,
        max_text=MAX_TEXT,
        concurrency=10,
        per_second=30.0,
        burst=30,
    )
    unverified = (
        "The exact fields of statuses and of what people write, the claims of the token and the numbers of "
        "errors: they are those of Vonage's guides, which no machine-readable source confirms.",
    )

    def check(self, account: Account) -> list[str]:
        problems = senders.check_senders(account)
        if account["application_id"]:
            try:
                jwt.check_key(account["private_key"])
            except Invalid as error:
                problems += error.problems
        elif not (account["api_key"] and account["api_secret"]):
            problems.append("give application_id and private_key, or api_key and api_secret")
        return problems

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        told: dict[str, Any] = {
            "message_type": "text",
            "channel": "sms",
            "to": outgoing.to.lstrip("+"),
            "from": senders.sender_for(account, outgoing.to).lstrip("+"),
            "text": outgoing.text,
            "client_ref": outgoing.reference,
        }
        if outgoing.status_url:
            told |= {"webhook_url": outgoing.status_url, "webhook_version": "v1"}
        if outgoing.valid_for_ms:
            told["ttl"] = min(max(MIN_TTL_S, outgoing.valid_for_ms // 1000), MAX_TTL_S)
        base_url = account.base_url("https://api.nexmo.com")
        return Request.of_json(
            f"{base_url}/v1/messages", told, {"Authorization": _authority(outgoing, account)}
        )

    def read_response(self, response: Response) -> Accepted:
        try:
            answer = decode(response.body)
        except ValueError:
            answer = None
        told = answer if isinstance(answer, dict) else {}
        if not response.ok:
            raise status_error(response, _text(told.get("title")))
        identity = _text(told.get("message_uuid"))
        if not identity:
            raise SendError(Reason.AMBIGUOUS, "the answer names no message", accepted=None)
        return Accepted(identity, kind=None)

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        """Raise BadSignature unless it is signed; its age does not matter: Vonage repeats what we missed."""
        scheme, _, token = hook.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise BadSignature("the webhook brings no token: signed webhooks are switched off there")
        claims = jwt.read_hs256(token, account["signature_secret"])
        check_secret(sha256(hook.body).hexdigest(), _text(claims.get("payload_hash")))

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        told = hook.json()
        if not isinstance(told, dict) or not _text(told.get("message_uuid")):
            raise ValueError("the webhook names no message")
        return [_receipt(told, hook.body) if "status" in told else _inbound(told, hook.body)]


def _authority(outgoing: Outgoing, account: Account) -> str:
    """Return the value of the Authorization header: a token of the application, else key and secret."""
    if not account["application_id"]:
        return basic_auth((account["api_key"], account["api_secret"]))
    issued = outgoing.at // 1000
    unique = sha256(f"{outgoing.key} {outgoing.at}".encode()).hexdigest()[:32]
    claims: dict[str, str | int] = {
        "application_id": account["application_id"],
        "iat": issued,
        "jti": unique,
        "exp": issued + TOKEN_S,
    }
    try:
        return f"Bearer {jwt.rs256(claims, account['private_key'])}"
    except Invalid as error:
        raise SendError(Reason.AUTH, error.problems[0]) from None


def _receipt(told: Mapping[str, Any], raw: bytes) -> Receipt:
    identity, name = _text(told["message_uuid"]), _text(told.get("status"))
    kind, code, reason = STATUSES.get(name), "", None
    if kind is Kind.FAILED:
        error = told.get("error")
        code = _text(error.get("title")) if isinstance(error, dict) else ""
        reason = CODES.get(code, Reason.TRANSIENT if name == "undeliverable" else Reason.OTHER)
    return Receipt(
        kind=kind,
        event=f"{identity} {name}",
        name=name,
        reference=_text(told.get("client_ref")),
        provider_id=identity,
        at=_instant(told),
        reason=reason,
        code=code,
        cost=_cost(told.get("usage")),
        raw=raw,
    )


def _inbound(told: Mapping[str, Any], raw: bytes) -> Inbound:
    sender = _text(told.get("from"))
    if not _NUMBER(sender):
        raise ValueError("the message names no sender")
    return Inbound(
        channel=Channel.SMS,
        address="+" + sender.lstrip("+"),
        kind=Kind.REPLIED,
        event=_text(told["message_uuid"]),
        at=_instant(told),
        text=_text(told.get("text")),
        raw=raw,
    )


def _cost(usage: object) -> Money | None:
    if not isinstance(usage, dict):
        return None
    currency = _text(usage.get("currency")).upper()
    return charged(usage.get("price"), currency) if currency else None


def _instant(told: Mapping[str, Any]) -> int | None:
    """Return milliseconds of `timestamp` (ISO 8601)."""
    try:
        moment = datetime.fromisoformat(_text(told.get("timestamp")))
    except ValueError:
        return None
    return None if moment.tzinfo is None else int(moment.timestamp() * 1000)


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""

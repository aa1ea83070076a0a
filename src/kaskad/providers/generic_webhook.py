"""Our own contract: any service that takes a signed POST can carry any channel.

What is POSTed, how it is signed, and what comes back stands in docs/gateway.md, with a gateway in Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

import msgspec
from msgspec import Struct, field

from kaskad.domain.cascade import Button, Money
from kaskad.domain.errors import BadSignature, SendError
from kaskad.domain.money import charged
from kaskad.domain.terms import Channel, Kind, MessageClass, Reaction, Reason
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
    encode,
    status_error,
)
from kaskad.providers.signatures import check_age, check_hmac, hmac_hex

EVENTS: dict[str, Kind | None] = {  # providers/README.md, 2: every name; None changes nothing
    "queued": None,
    "sent": Kind.SENT,
    "delivered": Kind.DELIVERED,
    "opened": Kind.OPENED,
    "read": Kind.READ,
    "clicked": Kind.CLICKED,
    "replied": Kind.REPLIED,
    "bounced_hard": Kind.BOUNCED,
    "bounced_soft": Kind.SOFT_BOUNCED,  # with `final` it is given up: BOUNCED
    "rejected": Kind.REJECTED,
    "failed": Kind.FAILED,
    "expired": Kind.EXPIRED,
    "complained": Kind.COMPLAINED,
    "unsubscribed": Kind.UNSUBSCRIBED,
    "resubscribed": None,
    "answered": Kind.ANSWERED,
    "no_answer": Kind.FAILED,
    "busy": Kind.FAILED,
    "machine_detected": Kind.MACHINE_ANSWERED,
    "keypress": Kind.KEYPRESS,
}
MACHINE: dict[str, Kind | None] = {  # what a `machine: true` makes of an event; other events keep their kind
    "opened": Kind.MACHINE_OPENED,
    "clicked": Kind.MACHINE_CLICKED,
    "answered": Kind.MACHINE_ANSWERED,
    "read": None,
    "replied": None,
}
ERRORS = {  # providers/README.md, 4
    "permanent_recipient": Reason.INVALID_ADDRESS,
    "opted_out": Reason.OPTED_OUT,
    "permanent_content": Reason.CONTENT,
    "consent_or_window": Reason.WINDOW,
    "rate_limited": Reason.RATE_LIMITED,
    "transient": Reason.TRANSIENT,
    "auth": Reason.AUTH,
    "ambiguous": Reason.AMBIGUOUS,
}
CHANNELS = {channel.value: channel for channel in Channel}


class GenericWebhook(Provider):
    """A signed POST to [a gateway of your own](../gateway.md), and signed events back; for any channel."""

    name = "generic_webhook"
    title = "Webhook"
    channels: ClassVar[frozenset[Channel]] = frozenset(Channel)
    settings = (
        Setting("url", help="Where messages are POSTed, https://…"),
        Setting("secret", secret=True, help="Signs both directions, at least 16 characters"),
        Setting("old_secret", secret=True, required=False, help="Still believed and sent during a change"),
    )
    connect = (
        "Write a receiver of your own: it gets a signed POST for each message, and answers 2xx.",
        "Choose a secret of at least 16 characters, and give it to both sides.",
        "Let it POST what happened to the message, signed in the same way, to `https://…/hooks/<account>`.",
    )
    judges = ("standardwebhooks",)
    capabilities = Capabilities(
        receipts=frozenset(
            kind for table in (EVENTS, MACHINE) for kind in table.values() if kind is not None
        ),
        reactions=frozenset(Reaction) - {Reaction.NONE},
        echoes_reference=True,
        idempotent=True,
        price_in_receipt=True,
        ttl=True,
        buttons=10,
        media=True,
        concurrency=32,
        per_second=1000.0,
        burst=1000,
    )

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        body = encode(_posted(outgoing))
        stamp = str(outgoing.at // 1000)
        secret, old = account.required("secret"), account["old_secret"]
        signed = b"v1:" + stamp.encode() + b":" + body
        signature = "v1=" + hmac_hex("sha256", secret, signed)
        if old:
            signature += " v1=" + hmac_hex("sha256", old, signed)
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": outgoing.key,
            "X-Cascade-Id": outgoing.key,
            "X-Cascade-Timestamp": stamp,
            "X-Cascade-Signature": signature,
        }
        return Request("POST", account["url"], headers, body)

    def read_response(self, response: Response) -> Accepted:
        if not response.ok:
            raise _refusal(response)
        if not response.body.strip():
            return Accepted()
        try:  # 2xx is the promise; a body that says nothing useful does not take it back
            answer = response.json()
        except SendError:
            return Accepted()
        if not isinstance(answer, dict):
            return Accepted()
        kind = None if answer.get("status") == "queued" else Kind.SENT
        return Accepted(_text(answer.get("id")), _money(answer.get("cost")), kind)

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        stamp = hook.headers.get("x-cascade-timestamp", "")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 15):
            raise BadSignature("X-Cascade-Timestamp must hold unix seconds")
        check_age(int(stamp) * 1000, now)
        given = [
            part.removeprefix("v1=")
            for part in hook.headers.get("x-cascade-signature", "").split()
            if part.startswith("v1=")
        ]
        signed = b"v1:" + stamp.encode() + b":" + hook.body
        try:
            check_hmac("sha256", account["secret"], signed, given)
        except BadSignature:
            if not account["old_secret"]:
                raise
            check_hmac("sha256", account["old_secret"], signed, given)

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        events = hook.json()
        if isinstance(events, dict):
            events = [events]
        if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
            raise ValueError("the body must be one event, an object, or an array of events")
        return [_event(event, account) for event in events]


class Posted(Struct, frozen=True, omit_defaults=True, tag_field="type", tag="message.send", gc=False):
    """What we POST for one message; empty fields are left out."""

    id: str
    reference: str
    channel: Channel
    message_class: MessageClass = field(name="class")
    to: str
    contact: dict[str, str] = field(default_factory=dict)
    language: str = ""
    subject: str = ""
    html: str = ""
    text: str = ""
    say: str = ""
    script: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    buttons: tuple[Button, ...] = ()
    media: tuple[str, ...] = ()
    status_url: str = ""
    unsubscribe_url: str = ""
    valid_for_s: int = 0


def _posted(outgoing: Outgoing) -> Posted:
    return Posted(
        outgoing.key,
        outgoing.reference,
        outgoing.channel,
        outgoing.message_class,
        outgoing.to,
        {"name": outgoing.contact_name} if outgoing.contact_name else {},
        outgoing.language,
        outgoing.subject,
        outgoing.html,
        outgoing.text,
        outgoing.say,
        outgoing.script,
        outgoing.keys,
        outgoing.buttons,
        outgoing.media,
        outgoing.status_url,
        outgoing.unsubscribe_url,
        outgoing.valid_for_ms // 1000,
    )


def _refusal(response: Response) -> SendError:
    """Return why it was refused, in the body's words where it has them.

    409 without words: the receiver is still at a request under this key, whose answer we have lost.
    """
    general = status_error(response)
    try:
        told = response.json()
    except SendError:
        told = None
    answer = told if isinstance(told, dict) else {}
    if response.status == 409 and "error_class" not in answer:
        return SendError(Reason.AMBIGUOUS, general.detail, accepted=None)
    if not answer or general.accepted is None:
        return general
    reason = ERRORS.get(_text(answer.get("error_class")), general.reason)
    return SendError(
        reason,
        _text(answer.get("detail")) or general.detail,
        code=_text(answer.get("code")),
        retry_after_ms=general.retry_after_ms,
        accepted=None if reason is Reason.AMBIGUOUS else False,
    )


def _event(event: dict[str, Any], account: Account) -> Receipt | Inbound:
    name = _text(event.get("name"))
    kind = EVENTS.get(name)
    if kind is Kind.SOFT_BOUNCED and event.get("final") is True:
        kind = Kind.BOUNCED
    if kind is not None and event.get("machine") is True:
        kind = MACHINE.get(name, kind)
    reference, provider_id = _text(event.get("reference")), _text(event.get("message_id"))
    at, raw = _instant(event.get("occurred_at")), encode(event)
    recipient = _text(event.get("recipient"))
    if kind is not None and recipient and not (reference or provider_id):
        return Inbound(
            channel=CHANNELS.get(_text(event.get("channel")), account.channel),
            address=recipient,
            kind=kind,
            event=_text(event.get("id")),
            at=at,
            text=_text(event.get("text")),
            raw=raw,
        )
    failed = "error_class" in event or name in ("busy", "no_answer")
    return Receipt(
        kind=kind,
        event=_text(event.get("id")),
        name=name,
        reference=reference,
        provider_id=provider_id,
        at=at,
        reason=ERRORS.get(_text(event.get("error_class")), Reason.OTHER) if failed else None,
        code=_text(event.get("code")) or (name if name in ("busy", "no_answer") else ""),
        detail=_text(event.get("detail")),
        cost=_money(event.get("cost")),
        text=_text(event.get("text")),
        key=_text(event.get("key")),
        raw=raw,
    )


def _text(value: object) -> str:
    """Return an id or a text; a number's digits; "" for anything else."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _instant(value: object) -> int | None:
    """Return milliseconds of an RFC 3339 text or of a number of milliseconds; None: not told."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 48:
        return value
    if not isinstance(value, str):
        return None
    try:
        at = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return None
    return None if at.tzinfo is None else round(at.timestamp() * 1000)


def _money(value: object) -> Money | None:
    """Return `{"amount": "1.44", "currency": "RUB"}` in minor units, a part of one counted as whole."""
    if not isinstance(value, dict):
        return None
    currency = _text(value.get("currency")).upper()
    return charged(value.get("amount"), currency) if currency else None

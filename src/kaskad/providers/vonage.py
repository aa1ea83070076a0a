"""Vonage (Nexmo) SMS API. https://developer.vonage.com/en/messaging/sms/overview

Our reference travels as `client-ref` and comes back in every report. A long text is several messages there,
each with an id, a price and reports of its own; the answer names them all, so that it alone tells the cost.

Reports come to the address given with each message, answers to the one in the settings of the number: write
`https://…/hooks/<account>` there, by POST or POST-JSON, and switch signed webhooks on.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation, Overflow
from hashlib import md5
from typing import Any, ClassVar

from kaskad.domain import sms
from kaskad.domain.cascade import Money
from kaskad.domain.errors import BadSignature, SendError
from kaskad.domain.money import charged
from kaskad.domain.terms import Channel, Kind, Reaction, Reason
from kaskad.providers import senders
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
    decode,
    status_error,
)

MIN_TTL_MS, MAX_TTL_MS = 20_000, 604_800_000
MAX_CALLBACK = 100  # characters of `callback`
MAX_REFERENCE = 40

# `status` of the answer, which is always HTTP 200:
# https://developer.vonage.com/en/messaging/sms/guides/troubleshooting-sms
ERRORS: dict[str, Reason] = {
    "1": Reason.RATE_LIMITED,  # too fast
    "2": Reason.CONTENT,  # a parameter is missing
    "3": Reason.CONTENT,  # a parameter is invalid
    "4": Reason.AUTH,  # credentials
    "5": Reason.TRANSIENT,  # an internal error
    "6": Reason.CONTENT,  # cannot be processed; perhaps the number's prefix is unknown
    "7": Reason.WINDOW,  # the number is barred
    "8": Reason.AUTH,  # the account is barred
    "9": Reason.AUTH,  # no money
    "10": Reason.RATE_LIMITED,  # too many at once
    "12": Reason.CONTENT,  # too long
    "13": Reason.TRANSIENT,  # communication failed
    "14": Reason.AUTH,  # signature
    "15": Reason.AUTH,  # the sender is not allowed
    "16": Reason.TRANSIENT,
    "19": Reason.TRANSIENT,
    "22": Reason.CONTENT,  # the network code is wrong
    "23": Reason.AUTH,  # the callback's address is wrong
    "29": Reason.AUTH,  # a trial account writes to numbers of its list only
}
STATUSES: dict[str, Kind | None] = {  # of a report: x-possible-values of the published description
    "accepted": Kind.SENT,
    "buffered": Kind.SENT,
    "delivered": Kind.DELIVERED,
    "expired": Kind.EXPIRED,
    "failed": Kind.FAILED,
    "rejected": Kind.FAILED,
    "unknown": None,  # the carrier reported nothing: it stays sent
}
# `err-code` of a report: https://developer.vonage.com/en/messaging/sms/guides/delivery-receipts#dlr-error-codes
CODES: dict[str, Reason] = {
    "0": Reason.OTHER,
    "1": Reason.OTHER,  # unknown
    "2": Reason.TRANSIENT,  # absent for now
    "3": Reason.INVALID_ADDRESS,  # absent for good
    "4": Reason.CARRIER_REFUSED,  # barred by the user
    "5": Reason.TRANSIENT,  # portability
    "6": Reason.CONTENT,  # filtered as unwanted
    "7": Reason.TRANSIENT,  # the phone is busy
    "8": Reason.TRANSIENT,  # network
    "9": Reason.INVALID_ADDRESS,  # the number is wrong
    "10": Reason.CONTENT,
    "11": Reason.INVALID_ADDRESS,  # cannot be routed
    "12": Reason.TRANSIENT,  # cannot be reached
    "13": Reason.WINDOW,  # by age
    "14": Reason.WINDOW,  # the carrier has blocked it
    "15": Reason.WINDOW,  # the person's balance is empty
    "99": Reason.OTHER,
}
METHODS = {"md5hash": "", "md5": "md5", "sha1": "sha1", "sha256": "sha256", "sha512": "sha512"}
_NUMBER = re.compile(r"[0-9]{5,15}").fullmatch


class Vonage(Provider):
    """SMS through Vonage (Nexmo), with the price in the answer."""

    name = "vonage"
    title = "Vonage SMS"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.SMS})
    settings = (
        Setting("api_key"),
        Setting("api_secret", secret=True),
        Setting("sender", help=f"A number, or up to 11 letters and digits. {senders.HELP}"),
        Setting(
            "signature_secret", secret=True, required=False, help="Of signed webhooks: without it no report"
        ),
        Setting(
            "signature_method",
            default="sha256",
            choices=tuple(METHODS),
            help="As in the settings there; md5hash is the old one without HMAC",
        ),
        Setting("base_url", default="https://rest.nexmo.com"),
    )
    connect = (
        "Take `api_key` and `api_secret` from the settings there.",
        "There let the webhooks be sent by POST or POST-JSON and be signed; their secret and their method "
        "are `signature_secret` and `signature_method` here. Without it reports and answers are refused.",
        "Reports come by themselves to Kaskad's `base_url`. For answers write `https://…/hooks/<account>` "
        "as the inbound webhook of the number.",
        "Say the currency by the account's price: Vonage tells what a message cost, but not in which "
        "currency.",
    )
    judges = ("vonage_http_client", "vonage_sms")
    capabilities = Capabilities(
        receipts=frozenset({*(kind for kind in STATUSES.values() if kind), Kind.REPLIED}),
        reactions=frozenset({Reaction.DELIVERED, Reaction.REPLIED}),
        echoes_reference=True,
        price_in_receipt=True,
        ttl=True,
        concurrency=10,
        per_second=30.0,
        burst=30,
    )
    unverified = (
        "The numbers of `status` and `err-code`, and the signature by MD5 alone, are those of Vonage's "
        "guides; the signature by HMAC is that of Vonage's own Python library.",
        "In which currency `message-price` is: it is taken to be that of the account's price.",
    )

    def check(self, account: Account) -> list[str]:
        return senders.check_senders(account)

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        if len(outgoing.reference) > MAX_REFERENCE:
            raise SendError(Reason.CONTENT, f"Vonage cuts references to {MAX_REFERENCE} characters")
        fields = {
            "api_key": account["api_key"],
            "api_secret": account["api_secret"],
            "from": senders.sender_for(account, outgoing.to).lstrip("+"),
            "to": outgoing.to.lstrip("+"),
            "text": outgoing.text,
            "type": "text" if sms.encoding(outgoing.text) is sms.Encoding.GSM7 else "unicode",
            "client-ref": outgoing.reference,
        }
        if outgoing.status_url and len(outgoing.status_url) <= MAX_CALLBACK:
            fields["callback"] = outgoing.status_url  # else to the address in the account's settings there
        if outgoing.valid_for_ms:
            fields["ttl"] = str(min(max(MIN_TTL_MS, outgoing.valid_for_ms), MAX_TTL_MS))
        base_url = account.base_url("https://rest.nexmo.com")
        return Request.form("POST", f"{base_url}/sms/json", fields)

    def read_response(self, response: Response) -> Accepted:
        if not response.ok:
            raise status_error(response)
        answer = response.json()
        parts = answer.get("messages") if isinstance(answer, dict) else None
        if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts):
            raise SendError(Reason.AMBIGUOUS, "the answer names no message", accepted=None)
        taken = [part for part in parts if _text(part.get("status")) == "0"]
        if not taken:
            raise _refusal(parts[0])
        return Accepted(_text(taken[0].get("message-id")), _cost(taken))

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        """Raise BadSignature unless it is signed; its age does not matter: Vonage repeats for a day."""
        secret = account["signature_secret"]
        if not secret:
            raise BadSignature(
                "the account has no signature_secret: set it here, and switch signing on there"
            )
        told = _fields(hook)
        given = told.pop("sig", "").lower().encode()
        expected = sign(told, secret, account["signature_method"] or "sha256").encode()
        if not hmac.compare_digest(expected, given):
            raise BadSignature("sig does not match the webhook")

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        told = _fields(hook)
        if not told.get("messageId"):
            raise ValueError("the webhook names no message")
        return [_receipt(told, hook.body) if "status" in told else _inbound(told, hook.body)]


def sign(told: Mapping[str, str], secret: str, method: str) -> str:
    """Return the signature of a webhook's fields, in hexadecimal.

    https://developer.vonage.com/en/getting-started/concepts/signing-messages
    """
    clean = {name: value.replace("&", "_").replace("=", "_") for name, value in told.items()}
    signed = "".join(f"&{name}={clean[name]}" for name in sorted(clean)).encode()
    if not METHODS[method]:
        return md5(signed + secret.encode()).hexdigest()
    return hmac.digest(secret.encode(), signed, METHODS[method]).hex()


def _refusal(part: Mapping[str, Any]) -> SendError:
    code = _text(part.get("status"))
    if not code:
        return SendError(Reason.AMBIGUOUS, "the answer tells no status", accepted=None)
    detail = f"Vonage answered {code}"  # its words may repeat the number
    return SendError(ERRORS.get(code, Reason.OTHER), detail, code=code)


def _cost(parts: Sequence[Mapping[str, Any]]) -> Money | None:
    try:
        total = sum((Decimal(str(part["message-price"])) for part in parts), Decimal(0))
    except (KeyError, InvalidOperation, Overflow):
        return None
    return charged(total, "")


def _receipt(told: Mapping[str, str], raw: bytes) -> Receipt:
    name, code = told["status"], told.get("err-code", "")
    kind, reason = STATUSES.get(name), None
    if kind is Kind.FAILED:
        reason = CODES.get(code, Reason.OTHER)
    elif kind is Kind.EXPIRED:
        reason = Reason.TRANSIENT  # a phone that was off: the number stays good
    return Receipt(
        kind=kind,
        event=f"{told['messageId']} {name}",
        name=name,
        reference=told.get("client-ref", ""),
        provider_id=told["messageId"],
        at=_instant(told),
        reason=reason,
        code=code if reason and code != "0" else "",
        raw=raw,
    )


def _inbound(told: Mapping[str, str], raw: bytes) -> Inbound:
    if not _NUMBER(told.get("msisdn", "")):
        raise ValueError("the message names no sender")
    return Inbound(
        channel=Channel.SMS,
        address="+" + told["msisdn"],
        kind=Kind.REPLIED,
        event=told["messageId"],
        at=_instant(told),
        text=told.get("text", ""),
        raw=raw,
    )


def _fields(hook: Request) -> dict[str, str]:
    """Return the fields of a webhook, which comes as a form or as JSON, as the account's settings say."""
    if "json" not in hook.headers.get("content-type", ""):
        return hook.fields()
    told = decode(hook.body)
    if not isinstance(told, dict):
        raise ValueError("the webhook is no object")
    return {name: _text(value) for name, value in told.items()}


def _instant(told: Mapping[str, str]) -> int | None:
    """Return milliseconds of `timestamp` (unix seconds), else of `message-timestamp` (UTC)."""
    stamp = told.get("timestamp", "")
    if stamp.isascii() and stamp.isdigit() and len(stamp) == 10:
        return int(stamp) * 1000
    try:
        moment = datetime.strptime(told.get("message-timestamp", ""), "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return None
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""

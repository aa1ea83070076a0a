"""MTS Exolve: SMS. https://docs.exolve.ru/docs/ru/api-reference/sms-api/

What becomes of a message is told by the webhook of the application, which nobody signs: its address there is
`https://…/hooks/<account>?key=<webhook_secret>`. It is also asked for (`GetList` with the message's id), so
that a message is known without a public address too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Kind, Reaction, Reason
from kaskad.providers import exolve_api as exolve
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
    Sent,
    Setting,
)
from kaskad.providers.signatures import check_url_key

STATUSES: dict[str, Kind | None] = {  # a word of the status; the first that stands in it counts
    "UNDELIVERED": Kind.FAILED,
    "NOT_DELIVERED": Kind.FAILED,
    "DELIVERED": Kind.DELIVERED,
    "EXPIRED": Kind.EXPIRED,
    "REJECTED": Kind.FAILED,
    "FAILED": Kind.FAILED,
    "SENT": Kind.SENT,
    "PROCESSING": Kind.SENT,
    "QUEUED": None,
    "CREATED": None,
}
MINUTE_MS = 60_000
_ENDS = (Kind.DELIVERED, Kind.FAILED, Kind.EXPIRED)


class MtsExolve(Provider):
    """SMS through MTS Exolve, from a rented number or a registered name."""

    name = "mts_exolve"
    title = "MTS Exolve SMS"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.SMS})
    settings = (*exolve.SETTINGS, exolve.HOOK_SETTING, Setting("base_url", default=exolve.BASE_URL))
    connect = (
        "Take the API key of the application, and a number rented there or a registered name as `sender`. "
        "From ordinary numbers carriers may drop messages.",
        "Set `webhook_secret` to a long text, and in the application the address of its webhook for "
        "messages to `https://…/hooks/<account>?key=` with that text. Without it Kaskad asks what became of "
        "each message, but learns of no answers.",
    )
    capabilities = Capabilities(
        receipts=frozenset({Kind.SENT, Kind.DELIVERED, Kind.FAILED, Kind.EXPIRED, Kind.REPLIED}),
        reactions=frozenset({Reaction.DELIVERED, Reaction.REPLIED}),
        look_ups=(2 * MINUTE_MS, 15 * MINUTE_MS, 120 * MINUTE_MS, 1440 * MINUTE_MS),
        concurrency=5,
        per_second=10.0,
        burst=10,
    )
    unverified = (
        "The fields of the webhook and the words of its statuses: no published source shows them. A status "
        "that is a number, as some answers of GetList have it, says nothing to us.",
        "The shapes of refusals: an object with code and message is read, at the top or in `error`.",
        "Whether a message's life can be limited: no such field is confirmed, so none is sent.",
    )

    def check(self, account: Account) -> list[str]:
        return senders.check_senders(account)

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        told = {  # `number` is who sends
            "number": exolve.digits(senders.sender_for(account, outgoing.to)),
            "destination": exolve.digits(outgoing.to),
            "text": outgoing.text,
        }
        return exolve.post(account, "messaging/v1/SendSMS", told)

    def read_response(self, response: Response) -> Accepted:
        identity = exolve.text(exolve.read(response).get("message_id"))
        if not identity:
            raise SendError(Reason.AMBIGUOUS, "the answer names no message", accepted=None)
        return Accepted(identity)  # sent: reports are a setting there, the clock must not wait

    def look_up(self, sent: Sent, account: Account, now: int) -> Request:
        identity = int(sent.provider_id) if sent.provider_id.isdecimal() else sent.provider_id
        return exolve.post(account, "messaging/v1/GetList", {"message_id": identity})

    def read_look_up(self, response: Response, sent: Sent, account: Account) -> tuple[list[Receipt], bool]:
        messages = exolve.read(response).get("messages")
        found = [
            _receipt(message, response.body)
            for message in (messages if isinstance(messages, list) else [])
            if isinstance(message, dict) and exolve.text(message.get("message_id")) == sent.provider_id
        ]
        return found, any(receipt.kind in _ENDS for receipt in found)

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        check_url_key(hook.url, account["webhook_secret"])

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        told = hook.json()
        if not isinstance(told, dict) or not exolve.text(told.get("message_id")):
            raise ValueError("the webhook names no message")
        direction = exolve.text(told.get("direction")) or exolve.text(told.get("event_id"))
        if "INCOMING" in direction.upper():
            return [_inbound(told, hook.body)]
        return [_receipt(told, hook.body)]


def _receipt(told: Mapping[str, Any], raw: bytes) -> Receipt:
    statuses = (told.get("delivery_status"), told.get("status"))
    kind = exolve.word(STATUSES, *statuses)
    name = next((word for word in map(exolve.text, statuses) if word), "")
    identity = exolve.text(told.get("message_id"))
    reason = None
    if kind is Kind.FAILED:
        reason = Reason.OTHER  # why, is not told
    elif kind is Kind.EXPIRED:
        reason = Reason.TRANSIENT  # a phone that was off: the number stays good
    return Receipt(
        kind=kind,
        event=f"{identity} {name}",
        name=name,
        provider_id=identity,
        reason=reason,
        code=name if reason else "",
        raw=raw,
    )


def _inbound(told: Mapping[str, Any], raw: bytes) -> Inbound:
    sender = exolve.digits(exolve.text(told.get("sender")))
    if not sender.isdecimal():
        raise ValueError("the message names no sender")
    return Inbound(
        channel=Channel.SMS,
        address="+" + sender,
        kind=Kind.REPLIED,
        event=exolve.text(told.get("message_id")),
        at=exolve.instant(told.get("date")),
        text=exolve.text(told.get("text")),
        raw=raw,
    )

"""Twilio Programmable Messaging: SMS. https://www.twilio.com/docs/messaging/api/message-resource

Reports come to the address given with each message. Answers come where the number, or the messaging service,
has its webhook: write `https://…/hooks/<account>` there. No report tells the price: it stands in
`GET …/Messages/<sid>.json` some time later, which is asked for (`look_ups`), and so is what a lost report
would have told.
"""

from __future__ import annotations

from typing import ClassVar

from kaskad.domain.cascade import Money
from kaskad.domain.terms import Channel, Kind, Reaction, Reason
from kaskad.providers import senders, twilio_api
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

MAX_TEXT = 1600
MAX_VALID_S = 14_400  # the spec says 36 000, error 21624 says 14 400: what is more may be refused

STATUSES: dict[str, Kind | None] = {  # MessageStatus: every documented value; None changes nothing
    "accepted": None,
    "scheduled": None,
    "queued": None,
    "sending": None,
    "sent": Kind.SENT,
    "delivered": Kind.DELIVERED,
    "partially_delivered": Kind.DELIVERED,
    "read": Kind.READ,  # WhatsApp and RCS; never a plain SMS
    "undelivered": Kind.FAILED,
    "failed": Kind.FAILED,
    "canceled": Kind.FAILED,
    "receiving": None,  # of what people send
    "received": None,
}
_ENDS = (Kind.DELIVERED, Kind.READ, Kind.FAILED, Kind.EXPIRED)
EXPIRED = "30036"  # ValidityPeriod has passed in Twilio's queue
ERRORS: dict[
    str, Reason
] = {  # https://www.twilio.com/docs/api/errors: of the request, or ErrorCode of a report
    **twilio_api.ERRORS,
    "14107": Reason.RATE_LIMITED,  # too fast
    "21408": Reason.WINDOW,  # no permission for the country: other numbers can be reached
    "21601": Reason.AUTH,  # the sender cannot send SMS
    "21602": Reason.CONTENT,  # no text
    "21603": Reason.AUTH,  # no sender
    "21604": Reason.INVALID_ADDRESS,  # no To
    "21605": Reason.CONTENT,  # the text is too long
    "21606": Reason.AUTH,  # the sender is not the account's, or cannot send SMS
    "21608": Reason.AUTH,  # a trial account writes to verified numbers only
    "21609": Reason.AUTH,  # the address of the reports
    "21610": Reason.OPTED_OUT,  # has answered STOP
    "21611": Reason.RATE_LIMITED,  # the sender's queue is full
    "21612": Reason.WINDOW,  # this sender cannot reach that number
    "21614": Reason.INVALID_ADDRESS,  # no mobile number
    "21617": Reason.CONTENT,  # the text is too long
    "21618": Reason.CONTENT,  # the text cannot be sent
    "21619": Reason.CONTENT,  # neither text nor medium
    "21624": Reason.CONTENT,  # ValidityPeriod
    "21703": Reason.AUTH,  # the messaging service has no sender
    "21704": Reason.AUTH,
    "30001": Reason.RATE_LIMITED,  # queue overflow
    "30002": Reason.AUTH,  # the account is suspended
    "30003": Reason.TRANSIENT,  # the phone is off or out of the network: the number stays good
    "30004": Reason.WINDOW,  # blocked
    "30005": Reason.INVALID_ADDRESS,  # unknown
    "30006": Reason.INVALID_ADDRESS,  # a landline, or a carrier that cannot be reached
    "30007": Reason.CONTENT,  # filtered as unwanted
    "30008": Reason.TRANSIENT,  # unknown
    "30009": Reason.TRANSIENT,  # a part is missing
    "30010": Reason.TRANSIENT,  # the price was too high
    "30034": Reason.AUTH,  # the number is not registered (A2P 10DLC)
    EXPIRED: Reason.TRANSIENT,
}


class Twilio(Provider):
    """SMS through Twilio, by a number of yours or a messaging service."""

    name = "twilio"
    title = "Twilio SMS"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.SMS})
    settings = (
        *twilio_api.SETTINGS,
        Setting("sender", required=False, help=f"A number of yours there, +1…, or a name. {senders.HELP}"),
        Setting("messaging_service_sid", required=False, help="MG…: Twilio chooses the sender among its own"),
        Setting("base_url", default=twilio_api.BASE_URL),
    )
    connect = (
        "Take the account's SID and primary auth token, and a number or a registered name that sends SMS, "
        "or the SID of a messaging service.",
        "Kaskad's `base_url` should be an address that Twilio reaches: reports come there. Without it, and "
        "for reports that are lost, Kaskad asks what became of each message.",
        "For answers write `https://…/hooks/<account>` into the number's, or the messaging service's, "
        "webhook for incoming messages there, with HTTP POST.",
        "Give the account a price in Twilio's currency: it counts until Twilio has told its own.",
    )
    judges = ("twilio",)
    capabilities = Capabilities(
        receipts=frozenset(
            {*(kind for kind in STATUSES.values() if kind), Kind.EXPIRED, Kind.REPLIED, Kind.UNSUBSCRIBED}
        ),
        reactions=frozenset({Reaction.DELIVERED, Reaction.REPLIED}),
        echoes_reference=True,
        reports_sent=True,
        look_ups=twilio_api.LOOK_UPS,
        ttl=True,
        max_text=MAX_TEXT,
        concurrency=10,
        per_second=10.0,  # each sender sends 1 to 100 a second from a queue of its own
        burst=20,
    )
    unverified = (
        "The fields of reports and of inbound messages, and the numbers of errors, are those of Twilio's "
        "documentation; no published description has them.",
        "Whether ValidityPeriod may be more than four hours: two pages differ, so longer ones are shortened.",
    )

    def check(self, account: Account) -> list[str]:
        if account["sender"] or account["messaging_service_sid"]:
            return senders.check_senders(account)
        return ["give a sender or a messaging_service_sid: without either Twilio takes no message"]

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        fields = [("To", outgoing.to), ("Body", outgoing.text)]
        if account["messaging_service_sid"]:
            fields.append(("MessagingServiceSid", account["messaging_service_sid"]))
        if sender := senders.sender_for(account, outgoing.to):
            fields.append(("From", sender))
        if outgoing.valid_for_ms:
            seconds = min(max(1, outgoing.valid_for_ms // 1000), MAX_VALID_S)
            fields.append(("ValidityPeriod", str(seconds)))
        if outgoing.status_url:
            fields.append(("StatusCallback", twilio_api.callback(outgoing, {})))
        return twilio_api.post(account, "Messages", fields)

    def read_response(self, response: Response) -> Accepted:
        return twilio_api.read_sid(response, ERRORS)

    def look_up(self, sent: Sent, account: Account, now: int) -> Request:
        return twilio_api.get(account, "Messages", sent.provider_id)

    def read_look_up(self, response: Response, sent: Sent, account: Account) -> tuple[list[Receipt], bool]:
        told = twilio_api.read(response, ERRORS)
        name, error = str(told.get("status", "")), told.get("error_code")
        code = str(error) if isinstance(error, int) and error else ""
        receipt = _receipt(sent.provider_id, name, code, "", response.body, twilio_api.read_price(told))
        known = receipt.cost is not None or receipt.kind is Kind.FAILED
        return [receipt], known and receipt.kind in _ENDS

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        twilio_api.verify(hook, account)

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        told, query = dict(twilio_api.pairs(hook)), twilio_api.query(hook)
        sid = told.get("MessageSid") or told.get("SmsSid", "")
        if not sid:
            raise ValueError("the webhook names no message")
        name = told.get("MessageStatus") or told.get("SmsStatus", "")
        if "Body" in told and name in ("", "received", "receiving"):
            return [_inbound(told, sid, hook.body)]
        reference = query.get("reference", "")
        return [_receipt(sid, name, told.get("ErrorCode", ""), reference, hook.body)]

    def answer_webhook(self, hook: Request, account: Account) -> tuple[str, bytes]:
        """Return an empty TwiML to what a person wrote: Twilio takes any text there for an answer to them."""
        return ("text/xml", b"<Response/>") if "Body" in dict(twilio_api.pairs(hook)) else ("", b"")


def _receipt(
    sid: str, name: str, code: str, reference: str, raw: bytes, cost: Money | None = None
) -> Receipt:
    kind, reason = STATUSES.get(name), None
    if kind is Kind.FAILED:
        reason = ERRORS.get(code, Reason.OTHER)
        if code == EXPIRED:
            kind = Kind.EXPIRED
    failed = kind in (Kind.FAILED, Kind.EXPIRED)
    return Receipt(
        kind=kind,
        event=f"{sid} {name}",
        name=name,
        reference=reference,
        provider_id=sid,
        reason=reason,
        code=(code or name) if failed else "",
        cost=cost,
        raw=raw,
    )


def _inbound(told: dict[str, str], sid: str, raw: bytes) -> Inbound:
    """Return what a person wrote; a stop word that Twilio knows (`OptOutType`) is one in any language."""
    stop = told.get("OptOutType", "").upper() == "STOP"
    if not told.get("From"):
        raise ValueError("the message names no sender")
    return Inbound(
        channel=Channel.SMS,
        address=told["From"],
        kind=Kind.UNSUBSCRIBED if stop else Kind.REPLIED,
        event=sid,
        text=told["Body"],
        raw=raw,
    )

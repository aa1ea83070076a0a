"""Postmark: https://postmarkapp.com/developer/api/email-api

Our reference travels in `Metadata` and comes back in reports, beside Postmark's own id. Its own tracking
is off unless the account asks for it. Webhooks are not signed: Postmark calls
`https://kaskad:<webhook_password>@…/hooks/<account>`. The inbound stream takes the same address; a
`reply_domain` that leads there makes answers name their message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Kind, Reaction, Reason
from kaskad.providers.base import (
    Accepted,
    Account,
    Capabilities,
    File,
    Inbound,
    Outgoing,
    Receipt,
    Request,
    Response,
    Setting,
    status_error,
)
from kaskad.providers.mail import (
    REPLY_TO,
    TRACKING,
    MailService,
    clicked,
    encoded,
    files_of,
    headers,
    iso_instant,
    opened,
    recipient,
    reply,
    reply_to,
    sender_of,
    spoken,
    text_of,
    words_of,
)
from kaskad.providers.mime import on_one_line
from kaskad.providers.signatures import check_password

BASE_URL = "https://api.postmarkapp.com"
REFERENCE = "kaskad"  # the key of our metadata

ERRORS: dict[int, Reason] = {  # https://postmarkapp.com/developer/api/overview#error-codes
    10: Reason.AUTH,  # bad token
    300: Reason.CONTENT,  # invalid request; where it is about To: the address
    400: Reason.AUTH,  # no such sender
    401: Reason.AUTH,  # the sender is not confirmed
    402: Reason.CONTENT,
    403: Reason.CONTENT,
    405: Reason.AUTH,  # out of credits
    # Bounced, complained or taken off by hand, it does not say which; the report on that has told it.
    406: Reason.WINDOW,
    409: Reason.CONTENT,
    410: Reason.CONTENT,
    411: Reason.CONTENT,  # a kind of file that it does not take
    412: Reason.AUTH,  # the account waits for approval
    413: Reason.AUTH,  # the account may not send
    429: Reason.RATE_LIMITED,
    1235: Reason.AUTH,  # no such stream
    1236: Reason.AUTH,
}
RECORDS: dict[str, Kind | None] = {  # RecordType of a webhook
    "Delivery": Kind.DELIVERED,
    "Bounce": Kind.BOUNCED,  # `Type` tells which
    "SpamComplaint": Kind.COMPLAINED,
    "Open": Kind.OPENED,
    "Click": Kind.CLICKED,
    "SubscriptionChange": Kind.UNSUBSCRIBED,  # `SuppressionReason` tells which
}
# `Type` of a bounce: BounceType of the official client, https://github.com/ActiveCampaign/postmark.js
BOUNCES: dict[str, tuple[Kind | None, Reason | None]] = {
    "HardBounce": (Kind.BOUNCED, Reason.INVALID_ADDRESS),
    "BadEmailAddress": (Kind.BOUNCED, Reason.INVALID_ADDRESS),
    "SoftBounce": (Kind.BOUNCED, Reason.TRANSIENT),  # given up, the address stays good
    "DnsError": (Kind.BOUNCED, Reason.TRANSIENT),
    "Transient": (Kind.SOFT_BOUNCED, Reason.TRANSIENT),  # still tried
    "Blocked": (Kind.FAILED, Reason.OTHER),  # our reputation there, not the address
    "DMARCPolicy": (Kind.FAILED, Reason.OTHER),
    "SpamNotification": (Kind.FAILED, Reason.OTHER),  # judged to be spam by the receiver's filter
    "VirusNotification": (Kind.FAILED, Reason.CONTENT),
    "SMTPApiError": (Kind.FAILED, Reason.CONTENT),
    "TemplateRenderingFailed": (Kind.FAILED, Reason.CONTENT),
    "ManuallyDeactivated": (Kind.REJECTED, Reason.WINDOW),
    "Unconfirmed": (Kind.REJECTED, Reason.OTHER),
    "SpamComplaint": (Kind.COMPLAINED, None),
    "Unsubscribe": (Kind.UNSUBSCRIBED, None),
    "Subscribe": (None, None),
    "AutoResponder": (None, None),
    "AddressChange": (None, None),
    "ChallengeVerification": (None, None),
    "OpenRelayTest": (None, None),
    "InboundError": (None, None),
    "Unknown": (None, None),
}
SUPPRESSED: dict[str, tuple[Kind, Reason | None]] = {  # SuppressionReason of a SubscriptionChange
    "ManualSuppression": (Kind.UNSUBSCRIBED, None),
    "HardBounce": (Kind.BOUNCED, Reason.INVALID_ADDRESS),
    "SpamComplaint": (Kind.COMPLAINED, None),
}
INSTANTS = ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt")


class Postmark(MailService):
    """E-mail through Postmark."""

    name = "postmark"
    title = "Postmark"
    settings = (
        Setting("server_token", secret=True, help="API token of the server"),
        Setting("sender", help="Name <name@example.org>, a confirmed signature or domain"),
        Setting("stream", required=False, default="outbound", help="A broadcast stream for advertising"),
        REPLY_TO,
        Setting("reply_domain", required=False, help="Of the inbound stream: answers name their message"),
        Setting("webhook_password", secret=True, required=False, help="In the address that webhooks call"),
        TRACKING,
        Setting("base_url", required=False, default=BASE_URL),
    )  # fmt: skip
    connect = (
        "Confirm the sender's domain, and take the API token of the server.",
        "Create webhooks of the stream, all events, to "
        "`https://kaskad:<webhook_password>@…/hooks/<account>`.",
        "For answers: the inbound stream's webhook, the same address; its domain is `reply_domain`.",
    )
    judges = ("anymail",)
    capabilities = Capabilities(
        receipts=frozenset({*(kind for kind in RECORDS.values() if kind), Kind.SOFT_BOUNCED, Kind.FAILED,
                            Kind.REJECTED, Kind.MACHINE_OPENED, Kind.MACHINE_CLICKED, Kind.REPLIED}),
        reactions=frozenset({Reaction.DELIVERED, Reaction.OPENED, Reaction.CLICKED, Reaction.REPLIED}),
        files=True,
        batch=100,  # of 500, and of 50 MB together
        concurrency=16,
        per_second=50.0,
        burst=50,
    )  # fmt: skip
    unverified = (
        "the fields of the request, the header of the token and the names of the streams",
        "the error codes beside 300 and 406: their names are published, their meaning for an account is ours",
        "that Metadata comes back in every kind of report: what lacks it is matched by MessageID",
        "that an appointment in an attachment (text/calendar; method=REQUEST) is offered to be accepted",
        "the fields of an inbound mail (OriginalRecipient, StrippedTextReply, TextBody, Headers)",
    )

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        name, address = sender_of(account)
        on = account["tracking"] == "on"
        handed = headers(outgoing, address.rpartition("@")[2])
        if "Message-ID" in handed:
            handed["X-PM-KeepID"] = "true"
        mail: dict[str, Any] = {
            "From": spoken(name, address),
            "To": spoken(outgoing.contact_name, recipient(outgoing)),
            "Subject": on_one_line(outgoing.subject),
            **{
                part: text
                for part, text in (("TextBody", outgoing.text), ("HtmlBody", outgoing.html))
                if text
            },
            "Metadata": {REFERENCE: outgoing.reference},
            "Headers": [{"Name": header, "Value": value} for header, value in handed.items()],
            "TrackOpens": on,
            "TrackLinks": "HtmlOnly" if on else "None",
            "MessageStream": account["stream"] or "outbound",
        }
        if files := files_of(outgoing, (name, address), recipient(outgoing)):
            mail["Attachments"] = [_attachment(file) for file in files]
        back_name, back = reply_to(outgoing, account)
        if back:
            mail["ReplyTo"] = spoken(back_name, back)
        asked = {"Accept": "application/json", "X-Postmark-Server-Token": account["server_token"]}
        return Request.of_json(f"{account.base_url(BASE_URL)}/email", mail, asked)

    def read_response(self, response: Response) -> Accepted:
        return _read(response.json(), response)

    def build_batch(self, requests: Sequence[Request], account: Account) -> Request:
        # https://postmarkapp.com/developer/user-guide/send-email-with-api/batch-emails
        first = requests[0]
        body = b"[" + b",".join(request.body for request in requests) + b"]"
        return Request("POST", f"{first.url}/batch", first.headers, body)

    def read_batch(self, response: Response, count: int) -> list[Accepted | SendError]:
        answers = response.json()
        if not response.ok or not isinstance(answers, list):
            _read(answers, response)
            raise SendError(Reason.AMBIGUOUS, "the answer is not that of a batch", accepted=None)
        if len(answers) != count:
            told = f"the answer tells of {len(answers)} messages, and {count} were sent"
            raise SendError(Reason.AMBIGUOUS, told, accepted=None)
        return [_fate(answer, response) for answer in answers]

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        # https://postmarkapp.com/developer/webhooks/webhooks-overview: basic authentication, no signature
        check_password(hook.headers.get("authorization", ""), account["webhook_password"])

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        told = hook.json()
        if not isinstance(told, dict):
            raise ValueError("the webhook is no object")
        if "FromFull" in told and told.get("RecordType", "Inbound") == "Inbound":
            return [_reply(told, hook.body)]
        return [_report(told, hook.body)]


def _fate(answer: object, response: Response) -> Accepted | SendError:
    try:
        return _read(answer, response)
    except SendError as error:
        return error


def _attachment(file: File) -> dict[str, str]:
    told = {"Name": file.name, "Content": encoded(file), "ContentType": file.kind}
    return {**told, "ContentID": f"cid:{file.cid}"} if file.cid else told


def _read(answer: object, response: Response) -> Accepted:
    """Return what was taken; raises SendError where it was not, or nobody can know."""
    told = answer if isinstance(answer, dict) else {}
    code, words = told.get("ErrorCode"), words_of(told.get("Message"))
    general = status_error(response, words, code=text_of(code))
    if response.ok and code == 0:
        if "will not deliver to these inactive addresses" in words:
            raise SendError(Reason.WINDOW, "the address is inactive at Postmark", code="406")
        return Accepted(text_of(told.get("MessageID")))
    if not isinstance(code, int) or code == 0 or response.status >= 500:
        raise general
    reason = ERRORS.get(code, general.reason if general.accepted is False else Reason.OTHER)
    if code == 300 and ("Invalid 'To' address" in words or "Error parsing 'To'" in words):
        reason = Reason.INVALID_ADDRESS
    raise SendError(reason, f"Postmark answered {code}: {words}", code=str(code),
                    retry_after_ms=general.retry_after_ms)  # fmt: skip


def _report(told: dict[str, Any], raw: bytes) -> Receipt:
    record, what = text_of(told.get("RecordType")), text_of(told.get("Type"))
    kind, reason = RECORDS.get(record), None
    stamp = next((told[name] for name in INSTANTS if told.get(name)), "")
    match kind:
        case Kind.BOUNCED:
            kind, reason = BOUNCES.get(what, (None, None))
        case Kind.OPENED:
            kind = opened(text_of(told.get("UserAgent")))
        case Kind.CLICKED:
            kind = clicked(text_of(told.get("UserAgent")))
        case Kind.UNSUBSCRIBED:
            what = text_of(told.get("SuppressionReason"))
            kind = None
            if told.get("SuppressSending") is True:  # else: subscribed again, which we ask for ourselves
                kind, reason = SUPPRESSED.get(what, (Kind.UNSUBSCRIBED, None))
    metadata = told.get("Metadata")
    return Receipt(
        kind=kind,
        event=text_of(told.get("ID")) or f"{record} {text_of(stamp)}".strip(),
        name=f"{record} {what}".strip(),
        reference=text_of(metadata.get(REFERENCE)) if isinstance(metadata, dict) else "",
        provider_id=text_of(told.get("MessageID")),
        at=iso_instant(stamp),
        reason=reason,
        code=what if reason is not None else "",
        raw=raw,
    )


def _reply(told: dict[str, Any], raw: bytes) -> Receipt:
    """Return an answer that came to the inbound stream."""
    listed = told.get("Headers")
    pairs = [
        (text_of(each.get("Name")), text_of(each.get("Value")))
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict)
    ]
    text = text_of(told.get("StrippedTextReply")) or text_of(told.get("TextBody"))
    addresses = [text_of(told.get(name)) for name in ("OriginalRecipient", "To", "Cc")]
    return reply(pairs, text, addresses, raw)

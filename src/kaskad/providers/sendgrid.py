"""Twilio SendGrid v3: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send

Our reference travels in `custom_args` and comes back, merged flat, in every event. Its own tracking is off
unless the account asks for it: Kaskad's links and pixel know people from machines.

Events: Settings > Mail settings > Event webhook, `https://…/hooks/<account>`, with Signed Event Webhook
on; its verification key is `webhook_public_key` here. Replies: an Inbound Parse host, `reply_domain` here,
with the URL `https://…/hooks/<account>?key=<inbound_secret>`.
"""

from __future__ import annotations

import json
from email import message_from_string
from email.utils import parsedate_to_datetime
from typing import Any

from kaskad.domain.errors import BadSignature, SendError
from kaskad.domain.terms import Kind, Reaction, Reason
from kaskad.providers.base import (
    UNREADABLE,
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
    decode,
    status_error,
)
from kaskad.providers.mail import (
    REPLY_TO,
    TRACKING,
    MailService,
    clicked,
    dict_of,
    encoded,
    events_in,
    files_of,
    form,
    headers,
    opened,
    recipient,
    reply,
    reply_to,
    sender_of,
    text_of,
    unix_seconds,
    words_of,
)
from kaskad.providers.mails_in import said
from kaskad.providers.mime import on_one_line
from kaskad.providers.mime_in import headers_of
from kaskad.providers.signatures import check_ecdsa, check_url_key

BASE_URL = "https://api.sendgrid.com"
REFERENCE = "kaskad"  # the name of our custom argument

# https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event; None changes nothing
EVENTS: dict[str, Kind | None] = {
    "processed": Kind.SENT,
    "deferred": Kind.SOFT_BOUNCED,  # still tried, for up to 72 h
    "delivered": Kind.DELIVERED,
    "bounce": Kind.BOUNCED,  # `type` tells which
    "dropped": Kind.REJECTED,  # `reason` tells why
    "open": Kind.OPENED,
    "click": Kind.CLICKED,
    "spamreport": Kind.COMPLAINED,
    "unsubscribe": Kind.UNSUBSCRIBED,
    "group_unsubscribe": Kind.UNSUBSCRIBED,
    "group_resubscribe": None,
}
BOUNCES = {  # `type` of a bounce
    "bounce": Reason.INVALID_ADDRESS,
    "blocked": Reason.OTHER,  # refused this time: the address stays good
    "expired": Reason.TRANSIENT,
}
DROPPED = {  # `reason` of what was not even tried, in lower case
    "bounced address": Reason.INVALID_ADDRESS,
    "invalid": Reason.INVALID_ADDRESS,
    "unsubscribed address": Reason.OPTED_OUT,
    "spam reporting address": Reason.OPTED_OUT,
    "spam content (if spam checker app enabled)": Reason.CONTENT,
    "invalid smtpapi header": Reason.CONTENT,
    "recipient list over package quota": Reason.AUTH,
}

REFUSALS = {  # by the status of the answer: specs, mail_send.json
    400: Reason.CONTENT,
    401: Reason.AUTH,
    403: Reason.AUTH,  # the sender is not verified, or the plan forbids it
    404: Reason.AUTH,
    406: Reason.AUTH,
    413: Reason.CONTENT,
    415: Reason.AUTH,
    429: Reason.RATE_LIMITED,
}


class SendGrid(MailService):
    """E-mail through Twilio SendGrid."""

    name = "sendgrid"
    title = "SendGrid"
    settings = (
        Setting("api_key", secret=True, help="With the permission Mail Send"),
        Setting("sender", help="Name <name@example.org>, of a verified domain"),
        REPLY_TO,
        Setting("reply_domain", required=False, help="A host of Inbound Parse: answers name their message"),
        Setting("webhook_public_key", required=False, help="The verification key of the signed webhook"),
        Setting("inbound_secret", secret=True, required=False, help="`key` in Inbound Parse's URL"),
        TRACKING,
        Setting("base_url", required=False, default=BASE_URL, help="https://api.eu.sendgrid.com for the EU"),
    )  # fmt: skip
    connect = (
        "Verify the sender's domain, and create an API key with the permission Mail Send.",
        "Event webhook: `https://…/hooks/<account>`, all events, Signed Event Webhook on; its "
        "verification key is `webhook_public_key`.",
        "For answers: Inbound Parse of a host, which is `reply_domain` here, to "
        "`https://…/hooks/<account>?key=<inbound_secret>`.",
    )
    judges = ("sendgrid", "anymail")
    capabilities = Capabilities(
        receipts=frozenset({*(kind for kind in EVENTS.values() if kind), Kind.MACHINE_OPENED,
                            Kind.MACHINE_CLICKED, Kind.REPLIED}),
        reactions=frozenset({Reaction.DELIVERED, Reaction.OPENED, Reaction.CLICKED, Reaction.REPLIED}),
        echoes_reference=True,
        files=True,
        concurrency=16,
        per_second=100.0,
        burst=100,
    )  # fmt: skip
    unverified = (
        "the header X-Message-Id of the answer (reports are matched by our own reference)",
        "the EU address",
        "that Message-ID is handed through: answers are matched by their address where `reply_domain` is set",
        "that an appointment in an attachment (text/calendar; method=REQUEST) is offered to be accepted",
        "the words of `dropped` beside Bounced Address, Invalid and Unsubscribed Address",
    )

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        name, address = sender_of(account)
        to = _person(outgoing.contact_name, recipient(outgoing))
        parts = [("text/plain", outgoing.text), ("text/html", outgoing.html)]
        on = account["tracking"] == "on"
        mail: dict[str, Any] = {
            "personalizations": [{"to": [to], "custom_args": {REFERENCE: outgoing.reference}}],
            "from": _person(name, address),
            "subject": on_one_line(outgoing.subject),
            "content": [{"type": kind, "value": text} for kind, text in parts if text],
            "headers": headers(outgoing, address.rpartition("@")[2]),
            "tracking_settings": {
                "click_tracking": {"enable": on, "enable_text": False},
                "open_tracking": {"enable": on},
                "subscription_tracking": {"enable": False},
            },
        }
        if files := files_of(outgoing, (name, address), to["email"]):
            mail["attachments"] = [_attachment(file) for file in files]
        back_name, back = reply_to(outgoing, account)
        if back:
            mail["reply_to"] = _person(back_name, back)
        return Request.of_json(
            f"{account.base_url(BASE_URL)}/v3/mail/send",
            mail,
            {"Authorization": f"Bearer {account['api_key']}"},
        )

    def read_response(self, response: Response) -> Accepted:
        if response.ok:  # 202 without a body
            return Accepted(response.headers.get("x-message-id", ""))
        general = status_error(response)
        if general.accepted is None:
            raise general
        fields, words = _faults(response)
        reason = REFUSALS.get(response.status, general.reason)
        if response.status == 400 and fields.startswith("personalizations.0.to"):
            reason = Reason.INVALID_ADDRESS
        detail = f"HTTP {response.status}" + (f": {words}" if words else "")
        wait_ms = general.retry_after_ms
        if reason is Reason.RATE_LIMITED and wait_ms is None:
            wait_ms = _reset_ms(response)
        raise SendError(reason, detail, retry_after_ms=wait_ms)

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        if _is_inbound(hook):  # not signed
            check_url_key(hook.url, account["inbound_secret"])
            return
        # https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
        # A delivery is repeated for a day with the same stamp: its age proves nothing, events count once.
        stamp = hook.headers.get("x-twilio-email-event-webhook-timestamp", "")
        given = hook.headers.get("x-twilio-email-event-webhook-signature", "")
        if not given:
            raise BadSignature("the webhook is not signed: switch Signed Event Webhook on")
        check_ecdsa(account["webhook_public_key"], stamp.encode("latin-1") + hook.body, given)

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        if _is_inbound(hook):
            return [_reply(hook)]
        return [_event(raw) for raw in events_in(hook.body)]


def _faults(response: Response) -> tuple[str, str]:
    """Return the fields that a refusal is about, and its words."""
    try:
        errors = decode(response.body)["errors"]
        fields = ", ".join(text_of(error.get("field")) for error in errors)
        return fields, words_of(" ".join(text_of(error.get("message")) for error in errors))
    except (ValueError, LookupError, TypeError, AttributeError):
        return "", ""


def _reset_ms(response: Response) -> int | None:
    """Return how long the limit holds: its end against the answer's own `Date`, None where untold."""
    try:
        now_s = parsedate_to_datetime(response.headers["date"]).timestamp()
        return max(0, min(round(int(response.headers["x-ratelimit-reset"]) - now_s), 86_400)) * 1000
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def _attachment(file: File) -> dict[str, str]:
    told = {"content": encoded(file), "type": file.kind, "filename": file.name}
    return {**told, "disposition": "inline", "content_id": file.cid} if file.cid else told


def _person(name: str, address: str) -> dict[str, str]:
    name = on_one_line(name)
    return {"email": address, "name": name} if name else {"email": address}


def _event(raw: bytes) -> Receipt:
    told = dict_of(decode(raw))
    if not told:  # one that we cannot read must not keep the others from us
        return Receipt(kind=None, name=UNREADABLE, raw=raw)
    name = text_of(told.get("event"))
    kind, reason, code = EVENTS.get(name), None, ""
    if kind is Kind.BOUNCED:
        reason = BOUNCES.get(text_of(told.get("type")), Reason.OTHER)
        code = text_of(told.get("status"))
    elif kind is Kind.REJECTED:
        code = text_of(told.get("reason"))[:60]
        reason = DROPPED.get(code.lower(), Reason.OTHER)
    elif kind is Kind.OPENED:
        machine = told.get("sg_machine_open") is True  # Apple's, which opens all
        kind = Kind.MACHINE_OPENED if machine else opened(text_of(told.get("useragent")))
    elif kind is Kind.CLICKED:
        kind = clicked(text_of(told.get("useragent")))
    return Receipt(
        kind=kind,
        event=text_of(told.get("sg_event_id")),
        name=name,
        reference=text_of(told.get(REFERENCE)),
        provider_id=text_of(told.get("sg_message_id")).partition(".filter")[0],
        at=unix_seconds(told.get("timestamp")),
        reason=reason,
        code=code,
        raw=raw,
    )


def _is_inbound(hook: Request) -> bool:
    return hook.headers.get("content-type", "").lower().startswith("multipart/form-data")


def _reply(hook: Request) -> Receipt:
    """Return an answer, from its parsed fields or, where Inbound Parse sends raw mails, from the mail."""
    fields = form(hook)
    if "email" in fields:
        mail = message_from_string(fields["email"].decode("latin-1"))
        text = said(mail)
    elif "headers" in fields:
        mail = headers_of(fields["headers"].decode("utf-8", "replace"))
        text = fields.get("text", b"").decode(_charset(fields, "text"), "replace")
    else:
        raise ValueError("the mail has neither `headers` nor `email`")
    told = [(name, str(value)) for name, value in mail.items()]
    return reply(told, text, _addresses(fields), hook.body)


def _charset(fields: dict[str, bytes], name: str) -> str:
    try:
        charset = str(json.loads(fields.get("charsets", b"{}"))[name])
        "".encode(charset)
    except (ValueError, LookupError, TypeError):
        return "utf-8"
    return charset


def _addresses(fields: dict[str, bytes]) -> list[str]:
    """Return whom the mail came for, by its envelope."""
    try:
        envelope = json.loads(fields.get("envelope", b"{}"))
        return [str(address) for address in envelope.get("to", ())]
    except (ValueError, AttributeError, TypeError):
        return []

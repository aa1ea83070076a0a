"""Mailgun: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages

Our reference travels as the variable `kaskad` and comes back in `user-variables`. Its own tracking is off
unless the account asks for it. Events: a webhook for each event at `https://…/hooks/<account>`. Replies: a
route with `forward("https://…/hooks/<account>")` for the mail of `reply_domain`. One key signs both.
"""

from __future__ import annotations

import re
from typing import Any

from kaskad.domain.errors import BadSignature, SendError
from kaskad.domain.terms import Kind, Reaction, Reason
from kaskad.providers.base import (
    Accepted,
    Account,
    Capabilities,
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
    answer_of,
    clicked,
    dict_of,
    files_of,
    form,
    headers,
    opened,
    recipient,
    reply,
    reply_to,
    sender_of,
    spoken,
    taken,
    text_of,
    unix_seconds,
    words_of,
)
from kaskad.providers.mime import on_one_line
from kaskad.providers.signatures import check_hmac
from kaskad.providers.smtp import reason_of

BASE_URL = "https://api.mailgun.net"
REFERENCE = "kaskad"  # the name of our variable
WITHIN_MIN = (5, 24 * 60)  # what `o:deliver-within` takes
# The signature covers a stamp and a token, not the body, so an old one must not be believed for ever. A
# webhook is repeated for 8 h, and it is not documented whether under a new stamp.
MAX_AGE_MS = 9 * 3_600_000

# https://documentation.mailgun.com/docs/mailgun/user-manual/events/events; None changes nothing
EVENTS: dict[str, Kind | None] = {
    "accepted": Kind.SENT,
    "rejected": Kind.REJECTED,
    "delivered": Kind.DELIVERED,
    "failed": Kind.FAILED,  # `severity` and `reason` tell which
    "opened": Kind.OPENED,
    "clicked": Kind.CLICKED,
    "unsubscribed": Kind.UNSUBSCRIBED,
    "complained": Kind.COMPLAINED,
    "stored": None,  # of mails that come in
    "email_validation": None,
    "list_member_uploaded": None,
    "list_member_upload_error": None,
    "list_uploaded": None,
}
FAILURES: dict[str, tuple[Kind, Reason | None]] = {  # `reason` of a permanent failure; None: its code tells
    "bounce": (Kind.BOUNCED, Reason.INVALID_ADDRESS),
    "suppress-bounce": (Kind.REJECTED, Reason.INVALID_ADDRESS),
    "suppress-unsubscribe": (Kind.REJECTED, Reason.OPTED_OUT),
    "suppress-complaint": (Kind.REJECTED, Reason.OPTED_OUT),
    "espblock": (Kind.FAILED, Reason.OTHER),  # our reputation there, not the address
    "old": (Kind.FAILED, Reason.TRANSIENT),  # tried for too long
    "generic": (Kind.FAILED, None),
}
_WAIT = re.compile(r"try again after (\d{1,6}) seconds")
_ENHANCED = re.compile(r"\A\D{0,20}([245]\.\d{1,3}\.\d{1,3})\b")


class Mailgun(MailService):
    """E-mail through Mailgun."""

    name = "mailgun"
    title = "Mailgun"
    settings = (
        Setting("api_key", secret=True, help="A sending key of the domain, or the account's"),
        Setting("domain", help="The sending domain, such as mg.example.org"),
        Setting("sender", help="Name <name@example.org>"),
        REPLY_TO,
        Setting("reply_domain", required=False, help="Its mail comes by a route: answers name a message"),
        Setting("signing_key", secret=True, required=False, help="HTTP webhook signing key"),
        TRACKING,
        Setting("base_url", required=False, default=BASE_URL, help="https://api.eu.mailgun.net in the EU"),
    )  # fmt: skip
    connect = (
        "Verify the sending domain; take a sending key, and the HTTP webhook signing key as `signing_key`.",
        "Create a webhook for each event to `https://…/hooks/<account>`.",
        "For answers: a route that forwards the mail of `reply_domain` to the same address.",
    )
    judges = ("anymail",)
    capabilities = Capabilities(
        receipts=frozenset({*(kind for kind in EVENTS.values() if kind), Kind.BOUNCED, Kind.SOFT_BOUNCED,
                            Kind.MACHINE_OPENED, Kind.MACHINE_CLICKED, Kind.REPLIED}),
        reactions=frozenset({Reaction.DELIVERED, Reaction.OPENED, Reaction.CLICKED, Reaction.REPLIED}),
        echoes_reference=True,
        files=True,
        ttl=True,
        concurrency=16,
        per_second=100.0,
        burst=100,
    )  # fmt: skip
    unverified = (
        "the user name `api` of the API key, and what 403, 404 and 413 mean",
        "that a webhook repeated later carries a new stamp: what is up to 9 hours old is believed",
        "that an appointment in an attachment (text/calendar; method=REQUEST) is offered to be accepted",
        "the words of `reason` beside bounce, suppress-bounce and generic",
        "the fields of a route's forward (stripped-text, body-plain, message-headers, recipient)",
    )

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        name, address = sender_of(account)
        on = "yes" if account["tracking"] == "on" else "no"
        fields = [
            ("from", spoken(name, address)),
            ("to", spoken(outgoing.contact_name, recipient(outgoing))),
            ("subject", on_one_line(outgoing.subject)),
            *((part, text) for part, text in (("text", outgoing.text), ("html", outgoing.html)) if text),
            (f"v:{REFERENCE}", outgoing.reference),
            ("o:tracking", on),
            ("o:tracking-clicks", on),
            ("o:tracking-opens", on),
        ]
        files = [
            ("inline" if file.cid else "attachment", file.cid or file.name, file.kind, file.content)
            for file in files_of(outgoing, (name, address), recipient(outgoing))
        ]
        back_name, back = reply_to(outgoing, account)
        if back:
            fields.append(("h:Reply-To", spoken(back_name, back)))
        handed = headers(outgoing, address.rpartition("@")[2])
        fields += [(f"h:{header}", value) for header, value in handed.items()]
        if 0 < outgoing.valid_for_ms <= WITHIN_MIN[1] * 60_000:
            minutes = max(WITHIN_MIN[0], outgoing.valid_for_ms // 60_000)
            fields.append(("o:deliver-within", f"{minutes // 60}h{minutes % 60}m"))
        return Request.multipart(
            f"{account.base_url(BASE_URL)}/v3/{account['domain']}/messages",
            fields,
            files,
            basic=("api", account["api_key"]),
        )

    def read_response(self, response: Response) -> Accepted:
        told = answer_of(response)
        if response.ok:
            return taken(_bare(told.get("id")))
        words = words_of(told.get("message"))
        general = status_error(response, words)
        if general.accepted is None:
            raise general
        reason = Reason.AUTH if response.status == 404 else general.reason
        if response.status == 400 and "to parameter is not a valid address" in words:
            reason = Reason.INVALID_ADDRESS
        wait_ms = general.retry_after_ms
        if wait_ms is None and (wait := _WAIT.search(words)):
            wait_ms = min(int(wait[1]), 86_400) * 1000
        raise SendError(reason, general.detail, retry_after_ms=wait_ms)

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        # https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
        told = _signature(hook)
        stamp, token = text_of(told.get("timestamp")), text_of(told.get("token"))
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 12 and token):
            raise BadSignature("the webhook brings no timestamp and token")
        check_hmac(
            "sha256", account["signing_key"], (stamp + token).encode(), [text_of(told.get("signature"))]
        )
        if abs(now - int(stamp) * 1000) > MAX_AGE_MS:
            raise BadSignature("the signature is more than 9 hours old, or a clock is wrong")

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        if not _is_json(hook):
            return [_reply(hook)]
        told = hook.json()
        event = told.get("event-data") if isinstance(told, dict) else None
        if not isinstance(event, dict):
            raise ValueError("the webhook has no event-data")
        return [_event(event, hook.body)]


def _is_json(hook: Request) -> bool:
    return "form" not in hook.headers.get("content-type", "application/json").lower()


def _signature(hook: Request) -> dict[str, Any]:
    if not _is_json(hook):
        return {name: value.decode("utf-8", "replace") for name, value in form(hook).items()}
    told = hook.json()
    found = told.get("signature") if isinstance(told, dict) else None
    return found if isinstance(found, dict) else {}


def _event(event: dict[str, Any], raw: bytes) -> Receipt:
    name = text_of(event.get("event"))
    kind, reason, code = EVENTS.get(name), None, ""
    status = dict_of(event.get("delivery-status"))
    agent = text_of(dict_of(event.get("client-info")).get("user-agent"))
    match kind:
        case Kind.FAILED:
            code = text_of(status.get("code"))
            kind, reason = _failure(event, text_of(status.get("message")))
        case Kind.REJECTED:
            reason = Reason.OTHER
        case Kind.OPENED:
            kind = opened(agent)
        case Kind.CLICKED:
            kind = clicked(agent)
    return Receipt(
        kind=kind,
        event=text_of(event.get("id")),
        name=name,
        reference=text_of(dict_of(event.get("user-variables")).get(REFERENCE)),
        provider_id=_bare(dict_of(dict_of(event.get("message")).get("headers")).get("message-id")),
        at=unix_seconds(event.get("timestamp")),
        reason=reason,
        code=code,
        raw=raw,
    )


def _failure(event: dict[str, Any], words: str) -> tuple[Kind, Reason]:
    if event.get("severity") == "temporary":
        return Kind.SOFT_BOUNCED, Reason.TRANSIENT  # it still tries
    kind, reason = FAILURES.get(text_of(event.get("reason")), (Kind.FAILED, None))
    if reason is None:
        found = _ENHANCED.match(words)
        reason = (reason_of(found[1]) if found else None) or Reason.OTHER
    return kind, reason


def _reply(hook: Request) -> Receipt:
    """Return an answer that a route has forwarded."""
    fields = {name: value.decode("utf-8", "replace") for name, value in form(hook).items()}
    if "message-headers" not in fields:
        raise ValueError("the form is no mail that a route forwards: it has no message-headers")
    pairs = decode(fields["message-headers"].encode())
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise ValueError("message-headers is no list of names and values")
    told = [(text_of(name), text_of(value)) for name, value in pairs]
    text = fields.get("stripped-text") or fields.get("body-plain", "")
    return reply(told, text, [fields.get("recipient", "")], hook.body)


def _bare(value: object) -> str:
    return text_of(value).removeprefix("<").removesuffix(">")

"""SendPulse, SMTP API: https://sendpulse.com/integrations/api/smtp

The API takes no headers, no reply address and no reference of ours; reports are matched by its id, complaints
and refusals by the address. Webhooks are not signed: let SendPulse call
`https://…/hooks/<account>?key=<webhook_secret>`.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Kind, Reaction, Reason
from kaskad.providers.base import (
    UNREADABLE,
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
    MailService,
    answer_of,
    clicked,
    dict_of,
    encoded,
    events_in,
    files_of,
    opened,
    recipient,
    sender_of,
    text_of,
    unix_seconds,
    words_of,
)
from kaskad.providers.mime import on_one_line
from kaskad.providers.signatures import check_url_key
from kaskad.providers.smtp import reason_of

BASE_URL = "https://api.sendpulse.com"
HOUR_MS = 3_600_000  # a token's life where the answer names none

# The words of the knowledge base and those of the newer guide differ: both are read.
# https://sendpulse.com/knowledge-base/smtp/smtp-webhooks; None changes nothing
EVENTS: dict[str, Kind | None] = {
    "new": Kind.SENT,
    "delivered": Kind.DELIVERED,
    "undelivered": Kind.FAILED,  # the server's code tells which
    "hard_bounces": Kind.BOUNCED,
    "hard_bounced": Kind.BOUNCED,
    "soft_bounces": Kind.SOFT_BOUNCED,
    "soft_bounced": Kind.SOFT_BOUNCED,
    "opened": Kind.OPENED,
    "clicked": Kind.CLICKED,
    "redirected": Kind.CLICKED,
    "spam_by_user": Kind.COMPLAINED,
    "spam": Kind.COMPLAINED,
    "unsubscribed": Kind.UNSUBSCRIBED,
    "resubscribed": None,
}
OF_THE_PERSON = (Kind.COMPLAINED, Kind.UNSUBSCRIBED)  # counts whether or not the message is known
BILLING = ("balance", "limit exceeded")  # in an error's words: nothing that waiting a minute mends


class SendPulse(MailService):
    """E-mail through SendPulse's SMTP service."""

    name = "sendpulse"
    title = "SendPulse"
    settings = (
        Setting(
            "client_id", required=False, usual=True, help="ID of the API application, with client_secret"
        ),
        Setting(
            "client_secret",
            secret=True,
            required=False,
            usual=True,
            help="Tokens are asked for and renewed with it",
        ),
        Setting("api_key", secret=True, required=False, usual=True, help="A long-lived key, instead of both"),
        Setting("sender", help="Name <name@example.org>, verified there"),
        Setting("webhook_secret", secret=True, required=False, help="`key` in the address of the webhook"),
        Setting("base_url", required=False, default=BASE_URL),
    )
    connect = (
        "Verify the sender, and create an API application: its ID and secret.",
        "Create the webhooks of the SMTP service to "
        "`https://…/hooks/<account>?key=<webhook_secret>`: nothing else protects them.",
    )
    capabilities = Capabilities(
        receipts=frozenset({*(kind for kind in EVENTS.values() if kind), Kind.MACHINE_OPENED,
                            Kind.MACHINE_CLICKED}),
        reactions=frozenset({Reaction.DELIVERED, Reaction.OPENED, Reaction.CLICKED}),
        files=True,
        concurrency=8,
        per_second=15.0,  # about 1000 a minute
        burst=15,
    )  # fmt: skip
    unverified = (
        "that `message_id` in events is the `id` of the answer: where it is not, only complaints and "
        "refusals count, by the address",
        "the field of files (attachments_binary); it names no media type: an appointment comes as a file",
        "whether a soft bounce is given up: it is read as still tried, and the step's own clock carries on",
        "an address on SendPulse's own stop list is taken and dropped in silence",
        "no header can be given: List-Unsubscribe is SendPulse's own, opens and clicks are a setting there",
    )

    def needs_token(self, account: Account) -> bool:
        return not account["api_key"]

    def auth_request(self, account: Account, now: int) -> Request:
        if not (account["client_id"] and account["client_secret"]):
            told = f"account {account.name!r} needs api_key, or client_id and client_secret"
            raise SendError(Reason.AUTH, told)
        asked = {
            "grant_type": "client_credentials",
            "client_id": account["client_id"],
            "client_secret": account["client_secret"],
        }
        return Request.of_json(f"{account.base_url(BASE_URL)}/oauth/access_token", asked)

    def read_auth(self, response: Response) -> tuple[str, int]:
        answer = dict_of(response.json()) if response.ok else {}
        token = text_of(answer.get("access_token"))
        if not token:
            raise status_error(response)
        life_s = answer.get("expires_in")
        return token, life_s * 1000 if isinstance(life_s, int) and life_s > 0 else HOUR_MS

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        name, address = sender_of(account)
        mail: dict[str, Any] = {
            "subject": on_one_line(outgoing.subject),
            "from": {"name": name, "email": address},
            "to": [{"name": on_one_line(outgoing.contact_name), "email": recipient(outgoing)}],
            "auto_plain_text": False,
        }
        if outgoing.text:
            mail["text"] = outgoing.text
        if outgoing.html:
            mail["html"] = b64encode(outgoing.html.encode()).decode()
        if files := files_of(outgoing, (name, address), recipient(outgoing)):
            if any(file.cid for file in files):
                raise SendError(Reason.CONTENT, "SendPulse takes no pictures inside a mail: link to them")
            mail["attachments_binary"] = {file.name: encoded(file) for file in files}
        request = Request.of_json(f"{account.base_url(BASE_URL)}/smtp/emails", {"email": mail})
        return self.authorize(request, account["api_key"]) if account["api_key"] else request

    def read_response(self, response: Response) -> Accepted:
        answer = answer_of(response)
        if response.ok and answer.get("result") is True:
            return Accepted(text_of(answer.get("id")))
        code, words = text_of(answer.get("error_code")), words_of(answer.get("message"))
        general = status_error(response, words, code=code)
        refused = answer.get("result") is False or answer.get("is_error") is True
        if response.status >= 500 or (response.ok and not refused):
            raise general
        reason = general.reason if general.accepted is False else Reason.CONTENT
        if any(word in words.lower() for word in BILLING):
            reason = Reason.AUTH
        raise SendError(reason, general.detail, code=code, retry_after_ms=general.retry_after_ms)

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        check_url_key(hook.url, account["webhook_secret"])

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        return [_event(raw) for raw in events_in(hook.body)]


def _event(raw: bytes) -> Receipt | Inbound:
    told = dict_of(decode(raw))
    if not told:
        return Receipt(kind=None, name=UNREADABLE, raw=raw)
    name, stamp = text_of(told.get("event")), told.get("timestamp")
    kind, reason, code = EVENTS.get(name), None, ""
    address = text_of(told.get("recipient")) or text_of(told.get("email"))
    at = unix_seconds(int(stamp) if isinstance(stamp, str) and _whole(stamp) else stamp)
    identity = text_of(told.get("message_id"))
    event = f"{identity} {name} {text_of(stamp)}"
    if kind in OF_THE_PERSON and kind is not None and address:
        return Inbound(channel=Channel.EMAIL, address=address.lower(), kind=kind, event=event, at=at, raw=raw)
    match kind:
        case Kind.FAILED | Kind.BOUNCED | Kind.SOFT_BOUNCED:
            kind, reason, code = _failure(kind, told)
        case Kind.OPENED:
            kind = opened(text_of(told.get("user_agent")))
        case Kind.CLICKED:
            kind = clicked(text_of(told.get("user_agent")))
    return Receipt(
        kind=kind, event=event, name=name, provider_id=identity, at=at, reason=reason, code=code, raw=raw
    )


def _failure(kind: Kind, told: dict[str, Any]) -> tuple[Kind, Reason, str]:
    """Return what a bounce is; of `undelivered` the server's code tells."""
    basic = text_of(told.get("smtp_server_response_code"))
    code = text_of(told.get("smtp_server_response_subcode")) or basic
    if kind is Kind.FAILED and basic[:1] in ("4", "5"):
        kind = Kind.BOUNCED if basic.startswith("5") else Kind.SOFT_BOUNCED
    if kind is Kind.SOFT_BOUNCED:
        return kind, Reason.TRANSIENT, code
    known = reason_of(code) if _whole(code.replace(".", "")) else None
    return kind, known or (Reason.INVALID_ADDRESS if kind is Kind.BOUNCED else Reason.OTHER), code


def _whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 12

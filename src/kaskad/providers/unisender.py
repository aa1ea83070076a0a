"""Unisender, the classic API: https://www.unisender.com/ru/support/api/messages/sendemail/

For accounts without Unisender Go, and for single letters only: 60 a minute, and one a minute to one address.
It takes no reference of ours: reports are matched by its id. Events: `setHook` for `email_status`, at
`https://…/hooks/<account>`.
"""

from __future__ import annotations

from html import escape
from typing import Any

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Kind, Reaction, Reason
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
    encode,
    status_error,
)
from kaskad.providers.mail import (
    MailService,
    dict_of,
    recipient,
    sender_of,
    taken,
    text_of,
    words_of,
)
from kaskad.providers.mime import on_one_line
from kaskad.providers.unisender_go import DELIVERY, check_auth, events_of, utc_instant

BASE_URL = "https://api.unisender.com/ru/api"
MINUTE_MS = 60_000

ERRORS: dict[str, Reason] = {  # `code`, of the whole call or of the address; all come with HTTP 200
    "unspecified": Reason.OTHER,
    "retry_later": Reason.TRANSIENT,
    "api_call_limit_exceeded_for_api_key": Reason.RATE_LIMITED,
    "api_call_limit_exceeded_for_ip": Reason.RATE_LIMITED,
    "invalid_api_key": Reason.AUTH,
    "access_denied": Reason.AUTH,
    "not_enough_money": Reason.AUTH,
    "unknown_method": Reason.AUTH,
    "invalid_arg": Reason.CONTENT,
    "unsubscribed_globally": Reason.OPTED_OUT,
    "has_been_unsubscribed": Reason.OPTED_OUT,
    "dst_unreachable": Reason.INVALID_ADDRESS,
}
# `status` of email_status: https://www.unisender.com/ru/support/api/messages/check-email/; the list is open
STATUSES: dict[str, Kind | None] = {
    "not_sent": None,
    "ok_sent": Kind.SENT,
    "ok_delivered": Kind.DELIVERED,
    "ok_read": Kind.OPENED,
    "ok_link_visited": Kind.CLICKED,
    "ok_spam_folder": Kind.DELIVERED,
    "ok_fbl": Kind.COMPLAINED,
    "ok_unsubscribed": Kind.UNSUBSCRIBED,
    "ok_resubscribed": None,
    "err_will_retry": Kind.SOFT_BOUNCED,
    "err_resend": Kind.SOFT_BOUNCED,
    "err_retry_letter": Kind.SOFT_BOUNCED,
}
OF_THE_PERSON = (Kind.COMPLAINED, Kind.UNSUBSCRIBED)  # counts whether or not the message is known


class Unisender(MailService):
    """E-mail through the classic Unisender API; Unisender Go is the better way."""

    name = "unisender"
    title = "Unisender (classic)"
    settings = (
        Setting("api_key", secret=True, help="It signs the events too"),
        Setting("sender", help="Name <name@example.org>, confirmed there"),
        Setting("list_id", help="The list whose unsubscribing counts for these letters"),
        Setting("base_url", required=False, default=BASE_URL),
    )
    connect = (
        "Confirm the sender, create a list, and take the API key.",
        "Call `setHook` for `email_status` with `https://…/hooks/<account>`.",
    )
    capabilities = Capabilities(
        receipts=frozenset({*(kind for kind in STATUSES.values() if kind), Kind.BOUNCED, Kind.FAILED,
                            Kind.REJECTED}),
        reactions=frozenset({Reaction.DELIVERED, Reaction.OPENED, Reaction.CLICKED}),
        concurrency=1,
        per_second=1.0,  # 60 calls a minute
        burst=1,
    )  # fmt: skip
    unverified = (
        "the parameters of sendEmail that its page does not name, the shape of the answer, the errors' codes",
        "the shape of webhooks and the name of the message's id in them (email_id)",
        "that the webhook is signed as Unisender Go signs its own",
        "no header can be given: List-Unsubscribe is Unisender's own",
    )

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        name, address = sender_of(account)
        body = outgoing.html or f"<p>{escape(outgoing.text)}</p>".replace("\n", "<br>\n")
        fields = {
            "format": "json",
            "api_key": account["api_key"],  # in the body: an address is kept in logs
            "email": recipient(outgoing),
            "sender_name": name or address,
            "sender_email": address,
            "subject": on_one_line(outgoing.subject),
            "body": body,
            "list_id": account["list_id"],
            "track_read": "0",
            "track_links": "0",
            "error_checking": "1",
        }
        if outgoing.language[:2] in ("ru", "en"):
            fields["lang"] = outgoing.language[:2]
        return Request.form("POST", f"{account.base_url(BASE_URL)}/sendEmail", fields)

    def read_response(self, response: Response) -> Accepted:
        if not response.ok:
            raise status_error(response)
        answer = dict_of(response.json())
        if "error" in answer:
            raise _refusal(text_of(answer.get("code")), answer.get("error"))
        result = answer.get("result")
        first = dict_of(result[0] if isinstance(result, list) and result else result)
        errors = first.get("errors")
        if isinstance(errors, list) and errors:
            error = dict_of(errors[0])
            raise _refusal(text_of(error.get("code")), error.get("message"))
        return taken(text_of(first.get("id")) or text_of(first.get("email_id")))

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        check_auth(hook.body, account["api_key"])

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        return [_event(*pair) for pair in events_of(hook)]


def _refusal(code: str, words: object) -> SendError:
    reason = ERRORS.get(code, Reason.OTHER)
    wait_ms = MINUTE_MS if reason is Reason.RATE_LIMITED else None
    return SendError(
        reason, f"Unisender answered {code}: {words_of(words)}", code=code, retry_after_ms=wait_ms
    )


def _event(name: str, told: dict[str, Any]) -> Receipt | Inbound:
    status, raw = text_of(told.get("status")), encode(told)
    if name != "email_status":
        return Receipt(kind=None, name=name, raw=raw)
    stamp, identity = text_of(told.get("event_time")), text_of(told.get("email_id"))
    address, event = text_of(told.get("email")), " ".join((identity, status, stamp)).strip()
    kind, reason = STATUSES.get(status), None
    if kind in OF_THE_PERSON and kind is not None and address:
        at = utc_instant(stamp)
        return Inbound(channel=Channel.EMAIL, address=address.lower(), kind=kind, event=event, at=at, raw=raw)
    if kind is Kind.SOFT_BOUNCED:
        reason = Reason.TRANSIENT
    elif status not in STATUSES and status.startswith("err_"):
        kind, reason = DELIVERY.get(status, (Kind.FAILED, Reason.OTHER))
    return Receipt(
        kind=kind,
        event=event,
        name=status,
        provider_id=identity,
        at=utc_instant(stamp),
        reason=reason,
        code=status if reason is not None else "",
        raw=raw,
    )

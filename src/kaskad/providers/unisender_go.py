"""Unisender Go and UniOne, one API: https://godocs.unisender.ru/web-api-ref

Our reference travels in the recipient's `metadata` and comes back in every event. Its own tracking is off
unless the account asks for it. Events: `webhook/set` or the cabinet, JSON, at `https://…/hooks/<account>`.

The letters end with the service's own unsubscribe footer, whose link leads to ours; once support has approved
`skip_unsubscribe`, the footer goes and our List-Unsubscribe headers are handed through.
"""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime
from email.utils import parseaddr
from hashlib import md5
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
    encode,
    status_error,
)
from kaskad.providers.mail import (
    REPLY_TO,
    MailService,
    clicked,
    dict_of,
    encoded,
    files_of,
    headers,
    opened,
    recipient,
    sender_of,
    text_of,
    words_of,
)
from kaskad.providers.mime import on_one_line

BASE_URL = "https://go1.unisender.ru/ru/transactional/api/v1"
REFERENCE = "kaskad"  # the key of our metadata
# The service's names of languages for its footer: those of ISO 639, but for two
LANGUAGES = {
    **{name: name for name in ("be", "de", "en", "es", "fr", "it", "pl", "pt", "ru")},
    "uk": "ua",
    "kk": "kz",
}

STATUSES: dict[str, Kind | None] = {  # `status` of transactional_email_status; None changes nothing
    "accepted": Kind.SENT,
    "sent": Kind.SENT,
    "delivered": Kind.DELIVERED,
    "opened": Kind.OPENED,
    "clicked": Kind.CLICKED,
    "soft_bounced": Kind.SOFT_BOUNCED,  # tried for two days
    "hard_bounced": Kind.BOUNCED,  # `delivery_status` tells why
    "spam": Kind.COMPLAINED,
    "unsubscribed": Kind.UNSUBSCRIBED,
    "subscribed": None,
}
# `delivery_status` of a hard bounce. The list is open: an unknown word is a failure, the address stays good.
DELIVERY: dict[str, tuple[Kind, Reason]] = {
    "err_user_unknown": (Kind.BOUNCED, Reason.INVALID_ADDRESS),
    "err_user_inactive": (Kind.BOUNCED, Reason.INVALID_ADDRESS),
    "err_mailbox_discarded": (Kind.BOUNCED, Reason.INVALID_ADDRESS),
    "err_domain_inactive": (Kind.BOUNCED, Reason.INVALID_ADDRESS),
    "err_unreachable": (Kind.BOUNCED, Reason.INVALID_ADDRESS),
    "err_dest_invalid": (Kind.BOUNCED, Reason.INVALID_ADDRESS),
    "err_mailbox_full": (Kind.BOUNCED, Reason.TRANSIENT),
    "err_skip_letter": (Kind.BOUNCED, Reason.TRANSIENT),  # not tried: it failed there lately
    "err_will_retry": (Kind.BOUNCED, Reason.TRANSIENT),
    "err_giveup": (Kind.BOUNCED, Reason.TRANSIENT),
    "err_destination_misconfigured": (Kind.BOUNCED, Reason.OTHER),
    "err_delivery_failed": (Kind.BOUNCED, Reason.OTHER),
    "err_spam_rejected": (Kind.FAILED, Reason.OTHER),  # our reputation there, not the address
    "err_blacklisted": (Kind.FAILED, Reason.OTHER),
    "err_spam_skipped": (Kind.FAILED, Reason.OTHER),
    "err_spam_removed": (Kind.FAILED, Reason.OTHER),
    "err_too_large": (Kind.FAILED, Reason.CONTENT),
    "err_unsubscribed": (Kind.REJECTED, Reason.OPTED_OUT),
    "err_lost": (Kind.FAILED, Reason.TRANSIENT),  # by them: another sending may arrive
    "err_internal": (Kind.FAILED, Reason.TRANSIENT),
}
REFUSED: dict[str, Reason] = {  # `failed_emails` of an answer that else is a success
    "invalid": Reason.INVALID_ADDRESS,
    "permanent_unavailable": Reason.WINDOW,  # dead, or unsubscribed everywhere: not told which
    "temporary_unavailable": Reason.WINDOW,  # for three days
    "blocked": Reason.WINDOW,
    "unsubscribed": Reason.OPTED_OUT,
    "complained": Reason.OPTED_OUT,
}
_AUTH = re.compile(rb'("auth"\s*:\s*")([0-9A-Fa-f]{32})"')


class UnisenderGo(MailService):
    """E-mail through Unisender Go or UniOne."""

    name = "unisender_go"
    title = "Unisender Go, UniOne"
    settings = (
        Setting("api_key", secret=True, help="Of the user or of the project; it signs the events too"),
        Setting("sender", help="Name <name@example.org>, of a confirmed domain"),
        REPLY_TO,
        Setting("webhook_key", secret=True, required=False, help="Where another key signs the events"),
        Setting("skip_unsubscribe", required=False, default="no", choices=("no", "yes"),
                help="yes, once support has approved it: no footer of theirs"),
        Setting("tracking", required=False, default="off", choices=("off", "on"),
                help="on: it counts opens and clicks too"),
        Setting("base_url", required=False, default=BASE_URL,
                help="Of your data centre: go2 instead of go1; https://api.unione.io/en/transactional/api/v1"),
    )  # fmt: skip
    connect = (
        "Confirm the sender's domain, and take the API key of the user or the project.",
        "Where Kaskad's address is https, it sets the webhook itself; else, or with a `webhook_key`, "
        "create one in JSON (`json_post`, not gzip) to `https://…/hooks/<account>`.",
    )
    judges = ("anymail",)
    capabilities = Capabilities(
        receipts=frozenset({*(kind for kind in STATUSES.values() if kind), Kind.FAILED, Kind.REJECTED,
                            Kind.MACHINE_OPENED, Kind.MACHINE_CLICKED}),
        reactions=frozenset({Reaction.DELIVERED, Reaction.OPENED, Reaction.CLICKED}),
        echoes_reference=True,
        files=True,
        concurrency=16,
        per_second=50.0,
        burst=50,
    )  # fmt: skip
    unverified = (
        "that List-Unsubscribe-Post is handed through with List-Unsubscribe",
        "the words of `delivery_status` beside those that UniOne describes",
        "that `name` of an inline attachment is what `cid:` in the HTML names",
        "webhooks in gzip (event_format json_post_gzip): choose json_post",
    )

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        name, address = sender_of(account)
        texts = (("html", outgoing.html), ("plaintext", outgoing.text))
        on = int(account["tracking"] == "on")
        mail: dict[str, Any] = {
            "recipients": [{"email": recipient(outgoing), "metadata": {REFERENCE: outgoing.reference}}],
            "from_email": address,
            "from_name": name,
            "subject": on_one_line(outgoing.subject),
            "body": {part: text for part, text in texts if text},
            "template_engine": "none",  # the text is final: a {{…}} in it is the author's
            "track_links": on,
            "track_read": on,
        }
        files = files_of(outgoing, (name, address), recipient(outgoing))
        for field, told in (
            ("attachments", [file for file in files if not file.cid]),
            ("inline_attachments", [file for file in files if file.cid]),
        ):
            if told:
                mail[field] = [
                    {"type": file.kind, "name": file.cid or file.name, "content": encoded(file)}
                    for file in told
                ]
        back_name, back = parseaddr(account["reply_to"])
        if back:
            mail |= {"reply_to": back, "reply_to_name": back_name}
        if language := LANGUAGES.get(outgoing.language[:2]):
            mail["global_language"] = language
        if account["skip_unsubscribe"] == "yes":
            handed = headers(outgoing, "")
            mail["skip_unsubscribe"] = 1
            mail["headers"] = {n: value for n, value in handed.items() if n.startswith("List-")}
        elif outgoing.unsubscribe_url:
            mail["options"] = {"unsubscribe_url": outgoing.unsubscribe_url}
        return _call(account, "email/send", {"message": mail})

    def read_response(self, response: Response) -> Accepted:
        answer = dict_of(response.json())
        if not response.ok or answer.get("status") != "success":
            code, words = text_of(answer.get("code")), words_of(answer.get("message"))
            raise status_error(response, words, code=code)
        if answer.get("emails"):
            return Accepted(text_of(answer.get("job_id")))
        failed = [text_of(word) for word in dict_of(answer.get("failed_emails")).values()]
        if not failed:
            raise SendError(Reason.AMBIGUOUS, "the answer names no address", accepted=None)
        reason = REFUSED.get(failed[0], Reason.OTHER)
        raise SendError(reason, f"refused: {failed[0]}", code=failed[0])

    def setup_requests(self, account: Account, webhook_url: str) -> list[Request]:
        """The address names the webhook: setting it again changes nothing."""
        if (
            not webhook_url.startswith("https://") or account["webhook_key"]
        ):  # else set by hand, in the cabinet
            return []
        hook = {
            "url": webhook_url,
            "status": "active",
            "event_format": "json_post",
            "delivery_info": 1,
            "single_event": 0,
            "max_parallel": 10,
            "events": {"email_status": list(STATUSES), "spam_block": ["*"]},
        }
        return [_call(account, "webhook/set", hook)]

    def read_setup(self, response: Response) -> None:
        answer = dict_of(response.json())
        if not response.ok or answer.get("status") != "success":
            raise status_error(response, words_of(answer.get("message")), code=text_of(answer.get("code")))

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        check_auth(hook.body, account["webhook_key"] or account["api_key"])

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        return [_event(*pair) for pair in events_of(hook)]


def _call(account: Account, method: str, value: dict[str, Any]) -> Request:
    return Request.of_json(
        f"{account.base_url(BASE_URL)}/{method}.json", value, {"X-API-KEY": account["api_key"]}
    )


def check_auth(body: bytes, key: str) -> None:
    """Raise BadSignature unless `auth` is the MD5 of the body with the key in its place.

    Over the bytes as they came: written anew, the same JSON could have other spaces.
    """
    found = _AUTH.search(body)
    if not key or found is None:
        raise BadSignature("the webhook brings no auth, or the account has no key to check it with")
    signed = body[: found.start(2)] + key.encode() + body[found.end(2) :]
    if not hmac.compare_digest(md5(signed).hexdigest().encode(), found[2].lower()):
        raise BadSignature("`auth` does not match the body")


def events_of(hook: Request) -> list[tuple[str, dict[str, Any]]]:
    """Return the events of a webhook with their names: of one in its body, or of several by user."""
    told = hook.json()
    if not isinstance(told, dict):
        raise ValueError("the webhook is no object")
    if "events_by_user" not in told:
        return [(text_of(told.get("event_name")), {n: v for n, v in told.items() if n != "auth"})]
    users = told["events_by_user"]
    if not isinstance(users, list):
        raise ValueError("events_by_user is no list")
    listed = [dict_of(user).get("events") or dict_of(user).get("Events") for user in users]
    events = [dict_of(event) for each in listed if isinstance(each, list) for event in each]
    return [(text_of(event.get("event_name")), dict_of(event.get("event_data"))) for event in events]


def _event(name: str, told: dict[str, Any]) -> Receipt:
    status = text_of(told.get("status"))
    if name != "transactional_email_status":  # such as transactional_spam_block: of nobody's message
        return Receipt(kind=None, name=name, raw=encode(told))
    kind, reason, code = STATUSES.get(status), None, ""
    info = dict_of(told.get("delivery_info"))
    agent = text_of(info.get("user_agent"))
    match kind:
        case Kind.BOUNCED:
            code = text_of(info.get("delivery_status"))
            kind, reason = DELIVERY.get(code, (Kind.FAILED, Reason.OTHER))
        case Kind.SOFT_BOUNCED:
            reason, code = Reason.TRANSIENT, text_of(info.get("delivery_status"))
        case Kind.OPENED:
            kind = opened(agent)
        case Kind.CLICKED:
            kind = clicked(agent)
    job, stamp = text_of(told.get("job_id")), text_of(told.get("event_time"))
    return Receipt(
        kind=kind,
        event=" ".join((job, status, stamp)).strip(),
        name=status,
        reference=text_of(dict_of(told.get("metadata")).get(REFERENCE)),
        provider_id=job,
        at=utc_instant(stamp),
        reason=reason,
        code=code,
        raw=encode(told),
    )


def utc_instant(text: str) -> int | None:
    """Return milliseconds of `YYYY-MM-DD hh:mm:ss`, which is UTC; None for anything else."""
    try:
        at = datetime.strptime(text, "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return None
    return round(at.replace(tzinfo=UTC).timestamp() * 1000)

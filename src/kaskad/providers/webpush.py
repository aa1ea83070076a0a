"""Web push: notifications to browsers, by RFC 8030, encrypted by RFC 8291, signed by RFC 8292 (VAPID).

There is no service to have an account with: each browser's maker runs its own, which takes what the right key
has signed. `/push/<account>` asks people for permission, on Kaskad's page or on the shop's, and our service
worker shows what comes and tells what was shown and tapped (`providers/push.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, ClassVar
from urllib.parse import urlsplit

from kaskad.domain.errors import Invalid, SendError
from kaskad.domain.subscription import BadSubscription, Subscription, is_subscription, read_subscription
from kaskad.domain.terms import Channel, Reason
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
from kaskad.providers.jwt import to_base64url
from kaskad.providers.push import (
    REACTIONS,
    RECEIPTS,
    URGENCY,
    read_report,
    report_fields,
    tap_of,
    ttl_s,
    verify_report,
)
from kaskad.providers.vapid import MAX_TEXT, authorization, encrypted, new_key, public_key

# Of the makers of browsers; a subscription is what a stranger tells us, and we must not post just anywhere.
SERVICES = (
    "googleapis.com",  # Chrome, Brave, Opera, Samsung: fcm.googleapis.com
    "push.services.mozilla.com",  # Firefox
    "push.apple.com",  # Safari
    "notify.windows.com",  # Edge
)
BUTTONS = 2  # what Chrome shows: Notification.maxActions

# https://www.rfc-editor.org/rfc/rfc8030#section-5 and #section-7.3, https://www.rfc-editor.org/rfc/rfc8292#section-4.2
REFUSALS: dict[int, Reason] = {
    # One subscription may be odd, or made under another key: that must not close the account for all.
    400: Reason.OTHER,
    401: Reason.AUTH,  # the signature is not taken
    403: Reason.OTHER,
    404: Reason.INVALID_ADDRESS,  # the subscription has expired
    410: Reason.INVALID_ADDRESS,
    413: Reason.CONTENT,
    429: Reason.RATE_LIMITED,
}


class WebPush(Provider):
    """Push notifications to browsers, without a service in between."""

    name = "webpush"
    title = "Web Push"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.PUSH})
    settings = (
        Setting("contact", help="mailto: or https: address of who is responsible: push services read it"),
        Setting("title", required=False, help="Of notifications whose step has no `subject`"),
        Setting("icon", required=False, help="Address of the picture beside the text, square"),
        Setting("page", required=False,
                help="A page of your own with our script; personal links lead there. Empty: Kaskad's page"),
        Setting("services", required=False,
                help="Push services besides those of known browsers: hosts, or http://host:port without TLS"),
        Setting("private_key", secret=True, required=False,
                help="VAPID, 32 bytes in base64url; made where left empty"),
        Setting("public_key", required=False, help="Belongs to the private key, and is made from it"),
    )  # fmt: skip
    connect = (
        "`kaskad account add NAME --provider webpush --set contact=mailto:you@example.org` makes the keys.",
        "Send people their personal link, `POST /api/v1/contacts/{contact}/opt-in-links`: it leads to "
        "`/push/<account>`. Or put the script on your own pages, as [Push](../push.md) says.",
        "Keep the account: with other keys all subscriptions are lost.",
    )
    judges = ("pywebpush", "py_vapid", "Chromium")
    capabilities = Capabilities(
        receipts=RECEIPTS,
        reactions=REACTIONS,
        echoes_reference=True,
        ttl=True,
        buttons=BUTTONS,
        media=True,
        concurrency=32,
        per_second=200.0,
        burst=200,
    )
    unverified = (
        "what the services of Google, Mozilla, Apple and Microsoft add to the standards: none was reachable",
        "that a push service answers 403 to a subscription made under another key (Mozilla's answers 401)",
        "that Edge, Firefox and Safari show buttons and pictures as Chromium does",
    )

    def check(self, account: Account) -> list[str]:
        contact, told = account["contact"], []
        if contact and not contact.startswith(("mailto:", "https://")):
            told.append("setting 'contact': write mailto:you@example.org, or an https address")
        try:
            own = public_key(account["private_key"]) if account["private_key"] else ""
        except ValueError:
            return [*told, "setting 'private_key': it is no VAPID key of 32 bytes in base64url"]
        if account["public_key"] and account["public_key"] != own:
            told.append("setting 'public_key': it does not belong to the private key; leave it out")
        return told

    def takes(self, address: str) -> bool:
        return is_subscription(address)

    def complete(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the key pair: a new one where no private key is told."""
        private = values.get("private_key") or ("" if values.get("public_key") else new_key())
        try:
            return {"private_key": private, "public_key": values.get("public_key") or public_key(private)}
        except ValueError:
            return {}  # `check` says what is wrong with it

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        to, private = subscription_of(outgoing, account), account["private_key"]
        payload = _payload(outgoing, account)
        try:
            signed = authorization(private, to.origin, account["contact"], outgoing.at)
        except ValueError as error:
            raise SendError(Reason.AUTH, f"account {account.name!r}: {error}") from None
        unique = f"{outgoing.key}\0{outgoing.reference}\0{outgoing.at}".encode()
        try:
            body = encrypted(payload, to, private, unique)
        except ValueError:
            raise SendError(Reason.INVALID_ADDRESS, "the browser's key is no point of P-256") from None
        headers = {
            "TTL": str(ttl_s(outgoing)),
            "Urgency": URGENCY[outgoing.message_class],
            "Topic": _topic(outgoing),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "Authorization": signed,
        }
        return Request("POST", to.endpoint, headers, body)

    def read_response(self, response: Response) -> Accepted:
        if response.ok:  # 201 by the standard
            return Accepted(response.headers.get("location", ""))
        general = status_error(response, response.body.decode("utf-8", "replace").strip()[:200])
        if general.accepted is None:
            raise general
        reason = REFUSALS.get(response.status, general.reason)
        raise SendError(reason, general.detail, retry_after_ms=general.retry_after_ms)

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        verify_report(hook, account["private_key"])

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        return [read_report(hook)]

    def opt_in_link(self, account: Account, token: str) -> str:
        """Return the page's address with the token behind #, where no server or log sees it."""
        page = account["page"] or f"/push/{account.name}"
        if "#" in page:
            raise Invalid([f"Account {account.name!r}: the token goes behind #, so `page` must have none."])
        return f"{page}#kaskad={token}"


def _topic(outgoing: Outgoing) -> str:
    """Return at most 32 letters of base64url: another attempt replaces the one that still waits there."""
    return to_base64url(sha256(outgoing.key.encode()).digest()[:24])


def subscription_of(outgoing: Outgoing, account: Account) -> Subscription:
    """Return where a message goes; raises SendError."""
    if not is_subscription(outgoing.to):
        told = "this is the token of an app, which an account of provider `fcm` sends to"
        raise SendError(Reason.OTHER, told)
    try:
        to = read_subscription(outgoing.to)
    except BadSubscription as problem:
        raise SendError(Reason.INVALID_ADDRESS, f"no subscription of a browser: {problem}") from None
    if not is_service(to, account):
        told = f"{to.origin} is no push service that we know: add its host to `services` if you trust it"
        raise SendError(Reason.OTHER, told)
    return to


def is_service(to: Subscription, account: Account) -> bool:
    """Return whether a subscription leads to a push service of a known browser, or of the account."""
    parts = urlsplit(to.endpoint)
    host = parts.hostname or ""
    known = any(host == service or host.endswith(f".{service}") for service in SERVICES)
    if known and parts.scheme == "https" and parts.port in (None, 443):
        return True
    own = account["services"].replace(",", " ").split()
    return to.origin in {service if "://" in service else f"https://{service}" for service in own}


def _payload(outgoing: Outgoing, account: Account) -> bytes:
    """Return what the service worker reads: `web/static/push-worker.js`."""
    text, url = tap_of(outgoing)
    told: dict[str, Any] = {
        "title": outgoing.subject or account["title"],
        "body": text,
        "url": url,
        "tag": outgoing.key,
        "icon": account["icon"],
        "image": outgoing.media[0] if outgoing.media else "",
        "language": outgoing.language,
        "buttons": [[b.text, b.url, b.reply] for b in outgoing.buttons[:BUTTONS]],
        **report_fields(outgoing, account["private_key"]),
    }
    payload = encode({name: value for name, value in told.items() if value})
    if len(payload) > MAX_TEXT:
        detail = f"the notification has {len(payload)} bytes, {MAX_TEXT} fit: shorten its text"
        raise SendError(Reason.CONTENT, detail)
    return payload

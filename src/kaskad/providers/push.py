"""What every push notification needs, through FCM or web push: where a tap leads, urgency, reports, signing.

No push service reports delivery to a server. What was shown, tapped or dismissed is known on the device
only, so its code (our service worker, or the shop's app) tells us: a POST of `{"event", "reference", "ack"}`
to `/hooks/<account>`. The `ack` came with the notification itself and is an HMAC of the reference under a
key made from the account's private key: who has it has the notification.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from kaskad.domain.errors import BadSignature
from kaskad.domain.keywords import is_stop
from kaskad.domain.terms import Kind, MessageClass, Reaction
from kaskad.providers.base import Outgoing, Receipt, Request
from kaskad.providers.signatures import check_hmac, hmac_hex

# https://www.rfc-editor.org/rfc/rfc8030#section-5.3; FCM and APNs know "high" and the rest
URGENCY: Mapping[MessageClass, str] = {
    MessageClass.EMERGENCY: "high",
    MessageClass.TRANSACTIONAL: "high",
    MessageClass.SERVICE: "normal",
    MessageClass.ADVERTISING: "low",
}
LONGEST_S = 2_419_200  # four weeks: what FCM takes, and the services of browsers keep

EVENTS: Mapping[str, Kind | None] = {  # what the device tells; None changes nothing
    "delivered": Kind.DELIVERED,  # and shown
    "clicked": Kind.CLICKED,
    "dismissed": None,
}
RECEIPTS = frozenset({Kind.DELIVERED, Kind.CLICKED, Kind.REPLIED})
REACTIONS = frozenset({Reaction.DELIVERED, Reaction.CLICKED})

_URL = re.compile(r"https?://[^\s<>\"]+")


class _Report(Struct):
    event: str
    reference: str
    ack: str
    key: str = ""  # of the button that was pressed


_decode = msgspec.json.Decoder(_Report).decode


def tap_of(outgoing: Outgoing) -> tuple[str, str]:
    """Return the text to show, and the address that a tap opens ("" for none).

    That is the first button's, else the first in the text: a text that ends with it is shown without it.
    """
    url = next((button.url for button in outgoing.buttons if button.url), "")
    if url:
        return outgoing.text, url
    found = _URL.search(outgoing.text)
    if found is None:
        return outgoing.text, ""
    text = outgoing.text.rstrip()
    return (text.removesuffix(found[0]).rstrip(" :—–-\n\t") or text), found[0]


def ttl_s(outgoing: Outgoing) -> int:
    """Return for how many seconds the service is to try, the longest where the message sets no limit."""
    if not outgoing.valid_for_ms:
        return LONGEST_S
    return max(1, min(outgoing.valid_for_ms // 1000, LONGEST_S))


def report_fields(outgoing: Outgoing, secret: str) -> dict[str, str]:
    """Return what the device needs to report; {} where receipts have no address."""
    if not outgoing.status_url:
        return {}
    return {
        "status_url": outgoing.status_url,
        "reference": outgoing.reference,
        "ack": _ack(secret, outgoing.reference),
    }


def verify_report(hook: Request, secret: str) -> None:
    """Raise BadSignature unless the report comes from where the notification went."""
    try:
        told = _decode(hook.body)
    except (ValueError, RecursionError):
        raise BadSignature("the report names no message") from None
    if not secret:
        raise BadSignature("the account has no key to check the report with")
    check_hmac("sha256", _ack_key(secret), told.reference.encode(), [told.ack])


def read_report(hook: Request) -> Receipt:
    """Return what the device tells; its clock proves nothing, so the report counts from when it comes."""
    told = _decode(hook.body)
    kind = EVENTS.get(told.event)
    stop = kind is Kind.CLICKED and is_stop(told.key)
    return Receipt(
        kind=Kind.REPLIED if stop else kind, name=told.event, reference=told.reference,
        text=told.key if stop else "", key=told.key, raw=hook.body,
    )  # fmt: skip


def _ack(secret: str, reference: str) -> str:
    return hmac_hex("sha256", _ack_key(secret), reference.encode())


def _ack_key(secret: str) -> str:
    return hmac_hex("sha256", secret, b"kaskad push report")

"""What WhatsApp, Messenger and Instagram share: Meta's Graph API, its errors, signatures and challenges.

https://developers.facebook.com/docs/graph-api/guides/error-handling
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from posixpath import splitext
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct

from kaskad.domain.errors import BadSignature, SendError
from kaskad.domain.keywords import is_stop
from kaskad.domain.terms import Kind, Reason
from kaskad.providers.base import (
    NOTHING,
    UNREADABLE,
    Account,
    Receipt,
    Request,
    Response,
    Setting,
    Told,
    status_error,
)
from kaskad.providers.signatures import check_hmac

BASE_URL = "https://graph.facebook.com"
VERSION = "v25.0"
TEXT = "text/plain"
DAY_MS = 86_400_000

APP_SECRET = Setting("app_secret", secret=True, help="Of the app at Meta: it signs webhooks")
VERIFY_TOKEN = Setting(
    "verify_token",
    secret=True,
    required=False,
    help="Any text of yours; Meta's form for webhooks asks for it",
)
GRAPH_VERSION = Setting("version", required=False, default=VERSION, help="Of the Graph API")

# https://developers.facebook.com/docs/graph-api/guides/error-handling#errorcodes: of every Graph call
GENERAL: Mapping[int, Reason] = {
    0: Reason.AUTH,
    1: Reason.TRANSIENT,
    2: Reason.TRANSIENT,
    3: Reason.AUTH,
    4: Reason.RATE_LIMITED,  # too many calls of the app
    10: Reason.AUTH,  # a permission is missing or was taken away
    33: Reason.AUTH,  # no such object, or not for this token
    100: Reason.CONTENT,
    190: Reason.AUTH,  # the token has ended
    368: Reason.AUTH,  # blocked for breaking rules
}
PERMISSIONS = range(200, 300)  # codes


MEDIA = {
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".webp", ".gif"), "image"),
    **dict.fromkeys((".mp4", ".3gp", ".mov"), "video"),
    **dict.fromkeys((".mp3", ".m4a", ".aac", ".ogg", ".amr"), "audio"),
}
_OURS = re.compile(r"([A-Za-z0-9_-]{16,60}):(.*)", re.DOTALL)
_START = re.compile(r"\s*/start\s+([A-Za-z0-9_-]{16,64})\s*", re.IGNORECASE)


class _Error(Struct):
    """https://developers.facebook.com/docs/graph-api/guides/error-handling"""

    message: str = ""
    code: int = 0
    error_subcode: int = 0
    is_transient: bool = False
    error_data: Any = None
    error_user_msg: str | None = None


class _Refused(Struct):
    error: _Error


_decode_refused = msgspec.json.Decoder(_Refused).decode


def url(account: Account, *path: str, base: str = BASE_URL) -> str:
    """Return the address of an object or edge of the Graph API; `base` is where the account names none."""
    return "/".join((account.base_url(base), account["version"] or VERSION, *path))


def bearer(account: Account) -> dict[str, str]:
    """Return the header that carries the account's access token; raises SendError where it has none."""
    token = account.required("access_token")
    return {"Authorization": f"Bearer {token}"}


def refusal(
    response: Response,
    codes: Mapping[int, Reason],
    subcodes: Mapping[int, Reason] | None = None,
    sure: frozenset[int] = frozenset(),
) -> SendError:
    """Return why a call was refused: by subcode, by code, by `is_transient`, else by the status.

    A 5xx proves nothing, except with one of the codes `sure` or with a limit that was met.
    """
    try:
        error = _decode_refused(response.body).error
    except ValueError:
        return status_error(response, "the answer is none of the Graph API")
    reason = (subcodes or {}).get(error.error_subcode) or codes.get(error.code)
    if reason is None and error.code in PERMISSIONS:
        reason = Reason.AUTH
    code = f"{error.code}/{error.error_subcode}" if error.error_subcode else str(error.code)
    general = status_error(response, code=code)
    detail = _detail(error)
    if general.accepted is None and error.code not in sure and reason is not Reason.RATE_LIMITED:
        return SendError(Reason.AMBIGUOUS, f"{general.detail}: {detail}", code=code, accepted=None)
    if reason is None:
        reason = Reason.TRANSIENT if error.is_transient else general.reason
    return SendError(reason, detail, code=code, retry_after_ms=_wait_ms(response, reason, general))


def _detail(error: _Error) -> str:
    more = error.error_data.get("details") if isinstance(error.error_data, dict) else None
    told = (error.message, more, error.error_user_msg)
    texts = dict.fromkeys(text for text in told if isinstance(text, str) and text)
    return "; ".join(texts) or "no reason given"


def _wait_ms(response: Response, reason: Reason, general: SendError) -> int | None:
    """Return how long to wait: `Retry-After`, else what the account's usage says.

    https://developers.facebook.com/docs/graph-api/overview/rate-limiting#headers-2: in minutes
    """
    if general.retry_after_ms is not None or reason is not Reason.RATE_LIMITED:
        return general.retry_after_ms
    try:
        usage = msgspec.json.decode(
            response.headers.get("x-business-use-case-usage", ""), type=dict[str, list[_Usage]]
        )
    except ValueError:
        return None
    minutes = [each.estimated_time_to_regain_access for told in usage.values() for each in told]
    wait_ms = min(int(max(minutes, default=0) * 60_000), DAY_MS)
    return wait_ms if wait_ms > 0 else None


class _Usage(Struct):
    estimated_time_to_regain_access: float = 0


def verify(hook: Request, account: Account) -> None:
    """Raise BadSignature unless the account's app signed the webhook.

    https://developers.facebook.com/docs/graph-api/webhooks/getting-started#validate-payloads
    """
    given = hook.headers.get("x-hub-signature-256", "")
    check_hmac("sha256", account["app_secret"], hook.body, [given.removeprefix("sha256=")])


def challenge(hook: Request, account: Account) -> tuple[str, bytes]:
    """Return the answer to Meta's first look at the webhook; raises BadSignature for another token.

    https://developers.facebook.com/docs/graph-api/webhooks/getting-started#verification-requests
    """
    asked = parse_qs(urlsplit(hook.url).query, keep_blank_values=True)
    if "hub.challenge" not in asked:
        return NOTHING
    token, given = account["verify_token"], asked.get("hub.verify_token", [""])[-1]
    if not token or not hmac.compare_digest(token.encode(), given.encode("utf-8", "replace")):
        raise BadSignature("hub.verify_token is not the account's verify_token")
    return TEXT, asked["hub.challenge"][-1].encode()


def payload(reference: str, number: int, reply: str, limit: int) -> str:
    """Return what a button brings back when pressed: our reference, and its answer or its place."""
    data = f"{reference}:{reply}"
    return data if len(data) <= limit else f"{reference}:#{number}"  # its place tells as much


def pressed(
    data: str, title: str, *, event: str, name: str, provider_id: str, at: int | None, raw: bytes
) -> Receipt | None:
    """Return the press of a button of ours: a click, or a reply where it answers with a word that means stop.

    None where it belongs to no message of ours.
    """
    ours = _OURS.fullmatch(data)
    key = ours[2] if ours else data
    if not ours and not provider_id:
        return None
    stop = is_stop(key)
    return Receipt(
        kind=Kind.REPLIED if stop else Kind.CLICKED,
        event=event,
        name=name,
        reference=ours[1] if ours else "",
        provider_id=provider_id,
        at=at,
        text=key if stop else title,
        key=key,
        raw=raw,
    )


def read_each(raws: Sequence[msgspec.Raw], read: Callable[[bytes], list[Told]]) -> list[Told]:
    """Return what each part of a webhook says; one that cannot be read is told as such among the others."""
    told: list[Told] = []
    for raw in raws:
        part = bytes(raw)
        try:
            told += read(part)
        except ValueError:
            told.append(Receipt(kind=None, name=UNREADABLE, raw=part))
    return told


def medium(address: str) -> str:
    """Return what a file is by the ending of its address: image, video, audio; any other is a document."""
    return MEDIA.get(splitext(urlsplit(address).path)[1].lower(), "document")


def start_token(text: str) -> str:
    """Return the token of an opt-in link in what its visitor wrote, "" where there is none."""
    found = _START.fullmatch(text)
    return found[1] if found else ""


def instant(told: object) -> int | None:
    """Return milliseconds of what stands for an instant, seconds or milliseconds as a number or a text."""
    if isinstance(told, str) and told.isascii() and told.isdigit() and len(told) < 16:
        told = int(told)
    if isinstance(told, bool) or not isinstance(told, int) or not 0 < told < 1 << 43:
        return None
    return told if told >= 100_000_000_000 else told * 1000

"""A browser's push subscription as one address: where to post, and the keys that only that browser reads.

A browser gives it as JSON (https://www.w3.org/TR/push-api/#pushsubscription-interface); it is kept as
`<endpoint>#<p256dh>.<auth>`, on one line, and so is told from the token of an app, which has no "://".
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from kaskad.domain.worded import worded

MAX_ENDPOINT = 1_500  # with its keys it has to fit into an address

_endpoint = re.compile(r"https?://[\x21\x24-\x7e]+").fullmatch  # visible ASCII but " and #
_kept = re.compile(r"([^#]+)#([A-Za-z0-9_-]{87})\.([A-Za-z0-9_-]{22})").fullmatch


class BadSubscription(ValueError):
    """What no browser gives; the text says why."""


class Subscription(Struct, frozen=True):
    """`p256dh` is the browser's public key (P-256), `auth` the secret shared with it (RFC 8291)."""

    endpoint: str
    p256dh: bytes
    auth: bytes

    @property
    def origin(self) -> str:
        """Return scheme, host and port of the push service."""
        parts = urlsplit(self.endpoint)
        return f"{parts.scheme}://{parts.netloc}"

    def __str__(self) -> str:
        return f"{self.endpoint}#{_text(self.p256dh)}.{_text(self.auth)}"


class _Keys(Struct):
    p256dh: str
    auth: str


class _Told(Struct):
    endpoint: str
    keys: _Keys


def is_subscription(address: str) -> bool:
    """Return whether an address of the channel push is a browser's, not an app's token."""
    return "://" in address[:8]


def read_subscription(text: str) -> Subscription:
    """Return what `text` is, as browsers write it or as it is kept; raises BadSubscription."""
    if text.startswith("{"):
        try:
            told = msgspec.json.decode(text, type=_Told)
        except (ValueError, RecursionError):
            raise BadSubscription(worded("it needs endpoint, and keys with p256dh and auth")) from None
        return _checked(told.endpoint, told.keys.p256dh, told.keys.auth)
    kept = _kept(text)
    if kept is None:
        raise BadSubscription(
            worded("its address is to end with #, the key p256dh, a dot and the secret auth")
        )
    return _checked(*kept.groups())


def _checked(endpoint: str, p256dh: str, auth: str) -> Subscription:
    if len(endpoint) > MAX_ENDPOINT or not _endpoint(endpoint) or not _has_host(endpoint):
        raise BadSubscription(worded("its endpoint is no web address"))
    key, secret = _bytes(p256dh), _bytes(auth)
    if len(key) != 65 or key[0] != 4:
        raise BadSubscription(worded("its p256dh is no P-256 key of 65 bytes"))
    if len(secret) != 16:
        raise BadSubscription(worded("its auth is no secret of 16 bytes"))
    return Subscription(endpoint, key, secret)


def _has_host(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        return bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        return False


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """Return the bytes of base64url; nothing for what is none."""
    try:
        return urlsafe_b64decode(text.rstrip("=").encode("ascii") + b"=" * (-len(text.rstrip("=")) % 4))
    except ValueError:
        return b""

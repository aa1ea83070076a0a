"""A shop's pages that speak with us: their public key, from where it may be used, and who a visitor is."""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from hashlib import sha256
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from msgspec import Struct

from kaskad.domain.worded import worded

PARAMETER = "ksk"  # what a followed link tells the page of its click
KEY_PREFIX = "pk_"
_origin = re.compile(r"https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?").fullmatch


class Site(Struct, frozen=True):
    """The pages of one shop. `write_key` is public, `secret` is known to the shop's server only."""

    id: int
    name: str
    write_key: str
    origins: tuple[str, ...]  # "https://shop.example.org", as browsers tell them
    secret: str
    per_minute: int  # requests that one address may make
    events: tuple[str, ...] = ()  # what its pages may tell that a visitor has done

    @property
    def webhook_secret(self) -> str:
        """Return the same secret as libraries of Standard Webhooks take it."""
        return "whsec_" + b64encode(self.secret.encode()).decode()

    def allows(self, origin: str) -> bool:
        """Return whether a page of that origin may speak under the key."""
        return origin.lower() in self.origins


def read_origin(text: str) -> str:
    """Return an origin as browsers tell it; raises ValueError."""
    told = text.strip().rstrip("/").lower()
    if not _origin(told):
        raise ValueError(
            worded("%(text)r is no origin: write it like https://shop.example.org, without a path", text=text)
        )
    for scheme, port in (("http", ":80"), ("https", ":443")):
        if told.startswith(f"{scheme}://"):
            told = told.removesuffix(port)
    return told


def identity(secret: str, external_id: str) -> str:
    """Return the signature by which a shop's server says who a visitor is: HMAC-SHA256 in hexadecimal."""
    return hmac.new(secret.encode(), external_id.encode(), sha256).hexdigest()


def is_identity(secret: str, external_id: str, signature: str) -> bool:
    """Return whether the signature is that of the shop's server for this id."""
    expected = identity(secret, external_id)
    return hmac.compare_digest(expected.encode(), signature.strip().lower().encode())


def with_token(url: str, token: str) -> str:
    """Return a link's destination with a click's token: behind "#" where that is free, else as a parameter.

    What stands behind "#" reaches no server and no `Referer`.
    """
    parts = urlsplit(url)
    if not parts.fragment:
        return urlunsplit(parts._replace(fragment=f"{PARAMETER}={token}"))
    query = [*parse_qsl(parts.query, keep_blank_values=True), (PARAMETER, token)]
    return urlunsplit(parts._replace(query=urlencode(query)))

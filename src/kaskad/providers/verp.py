"""Addresses and ids of a mail that name its message and prove that we made them.

`b+<token>.<mac>@…` takes bounces (VERP), `u+…` unsubscribes by mail, `m+…` is the Message-ID, which comes
back in replies and in the headers that bounces quote. The token is the message's reference in hexadecimal, a
long one in base 32, because some servers write local parts in small letters and none takes more than 64; the
mac is HMAC-SHA256 cut to 56 bits, over a token that is signed already.
"""

from __future__ import annotations

import hmac
import re
from base64 import b32decode, b32encode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotEncoded
from collections.abc import Iterator
from itertools import islice

BOUNCE, UNSUBSCRIBE, MESSAGE = "b", "u", "m"
HEX_BYTES = 23  # of a reference: the local part stays within its 64 letters
MAX_BYTES = 29  # in base 32
MOST = 100  # addresses looked at in one text: anybody may have written it

_MARKED = re.compile(  # starts at the +, which is looked for faster than one of several letters
    r"\+(?<=[bum]\+)(?<![a-z0-9][bum]\+)([0-9a-z]{2,47})\.([0-9a-f]{14})@", re.IGNORECASE
)


def local_part(kind: str, reference: str, secret: str) -> str | None:
    """Return what stands before the @; None for a reference that does not fit."""
    try:
        token = urlsafe_b64decode(reference + "=" * (-len(reference) % 4))
    except (NotEncoded, ValueError):
        return None
    if not 0 < len(token) <= MAX_BYTES or _reference(token) != reference:
        return None
    text = token.hex() if len(token) <= HEX_BYTES else b32encode(token).decode().rstrip("=").lower()
    return f"{kind}+{text}.{_mac(kind, token, secret)}"


def find(text: str, secret: str) -> tuple[str, str] | None:
    """Return the kind and the reference of the first address or id in `text` that we made, or None."""
    for match in islice(_MARKED.finditer(text), MOST) if secret else ():
        kind = text[match.start() - 1].lower()
        mac = match[2].lower()
        for token in _tokens(match[1]):
            if hmac.compare_digest(_mac(kind, token, secret), mac):
                return kind, _reference(token)
    return None


def _tokens(text: str) -> Iterator[bytes]:
    """Yield what the text may stand for; which of the two it is, the mac tells."""
    for decode in (bytes.fromhex, _base32):
        try:
            yield decode(text)
        except ValueError:
            continue


def _base32(text: str) -> bytes:
    return b32decode(text.upper() + "=" * (-len(text) % 8))


def _reference(token: bytes) -> str:
    return urlsafe_b64encode(token).decode().rstrip("=")


def _mac(kind: str, token: bytes, secret: str) -> str:
    return hmac.digest(secret.encode(), b"kaskad mail " + kind.encode() + token, "sha256")[:7].hex()

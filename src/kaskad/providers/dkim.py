"""DKIM signatures (RFC 6376, RFC 8463): relaxed/relaxed, RSA-SHA256 and Ed25519.

By hand, because signing is the dearest part of a mail: a key is read once, and a mail passed over twice.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Struct

# Named once more than they occur, so that nobody can add another. Both List-Unsubscribe headers must be
# covered (RFC 8058, 4).
OVERSIGNED = (
    "From", "To", "Subject", "Date", "Message-ID", "Reply-To", "MIME-Version", "Content-Type", "List-ID",
    "List-Unsubscribe", "List-Unsubscribe-Post",
)  # fmt: skip
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,250}[A-Za-z0-9])?").fullmatch
_SPACES = re.compile(rb"[ \t]+")
_TAILS = re.compile(rb" +\r\n")
_HASH = SHA256()


class BadKey(ValueError):
    """Settings that nothing can be signed with; the text says what to write."""


class Identity(Struct, frozen=True):
    """A key with the place of its public half: the TXT record of `<selector>._domainkey.<domain>`."""

    domain: str
    selector: str
    key: RSAPrivateKey | Ed25519PrivateKey

    def sign(self, data: bytes) -> bytes:
        """Return the signature of `data` by this key's algorithm."""
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(data, PKCS1v15(), _HASH)
        return self.key.sign(sha256(data).digest())

    @property
    def algorithm(self) -> str:
        return "rsa-sha256" if isinstance(self.key, RSAPrivateKey) else "ed25519-sha256"


@lru_cache(maxsize=64)
def identities(domain: str, selectors: str, pem: str) -> tuple[Identity, ...]:
    """Return the keys in a PEM text, each with its selector, in the same order; raises BadKey."""
    names, keys = selectors.replace(",", " ").split(), _PEM.findall(pem)
    if not _NAME(domain) or not all(_NAME(name) for name in names):
        raise BadKey("dkim_domain and dkim_selector are names, such as example.org and s1")
    if not keys or len(keys) != len(names):
        raise BadKey(f"dkim_key has {len(keys)} private keys in PEM, dkim_selector names {len(names)}")
    found = []
    for name, text in zip(names, keys, strict=True):
        try:
            key = load_pem_private_key(text.encode(), None)
        except (ValueError, TypeError):
            raise BadKey("dkim_key cannot be read: give a private key in PEM, without a password") from None
        if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
            raise BadKey("dkim_key is neither RSA nor Ed25519")
        if isinstance(key, RSAPrivateKey) and key.key_size < 1024:
            raise BadKey("dkim_key has under 1024 bits, which nobody believes: make one of 2048")
        found.append(Identity(domain, name, key))
    return tuple(found)


def signatures(
    headers: Sequence[tuple[str, str]], body: bytes, at: int, by: Sequence[Identity]
) -> list[tuple[str, str]]:
    """Return a DKIM-Signature header for each identity, over `headers` and `body` as they are sent."""
    digest = b64encode(sha256(relaxed_body(body)).digest()).decode()
    covered = [name for name, _ in headers if name in OVERSIGNED]
    signed = b"".join(relaxed_header(name, value) + b"\r\n" for name, value in headers if name in OVERSIGNED)
    names = ":".join([*covered, *OVERSIGNED])
    made = []
    for one in by:
        unsigned = (
            f"v=1; a={one.algorithm}; c=relaxed/relaxed; d={one.domain}; s={one.selector};\r\n"
            f" t={at // 1000}; bh={digest};\r\n h={names};\r\n b="
        )
        signature = b64encode(one.sign(signed + relaxed_header("DKIM-Signature", unsigned))).decode()
        folded = "\r\n ".join(signature[start : start + 72] for start in range(0, len(signature), 72))
        made.append(("DKIM-Signature", unsigned + folded))
    return made


def relaxed_header(name: str, value: str) -> bytes:
    """Return a header as it is hashed (RFC 6376, 3.4.2), without its line end."""
    one_line = _SPACES.sub(b" ", value.replace("\r\n", "").encode())
    return name.lower().encode() + b":" + one_line.strip(b" ")


def relaxed_body(body: bytes) -> bytes:
    """Return a body as it is hashed (RFC 6376, 3.4.4)."""
    if b"\t" in body or b"  " in body:
        body = _SPACES.sub(b" ", body)
    if b" \r\n" in body:
        body = _TAILS.sub(b"\r\n", body)
    body = body.rstrip(b"\r\n")
    return body + b"\r\n" if body else b""

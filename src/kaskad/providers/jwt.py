"""JSON Web Tokens (RFC 7519) as services want them from us, and as they sign with a secret that we share."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kaskad.domain.errors import BadSignature, Invalid
from kaskad.providers.base import decode, encode


def to_base64url(data: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Return the bytes of base64url with or without padding; raises ValueError for what is none."""
    try:
        return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (UnicodeEncodeError, NotBase64):
        raise ValueError("not base64url") from None


def jwt_of(algorithm: str, claims: Mapping[str, str | int], header: Mapping[str, str] | None = None) -> bytes:
    """Return the part of a token that is signed."""
    head = encode({"alg": algorithm, "typ": "JWT", **(header or {})})
    return f"{to_base64url(head)}.{to_base64url(encode(claims))}".encode()


def rs256(claims: Mapping[str, str | int], private_key: str, *, key_id: str = "") -> str:
    """Return a token of `claims` signed with an RSA key in PEM; raises Invalid where that is none."""
    signed = jwt_of("RS256", claims, {"kid": key_id} if key_id else None)
    return f"{signed.decode()}.{to_base64url(_key(private_key).sign(signed, PKCS1v15(), SHA256()))}"


def read_hs256(token: str, secret: str) -> dict[str, Any]:
    """Return the claims of a token that is signed with a shared secret; raises BadSignature."""
    signed, _, signature = token.rpartition(".")
    head, _, claims = signed.partition(".")
    if not secret:
        raise BadSignature("the account has no secret to check the signature with")
    expected = hmac.digest(secret.encode(), signed.encode(), "sha256")
    try:
        if not hmac.compare_digest(expected, from_base64url(signature)):
            raise BadSignature("the token is signed with another secret")
        header, told = decode(from_base64url(head)), decode(from_base64url(claims))
    except ValueError:
        raise BadSignature("the token cannot be read") from None
    if not isinstance(header, dict) or header.get("alg") != "HS256" or not isinstance(told, dict):
        raise BadSignature("the token is signed in another way")
    return told


def check_key(private_key: str) -> None:
    """Raise Invalid unless the text is an RSA key in PEM."""
    _key(private_key)


@lru_cache(maxsize=64)
def _key(text: str) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Invalid(["the private key is no RSA key in PEM: paste all of it, BEGIN and END too"]) from None
    if not isinstance(key, RSAPrivateKey):
        raise Invalid(["the private key is none of RSA"])
    return key

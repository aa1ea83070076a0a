"""JSON Web Tokens signed with an RSA key (RFC 7518, 3.3), as services want them from us."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kaskad.domain.errors import Invalid
from kaskad.providers.push import jwt_of, to_base64url


def rs256(claims: Mapping[str, str | int], private_key: str, *, key_id: str = "") -> str:
    """Return a token of `claims` signed with an RSA key in PEM; raises Invalid where that is none."""
    signed = jwt_of("RS256", claims, {"kid": key_id} if key_id else None)
    return f"{signed.decode()}.{to_base64url(_key(private_key).sign(signed, PKCS1v15(), SHA256()))}"


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

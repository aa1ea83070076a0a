"""JSON Web Tokens that clients sign with a key of ours: Voximplant's and Vonage's."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key


@cache
def pem() -> str:
    """Return the private key of the client: always the same, `kaskad sandbox --accounts` tells it too."""
    return files("kaskad.sandbox.servers").joinpath("tokens.pem").read_text("ascii")


@cache
def _public() -> RSAPublicKey:
    key = load_pem_private_key(pem().encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key.public_key()


def read_rs256(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims of a token; raises ValueError unless that key has signed it."""
    signed, _, signature = token.rpartition(".")
    head, _, claims = signed.partition(".")
    try:
        _public().verify(_plain(signature), signed.encode(), PKCS1v15(), SHA256())
    except InvalidSignature:
        raise ValueError("signed with another key") from None
    header, told = (msgspec.json.decode(_plain(part), type=dict[str, Any]) for part in (head, claims))
    if header.get("alg") != "RS256":
        raise ValueError("signed in another way")
    return header, told


def _plain(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))

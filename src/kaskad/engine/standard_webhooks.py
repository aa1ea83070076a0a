"""Signatures by Standard Webhooks 1.0: https://github.com/standard-webhooks/standard-webhooks"""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable

PREFIX = "whsec_"
BYTES = 32


def new_secret() -> str:
    """Return a new secret in the form that the receivers' libraries take."""
    return PREFIX + b64encode(secrets.token_bytes(BYTES)).decode()


def signed_headers(keys: Iterable[str], message_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """Return the headers of a message signed with each of `keys`: a receiver may know any one of them."""
    signed = f"{message_id}.{at_s}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(f"v1,{_signature(key, signed)}" for key in keys),
    }


def _signature(key: str, signed: bytes) -> str:
    return b64encode(hmac.digest(b64decode(key.removeprefix(PREFIX)), signed, "sha256")).decode()

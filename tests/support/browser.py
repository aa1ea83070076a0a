"""A browser without its push service: keys of its own, a subscription, and what it reads of a message."""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64encode

import http_ece
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


class Browser:
    """One subscription at a push service."""

    def __init__(self, endpoint: str) -> None:
        self._private = generate_private_key(SECP256R1())
        self._auth = secrets.token_bytes(16)
        point = self._private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        keys = {"p256dh": _text(point), "auth": _text(self._auth)}
        self.subscription = {"endpoint": endpoint, "expirationTime": None, "keys": keys}
        self.address = f"{endpoint}#{keys['p256dh']}.{keys['auth']}"

    def reads(self, body: bytes) -> dict[str, object]:
        """Return what the service worker would be given, by a library that is not ours."""
        text = http_ece.decrypt(body, private_key=self._private, auth_secret=self._auth, version="aes128gcm")
        told: dict[str, object] = json.loads(text)
        return told

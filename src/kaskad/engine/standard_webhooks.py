"""Signatures by Standard Webhooks 1.0: https://github.com/standard-webhooks/standard-webhooks"""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping

PREFIX = "whsec_"
BYTES = 32
TOLERANCE_S = 300


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


def problem_of(key: str, headers: Mapping[str, str], body: bytes, now_s: int) -> str | None:
    """Return why a message was not sent by whoever has the key, or not now; None where it was."""
    told = {name: headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")}
    if missing := [f"webhook-{name}" for name, value in told.items() if not value]:
        return f"These headers are missing: {', '.join(missing)}."
    stamp = told["timestamp"]
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 13):
        return "webhook-timestamp is no number of seconds."
    if abs(now_s - int(stamp)) > TOLERANCE_S:
        return "webhook-timestamp is more than five minutes from now: check the sender's clock."
    signed = f"{told['id']}.{stamp}.".encode() + body
    expected = f"v1,{_signature(key, signed)}".encode()
    given = [hmac.compare_digest(expected, one.encode()) for one in told["signature"].split(" ")]
    if not any(given):
        return "No webhook-signature is right: sign id.timestamp.body with the site's webhook secret."
    return None


def _signature(key: str, signed: bytes) -> str:
    return b64encode(hmac.digest(b64decode(key.removeprefix(PREFIX)), signed, "sha256")).decode()

"""Signatures over raw bytes; comparisons take the same time whatever differs."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from kaskad.domain.errors import BadSignature

TOLERANCE_MS = 300_000


def hmac_hex(algorithm: str, secret: str, signed: bytes) -> str:
    """Return the HMAC of `signed` as hexadecimal text."""
    return hmac.digest(secret.encode(), signed, algorithm).hex()


def check_hmac(algorithm: str, secret: str, signed: bytes, given: Iterable[str]) -> None:
    """Raise BadSignature unless one of the `given` hexadecimal HMACs is right; an empty secret never is."""
    if not secret:
        raise BadSignature("the account has no secret to check the signature with")
    expected = hmac_hex(algorithm, secret, signed).encode()
    if not any(hmac.compare_digest(expected, text.lower().encode()) for text in given):
        raise BadSignature("the signature does not match the body")


def check_secret(secret: str, given: str) -> None:
    """Raise BadSignature unless `given` is the shared secret itself."""
    if not secret or not hmac.compare_digest(secret.encode(), given.encode()):
        raise BadSignature("the secret does not match the account's")


def check_age(stamp_ms: int, now: int) -> None:
    """Raise BadSignature for what was signed more than five minutes from now, before or after."""
    if abs(now - stamp_ms) > TOLERANCE_MS:
        raise BadSignature("the signature is more than five minutes old, or a clock is wrong")

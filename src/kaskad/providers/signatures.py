"""Signatures over raw bytes; comparisons take the same time whatever differs."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

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


def check_twilio(token: str, url: str, fields: Iterable[tuple[str, str]], given: str) -> None:
    """Raise BadSignature unless `given` is Twilio's over the URL that it called and the fields of the form.

    https://www.twilio.com/docs/usage/webhooks/webhooks-security: base64 of HMAC-SHA1 over the URL and the
    sorted fields. Of the port that a scheme implies, Twilio sometimes writes it and sometimes not.
    """
    if not token:
        raise BadSignature("the account has no auth_token to check the signature with")
    told = "".join(name + value for name, value in sorted(set(fields)))
    expected = [
        b64encode(hmac.digest(token.encode(), (spelling + told).encode(), "sha1")) for spelling in _ports(url)
    ]
    if not any(hmac.compare_digest(each, given.encode()) for each in expected):
        raise BadSignature("X-Twilio-Signature does not match the request")


def _ports(url: str) -> Iterable[str]:
    """Return a URL as it is, and with or without the port that its scheme implies."""
    parts = urlsplit(url)
    port = {"https": ":443", "http": ":80"}.get(parts.scheme, "")
    if port and parts.netloc.endswith(port):
        return url, urlunsplit(parts._replace(netloc=parts.netloc.removesuffix(port)))
    if port and parts.port is None:
        return url, urlunsplit(parts._replace(netloc=parts.netloc + port))
    return (url,)

"""Signatures over raw bytes; comparisons take the same time whatever differs."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import parse_qs, urlsplit, urlunsplit

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509 import load_pem_x509_certificate

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


def check_url_key(url: str, secret: str) -> None:
    """Raise BadSignature unless the URL that was called carries the account's secret as `key`.

    For services that sign nothing: they call what they were given, so the secret is in their settings.
    """
    given = parse_qs(urlsplit(url).query, keep_blank_values=True).get("key", [""])
    check_secret(secret, given[-1])


def check_password(header: str, secret: str) -> None:
    """Raise BadSignature unless an Authorization header carries the account's secret as password."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise BadSignature("the webhook brings no password: put it into the address that the service calls")
    try:
        given = b64decode(encoded, validate=True).decode("utf-8", "replace").partition(":")[2]
    except ValueError:
        given = ""
    check_secret(secret, given)


def check_ecdsa(public_key: str, signed: bytes, given: str) -> None:
    """Raise BadSignature unless `given` is the ECDSA signature of `signed` with SHA-256, both in base64."""
    if not public_key:
        raise BadSignature("the account has no public key to check the signature with")
    try:
        _public_key(public_key).verify(b64decode(given, validate=True), signed, ECDSA(SHA256()))
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        raise BadSignature("the signature does not match the body") from None


@lru_cache(maxsize=256)
def _public_key(text: str) -> EllipticCurvePublicKey:
    key = load_der_public_key(b64decode(text))
    if not isinstance(key, EllipticCurvePublicKey):
        raise BadSignature("the account's public key is none of an elliptic curve")
    return key


def check_rsa(certificate: bytes, algorithm: str, signed: bytes, given: str) -> None:
    """Raise BadSignature unless `given` is the base64 of the RSA signature (PKCS #1 v1.5) of `signed`.

    `certificate` is X.509 in PEM and trusted for where it comes from; `algorithm` is sha1 or sha256.
    """
    digest: HashAlgorithm = SHA256() if algorithm == "sha256" else SHA1()
    try:
        _certified(certificate).verify(b64decode(given, validate=True), signed, PKCS1v15(), digest)
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        raise BadSignature("the signature does not match the body") from None


@lru_cache(maxsize=64)
def _certified(certificate: bytes) -> RSAPublicKey:
    key = load_pem_x509_certificate(certificate).public_key()
    if not isinstance(key, RSAPublicKey):
        raise BadSignature("the certificate has no RSA key")
    return key


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

"""What makes a web push message: encryption (RFC 8291, RFC 8188) and who sends it (VAPID, RFC 8292).

Few lines over `cryptography`, which Kaskad needs anyway: pywebpush would bring an HTTP client or two of its
own, and draws its random numbers where nobody can repeat them. The example of RFC 8291 and pywebpush judge
it in the tests.
"""

from __future__ import annotations

import hmac
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    derive_private_key,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kaskad.domain.subscription import Subscription
from kaskad.providers.jwt import from_base64url, jwt_of, to_base64url

RECORD = 4096  # bytes of the only record, and what every push service takes (RFC 8291, 4)
MAX_TEXT = RECORD - 16 - 4 - 1 - 65 - 16 - 1  # less salt, size, length, key, tag and delimiter
LIFE_S = 12 * 3600  # of a signature; at most 24 h
_HOUR_MS = 3_600_000
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def new_key() -> str:
    """Return a new private key, as it is kept: 32 bytes in base64url."""
    secret = generate_private_key(SECP256R1()).private_numbers().private_value
    return to_base64url(secret.to_bytes(32, "big"))


def public_key(private: str) -> str:
    """Return the public key that browsers subscribe under (65 bytes in base64url); raises ValueError."""
    return to_base64url(_point(_private(private).public_key()))


@lru_cache(maxsize=64)
def _private(text: str) -> EllipticCurvePrivateKey:
    secret = from_base64url(text)
    if len(secret) != 32:
        raise ValueError("a private key has 32 bytes in base64url")
    return derive_private_key(int.from_bytes(secret, "big"), SECP256R1())


def authorization(private: str, origin: str, subject: str, now: int) -> str:
    """Return the header by which a push service knows who sends, the same for an hour."""
    return _authorization(private, origin, subject, now // _HOUR_MS)


@lru_cache(maxsize=1024)
def _authorization(private: str, origin: str, subject: str, hour: int) -> str:
    signed = jwt_of("ES256", {"aud": origin, "exp": hour * 3600 + LIFE_S, "sub": subject})
    signature = _private(private).sign(signed, ECDSA(SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(signature)
    plain = to_base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    return f"vapid t={signed.decode()}.{plain}, k={public_key(private)}"


def encrypted(text: bytes, to: Subscription, private: str, unique: bytes) -> bytes:
    """Return the body that only the browser of `to` can read; raises ValueError for a key that is no point.

    The text has at most MAX_TEXT bytes.

    Salt and one-time key come from the account's key and from all that makes this message what it is, as
    RFC 6979 does for signatures: another text, browser or attempt has others, and the same message makes
    the same bytes. `unique` names the attempt.
    """
    seed = hmac.digest(from_base64url(private), b"\0".join((unique, str(to).encode(), text)), "sha256")
    salt = _expand(seed, b"kaskad web push salt", 16)
    once = int.from_bytes(_expand(seed, b"kaskad web push key", 32), "big") % (_ORDER - 1) + 1
    return sealed(text, to, derive_private_key(once, SECP256R1()), salt)


def sealed(text: bytes, to: Subscription, once: EllipticCurvePrivateKey, salt: bytes) -> bytes:
    """Return `text` as one record of aes128gcm under a one-time key and a salt (RFC 8291, 3.4)."""
    theirs = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), to.p256dh)
    ours = _point(once.public_key())
    shared = once.exchange(ECDH(), theirs)
    secret = _expand(_extract(to.auth, shared), b"WebPush: info\0" + to.p256dh + ours, 32)
    key = _extract(salt, secret)
    content_key = _expand(key, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _expand(key, b"Content-Encoding: nonce\0", 12)
    head = salt + RECORD.to_bytes(4, "big") + bytes([len(ours)]) + ours
    return head + AESGCM(content_key).encrypt(nonce, text + b"\x02", None)


def _extract(salt: bytes, secret: bytes) -> bytes:
    """HKDF-Extract (RFC 5869)."""
    return hmac.digest(salt, secret, "sha256")


def _expand(key: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand (RFC 5869), whose first block is enough here."""
    return hmac.digest(key, info + b"\x01", "sha256")[:length]


def _point(key: EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

"""A topic of Amazon SNS: subscriptions are confirmed, messages signed with a certificate that is served."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from kaskad.sandbox.times import iso
from kaskad.sandbox.wire import Outgoing

# https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
SIGNED = {
    "Notification": ("Message", "MessageId", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"
    ),
}  # fmt: skip
LIFE = timedelta(days=365)


class Topic:
    """One topic; its key is made when it is first needed, which takes a moment."""

    def __init__(self, base_url: str, arn: str, new_id: Callable[[int], str]) -> None:
        self._base_url = base_url
        self._arn = arn
        self._new_id = new_id
        self._tokens: dict[str, str] = {}
        self._made: asyncio.Task[tuple[rsa.RSAPrivateKey, bytes]] | None = None
        self.certificate = b""
        self.certificate_name = ""  # new for each key: whoever fetches one keeps it by its address

    async def ready(self) -> None:
        """Make the key and its certificate, once."""
        if self._made is None:
            self._made = asyncio.create_task(asyncio.to_thread(_make))
        self._key, self.certificate = await self._made
        self.certificate_name = f"SimpleNotificationService-{self._fingerprint()}"

    def _fingerprint(self) -> str:
        return x509.load_pem_x509_certificate(self.certificate).fingerprint(hashes.SHA256()).hex()[:32]

    def subscribed(self, token: str) -> str:
        """Return the address that a token confirms; "" for none."""
        return self._tokens.get(token, "")

    def confirmation(self, url: str, at: int) -> Outgoing:
        """Return the message that asks an address whether it wants the topic's messages."""
        token = self._new_id(64)
        self._tokens[token] = url
        query = urlencode({"Action": "ConfirmSubscription", "TopicArn": self._arn, "Token": token})
        more = {"Token": token, "SubscribeURL": f"{self._base_url}/?{query}"}
        text = f"You have chosen to subscribe to the topic {self._arn}."
        return self.message(url, "SubscriptionConfirmation", self._new_id(32), text, at, True, more)

    def message(
        self, url: str, kind: str, id: str, text: str, at: int, good: bool, more: dict[str, str] | None = None
    ) -> Outgoing:
        """Return a message of the topic to an address."""
        told = {
            "Type": kind, "MessageId": id, "TopicArn": self._arn, "Message": text, "Timestamp": iso(at),
            "SignatureVersion": "2",
            "SigningCertURL": f"{self._base_url}/{self.certificate_name}.pem", **(more or {}),
        }  # fmt: skip
        lines = "".join(f"{name}\n{told[name]}\n" for name in SIGNED[kind]) + ("" if good else "forged")
        signature = self._key.sign(lines.encode(), padding.PKCS1v15(), hashes.SHA256())
        body = msgspec.json.encode({**told, "Signature": b64encode(signature).decode()})
        headers = {
            "Content-Type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": kind,
            "x-amz-sns-message-id": id, "x-amz-sns-topic-arn": self._arn,
        }  # fmt: skip
        return Outgoing("POST", url, headers, body)


def _make() -> tuple[rsa.RSAPrivateKey, bytes]:
    """Return a key and its certificate."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.sandbox.example.org")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    dated = builder.serial_number(1).not_valid_before(now).not_valid_after(now + LIFE)
    return key, dated.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

"""Mail services end to end: a running installation on one side, their protocols over sockets on the other."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from kaskad.config import Settings
from kaskad.domain.policy import Policy
from kaskad.domain.terms import Channel, Kind, MessageState, Outcome
from kaskad.providers.amazon_ses import SIGNED
from kaskad.store import accounts, cascades, settings
from kaskad.store.db import Transaction
from kaskad.web.service import Service, serving
from support.api import Api
from support.faults import FaultServer, Peer, until
from support.faults import serving as answering
from support.shop import people

TOPIC = "arn:aws:sns:eu-central-1:123456789012:mail"
CASCADE = """
cascade: hi
title: Hi
class: service
topic: news
trigger: {event: joined}
steps:
  - {id: letter, channel: email, subject: Hello, html: "<p>Hello</p>", wait: 6h}
"""
Told = tuple[int, bytes]


def speaking(answer: Callable[[str, bytes], Told]) -> Callable[[Peer], None]:
    """Return a service that answers (path, body) with (status, body)."""

    def behave(peer: Peer) -> None:
        while request := peer.request():
            head, _, body = request.partition(b"\r\n\r\n")
            status, told = answer(head.split(b" ")[1].decode(), body)
            peer.socket.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(told)) + told)

    return behave


@contextmanager
def installed(folder: Path, **account: Any) -> Iterator[tuple[Api, int]]:
    """A running installation with one mail account, one cascade, and Ann."""

    def change(tx: Transaction) -> None:
        settings.put(tx, "policy", Policy.unlimited())
        row = cascades.save_version(tx, "hi", CASCADE, 1)
        cascades.set_state(tx, row.cascade_id, cascades.ACTIVE, 1)
        accounts.save(tx, service.vault, accounts.Account(name="mail", channel=Channel.EMAIL, **account))

    told = Settings(database=f"sqlite:{folder / 'kaskad.db'}", listen="127.0.0.1:0")
    with serving(told, "the tests") as service:
        service.office.write(change)
        service.office.reload()
        (ann,) = people(service, "ann")
        yield Api(service), ann


def joins(api: Api) -> None:
    api.post("/events", {"id": "1", "name": "joined", "contact": {"external_id": "ann"}})


def rows(service: Service, text: str) -> list[tuple[Any, ...]]:
    with service.db._lock:  # type: ignore[attr-defined]
        return list(service.db._writer.execute(text))  # type: ignore[attr-defined]


def facts(service: Service, kind: Kind) -> list[tuple[Any, ...]]:
    return rows(service, f"SELECT event FROM facts WHERE kind = {kind.value}")


class Sns:
    """A topic of SNS and the certificate that its messages are signed with."""

    def __init__(self) -> None:
        self.key, self.pem = self._made()
        self.url = ""

    @staticmethod
    def _made() -> tuple[RSAPrivateKey, bytes]:
        key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.example.org")])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        dated = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
        return key, dated.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def message(self, number: int, text: str, kind: str = "Notification", **more: str) -> bytes:
        told = {
            "Type": kind, "MessageId": f"m-{number}", "TopicArn": TOPIC, "Message": text, **more,
            "Timestamp": "2026-01-01T10:00:55.000Z", "SignatureVersion": "2",
            "SigningCertURL": f"{self.url}/cert.pem",
        }  # fmt: skip
        signed = "".join(f"{name}\n{told[name]}\n" for name in SIGNED[kind] if name in told)
        signature = self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return json.dumps({**told, "Signature": b64encode(signature).decode()}).encode()


@pytest.fixture
def sns() -> Sns:
    return Sns()


def test_amazon_ses_sends_confirms_its_topic_and_is_heard_once(tmp_path: Path, sns: Sns) -> None:
    def amazon(path: str, body: bytes) -> Told:
        if path == "/cert.pem":
            return 200, sns.pem
        if path.startswith("/?Action=ConfirmSubscription"):
            return 200, b"<ConfirmSubscriptionResponse/>"
        sent.append(json.loads(body))
        return 200, b'{"MessageId": "ses-1"}'

    def tells(body: bytes, expected: int = 200) -> None:
        assert api.raw("POST", "/hooks/mail", content=body).status_code == expected

    def event(kind: str, **part: Any) -> str:
        tags = {tag["Name"]: [tag["Value"]] for tag in sent[0]["EmailTags"]}
        mail = {"messageId": "ses-1", "tags": tags, "timestamp": "2026-01-01T10:00:00Z"}
        return json.dumps({"eventType": kind, "mail": mail, kind.lower(): part})

    sent: list[Any] = []
    with answering(speaking(amazon)) as server:
        sns.url = f"http://127.0.0.1:{server.port}"
        given = {"region": "eu-central-1", "access_key_id": "AKID", "sender": "shop@example.org",
                 "topic_arn": TOPIC, "base_url": sns.url}  # fmt: skip
        with installed(
            tmp_path, provider="amazon_ses", settings=given, secrets={"secret_access_key": "s"}
        ) as (api, _):
            tells(sns.message(0, "You have chosen …", "SubscriptionConfirmation", Token="t",
                              SubscribeURL=f"{sns.url}/?Action=ConfirmSubscription&Token=t"))  # fmt: skip
            until(lambda: any(b"ConfirmSubscription" in request for request in server.requests))
            joins(api)
            until(lambda: bool(sent))
            for _ in range(3):  # a replay counts once
                tells(sns.message(1, event("Delivery", timestamp="2026-01-01T10:00:50Z")))
            until(lambda: facts(api.service, Kind.DELIVERED) == [("m-1",)])
            bounce = {"bounceType": "Permanent", "bounceSubType": "NoEmail"}
            forged = Sns()
            forged.url = sns.url
            tells(forged.message(2, event("Bounce", **bounce)), expected=401)
            assert facts(api.service, Kind.BOUNCED) == []
            tells(sns.message(3, event("Bounce", **bounce)))
            until(lambda: facts(api.service, Kind.BOUNCED) == [("m-3",)])
            states = "SELECT state FROM messages"
            until(lambda: rows(api.service, states) == [(MessageState.BOUNCED.code,)])
            health = f"SELECT health FROM addresses WHERE channel = {Channel.EMAIL.code}"
            assert rows(api.service, health) == [(1,)]
    certificates = [request for request in server.requests if request.startswith(b"GET /cert.pem ")]
    assert len(certificates) == 1


def test_sendpulse_takes_a_token_and_a_complaint_ends_the_run_by_the_address(tmp_path: Path) -> None:
    def sendpulse(path: str, body: bytes) -> Told:
        if path == "/oauth/access_token":
            return 200, b'{"access_token": "t-1", "expires_in": 3600}'
        return 200, b'{"result": true, "id": "sp-1"}'

    def sends(server: FaultServer) -> list[bytes]:
        return [request for request in server.requests if request.startswith(b"POST /smtp/emails ")]

    def tells(event: str, key: str = "k3y") -> int:
        told = {
            "event": event,
            "message_id": 7,
            "recipient": "Ann@email.example.org",
            "timestamp": 1_767_261_650,
        }
        return api.raw("POST", f"/hooks/mail?key={key}", json=[told]).status_code

    with answering(speaking(sendpulse)) as server:
        given = {
            "client_id": "id",
            "sender": "shop@example.org",
            "base_url": f"http://127.0.0.1:{server.port}",
        }
        hidden = {"client_secret": "c", "webhook_secret": "k3y"}
        with installed(tmp_path, provider="sendpulse", settings=given, secrets=hidden) as (api, ann):
            joins(api)
            until(lambda: bool(sends(server)))
            assert b"\r\nAuthorization: Bearer t-1\r\n" in sends(server)[0]
            assert tells("spam_by_user", key="guess") == 401
            assert tells("opened") == 200  # of an id that is not the answer's: kept, applied to nobody
            assert tells("spam_by_user") == 200
            outcome = f"SELECT outcome FROM runs WHERE contact_id = {ann}"
            until(lambda: rows(api.service, outcome) == [(Outcome.COMPLAINED.code,)])
            assert facts(api.service, Kind.OPENED) == []

"""Twilio SendGrid v3: mail/send, the signed event webhook, Inbound Parse.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from hashlib import sha256
from typing import ClassVar

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct, field
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.sandbox.faults import Fault
from kaskad.sandbox.outbox import multipart
from kaskad.sandbox.server import Place, Site
from kaskad.sandbox.servers.mailing import (
    ANSWERS,
    SENDER,
    Event,
    Fate,
    Letter,
    MailService,
    Unreadable,
    is_address,
    read_json,
    spoken,
)
from kaskad.sandbox.wire import Outgoing

STAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"


class Keys(Struct, frozen=True):
    """They protect nothing: all is on this machine. The signing key is drawn from `seal`."""

    api_key: str = "SG.only-for-the-sandbox"
    seal: str = "only-for-the-sandbox"
    inbound_secret: str = "only-for-the-sandbox"

    def signing_key(self) -> ec.EllipticCurvePrivateKey:
        number = int.from_bytes(sha256(self.seal.encode()).digest()) >> 1
        return ec.derive_private_key(number, ec.SECP256R1())

    def public_key(self) -> str:
        told = self.signing_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return b64encode(told).decode()


class _Person(Struct):
    email: str = ""
    name: str | None = ""

    def written(self) -> str:
        return spoken(self.name or "", self.email)


class _Personalization(Struct):
    to: list[_Person] = []
    custom_args: dict[str, str] = {}
    headers: dict[str, str] = {}
    subject: str = ""


class _Content(Struct):
    type: str = ""
    value: str = ""


class _Switch(Struct):
    enable: bool = False


class _Tracking(Struct):
    click_tracking: _Switch = field(default_factory=_Switch)
    open_tracking: _Switch = field(default_factory=_Switch)


class _Mail(Struct, rename={"sender": "from"}):
    personalizations: list[_Personalization] = []
    sender: _Person = field(default_factory=_Person)
    reply_to: _Person | None = None
    subject: str = ""
    content: list[_Content] = []
    headers: dict[str, str] = {}
    custom_args: dict[str, str] = {}
    tracking_settings: _Tracking = field(default_factory=_Tracking)


class _Refused(Exception):
    def __init__(self, status: int, message: str, where: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.where = where

    def response(self) -> Response:
        error = {"message": str(self), "field": self.where, "help": None}
        return JSONResponse({"errors": [error]}, self.status)


class SendGrid(MailService):
    """`/v3/mail/send`."""

    name = "sendgrid"
    provider = "sendgrid"
    account = "sendgrid"
    words: ClassVar[Mapping[Fate, str]] = {
        Fate.SENT: "processed", Fate.DELAYED: "deferred", Fate.DELIVERED: "delivered", Fate.BOUNCED: "bounce",
        Fate.FULL: "bounce", Fate.DROPPED: "dropped", Fate.OPENED: "open", Fate.CLICKED: "click",
        Fate.COMPLAINED: "spamreport",
    }  # fmt: skip

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)
        self._signing_key = self._keys.signing_key()

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        return {
            "base_url": cls.url(place), "api_key": keys.api_key, "sender": SENDER, "reply_domain": ANSWERS,
            "webhook_public_key": keys.public_key(), "inbound_secret": keys.inbound_secret,
        }  # fmt: skip

    def routes(self) -> Sequence[BaseRoute]:
        return [Route("/v3/mail/send", self.send, methods=["POST"])]

    async def send(self, request: Request) -> Response:
        """Take a mail for one person or several."""
        try:
            if request.headers.get("authorization") != f"Bearer {self._keys.api_key}":
                raise _Refused(401, "The provided authorization grant is invalid, expired, or revoked")
            body = await request.body()

            async def take() -> Response:
                return self._take(body)

            return await self.befall(take, self._refuse)
        except _Refused as refusal:
            return refusal.response()

    def _refuse(self, fault: Fault) -> Response:
        if fault.kind == "error":
            return PlainTextResponse("Internal Server Error", 500)
        if fault.kind == "reject":
            words = "The content value must be a string at least one character in length."
            raise _Refused(400, words, "content.0.value")
        response = _Refused(429, "too many requests").response()
        response.headers["X-RateLimit-Reset"] = str(round(time.time() + fault.seconds))
        return response

    def _take(self, body: bytes) -> Response:
        try:
            mail = read_json(body, _Mail)
        except Unreadable as error:
            raise _Refused(400, f"Bad Request: {error}") from None
        _check(mail)
        message_id = self.new_id(22)
        parts = {part.type: part.value for part in mail.content}
        tracking = mail.tracking_settings
        number = 0
        for group in mail.personalizations:
            for person in group.to:
                letter = Letter(
                    person.email, mail.sender.written(), group.subject or mail.subject,
                    parts.get("text/html", ""), parts.get("text/plain", ""), person.name or "",
                    mail.reply_to.written() if mail.reply_to else "",
                    {**mail.headers, **group.headers}, {**mail.custom_args, **group.custom_args},
                    tracking.click_tracking.enable or tracking.open_tracking.enable,
                )  # fmt: skip
                self.take(letter, f"{message_id}.filter0001.1.{self.new_id(8).upper()}.{number}")
                number += 1
        return Response(b"", 202, {"X-Message-Id": message_id})

    def webhook(self, event: Event, good: bool) -> Outgoing:
        sent = event.sent
        told: dict[str, object] = {
            "email": sent.letter.to, "timestamp": event.at // 1000, "event": self.words[event.fate],
            "smtp-id": f"<{sent.ref.partition('.')[0]}@sandbox>", "sg_event_id": event.id,
            "sg_message_id": sent.ref, **sent.letter.data, **_about(event),
        }  # fmt: skip
        if event.agent:
            told |= {"useragent": event.agent, "ip": event.ip}
        if event.url:
            told |= {"url": event.url, "url_offset": {"index": 0, "type": "html"}}
        body = msgspec.json.encode([told])
        stamp = str(event.at // 1000)
        signed = stamp.encode() + body + (b"" if good else b" ")
        signature = b64encode(self._signing_key.sign(signed, ec.ECDSA(SHA256()))).decode()
        headers = {"Content-Type": "application/json", STAMP: stamp, SIGNATURE: signature}
        return Outgoing("POST", self.hook, headers, body)

    def answer_hook(self, answer: EmailMessage, to: str, good: bool) -> Outgoing | None:
        envelope = {"to": [to], "from": str(answer["From"])}
        fields = {
            "headers": "".join(f"{name}: {value}\n" for name, value in answer.items()),
            "from": str(answer["From"]), "to": str(answer["To"]), "subject": str(answer["Subject"]),
            "text": answer.get_content(), "envelope": msgspec.json.encode(envelope).decode(),
            "charsets": '{"to":"UTF-8","from":"UTF-8","subject":"UTF-8","text":"utf-8"}',
        }  # fmt: skip
        key = self._keys.inbound_secret if good else "another-secret"
        return multipart(f"{self.hook}?key={key}", fields)


def _check(mail: _Mail) -> None:
    """Raise what the service refuses, in its words."""
    if not mail.personalizations:
        raise _Refused(400, "The personalizations field is required and must have at least one "
                            "personalization.", "personalizations")  # fmt: skip
    if not is_address(mail.sender.email):
        raise _Refused(400, "The from email does not contain a valid address.", "from.email")
    for number, group in enumerate(mail.personalizations):
        where = f"personalizations.{number}.to"
        if not group.to:
            raise _Refused(400, "The to array is required for all personalization objects, and must have "
                                "at least one email object with a valid email address.", where)  # fmt: skip
        for place, person in enumerate(group.to):
            if not is_address(person.email):
                raise _Refused(400, "Does not contain a valid address.", f"{where}.{place}.email")
        if not (group.subject or mail.subject):
            raise _Refused(400, "The subject is required. You can get around this requirement if you use "
                                "a template with a subject defined or if every personalization has a "
                                "subject defined.", "subject")  # fmt: skip
    if not mail.content:
        raise _Refused(400, "Unless a valid template_id is provided, the content parameter is required.",
                       "content")  # fmt: skip
    for number, part in enumerate(mail.content):
        if not part.value:
            words = "The content value must be a string at least one character in length."
            raise _Refused(400, words, f"content.{number}.value")


def _about(event: Event) -> Mapping[str, object]:
    """Return what an event says of why."""
    match event.fate:
        case Fate.DELAYED:
            return {"response": "450 4.2.1 Try again later", "attempt": "1"}
        case Fate.DELIVERED:
            return {"response": "250 2.0.0 OK", "tls": 1}
        case Fate.BOUNCED:
            return {"type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 User unknown"}
        case Fate.FULL:
            return {"type": "blocked", "status": "5.2.2", "reason": "552 5.2.2 Mailbox full"}
        case Fate.DROPPED:
            bounced = event.why is Fate.BOUNCED
            return {"reason": "Bounced Address" if bounced else "Spam Reporting Address"}
        case _:
            return {}

"""Amazon SES, API v2, and the SNS topic of its events: signed requests, signed notifications.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html. The certificate is served
here, and believed because the account's own endpoint is here; a topic is confirmed before anything is told.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from email.header import decode_header, make_header
from email.utils import parseaddr
from hashlib import sha256
from hmac import compare_digest, digest
from typing import ClassVar
from urllib.parse import quote

import msgspec
from msgspec import Struct, field
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.sandbox.faults import Fault
from kaskad.sandbox.server import Place, Site
from kaskad.sandbox.servers.mailing import (
    SENDER,
    Event,
    Fate,
    Letter,
    MailService,
    Unreadable,
    is_address,
    read_json,
)
from kaskad.sandbox.servers.sns import Topic
from kaskad.sandbox.times import iso
from kaskad.sandbox.wire import Outgoing

PATH = "/v2/email/outbound-emails"
REGION = "eu-central-1"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([a-z0-9-]+)/ses/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})"
).fullmatch
PARTS = {Fate.DELAYED: "deliveryDelay"}  # an event's own part, if not its name in small letters


class Keys(Struct, frozen=True):
    """They protect nothing: all is on this machine."""

    access_key_id: str = "AKIASANDBOX000000001"
    secret_access_key: str = "only-for-the-sandbox"
    topic_arn: str = f"arn:aws:sns:{REGION}:000000000001:sandbox"
    configuration_set: str = "sandbox"


class _Text(Struct, rename="pascal"):
    data: str = ""


class _Body(Struct, rename="pascal"):
    text: _Text = field(default_factory=_Text)
    html: _Text = field(default_factory=_Text)


class _Header(Struct, rename="pascal"):
    name: str = ""
    value: str = ""


class _Simple(Struct, rename="pascal"):
    subject: _Text = field(default_factory=_Text)
    body: _Body = field(default_factory=_Body)
    headers: list[_Header] = []


class _Content(Struct, rename="pascal"):
    simple: _Simple | None = None


class _Destination(Struct, rename="pascal"):
    to_addresses: list[str] = []


class _Tracking(Struct, rename="pascal"):
    open_tracking_enabled: str = "ENABLED"
    click_tracking_enabled: str = "ENABLED"


class _Overrides(Struct, rename="pascal"):
    tracking: _Tracking = field(default_factory=_Tracking)


class _Mail(Struct, rename="pascal"):
    from_email_address: str = ""
    destination: _Destination = field(default_factory=_Destination)
    content: _Content = field(default_factory=_Content)
    reply_to_addresses: list[str] = []
    email_tags: list[_Header] = []
    configuration_set_name: str = ""
    configuration_overrides: _Overrides = field(default_factory=_Overrides)


class _Refused(Exception):
    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind

    def response(self) -> Response:
        return JSONResponse({"message": str(self)}, self.status, {"x-amzn-ErrorType": self.kind})


class AmazonSes(MailService):
    """`SendEmail`, and the topic."""

    name = "amazon_ses"
    provider = "amazon_ses"
    account = "amazon-ses"
    words: ClassVar[Mapping[Fate, str]] = {
        Fate.SENT: "Send", Fate.DELAYED: "DeliveryDelay", Fate.DELIVERED: "Delivery", Fate.BOUNCED: "Bounce",
        Fate.FULL: "Bounce", Fate.DROPPED: "Bounce", Fate.OPENED: "Open", Fate.CLICKED: "Click",
        Fate.COMPLAINED: "Complaint",
    }  # fmt: skip

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)
        self._topic = Topic(self.url(site.place), self._keys.topic_arn, self.new_id)
        self._confirmed: dict[str, asyncio.Event] = {}  # by the address that is subscribed

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        return {
            "base_url": cls.url(place), "region": REGION, "access_key_id": keys.access_key_id,
            "secret_access_key": keys.secret_access_key, "sender": SENDER, "topic_arn": keys.topic_arn,
            "configuration_set": keys.configuration_set,
        }  # fmt: skip

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route(PATH, self.send, methods=["POST"]),
            Route("/", self.confirm, methods=["GET"]),
            Route("/{name}.pem", self.certificate, methods=["GET"]),
        ]

    async def send(self, request: Request) -> Response:
        """Take a letter."""
        body = await request.body()

        async def take() -> Response:
            return self._take(body)

        try:
            self._authorise(request, body)
            return await self.befall(take, _refuse)
        except _Refused as refusal:
            return refusal.response()

    def _authorise(self, request: Request, body: bytes) -> None:
        """Count the signature again: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html"""
        told = _AUTHORIZATION(request.headers.get("authorization", ""))
        if told is None:
            raise _Refused(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        key_id, day, region, names, given = told.groups()
        if key_id != self._keys.access_key_id:
            words = "The security token included in the request is invalid."
            raise _Refused(403, "UnrecognizedClientException", words)
        headers = "".join(
            f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in names.split(";")
        )
        path = quote(request.url.path)
        hashed = sha256(body).hexdigest()
        canonical = f"{request.method}\n{path}\n{request.url.query}\n{headers}\n{names}\n{hashed}"
        scope = f"{day}/{region}/ses/aws4_request"
        stamp = request.headers.get("x-amz-date", "")
        signed = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        key = f"AWS4{self._keys.secret_access_key}".encode()
        for part in scope.split("/"):
            key = digest(key, part.encode(), sha256)
        if not compare_digest(digest(key, signed.encode(), sha256).hex(), given):
            words = "The request signature we calculated does not match the signature you provided."
            raise _Refused(403, "InvalidSignatureException", words)

    def _take(self, body: bytes) -> Response:
        try:
            mail = read_json(body, _Mail)
        except Unreadable as error:
            raise _Refused(400, "BadRequestException", str(error)) from None
        simple = mail.content.simple
        people = [parseaddr(text) for text in mail.destination.to_addresses]
        if simple is None or not (simple.body.html.data or simple.body.text.data):
            raise _Refused(400, "BadRequestException", "The content of the message is missing.")
        if not people or not all(is_address(address) for _, address in people):
            raise _Refused(400, "BadRequestException", "Illegal address")
        if mail.configuration_set_name not in ("", self._keys.configuration_set):
            words = f"Configuration set <{mail.configuration_set_name}> does not exist."
            raise _Refused(404, "NotFoundException", words)
        tracking = mail.configuration_overrides.tracking
        told = mail.configuration_set_name and "ENABLED" in (
            tracking.open_tracking_enabled, tracking.click_tracking_enabled
        )  # fmt: skip
        ref = f"0107{self.new_id(28)}-000000"
        data = {tag.name: tag.value for tag in mail.email_tags}
        if mail.configuration_set_name:
            data["ses:configuration-set"] = mail.configuration_set_name
        headers = {header.name: header.value for header in simple.headers}
        for name, address in people:
            letter = Letter(
                address, mail.from_email_address, simple.subject.data, simple.body.html.data,
                simple.body.text.data, _in_letters(name), ", ".join(mail.reply_to_addresses), headers, data,
                bool(told),
            )  # fmt: skip
            self.take(letter, ref)
        return JSONResponse({"MessageId": ref})

    async def confirm(self, request: Request) -> Response:
        """Let the topic's messages go to an address whose confirmation was called."""
        waiting = self._confirmed.get(self._topic.subscribed(request.query_params.get("Token", "")))
        if request.query_params.get("Action") != "ConfirmSubscription" or waiting is None:
            return PlainTextResponse("<ErrorResponse/>", 400)
        waiting.set()
        return PlainTextResponse("<ConfirmSubscriptionResponse/>", media_type="text/xml")

    async def certificate(self, request: Request) -> Response:
        """Serve the certificate that the topic's messages are signed with."""
        if request.path_params["name"] != self._topic.certificate_name:
            return PlainTextResponse("Not Found", 404)
        return Response(self._topic.certificate)

    def pass_on(self, event: Event) -> None:
        """Tell an event over the topic, after the address has confirmed that it wants them."""
        if "ses:configuration-set" not in event.sent.letter.data:
            return  # no destination for its events

        async def deliver(good: bool) -> None:
            await self._topic.ready()
            await self._subscribe(self.hook)
            if good:
                await self.outbox.deliver(self.webhook(event, True))
            else:
                await self.outbox.call(self.webhook(event, False))

        self.tell(deliver)

    async def _subscribe(self, hook: str) -> None:
        if hook not in self._confirmed:
            self._confirmed[hook] = asyncio.Event()
            await self.outbox.deliver(self._topic.confirmation(hook, self.world.pace.now()))
        await self._confirmed[hook].wait()

    def webhook(self, event: Event, good: bool) -> Outgoing:
        letter, name = event.sent.letter, self.words[event.fate]
        mail = {
            "timestamp": iso(event.sent.at), "messageId": event.sent.ref, "source": letter.sender,
            "sendingAccountId": "000000000001", "destination": [letter.to], "headersTruncated": False,
            "tags": {tag: [value] for tag, value in letter.data.items()},
        }  # fmt: skip
        part: dict[str, object] = {"timestamp": iso(event.at), **_about(event)}
        if event.agent:
            part |= {"userAgent": event.agent, "ipAddress": event.ip}
        if event.url:
            part["link"] = event.url
        told = {"eventType": name, "mail": mail, PARTS.get(event.fate, name.lower()): part}
        text = msgspec.json.encode(told).decode()
        return self._topic.message(self.hook, "Notification", event.id, text, event.at, good)


def _about(event: Event) -> Mapping[str, object]:
    """Return what an event's own part says of how it came to that."""
    to = event.sent.letter.to
    match event.fate:
        case Fate.DELIVERED:
            return {"recipients": [to], "smtpResponse": "250 2.0.0 OK", "processingTimeMillis": 500}
        case Fate.DELAYED:
            refused = {"emailAddress": to, "status": "4.2.1", "diagnosticCode": "smtp; 450 4.2.1 Try later"}
            return {"delayType": "TransientCommunicationFailure", "delayedRecipients": [refused]}
        case Fate.BOUNCED:
            return _bounce("Permanent", "General", to, "5.1.1", "User unknown")
        case Fate.FULL:
            return _bounce("Transient", "MailboxFull", to, "5.2.2", "Mailbox full")
        case Fate.DROPPED:
            return _bounce("Permanent", "OnAccountSuppressionList", to, "", "Suppressed")
        case Fate.COMPLAINED:
            people = [{"emailAddress": to}]
            return {
                "complainedRecipients": people,
                "complaintFeedbackType": "abuse",
                "complaintSubType": None,
            }
        case _:
            return {}


def _bounce(kind: str, subtype: str, to: str, status: str, words: str) -> Mapping[str, object]:
    refused = {"emailAddress": to, "action": "failed"}
    if status:
        refused |= {"status": status, "diagnosticCode": f"smtp; 550 {status} {words}"}
    return {"bounceType": kind, "bounceSubType": subtype, "bouncedRecipients": [refused]}


def _refuse(fault: Fault) -> Response:
    if fault.kind == "error":
        return JSONResponse({"message": "Internal failure"}, 500)
    if fault.kind == "reject":
        raise _Refused(400, "MessageRejected", "Illegal header")
    raise _Refused(429, "TooManyRequestsException", "Maximum sending rate exceeded.")


def _in_letters(name: str) -> str:
    """Return a name that is written in the words of RFC 2047 as it is read."""
    return str(make_header(decode_header(name)))

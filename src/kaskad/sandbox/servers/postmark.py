"""Postmark: letters one at a time or in batches, webhooks with a password, the inbound stream.

https://postmarkapp.com/developer/api/email-api
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from email.message import EmailMessage
from email.utils import getaddresses, parseaddr
from typing import ClassVar
from uuid import UUID

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.sandbox.faults import Fault
from kaskad.sandbox.outbox import json_post
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
)
from kaskad.sandbox.times import iso
from kaskad.sandbox.wire import Outgoing

BATCH = 500  # https://postmarkapp.com/developer/user-guide/send-email-with-api/batch-emails
WHEN = {
    "Delivery": "DeliveredAt", "Bounce": "BouncedAt", "SpamComplaint": "BouncedAt", "Open": "ReceivedAt",
    "Click": "ReceivedAt",
}  # fmt: skip
APART = ("From", "To", "Subject", "Date")  # of a mail that came in: in fields of their own
INACTIVE = (
    "You tried to send to recipient(s) that have been marked as inactive. Found inactive addresses: {}. "
    "Inactive recipients are ones that have generated a hard bounce, a spam complaint, or a manual "
    "suppression."
)


class Keys(Struct, frozen=True):
    """They protect nothing: all is on this machine."""

    server_token: str = "00000000-0000-4000-8000-000000000001"
    webhook_password: str = "only-for-the-sandbox"


class _Header(Struct, rename="pascal"):
    name: str = ""
    value: str = ""


class _Mail(Struct, rename="pascal"):
    from_: str = msgspec.field(name="From", default="")
    to: str = ""
    subject: str = ""
    text_body: str = ""
    html_body: str = ""
    reply_to: str = ""
    metadata: dict[str, str] = {}
    headers: list[_Header] = []
    track_opens: bool = False
    track_links: str = "None"
    message_stream: str = "outbound"


class _Refused(Exception):
    def __init__(self, code: int, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.code = code
        self.status = status

    def response(self) -> Response:
        return JSONResponse({"ErrorCode": self.code, "Message": str(self)}, self.status)


class Postmark(MailService):
    """`/email`."""

    name = "postmark"
    provider = "postmark"
    account = "postmark"
    words: ClassVar[Mapping[Fate, str]] = {
        Fate.DELAYED: "Bounce", Fate.DELIVERED: "Delivery", Fate.BOUNCED: "Bounce", Fate.FULL: "Bounce",
        Fate.OPENED: "Open", Fate.CLICKED: "Click", Fate.COMPLAINED: "SpamComplaint",
    }  # fmt: skip

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        return {
            "base_url": cls.url(place), "server_token": keys.server_token, "sender": SENDER,
            "reply_domain": ANSWERS, "webhook_password": keys.webhook_password,
        }  # fmt: skip

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/email", self.send, methods=["POST"]),
            Route("/email/batch", self.send_batch, methods=["POST"]),
        ]

    async def send(self, request: Request) -> Response:
        """Take a letter."""
        return await self._answer(request, self._take)

    async def send_batch(self, request: Request) -> Response:
        """Take letters; each is answered for itself, whatever becomes of the others."""
        return await self._answer(request, self._take_batch)

    async def _answer(self, request: Request, take_in: Callable[[bytes], Response]) -> Response:
        body = await request.body()

        async def take() -> Response:
            return take_in(body)

        try:
            if request.headers.get("x-postmark-server-token") != self._keys.server_token:
                raise _Refused(10, "Bad or missing Server API token.", 401)
            return await self.befall(take, _refuse)
        except _Refused as refusal:
            return refusal.response()

    def _take_batch(self, body: bytes) -> Response:
        try:
            mails = msgspec.json.decode(body, type=list[msgspec.Raw])
        except ValueError as error:
            raise _Refused(402, f"Received invalid JSON input: {error}") from None
        if len(mails) > BATCH:
            raise _Refused(410, f"A batch may hold {BATCH} messages.")
        return JSONResponse([self._fate(bytes(mail)) for mail in mails])

    def _fate(self, body: bytes) -> object:
        try:
            return msgspec.json.decode(bytes(self._take(body).body))
        except _Refused as refusal:
            return msgspec.json.decode(bytes(refusal.response().body))

    def _take(self, body: bytes) -> Response:
        try:
            mail = read_json(body, _Mail)
        except Unreadable as error:
            raise _Refused(402, f"Received invalid JSON input: {error}") from None
        people = getaddresses([mail.to])
        if not people:
            raise _Refused(300, "Zero recipients specified")
        if not is_address(parseaddr(mail.from_)[1]):
            raise _Refused(300, f"Invalid 'From' address: '{mail.from_}'.")
        if wrong := next((address for _, address in people if not is_address(address)), ""):
            raise _Refused(300, f"Invalid 'To' address: '{wrong}'.")
        if not (mail.html_body or mail.text_body):
            raise _Refused(300, "Provide either email TextBody or HtmlBody or both.")
        if mail.message_stream not in ("outbound", "broadcast"):
            raise _Refused(1235, f"The message stream '{mail.message_stream}' was not found.")
        if inactive := [address for _, address in people if self.ended(address)]:
            raise _Refused(406, INACTIVE.format(", ".join(inactive)))
        headers = {header.name: header.value for header in mail.headers}
        tracked = mail.track_opens or mail.track_links != "None"
        message_id = str(UUID(int=self.ids.getrandbits(128)))
        for name, address in people:
            letter = Letter(
                address, mail.from_, mail.subject, mail.html_body, mail.text_body, name, mail.reply_to,
                headers, mail.metadata, tracked,
            )  # fmt: skip
            sent = self.take(letter, message_id)
        return JSONResponse({
            "To": mail.to, "SubmittedAt": iso(sent.at), "MessageID": message_id, "ErrorCode": 0,
            "Message": "OK",
        })  # fmt: skip

    def webhook(self, event: Event, good: bool) -> Outgoing:
        letter, record = event.sent.letter, self.words[event.fate]
        told: dict[str, object] = {
            "RecordType": record, "MessageID": event.sent.ref, "MessageStream": "outbound", "ServerID": 1,
            "Metadata": letter.data, "Tag": "", WHEN[record]: iso(event.at), **_about(event),
        }  # fmt: skip
        if event.fate in (Fate.BOUNCED, Fate.FULL, Fate.DELAYED, Fate.COMPLAINED):
            told |= {
                "ID": int(event.id[:8], 16), "Email": letter.to, "From": letter.sender,
                "Subject": letter.subject, "Inactive": event.fate in (Fate.BOUNCED, Fate.COMPLAINED),
            }  # fmt: skip
        else:
            told["Recipient"] = letter.to
        if event.agent:
            told |= {"UserAgent": event.agent, "Platform": "Mobile", "Geo": {"IP": event.ip}}
        if event.url:
            told |= {"OriginalLink": event.url, "ClickLocation": "HTML"}
        return json_post(self.hook, told, self._password(good))

    def answer_hook(self, answer: EmailMessage, to: str, good: bool) -> Outgoing | None:
        name, address = parseaddr(str(answer["From"]))
        text = answer.get_content()
        told = {
            "From": address, "FromName": name, "FromFull": {"Email": address, "Name": name},
            "To": str(answer["To"]), "ToFull": [{"Email": to, "Name": ""}], "Cc": "", "CcFull": [],
            "OriginalRecipient": to, "Subject": str(answer["Subject"]), "Date": str(answer["Date"]),
            "MessageID": str(UUID(int=self.ids.getrandbits(128))), "MessageStream": "inbound",
            "TextBody": text, "StrippedTextReply": text.strip(),
            "Headers": [
                {"Name": name, "Value": str(value)}
                for name, value in answer.items()
                if name not in APART
            ],
        }  # fmt: skip
        return json_post(self.hook, told, self._password(good))

    def _password(self, good: bool) -> dict[str, str]:
        """Return the header of an address with a password in it; nothing else protects the webhook."""
        password = self._keys.webhook_password if good else "another-password"
        return {"Authorization": f"Basic {b64encode(f'kaskad:{password}'.encode()).decode()}"}


def _refuse(fault: Fault) -> Response:
    if fault.kind == "error":
        return PlainTextResponse("Internal Server Error", 500)
    if fault.kind == "reject":
        raise _Refused(300, "Invalid email request")
    response = _Refused(429, "Rate limit exceeded", 429).response()
    response.headers["Retry-After"] = str(max(1, round(fault.seconds)))
    return response


def _about(event: Event) -> Mapping[str, object]:
    """Return what a record says of how it came to that."""
    match event.fate:
        case Fate.DELIVERED:
            return {"Details": "smtp;250 2.0.0 OK"}
        case Fate.DELAYED:
            return {"Type": "Transient", "TypeCode": 2, "Details": "smtp;450 4.2.1 Try again later"}
        case Fate.BOUNCED:
            return {"Type": "HardBounce", "TypeCode": 1, "Details": "smtp;550 5.1.1 User unknown"}
        case Fate.FULL:
            return {"Type": "SoftBounce", "TypeCode": 4096, "Details": "smtp;552 5.2.2 Mailbox full"}
        case Fate.COMPLAINED:
            return {"Type": "SpamComplaint", "TypeCode": 512}
        case Fate.OPENED:
            return {"FirstOpen": True, "ReadSeconds": 0}
        case _:
            return {}

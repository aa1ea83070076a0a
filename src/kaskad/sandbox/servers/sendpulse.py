"""SendPulse's SMTP API: tokens, letters, webhooks in arrays.

https://sendpulse.com/integrations/api/smtp. `message_id` of the webhooks is the answer's `id` here; at the
service that is not documented.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import ClassVar

from msgspec import Struct, field
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.sandbox.faults import Fault
from kaskad.sandbox.outbox import json_post
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
    spoken,
)
from kaskad.sandbox.wire import Outgoing

TOKEN_S = 3600


class Keys(Struct, frozen=True):
    """They protect nothing: all is on this machine."""

    client_id: str = "sandbox"
    client_secret: str = "only-for-the-sandbox"
    api_key: str = "sp_apikey_only-for-the-sandbox"
    webhook_secret: str = "only-for-the-sandbox"


class _Person(Struct):
    email: str = ""
    name: str | None = ""


class _Mail(Struct, rename={"sender": "from"}):
    subject: str = ""
    sender: _Person = field(default_factory=_Person)
    to: list[_Person] = []
    html: str = ""
    text: str = ""


class _Told(Struct):
    email: _Mail


class _Asked(Struct):
    grant_type: str = ""
    client_id: str = ""
    client_secret: str = ""


class _Refused(Exception):
    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def response(self) -> Response:
        return JSONResponse({"error_code": self.code, "message": str(self)}, self.status)


class SendPulse(MailService):
    """`/oauth/access_token` and `/smtp/emails`; opens and clicks are counted, as is the service's default."""

    name = "sendpulse"
    provider = "sendpulse"
    account = "sendpulse"
    words: ClassVar[Mapping[Fate, str]] = {
        Fate.SENT: "new", Fate.DELAYED: "soft_bounces", Fate.DELIVERED: "delivered",
        Fate.BOUNCED: "hard_bounces", Fate.FULL: "undelivered", Fate.OPENED: "opened",
        Fate.CLICKED: "redirected", Fate.COMPLAINED: "spam_by_user", Fate.LEFT: "unsubscribed",
    }  # fmt: skip

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)
        self._tokens: dict[str, int] = {}  # until when each holds

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        return {
            "base_url": cls.url(place), "client_id": keys.client_id, "client_secret": keys.client_secret,
            "sender": SENDER, "webhook_secret": keys.webhook_secret,
        }  # fmt: skip

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/oauth/access_token", self.token, methods=["POST"]),
            Route("/smtp/emails", self.send, methods=["POST"]),
            Route("/leave/{ref}/{to}", self.leave, methods=["GET", "POST"]),
        ]

    async def token(self, request: Request) -> Response:
        """Give a token for an hour."""
        try:
            asked = read_json(await request.body(), _Asked)
        except Unreadable:
            asked = _Asked()
        keys = self._keys
        if asked != _Asked("client_credentials", keys.client_id, keys.client_secret):
            return JSONResponse({"error_code": 1, "message": "Client authentication failed"}, 401)
        token = self.new_id(40)
        self._tokens[token] = self.world.pace.now() + TOKEN_S * 1000
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_S})

    async def send(self, request: Request) -> Response:
        """Take a letter."""
        body = await request.body()

        async def take() -> Response:
            return self._take(body)

        try:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            if token != self._keys.api_key and self._tokens.get(token, 0) < self.world.pace.now():
                raise _Refused(401, 1, "Unauthorized")
            return await self.befall(take, _refuse)
        except _Refused as refusal:
            return refusal.response()

    def _take(self, body: bytes) -> Response:
        try:
            mail = read_json(body, _Told).email
            html = base64.b64decode(mail.html, validate=True).decode()
        except ValueError:  # no JSON, no base64, no UTF-8
            raise _Refused(400, 8, "Empty data") from None
        if not mail.to:
            raise _Refused(400, 213, "Missed 'to'")
        if not is_address(mail.sender.email):
            raise _Refused(422, 422, f"Sender {mail.sender.email} is not allowed")
        if wrong := next((person.email for person in mail.to if not is_address(person.email)), ""):
            raise _Refused(422, 422, f"Email {wrong} is not valid")
        ref = self.new_id(16)
        for person in mail.to:
            out = self.way_out(ref, person.email)
            letter = Letter(
                person.email, spoken(mail.sender.name or "", mail.sender.email), mail.subject,
                html + out.html if html else "", mail.text, person.name or "", headers=out.headers,
                tracked=True,
            )  # fmt: skip
            self.take(letter, ref)  # who has left is dropped without a word
        return JSONResponse({"result": True, "id": ref})

    def webhook(self, event: Event, good: bool) -> Outgoing:
        letter = event.sent.letter
        told: dict[str, object] = {
            "event": self.words[event.fate], "timestamp": event.at // 1000, "message_id": event.sent.ref,
            "recipient": letter.to, "sender": letter.sender, "subject": letter.subject, **_about(event),
        }  # fmt: skip
        if event.agent:
            told |= {"user_agent": event.agent, "open_device": "Mobile"}
        if event.url:
            told["link_url"] = event.url
        key = self._keys.webhook_secret if good else "another-secret"
        return json_post(f"{self.hook}?key={key}", [told])


def _refuse(fault: Fault) -> Response:
    if fault.kind == "error":
        return PlainTextResponse("Internal Server Error", 500)
    if fault.kind == "reject":
        raise _Refused(422, 422, "Sender is not allowed")
    raise _Refused(429, 429, "Too many requests")


def _about(event: Event) -> Mapping[str, object]:
    """Return what the receiving server said."""
    said = {
        Fate.DELIVERED: ("250", "", "OK"),
        Fate.DELAYED: ("450", "4.2.1", "Try again later"),
        Fate.BOUNCED: ("550", "5.1.1", "User unknown"),
        Fate.FULL: ("552", "5.2.2", "Mailbox full"),
    }.get(event.fate)
    if said is None:
        return {}
    code, subcode, words = said
    return {"smtp_server_response_code": code, "smtp_server_response_subcode": subcode,
            "smtp_server_response": words}  # fmt: skip

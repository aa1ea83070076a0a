"""Unisender: Unisender Go (UniOne has the same API) and the classic API, whose webhooks are signed alike.

https://godocs.unisender.ru/web-api-ref, https://www.unisender.com/ru/support/api/messages/sendemail/. What
the classic API leaves open (its answers, its webhooks) is as public clients have it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import md5
from typing import ClassVar

import msgspec
from msgspec import Struct
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
    fields_of,
    is_address,
    read_json,
    spoken,
)
from kaskad.sandbox.times import plain
from kaskad.sandbox.wire import Outgoing

BLANK = "0" * 32
GO = "/ru/transactional/api/v1"
CLASSIC = "/ru/api"
GONE = {Fate.BOUNCED: "permanent_unavailable", Fate.COMPLAINED: "complained", Fate.LEFT: "unsubscribed"}


class GoKeys(Struct, frozen=True):
    """They protect nothing: all is on this machine."""

    api_key: str = "go-only-for-the-sandbox"


class ClassicKeys(Struct, frozen=True):
    """They protect nothing: all is on this machine."""

    api_key: str = "classic-only-for-the-sandbox"
    list_id: str = "1"


class _Recipient(Struct):
    email: str = ""
    metadata: dict[str, str] = {}


class _Body(Struct):
    html: str = ""
    plaintext: str = ""


class _Options(Struct):
    unsubscribe_url: str = ""


class _Message(Struct):
    recipients: list[_Recipient] = []
    global_metadata: dict[str, str] = {}
    from_email: str = ""
    from_name: str = ""
    subject: str = ""
    body: _Body = msgspec.field(default_factory=_Body)
    reply_to: str = ""
    reply_to_name: str = ""
    headers: dict[str, str] = {}
    track_links: int = 1
    track_read: int = 1
    skip_unsubscribe: int = 0
    options: _Options = msgspec.field(default_factory=_Options)


class _Told(Struct):
    message: _Message


class _Refused(Exception):
    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def response(self) -> Response:
        return JSONResponse({"status": "error", "code": self.code, "message": str(self)}, self.status)


class UnisenderGo(MailService):
    """`email/send.json`."""

    name = "unisender_go"
    provider = "unisender_go"
    account = "unisender-go"
    words: ClassVar[Mapping[Fate, str]] = {
        Fate.SENT: "sent", Fate.DELAYED: "soft_bounced", Fate.DELIVERED: "delivered",
        Fate.BOUNCED: "hard_bounced", Fate.FULL: "hard_bounced", Fate.OPENED: "opened",
        Fate.CLICKED: "clicked", Fate.COMPLAINED: "spam", Fate.LEFT: "unsubscribed",
    }  # fmt: skip

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(GoKeys)

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(GoKeys)
        return {"base_url": f"{cls.url(place)}{GO}", "api_key": keys.api_key, "sender": SENDER}

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route(f"{GO}/email/send.json", self.send, methods=["POST"]),
            Route("/leave/{ref}/{to}", self.leave, methods=["GET", "POST"]),
        ]

    async def send(self, request: Request) -> Response:
        """Take a letter for one person or several."""
        body = await request.body()

        async def take() -> Response:
            return self._take(body)

        try:
            if request.headers.get("x-api-key") != self._keys.api_key:
                raise _Refused(401, 102, "Can not decode key")
            return await self.befall(take, _refuse)
        except _Refused as refusal:
            return refusal.response()

    def _take(self, body: bytes) -> Response:
        try:
            mail = read_json(body, _Told).message
        except Unreadable as error:
            raise _Refused(400, 150, f"Error ID:SANDBOX. {error}") from None
        for name, value in (("subject", mail.subject), ("recipients", mail.recipients)):
            if not value:
                raise _Refused(400, 150, f"Error ID:SANDBOX. '{name}' is required")
        if not (mail.body.html or mail.body.plaintext):
            raise _Refused(400, 150, "Error ID:SANDBOX. 'body' is required")
        if not is_address(mail.from_email):
            raise _Refused(400, 150, "Error ID:SANDBOX. 'from_email' is not valid")
        job = f"1{self.new_id(5)}-{self.new_id(6)}-{self.new_id(2)}"
        failed = {}
        for person in mail.recipients:
            ended = self.ended(person.email)
            if ended or not is_address(person.email):
                failed[person.email] = GONE[ended] if ended else "invalid"
            else:
                self.take(self._letter(mail, person, job), job)
        taken = [person.email for person in mail.recipients if person.email not in failed]
        told: dict[str, object] = {"status": "success", "job_id": job, "emails": taken}
        return JSONResponse(told | ({"failed_emails": failed} if failed else {}))

    def _letter(self, mail: _Message, person: _Recipient, job: str) -> Letter:
        """Return the letter for one person, with the service's way out unless it is to be skipped."""
        headers, html = dict(mail.headers), mail.body.html
        if not mail.skip_unsubscribe and mail.options.unsubscribe_url:
            url = mail.options.unsubscribe_url
            headers["List-Unsubscribe"] = f"<{url}>"
            html += f'<p><a href="{url}">Unsubscribe</a></p>' if html else ""
        elif not mail.skip_unsubscribe:
            out = self.way_out(job, person.email)
            headers |= out.headers
            html += out.html if html else ""
        return Letter(
            person.email, spoken(mail.from_name, mail.from_email), mail.subject, html, mail.body.plaintext,
            reply_to=spoken(mail.reply_to_name, mail.reply_to) if mail.reply_to else "", headers=headers,
            data=mail.global_metadata | person.metadata, tracked=bool(mail.track_links or mail.track_read),
        )  # fmt: skip

    def webhook(self, event: Event, good: bool) -> Outgoing:
        letter = event.sent.letter
        told: dict[str, object] = {
            "job_id": event.sent.ref, "metadata": letter.data, "email": letter.to,
            "status": self.words[event.fate], "event_time": plain(event.at),
        }  # fmt: skip
        info = _about(event)
        if event.agent:
            info |= {"user_agent": event.agent, "ip": event.ip}
        if info:
            told["delivery_info"] = info
        if event.url:
            told["url"] = event.url
        return signed(self.hook, "transactional_email_status", "events", told, self._keys.api_key, good)


class Unisender(MailService):
    """`sendEmail` of the classic API; every answer is a 200."""

    name = "unisender"
    provider = "unisender"
    account = "unisender"
    words: ClassVar[Mapping[Fate, str]] = {
        Fate.SENT: "ok_sent", Fate.DELAYED: "err_will_retry", Fate.DELIVERED: "ok_delivered",
        Fate.BOUNCED: "err_user_unknown", Fate.FULL: "err_mailbox_full", Fate.OPENED: "ok_read",
        Fate.CLICKED: "ok_link_visited", Fate.COMPLAINED: "ok_fbl", Fate.LEFT: "ok_unsubscribed",
    }  # fmt: skip

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(ClassicKeys)
        self._next = 6_000_001

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(ClassicKeys)
        return {
            "base_url": f"{cls.url(place)}{CLASSIC}", "api_key": keys.api_key, "sender": SENDER,
            "list_id": keys.list_id,
        }  # fmt: skip

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route(f"{CLASSIC}/sendEmail", self.send, methods=["POST"]),
            Route("/leave/{ref}/{to}", self.leave, methods=["GET", "POST"]),
        ]

    async def send(self, request: Request) -> Response:
        """Take a letter for one person."""
        given = {name: values[0] for name, values in (await fields_of(request)).items()}

        async def take() -> Response:
            return self._take(given)

        if given.get("api_key") != self._keys.api_key:
            return _error("invalid_api_key", "Your API key is invalid")
        return await self.befall(take, _refuse_classic)

    def _take(self, given: Mapping[str, str]) -> Response:
        for name in ("email", "sender_name", "sender_email", "subject", "body", "list_id"):
            if not given.get(name):
                return _error("invalid_arg", f"{name} is required")
        to = given["email"]
        if given["list_id"] != self._keys.list_id:
            return _error("invalid_arg", "list_id is unknown")
        if (ended := self.ended(to)) or not is_address(to):
            code = {Fate.BOUNCED: "dst_unreachable", None: "invalid_arg"}.get(ended, "has_been_unsubscribed")
            errors = [{"code": code, "message": f"Email {to}: {code}"}]
            return JSONResponse({"result": [{"index": 0, "email": to, "errors": errors}]})
        ref = str(self._next)
        self._next += 1
        out = self.way_out(ref, to)
        tracked = "1" in (given.get("track_read"), given.get("track_links"))
        sender = spoken(given["sender_name"], given["sender_email"])
        self.take(
            Letter(
                to, sender, given["subject"], given["body"] + out.html, headers=out.headers, tracked=tracked
            ),
            ref,
        )
        return JSONResponse({"result": [{"index": 0, "email": to, "id": ref}]})

    def webhook(self, event: Event, good: bool) -> Outgoing:
        told = {
            "email_id": event.sent.ref, "email": event.sent.letter.to, "status": self.words[event.fate],
            "event_time": plain(event.at),
        }  # fmt: skip
        return signed(self.hook, "email_status", "Events", told, self._keys.api_key, good)


def signed(url: str, name: str, listed: str, told: Mapping[str, object], key: str, good: bool) -> Outgoing:
    """Return a webhook with one event; `auth` is the MD5 of the body that has the key in its place."""
    event = {"event_name": name, "event_data": told}
    body = msgspec.json.encode({"auth": BLANK, "events_by_user": [{"user_id": 1, listed: [event]}]})
    keyed = body.replace(BLANK.encode(), (key if good else "another-key").encode(), 1)
    auth = md5(keyed, usedforsecurity=False).hexdigest()
    headers = {"Content-Type": "application/json"}
    return Outgoing("POST", url, headers, body.replace(BLANK.encode(), auth.encode(), 1))


def _about(event: Event) -> dict[str, object]:
    """Return what the receiving server said, and the service's word for it."""
    match event.fate:
        case Fate.BOUNCED:
            return {"delivery_status": "err_user_unknown", "destination_response": "550 5.1.1 User unknown"}
        case Fate.FULL:
            return {"delivery_status": "err_mailbox_full", "destination_response": "552 5.2.2 Mailbox full"}
        case Fate.DELAYED:
            return {"delivery_status": "err_will_retry", "destination_response": "450 4.2.1 Try later"}
        case _:
            return {}


def _refuse(fault: Fault) -> Response:
    if fault.kind == "error":
        return PlainTextResponse("Internal Server Error", 500)
    if fault.kind == "reject":
        raise _Refused(403, 905, "Domain is not verified")
    response = _Refused(429, 1, "Too many requests").response()
    response.headers["Retry-After"] = str(max(1, round(fault.seconds)))
    return response


def _refuse_classic(fault: Fault) -> Response:
    if fault.kind == "error":
        return PlainTextResponse("Internal Server Error", 500)
    if fault.kind == "reject":
        return _error("invalid_arg", "body is not valid")
    return _error("api_call_limit_exceeded_for_api_key", "Too many calls a minute")


def _error(code: str, words: str) -> Response:
    return JSONResponse({"error": f"SANDBOX {words}", "code": code})

"""Mailgun: messages, signed webhooks, and routes that forward what comes in.

https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.utils import getaddresses
from hashlib import sha256
from hmac import digest
from typing import ClassVar

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.sandbox.faults import Fault
from kaskad.sandbox.outbox import form, json_post
from kaskad.sandbox.server import Place, Site
from kaskad.sandbox.servers.mailing import ANSWERS, Event, Fate, Letter, MailService, fields_of, is_address
from kaskad.sandbox.wire import Outgoing


class Keys(Struct, frozen=True):
    """They protect nothing: all is on this machine."""

    api_key: str = "key-only-for-the-sandbox"
    domain: str = "mg.example.org"
    signing_key: str = "only-for-the-sandbox"


class Mailgun(MailService):
    """`/v3/{domain}/messages`."""

    name = "mailgun"
    provider = "mailgun"
    account = "mailgun"
    words: ClassVar[Mapping[Fate, str]] = {
        Fate.SENT: "accepted", Fate.DELAYED: "failed", Fate.DELIVERED: "delivered", Fate.BOUNCED: "failed",
        Fate.FULL: "failed", Fate.DROPPED: "failed", Fate.OPENED: "opened", Fate.CLICKED: "clicked",
        Fate.COMPLAINED: "complained",
    }  # fmt: skip

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        return {
            "base_url": cls.url(place), "api_key": keys.api_key, "domain": keys.domain,
            "sender": f"The shop <shop@{keys.domain}>", "reply_domain": ANSWERS,
            "signing_key": keys.signing_key,
        }  # fmt: skip

    def routes(self) -> Sequence[BaseRoute]:
        return [Route("/v3/{domain}/messages", self.send, methods=["POST"])]

    async def send(self, request: Request) -> Response:
        """Take a mail."""
        asked = base64.b64encode(f"api:{self._keys.api_key}".encode()).decode()
        if request.headers.get("authorization", "").partition(" ")[2] != asked:
            return PlainTextResponse("Forbidden", 401)
        domain = request.path_params["domain"]
        if domain != self._keys.domain:
            return JSONResponse({"message": f"Domain not found: {domain}"}, 404)
        given = await fields_of(request)

        async def take() -> Response:
            return self._take(given)

        return await self.befall(take, self._refuse)

    def _refuse(self, fault: Fault) -> Response:
        if fault.kind == "error":
            return JSONResponse({"message": "Internal Server Error"}, 500)
        if fault.kind == "reject":
            return JSONResponse({"message": "Domain is not allowed to send"}, 403)
        words = (
            f"Domain {self._keys.domain} is not allowed to send: account-requests-per-sec limit exceeded, "
            f"try again after {max(1, round(fault.seconds))} seconds"
        )
        return JSONResponse({"message": words}, 429)

    def _take(self, given: Mapping[str, Sequence[str]]) -> Response:
        def one(name: str) -> str:
            return next(iter(given.get(name, ())), "")

        people = getaddresses(list(given.get("to", ())))
        if not one("from"):
            return JSONResponse({"message": "from parameter is missing"}, 400)
        if not people or not all(is_address(address) for _, address in people):
            words = "to parameter is not a valid address. please check documentation."
            return JSONResponse({"message": words}, 400)
        if not (one("text") or one("html")):
            words = "Need at least one of 'text', 'html', 'amp-html' or 'template' parameters specified."
            return JSONResponse({"message": words}, 400)
        headers = {name[2:]: values[0] for name, values in given.items() if name.startswith("h:")}
        data = {name[2:]: values[0] for name, values in given.items() if name.startswith("v:")}
        # A Message-ID of ours is the message's own
        message_id = headers.get("Message-ID", "").strip("<>") or f"{self.new_id(24)}@{self._keys.domain}"
        tracked = "yes" in (one("o:tracking-opens"), one("o:tracking-clicks"))
        for name, address in people:
            letter = Letter(
                address, one("from"), one("subject"), one("html"), one("text"), name,
                headers.get("Reply-To", ""), headers, data, tracked,
            )  # fmt: skip
            self.take(letter, message_id)
        return JSONResponse({"id": f"<{message_id}>", "message": "Queued. Thank you."})

    def webhook(self, event: Event, good: bool) -> Outgoing:
        letter = event.sent.letter
        headers = {"to": letter.to, "message-id": event.sent.ref, "from": letter.sender,
                   "subject": letter.subject}  # fmt: skip
        told: dict[str, object] = {
            "event": self.words[event.fate], "id": event.id, "timestamp": event.at / 1000,
            "log-level": "info", "recipient": letter.to, "user-variables": letter.data, "tags": [],
            "message": {"headers": headers, "attachments": [], "size": len(letter.html) + len(letter.text)},
            **_about(event),
        }  # fmt: skip
        if event.agent:
            told |= {"ip": event.ip, "client-info": {"client-type": "browser", "user-agent": event.agent}}
        if event.url:
            told["url"] = event.url
        return json_post(self.hook, {"signature": self._signed(event.at, event.id, good), "event-data": told})

    def _signed(self, at: int, token: str, good: bool) -> dict[str, str]:
        """Return the signature of a call; it covers the stamp and the token, not the body."""
        stamp = str(at // 1000)
        key = self._keys.signing_key if good else "another-key"
        signature = digest(key.encode(), (stamp + token).encode(), sha256).hex()
        return {"timestamp": stamp, "token": token, "signature": signature}

    def answer_hook(self, answer: EmailMessage, to: str, good: bool) -> Outgoing | None:
        text = answer.get_content()
        pairs = [[name, str(value)] for name, value in answer.items()]
        fields = {
            "recipient": to, "sender": str(answer["From"]), "from": str(answer["From"]),
            "subject": str(answer["Subject"]), "body-plain": text, "stripped-text": text.strip(),
            "message-headers": msgspec.json.encode(pairs).decode(),
            **self._signed(self.world.pace.now(), self.new_id(50), good),
        }  # fmt: skip
        return form(self.hook, fields)


def _about(event: Event) -> Mapping[str, object]:
    """Return what an event says of how it came to that."""
    match event.fate:
        case Fate.DELIVERED:
            return {"delivery-status": {"code": 250, "message": "OK", "attempt-no": 1}}
        case Fate.DELAYED:
            status = {"code": 450, "message": "4.2.1 Try again later", "attempt-no": 1, "retry-seconds": 300}
            return {"severity": "temporary", "reason": "generic", "delivery-status": status}
        case Fate.BOUNCED:
            status = {"code": 550, "message": "5.1.1 User unknown", "attempt-no": 1}
            return {"severity": "permanent", "reason": "bounce", "delivery-status": status}
        case Fate.FULL:
            status = {"code": 552, "message": "5.2.2 Mailbox full", "attempt-no": 8}
            return {"severity": "permanent", "reason": "generic", "delivery-status": status}
        case Fate.DROPPED:
            reason = "suppress-bounce" if event.why is Fate.BOUNCED else "suppress-complaint"
            status = {"code": 605, "message": "Not delivering to previously bounced address"}
            return {"severity": "permanent", "reason": reason, "delivery-status": status}
        case _:
            return {}

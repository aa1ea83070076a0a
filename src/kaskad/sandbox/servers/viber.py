"""Viber's Bot API: https://creators.viber.com/docs/bots-api. Every answer is "200" with a status of its own.

A bot knows people by ids that Viber gives, never by numbers, and may write to who has written to it. Whoever
only opens the chat gets one welcome: what the webhook answers.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.providers.signatures import hmac_hex
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import Bubble, Button, Chat, Phone
from kaskad.sandbox.server import Place, Server, Site
from kaskad.sandbox.wire import Outgoing

CHANNEL = "viber"
FIRST_TOKEN = 5_100_000_000_000_000_000  # above 2^53, as Viber's
MAX_TEXT, MAX_CAPTION, MAX_NAME, MAX_TRACKING, MAX_BODY = 7000, 512, 28, 4000, 30_000
MAX_UNANSWERED = 100  # messages to a person who says nothing
WORDS = {
    0: "ok", 1: "invalidUrl", 2: "invalidAuthToken", 3: "badData", 4: "missingData",
    5: "receiverNotRegistered", 6: "notSubscribed", 10: "webhookNotSet", 12: "tooManyRequests",
}  # fmt: skip
FAULTS = {"throttle": 12, "reject": 3}
_ID = re.compile(r"[A-Za-z0-9+/]{16,64}={0,2}").fullmatch

Json = dict[str, object]


class Keys(Struct, frozen=True):
    """Of the one bot. They protect nothing: all is on this machine."""

    token: str = "0000000000000000-only-for-the-sandbox-00"
    uri: str = "kaskadsandbox"
    sender: str = "Kaskad"


class Refused(Exception):
    """A status that is not 0."""

    def __init__(self, status: int) -> None:
        super().__init__(WORDS[status])
        self.status = status


class Viber(Server):
    """`/set_webhook`, `/send_message`, `/get_account_info`."""

    name = "viber"
    channels = (CHANNEL,)
    provider = "viber"
    account = "viber"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)
        self._hook = ""
        self._wanted: set[str] = set()
        self._next = FIRST_TOKEN
        self._tracked: dict[int, str] = {}  # what came with the last message to a person
        self._unanswered: dict[int, int] = {}
        self._subscribed: dict[int, bool] = {}  # by phone; who is not here has, if an id was given to them

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        return {"base_url": cls.url(place), "token": keys.token, "sender": keys.sender, "uri": keys.uri}

    def routes(self) -> Sequence[BaseRoute]:
        return [Route("/{method}", self.call, methods=["POST"])]

    async def call(self, request: Request) -> Response:
        """Answer one call of the API."""
        body = await request.body()
        try:
            told = json.loads(body)
        except ValueError:
            return _answer(3)
        if not isinstance(told, dict):
            return _answer(3)
        try:
            if (request.headers.get("x-viber-auth-token") or told.get("auth_token")) != self._keys.token:
                raise Refused(2)
            match request.path_params["method"]:
                case "set_webhook":
                    return await self._set_webhook(told)
                case "send_message":
                    if len(body) > MAX_BODY:
                        raise Refused(3)
                    return await self.befall(lambda: self._send(told), _befallen)
                case "get_account_info":
                    return _answer(
                        0, id="pa:1", name=self._keys.sender, uri=self._keys.uri, webhook=self._hook
                    )
            return _answer(3)
        except Refused as refusal:
            return _answer(refusal.status)

    async def _set_webhook(self, told: Mapping[str, object]) -> Response:
        """Call the address once: it must answer 200 before anything is told to it."""
        url, types = str(told.get("url", "")), told.get("event_types")
        self._wanted = set(types) if isinstance(types, list) else set()
        if url:
            seen = await self.outbox.call(self._posted(url, self._event("webhook"), True))
            if not seen.ok:
                raise Refused(1)
        self._hook = url
        return _answer(0, event_types=sorted(self._wanted))

    async def _send(self, told: Mapping[str, object]) -> Response:
        if not self._hook:
            raise Refused(10)
        sender, receiver = told.get("sender"), str(told.get("receiver", ""))
        if not isinstance(sender, dict) or not sender.get("name") or not told.get("type") or not receiver:
            raise Refused(4)
        phone = self.world.find(CHANNEL, receiver) if _ID(receiver) else None
        if phone is None:
            raise Refused(5)
        if not self._may(phone):
            raise Refused(6)
        if self._unanswered.get(phone.id, 0) >= MAX_UNANSWERED:
            raise Refused(12)
        if len(str(sender["name"])) > MAX_NAME:
            raise Refused(3)
        bubble = self._show(phone, told)
        self._unanswered[phone.id] = self._unanswered.get(phone.id, 0) + 1
        self._tell("delivered", {"message_token": int(bubble.ref), "user_id": self._id(phone)})
        return _answer(0, message_token=int(bubble.ref), chat_hostname="sandbox", billing_status=1)

    def _show(self, phone: Phone, told: Mapping[str, object]) -> Bubble:
        """Return a message that stands on the phone; raises Refused."""
        text, kind, tracked = str(told.get("text", "")), told.get("type"), str(told.get("tracking_data", ""))
        limit = {"text": MAX_TEXT, "picture": MAX_CAPTION}.get(str(kind), -1)
        if len(text) > limit or (kind == "text" and not text) or len(tracked) > MAX_TRACKING:
            raise Refused(3)
        media = (("photo", str(told["media"])),) if kind == "picture" and told.get("media") else ()
        buttons = _buttons(told.get("keyboard"))
        self._tracked[phone.id] = tracked
        return self.bring(
            phone, phone.chats[CHANNEL], text, ref=str(self._token()), buttons=buttons, media=media
        )

    # What people do

    def start_of(self, url: str) -> str | None:
        parts = urlsplit(url)
        asked = parse_qs(parts.query)
        if (parts.scheme, parts.netloc) != ("viber", "pa") or asked.get("chatURI") != [self._keys.uri]:
            return None
        return asked.get("context", [""])[0]

    def on_start(self, phone: Phone, payload: str) -> str:
        subscribed = self._may(phone)
        event = self._event("conversation_started", type="open", context=payload, user=self._user(phone),
                            subscribed=subscribed)  # fmt: skip
        self._subscribed[phone.id] = subscribed

        async def deliver(good: bool) -> None:
            answer = await self.outbox.call(self._posted(self._hook, event, good))
            if good and answer.ok and answer.body and not subscribed:
                try:
                    self._show(phone, json.loads(answer.body))  # the one welcome
                except (ValueError, Refused):
                    return

        if self._hook:
            self.tell(deliver)
        return ""

    def on_read(self, phone: Phone, bubble: Bubble) -> None:
        if bubble.ref:
            self._tell("seen", {"message_token": int(bubble.ref), "user_id": self._id(phone)})

    def on_press(self, phone: Phone, bubble: Bubble, button: Button) -> None:
        self._said(phone, button.data)

    def on_message(self, phone: Phone, bubble: Bubble, quoted: Bubble | None) -> None:
        self._said(phone, bubble.text)

    def on_block(self, phone: Phone, chat: Chat) -> None:
        self._subscribed[phone.id] = False
        self._tell("unsubscribed", {"user_id": self._id(phone)})

    def on_unblock(self, phone: Phone, chat: Chat) -> None:
        self._subscribed[phone.id] = True
        self._tell("subscribed", {"user": self._user(phone)})

    def _said(self, phone: Phone, text: str) -> None:
        """Tell words of a person, who subscribes by them, with what came with the last message to them."""
        if not self._may(phone):
            self._tell("subscribed", {"user": self._user(phone)})
        self._subscribed[phone.id] = True
        self._unanswered[phone.id] = 0
        message = {"type": "text", "text": text, "tracking_data": self._tracked.get(phone.id, "")}
        self._tell("message", {"sender": self._user(phone), "message": message, "silent": False})

    def _may(self, phone: Phone) -> bool:
        return self._subscribed.get(phone.id, bool(phone.person.ids.get(CHANNEL)))

    def _id(self, phone: Phone) -> str:
        """Return the id by which the bot knows a person: the one that was given, else a made one."""
        given = phone.chats[CHANNEL].address
        if _ID(given):
            return given
        made = b64encode(sha256(f"viber {phone.id}".encode()).digest()[:16]).decode()
        self.world.register(phone, CHANNEL, made)
        return made

    def _user(self, phone: Phone) -> Json:
        person = phone.person
        return {"id": self._id(phone), "name": person.name, "country": "KZ", "api_version": 10,
                "language": person.language or "ru"}  # fmt: skip

    def _token(self) -> int:
        self._next += 1
        return self._next

    def _event(self, kind: str, **told: object) -> Json:
        return {"event": kind, "timestamp": self.world.pace.now(), "message_token": self._token(), **told}

    def _tell(self, kind: str, told: Mapping[str, object]) -> None:
        event = {**self._event(kind), **told}
        if self._hook and (kind == "message" or not self._wanted or kind in self._wanted):
            url = self._hook
            self.report(lambda good: self._posted(url, event, good))

    def _posted(self, url: str, event: Json, good: bool) -> Outgoing:
        body = json.dumps(event, ensure_ascii=False).encode()
        signature = hmac_hex("sha256", self._keys.token if good else "another", body)
        headers = {"Content-Type": "application/json", "X-Viber-Content-Signature": signature}
        return Outgoing("POST", url, headers, body)


def _buttons(keyboard: object) -> tuple[tuple[Button, ...], ...]:
    """Return the buttons of a keyboard; raises Refused."""
    if keyboard is None:
        return ()
    try:
        assert isinstance(keyboard, dict)
        return tuple((_button(told),) for told in keyboard["Buttons"])
    except (AssertionError, LookupError, TypeError):
        raise Refused(3) from None


def _button(told: Mapping[str, str]) -> Button:
    if told["ActionType"] == "open-url":
        return Button(told["Text"], url=told["ActionBody"])
    if told["ActionType"] != "reply" or not told["ActionBody"]:
        raise LookupError(told["ActionType"])
    return Button(told["Text"], data=told["ActionBody"])


def _answer(status: int, **more: object) -> Response:
    return JSONResponse({"status": status, "status_message": WORDS[status], **more})


def _befallen(fault: Fault) -> Response:
    if fault.kind == "error":
        return JSONResponse({"status": -1, "status_message": "generalError"}, 500)
    if fault.kind == "throttle":  # of the bot as a whole; status 12 is about one person
        return Response("Too Many Requests", 429)
    return _answer(FAULTS[fault.kind])

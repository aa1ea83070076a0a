"""MAX's Bot API: messages, buttons, updates polled or by webhook. https://dev.max.ru/docs-api"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.sandbox.faults import Fault
from kaskad.sandbox.outbox import json_post
from kaskad.sandbox.person import Bubble, Button, Chat, Phone
from kaskad.sandbox.server import Place, Server, Site

CHANNEL = "max"
MAX_TEXT = 4000
MAX_BUTTON, MAX_PAYLOAD, MAX_URL = 128, 1024, 2048
BOT_ID = 229229229
KEPT = 10_000  # updates that nobody has fetched
_SECRET = re.compile(r"[\w-]{5,256}").fullmatch

Json = dict[str, Any]


class Keys(Struct, frozen=True):
    """Of the one bot. They protect nothing: all is on this machine."""

    token: str = "only-for-the-sandbox"
    bot: str = "kaskad_sandbox_bot"


class Refused(Exception):
    """An error of the API: status, code, words."""

    def __init__(self, status: int, code: str, words: str) -> None:
        super().__init__(words)
        self.response = JSONResponse({"code": code, "message": words}, status)


class Max(Server):
    """`/messages`, `/answers`, `/updates`, `/subscriptions`, `/me`."""

    name = "max"
    channels = (CHANNEL,)
    provider = "max"
    account = "max"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)
        link = rf"https://max\.ru/{self._keys.bot}(?:\?start=([\w-]{{1,128}}))?"
        self._start = re.compile(link, re.IGNORECASE)
        self._updates: list[Json] = []
        self._first = 1  # the marker of the first that is kept
        self._news = asyncio.Event()
        self._subscription: Json | None = None
        self._presses: dict[str, Bubble] = {}  # by their ids

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        return {"base_url": cls.url(place), "token": keys.token, "bot": keys.bot}

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/me", self._over_http(self._me), methods=["GET"]),
            Route("/messages", self._send, methods=["POST"]),
            Route("/answers", self._over_http(self._answer), methods=["POST"]),
            Route("/updates", self._over_http(self._poll), methods=["GET"]),
            Route("/subscriptions", self._over_http(self._subscribe), methods=["GET", "POST", "DELETE"]),
        ]

    def _over_http(self, work: Any) -> Any:
        async def answer(request: Request) -> Response:
            try:
                self._authorise(request)
                return JSONResponse(await work(request))
            except Refused as refusal:
                return refusal.response

        return answer

    def _authorise(self, request: Request) -> None:
        if request.headers.get("authorization") != self._keys.token:
            raise Refused(401, "verify.token", "Invalid access_token")

    async def _me(self, request: Request) -> Json:
        return self._bot()

    async def _send(self, request: Request) -> Response:
        """Take one message to one person."""
        try:
            self._authorise(request)
            told = await _json(request)

            async def take() -> Response:
                return JSONResponse({"message": self._deliver(request, told)})

            return await self.befall(take, _befallen)
        except Refused as refusal:
            return refusal.response

    def _deliver(self, request: Request, told: Json) -> Json:
        text = told.get("text") or ""
        attachments = told.get("attachments") or []
        if not isinstance(text, str) or len(text) > MAX_TEXT:
            raise Refused(400, "proto.payload", f"text: size must be between 0 and {MAX_TEXT}")
        if not isinstance(attachments, list) or not (text or attachments):
            raise Refused(400, "proto.payload", "text or attachments are wanted")
        try:
            buttons = tuple(row for one in attachments for row in _rows(one))
            media = tuple(_picture(one) for one in attachments if one["type"] == "image")
        except (LookupError, TypeError, ValueError) as problem:
            raise Refused(400, "proto.payload", f"attachments: {problem}") from None
        who = request.query_params.get("user_id", "")
        phone = self.world.find(CHANNEL, who)
        if phone is None:
            raise Refused(404, "not.found", f"User {who} not found")
        chat = phone.chats[CHANNEL]
        if chat.blocked or not chat.started:
            raise Refused(403, "chat.denied", "error.dialog.suspended")
        bubble = self.bring(phone, chat, text, ref=_mid(phone, self.next_number(chat)), buttons=buttons,
                            media=media)  # fmt: skip
        return self._message(phone, bubble)

    async def _answer(self, request: Request) -> Json:
        """Show the answer to a pressed button."""
        bubble = self._presses.pop(request.query_params.get("callback_id", ""), None)
        told = await _json(request)
        if bubble is None:
            return {"success": False, "message": "callback is not found"}
        if not told.get("notification") and not told.get("message"):
            raise Refused(400, "proto.payload", "message or notification is wanted")
        bubble.toast = str(told.get("notification") or "")
        return {"success": True}

    async def _poll(self, request: Request) -> Json:
        """Return updates from a marker on, waiting for them; those before it are forgotten."""
        if self._subscription is not None:
            raise Refused(405, "method.not.allowed", "the bot is subscribed to a webhook")
        asked = request.query_params
        marker = int(asked.get("marker") or self._first)
        while self._updates and self._first < marker:
            del self._updates[0]
            self._first += 1
        if not self._updates:
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), min(int(asked.get("timeout") or 30), 90))
        limit = min(int(asked.get("limit") or 100), 1000)
        page, last = self._updates[:limit], self._first + len(self._updates[:limit])
        wanted = set(filter(None, asked.get("types", "").split(",")))
        return {
            "updates": [one for one in page if not wanted or one["update_type"] in wanted],
            "marker": last,
        }

    async def _subscribe(self, request: Request) -> Json:
        """Show, set or take away where updates are posted."""
        if request.method == "GET":
            return {"subscriptions": [self._subscription] if self._subscription else []}
        if request.method == "DELETE":
            had, self._subscription = self._subscription, None
            return {"success": had is not None, "message": "" if had else "no such subscription"}
        told = await _json(request)
        if not str(told.get("url", "")).startswith(("http://", "https://")):
            raise Refused(400, "proto.payload", "url: must be an address")
        if told.get("secret") and not _SECRET(str(told["secret"])):
            raise Refused(400, "proto.payload", "secret: 5 to 256 of A-Z a-z 0-9 _ -")
        kept = {name: told.get(name) for name in ("url", "update_types", "secret")}
        self._subscription = {**kept, "time": self.world.pace.now(), "version": None}
        return {"success": True}

    # What people do

    def start_of(self, url: str) -> str | None:
        match = self._start.fullmatch(url)
        return (match[1] or "") if match else None

    def on_start(self, phone: Phone, payload: str) -> str:
        self._update("bot_started", phone, {"payload": payload or None})
        return ""

    def on_press(self, phone: Phone, bubble: Bubble, button: Button) -> None:
        at = self.world.pace.now()
        number = f"cb{self.world.chance('max', phone.id, bubble.id, len(bubble.pressed)).getrandbits(60):x}"
        self._presses[number] = bubble
        callback = {"timestamp": at, "callback_id": number, "payload": button.data, "user": _user(phone)}
        told = {"callback": callback, "message": self._message(phone, bubble)}
        self._update("message_callback", phone, told, whose=False)

    def on_message(self, phone: Phone, bubble: Bubble, quoted: Bubble | None) -> None:
        bubble.ref = _mid(phone, bubble.id)
        message = self._message(phone, bubble)
        if quoted is not None:
            message["link"] = {"type": "reply", "message": self._message(phone, quoted)["body"]}
        self._update("message_created", phone, {"message": message}, whose=False)

    def on_block(self, phone: Phone, chat: Chat) -> None:
        self._update("bot_stopped", phone, {})

    def _update(self, kind: str, phone: Phone, told: Mapping[str, object], *, whose: bool = True) -> None:
        """Let an update be polled or posted, with what befalls it on its way."""
        update: Json = {"update_type": kind, "timestamp": self.world.pace.now(), **told,
                        "user_locale": phone.person.language or "ru"}  # fmt: skip
        if whose:
            update |= {"chat_id": _chat_id(phone), "user": _user(phone)}

        async def deliver(good: bool) -> None:
            subscription = self._subscription
            if subscription is None:
                if good:
                    self._keep(update)
                return
            wanted = subscription["update_types"]
            if wanted and kind not in wanted:
                return
            secret = subscription["secret"] if good else "another-secret"
            headers = {"X-Max-Bot-Api-Secret": secret} if secret else {}
            request = json_post(subscription["url"], update, headers)
            await (self.outbox.deliver(request) if good else self.outbox.call(request))

        self.tell(deliver)

    def _keep(self, update: Json) -> None:
        self._updates.append(update)
        if len(self._updates) > KEPT:
            del self._updates[0]
            self._first += 1
        self._news.set()

    def _bot(self) -> Json:
        return {"user_id": BOT_ID, "first_name": "Kaskad", "last_name": None, "username": self._keys.bot,
                "is_bot": True, "last_activity_time": self.world.pace.now(), "name": "Kaskad"}  # fmt: skip

    def _message(self, phone: Phone, bubble: Bubble) -> Json:
        """Return a message as the service shows it."""
        to = BOT_ID if bubble.mine else _user(phone)["user_id"]
        attachments: list[Json] = [
            {"type": "image", "payload": {"url": name, "photo_id": bubble.id, "token": f"t{bubble.id}"}}
            for _, name in bubble.media
        ]
        if bubble.buttons:
            rows = [[_shown(button) for button in row] for row in bubble.buttons]
            attachments.append({"type": "inline_keyboard", "callback_id": f"k{bubble.id}",
                                "payload": {"buttons": rows}})  # fmt: skip
        return {
            "sender": _user(phone) if bubble.mine else self._bot(), "timestamp": bubble.at,
            "recipient": {"chat_id": _chat_id(phone), "chat_type": "dialog", "user_id": to},
            "body": {"mid": bubble.ref, "seq": bubble.at * 1000 + bubble.id % 1000, "text": bubble.text,
                     "attachments": attachments},
        }  # fmt: skip


def _user(phone: Phone) -> Json:
    first, _, last = phone.person.name.partition(" ")
    told = {"user_id": int(phone.chats[CHANNEL].address), "first_name": first or f"Person {phone.id}"}
    return {**told, "last_name": last or None, "username": None, "is_bot": False, "last_activity_time": 0,
            "name": phone.person.name}  # fmt: skip


def _chat_id(phone: Phone) -> int:
    return 180_000_000 + phone.id


def _mid(phone: Phone, number: int) -> str:
    return f"mid.{_chat_id(phone):016x}{number:016x}"


def _rows(attachment: Mapping[str, Any]) -> tuple[tuple[Button, ...], ...]:
    """Return the buttons of an attachment; raises ValueError and its like."""
    if attachment["type"] == "image":
        return ()
    if attachment["type"] != "inline_keyboard":
        raise ValueError(f"{attachment['type']} is unknown")
    rows = attachment["payload"]["buttons"]
    if not rows:
        raise ValueError("buttons: at least one row is wanted")
    return tuple(tuple(_button(one) for one in row) for row in rows)


def _button(told: Mapping[str, Any]) -> Button:
    text = str(told["text"])
    if not 1 <= len(text) <= MAX_BUTTON:
        raise ValueError(f"text: size must be between 1 and {MAX_BUTTON}")
    if told["type"] == "link":
        if len(told["url"]) > MAX_URL:
            raise ValueError("url is too long")
        return Button(text, url=str(told["url"]))
    if told["type"] != "callback" or len(told["payload"]) > MAX_PAYLOAD:
        raise ValueError(f"a button of type {told['type']} is unknown, or its payload too long")
    return Button(text, data=str(told["payload"]))


def _shown(button: Button) -> Json:
    if button.url:
        return {"type": "link", "text": button.text, "url": button.url}
    return {"type": "callback", "text": button.text, "payload": button.data}


def _picture(attachment: Mapping[str, Any]) -> tuple[str, str]:
    url = str(attachment["payload"]["url"])
    if not url.startswith(("http://", "https://")):
        raise ValueError("the picture has no address")
    return "photo", url


async def _json(request: Request) -> Json:
    try:
        told = json.loads(await request.body())
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise Refused(400, "proto.payload", "the body is not JSON")
    return told


def _befallen(fault: Fault) -> Response:
    if fault.kind == "throttle":
        return JSONResponse({"code": "too.many.requests", "message": "Too many requests"}, 429)
    if fault.kind == "error":
        return JSONResponse({"code": "internal.error", "message": "Internal error"}, 500)
    return JSONResponse({"code": "proto.payload", "message": "the message was refused"}, 400)

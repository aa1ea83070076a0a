"""VK: messages of a community, and its Callback API. https://dev.vk.com/method/messages.send

Every answer is "200"; the words of errors are those of https://github.com/VKCOM/vk-api-schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.log import get_logger
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.outbox import json_post
from kaskad.sandbox.person import Bubble, Button, Chat, Phone
from kaskad.sandbox.server import Place, Server, Site

log = get_logger(__name__)

CHANNEL = "vk"
MAX_TEXT = 9000
ATTEMPTS = 5
WORDS = {
    5: "User authorization failed: invalid access_token (4).",
    6: "Too many requests per second",
    8: "Invalid request: v (version) is required",
    10: "Internal server error: could not get service data",
    100: "One of the parameters specified was missing or invalid",
    900: "Can't send messages for users from blacklist",
    901: "Can't send messages for users without permission",
    911: "Keyboard format is invalid",
    914: "Message is too long",
}
FAULTS = {"throttle": 6, "error": 10, "reject": 914}

Json = dict[str, object]


class Keys(Struct, frozen=True):
    """Of the one community. They protect nothing: all is on this machine."""

    token: str = "vk1.a.only-for-the-sandbox"
    group_id: int = 7000001
    secret: str = "onlyForTheSandbox"
    confirmation: str = "5a4db0c5"


class Refused(Exception):
    """An error of the API."""

    def __init__(self, code: int, more: str = "") -> None:
        super().__init__(f"{WORDS[code]}: {more}" if more else WORDS[code])
        self.code = code


class Vk(Server):
    """`/method/{method}`."""

    name = "vk"
    channels = (CHANNEL,)
    provider = "vk"
    account = "vk"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)
        link = rf"https://vk\.me/club{self._keys.group_id}(?:\?ref=([\w-]{{1,255}}))?"
        self._start = re.compile(link, re.IGNORECASE)
        self._sent: dict[tuple[int, int], Bubble] = {}  # by peer and random_id
        self._presses: dict[str, Bubble] = {}  # that wait for an answer, by the event's id
        self._refs: dict[int, str] = {}  # of people who come by a link
        self._confirmed = False
        self._events = 0

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        return {"base_url": cls.url(place), "token": keys.token, "group_id": str(keys.group_id),
                "secret": keys.secret, "confirmation": keys.confirmation}  # fmt: skip

    def routes(self) -> Sequence[BaseRoute]:
        return [Route("/method/{method}", self.call, methods=["GET", "POST"])]

    async def call(self, request: Request) -> Response:
        """Answer one call of the API."""
        given = dict(request.query_params)
        given |= dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
        try:
            if given.get("access_token") != self._keys.token:
                raise Refused(5)
            if not given.get("v"):
                raise Refused(8)
            match request.path_params["method"].lower():
                case "messages.send":
                    return await self.befall(lambda: self._send(given), _befallen)
                case "messages.sendmessageeventanswer":
                    return _result(self._answer_press(given))
                case "messages.ismessagesfromgroupallowed":
                    phone = self._phone(given.get("user_id", ""))
                    allowed = phone is not None and not _closed(phone.chats[CHANNEL])
                    return _result({"is_allowed": int(allowed)})
            return _failure(3, "Unknown method passed")
        except Refused as refusal:
            return _failure(refusal.code, str(refusal))

    async def _send(self, given: Mapping[str, str]) -> Response:
        if not given.get("random_id", "").lstrip("-").isdigit():
            raise Refused(100, "random_id is a required parameter")
        text = given.get("message", "")
        if not text and not given.get("attachment"):
            raise Refused(100, "message is empty or invalid")
        if len(text) > MAX_TEXT:
            raise Refused(914)
        buttons = _buttons(given.get("keyboard", ""))
        number = int(given["random_id"])
        if "peer_ids" not in given:
            peer = given.get("peer_id") or given.get("user_id") or ""
            return _result(_message_id(self._deliver(peer, number, text, buttons)))
        return _result([self._one(peer, number, text, buttons) for peer in given["peer_ids"].split(",")])

    def _one(self, peer: str, number: int, text: str, buttons: tuple[tuple[Button, ...], ...]) -> Json:
        """Return what became of a message to one of several."""
        try:
            bubble = self._deliver(peer, number, text, buttons)
        except Refused as refusal:
            if refusal.code == 100:
                raise
            error = {"code": refusal.code, "description": str(refusal)}
            return {"peer_id": int(peer), "message_id": 0, "conversation_message_id": 0, "error": error}
        return {"peer_id": int(peer), "message_id": _message_id(bubble), "conversation_message_id": bubble.id}

    def _deliver(self, peer: str, number: int, text: str, buttons: tuple[tuple[Button, ...], ...]) -> Bubble:
        """Return the message in the chat: with the same random_id the one that is there already."""
        if not peer.isdigit():
            raise Refused(100, "peer_ids is invalid")
        known = self._sent.get((int(peer), number)) if number else None
        if known is not None:
            return known
        phone = self._phone(peer)
        if phone is None or _closed(phone.chats[CHANNEL]):
            raise Refused(901)
        chat = phone.chats[CHANNEL]
        bubble = self.bring(phone, chat, text, ref=str(len(self._sent) + 1001), buttons=buttons)
        self._sent[int(peer), number] = bubble
        return bubble

    def _answer_press(self, given: Mapping[str, str]) -> int:
        bubble = self._presses.pop(given.get("event_id", ""), None)
        if bubble is None:
            raise Refused(100, "event_id is invalid")
        told = json.loads(given.get("event_data") or "{}")
        bubble.toast = str(told.get("text", "")) if isinstance(told, dict) else ""
        return 1

    def _phone(self, peer: str) -> Phone | None:
        return self.world.find(CHANNEL, peer)

    # What people do

    def start_of(self, url: str) -> str | None:
        match = self._start.fullmatch(url)
        return (match[1] or "") if match else None

    def on_start(self, phone: Phone, payload: str) -> str:
        self._refs[phone.id] = payload
        return "Начать"

    def on_read(self, phone: Phone, bubble: Bubble) -> None:
        peer = _peer(phone)
        self._event("message_read", {"from_id": peer, "peer_id": peer, "read_message_id": _message_id(bubble),
                                     "conversation_message_id": bubble.id})  # fmt: skip

    def on_press(self, phone: Phone, bubble: Bubble, button: Button) -> None:
        peer, number = _peer(phone), f"{self._events + 1:012x}"
        self._presses[number] = bubble
        self._event("message_event", {"user_id": peer, "peer_id": peer, "event_id": number,
                                      "payload": json.loads(button.data or "{}"),
                                      "conversation_message_id": bubble.id})  # fmt: skip

    def on_message(self, phone: Phone, bubble: Bubble, quoted: Bubble | None) -> None:
        told = self._message(phone, bubble)
        ref = self._refs.pop(phone.id, None)
        if ref is not None:
            told |= {"payload": '{"command":"start"}', **({"ref": ref, "ref_source": ""} if ref else {})}
        if quoted is not None:
            told["reply_message"] = self._message(phone, quoted)
        client = {"button_actions": ["text", "open_link", "callback"], "keyboard": True,
                  "inline_keyboard": True, "carousel": False,
                  "lang_id": 0 if phone.person.language in ("", "ru") else 3}  # fmt: skip
        self._event("message_new", {"message": told, "client_info": client})

    def on_block(self, phone: Phone, chat: Chat) -> None:
        self._event("message_deny", {"user_id": _peer(phone)})

    def on_unblock(self, phone: Phone, chat: Chat) -> None:
        self._event("message_allow", {"user_id": _peer(phone), "key": ""})

    def _message(self, phone: Phone, bubble: Bubble) -> Json:
        """Return a message as the service shows it."""
        peer = _peer(phone)
        return {
            "date": bubble.at // 1000, "from_id": peer if bubble.mine else -self._keys.group_id,
            "id": _message_id(bubble), "version": 10_000_000 + bubble.id, "out": int(not bubble.mine),
            "important": False, "is_hidden": False, "attachments": [], "conversation_message_id": bubble.id,
            "fwd_messages": [], "text": bubble.text, "peer_id": peer, "random_id": 0,
        }  # fmt: skip

    def _event(self, kind: str, told: Json) -> None:
        """Tell an event until it is answered with "ok"; the server is confirmed before the first."""
        self._events += 1
        number = f"{self._events:040x}"

        async def deliver(good: bool) -> None:
            for attempt in range(ATTEMPTS if good else 1):
                if await self._confirm() and await self._post(kind, number, told, good) == b"ok":
                    return
                if good:
                    await self.world.pace.wait(2_000 * 2**attempt)
            if good:
                log.warning("an event was not taken", kind=kind)

        if self.hook:
            self.tell(deliver)

    async def _confirm(self) -> bool:
        if not self._confirmed:
            said = await self._post("confirmation", "0" * 40, None, True)
            self._confirmed = said == self._keys.confirmation.encode()
        return self._confirmed

    async def _post(self, kind: str, number: str, told: Json | None, good: bool) -> bytes:
        """Return what Kaskad answered; b"" where it did not take the event."""
        body: Json = {"group_id": self._keys.group_id, "type": kind, "event_id": number, "v": "5.199"}
        body |= {"object": told} if told is not None else {}
        body["secret"] = self._keys.secret if good else "another"
        answer = await self.outbox.call(json_post(self.hook, body))
        return answer.body.strip() if answer.ok else b""


def _peer(phone: Phone) -> int:
    return int(phone.chats[CHANNEL].address)


def _message_id(bubble: Bubble) -> int:
    return int(bubble.ref or bubble.id)


def _closed(chat: Chat) -> bool:
    return chat.blocked or not chat.started


def _buttons(text: str) -> tuple[tuple[Button, ...], ...]:
    """Return the buttons of a keyboard; raises Refused as the service does."""
    if not text:
        return ()
    try:
        rows = json.loads(text)["buttons"]
        return tuple(tuple(_button(button["action"]) for button in row) for row in rows)
    except (ValueError, LookupError, TypeError) as problem:
        raise Refused(911, str(problem)) from None


def _button(action: Mapping[str, str]) -> Button:
    label, kind = action["label"], action["type"]
    if not label or len(label) > 40:
        raise ValueError("label is too long or empty")
    if kind == "open_link":
        return Button(label, url=action["link"])
    if kind not in ("callback", "text"):
        raise ValueError(f"button type {kind} is unknown")
    payload = action.get("payload") or "{}"
    json.loads(payload)
    if len(payload) > 255:
        raise ValueError("payload is too long")
    return Button(label, data=payload)


def _result(value: object) -> Response:
    return JSONResponse({"response": value})


def _failure(code: int, words: str) -> Response:
    return JSONResponse({"error": {"error_code": code, "error_msg": words, "request_params": []}})


def _befallen(fault: Fault) -> Response:
    code = FAULTS[fault.kind]
    return _failure(code, WORDS[code])

"""Messenger's and Instagram's Send API: free words within 24 hours, buttons, reading, links into the chat.

https://developers.facebook.com/documentation/business-messaging/messenger-platform
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import Bubble, Button, Chat, Phone
from kaskad.sandbox.server import Place, Site
from kaskad.sandbox.servers.graph import DAY_MS, DELIVERED_MS, Graph, Refused, refusing

KINDS = ("RESPONSE", "UPDATE", "MESSAGE_TAG")
FILES = ("image", "video", "audio", "file")


class Keys(Struct, frozen=True):
    """Of the one page. They protect nothing: all is on this machine."""

    access_token: str = "only-for-the-sandbox"
    app_secret: str = "only-for-the-sandbox"
    verify_token: str = "only-for-the-sandbox"
    page_id: str = "100200300"
    page: str = "kaskad.sandbox"


class InstagramKeys(Struct, frozen=True):
    """Of the one account on Instagram, reached through the same page."""

    access_token: str = "only-for-the-sandbox"
    app_secret: str = "only-for-the-sandbox"
    verify_token: str = "only-for-the-sandbox"
    instagram_id: str = "17841400000000001"
    page_id: str = "100200300"
    username: str = "kaskad.sandbox"


class Shown(Struct, frozen=True):
    """What a person sees of a message; `quick` buttons are pressed as a message with these words."""

    text: str = ""
    buttons: tuple[tuple[Button, ...], ...] = ()
    media: tuple[tuple[str, str], ...] = ()
    quick: bool = False


class Messenger(Graph):
    """`POST /v25.0/{page id}/messages`."""

    name = "messenger"
    channels = ("facebook_messenger",)
    provider = "facebook_messenger"
    account = "messenger"
    webhook_object = "page"
    credentials: ClassVar[type[Keys] | type[InstagramKeys]] = Keys
    closed_subcode: ClassVar[int] = 2018278
    missing_subcode: ClassVar[int] = 2018001
    longest: ClassVar[int] = 2_000
    link_host: ClassVar[str] = "m.me"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        keys = site.place.keys(self.credentials)
        self.access_token, self.app_secret = keys.access_token, keys.app_secret
        self._page = keys.page_id
        self._names = (keys.page_id, *self._link_names(keys))
        self._ours = keys.instagram_id if isinstance(keys, InstagramKeys) else keys.page_id
        self._quick: set[str] = set()
        self._sent = 0
        self.subscribed = ""  # the fields of the page's webhook
        self.started_by = ""  # what the button "Get started" brings

    @staticmethod
    def _link_names(keys: Keys | InstagramKeys) -> tuple[str, ...]:
        return (f"m/{keys.username}",) if isinstance(keys, InstagramKeys) else (keys.page,)

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(cls.credentials)
        return {"base_url": cls.url(place), **{name: getattr(keys, name) for name in keys.__struct_fields__}}

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/{version}/{number}/messages", self.messages, methods=["POST"]),
            Route("/{version}/{number}/subscribed_apps", self.subscribe, methods=["POST"]),
            Route("/{version}/{number}/messenger_profile", self.change_profile, methods=["POST"]),
        ]

    # Messages

    async def messages(self, request: Request) -> Response:
        """Take a message, or refuse it."""
        return await refusing(self._messages(request))

    async def _messages(self, request: Request) -> Response:
        self.authorise(request, request.path_params["number"], self._page, "me")
        told = await self.told(request)

        async def take() -> Response:
            return self._take(told)

        def refuse(fault: Fault) -> Response:
            raise {
                "throttle": Refused(429, 613, "Calls to this api have exceeded the rate limit."),
                "error": Refused(500, 2, "An unexpected error has occurred. Please retry later."),
            }.get(fault.kind, Refused(400, 100, "Invalid parameter"))

        return await self.befall(take, refuse)

    def _take(self, told: Mapping[str, Any]) -> Response:
        number = str((told.get("recipient") or {}).get("id", ""))
        if told.get("messaging_type", "UPDATE") not in KINDS:
            raise Refused(400, 100, "Param messaging_type must be one of {RESPONSE, UPDATE, MESSAGE_TAG}")
        if told.get("tag") not in (None, "HUMAN_AGENT"):
            raise Refused(400, 100, "Invalid message tag")  # the others are gone since April 2026
        shown = self._shown(told.get("message") or {})
        phone = self.world.find(self.channels[0], number)
        if phone is None:
            raise Refused(400, 100, "No matching user found", subcode=self.missing_subcode)
        chat = phone.chats[self.channels[0]]
        if chat.blocked:
            raise Refused(400, 551, "This person isn't available right now.", subcode=1545041)
        if not chat.said_at or self.world.pace.now() - chat.said_at >= DAY_MS:
            words = "This message is sent outside of allowed window."
            raise Refused(400, 10, words, subcode=self.closed_subcode)
        self._sent += 1
        mid = f"m_{self.name}{self._sent}"
        if shown.quick:
            self._quick.add(mid)
        self.bring(phone, chat, shown.text, ref=mid, buttons=shown.buttons, media=shown.media)
        self._delivered(chat, mid)
        return JSONResponse({"recipient_id": number, "message_id": mid})

    def _shown(self, told: Mapping[str, Any]) -> Shown:
        """Return what the person sees; raises Refused for what the service would not take."""
        text, file = str(told.get("text") or ""), told.get("attachment")
        if bool(text) == bool(file):
            raise Refused(400, 100, "message must have either text or an attachment")
        if self._length(text) > self.longest:
            raise Refused(400, 100, "Length of param message[text] must be less than or equal to the limit")
        quick = told.get("quick_replies") or []
        if len(quick) > 13:
            raise Refused(400, 100, "Param message[quick_replies] has too many elements.")
        buttons = tuple((_labelled(each, "postback"),) for each in quick)
        if not file:
            return Shown(text, buttons, quick=bool(quick))
        kind, payload = file.get("type"), file.get("payload") or {}
        if kind in FILES:
            return Shown("", buttons, ((kind, str(payload.get("url", ""))),), quick=bool(quick))
        if kind != "template" or payload.get("template_type") != "button":
            raise Refused(400, 100, "Param message[attachment][type] is not served here")
        told_buttons = payload.get("buttons") or []
        if not 1 <= len(told_buttons) <= 3 or not 1 <= len(str(payload.get("text", ""))) <= 640:
            raise Refused(400, 100, "A button template has a text of up to 640 characters and 1 to 3 buttons")
        shown = tuple((_labelled(each, str(each.get("type"))),) for each in told_buttons)
        return Shown(str(payload["text"]), shown)

    def _length(self, text: str) -> int:
        return len(text)

    # Set-up

    async def subscribe(self, request: Request) -> Response:
        """Note which events of the page are told; here all are."""
        return await refusing(self._subscribe(request))

    async def _subscribe(self, request: Request) -> Response:
        self.authorise(request, request.path_params["number"], self._page, "me")
        self.subscribed = str((await self.told(request)).get("subscribed_fields", ""))
        return JSONResponse({"success": True})

    async def change_profile(self, request: Request) -> Response:
        """Give the page its button "Get started", without which no link with a word is told."""
        return await refusing(self._change_profile(request))

    async def _change_profile(self, request: Request) -> Response:
        self.authorise(request, request.path_params["number"], self._page, "me")
        told = await self.told(request)
        self.started_by = str((told.get("get_started") or {}).get("payload", ""))
        return JSONResponse({"result": "success"})

    # Webhooks

    def _event(self, chat: Chat, **what: Any) -> None:
        now = self.world.pace.now()
        event = {"sender": {"id": chat.address}, "recipient": {"id": self._ours}, "timestamp": now, **what}
        self.tell_kaskad({"id": self._ours, "time": now, "messaging": [event]})

    def _delivered(self, chat: Chat, mid: str) -> None:
        async def tell() -> None:
            self._event(chat, delivery={"mids": [mid], "watermark": self.world.pace.now()})

        self.world.later(DELIVERED_MS, tell)

    def on_read(self, phone: Phone, bubble: Bubble) -> None:
        self._event(phone.chats[bubble.channel], read={"watermark": self.world.pace.now()})

    def on_press(self, phone: Phone, bubble: Bubble, button: Button) -> None:
        mid = f"m_in_{phone.id}_{bubble.id}_{len(bubble.pressed)}"
        if bubble.ref in self._quick:
            said = {"mid": mid, "text": button.text, "quick_reply": {"payload": button.data}}
            self._event(phone.chats[bubble.channel], message=said)
        else:
            pressed = {"mid": mid, "title": button.text, "payload": button.data}
            self._event(phone.chats[bubble.channel], postback=pressed)

    def on_message(self, phone: Phone, bubble: Bubble, quoted: Bubble | None) -> None:
        said: dict[str, Any] = {"mid": f"m_in_{phone.id}_{bubble.id}", "text": bubble.text}
        if quoted is not None and quoted.ref:
            said["reply_to"] = {"mid": quoted.ref}
        self._event(phone.chats[bubble.channel], message=said)

    def start_of(self, url: str) -> str | None:
        parts = urlsplit(url)
        if parts.hostname != self.link_host or parts.path.strip("/") not in self._names:
            return None
        return parse_qs(parts.query).get("ref", [""])[0]

    def on_start(self, phone: Phone, payload: str) -> str:
        chat = phone.chats[self.channels[0]]
        first, chat.said_at = not chat.said_at, self.world.pace.now()  # it opens the 24 hours
        referral = {"ref": payload, "source": "SHORTLINK", "type": "OPEN_THREAD"}
        if first and self.started_by:
            told = {
                "title": "Get started",
                "payload": self.started_by,
                **({"referral": referral} if payload else {}),
            }
            self._event(chat, postback=told)
        elif payload and not first:
            self._event(chat, referral=referral)
        return ""


class Instagram(Messenger):
    """`POST /v25.0/{page id}/messages` of the page whose account it is."""

    name = "instagram"
    channels = ("instagram",)
    provider = "instagram"
    account = "instagram"
    webhook_object = "instagram"
    credentials = InstagramKeys
    closed_subcode = 2534022
    missing_subcode = 2534014
    longest = 1_000
    link_host = "ig.me"

    def _length(self, text: str) -> int:
        return len(text.encode())

    def _delivered(self, chat: Chat, mid: str) -> None:
        """Delivery is not told here."""

    def on_read(self, phone: Phone, bubble: Bubble) -> None:
        self._event(phone.chats[bubble.channel], read={"mid": bubble.ref})

    def on_start(self, phone: Phone, payload: str) -> str:
        chat = phone.chats[self.channels[0]]
        chat.said_at = self.world.pace.now()
        if payload:
            self._event(chat, referral={"ref": payload, "source": "IGME-SOURCE-LINK", "type": "OPEN_THREAD"})
        return ""


def _labelled(told: Mapping[str, Any], kind: str) -> Button:
    """Return a button; raises Refused for one that the service does not take."""
    title = str(told.get("title", ""))
    if not 1 <= len(title) <= 20:
        raise Refused(400, 100, "A button's title has 1 to 20 characters")
    if kind == "web_url":
        url = str(told.get("url", ""))
        if not url.startswith(("http://", "https://")):
            raise Refused(400, 100, "A button's url must be an address")
        return Button(title, url)
    payload = str(told.get("payload", ""))
    if kind != "postback" or not 1 <= len(payload) <= 1000:
        raise Refused(400, 100, "A button's payload has 1 to 1000 characters")
    return Button(title, data=payload)

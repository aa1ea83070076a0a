"""The Telegram Bot API, as a local Bot API server offers it (webhooks may be plain HTTP).

https://core.telegram.org/bots/api; the words of refusals are those of the service.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from msgspec import Struct
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.sandbox import links, spec
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import Bubble, Button, Chat, Phone
from kaskad.sandbox.server import Place, Server, Site
from kaskad.sandbox.servers.bot import CHANNEL, Bot, Json, Webhook
from kaskad.sandbox.servers.chat_rules import (
    MEDIA,
    Refused,
    album_of,
    buttons_of,
    caption_of,
    length,
    media_of,
    plain_text,
)
from kaskad.sandbox.spec import Mismatch, Upload, Value

LONGEST_POLL_S = 50
_TOKEN = re.compile(r"\d{1,20}:[A-Za-z0-9_-]{3,80}").fullmatch
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}").fullmatch
_URL = re.compile(r"https?://[^\s/]+(/\S*)?").fullmatch

Parameters = Mapping[str, Value]


class Keys(Struct, frozen=True):
    """The one bot. They protect nothing: all is on this machine."""

    token: str = "7000000001:only-for-the-sandbox-000000000000000"
    secret: str = "only-for-the-sandbox"
    bot: str = "kaskad_sandbox_bot"


class Telegram(Server):
    """`/bot{token}/{method}`."""

    name = "telegram"
    channels = (CHANNEL,)
    provider = "telegram"
    account = "telegram"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        keys = site.place.keys(Keys)
        self.bot = bot = Bot(self.world, self.outbox, self.strike, keys.token, keys.bot)
        # https://core.telegram.org/bots/features#deep-linking
        link = rf"https://t\.me/{bot.username}(?:\?start=([\w-]{{1,64}}))?"
        self._start = re.compile(link, re.IGNORECASE)
        self._commands: Value = []
        self._methods: dict[str, Callable[[Parameters], Awaitable[object]]] = {
            "getme": self._get_me,
            "getupdates": self._get_updates,
            "setwebhook": self._set_webhook,
            "deletewebhook": self._delete_webhook,
            "getwebhookinfo": self._webhook_info,
            "sendmessage": self._send_message,
            "sendmediagroup": self._send_album,
            "editmessagetext": self._edit_text,
            "editmessagereplymarkup": self._edit_markup,
            "deletemessage": self._delete_message,
            "answercallbackquery": self._answer_press,
            "setmycommands": self._set_commands,
            "getmycommands": self._get_commands,
            "deletemycommands": self._delete_commands,
            "sendchataction": self._chat_action,
        }
        for method in MEDIA:
            self._methods[method] = partial(self._send_media, method)
        bot.answered = self._called_by_webhook

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        return {"base_url": cls.url(place), "token": keys.token, "bot": keys.bot, "secret_token": keys.secret}

    def routes(self) -> Sequence[BaseRoute]:
        return [Route("/bot{token}/{method}", self.call_over_http, methods=["GET", "POST"])]

    def next_number(self, chat: Chat) -> int:
        return self.bot.new_message_id()

    def start_of(self, url: str) -> str | None:
        match = self._start.fullmatch(url)
        return (match[1] or "") if match else None

    def on_start(self, phone: Phone, payload: str) -> str:
        return f"/start {payload}".strip()

    def on_press(self, phone: Phone, bubble: Bubble, button: Button) -> None:
        self.bot.press(phone, bubble, button.data)

    def on_message(self, phone: Phone, bubble: Bubble, quoted: Bubble | None) -> None:
        told = self.bot.message(phone, bubble)
        if quoted is not None:
            told["reply_to_message"] = self.bot.message(phone, quoted)
        self.bot.put("message", told)

    def on_block(self, phone: Phone, chat: Chat) -> None:
        self.bot.member(phone, "member", "kicked")

    def on_unblock(self, phone: Phone, chat: Chat) -> None:
        self.bot.member(phone, "kicked", "member")

    async def call_over_http(self, request: Request) -> Response:
        """Answer one call of the API."""
        method = request.path_params["method"].lower()
        try:
            self._authorise(request.path_params["token"])
            if method not in self._methods:
                raise Refused(404, "Not Found: method not found")
            given = await _parameters(request)

            async def take() -> Response:
                return JSONResponse({"ok": True, "result": await self.call(method, given)})

            return await (self.befall(take, _refuse) if _carries(method) else take())
        except Refused as refusal:
            return refusal.response()

    async def call(self, method: str, given: Parameters) -> object:
        """Return a method's result; raises Refused."""
        try:
            told = spec.bot_parameters(method, given)
        except Mismatch as problem:
            if str(problem).startswith("reply_markup"):
                raise Refused(400, "Bad Request: can't parse reply keyboard markup JSON object") from None
            raise Refused(400, f"Bad Request: {problem}") from None
        return await self._methods[method](told)

    def _authorise(self, token: str) -> None:
        if not _TOKEN(token):
            raise Refused(404, "Not Found")
        if token != self.bot.token:
            raise Refused(401, "Unauthorized")

    async def _called_by_webhook(self, said: Mapping[str, object]) -> None:
        """Call the method that a webhook answered with; a refusal is told to nobody, as there."""
        method = str(said["method"]).lower()
        if method in self._methods:
            given = json.loads(json.dumps({name: value for name, value in said.items() if name != "method"}))
            try:
                await self.call(method, given)
            except Refused:
                return

    async def _get_me(self, given: Parameters) -> object:
        may = {
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
        }
        return {**self.bot.me(), **may}

    async def _get_updates(self, given: Parameters) -> object:
        if self.bot.webhook is not None:
            raise Refused(409, "Conflict: can't use getUpdates method while webhook is active; "
                               "use deleteWebhook to delete the webhook first")  # fmt: skip
        if "allowed_updates" in given:
            self.bot.allowed = _names(given["allowed_updates"])
        limit = min(max(1, _whole(given, "limit", 100)), 100)
        timeout_s = min(max(0, _whole(given, "timeout", 0)), LONGEST_POLL_S)
        updates = await self.bot.poll(_whole(given, "offset", 0), limit, timeout_s)
        if updates is None:
            raise Refused(409, "Conflict: terminated by other getUpdates request; make sure that "
                               "only one bot instance is running")  # fmt: skip
        return [update.as_json() for update in updates]

    async def _set_webhook(self, given: Parameters) -> object:
        url = str(given.get("url", ""))
        if not url:
            return await self._delete_webhook(given)
        if not _URL(url):
            raise Refused(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        secret = str(given.get("secret_token", ""))
        if secret and not _SECRET(secret):
            raise Refused(400, "Bad Request: secret token contains unallowed characters")
        if "allowed_updates" in given:
            self.bot.allowed = _names(given["allowed_updates"])
        connections = min(max(1, _whole(given, "max_connections", 40)), 100)
        webhook = Webhook(url, secret, self.bot.allowed, connections)
        self.bot.set_webhook(webhook, bool(given.get("drop_pending_updates")))
        return True

    async def _delete_webhook(self, given: Parameters) -> object:
        self.bot.set_webhook(None, bool(given.get("drop_pending_updates")))
        return True

    async def _webhook_info(self, given: Parameters) -> object:
        webhook = self.bot.webhook
        told: Json = {
            "url": webhook.url if webhook else "", "has_custom_certificate": False,
            "pending_update_count": len(self.bot.updates),
        }  # fmt: skip
        if webhook is not None:
            told["max_connections"] = webhook.max_connections
            if webhook.last_error:
                told |= {"last_error_date": webhook.last_error_at, "last_error_message": webhook.last_error}
        if self.bot.allowed:
            told["allowed_updates"] = self.bot.allowed
        return told

    async def _send_message(self, given: Parameters) -> object:
        text = str(given.get("text", ""))
        if "chat_id" not in given:
            raise Refused(400, "Bad Request: chat_id is empty")
        shown = plain_text(text, str(given.get("parse_mode", "")))
        if not shown.strip():
            raise Refused(400, "Bad Request: message text is empty")
        if length(shown) > 4096:
            raise Refused(400, "Bad Request: message is too long")
        buttons = buttons_of(given.get("reply_markup"))
        phone = self._reached(given)
        marked = links.in_html(text)[0] if given.get("parse_mode") else ()
        chat = phone.chats[CHANNEL]
        return self.bot.message(phone, self.bring(phone, chat, shown, buttons=buttons, found=marked))

    async def _send_media(self, method: str, given: Parameters) -> object:
        if "chat_id" not in given:
            raise Refused(400, "Bad Request: chat_id is empty")
        media = media_of(method, given)
        caption, buttons = caption_of(given), buttons_of(given.get("reply_markup"))
        phone = self._reached(given)
        bubble = self.bring(phone, phone.chats[CHANNEL], caption, buttons=buttons, media=(media,))
        return self.bot.message(phone, bubble)

    async def _send_album(self, given: Parameters) -> object:
        if "chat_id" not in given:
            raise Refused(400, "Bad Request: chat_id is empty")
        album = album_of(given.get("media"))
        phone = self._reached(given)
        at, chat = self.world.pace.now(), phone.chats[CHANNEL]
        bubbles = [
            Bubble(
                CHANNEL, self.next_number(chat), at, caption, by=self.name, media=(media,),
                links=links.in_text(caption),
            )
            for media, caption in album
        ]  # fmt: skip
        chat.bubbles.extend(bubbles)
        self.world.arrived(phone, bubbles[0])  # one message to the person, and to who counts
        group = str(bubbles[0].id)
        return [{**self.bot.message(phone, bubble), "media_group_id": group} for bubble in bubbles]

    def _reached(self, given: Parameters) -> Phone:
        """Return whom a message is for; raises Refused as the service does."""
        chat_id = str(given["chat_id"])
        phone = self.world.find(CHANNEL, chat_id) if chat_id.isdigit() else None
        if phone is None or not phone.chats[CHANNEL].started:
            raise Refused(400, "Bad Request: chat not found")
        if phone.chats[CHANNEL].blocked:
            raise Refused(403, "Forbidden: bot was blocked by the user")
        return phone

    def _bubble(self, given: Parameters) -> tuple[Phone, Bubble]:
        phone = self._reached({"chat_id": given.get("chat_id", "")})
        bubble = phone.chats[CHANNEL].bubble(_whole(given, "message_id", 0))
        if bubble is None or bubble.mine:
            raise Refused(400, "Bad Request: message to edit not found")
        return phone, bubble

    async def _edit_text(self, given: Parameters) -> object:
        phone, bubble = self._bubble(given)
        shown = plain_text(str(given.get("text", "")), str(given.get("parse_mode", "")))
        if not shown.strip():
            raise Refused(400, "Bad Request: message text is empty")
        if length(shown) > 4096:
            raise Refused(400, "Bad Request: message is too long")
        self._change(bubble, shown, given)
        return {**self.bot.message(phone, bubble), "edit_date": self.world.pace.now() // 1000}

    async def _edit_markup(self, given: Parameters) -> object:
        phone, bubble = self._bubble(given)
        self._change(bubble, bubble.text, given)
        return {**self.bot.message(phone, bubble), "edit_date": self.world.pace.now() // 1000}

    @staticmethod
    def _change(bubble: Bubble, text: str, given: Parameters) -> None:
        buttons = buttons_of(given.get("reply_markup"))
        if (text, buttons) == (bubble.text, bubble.buttons):
            raise Refused(400, "Bad Request: message is not modified: specified new message content and "
                               "reply markup are exactly the same as a current content and reply markup "
                               "of the message")  # fmt: skip
        bubble.text, bubble.buttons = text, buttons

    async def _delete_message(self, given: Parameters) -> object:
        phone = self._reached({"chat_id": given.get("chat_id", "")})
        bubble = phone.chats[CHANNEL].bubble(_whole(given, "message_id", 0))
        if bubble is None:
            raise Refused(400, "Bad Request: message to delete not found")
        phone.chats[CHANNEL].bubbles.remove(bubble)
        return True

    async def _answer_press(self, given: Parameters) -> object:
        bubble = self.bot.queries.pop(str(given.get("callback_query_id", "")), None)
        if bubble is None:
            raise Refused(
                400, "Bad Request: query is too old and response timeout expired or query ID is invalid"
            )
        text = str(given.get("text", ""))
        if len(text) > 200:
            raise Refused(400, "Bad Request: MESSAGE_TOO_LONG")
        bubble.toast = text
        return True

    async def _set_commands(self, given: Parameters) -> object:
        self._commands = given.get("commands", [])
        return True

    async def _get_commands(self, given: Parameters) -> object:
        return self._commands

    async def _delete_commands(self, given: Parameters) -> object:
        self._commands = []
        return True

    async def _chat_action(self, given: Parameters) -> object:
        self._reached({"chat_id": given.get("chat_id", "")})
        return True


def _refuse(fault: Fault) -> Response:
    wait_s = max(1, round(fault.seconds))
    if fault.kind == "throttle":
        raise Refused(429, f"Too Many Requests: retry after {wait_s}", {"retry_after": wait_s})
    if fault.kind == "error":
        raise Refused(500, "Internal Server Error")
    raise Refused(400, "Bad Request: message text is empty")


def _carries(method: str) -> bool:
    """Return whether a method carries a message: only those meet faults, so that polling goes on."""
    return method in ("sendmessage", "sendmediagroup") or method in MEDIA


def _whole(given: Parameters, name: str, default: int) -> int:
    value = given.get(name, default)
    return value if isinstance(value, int) else default


def _names(value: Value) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


async def _parameters(request: Request) -> dict[str, Value]:
    """Return what a call carries: query, JSON, or a form of either kind; raises Refused."""
    given: dict[str, Value] = dict(request.query_params)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        body = await request.body()
        try:
            said = json.loads(body) if body else {}
        except ValueError:
            raise Refused(400, "Bad Request: can't parse JSON object") from None
        if not isinstance(said, dict):
            raise Refused(400, "Bad Request: object expected as parameters")
        return {**given, **said}
    if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        async with request.form() as form:
            return {**given, **_fields(form)}
    return given


def _fields(form: FormData) -> dict[str, Value]:
    """Return a form's fields; `attach://name` is the file of that name."""
    files = {
        name: Upload(part.filename or name, part.size or 0, part.content_type or "")
        for name, part in form.multi_items()
        if isinstance(part, UploadFile)
    }
    fields: dict[str, Value] = {**files}
    for name, part in form.multi_items():
        if isinstance(part, str):
            attached = files.get(part.removeprefix("attach://")) if part.startswith("attach://") else None
            fields[name] = attached or part
    return fields

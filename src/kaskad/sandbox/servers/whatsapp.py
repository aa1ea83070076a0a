"""The WhatsApp Cloud API: messages, approved texts, media ids. What is wrong is often told later, as there.

https://developers.facebook.com/documentation/business-messaging/whatsapp
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import Bubble, Button, Phone
from kaskad.sandbox.schema import misfit
from kaskad.sandbox.server import Place, Site
from kaskad.sandbox.servers import whatsapp_texts as texts
from kaskad.sandbox.servers.graph import DAY_MS, DELIVERED_MS, Graph, Refused, refusing
from kaskad.sandbox.servers.whatsapp_texts import Filled, Text

CHANNEL = "whatsapp"
REVIEW_MS = 2_000
PAGE = 25
CLOSED = (
    131047, "Re-engagement message",
    "Message failed to send because more than 24 hours have passed since the customer last replied to this "
    "number.",
)  # fmt: skip
NOBODY = (131026, "Message undeliverable", "Message Undeliverable.")
ENOUGH = (
    131049, "Meta chose not to deliver",
    "In order to maintain a healthy ecosystem engagement, the message failed to be delivered.",
)  # fmt: skip
Failure = tuple[int, str, str]


class Keys(Struct, frozen=True):
    """Of the one number. They protect nothing: all is on this machine."""

    access_token: str = "only-for-the-sandbox"
    app_secret: str = "only-for-the-sandbox"
    verify_token: str = "only-for-the-sandbox"
    phone_number_id: str = "106540352242922"
    business_account_id: str = "102290129340398"
    phone: str = "+15550783881"


class WhatsApp(Graph):
    """`POST /v25.0/{phone number id}/messages` and what belongs to it."""

    name = "whatsapp"
    channels = (CHANNEL,)
    provider = "whatsapp"
    account = "whatsapp"
    price = "15 KZT"
    webhook_object = "whatsapp_business_account"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)
        self.access_token, self.app_secret = self._keys.access_token, self._keys.app_secret
        self._texts: list[Text] = []
        self._approved: set[str] = set()  # messages that were approved texts: their buttons answer otherwise
        self._media = 0
        self._sent = 0

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        told = {name: getattr(keys, name) for name in keys.__struct_fields__}
        return {"base_url": cls.url(place), **told}

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/{version}/{number}/messages", self.messages, methods=["POST"]),
            Route("/{version}/{number}/message_templates", self.list_texts, methods=["GET"]),
            Route("/{version}/{number}/message_templates", self.make_text, methods=["POST"]),
            Route("/{version}/{number}/media", self.upload, methods=["POST"]),
            Route("/{version}/{number}", self.change_number, methods=["POST"]),
        ]

    @property
    def texts(self) -> list[Text]:
        """Return the business's texts; those of the start are made when Kaskad's address is known."""
        if not self._texts:
            self._texts = texts.first_texts(self.outbox.home)
        return self._texts

    # Messages

    async def messages(self, request: Request) -> Response:
        """Take a message, or refuse it."""
        return await refusing(self._messages(request))

    async def _messages(self, request: Request) -> Response:
        self.authorise(request, request.path_params["number"], self._keys.phone_number_id)
        told = await self.told(request)

        async def take() -> Response:
            return self._take(told)

        def refuse(fault: Fault) -> Response:
            if fault.kind == "reject" and self._is_marketing(told):
                return self._take(told, ENOUGH)  # taken, and told later: so it is there
            raise {
                "throttle": Refused(429, 130429, "Rate limit hit", "too many messages from this number"),
                "error": Refused(500, 131000, "Something went wrong"),
            }.get(fault.kind, Refused(400, 131009, "Parameter value is not valid"))

        return await self.befall(take, refuse)

    def _take(self, told: Mapping[str, Any], failure: Failure | None = None) -> Response:
        kind = _checked(told)
        text = texts.wanted(self.texts, told["template"]) if kind == "template" else None
        filled = texts.fill(text, told["template"]) if text else _shown(kind, told[kind])
        number = str(told.get("to") or "").removeprefix("+")
        phone = self.world.find(CHANNEL, f"+{number}") if number.isdecimal() else None
        self._sent += 1
        wamid = f"wamid.{b64encode(f'{number}:{self._sent}:sandbox'.encode()).decode()}"
        failure = failure or self._failure(phone, text)
        if text is not None:
            self._approved.add(wamid)
        sent = _Sent(wamid, number, str(told.get("biz_opaque_callback_data", "")), self._pricing(phone, text))
        if failure is None and phone is not None:
            self._deliver(phone, filled, sent)
        elif failure is not None:
            self._fail(sent, failure)
        contact = {"input": str(told.get("to") or told.get("recipient")), "wa_id": number}
        answer = {"messaging_product": "whatsapp", "contacts": [contact]}
        return JSONResponse({**answer, "messages": [{"id": wamid, "message_status": "accepted"}]})

    def _deliver(self, phone: Phone, filled: Filled, sent: _Sent) -> None:
        self.status(sent, "sent")
        self.bring(phone, phone.chats[CHANNEL], filled.text, ref=sent.ref, buttons=filled.buttons,
                   media=filled.media)  # fmt: skip

        async def delivered() -> None:
            self.status(sent, "delivered")

        self.world.later(DELIVERED_MS, delivered)

    def _failure(self, phone: Phone | None, text: Text | None) -> Failure | None:
        """Return why a message that was taken will not arrive."""
        if phone is None or phone.chats[CHANNEL].blocked:
            return NOBODY
        return CLOSED if text is None and not self._open(phone) else None

    def _open(self, phone: Phone | None) -> bool:
        """Say whether the person has written within 24 hours."""
        said_at = phone.chats[CHANNEL].said_at if phone else 0
        return bool(said_at) and self.world.pace.now() - said_at < DAY_MS

    def _is_marketing(self, told: Mapping[str, Any]) -> bool:
        named = told.get("template") or {}
        return any(text.name == named.get("name") and text.category == "MARKETING" for text in self.texts)

    def _pricing(self, phone: Phone | None, text: Text | None) -> dict[str, Any]:
        category = text.category.lower() if text else "service"
        free = self._open(phone) and category != "marketing"
        kind = "free_customer_service" if free else "regular"
        return {"billable": not free, "pricing_model": "PMP", "category": category, "type": kind}

    # Webhooks

    def status(self, sent: _Sent, word: str, **more: Any) -> None:
        """Tell what became of a message."""
        told = {"id": sent.ref, "status": word, "timestamp": str(self.world.pace.now() // 1000),
                "recipient_id": sent.number, **more}  # fmt: skip
        if word in ("sent", "delivered"):
            told["pricing"] = sent.pricing
        if sent.tracker:
            told["biz_opaque_callback_data"] = sent.tracker
        self._change("messages", {"statuses": [told], **self._about()})

    def _fail(self, sent: _Sent, failure: Failure) -> None:
        code, title, details = failure
        error = {"code": code, "title": title, "message": title, "error_data": {"details": details}}
        self.status(sent, "failed", errors=[error])

    def _about(self) -> dict[str, Any]:
        shown = self._keys.phone.removeprefix("+")
        metadata = {"display_phone_number": shown, "phone_number_id": self._keys.phone_number_id}
        return {"messaging_product": "whatsapp", "metadata": metadata}

    def _change(self, field: str, value: Mapping[str, Any]) -> None:
        self.tell_kaskad({
            "id": self._keys.business_account_id, "time": self.world.pace.now() // 1000,
            "changes": [{"field": field, "value": value}],
        })  # fmt: skip

    def _said(self, phone: Phone, number: int, quoted: Bubble | None, **what: Any) -> None:
        who = phone.person.phone.removeprefix("+")
        told: dict[str, Any] = {
            "from": who, "id": f"wamid.in.{phone.id}.{number}",
            "timestamp": str(self.world.pace.now() // 1000), **what,
        }  # fmt: skip
        if quoted is not None and quoted.ref:
            told["context"] = {"from": self._keys.phone.removeprefix("+"), "id": quoted.ref}
        contact = {"profile": {"name": phone.person.name or who}, "wa_id": who}
        self._change("messages", {**self._about(), "contacts": [contact], "messages": [told]})

    def on_read(self, phone: Phone, bubble: Bubble) -> None:
        self.status(_Sent(bubble.ref, phone.person.phone.removeprefix("+")), "read")

    def on_press(self, phone: Phone, bubble: Bubble, button: Button) -> None:
        number = 1_000_000 * bubble.id + len(bubble.pressed)
        if bubble.ref not in self._approved:
            reply = {"type": "button_reply", "button_reply": {"id": button.data, "title": button.text}}
            self._said(phone, number, bubble, type="interactive", interactive=reply)
        else:
            pressed = {"payload": button.data, "text": button.text}
            self._said(phone, number, bubble, type="button", button=pressed)

    def on_message(self, phone: Phone, bubble: Bubble, quoted: Bubble | None) -> None:
        self._said(phone, bubble.id, quoted, type="text", text={"body": bubble.text})

    def start_of(self, url: str) -> str | None:
        parts = urlsplit(url)
        if parts.hostname != "wa.me" or parts.path.strip("/") != self._keys.phone.removeprefix("+"):
            return None
        return parse_qs(parts.query).get("text", [""])[0]

    def on_start(self, phone: Phone, payload: str) -> str:
        return payload

    # Approved texts and media

    async def list_texts(self, request: Request) -> Response:
        """List the business's texts, a page at a time."""
        return await refusing(self._list_texts(request))

    async def _list_texts(self, request: Request) -> Response:
        self.authorise(request, request.path_params["number"], self._keys.business_account_id)
        query = request.query_params
        found = [text for text in self.texts if query.get("name", text.name) == text.name]
        size = min(int(query.get("limit", PAGE)), 1_000)
        begin = int(query.get("after") or 0)
        page, end = found[begin : begin + size], min(begin + size, len(found))
        paging: dict[str, Any] = {"cursors": {"before": str(begin), "after": str(end)}}
        if end < len(found):
            paging["next"] = f"{request.url.include_query_params(after=end)}"
        told: dict[str, Any] = {"data": [text.listed() for text in page], "paging": paging}
        if query.get("summary"):
            told["summary"] = {
                "total_count": len(found), "message_template_count": len(self.texts),
                "message_template_limit": 250, "are_translations_complete": False,
            }  # fmt: skip
        return JSONResponse(told)

    async def make_text(self, request: Request) -> Response:
        """Take a text for review; it is approved a moment later."""
        return await refusing(self._make_text(request))

    async def _make_text(self, request: Request) -> Response:
        self.authorise(request, request.path_params["number"], self._keys.business_account_id)
        text = texts.made(await self.told(request), len(self.texts))
        self.texts.append(text)

        async def approve() -> None:
            self.review(text.name, text.language, "APPROVED")

        self.world.later(REVIEW_MS, approve)
        return JSONResponse({"id": text.id, "status": text.status, "category": text.category})

    def review(self, name: str, language: str, event: str, reason: str = "NONE") -> None:
        """Give a text another state, and tell it: APPROVED, REJECTED, PAUSED, DISABLED."""
        for text in self.texts:
            if (text.name, text.language) == (name, language):
                text.status = event
                self._change("message_template_status_update", {
                    "event": event, "message_template_id": int(text.id), "message_template_name": name,
                    "message_template_language": language, "reason": reason,
                    "message_template_category": text.category,
                })  # fmt: skip

    async def change_number(self, request: Request) -> Response:
        """Give a number's reports an address of their own; here they come to Kaskad's anyway."""
        return await refusing(self._change_number(request))

    async def _change_number(self, request: Request) -> Response:
        self.authorise(request, request.path_params["number"], self._keys.phone_number_id)
        await self.try_address((await self.told(request)).get("webhook_configuration") or {})
        return JSONResponse({"success": True})

    async def upload(self, request: Request) -> Response:
        """Take a file, and give it an id that messages may name."""
        return await refusing(self._upload(request))

    async def _upload(self, request: Request) -> Response:
        self.authorise(request, request.path_params["number"], self._keys.phone_number_id)
        form = await request.form()
        if form.get("messaging_product") != "whatsapp" or not form.get("file"):
            raise Refused(400, 100, "messaging_product and file are required")
        self._media += 1
        return JSONResponse({"id": str(7_000_000 + self._media)})


class _Sent(Struct, frozen=True):
    """What is told of a message in all its reports."""

    ref: str
    number: str
    tracker: str = ""
    pricing: dict[str, Any] = {}


@cache
def described() -> dict[str, Any]:
    """Return Meta's description of what is served here."""
    path = files("kaskad.sandbox").joinpath("specs", "whatsapp.json")
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def _checked(told: Mapping[str, Any]) -> str:
    """Return the type of a message; raises Refused where it is none that Meta describes."""
    kind = str(told.get("type", "text"))
    schema = described()["messages"].get(kind)
    if schema is None:
        raise Refused(400, 131051, "Unsupported message type")
    whole = {"recipient_type": "individual", **told}
    if told.get("recipient"):
        whole["to"] = told["recipient"]  # an id in place of a number
    if kind == "template" and isinstance(told.get("template"), dict):
        whole["template"] = texts.spelled(told["template"])
    problem = misfit(schema, whole)
    if not problem and kind == "interactive":
        problem = _interactive_problem(told["interactive"])
    if not problem and kind == "text" and len(str(told["text"].get("body", ""))) > 4096:
        problem = "text.body must be at most 4096 characters long"
    if problem:
        missing = problem.endswith("is required")
        code, words = (
            (131008, "Required parameter is missing") if missing else (131009, "Parameter value is not valid")
        )
        raise Refused(400, code, words, problem)
    return kind


def _interactive_problem(told: Mapping[str, Any]) -> str:
    if told["type"] == "button":
        return misfit(described()["actions"]["button"], told["action"], "interactive.action")
    if told["type"] == "cta_url":
        given = told["action"].get("parameters") or {}
        if not given.get("display_text") or not re.match(r"https?://", str(given.get("url", ""))):
            return "interactive.action.parameters is required"
    return ""


def _shown(kind: str, told: Mapping[str, Any]) -> Filled:
    """Return what the person sees of a message that is no approved text."""
    if kind == "text":
        return Filled(str(told.get("body", "")), (), ())
    if kind != "interactive":
        return Filled(str(told.get("caption", "")), (), ((kind, str(told.get("link") or told.get("id"))),))
    head = told.get("header") or {}
    name = str(head.get("type", ""))
    media = (
        ((name, str(head[name].get("link") or head[name].get("id"))),)
        if name in ("image", "video", "document")
        else ()
    )
    action = told["action"]
    buttons: tuple[tuple[Button, ...], ...]
    if told["type"] == "cta_url":
        given = action["parameters"]
        buttons = ((Button(given["display_text"], given["url"]),),)
    else:
        buttons = tuple(
            (Button(each["reply"]["title"], data=each["reply"]["id"]),) for each in action["buttons"]
        )
    return Filled(str((told.get("body") or {}).get("text", "")), buttons, media)

"""Umnico: a first message to a WhatsApp number, and what people answer. https://api.umnico.com/docs/ru"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.providers.crm import branch
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import Bubble, Phone
from kaskad.sandbox.server import Place, Server, Site
from kaskad.sandbox.servers.crm import object_of
from kaskad.sandbox.wire import Outgoing

CHANNEL = "whatsapp"


class Keys(Struct, frozen=True):
    """Of the one account. They protect nothing: all is on this machine."""

    token: str = "only-for-the-sandbox"
    integration: int = 75
    webhook_secret: str = "only-for-the-sandbox"


class Umnico(Server):
    """`POST /messaging/post` and `/webhooks`."""

    name = "umnico"
    channels = (CHANNEL,)
    provider = "umnico"
    account = "umnico"
    price = "8 KZT"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        return {"base_url": cls.url(place), "token": keys.token, "integration_id": str(keys.integration),
                "webhook_secret": keys.webhook_secret}  # fmt: skip

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/messaging/post", self.post, methods=["POST"]),
            Route("/webhooks", self.webhook, methods=["POST"]),
        ]

    async def post(self, request: Request) -> Response:
        """Begin a dialogue with a number, or go on with it."""
        body = await request.body()
        if not self._known(request):
            return _error(401, "unauthorized")

        async def take() -> Response:
            told = object_of(body)
            text = str(branch(told, "message").get("text") or "")
            if told.get("saId") != self._keys.integration or not text:
                return _error(400, "saId and message.text are wanted")
            phone = self.world.find(CHANNEL, f"+{told.get('destination', '')}")
            if phone is None:
                return _error(404, "the number has no WhatsApp")
            self.bring(phone, phone.chats[CHANNEL], text)
            return JSONResponse({"leadId": phone.id})

        return await self.befall(take, _refusal)

    async def webhook(self, request: Request) -> Response:
        """Take note of where to tell; the sandbox knows it already."""
        return JSONResponse({"id": 1}) if self._known(request) else _error(401, "unauthorized")

    def on_message(self, phone: Phone, bubble: Bubble, quoted: Bubble | None) -> None:
        login = phone.person.phone.lstrip("+")
        told: dict[str, Any] = {
            "type": "message.incoming", "accountId": 1, "leadId": phone.id, "isNewLead": False,
            "isNewCustomer": False,
            "message": {
                "messageId": f"{phone.id}-{bubble.id}", "text": bubble.text, "incoming": True,
                "source": {"id": 1, "realId": 255, "saId": self._keys.integration, "type": "message"},
                "sender": {"id": phone.id, "customerId": phone.id, "login": login, "type": "customer"},
                "sa": {"id": self._keys.integration, "type": "whatsapp", "login": "79000000099"},
            },
        }  # fmt: skip
        self.report(lambda good: self._hook(told, good))

    def _hook(self, told: dict[str, Any], good: bool) -> Outgoing:
        secret = self._keys.webhook_secret if good else "another"
        headers = {"Content-Type": "application/json"}
        return Outgoing("POST", f"{self.hook}?key={secret}", headers, json.dumps(told).encode())

    def _known(self, request: Request) -> bool:
        return request.headers.get("authorization", "").lower() == f"bearer {self._keys.token}".lower()


def _refusal(fault: Fault) -> Response:
    return _error({"throttle": 429, "error": 500}.get(fault.kind, 400), fault.kind)


def _error(status: int, words: str) -> Response:
    return JSONResponse({"message": words}, status)

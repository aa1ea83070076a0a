"""Telegram's Gateway: verification codes to a number. https://core.telegram.org/gateway/api

As with a Bot API server of one's own, a callback may be plain HTTP here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from hmac import digest
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import Bubble, Phone
from kaskad.sandbox.server import Place, Server, Site
from kaskad.sandbox.wire import Outgoing

CHANNEL = "telegram"
COST = 0.01
_CODE = re.compile(r"[0-9]{4,8}").fullmatch
_NUMBER = re.compile(r"\+?[0-9]{7,15}").fullmatch

Json = dict[str, object]


class Keys(Struct, frozen=True):
    """Of the one account. They protect nothing: all is on this machine."""

    token: str = "AAG-only-for-the-sandbox"


class _Sent(Struct):
    """One request and where it is told of."""

    status: Json
    callback: str


class Refused(Exception):
    """An error of the API, by its name."""


class TelegramGateway(Server):
    """`/sendVerificationMessage`."""

    name = "telegram_gateway"
    channels = (CHANNEL,)
    provider = "telegram_gateway"
    account = "telegram_gateway"
    price = "0.01 USD"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)
        self._sent: dict[str, _Sent] = {}
        self._balance = 100.0

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        return {"base_url": cls.url(place), "token": place.keys(Keys).token}

    def routes(self) -> Sequence[BaseRoute]:
        return [Route("/sendVerificationMessage", self.send, methods=["GET", "POST"])]

    async def send(self, request: Request) -> Response:
        """Take one code for one number."""
        body = await request.body()
        given: dict[str, object] = dict(request.query_params)
        try:
            if "json" in request.headers.get("content-type", ""):
                given |= msgspec.json.decode(body, type=dict[str, object])
            else:
                given |= dict(parse_qsl(body.decode("utf-8", "replace")))
        except ValueError:
            return _failure("CODE_INVALID")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if (token if scheme == "Bearer" else given.get("access_token")) != self._keys.token:
            return _failure("ACCESS_TOKEN_INVALID")

        async def take() -> Response:
            try:
                return JSONResponse({"ok": True, "result": self._deliver(given)})
            except Refused as refusal:
                return _failure(str(refusal))

        return await self.befall(take, _befallen)

    def _deliver(self, given: dict[str, object]) -> Json:
        number, code = str(given.get("phone_number", "")), str(given.get("code", ""))
        callback, payload = str(given.get("callback_url", "")), str(given.get("payload", ""))
        if not _NUMBER(number):
            raise Refused("PHONE_NUMBER_INVALID")
        if not _CODE(code):
            raise Refused("CODE_INVALID")
        if len(payload.encode()) > 128:
            raise Refused("PAYLOAD_INVALID")
        if len(callback.encode()) > 256:
            raise Refused("CALLBACK_URL_INVALID")
        ttl = given.get("ttl")
        if ttl is not None and not (str(ttl).isdigit() and 60 <= int(str(ttl)) <= 86_400):
            raise Refused("TTL_INVALID")
        phone = self.world.find("sms", "+" + number.removeprefix("+"))
        if phone is None:
            raise Refused("PHONE_NUMBER_NOT_FOUND")
        if self._balance < COST:
            raise Refused("BALANCE_NOT_ENOUGH")
        self._balance -= COST
        name = sha256(f"{phone.id} {len(self._sent)}".encode()).hexdigest()[:16]
        status: Json = {"request_id": name, "phone_number": number, "request_cost": COST, "payload": payload}
        self._sent[name] = _Sent(status, callback)
        self.bring(phone, phone.chats[CHANNEL], f"Code: {code}", ref=name)
        self._tell(name, "delivered")
        return {**status, "remaining_balance": round(self._balance, 2), "delivery_status": self._now("sent")}

    def on_read(self, phone: Phone, bubble: Bubble) -> None:
        self._tell(bubble.ref, "read")

    def _now(self, status: str) -> Json:
        return {"status": status, "updated_at": self.world.pace.now() // 1000}

    def _tell(self, name: str, status: str) -> None:
        sent = self._sent.get(name)
        if sent is None or not sent.callback:
            return
        told, url = {**sent.status, "delivery_status": self._now(status)}, sent.callback
        self.report(lambda good: self._posted(url, told, good), attempts=10)

    def _posted(self, url: str, told: Json, good: bool) -> Outgoing:
        """Return a report, signed when it is sent."""
        body, stamp = msgspec.json.encode(told), str(self.world.pace.now() // 1000)
        key = sha256((self._keys.token if good else "another").encode()).digest()
        signature = digest(key, stamp.encode() + b"\n" + body, "sha256").hex()
        headers = {"Content-Type": "application/json", "X-Request-Timestamp": stamp,
                   "X-Request-Signature": signature}  # fmt: skip
        return Outgoing("POST", url, headers, body)


def _failure(name: str) -> Response:
    return JSONResponse({"ok": False, "error": name})


def _befallen(fault: Fault) -> Response:
    if fault.kind == "error":
        return JSONResponse({"ok": False, "error": "INTERNAL"}, 500)
    return _failure(
        f"FLOOD_WAIT_{max(1, round(fault.seconds))}" if fault.kind == "throttle" else "CODE_INVALID"
    )

"""Twilio's voice API: create a call, look at it, cancel or end it.

https://www.twilio.com/docs/voice/api/call-resource
"""

from __future__ import annotations

import base64
import binascii
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import urlsplit

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.domain.address import BadAddress, normalise_phone
from kaskad.sandbox import spec, twiml
from kaskad.sandbox.calls import CHANNEL, Exchange, Order
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import Call
from kaskad.sandbox.server import Place, Server, Site

KEPT = 100_000  # calls that can be asked for
_URLS = ("Url", "FallbackUrl", "StatusCallback", "AsyncAmdStatusCallback")
_EVENTS = ("initiated", "ringing", "answered", "completed")

Fields = Mapping[str, Sequence[str]]


class Refused(Exception):
    """An error of the API: its HTTP status, its code, its words."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def response(self) -> JSONResponse:
        more = f"https://www.twilio.com/docs/errors/{self.code}"
        told = {"code": self.code, "message": self.message, "more_info": more, "status": self.status}
        return JSONResponse(told, self.status)


class Keys(Struct, frozen=True):
    """The one account. They protect nothing: all is on this machine."""

    sid: str = "AC" + "0" * 31 + "1"
    token: str = "0" * 31 + "1"
    number: str = "+15005550006"


class Twilio(Server):
    """`/2010-04-01/Accounts/{sid}/Calls…`."""

    name = "twilio"
    channels = (CHANNEL,)
    provider = "twilio_voice"
    account = "robot-call"
    price = "37.50 KZT"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)
        self._exchange = Exchange(self.world, self.outbox, self.report, self._keys.sid, self._keys.token)
        self._orders: dict[str, Order] = {}
        self._sids = random.Random(f"twilio:{self.world.seed}")

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        return {
            "base_url": cls.url(place), "account_sid": keys.sid, "auth_token": keys.token,
            "caller": keys.number,
        }  # fmt: skip

    def routes(self) -> Sequence[BaseRoute]:
        calls = "/2010-04-01/Accounts/{account}/Calls"
        return [
            Route(f"{calls}.json", self.create, methods=["POST"]),
            Route(calls + "/{sid}.json", self.fetch, methods=["GET"]),
            Route(calls + "/{sid}.json", self.change, methods=["POST"]),
        ]

    async def create(self, request: Request) -> Response:
        """Queue a call."""
        try:
            authorise(request, self._keys)
            given = await fields_of(request)

            async def take() -> Response:
                order = self._ordered(given)
                phone = self.world.find(CHANNEL, order.to)
                self._orders[order.sid] = order
                while len(self._orders) > KEPT:
                    del self._orders[next(iter(self._orders))]
                self.world.spawn(self._exchange.carry(order, phone))
                return JSONResponse(self._shown(order), 201)

            return await self.befall(take, _refuse)
        except Refused as refusal:
            return refusal.response()

    async def fetch(self, request: Request) -> Response:
        """Show a call."""
        try:
            authorise(request, self._keys)
            return JSONResponse(self._shown(self._order(request)))
        except Refused as refusal:
            return refusal.response()

    async def change(self, request: Request) -> Response:
        """Cancel a call that has not been picked up, or end one that has."""
        try:
            authorise(request, self._keys)
            order = self._order(request)
            given = await fields_of(request)
            name, problem = spec.twilio_problem("UpdateCall", given)
            if problem:
                raise Refused(400, 20001, f"{name} {problem}")
            status = one(given, "Status")
            if not order.call.live:
                raise Refused(400, 21220, "Invalid call state: the call is no longer active")
            if status == "canceled" and order.call.status == "in-progress":
                raise Refused(400, 21220, "Call is in progress: it cannot be canceled, only completed")
            if status:
                order.cancelled.set()
                order.call.deeds.put_nowait("cancel")
                if order.call.status != "in-progress":
                    order.call.status = "canceled"
        except Refused as refusal:
            return refusal.response()
        return JSONResponse(self._shown(order))

    def _order(self, request: Request) -> Order:
        sid = request.path_params["sid"]
        if sid not in self._orders:
            raise Refused(404, 20404, f"The requested resource {request.url.path} was not found")
        return self._orders[sid]

    def _ordered(self, given: Fields) -> Order:
        """Return the call that is asked for; raises Refused."""
        if not one(given, "To"):
            raise Refused(400, 21201, "No 'To' number is specified")
        if not one(given, "From"):
            raise Refused(400, 21213, "No 'From' number is specified")
        name, problem = spec.twilio_problem("CreateCall", given)
        if problem:
            raise Refused(400, 20001, f"{name} {problem}")
        to = number_of(one(given, "To"))
        if one(given, "From") != self._keys.number:
            raise Refused(400, 21210, f"The source phone number provided, {one(given, 'From')}, is not yet "
                                      "verified for your account.")  # fmt: skip
        document, url = one(given, "Twiml"), one(given, "Url")
        if not document and not url:
            raise Refused(400, 21205, "Url parameter is required.")
        if len(document) > twiml.LIMIT:
            raise Refused(400, 21205, f"Twiml has {len(document)} characters, {twiml.LIMIT} are allowed")
        for name in _URLS:
            if (value := one(given, name)) and not is_url(value):
                code = 21609 if name == "StatusCallback" else 21205
                raise Refused(400, code, f"{name} is not a valid URL: {value}")
        return self._new(given, to, document, url)

    def _new(self, given: Fields, to: str, document: str, url: str) -> Order:
        sid = f"CA{self._sids.getrandbits(128):032x}"
        at = self.world.pace.now()
        caller = one(given, "From")
        events = tuple(event for value in given.get("StatusCallbackEvent", ()) for event in value.split())
        if unknown := [event for event in events if event not in _EVENTS]:
            raise Refused(400, 21626, f"Invalid status callback event: {unknown[0]}")
        asynchronous = one(given, "AsyncAmd").lower() == "true"
        return Order(
            sid, to, caller, Call(sid, at, caller), at, document, url, one(given, "Method") or "POST",
            status_url=one(given, "StatusCallback"),
            status_method=one(given, "StatusCallbackMethod") or "POST",
            events=events or ("completed",),
            ring_s=float(one(given, "Timeout") or 60),
            limit_s=float(one(given, "TimeLimit") or 14_400),
            detection=one(given, "MachineDetection").replace("None", ""),
            detection_url=one(given, "AsyncAmdStatusCallback") if asynchronous else "",
            detection_method=one(given, "AsyncAmdStatusCallbackMethod") or "POST",
        )  # fmt: skip

    def _shown(self, order: Order) -> dict[str, object]:
        """Return a call as the API shows it: every field of its description."""
        call = order.call
        uri = f"/2010-04-01/Accounts/{self._keys.sid}/Calls/{order.sid}"
        told: dict[str, object] = dict.fromkeys(spec.twilio_fields("Call"))
        told |= {
            "sid": order.sid, "account_sid": self._keys.sid, "api_version": "2010-04-01",
            "to": order.to, "to_formatted": order.to, "from": order.caller, "from_formatted": order.caller,
            "status": call.status, "direction": "outbound-api", "queue_time": "0", "trunk_sid": "",
            "annotation": "", "price_unit": "KZT", "uri": f"{uri}.json", "forwarded_from": "",
            "date_created": date_of(order.created_at),
            "date_updated": date_of(order.ended_at or order.created_at),
            "start_time": date_of(order.started_at), "end_time": date_of(order.ended_at),
            "duration": str(call.duration_s) if order.ended_at else None,
            "price": order.price or None, "answered_by": call.answered_by or None,
            "subresource_uris": {"events": f"{uri}/Events.json", "recordings": f"{uri}/Recordings.json"},
        }  # fmt: skip
        return told


def authorise(request: Request, keys: Keys) -> None:
    """Raise Refused for a wrong account or token."""
    kind, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        user = password = ""
    good = kind.lower() == "basic" and (user, password) == (keys.sid, keys.token)
    if not good or request.path_params["account"] != keys.sid:
        raise Refused(401, 20003, "Authenticate")


def number_of(text: str) -> str:
    """Return a number in E.164; raises Refused."""
    try:
        return normalise_phone(text)
    except BadAddress:
        raise Refused(400, 21211, f"The number you are trying to reach, {text}, is not valid.") from None


def _refuse(fault: Fault) -> Response:
    if fault.kind == "throttle":
        raise Refused(429, 20429, "Too Many Requests")
    if fault.kind == "error":
        return PlainTextResponse("Internal Server Error", 500)
    raise Refused(400, 21215, "Account not authorized to call the given number")


async def fields_of(request: Request) -> dict[str, list[str]]:
    """Return the fields of a form, of each all its values."""
    async with request.form() as form:
        given: dict[str, list[str]] = {}
        for name, value in form.multi_items():
            if isinstance(value, str):
                given.setdefault(name, []).append(value)
        return given


def one(given: Fields, name: str) -> str:
    """Return the first value of a field, "" for none."""
    return next(iter(given.get(name, ())), "")


def is_url(text: str) -> bool:
    """Return whether Twilio takes it as an address to call."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "_" not in (parts.hostname or "")


def date_of(at: int) -> str | None:
    """Return an instant as its answers have it; None for 0."""
    return format_datetime(datetime.fromtimestamp(at // 1000, UTC)) if at else None

"""MTS Exolve: SMS, and calls that read a text aloud. https://docs.exolve.ru/docs/ru/api-reference/

What its documentation leaves open (the webhooks' fields, the words of statuses and refusals) is as public
clients have it. Nothing is signed: the webhook's address carries a secret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.domain.address import BadAddress, normalise_phone
from kaskad.domain.sms import parts
from kaskad.sandbox.calls import CHANNEL, QUEUE_MS
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.line import HungUp, Line, ring
from kaskad.sandbox.outbox import json_post
from kaskad.sandbox.person import SMS, Call, Phone, Sms
from kaskad.sandbox.server import Place, Server, Site
from kaskad.sandbox.servers import sms as texts
from kaskad.sandbox.servers.sms import Fate
from kaskad.sandbox.twiml import seconds_of

KEPT = 100_000  # messages and calls that can be asked for
RING_MS = 45_000
LIMIT_MS = 120_000
FATES = {
    Fate.SENT: "DELIVERY_STATUS_SENT",
    Fate.DELIVERED: "DELIVERY_STATUS_DELIVERED",
    Fate.EXPIRED: "DELIVERY_STATUS_EXPIRED",
    Fate.UNKNOWN_NUMBER: "DELIVERY_STATUS_UNDELIVERED",
}
ENDINGS = {"busy": "busy", "no-answer": "no_answer", "canceled": "canceled"}  # of ringing

Told = dict[str, Any]


class Refused(Exception):
    """An error, as gRPC's gateways write it."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code

    def response(self) -> JSONResponse:
        return JSONResponse({"code": self.code, "message": str(self), "details": []}, self.status)


class Keys(Struct, frozen=True):
    """The one application. They protect nothing: all is on this machine."""

    api_key: str = "only-for-the-sandbox"
    webhook_secret: str = "only-for-the-sandbox"
    number: str = "79000000099"


class _Exolve(Server):
    """What both products share: the key, the ids, what was taken."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)
        self._records: dict[str, Told] = {}
        self._chance = self.world.chance(self.name)

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        return {
            "base_url": cls.url(place), "api_key": keys.api_key, "sender": keys.number,
            "webhook_secret": keys.webhook_secret,
        }  # fmt: skip

    async def _given(self, request: Request) -> Told:
        if request.headers.get("authorization", "") != f"Bearer {self._keys.api_key}":
            raise Refused(401, 16, "invalid token")
        try:
            given = msgspec.json.decode(await request.body())
        except ValueError:
            raise Refused(400, 3, "invalid JSON") from None
        if not isinstance(given, dict):
            raise Refused(400, 3, "invalid JSON")
        return given

    def _number(self, given: Mapping[str, Any], sender: str) -> str:
        """Return the number that is written to or called; raises Refused."""
        if given.get(sender) != self._keys.number:
            raise Refused(403, 7, f"{sender} does not belong to the application")
        digits = str(given.get("destination", ""))
        try:
            return normalise_phone(f"+{digits}" if digits.isdecimal() else digits)
        except BadAddress:
            raise Refused(400, 3, "invalid destination") from None

    def _new_id(self) -> str:
        return str(10**17 + self._chance.randrange(10**17))

    def _keep(self, identity: str, told: Told) -> None:
        self._records[identity] = told
        while len(self._records) > KEPT:
            del self._records[next(iter(self._records))]

    def _call(self, told: Mapping[str, Any]) -> None:
        if not self.hook:
            return
        copy = dict(told)

        def address(good: bool) -> str:
            return f"{self.hook}?key={quote(self._keys.webhook_secret if good else 'another')}"

        self.report(lambda good: json_post(address(good), copy))

    def _date(self) -> str:
        return datetime.fromtimestamp(self.world.pace.now() / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class ExolveSms(_Exolve):
    """`/messaging/v1/SendSMS` and `GetList`."""

    name = "exolve"
    channels = (SMS,)
    provider = "mts_exolve"
    account = "exolve-sms"
    price = "3 RUB per part"

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/messaging/v1/SendSMS", self.send, methods=["POST"]),
            Route("/messaging/v1/GetList", self.listed, methods=["POST"]),
        ]

    async def send(self, request: Request) -> Response:
        """Take one text for one number."""
        try:
            given = await self._given(request)

            async def take() -> Response:
                number, text = self._number(given, "number"), given.get("text")
                if not isinstance(text, str) or not text:
                    raise Refused(400, 3, "text is empty")
                identity = self._new_id()
                told = self._told(identity, "DIRECTION_OUTGOING", self._keys.number, number.lstrip("+"), text)
                told["delivery_status"] = "DELIVERY_STATUS_QUEUED"
                self._keep(identity, told)
                self.world.spawn(self._carry(number, told))
                return JSONResponse({"message_id": identity})

            return await self.befall(take, _refuse)
        except Refused as refused:
            return refused.response()

    async def listed(self, request: Request) -> Response:
        """Answer what is known of a message."""
        try:
            given = await self._given(request)
        except Refused as refused:
            return refused.response()
        found = self._records.get(str(given.get("message_id", "")))
        return JSONResponse({"messages": [found] if found else []})

    async def _carry(self, number: str, record: Told) -> None:
        def told(fate: Fate) -> None:
            record["delivery_status"] = FATES[fate]
            self._call(record)

        await texts.carry(self, number, record["text"], record["sender"], record["message_id"], told)

    def on_sms(self, phone: Phone, sms: Sms, about: Sms | None) -> None:
        """Call the application's webhook with what a person wrote."""
        number = phone.person.phone.lstrip("+")
        self._call(self._told(self._new_id(), "DIRECTION_INCOMING", number, sms.other, sms.text))

    def _told(self, identity: str, direction: str, sender: str, receiver: str, text: str) -> Told:
        return {
            "event_id": direction, "message_id": identity, "date": self._date(), "sender": sender,
            "receiver": receiver, "text": text, "direction": direction, "segments_count": parts(text),
            "channel": "CHANNEL_SMS",
        }  # fmt: skip


class ExolveVoice(_Exolve):
    """`/call/v1/MakeVoiceMessage` and `GetInfo`. Who has picked up is not told apart, keys mean nothing."""

    name = "exolve_voice"
    channels = (CHANNEL,)
    provider = "mts_exolve_voice"
    account = "exolve-calls"
    price = "5 RUB"

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/call/v1/MakeVoiceMessage", self.make, methods=["POST"]),
            Route("/call/v1/GetInfo", self.info, methods=["POST"]),
        ]

    async def make(self, request: Request) -> Response:
        """Queue a call."""
        try:
            given = await self._given(request)

            async def take() -> Response:
                number, spoken = self._number(given, "source"), given.get("tts")
                words = (
                    spoken.get("text") if isinstance(spoken, dict) else "…" if given.get("service_id") else ""
                )
                if not isinstance(words, str) or not words:
                    raise Refused(400, 3, "neither tts.text nor service_id")
                identity = self._new_id()
                told: Told = {
                    "call_id": identity, "source": self._keys.number, "destination": number.lstrip("+"),
                    "status": "created", "event": "call",
                }  # fmt: skip
                self._keep(identity, told)
                self.world.spawn(self._carry(number, words, told))
                return JSONResponse({"call_id": identity})

            return await self.befall(take, _refuse)
        except Refused as refused:
            return refused.response()

    async def info(self, request: Request) -> Response:
        """Answer how a call stands."""
        try:
            given = await self._given(request)
            record = self._records.get(str(given.get("call_id", "")))
            if record is None:
                raise Refused(404, 5, "call not found")
            return JSONResponse(record)
        except Refused as refused:
            return refused.response()

    async def _carry(self, number: str, words: str, record: Told) -> None:
        """Bring one call to its end, and tell each thing that it becomes."""
        await self.world.pace.wait(QUEUE_MS)
        phone = self.world.find(CHANNEL, number)
        pickup = self.world.pick_up(phone)
        if phone is None or pickup.how == "missing":
            self._become(record, "invalid_number")
            return
        call = Call(record["call_id"], self.world.pace.now(), self._keys.number, status="ringing")
        phone.calls.append(call)
        phone.trim()
        self._become(record, "ringing")
        line = Line(self.world.pace, phone, call, LIMIT_MS)
        ending = ENDINGS.get(await ring(phone, pickup, line, RING_MS), "")
        if not ending:
            call.status = "in-progress"
            self._become(record, "answered")
            ending = await self._read(phone, call, line, words, machine=pickup.how == "machine")
        call.status, call.ended_at = ending.replace("_", "-"), self.world.pace.now()
        call.duration_s = round(line.talked_ms / 1000)
        if ending != "answered":  # hung up early: nothing more is told
            self._become(record, ending)

    async def _read(self, phone: Phone, call: Call, line: Line, words: str, *, machine: bool) -> str:
        """Read the text; return how the call ended."""
        if not machine or phone.by_hand:
            self.world.arrived(phone, call)
        call.heard.append(words)
        try:
            await line.hear(seconds_of(words) * 1000)
        except HungUp:
            return "answered"
        if not machine:
            self.world.reacted(call)
        return "completed"

    def _become(self, record: Told, status: str) -> None:
        record["status"] = status
        self._call(record)


def _refuse(fault: Fault) -> Response:
    if fault.kind == "throttle":
        raise Refused(429, 8, "too many requests")
    if fault.kind == "error":
        raise Refused(500, 13, "internal")
    raise Refused(400, 3, "invalid destination")

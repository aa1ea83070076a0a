"""Voximplant: starts our scenario and shows the history of calls. https://voximplant.com/docs/references/httpapi

In reality the scenario (`providers/scenarios/voximplant.js`) runs there; here its steps are taken by hand,
with the orders that it takes and the posts that it makes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.domain.address import BadAddress, normalise_phone
from kaskad.sandbox.calls import CHANNEL, DETECTION_MS, LISTENED_S, QUEUE_MS
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.line import HungUp, Line, Pickup, ring
from kaskad.sandbox.outbox import json_post
from kaskad.sandbox.person import Call, Phone
from kaskad.sandbox.server import Place, Server, Site
from kaskad.sandbox.servers import tokens
from kaskad.sandbox.twiml import offered_keys, seconds_of

KEPT = 100_000  # calls that can be asked for
RING_MS = 60_000
LIMIT_MS = 180_000
KEY_MS = 5_000  # after the text
PRICE_OF_A_MINUTE = 1.2
SIP = {"busy": (486, "Busy Here"), "no-answer": (487, "Request Terminated"), "missing": (404, "Not Found")}


class Refused(Exception):
    """An error of the API: its code and its words, with HTTP 200."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


class Order(Struct, frozen=True):
    """What our scenario is started with."""

    to: str
    text: str
    thanks: str
    keys: str
    amd: str
    callback: str
    reference: str
    key: str
    caller: str = msgspec.field(name="from", default="")


class Session(Struct):
    """One started scenario, as the history shows it."""

    id: int
    order: Order
    started_at: int
    successful: bool = False
    ended: bool = False
    duration: int = 0
    cost: float = 0.0


class Keys(Struct, frozen=True):
    """The one account. They protect nothing: all is on this machine."""

    account_id: int = 12345
    key_id: str = "00000000-0000-4000-8000-000000000001"
    rule_id: str = "42"
    number: str = "79000000099"
    webhook_secret: str = "only-for-the-sandbox"


class Voximplant(Server):
    """`/platform_api`, by the name of a method among the fields."""

    name = "voximplant"
    channels = (CHANNEL,)
    provider = "voximplant"
    account = "voximplant"
    price = "1.20 RUB"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)
        self._sessions: dict[int, Session] = {}
        self._next = 1_000_000_001

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        service = {
            "account_email": "shop@example.org", "account_id": keys.account_id, "key_id": keys.key_id,
            "private_key": tokens.pem(),
        }  # fmt: skip
        return {
            "base_url": cls.url(place), "service_account": json.dumps(service), "rule_id": keys.rule_id,
            "caller": keys.number, "webhook_secret": keys.webhook_secret,
        }  # fmt: skip

    def routes(self) -> Sequence[BaseRoute]:
        return [Route("/platform_api", self.call, methods=["POST"])]

    async def call(self, request: Request) -> Response:
        """Carry out one method."""
        async with request.form() as form:
            given = {name: value for name, value in form.items() if isinstance(value, str)}
        try:
            self._authorise(request)
            match given.get("cmd"):
                case "StartScenarios":

                    async def take() -> Response:
                        return self._start(given)

                    return await self.befall(take, _refuse)
                case "GetCallHistory":
                    return self._history(given)
            raise Refused(103, "unknown command")
        except Refused as refused:
            return JSONResponse({"error": {"code": refused.code, "msg": str(refused)}})

    def _authorise(self, request: Request) -> None:
        """Raise Refused unless the token is signed with the service account's key."""
        try:
            header, told = tokens.read_rs256(request.headers.get("authorization", "").removeprefix("Bearer "))
            good = header["kid"] == self._keys.key_id and str(told["iss"]) == str(self._keys.account_id)
            good = good and 0 < told["exp"] - told["iat"] <= 3600
        except (ValueError, KeyError, TypeError):
            good = False
        if not good:
            raise Refused(100, "Authorization failed")

    def _start(self, given: Mapping[str, str]) -> Response:
        if given.get("rule_id") != self._keys.rule_id:
            raise Refused(340, "The rule is not found")
        try:
            order = msgspec.json.decode(given.get("script_custom_data", ""), type=Order)
        except ValueError:  # the scenario would end at once, which nobody is told
            raise Refused(104, "script_custom_data is not what the scenario takes") from None
        session = Session(self._next, order, self.world.pace.now())
        self._next += 1
        self._sessions[session.id] = session
        while len(self._sessions) > KEPT:
            del self._sessions[next(iter(self._sessions))]
        self.world.spawn(self._carry(session))
        address = f"{self.url(self.place)}/sessions/{session.id}"
        return JSONResponse(
            {
                "result": 1, "call_session_history_id": session.id, "media_session_access_url": address,
                "media_session_access_secure_url": address,
            }
        )  # fmt: skip

    def _history(self, given: Mapping[str, str]) -> Response:
        for name in ("from_date", "to_date"):
            try:
                datetime.strptime(given.get(name, ""), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            except ValueError:
                raise Refused(110, f"{name} is invalid") from None
        wanted = given.get("call_session_history_id", "")
        session = self._sessions.get(int(wanted)) if wanted.isdecimal() else None
        found = [] if session is None or not session.ended else [_shown(session)]
        return JSONResponse({"result": found, "total_count": len(found), "count": len(found)})

    async def _carry(self, session: Session) -> None:
        """Do what the scenario does, from the dialling to the end."""
        order = session.order
        await self.world.pace.wait(QUEUE_MS)
        try:
            phone = self.world.find(CHANNEL, normalise_phone(f"+{order.to}"))
        except BadAddress:
            phone = None
        pickup = self.world.pick_up(phone)
        if phone is None or pickup.how == "missing" or order.caller != self._keys.number:
            self._fail(session, "missing")
            return
        call = Call(str(session.id), self.world.pace.now(), order.caller, status="ringing")
        phone.calls.append(call)
        phone.trim()
        self._tell(session, "ringing")
        line = Line(self.world.pace, phone, call, LIMIT_MS)
        ending = await ring(phone, pickup, line, RING_MS)
        if ending == "answered":
            await self._talk(session, phone, call, line, pickup)
            ending = "completed"
        else:
            self._fail(session, ending)
        call.status, call.listening = ending, False
        call.ended_at, call.duration_s = self.world.pace.now(), session.duration

    async def _talk(self, session: Session, phone: Phone, call: Call, line: Line, pickup: Pickup) -> None:
        """Say what is to be said to a person; hang up on a machine."""
        call.status = "in-progress"
        self._tell(session, "connected")
        machine = pickup.how == "machine" and not phone.by_hand
        heard_ms = 0.0
        try:
            if session.order.amd:
                await line.hear(DETECTION_MS)
                call.answered_by = "machine" if machine else "human"
            if machine and session.order.amd:
                self._tell(session, "machine")
            else:
                heard_ms = line.talked_ms
                self.world.arrived(phone, call)
                await self._say(session, phone, call, line)
        except HungUp:
            pass
        listened = round((line.talked_ms - heard_ms) / 1000) if heard_ms else 0
        if listened >= LISTENED_S and not machine:
            self.world.reacted(call)
        self._end(session, line, machine=bool(machine and session.order.amd), listened=listened)

    async def _say(self, session: Session, phone: Phone, call: Call, line: Line) -> None:
        """Say the text twice, and take the first key that means something. Raises HungUp."""
        order = session.order
        line.intent = self.world.intent(phone, order.text)
        call.listening = bool(order.keys)
        for _ in range(2):
            call.heard.append(order.text)
            if await self._key(session, phone, call, line, seconds_of(order.text) * 1000):
                return
            if await self._key(session, phone, call, line, KEY_MS if order.keys else 1000):
                return

    async def _key(self, session: Session, phone: Phone, call: Call, line: Line, span_ms: float) -> bool:
        """Return whether a key that means something was pressed within this time; thanks for it."""
        order, until_ms = session.order, line.talked_ms + span_ms
        while (left_ms := until_ms - line.talked_ms) > 0:
            key = await line.key(left_ms)
            if not key or key not in order.keys:
                continue
            call.keys += key
            self._tell(session, "tone", tone=key)
            if key == offered_keys(order.text)[1]:
                self.world.stopped(CHANNEL, phone)
            else:
                self.world.reacted(call)
            call.heard.append(order.thanks)
            await line.hear(seconds_of(order.thanks) * 1000)
            return True
        return False

    def _fail(self, session: Session, how: str) -> None:
        session.ended = True
        code, reason = SIP.get(how, (500, "Internal Server Error"))
        self._tell(session, "failed", code=code, reason=reason)

    def _end(self, session: Session, line: Line, *, machine: bool, listened: int) -> None:
        session.ended = session.successful = True
        session.duration = max(1, round(line.talked_ms / 1000))
        session.cost = round(-(-session.duration // 60) * PRICE_OF_A_MINUTE, 2)
        self._tell(
            session, "ended", machine=machine, listened=listened, duration=session.duration, cost=session.cost
        )

    def _tell(self, session: Session, event: str, **more: object) -> None:
        order = session.order
        told = {
            "event": event, "session": str(session.id), "reference": order.reference,
            "at": self.world.pace.now(), **more,
        }  # fmt: skip
        self.report(lambda good: json_post(order.callback, {**told, "key": order.key if good else "0" * 64}))


def _shown(session: Session) -> dict[str, object]:
    call = {
        "call_id": session.id, "successful": session.successful, "duration": session.duration,
        "cost": session.cost, "remote_number": session.order.to, "incoming": False,
    }  # fmt: skip
    return {"call_session_history_id": session.id, "duration": session.duration, "calls": [call]}


def _refuse(fault: Fault) -> Response:
    if fault.kind == "throttle":
        return PlainTextResponse("Too Many Requests", 429)
    if fault.kind == "error":
        return PlainTextResponse("Internal Server Error", 500)
    raise Refused(127, "Not enough money")

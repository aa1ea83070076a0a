"""An Asterisk as ARI shows it: channels, playbacks, and the WebSocket on which it tells what happens.

https://docs.asterisk.org/Latest_API/API_Documentation/Asterisk_REST_Interface/. A file whose text stands
beside it (`<name>.txt`) is heard as that text; of other sounds people hear the name.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from msgspec import Struct, field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from kaskad.sandbox.faults import REQUESTS, SESSIONS, Fault
from kaskad.sandbox.line import KEYS, Line, Pickup, ring
from kaskad.sandbox.person import ROBOT_CALL, Call, Phone
from kaskad.sandbox.server import Place, Server, Site
from kaskad.sandbox.twiml import offered_keys

DETECTION_MS = 3_500  # how long AMD() takes
LETTER_MS = 65.0  # of speech
SOUND_MS = 3_000.0  # of a sound whose text nobody knows
SECOND_MS = 1_000.0
LISTENED_S = 15
WAIT_MS = 3_600_000.0
CAUSES = {
    1: "Unallocated (unassigned) number", 16: "Normal Clearing", 17: "User busy",
    19: "User alerting, no answer",
}  # fmt: skip


class Keys(Struct, frozen=True):
    """The user of ari.conf."""

    user: str = "kaskad"
    password: str = "secret"


class Leg(Struct):
    """A channel."""

    id: str
    number: str
    caller: str
    app: str
    args: list[str]
    context: str
    created_at: int
    call: Call
    ring_s: float = 30.0
    state: str = "Down"
    asked: bool = False  # the person has made up their mind about a key
    waiting: deque[tuple[str, list[str]]] = field(default_factory=deque)  # playbacks to come
    playing: str = ""


class Asterisk(Server):
    """`/asterisk/ari/…`."""

    name = "asterisk"
    channels = (ROBOT_CALL,)
    provider = "asterisk"
    account = "pbx"
    price = "20 KZT"
    honours = frozenset((*REQUESTS, *SESSIONS))
    causes: ClassVar[Mapping[int, str]] = CAUSES

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)
        self._legs: dict[str, Leg] = {}
        self._apps: dict[str, WebSocket] = {}

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        return {
            "base_url": f"{cls.url(place)}/ari", "user": keys.user, "password": keys.password,
            "endpoint": "PJSIP/{number}@trunk", "caller": "Shop <74950000000>",
            "sounds": str(Path(tempfile.gettempdir()) / "kaskad-sounds"),
            "amd_context": "kaskad-amd",
        }  # fmt: skip

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/ari/channels", self.originate, methods=["POST"]),
            Route("/ari/channels", self.list, methods=["GET"]),
            Route("/ari/channels/{id}", self.hang_up, methods=["DELETE"]),
            Route("/ari/channels/{id}/play", self.play, methods=["POST"]),
            Route("/ari/playbacks/{id}", self.stop, methods=["DELETE"]),
            WebSocketRoute("/ari/events", self.events),
        ]

    async def originate(self, request: Request) -> Response:
        """Create a channel and dial."""
        if (refused := self._refused(request)) is not None:
            return refused
        fault = self.strike(SESSIONS)

        async def take() -> Response:
            return await self._originate(request)

        answer = await self.befall(take, _refuse)
        if fault is not None:
            for socket in list(self._apps.values()):
                await socket.close()
        return answer

    async def list(self, request: Request) -> Response:
        """Show the channels that there are."""
        refused = self._refused(request)
        return refused or JSONResponse([self._shown(leg) for leg in self._legs.values()])

    async def hang_up(self, request: Request) -> Response:
        """End a channel."""
        if (refused := self._refused(request)) is not None:
            return refused
        leg = self._legs.get(request.path_params["id"])
        if leg is None:
            return _problem(404, "Channel not found")
        leg.call.deeds.put_nowait("cancel")
        return Response(status_code=204)

    async def play(self, request: Request) -> Response:
        """Play sounds on a channel, after those that play already."""
        if (refused := self._refused(request)) is not None:
            return refused
        leg = self._legs.get(request.path_params["id"])
        media = request.query_params.get("media", "").split(",")
        if leg is None:
            return _problem(404, "Channel not found")
        if leg.state != "Up":
            return _problem(409, "Channel not in a Stasis application")
        if not all(one.startswith("sound:") for one in media):
            return _problem(400, "Invalid media URI")
        name = request.query_params.get("playbackId") or f"{leg.id}.{len(leg.waiting)}"
        leg.waiting.append((name, media))
        leg.call.deeds.put_nowait("play")
        return JSONResponse(self._playback(leg, name, "queued"), 201)

    async def stop(self, request: Request) -> Response:
        """Stop what plays."""
        if (refused := self._refused(request)) is not None:
            return refused
        leg = next((one for one in self._legs.values() if one.playing == request.path_params["id"]), None)
        if leg is None:
            return _problem(404, "The playback cannot be found")
        leg.call.deeds.put_nowait("stop")
        return Response(status_code=204)

    async def events(self, socket: WebSocket) -> None:
        """Tell an application's events, until it goes or another takes its place."""
        keys = self._keys
        app = socket.query_params.get("app", "")
        if socket.query_params.get("api_key") != f"{keys.user}:{keys.password}" or not app:
            await socket.close()  # before it is accepted: HTTP 403
            return
        await socket.accept()
        if (old := self._apps.get(app)) is not None:
            await old.send_text(json.dumps(self._event("ApplicationReplaced", app)))
        self._apps[app] = socket
        try:
            while True:
                await socket.receive_text()
        except WebSocketDisconnect:
            pass
        finally:
            if self._apps.get(app) is socket:
                del self._apps[app]

    async def _originate(self, request: Request) -> Response:
        told = request.query_params
        endpoint, app, context = told.get("endpoint", ""), told.get("app", ""), told.get("context", "")
        number = endpoint.partition("/")[2].partition("@")[0]
        if not number.isdigit():
            return _problem(400, "Endpoint must be specified")
        if bool(app) == bool(context):
            return _problem(400, "Application or extension must be specified")
        name = told.get("channelId", "")
        if name in self._legs:
            return _problem(409, "Channel with given unique ID already exists.")
        body = json.loads(await request.body() or b"{}")
        variables = body.get("variables", {})
        args = told.get("appArgs", "").split(",")
        if context:  # its dialplan passes these on, after AMD()
            app = variables.get("KASKAD_APP", "")
            args = [variables.get(f"KASKAD_{part}", "") for part in ("MEDIA", "THANKS", "KEYS")]
        now = self.world.pace.now()
        call = Call(name, now, told.get("callerId", ""))
        leg = Leg(name, f"+{number}", told.get("callerId", ""), app, args, context, now, call)
        leg.ring_s = float(told.get("timeout", "30"))
        self._legs[name] = leg
        self.world.spawn(self._carry(leg, self.world.find(ROBOT_CALL, leg.number)))
        return JSONResponse(self._shown(leg))

    async def _carry(self, leg: Leg, phone: Phone | None) -> None:
        """Bring one call to its end."""
        pickup = self.world.pick_up(phone)
        cause = 1
        if phone is not None and pickup.how != "missing":
            cause = await self._ring(leg, phone, pickup)
        del self._legs[leg.id]
        leg.call.status = {16: "completed", 17: "busy", 19: "no-answer"}.get(cause, "failed")
        leg.call.ended_at = self.world.pace.now()
        await self._tell(leg, "ChannelDestroyed", cause=cause, cause_txt=self.causes[cause])

    async def _ring(self, leg: Leg, phone: Phone, pickup: Pickup) -> int:
        """Return the cause of the end."""
        call, world = leg.call, self.world
        call.status, call.at = "ringing", world.pace.now()
        phone.calls.append(call)
        phone.trim()
        leg.state = "Ringing"
        await self._tell(leg, "ChannelStateChange")
        line = Line(world.pace, phone, call, WAIT_MS)
        ending = await ring(phone, pickup, line, leg.ring_s * 1000)
        if ending != "answered":
            return {"busy": 17, "no-answer": 19}.get(ending, 16)
        leg.state, call.status = "Up", "in-progress"
        machine = pickup.how == "machine" and not phone.by_hand
        await self._tell(leg, "ChannelStateChange")
        if leg.context:
            await world.pace.wait(DETECTION_MS)
            leg.args.append("MACHINE" if machine else "HUMAN")
        if not machine:
            world.arrived(phone, call)
        await self._tell(leg, "StasisStart", args=leg.args)
        await self._talk(leg, phone, line, machine)
        call.duration_s = max(1, round(line.talked_ms / 1000))
        if call.duration_s >= LISTENED_S and not machine:
            world.reacted(call)
        return 16

    async def _talk(self, leg: Leg, phone: Phone, line: Line, machine: bool) -> None:
        """Play what is asked for and take keys, until somebody hangs up."""
        until_ms = WAIT_MS  # of the call's own time: what is left, counted down, may never come to nothing
        while True:
            done = await line.deed(until_ms - line.talked_ms)
            if done in ("cancel", "hang_up", "decline"):
                return
            if len(done) == 1 and done in KEYS:
                self._pressed(leg, phone, done)
                await self._tell(leg, "ChannelDtmfReceived", digit=done, duration_ms=120)
            elif leg.playing and (done == "stop" or (not done and line.talked_ms >= until_ms)):
                name, leg.playing, until_ms = leg.playing, "", line.talked_ms + WAIT_MS
                await self._tell_playback(leg, "PlaybackFinished", name, "done")
            if not leg.playing and leg.waiting:
                name, media = leg.waiting.popleft()
                words = [_words(one) for one in media]
                leg.playing = name
                leg.call.heard += [text for text, _ in words if text]
                until_ms = line.talked_ms + sum(span for _, span in words)
                if not leg.asked and not machine:
                    leg.asked, leg.call.listening = True, True
                    line.intent = self.world.intent(phone, " ".join(leg.call.heard))
                await self._tell_playback(leg, "PlaybackStarted", name, "playing")

    def _pressed(self, leg: Leg, phone: Phone, key: str) -> None:
        leg.call.keys += key
        if key == offered_keys(" ".join(leg.call.heard))[1]:
            self.world.stopped(ROBOT_CALL, phone)
        else:
            self.world.reacted(leg.call)

    async def _tell_playback(self, leg: Leg, kind: str, name: str, state: str) -> None:
        await self._send(leg, self._event(kind, leg.app, playback=self._playback(leg, name, state)))

    async def _tell(self, leg: Leg, kind: str, **more: object) -> None:
        await self._send(leg, self._event(kind, leg.app, channel=self._shown(leg), **more))

    async def _send(self, leg: Leg, event: dict[str, Any]) -> None:
        socket = self._apps.get(leg.app)
        if socket is not None:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # gone: nobody is told
                await socket.send_text(json.dumps(event))

    def _event(self, kind: str, app: str, **more: object) -> dict[str, Any]:
        at = _date(self.world.pace.now())
        return {"type": kind, "timestamp": at, **more, "asterisk_id": "42:01:0a:a4:00:05", "application": app}

    def _shown(self, leg: Leg) -> dict[str, Any]:
        nobody = {"name": "", "number": ""}
        place = {"context": leg.context or "default", "exten": "s", "priority": 1, "app_name": "Stasis",
                 "app_data": leg.app}  # fmt: skip
        return {
            "id": leg.id, "name": f"PJSIP/trunk-{abs(hash(leg.id)) & 0xFFFFFFFF:08x}", "state": leg.state,
            "caller": nobody, "connected": nobody, "accountcode": "", "dialplan": place,
            "creationtime": _date(leg.created_at), "language": "en",
        }  # fmt: skip

    def _playback(self, leg: Leg, name: str, state: str) -> dict[str, Any]:
        return {"id": name, "media_uri": "sound:", "target_uri": f"channel:{leg.id}", "language": "en",
                "state": state}  # fmt: skip

    def _refused(self, request: Request) -> Response | None:
        """Return what a request without the right user gets."""
        kind, _, encoded = request.headers.get("authorization", "").partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True).decode() if kind.lower() == "basic" else ""
        except (binascii.Error, UnicodeDecodeError):
            given = ""
        if given == f"{self._keys.user}:{self._keys.password}":
            return None
        return _problem(401, "Authentication required")


def _refuse(fault: Fault) -> Response:
    if fault.kind == "throttle":
        return JSONResponse({"message": "Too Many Requests"}, 429, {"Retry-After": f"{fault.seconds:g}"})
    if fault.kind == "error":
        return _problem(500, "Allocation failed")
    return _problem(400, "Invalid parameters for originating a channel.")


def _problem(status: int, message: str) -> Response:
    return JSONResponse({"message": message}, status)


def _words(media: str) -> tuple[str, float]:
    """Return what is heard of a sound, and for how long."""
    name = media.removeprefix("sound:")
    if name.startswith("silence/"):
        return "", SECOND_MS * float(name.removeprefix("silence/"))
    beside = Path(f"{name.removesuffix('.wav')}.txt")
    if name.startswith("/") and beside.is_file():
        text = beside.read_text("utf-8")
        return text, max(SECOND_MS, LETTER_MS * len(text))
    return name, SOUND_MS


def _date(at: int) -> str:
    told = datetime.fromtimestamp(at / 1000, UTC)
    return f"{told:%Y-%m-%dT%H:%M:%S}.{told.microsecond // 1000:03}+0000"

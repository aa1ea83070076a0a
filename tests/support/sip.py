"""A caller by SIP over UDP (RFC 3261), and an Asterisk whose calls go out by it; no sound, only signals."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import ClassVar, cast

from msgspec import Struct

from kaskad.sandbox.line import Line, Pickup
from kaskad.sandbox.person import Phone
from kaskad.sandbox.servers.asterisk import WAIT_MS, Asterisk, Leg

AGAIN_S = (0.5, 1.0, 2.0, 2.0)  # a request is sent again until something answers it: timers A and E
FINAL_S = 5.0  # how long the end of a cancelled call is waited for
BY_INFO = re.compile(r"^Signal=\s*([0-9*#])\s*$", re.MULTILINE)
# What Asterisk makes of the status that ended an INVITE: hangup_sip2cause() of its channels/chan_pjsip.c
CAUSES = {
    401: 21, 403: 21, 404: 1, 407: 21, 408: 18, 410: 22, 480: 19, 484: 28, 485: 1, 486: 17, 500: 38,
    502: 27, 503: 34, 504: 102, 600: 17, 603: 21, 604: 1,
}  # fmt: skip
INTERWORKING = 127  # of all others
WORDS = {  # as main/channel.c has them
    18: "No user responding", 21: "Call Rejected", 22: "Number changed", 27: "Destination out of order",
    28: "Invalid number format", 34: "Circuit/channel congestion", 38: "Network out of order",
    102: "Recover on timer expiry", INTERWORKING: "Interworking, unspecified",
}  # fmt: skip


class Trunk(Struct, frozen=True):
    """Where calls go."""

    port: int = 5060
    host: str = "127.0.0.1"


class Message(Struct, frozen=True):
    """A request or a response; names of headers in small letters."""

    first: str
    headers: dict[str, str]
    body: str

    @property
    def status(self) -> int:
        """Return the status of a response, 0 for a request."""
        return int(self.first.split()[1]) if self.first.startswith("SIP/2.0 ") else 0


class Sending(Struct):
    """A request that waits for its response."""

    branch: str
    task: asyncio.Task[None]
    final: asyncio.Future[int]


def parse(data: bytes) -> Message:
    """Return what a datagram says; raises ValueError."""
    head, _, body = data.decode().partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)
    }
    return Message(first, headers, body)


class Caller(asyncio.DatagramProtocol):
    """One call. `deeds` gets what the called end does: ringing, a final status, a key, hang_up."""

    def __init__(self, trunk: Trunk, number: str, shown: str, deeds: asyncio.Queue[str]) -> None:
        self.over = False  # there is no call any more, or there never was one
        self._deeds = deeds
        self._uri = self._target = f"sip:{number}@{trunk.host}:{trunk.port}"
        self._to = f"<{self._uri}>"
        self._name, _, self._number = shown.removesuffix(">").partition(" <")
        self._id, self._tag = secrets.token_hex(8), secrets.token_hex(4)
        self._sent: dict[str, Sending] = {}  # by CSeq
        self._taken: set[str] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        host, port = transport.get_extra_info("sockname")
        self._host, self._here = host, f"{host}:{port}"

    def error_received(self, error: Exception) -> None:
        """Nobody listens yet: it is sent again."""

    def datagram_received(self, data: bytes, where: object) -> None:
        message = parse(data)
        if message.headers.get("call-id") != self._id:
            return
        if message.status:
            self._answered(message)
        else:
            self._asked(message)

    def invite(self) -> None:
        """Call; how that ends is one of the deeds."""
        offer = (
            f"v=0\r\no=- 1 1 IN IP4 {self._host}\r\ns=-\r\nc=IN IP4 {self._host}\r\nt=0 0\r\n"
            "m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        )

        def tell(done: asyncio.Future[int]) -> None:
            if not done.cancelled():
                self._deeds.put_nowait(str(done.result()))

        self._send("INVITE", 1, _branch(), offer).add_done_callback(tell)

    async def cancel(self) -> None:
        """Ring no longer; who picks up at the same moment is hung up on."""
        invited = self._sent["1 INVITE"]
        self._send("CANCEL", 1, invited.branch)
        async with asyncio.timeout(FINAL_S):
            if await invited.final == 200:
                await self.bye()

    async def bye(self) -> None:
        """Hang up, and return when that was heard."""
        self.over = True
        await self._send("BYE", 2, _branch())

    def close(self) -> None:
        """Send nothing more."""
        for sending in self._sent.values():
            sending.task.cancel()
            sending.final.cancel()
        self._transport.close()

    def _answered(self, answer: Message) -> None:
        cseq, status = answer.headers["cseq"], answer.status
        sending = self._sent.get(cseq)
        if sending is None or f"branch={sending.branch}" not in answer.headers["via"]:
            return
        sending.task.cancel()
        if cseq == "1 INVITE" and status == 180:
            self._deeds.put_nowait("ringing")
        if cseq == "1 INVITE" and status >= 200:  # each time that it comes: the far end waits for the ACK
            self._to = answer.headers["to"]
            if status < 300:
                self._target = answer.headers["contact"].partition("<")[2].partition(">")[0]
            self._write("ACK", 1, _branch() if status < 300 else sending.branch)
        if status >= 200 and not sending.final.done():
            sending.final.set_result(status)

    def _asked(self, asked: Message) -> None:
        method, cseq = asked.first.split()[0], asked.headers["cseq"]
        key = (
            BY_INFO.search(asked.body)
            if asked.headers.get("content-type") == "application/dtmf-relay"
            else None
        )
        known = method == "BYE" or (method == "INFO" and key is not None)
        kept = "".join(
            f"{name}: {asked.headers[name.lower()]}\r\n" for name in ("Via", "From", "To", "Call-ID", "CSeq")
        )
        line = "200 OK" if known else "405 Method Not Allowed"
        self._transport.sendto(f"SIP/2.0 {line}\r\n{kept}Content-Length: 0\r\n\r\n".encode())
        if not known or cseq in self._taken:  # sent again, because our answer was late
            return
        self._taken.add(cseq)
        self.over = self.over or method == "BYE"
        self._deeds.put_nowait("hang_up" if key is None else key[1])

    def _send(self, method: str, number: int, branch: str, body: str = "") -> asyncio.Future[int]:
        """Return what becomes the final status: 408 where nothing answers."""
        loop = asyncio.get_running_loop()
        final: asyncio.Future[int] = loop.create_future()

        async def insist() -> None:
            for wait_s in AGAIN_S:
                self._write(method, number, branch, body)
                await asyncio.sleep(wait_s)
            final.set_result(408)

        self._sent[f"{number} {method}"] = Sending(branch, loop.create_task(insist()), final)
        return final

    def _write(self, method: str, number: int, branch: str, body: str = "") -> None:
        lines = [
            f"{method} {self._target} SIP/2.0",
            f"Via: SIP/2.0/UDP {self._here};branch={branch}",
            "Max-Forwards: 70",
            f'From: "{self._name}" <sip:{self._number}@{self._here}>;tag={self._tag}',
            f"To: {self._to}",
            f"Call-ID: {self._id}",
            f"CSeq: {number} {method}",
            f"Contact: <sip:{self._number}@{self._here}>",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        self._transport.sendto(("\r\n".join(lines) + f"\r\n\r\n{body}").encode())


def _branch() -> str:
    return f"z9hG4bK{secrets.token_hex(8)}"


@asynccontextmanager
async def calling(trunk: Trunk, number: str, shown: str, deeds: asyncio.Queue[str]) -> AsyncIterator[Caller]:
    """A call to a number; nothing of it is left after the block."""
    loop = asyncio.get_running_loop()
    _, caller = await loop.create_datagram_endpoint(
        lambda: Caller(trunk, number, shown, deeds), remote_addr=(trunk.host, trunk.port)
    )
    try:
        caller.invite()
        yield caller
    finally:
        caller.close()


class SipAsterisk(Asterisk):
    """The sandbox's Asterisk, but who rings, answers, presses keys and hangs up is the far end of a trunk."""

    causes: ClassVar[Mapping[int, str]] = {**Asterisk.causes, **WORDS}

    async def _ring(self, leg: Leg, phone: Phone, pickup: Pickup) -> int:
        call, pace = leg.call, self.world.pace
        phone.calls.append(call)
        trunk = self.place.keys(Trunk)
        async with calling(trunk, leg.number.removeprefix("+"), leg.caller, call.deeds) as caller:
            status = await self._dialled(leg)
            if status == 0:
                await caller.cancel()
                return 19
            if status >= 300:
                return CAUSES.get(status, INTERWORKING)
            leg.state, call.status = "Up", "in-progress"
            await self._tell(leg, "ChannelStateChange")
            await self._tell(leg, "StasisStart", args=leg.args)
            await self._talk(leg, phone, Line(pace, phone, call, WAIT_MS), machine=False)
            if not caller.over:
                await caller.bye()
        return 16

    async def _dialled(self, leg: Leg) -> int:
        """Return the final status of the call, 0 where we have rung long enough."""
        try:
            async with asyncio.timeout(self.world.pace.real_s(leg.ring_s * 1000)):
                while (deed := await leg.call.deeds.get()) != "cancel":
                    if deed == "ringing":
                        leg.state, leg.call.status = "Ringing", "ringing"
                        await self._tell(leg, "ChannelStateChange")
                    elif len(deed) == 3 and deed.isdigit():
                        return int(deed)
        except TimeoutError:
            pass
        return 0

"""The world outside the server: a provider that counts, people who react, a CRM that tells of carts.

It lives in the driver's process, speaks plain HTTP over loopback, and remembers what it was told 2xx.
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from msgspec import Struct

from crash.place import API_KEY, EVENT, SECRET, STEPS, WAIT_MS
from support.faults import free_port

AGAIN_S = 0.05
MESSAGE = tuple[int, int, int]  # contact, run, step


class Weather(Struct, frozen=True):
    """How the outside behaves: shares of all sends or receipts."""

    rejected: float = 0.05  # 4xx: the person does not exist there
    hanging: float = 0.02  # accepted, never answered
    broken: float = 0.02  # accepted, answered 500
    failing: float = 0.02  # not accepted, answered 500
    cut: float = 0.01  # accepted, the connection closed instead of an answer
    throttled: float = 0.03  # 429
    reacting: float = 0.3  # people who read, at each step
    withheld: float = 0.1  # delivered receipts that never come
    doubled: float = 0.25  # receipts and events told twice or more
    answer_s: float = 0.02  # how long an answer takes, up to


class Send(Struct):
    """One message as the provider saw it."""

    key: str
    body: bytes
    accepted: int = 0  # how often it was counted as a new message
    refused: int = 0
    attempts: int = 0


class Answered(Struct):
    """An answer that went to a living server. `at` is the engine's time; `taken`: it said 2xx."""

    at: int
    taken: bool
    after_s: float  # since it was asked for


class Told(Struct):
    """What was answered 2xx. `at` is the engine's time in that answer."""

    message: MESSAGE
    kind: str
    at: int


class Outside:
    """All that the server talks to, and all that talks to it."""

    def __init__(
        self, ports: list[int], weather: Weather, clock: Callable[[], int], *, idempotent: bool,
        factor: float, seed: int, people: int,
    ) -> None:  # fmt: skip
        self._ports, self._weather, self._idempotent = ports, weather, idempotent
        self._now = clock
        self._wait_s = WAIT_MS / 1000 / factor
        self._chance = random.Random(seed)
        self._people = people
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self._gate = asyncio.Event()
        self._gate.set()
        self._held: dict[int, str] = {}  # requests accepted whose answer is out, by a number
        self._changed = asyncio.Condition()
        self._listener: asyncio.Server | None = None
        self.port = free_port()
        self.sends: dict[str, Send] = {}
        self.times: Counter[tuple[int, int]] = Counter()  # accepted, by contact and step
        self.answered: dict[str, Answered] = {}
        self.changed_bodies: list[str] = []
        self.told: dict[str, Told] = {}  # receipts answered 2xx, by event id
        self.reads: dict[int, list[int]] = defaultdict(list)  # contact -> steps whose read was sent
        self.entered: dict[str, int] = {}  # events answered 2xx -> person
        self.refusals: Counter[int] = Counter()  # answers to receipts and events other than 2xx
        self.stray: list[str] = []  # requests without a right signature
        self.cut_at: Counter[int] = Counter()  # kill number -> answers that found nobody
        self.kills = 0
        self._posting = 0

    # The provider

    async def start(self) -> None:
        """Listen, on the same port each time."""
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def refuse_for(self, seconds: float) -> None:
        """Refuse connections for a while, as a provider that restarts; once at a time."""
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        listener.close()
        await asyncio.sleep(seconds)
        await self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def accepted(self) -> int:
        return sum(self.times.values())

    def held_keys(self) -> set[str]:
        """Return the messages that were accepted and not answered yet."""
        return set(self._held.values())

    def hold(self) -> None:
        """Keep answers back until `release`."""
        self._gate.clear()

    def release(self) -> None:
        self._gate.set()

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for something to be true of sends and answers; False where it takes too long."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(condition)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Take one request; return whether the connection stays."""
        headers = _headers(await reader.readuntil(b"\r\n\r\n"))
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        began_s = time.monotonic()
        answer, accepted = self._take(headers, body)
        number, key = next(self._numbers), headers["idempotency-key"]
        if accepted:
            self._held[number] = key
        await self._notify()
        try:
            await asyncio.sleep(self._chance.uniform(0, self._weather.answer_s))
            await self._gate.wait()
            if answer == b"hang":
                await reader.read()  # until they give up
            if reader.at_eof():
                self.cut_at[self.kills] += accepted
                return False
            if answer in (b"hang", b"cut"):
                return False
            writer.write(answer)
            await writer.drain()
            taken = answer.startswith(b"HTTP/1.1 200 ")
            self.answered[key] = Answered(self._now(), taken, time.monotonic() - began_s)
        finally:
            self._held.pop(number, None)
            await self._notify()
        return True

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _take(self, headers: dict[str, str], body: bytes) -> tuple[bytes, bool]:
        """Return the answer to a message, and whether it was accepted by this request."""
        key = headers["idempotency-key"]
        if headers["x-cascade-signature"] != _signature(headers["x-cascade-timestamp"], body):
            self.stray.append(key)
        send = self.sends.setdefault(key, Send(key, body))
        send.attempts += 1
        if send.body != body:
            self.changed_bodies.append(key)
        answer, accepts = _answer(200, {"id": f"m-{key}", "status": "sent"}), True
        if self._idempotent and send.accepted:
            return answer, True
        if trouble := self._trouble():
            answer, accepts = trouble
        if accepts:
            self._accept(send, msgspec.json.decode(body)["reference"])
        else:
            send.refused += 1
        return answer, accepts

    def _trouble(self) -> tuple[bytes, bool] | None:
        """Return an unusual answer and whether the message is accepted; None most of the time."""
        weather, draw = self._weather, self._chance.random()
        for share, answer, accepts in (
            (weather.rejected, _answer(422, {"error_class": "permanent_recipient"}), False),
            (weather.failing, _answer(500, {}), False),
            (weather.throttled, _answer(429, {}, "Retry-After: 0\r\n"), False),
            (weather.broken, _answer(500, {}), True),
            (weather.hanging, b"hang", True),
            (weather.cut, b"cut", True),
        ):
            draw -= share
            if draw < 0:
                return answer, accepts
        return None

    def _accept(self, send: Send, reference: str) -> None:
        contact_id, run_id, step = (int(part) for part in send.key.split(":"))
        send.accepted += 1
        self.times[contact_id, step] += 1
        self._react(reference, (contact_id, run_id, step))

    # People

    def _react(self, reference: str, message: MESSAGE) -> None:
        """Let receipts come: delayed, doubled, out of order, many reads just around the step's time-out."""
        chance, weather = self._chance, self._weather
        if chance.random() >= weather.withheld:
            self._later(chance.expovariate(10), self._receipt, reference, message, "delivered")
        if chance.random() < weather.reacting:
            near = abs(chance.gauss(self._wait_s, 0.03))
            delay = near if chance.random() < 0.6 else chance.uniform(0, 1.3 * self._wait_s * STEPS)
            self.reads[message[0]].append(message[2])
            self._later(delay, self._receipt, reference, message, "read")

    async def _receipt(self, reference: str, message: MESSAGE, kind: str) -> None:
        event = f"{kind}-{next(self._numbers)}"
        body = msgspec.json.encode({
            "id": event, "name": kind, "reference": reference, "occurred_at": time.time_ns() // 1_000_000,
        })  # fmt: skip
        channel = ("whatsapp", "viber", "vk", "facebook_messenger")[message[2]]
        for copy in range(self._copies()):
            at = await self._told(f"/hooks/{channel}", body, sign=True)
            if copy == 0:
                self.told[event] = Told(message, kind, at)
            await asyncio.sleep(self._chance.uniform(0, 0.3))

    # The CRM

    async def tell_of_carts(self, per_second: float) -> None:
        """Let one person after the other leave a cart, until cancelled or nobody is left."""
        for number in range(1, self._people + 1):
            self._later(0, self._cart, number)
            await asyncio.sleep(self._chance.expovariate(per_second))

    async def _cart(self, number: int) -> None:
        event, body = _cart(number)
        await self._told("/api/v1/events", body)
        self.entered[event] = number
        for _ in range(self._copies() - 1):
            await self._told("/api/v1/events", body)
            await asyncio.sleep(self._wait_s * (STEPS + 1.5))  # when the run may be over

    def tell_again(self, count: int) -> None:
        """Tell of some carts once more, which changes nothing however long ago it was."""
        for number in list(self.entered.values())[:count]:
            self._later(0, self._told, "/api/v1/events", _cart(number)[1])

    # How it is told

    def _copies(self) -> int:
        return 1 + (self._chance.random() < self._weather.doubled) * self._chance.choice((1, 1, 2))

    @property
    def quiet(self) -> bool:
        """Say whether everything has been told that is to be told."""
        return self._posting == 0

    def _later(self, delay: float, act: Callable[..., Coroutine[Any, Any, None]], *told: Any) -> None:
        async def run() -> None:
            try:
                await asyncio.sleep(delay)
                await act(*told)
            finally:
                self._posting -= 1

        self._posting += 1
        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _told(self, path: str, body: bytes, *, sign: bool = False) -> int:
        """Tell one of the servers, again and again until one answers 2xx; return the engine's time then."""
        while True:
            port = self._chance.choice(self._ports)
            try:
                async with asyncio.timeout(5.0):
                    status, at = await _post(port, path, body, sign=sign)
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                status, at = 0, 0
            if 200 <= status < 300:
                return at
            self.refusals[status] += 1
            await asyncio.sleep(AGAIN_S)


def _cart(number: int) -> tuple[str, bytes]:
    """Return the event of a person's cart: its id and the body that tells of it."""
    event = f"cart-{number}"
    told = {"id": event, "name": EVENT, "contact": {"external_id": f"p{number}"}}
    return event, msgspec.json.encode(told)


async def _post(port: int, path: str, body: bytes, *, sign: bool) -> tuple[int, int]:
    head = f"POST {path} HTTP/1.1\r\nHost: kaskad\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    if sign:
        stamp = str(int(time.time()))
        head += f"X-Cascade-Timestamp: {stamp}\r\nX-Cascade-Signature: {_signature(stamp, body)}\r\n"
    else:
        head += f"Authorization: Bearer {API_KEY}\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head.encode() + b"\r\n" + body)
        answer = await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()
    return int(answer.split(b" ", 2)[1]), int(_headers(answer).get("x-engine-now", "0"))


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _signature(stamp: str, body: bytes) -> str:
    return "v1=" + hmac.digest(SECRET.encode(), b"v1:" + stamp.encode() + b":" + body, "sha256").hex()


def _answer(status: int, told: dict[str, Any], more: str = "") -> bytes:
    body = msgspec.json.encode(told)
    return f"HTTP/1.1 {status} X\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body

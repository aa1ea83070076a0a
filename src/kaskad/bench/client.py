"""A small HTTP client that costs little beside what it measures: requests are bytes made beforehand."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import deque
from collections.abc import Callable, Hashable
from typing import cast

import httptools

from kaskad.domain.errors import Unavailable

Answered = Callable[[Hashable, int, float], None]  # the request's tag, HTTP status (0: none came), seconds


class Pool:
    """A fixed number of connections to one server; requests wait for a free one. One event loop's own."""

    def __init__(self, host: str, port: int, connections: int, answered: Answered) -> None:
        self._address = (host, port)
        self._count = connections
        self._answered = answered
        self._waiting: deque[tuple[bytes, Hashable]] = deque()
        self._idle: list[_Line] = []
        self._lines: list[_Line] = []
        self._under_way = 0
        self._done = asyncio.Event()

    async def connect(self) -> None:
        """Open all connections; raises OSError."""
        loop = asyncio.get_running_loop()
        for _ in range(self._count):
            _, line = await loop.create_connection(lambda: _Line(self), *self._address)
            self._lines.append(line)
            self._idle.append(line)

    def post(self, request: bytes, tag: Hashable) -> None:
        """Send a request as soon as a connection is free."""
        self._under_way += 1
        self._done.clear()
        if self._idle:
            self._idle.pop().send(request, tag)
        else:
            self._waiting.append((request, tag))

    @property
    def free(self) -> int:
        """Return how many requests could go at once."""
        return len(self._idle)

    async def drained(self) -> None:
        """Wait until every request has its answer."""
        if self._under_way:
            await self._done.wait()

    def close(self) -> None:
        for line in self._lines:
            line.transport.close()

    def ended(self, line: _Line, tag: Hashable, status: int, seconds: float) -> None:
        """Note an answer, and give the connection its next request."""
        self._under_way -= 1
        if self._waiting and status:
            line.send(*self._waiting.popleft())
        elif status:
            self._idle.append(line)
        if not self._under_way:
            self._done.set()
        self._answered(tag, status, seconds)

    def lost(self, line: _Line) -> None:
        """Give up where the server has closed the last connection."""
        self._lines.remove(line)
        if line in self._idle:
            self._idle.remove(line)
        if not self._lines:
            for _, tag in self._waiting:
                self._answered(tag, 0, 0.0)
            self._under_way -= len(self._waiting)
            self._waiting.clear()
            self._done.set()


class _Line(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._tag: Hashable = None
        self._busy = False
        self._since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)
        self._loop = asyncio.get_running_loop()

    def send(self, request: bytes, tag: Hashable) -> None:
        self._tag, self._busy, self._since = tag, True, self._loop.time()
        self._parser = httptools.HttpResponseParser(self)
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._busy = False
        self._pool.ended(self, self._tag, self._parser.get_status_code(), self._loop.time() - self._since)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._busy:
            self._pool.ended(self, self._tag, 0, self._loop.time() - self._since)
        self._pool.lost(self)


def webhook(host: str, path: str, secret: str, at_ms: int, body: bytes) -> bytes:
    """Return the bytes of a webhook signed as generic_webhook wants it."""
    stamp = str(at_ms // 1000)
    signature = hmac.new(secret.encode(), b"v1:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"X-Cascade-Timestamp: {stamp}\r\nX-Cascade-Signature: v1={signature}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def split_address(url: str) -> tuple[str, int]:
    """Return host and port of `http://host:port`; raises Unavailable for anything else."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    if not host or not port.isdigit():
        raise Unavailable(f"{url!r} is no address of a local server")
    return host, int(port)

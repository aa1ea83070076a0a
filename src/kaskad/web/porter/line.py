"""A connection on which webhooks come: HTTP of the plain form, one request after the other.

Whatever is not of that form, or is not answered with 200, is not spoken here: the connection goes back to the
server with all that was read of the request, which answers as it always does.
"""

from __future__ import annotations

import asyncio
import re
from email.utils import formatdate
from functools import lru_cache
from typing import Protocol, cast

from msgspec import Struct

from kaskad.web.answers import LIMIT
from kaskad.web.room import FULL, LINGER_S, Room

MAX_HEAD = 64 * 1024
MOST_AHEAD = 256 * 1024  # bytes of further requests, while one waits for its commit
_END = b"\r\n\r\n"
_HEAD = re.compile(
    rb"POST (/hooks/([\w.~-]+)(?:\?[^\x00-\x20#\x7f-\xff]*)?) HTTP/1\.([01])\r\n"
    rb"((?:[\w!#$%&'*+.^`|~-]+:[^\x00-\x08\x0a-\x1f\x7f]*\r\n)+)"
)
_OTHER = frozenset({"transfer-encoding", "expect", "upgrade"})  # what is left to the server


class Head(Struct, frozen=True, gc=False):
    """What stands before the body of a webhook; header names in lower case."""

    account: str
    target: str
    headers: dict[str, str]
    size: int  # of the body
    keeps: bool  # the connection may be used again


def read_head(data: bytes) -> Head | None:
    """Return the head of a request, up to its last header; None where it is not of the plain form."""
    found = _HEAD.fullmatch(data)
    if found is None:
        return None
    target, account, minor, block = found.groups()
    pairs = [line.partition(":") for line in block.decode("latin-1").split("\r\n")[:-1]]
    headers = {name.lower(): value.strip(" \t") for name, _, value in pairs}
    size, connection = headers.get("content-length", "0"), headers.get("connection", "").lower()
    if (
        len(headers) < len(pairs)
        or not (size.isascii() and size.isdigit() and len(size) < 9 and int(size) <= LIMIT)
        or not _OTHER.isdisjoint(headers)
        or connection not in ("", "keep-alive", "close")
        or (minor == b"0" and connection == "keep-alive")
    ):
        return None
    keeps = minor == b"1" and connection != "close"
    return Head(account.decode(), target.decode(), headers, int(size), keeps)


class Taker(Protocol):
    """Who takes the webhooks of a line."""

    lines: set[Line]
    closing: bool
    room: Room

    def take(self, line: Line, head: Head, body: bytes) -> bool:
        """Take a webhook, to answer it later; False: the line goes back."""

    def give_back(self, line: Line, data: bytes) -> None:
        """Let the server go on with a connection, and with what has been read of it."""

    def now_s(self) -> float:
        """Return the time of the event loop."""


class Line(asyncio.Protocol):
    """One connection; used from its event loop only."""

    def __init__(self, taker: Taker, first: bytes = b"") -> None:
        self._taker = taker
        self._data: bytes | bytearray = first  # what has come and belongs to no request that waits
        self._head: Head | None = None  # of a request whose body is still coming
        self._start = 0  # of that body
        self._request = b""  # that waits for its commit
        self._keeps = True
        self._full = self._paused = self._refused = False
        self.since = taker.now_s()  # of the last thing that happened
        self.held = 0  # bytes of a request that is not whole; …
        self.began = 0.0  # … when the first of them came

    @property
    def busy(self) -> bool:
        """Say whether a webhook waits for its commit."""
        return bool(self._request)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(0)  # who goes back has no answer left that is not sent
        self._taker.lines.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._taker.lines.discard(self)
        self._taker.room.leave(self.held)
        self.held = 0

    def refuse(self, answer: bytes) -> None:
        """Answer a request that is not waited for any longer, and close."""
        self._taker.room.leave(self.held)
        self.held, self._refused, self._data = 0, True, b""
        self.transport.write(answer)
        asyncio.get_running_loop().call_later(LINGER_S, self.transport.close)

    def begin(self) -> None:
        """Take what came with the connection; more may have come since, behind it."""
        if not self._request and not self.transport.is_closing():
            self._go_on()
            self._count()

    def data_received(self, data: bytes) -> None:
        self.since = self._taker.now_s()
        if self._refused:
            return
        if self._data:
            self._data += data  # in place, where it is a long body's
        else:
            self._data = data
        if self._request or self._full:
            if len(self._data) > MOST_AHEAD and not self._paused:
                self._paused = True
                self.transport.pause_reading()
        else:
            self._go_on()
            self._count()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if not self._request:
            self._go_on()

    def answer(self, content_type: str, words: bytes) -> None:
        """Answer the webhook that has waited, and go on with what has come meanwhile."""
        if self.transport.is_closing():
            return
        keeps = self._keeps and not self._taker.closing
        self._request, self.since = b"", self._taker.now_s()
        self.transport.write(_answer(content_type, words, keeps, int(self.since)))
        if not keeps:
            self.transport.close()
            return
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        if self._data and not self._full:
            self._go_on()

    def give_back(self) -> None:
        """Let the server go on with it."""
        if not self.transport.is_closing():
            data, self._request = self._request + bytes(self._data), b""
            self._taker.give_back(self, data)

    def _count(self) -> None:
        """Count what has come of a request that is not whole."""
        size = 0 if self._request or self.transport.is_closing() else len(self._data)
        if size and not self.held:
            self.began = self.since
        if size > self.held and not self._taker.room.take(self.held, size - self.held):
            self.refuse(FULL)
            return
        if size < self.held:
            self._taker.room.leave(self.held - size)
        self.held = size

    def _go_on(self) -> None:
        """Take the next webhook, once it is whole."""
        data = self._data
        if not data:
            return
        head, start = self._head, self._start
        if head is None:
            end = data.find(_END)
            if end < 0:
                if len(data) > MAX_HEAD:
                    self.give_back()
                return
            start = end + len(_END)
            head = read_head(bytes(data[: end + 2]))
            if head is None:
                self.give_back()
                return
        end = start + head.size
        if len(data) < end:
            self._head, self._start = head, start
            if isinstance(data, bytes):
                self._data = bytearray(data)  # a long body grows in place
            return
        self._head = None
        self._request, self._data = bytes(data[:end]), bytes(data[end:])
        self._keeps = head.keeps
        if not self._taker.take(self, head, self._request[start:]):
            self.give_back()


@lru_cache(maxsize=4)
def _date(second: int) -> bytes:
    return formatdate(usegmt=True).encode()


@lru_cache(maxsize=64)
def _answer(content_type: str, words: bytes, keeps: bool, second: int) -> bytes:
    """Return a whole answer; `second` changes with the time, so that its date is the present one."""
    head = b"HTTP/1.1 200 OK\r\ndate: %b\r\ncontent-length: %d\r\n" % (_date(second), len(words))
    if content_type:
        head += b"content-type: %b\r\n" % content_type.encode("latin-1")
    if not keeps:
        head += b"connection: close\r\n"
    return head + b"\r\n" + words

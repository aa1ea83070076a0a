"""Frames between a process and its child: four bytes of length, then MessagePack."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Callable

import msgspec

_HEAD = 4

encode = msgspec.msgpack.Encoder().encode


def framed(frame: object) -> bytes:
    """Return a value as one frame."""
    payload = encode(frame)
    return len(payload).to_bytes(_HEAD, "big") + payload


def read(take: Callable[[int], bytes]) -> bytes | None:
    """Return what one frame holds; None at the end, also in the middle of a frame."""
    try:
        head = take(_HEAD)
        size = int.from_bytes(head, "big")
        payload = take(size) if len(head) == _HEAD else b""
    except ConnectionError:  # the other end died with something unread
        return None
    return payload if len(head) == _HEAD and len(payload) == size else None


async def next_of(reader: asyncio.StreamReader) -> bytes | None:
    """Return what the next frame holds, as `read` does."""
    try:
        return await reader.readexactly(int.from_bytes(await reader.readexactly(_HEAD), "big"))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


class Writer:
    """Writes frames to the process at the other end of a socket, from any thread, and never waits for it.

    What the socket takes at once is written at once: another thread would have to be woken, and to get
    Python's lock. What it does not take, a thread writes, so that a process that hangs hangs nobody else.
    Frames come in the order in which they were put; once the other end is gone they go nowhere, which
    whoever reads from it sees too.
    """

    def __init__(self, to: socket.socket, name: str) -> None:
        self._socket = to.dup()
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()  # the first of them is being written
        self._ended = False
        threading.Thread(target=self._write_rest, name=name, daemon=True).start()

    def put(self, frame: object) -> None:
        """Write a frame, at once or as soon as the other end takes it."""
        data = framed(frame)
        with self._changed:
            if self._ended:
                return
            if not self._waiting:
                data = data[self._write_some(data) :]
            if data:
                self._waiting.append(data)
                self._changed.notify()

    def end(self) -> None:
        """Write nothing more; what waits is dropped. May be called twice."""
        with self._changed:
            self._ended = True
            self._waiting.clear()
            self._changed.notify()

    def _write_some(self, data: bytes) -> int:
        try:
            return self._socket.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError:
            self._ended = True
            self._changed.notify()
            return len(data)

    def _write_rest(self) -> None:
        with self._socket:
            while (data := self._next()) is not None:
                try:
                    self._socket.sendall(data)
                except OSError:
                    self.end()
                    return
                with self._changed:
                    if self._waiting:
                        self._waiting.popleft()

    def _next(self) -> bytes | None:
        """Return what is to be written next; None at the end."""
        with self._changed:
            while not self._waiting and not self._ended:
                self._changed.wait()
            return self._waiting[0] if self._waiting else None

"""Frames between a process and its child: four bytes of length, then MessagePack."""

from __future__ import annotations

import asyncio
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

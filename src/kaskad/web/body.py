"""Reading what a request carries, never more of it than agreed."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the raw body; raises HTTPException 413 where it has more than `limit` bytes."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isascii() and declared.isdigit() and int(declared) > limit:
            raise _too_large(limit)
        parts, size = [body], len(body)
        while message.get("more_body") and size <= limit:
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        body = b"".join(parts)
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    if len(body) > limit:
        raise _too_large(limit)
    return body


def capped(scope: Scope, receive: Receive, limit: int) -> Receive:
    """Return `receive` for whoever reads a body whole; raises HTTPException 413 past `limit` bytes."""
    declared = Headers(scope=scope).get("content-length", "")
    size = 0

    async def part() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit or (declared.isascii() and declared.isdigit() and int(declared) > limit):
            raise _too_large(limit)
        return message

    return part


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"At most {limit:,} bytes are taken.", {"Connection": "close"})

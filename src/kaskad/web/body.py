"""Reading what a request carries, never more of it than agreed."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request


async def read_body(request: Request, limit: int) -> bytes:
    """Return the raw body; raises HTTPException 413 where it has more than `limit` bytes."""
    message = await request.receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        declared = request.headers.get("content-length", "")
        if declared.isascii() and declared.isdigit() and int(declared) > limit:
            raise _too_large(limit)
        parts, size = [body], len(body)
        while message.get("more_body") and size <= limit:
            message = await request.receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        body = b"".join(parts)
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"At most {limit:,} bytes are taken.", {"Connection": "close"})

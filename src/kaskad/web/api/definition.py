"""A definition as the body of a request: its text, YAML or JSON, exactly as written."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from kaskad.domain.definition.source import MAX_SIZE
from kaskad.domain.errors import Invalid

MAX_BYTES = 4 * MAX_SIZE  # of UTF-8
_EXAMPLE = (
    "cascade: news\nclass: service\ntrigger: {broadcast: all}\nsteps:\n  - {channel: sms, text: Hello}\n"
)


def in_body(required: bool = True) -> dict[str, Any]:
    """Return what the API's description says of such a body."""
    text = {"schema": {"type": "string"}, "example": _EXAMPLE}
    return {
        "requestBody": {
            "description": "The definition, YAML or JSON.",
            "required": required,
            "content": {"application/yaml": text, "application/json": {"schema": {"type": "object"}}},
        }
    }


async def _read(request: Request) -> str:
    parts, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BYTES:
            raise HTTPException(413, f"A definition has at most {MAX_BYTES:,} bytes.")
        parts.append(chunk)
    data = b"".join(parts)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Invalid([f"Line {line} is not UTF-8 text: save the file as UTF-8."]) from None


Definition = Annotated[str, Depends(_read)]

"""What the description of the API says of the routes that the framework does not know: events."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI

from kaskad.web.events import AT_ONCE, Event, Taken

PATH = "/api/v1/events"
_REFS = "#/components/schemas/{name}"


def describe(app: FastAPI) -> None:
    """Let the app's description tell of all its routes under /api."""
    plain = app.openapi

    def whole() -> dict[str, Any]:
        if app.openapi_schema is None:
            told = plain()
            (event, taken), parts = msgspec.json.schema_components((Event, Taken), ref_template=_REFS)
            schemas = told.setdefault("components", {}).setdefault("schemas", {})
            schemas.update({_named(name): _renamed(part) for name, part in parts.items()})
            told["paths"][PATH] = {"post": _operation(app, _renamed(event), _renamed(taken))}
            app.openapi_schema = told
        return app.openapi_schema

    app.openapi = whole  # type: ignore[method-assign]


def _operation(app: FastAPI, event: dict[str, Any], taken: dict[str, Any]) -> dict[str, Any]:
    body = {"oneOf": [event, {"type": "array", "items": event, "maxItems": AT_ONCE}]}
    failures = {str(status): told for status, told in app.router.responses.items()}
    return {
        "tags": ["events"],
        "summary": "Send Events",
        "description": (
            "Tell what people did: triggers, goals, plain events, one or many. Where the shape of any is "
            "wrong, none is taken; the answer comes when they are kept, with those whose contact is unknown."
        ),
        "operationId": "send_events",
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "202": {"description": "Kept.", "content": {"application/json": {"schema": taken}}},
            **failures,
        },
        "security": [{"HTTPBearer": []}],
    }


def _named(name: str) -> str:
    """Return the name of a schema, apart from those of the framework's routes."""
    return f"Event{name}" if name != "Event" else name


def _renamed(part: Any) -> Any:
    """Return a schema whose references are those of `_named`."""
    match part:
        case {"$ref": str(ref)}:
            head, _, name = ref.rpartition("/")
            return {**part, "$ref": f"{head}/{_named(name)}"}
        case dict():
            return {key: _renamed(value) for key, value in part.items()}
        case list():
            return [_renamed(value) for value in part]
    return part

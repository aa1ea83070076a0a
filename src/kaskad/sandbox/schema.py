"""JSON held against a published JSON Schema, as far as the descriptions in `specs/` go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float),
}  # fmt: skip


def misfit(schema: Mapping[str, Any], value: Any, where: str = "") -> str:
    """Return the place of the first part that does not fit, and why; "" where all does."""
    kind = schema.get("type")
    if kind is not None and (not isinstance(value, _TYPES[kind]) or (kind != "boolean" and value is True)):
        return f"{where or 'the body'} must be of type {kind}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{where} must be one of {', '.join(map(str, schema['enum']))}"
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        return f"{where} must be at most {schema['maxLength']} characters long"
    if isinstance(value, list):
        return _list(schema, value, where)
    if isinstance(value, dict):
        return _object(schema, value, where)
    return ""


def _list(schema: Mapping[str, Any], value: list[Any], where: str) -> str:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return f"{where} must have {schema.get('minItems', 0)} to {schema.get('maxItems')} items"
    found = (misfit(schema.get("items", {}), item, f"{where}[{n}]") for n, item in enumerate(value))
    return next(filter(None, found), "")


def _object(schema: Mapping[str, Any], value: dict[str, Any], where: str) -> str:
    for name in schema.get("required", ()):
        if value.get(name) in (None, ""):
            return f"{where}.{name} is required".lstrip(".")
    for name, part in schema.get("properties", {}).items():
        if name in value and (problem := misfit(part, value[name], f"{where}.{name}".lstrip("."))):
            return problem
    choices = schema.get("oneOf", ())
    problems = [misfit(choice, value, where) for choice in choices]
    return problems[0] if problems and all(problems) else ""

"""Requests held against the published descriptions in `specs/`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct


class Upload(Struct, frozen=True):
    """A file that came with a request."""

    name: str
    size: int
    kind: str


Value = str | int | float | bool | None | Upload | list["Value"] | dict[str, "Value"]


class Mismatch(ValueError):
    """A value does not fit; the text says which field."""


class _Field(Struct, frozen=True):
    types: list[str]
    required: bool


class _Type(Struct, frozen=True):
    fields: dict[str, _Field]
    subtypes: list[str]


class _BotApi(Struct, frozen=True):
    methods: dict[str, dict[str, _Field]]
    types: dict[str, _Type]


@cache
def _bot_api() -> _BotApi:
    return msgspec.json.decode(_text("telegram_bot_api.json"), type=_BotApi)


def _text(name: str) -> str:
    return files("kaskad.sandbox").joinpath("specs", name).read_text("utf-8")


def bot_parameters(method: str, given: Mapping[str, Value]) -> dict[str, Value]:
    """Return a method's parameters in their own types; what it does not know is left out, as there.

    Raises Mismatch. What is missing is left to the caller, who knows the service's words for it.
    """
    fields = next(fields for name, fields in _bot_api().methods.items() if name.lower() == method.lower())
    told = {}
    for name, value in given.items():
        if name in fields and value is not None:
            told[name] = _fitting(value, fields[name].types, name)
    return told


def _fitting(value: Value, types: Sequence[str], where: str) -> Value:
    """Return the value as the first of `types` that it fits."""
    problem = Mismatch(f"{where} must be {' or '.join(types)}")
    for kind in types:
        try:
            return _as(value, kind, where)
        except Mismatch as error:
            problem = error
    raise problem


def _as(value: Value, kind: str, where: str) -> Value:
    wrong = Mismatch(f"{where} must be {kind}")
    if kind == "InputFile":
        if isinstance(value, Upload):
            return value
        raise wrong
    if kind == "String":
        if isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        raise wrong
    if kind in ("Integer", "Float"):
        return _number(value, kind, wrong)
    if kind in ("Boolean", "True"):
        return _truth(value, wrong)
    if isinstance(value, str):  # forms carry objects and lists as JSON
        try:
            value = json.loads(value)
        except ValueError:
            raise wrong from None
    if kind.startswith("Array of "):
        if not isinstance(value, list):
            raise wrong
        inner = kind.removeprefix("Array of ")
        return [_fitting(item, [inner], f"{where}[{number}]") for number, item in enumerate(value)]
    return _object(value, kind, where)


def _number(value: Value, kind: str, wrong: Mismatch) -> int | float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise wrong
    try:
        return int(value) if kind == "Integer" else float(value)
    except ValueError:
        raise wrong from None


def _truth(value: Value, wrong: Mismatch) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in ("true", "1", "yes"):
        return True
    if text in ("false", "0", "no", ""):
        return False
    raise wrong


def _object(value: Value, kind: str, where: str) -> Value:
    known = _bot_api().types.get(kind)
    if not isinstance(value, dict):
        raise Mismatch(f"{where} must be {kind}")
    if known is None:  # not part of what is served: taken as it is
        return value
    if known.subtypes:
        return _fitting(value, known.subtypes, where)
    for name, field in known.fields.items():
        if field.required and value.get(name) is None:
            raise Mismatch(f"{where} lacks {name}")
    return {
        name: _fitting(item, known.fields[name].types, f"{where}.{name}")
        for name, item in value.items()
        if name in known.fields and item is not None
    }


class _Property(Struct, frozen=True, rename={"ref": "$ref"}):
    type: str = "string"
    enum: list[str] = []
    pattern: str = ""
    ref: str = ""


class _Operation(Struct, frozen=True):
    properties: dict[str, _Property]
    required: list[str] = []


@cache
def _twilio() -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(_text("twilio.json"), type=dict[str, msgspec.Raw])


@cache
def _operation(name: str) -> _Operation:
    return msgspec.json.decode(_twilio()[name], type=_Operation)


def twilio_fields(what: str) -> list[str]:
    """Return the fields that a Call or a Message has in Twilio's answers."""
    return list(_operation(what).properties)


def twilio_problem(operation: str, given: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """Return the first parameter that does not fit, and why; ("", "") where all do.

    A parameter that the description does not know is passed over, as the service does.
    """
    known = _operation(operation)
    for name in known.required:
        if not given.get(name):
            return name, "is required"
    for name, values in given.items():
        described = known.properties.get(name)
        if described is None:
            continue
        if described.type != "array" and len(values) > 1:
            return name, "must be given once"
        for value in values:
            if problem := _unfit(described, value):
                return name, problem
    return "", ""


def _unfit(described: _Property, value: str) -> str:
    if described.ref:
        described = msgspec.json.decode(_twilio()[described.ref.rpartition("/")[2]], type=_Property)
    if described.enum and value not in described.enum:
        return f"must be one of {', '.join(described.enum)}"
    if described.type == "integer" and not re.fullmatch(r"-?\d{1,9}", value):
        return "must be a whole number"
    if described.type == "boolean" and value.lower() not in ("true", "false"):
        return "must be true or false"
    if described.pattern and not re.fullmatch(described.pattern, value):
        return f"must match {described.pattern}"
    return ""

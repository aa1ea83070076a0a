"""A condition's tree as text again: what `parse` reads from the text is the same tree."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import assert_never

from kaskad.domain.condition import (
    All,
    Any,
    Compare,
    Date,
    Duration,
    Event,
    Exists,
    Items,
    Kept,
    Literal,
    Name,
    Node,
    Not,
    Now,
    Segment,
    Sum,
)

_PLAIN = re.compile(r"[^\W\d]\w*").fullmatch
UNITS = (("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000))
_LOOSE = (All, Any, Not, Exists, Compare)  # what stands in parentheses within a sum or a comparison


def write(node: Node) -> str:
    """Return the text of a tree."""
    match node:
        case Any(nodes):
            return " or ".join(_within(each, (Any,)) for each in nodes)
        case All(nodes):
            return " and ".join(_within(each, (Any, All)) for each in nodes)
        case Not(inner):
            return f"not {_within(inner, (Any, All))}"
        case Exists(inner):
            return f"{_within(inner, _LOOSE)} exists"
        case Compare(operator, left, right):
            return f"{_within(left, _LOOSE)} {operator} {_within(right, _LOOSE)}"
        case Sum(left, minus, right):
            return f"{_within(left, _LOOSE)} {'-' if minus else '+'} {_within(right, (*_LOOSE, Sum))}"
        case Items(nodes):
            return f"[{', '.join(_within(each, _LOOSE) for each in nodes)}]"
        case Name(path):
            return path[0] + "".join(f".{each}" if _PLAIN(each) else f"[{quoted(each)}]" for each in path[1:])
        case Literal(value):
            return _literal(value)
        case Duration(_, text):
            return text
        case Date(at):
            return f'date("{_day(at)}")'
        case Now():
            return "now"
        case Segment(name):
            return f"segment({quoted(name)})"
        case Event():
            return _event(node)
        case Kept(function, names, word, within):
            told = ", ".join(quoted(each) for each in names)
            return f"{function}({told})" + (f".{word}" if word else "") + _span(within)
    assert_never(node)


def span_of(ms: int) -> str:
    """Return a span as conditions write it, in the largest unit of which it is so many."""
    unit, size = next((each for each in UNITS if each[0] in "dhm" and ms % each[1] == 0), UNITS[-1])
    return f"{ms // size}{unit}"


def quoted(text: str) -> str:
    """Return a text as a condition writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _within(node: Node, loose: tuple[type, ...]) -> str:
    text = write(node)
    if isinstance(node, All | Any) and len(node.nodes) == 1:  # is written as that one, and binds as it does
        return _within(node.nodes[0], loose)
    return f"({text})" if isinstance(node, loose) else text


def _literal(value: str | int | float | bool | None) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return quoted(value)
        case int():
            return str(value)
    text = format(Decimal(repr(value)), "f")
    return text if "." in text else f"{text}.0"


def _event(node: Event) -> str:
    arguments = [quoted(node.property)] if node.property else []
    if node.within_ms is not None:
        arguments.append(span_of(node.within_ms))
    told = f"({', '.join(arguments)})" if arguments else ""
    return f"event({quoted(node.name)}).{node.aggregate}{told}"


def _span(within: int | None) -> str:
    return "" if within is None else f"({span_of(within)})"


def _day(at: int) -> str:
    day = datetime.fromtimestamp(at / 1000, UTC)
    if at % UNITS[1][1] == 0:
        return day.date().isoformat()
    return day.isoformat(timespec="milliseconds" if at % 1000 else "seconds").replace("+00:00", "Z")

"""How values are written into a definition's text: plain words where they can be, else in quotation marks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias, Union

from kaskad.domain.definition.source import Value, typed

Tree: TypeAlias = Union[Value, Sequence["Tree"], Mapping[str, "Tree"]]  # noqa: UP007 - of itself

WIDTH = 100
_PLAIN = re.compile(r"[^\W_](?:[\w ./%+:@-]*[\w./%+])?")
_TIME_LIKE = re.compile(r":(?:\s|$)")


def inline(value: Tree) -> str:
    """Return a value on one line, as it may stand within brackets."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{inline(key)}: {inline(each)}" for key, each in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(inline(each) for each in value) + "]"
    return scalar(value)


def scalar(value: Value) -> str:
    """Return a scalar on one line."""
    if not isinstance(value, str):
        return json.dumps(value)
    plain = _PLAIN.fullmatch(value) and value.isprintable() and not _TIME_LIKE.search(value)
    if plain and isinstance(typed(value), str) and len(value) <= 200:
        return value
    if '"' in value and "'" not in value and value.isprintable():
        return f"'{value}'"
    shown = all(char.isprintable() or char in "\n\t" for char in value)
    return json.dumps(value, ensure_ascii=not shown)


def after_key(value: Tree, indent: int, *, one_line: bool = False, spread: bool = False) -> str:
    """Return what follows `key:`; lines below it begin in column `indent`; `spread`: short values too."""
    if isinstance(value, str) and "\n" in value and not one_line and (lines := _literal(value, indent)):
        return lines
    short = inline(value)
    fits = len(short) + indent <= WIDTH and "\\n" not in short and not spread
    if one_line or not value or _is_scalar(value) or fits:
        return f" {short}"
    pad = " " * indent
    if isinstance(value, Mapping):
        return "".join(f"\n{pad}{scalar(key)}:{after_key(each, indent + 2)}" for key, each in value.items())
    assert isinstance(value, Sequence) and not isinstance(value, str)
    return "".join(f"\n{pad}- {item(each, indent + 2, spread=spread)}" for each in value)


def item(value: Tree, indent: int, *, spread: bool = False) -> str:
    """Return what follows `- `; a mapping stands on lines of its own where it is long, or `spread`."""
    short = inline(value)
    if not isinstance(value, Mapping) or not value:
        return short
    if not spread and len(short) + indent <= WIDTH and "\\n" not in short:
        return short
    pad = "\n" + " " * indent
    return pad.join(f"{scalar(key)}:{after_key(each, indent + 2)}" for key, each in value.items())


def _is_scalar(value: Tree) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))


def _literal(value: str, indent: int) -> str:
    """Return a text of several lines as a block, "" where its white space forbids that."""
    body = value.removesuffix("\n")
    lines = body.split("\n")
    odd = any(not (line.isprintable()) or line != line.rstrip() for line in lines)
    if odd or not lines[0] or lines[0][0] == " " or not lines[-1] or len(lines) < 2:
        return ""
    pad = " " * indent
    sign = "|" if value.endswith("\n") else "|-"
    return f" {sign}" + "".join(f"\n{pad}{line}" if line else "\n" for line in lines)

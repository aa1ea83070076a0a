"""Segments as YAML, both ways: conditions in the language of `if`, grouped by `all`, `any` and `not`.

segments:
  regulars:
    all:
      - contact.vip
      - event("purchase").count(90d) >= 2
      - not: in_list("staff")
  sleepers: not event("visit").count(30d)
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping as Told

from kaskad.domain.condition import All, Any, Node, Not
from kaskad.domain.condition_written import write
from kaskad.domain.definition.problem import UnreadableError
from kaskad.domain.definition.source import Items, Mapping, Scalar
from kaskad.domain.definition.source import Node as Source
from kaskad.domain.definition.source import read as read_source
from kaskad.domain.errors import Invalid
from kaskad.domain.segment import read as read_condition
from kaskad.domain.worded import worded

ALL, ANY, NOT = "all", "any", "not"
# What YAML takes for a text without quotation marks wherever it stands in a block.
_PLAIN = re.compile(r"""[A-Za-zА-Яа-я][\w "'()\[\].,<>=!+/*-]*""")
_UNSEEN = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")  # what YAML takes escaped only
_TAKEN = re.compile(r"(true|false|null|yes|no)$|.* $", re.IGNORECASE)


def as_yaml(tree: Node) -> str:
    """Return a condition as YAML."""
    return "\n".join(_lines(tree)) + "\n"


def file_of(segments: Told[str, Node]) -> str:
    """Return a file of segments by their names."""
    lines = ["segments:"]
    for name, tree in segments.items():
        below = _lines(tree)
        group = isinstance(tree, All | Any) or (isinstance(tree, Not) and isinstance(tree.node, All | Any))
        if group:
            lines += [f"  {_scalar(name)}:", *(f"    {line}" for line in below)]
        else:
            lines.append(f"  {_scalar(name)}: {below[0]}")
    return "\n".join(lines) + "\n"


def condition_of(text: str) -> str:
    """Return the text of a condition that is written as YAML; raises Invalid."""
    return write(_tree(_source(text)))


def segments_of(text: str) -> dict[str, str]:
    """Return the texts of the segments of a file by their names; raises Invalid with every problem."""
    top = _source(text)
    named = top.pairs if isinstance(top, Mapping) else []
    listed = next((node for key, node in named if key.text == "segments"), None)
    if len(named) != 1 or not isinstance(listed, Mapping) or not listed.pairs:
        raise Invalid([worded("Begin with `segments:`, and write below it each name with its condition.")])
    found: dict[str, str] = {}
    problems: list[str] = []
    for key, node in listed.pairs:
        try:
            if key.text in found:
                raise _wrong(key, worded("%(name)r is there twice", name=key.text))
            found[key.text] = write(_tree(node))
        except Invalid as wrong:
            problems += wrong.worded
    if problems:
        raise Invalid(problems)
    return found


def _source(text: str) -> Source:
    try:
        return read_source(text)
    except UnreadableError as error:
        told = error.problem
        raise Invalid(
            [worded("Line %(line)s: %(message)s.", line=told.line or 1, message=told.message)]
        ) from None


def _tree(node: Source) -> Node:
    if isinstance(node, Scalar):
        if not node.text.strip():
            raise _wrong(node, worded("a condition is expected"))
        try:
            return read_condition(node.text).tree
        except Invalid as wrong:
            raise Invalid(
                [worded("Line %(line)s: %(message)s", line=node.line, message=one) for one in wrong.worded]
            ) from None
    key = node.pairs[0][0].text if isinstance(node, Mapping) and len(node.pairs) == 1 else ""
    inner = node.pairs[0][1] if isinstance(node, Mapping) and key else None
    if key == NOT and inner is not None:
        return Not(_tree(inner))
    if key in (ALL, ANY) and isinstance(inner, Items) and inner.nodes:
        below = tuple(_tree(each) for each in inner.nodes)
        return below[0] if len(below) == 1 else (All(below) if key == ALL else Any(below))
    raise _wrong(node, worded("write a condition, or one of `all:` and `any:` with a list, or `not:`"))


def _wrong(node: Source, message: str) -> Invalid:
    return Invalid([worded("Line %(line)s: %(message)s.", line=node.line, message=message)])


def _lines(tree: Node) -> list[str]:
    inner = tree.node if isinstance(tree, Not) else None
    if isinstance(inner, All | Any):
        return [f"{NOT}:", *(f"  {line}" for line in _lines(inner))]
    if not isinstance(tree, All | Any):
        return [_scalar(write(tree))]
    lines = [f"{ALL if isinstance(tree, All) else ANY}:"]
    for each in tree.nodes:
        first, *rest = _lines(each)
        lines += [f"  - {first}", *(f"    {line}" for line in rest)]
    return lines


def _scalar(text: str) -> str:
    plain = _PLAIN.fullmatch(text) and not _TAKEN.match(text)
    return text if plain else _UNSEEN.sub(_escaped, json.dumps(text, ensure_ascii=False))


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"

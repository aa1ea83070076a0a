"""Texts put together from stored parts before they are compiled: includes, and letters that extend another.

`{% include 'brand-header' %}` stands for the part of that name; a text that begins with
`{% extends 'brand-letter' %}` is that part, with the blocks of the same names in place of its own. All of it
is text, so a part may hold half an MJML section, and variables need no passing on.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from kaskad.domain.template.bounds import check_liquid
from kaskad.domain.template.problem import BadTemplate
from kaskad.domain.worded import worded

MAX_DEPTH = 8  # parts within parts
MAX_PARTS = 500  # each time that one stands somewhere
MAX_PARTS_WHOLE = 2_000_000  # characters; what a letter that extends another leaves out counts too
MAX_WHOLE = 200_000  # characters; as a template by itself may have bytes

Parts = Callable[[str], str | None]

_INCLUDE = re.compile(r"""{%-?\s*include\s+["']([a-z0-9][a-z0-9_-]*)["']\s*-?%}""")
_EXTENDS = re.compile(r"""\s*{%-?\s*extends\s+["']([a-z0-9][a-z0-9_-]*)["']\s*-?%}""")
_BLOCK = re.compile(
    r"{%-?\s*block\s+([A-Za-z][\w-]*)\s*-?%}((?:(?!{%-?\s*block\b).)*?){%-?\s*endblock(?:\s+\1)?\s*-?%}",
    re.DOTALL,
)
_LEFT = re.compile(r"{%-?\s*(include|extends|block|endblock)\b")


def named_in(source: str) -> list[str]:
    """Return the parts that a text names: first the one that it extends."""
    base = _EXTENDS.match(source)
    return [*([base[1]] if base else []), *(found[1] for found in _INCLUDE.finditer(source))]


def assemble(source: str, parts: Parts, name: str) -> str:
    """Return `source` with all parts in their places; raises BadTemplate."""
    if "{%" not in source or not _LEFT.search(source):
        return source
    check_liquid(source, name)
    whole = _filled(source, _bounded(parts, name), name, {}, ())
    if left := _LEFT.search(whole):
        line = whole.count("\n", 0, left.start()) + 1
        remedy = worded(
            "write {%% include 'part' %%}, {%% block a %%}…{%% endblock %%}, and {%% extends "
            "'part' %%} first of all"
        )
        raise BadTemplate(
            name,
            line,
            worded("%(left)s cannot be read here; blocks do not stand in each other", left=left[1]),
            remedy,
        )
    return whole


def _bounded(parts: Parts, name: str) -> Parts:
    """Return the parts for one text, which may have `MAX_PARTS` of them, and so many characters in all."""
    used = characters = 0

    def part(called: str) -> str | None:
        nonlocal used, characters
        told = parts(called)
        used, characters = used + 1, characters + len(told or "")
        if used > MAX_PARTS or characters > MAX_PARTS_WHOLE:
            raise BadTemplate(
                name,
                1,
                worded(
                    "it is put together of over %(max_parts)s parts, or of too long ones", max_parts=MAX_PARTS
                ),
                worded("take fewer parts"),
            )
        return told

    return part


def _filled(source: str, parts: Parts, name: str, blocks: dict[str, str], within: tuple[str, ...]) -> str:
    """Return the text of a template or part; `blocks` are what those that extend it say instead."""
    base = _EXTENDS.match(source)
    own = {found[1]: found[2] for found in _BLOCK.finditer(source)}
    if base is not None:
        told, inside = _part(base[1], parts, name, within)
        return _filled(told, parts, name, {**own, **blocks}, inside)
    text = _BLOCK.sub(lambda found: blocks.get(found[1], found[2]), source)

    def included(found: re.Match[str]) -> str:
        told, inside = _part(found[1], parts, name, within)
        return _filled(told, parts, name, blocks, inside)

    whole = _INCLUDE.sub(included, text)
    if len(whole) > MAX_WHOLE:
        raise BadTemplate(
            name,
            1,
            worded("with its parts it is over %(max_whole)s characters", max_whole=MAX_WHOLE),
            worded("shorten it"),
        )
    return whole


def _part(part: str, parts: Parts, name: str, within: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    if part in within or len(within) >= MAX_DEPTH:
        chain = " → ".join([*within, part])
        raise BadTemplate(
            name,
            1,
            worded("parts stand too deep in each other (%(chain)s)", chain=chain),
            worded("take some apart"),
        )
    told = parts(part)
    if told is None:
        remedy = worded(
            "save it first: `kaskad template put` with `name: %(part)s` and `channel: part`", part=part
        )
        raise BadTemplate(name, 1, worded("there is no part %(part)r", part=part), remedy)
    return told, (*within, part)

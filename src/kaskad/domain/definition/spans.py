"""Where each value of a text begins and ends, so that it can be changed and all else stays as written."""

from __future__ import annotations

import re

from msgspec import Struct
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from kaskad.domain.definition.rewrite import Tree
from kaskad.domain.definition.source import Items, Mapping, read
from kaskad.domain.definition.source import Node as Read
from kaskad.domain.worded import worded

PARTS = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
Parts = tuple[str | int, ...]


class EditError(Exception):
    """A text that this edit would not leave as it should; it is edited as text then."""


class Spot(Struct, frozen=True):
    """A value in a text: its node, that of its parent, and its key or place there."""

    node: Node
    parent: Node | None
    key: Node | None
    place: int


def parts_of(path: str) -> Parts:
    """Return a path such as `steps[1].wait[0].for` in its parts."""
    return tuple(int(number) if number else name for name, number in PARTS.findall(path))


def tree_of(text: str) -> Tree:
    """Return what a text holds as plain values; raises UnreadableError."""
    return plain(read(text))


def plain(node: Read) -> Tree:
    """Return a value with all below it, without places."""
    if isinstance(node, Mapping):
        return {key.text: plain(value) for key, value in node.pairs}
    if isinstance(node, Items):
        return [plain(each) for each in node.nodes]
    return node.value


def compose(text: str) -> Node:
    """Return the text's nodes with their marks; raises EditError."""
    try:
        found: Node | None = YAML(typ="safe", pure=True).compose(text)
    except (YAMLError, ValueError, RecursionError) as error:
        raise EditError(str(error)[:200]) from None
    if found is None:
        raise EditError(worded("The text is empty."))
    return found


def spot(root: Node, parts: Parts) -> Spot | None:
    """Return where a path is; None where there is nothing."""
    found = Spot(root, None, None, 0)
    for part in parts:
        node = found.node
        if isinstance(node, MappingNode):
            pairs = [(key, value) for key, value in node.value if key.value == str(part)]
            if not pairs:
                return None
            found = Spot(pairs[0][1], node, pairs[0][0], node.value.index(pairs[0]))
        elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = Spot(node.value[part], node, None, part)
        else:
            return None
    return found


def in_brackets(node: Node) -> bool:
    """Say whether a list or mapping is written within brackets."""
    return bool(getattr(node, "flow_style", False))


def begin(node: Node) -> int:
    """Return the index of a value's first character."""
    return int(node.start_mark.index)


def end(text: str, node: Node) -> int:
    """Return the index after a value's last character, without the comments and empty lines that follow."""
    if isinstance(node, ScalarNode):
        if node.style in ("|", ">"):
            return _block_end(text, begin(node), int(node.end_mark.index))
        return int(node.end_mark.index)
    if in_brackets(node) or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return end(text, last[1] if isinstance(node, MappingNode) else last)


def _block_end(text: str, start: int, limit: int) -> int:
    header = line_end(text, start)
    at, found, indent = header + 1, header, -1
    while at < limit:
        stop = line_end(text, at)
        line = text[at:stop].rstrip("\r")
        depth = len(line) - len(line.lstrip(" "))
        if line.strip():
            indent = depth if indent < 0 else indent
            if depth < indent:
                break
            found = stop
        elif "+" in text[start:header]:
            found = stop
        at = stop + 1
    return min(found, len(text))


def line_start(text: str, at: int) -> int:
    """Return where the line of an index begins."""
    return text.rfind("\n", 0, at) + 1


def line_end(text: str, at: int) -> int:
    """Return where the line of an index ends, without its line feed."""
    found = text.find("\n", at)
    return len(text) if found < 0 else found


def chunks(text: str, node: SequenceNode) -> list[tuple[int, int, int]]:
    """Return for each item of a list without brackets: where its comments, its dash and its end are.

    The comments above an item, no deeper than its dash, are its own. Raises EditError.
    """
    column, at = int(node.start_mark.column), line_start(text, begin(node))
    stops = [line_end(text, end(text, each)) for each in node.value]
    found: list[tuple[int, int, int]] = []
    for place in range(len(node.value)):
        after = at if not place else stops[place - 1] + 1
        dash = _dash(text, after, column)
        found.append((_comments(text, dash, after if place else 0, column), dash, 0))
    if found and not text[line_start(text, begin(node)) : begin(node)].strip(" ") == "":
        raise EditError(worded("A list begins in the middle of a line."))
    last = _trailing(text, stops[-1], column)
    ends = [*(one[0] for one in found[1:]), last]
    return [(top, dash, stop) for (top, dash, _), stop in zip(found, ends, strict=True)]


def _dash(text: str, at: int, column: int) -> int:
    while at < len(text):
        line = text[at : line_end(text, at)]
        if line[: column + 1] == " " * column + "-":
            return at
        at = line_end(text, at) + 1
    raise EditError(worded("An item of a list has no dash of its own."))


def _comments(text: str, dash: int, after: int, column: int) -> int:
    top = dash
    while top > after:
        above = line_start(text, top - 1)
        line = text[above : top - 1]
        words = line.strip()
        if above < after or (words and not (words[0] == "#" and len(line) - len(line.lstrip()) <= column)):
            break
        top = above
    return top


def _trailing(text: str, stop: int, column: int) -> int:
    """Return where the last item ends with the comments that are its own: those deeper than the dash."""
    found = stop + 1
    while found < len(text):
        line = text[found : line_end(text, found)]
        if not line.lstrip().startswith("#") or len(line) - len(line.lstrip()) <= column:
            break
        found = line_end(text, found) + 1
    return min(found, len(text))

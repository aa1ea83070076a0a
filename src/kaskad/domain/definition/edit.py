"""Edits of a definition's text. What an edit does not name stays as it was written: comments, order, quotes.

Each function returns the new text, which is read again before it is returned: it means what was asked for, or
EditError is raised and nothing has changed. All raise UnreadableError for a text that is no YAML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from kaskad.domain.definition import spans
from kaskad.domain.definition.rewrite import Tree, after_key, inline, item, scalar
from kaskad.domain.definition.schema import KEYS
from kaskad.domain.definition.spans import EditError, Parts, parts_of, tree_of
from kaskad.domain.worded import worded

__all__ = ["EditError", "Tree", "insert", "move", "put", "remove", "repeat", "tree_of"]

ANCHORED = worded("This edit cannot be made without changing other lines: make it in the text.")
MOST_CHANGES = 2_000


def put(text: str, path: str, value: Tree) -> str:
    """Return the text with `value` at a path; only what differs from what is there is written anew."""
    parts = parts_of(path)
    wanted = _with(tree_of(text), parts, value)
    for _ in range(MOST_CHANGES):
        found = _difference(tree_of(text), wanted, ())
        if found is None:
            return text
        where, new, gone = found
        text = _checked(text, _take(text, where) if gone else _set(text, where, new))
    raise EditError(ANCHORED)


def remove(text: str, path: str) -> str:
    """Return the text without what stands at a path, and without the comments above an item of a list."""
    parts = parts_of(path)
    new = _checked(text, _take(text, parts))
    return _meant(new, _without(tree_of(text), parts))


def insert(text: str, path: str, place: int, value: Tree) -> str:
    """Return the text with a new item in the list at `path`, before the one that is at `place` now."""
    parts = parts_of(path)
    items = _items(tree_of(text), parts)
    place = max(0, min(place, len(items)))
    found = spans.spot(spans.compose(text), parts)
    if found is None or not isinstance(found.node, SequenceNode) or not items:
        return put(text, path, [value])
    node = found.node
    if spans.in_brackets(node):
        new = _insert_inline(text, node, place, inline(value))
    else:
        column = int(node.start_mark.column)
        line = " " * column + "- " + item(value, column + 2, spread=path == "steps") + "\n"
        pieces = _pieces(text, node)
        new = _joined(text, node, [*pieces[:place], line, *pieces[place:]])
    return _meant(new, _with(tree_of(text), parts, [*items[:place], value, *items[place:]]))


def repeat(text: str, path: str, place: int) -> str:
    """Return the text with an item of a list twice, the copy below it."""
    parts = parts_of(path)
    items = _items(tree_of(text), parts)
    node = _list(text, parts)
    if spans.in_brackets(node):
        each = node.value[place]
        new = _insert_inline(text, node, place + 1, text[spans.begin(each) : spans.end(text, each)])
    else:
        _, dash, stop = spans.chunks(text, node)[place]
        pieces = _pieces(text, node)
        copy = _whole(text[dash:stop])
        new = _joined(text, node, [*pieces[: place + 1], copy, *pieces[place + 1 :]])
    return _meant(new, _with(tree_of(text), parts, [*items[: place + 1], items[place], *items[place + 1 :]]))


def move(text: str, path: str, place: int, to: int) -> str:
    """Return the text with an item of a list moved so that its place is `to`, its comments with it."""
    parts = parts_of(path)
    items = _items(tree_of(text), parts)
    if not (0 <= place < len(items) and 0 <= to < len(items)):
        raise EditError(worded("There is no such place."))
    order = list(range(len(items)))
    order.insert(to, order.pop(place))
    node = _list(text, parts)
    if spans.in_brackets(node):
        new = text
        bounds = [(spans.begin(each), spans.end(text, each)) for each in node.value]
        for (start, stop), source in sorted(zip(bounds, order, strict=True), reverse=True):
            new = new[:start] + text[slice(*bounds[source])] + new[stop:]
    else:
        pieces = _pieces(text, node)
        new = _joined(text, node, [pieces[each] for each in order])
    return _meant(new, _with(tree_of(text), parts, [items[each] for each in order]))


def same(one: Tree, other: Tree) -> bool:
    """Say whether two values are the same, of the same kind, and true is not 1."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (Mapping, str)) or isinstance(other, (Mapping, str)):
        return type(one) is type(other) and one == other
    if isinstance(one, Sequence) and isinstance(other, Sequence):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def _difference(old: Tree, new: Tree, at: Parts) -> tuple[Parts, Tree, bool] | None:
    """Return the first place that differs, what belongs there, and whether that is nothing."""
    if same(old, new):
        return None
    if isinstance(old, Mapping) and isinstance(new, Mapping) and new:
        for key in old:
            if key not in new:
                return (*at, key), None, True
        for key, value in new.items():
            if key not in old:
                return (*at, key), value, False
            if found := _difference(old[key], value, (*at, key)):
                return found
    lists = isinstance(old, Sequence) and isinstance(new, Sequence)
    if lists and not isinstance(old, str) and not isinstance(new, str) and new and old:
        assert isinstance(old, Sequence) and isinstance(new, Sequence)
        if len(old) > len(new):
            pairs = enumerate(zip(old, new, strict=False))
            first = next((place for place, pair in pairs if not same(*pair)), len(new))
            return (*at, first), None, True
        for place, value in enumerate(new):
            if place >= len(old):
                return (*at, place), value, False
            if found := _difference(old[place], value, (*at, place)):
                return found
    return at, new, False


def _set(text: str, parts: Parts, value: Tree) -> str:
    root = spans.compose(text)
    found = spans.spot(root, parts)
    if found is None:
        return _add(text, root, parts, value)
    node, parent = found.node, found.parent
    if parent is None:
        raise EditError(ANCHORED)
    stop = spans.end(text, node)
    if spans.in_brackets(parent):
        return text[: spans.begin(node)] + _spaced(text, node) + inline(value) + text[stop:]
    if found.key is None:
        column = int(parent.start_mark.column)
        return text[: spans.begin(node)] + _spaced(text, node) + item(value, column + 2) + text[stop:]
    colon = text.index(":", int(found.key.end_mark.index)) + 1
    rest = text[stop : spans.line_end(text, stop)].strip()
    column = int(found.key.start_mark.column)
    written = after_key(value, column + 2, one_line=bool(rest), spread=parts == ("steps",))
    return text[:colon] + written + text[max(stop, colon) :]


def _spaced(text: str, node: Node) -> str:
    """Return the space that an empty value lacks before it."""
    before = text[spans.begin(node) - 1 : spans.begin(node)]
    return " " if before in (":", "-") else ""


def _add(text: str, root: Node, parts: Parts, value: Tree) -> str:
    above = spans.spot(root, parts[:-1])
    if above is None:
        raise EditError(ANCHORED)
    node, key = above.node, parts[-1]
    if isinstance(node, SequenceNode) and isinstance(key, int):
        if spans.in_brackets(node):
            return _insert_inline(text, node, len(node.value), inline(value))
        column = int(node.start_mark.column)
        pieces = _pieces(text, node)
        return _joined(text, node, [*pieces, " " * column + "- " + item(value, column + 2) + "\n"])
    if not isinstance(node, MappingNode) or not node.value:
        if isinstance(node, MappingNode):
            written = "{" + f"{scalar(str(key))}: {inline(value)}" + "}"
            return text[: spans.begin(node)] + written + text[spans.end(text, node) :]
        raise EditError(ANCHORED)
    before = node.value[_neighbour(node, str(key), parts)]
    stop = spans.end(text, before[1])
    if spans.in_brackets(node):
        return f"{text[:stop]}, {scalar(str(key))}: {inline(value)}{text[stop:]}"
    column = int(node.value[0][0].start_mark.column)
    line = spans.line_end(text, stop)
    written = f"\n{' ' * column}{scalar(str(key))}:{after_key(value, column + 2)}"
    return text[:line] + written + text[line:]


def _neighbour(node: MappingNode, key: str, parts: Parts) -> int:
    """Return which entry a new key goes after: the last of those that the reference names before it."""
    kinds = {"steps": "step", "variants": "variant", "wait": "clock", "branches": "branch"}
    names = [part for part in parts[:-1] if isinstance(part, str)]
    name = kinds.get(names[-1], names[-1]) if names else "cascade"
    order = list(KEYS.get(name, {}))
    if key not in order:
        return len(node.value) - 1
    earlier = set(order[: order.index(key)])
    return max((at for at, (one, _) in enumerate(node.value) if one.value in earlier), default=0)


def _take(text: str, parts: Parts) -> str:
    found = spans.spot(spans.compose(text), parts)
    if found is None or found.parent is None:
        raise EditError(worded("There is nothing to remove."))
    parent = found.parent
    if len(parent.value) == 1:
        empty = "[]" if isinstance(parent, SequenceNode) else "{}"
        if len(parts) == 1:
            raise EditError(ANCHORED)
        above = spans.spot(spans.compose(text), parts[:-1])
        assert above is not None
        if above.key is None or spans.in_brackets(parent):
            return text[: spans.begin(parent)] + empty + text[spans.end(text, parent) :]
        colon = text.index(":", int(above.key.end_mark.index)) + 1
        return f"{text[:colon]} {empty}{text[spans.end(text, parent) :]}"
    if spans.in_brackets(parent):
        return _take_inline(text, parent, found.place)
    if isinstance(parent, SequenceNode):
        pieces = _pieces(text, parent)
        return _joined(text, parent, pieces[: found.place] + pieces[found.place + 1 :])
    assert found.key is not None
    start, stop = spans.begin(found.key), spans.end(text, found.node)
    if found.place == 0 and text[spans.line_start(text, start) : start].strip():
        return text[:start] + text[spans.begin(parent.value[1][0]) :]
    return text[: spans.line_start(text, start)] + text[spans.line_end(text, stop) + 1 :]


def _bounds(text: str, node: Node) -> list[tuple[int, int]]:
    if isinstance(node, MappingNode):
        return [(spans.begin(key), spans.end(text, value)) for key, value in node.value]
    return [(spans.begin(each), spans.end(text, each)) for each in node.value]


def _take_inline(text: str, node: Node, place: int) -> str:
    bounds = _bounds(text, node)
    if place:
        return text[: bounds[place - 1][1]] + text[bounds[place][1] :]
    return text[: bounds[0][0]] + text[bounds[1][0] :]


def _insert_inline(text: str, node: SequenceNode, place: int, written: str) -> str:
    bounds = _bounds(text, node)
    if place < len(bounds):
        return f"{text[: bounds[place][0]]}{written}, {text[bounds[place][0] :]}"
    return f"{text[: bounds[-1][1]]}, {written}{text[bounds[-1][1] :]}"


def _pieces(text: str, node: SequenceNode) -> list[str]:
    return [_whole(text[top:stop]) for top, _, stop in spans.chunks(text, node)]


def _whole(lines: str) -> str:
    return lines if lines.endswith("\n") else lines + "\n"


def _joined(text: str, node: SequenceNode, pieces: list[str]) -> str:
    found = spans.chunks(text, node)
    return text[: found[0][0]] + "".join(pieces) + text[found[-1][2] :]


def _list(text: str, parts: Parts) -> SequenceNode:
    found = spans.spot(spans.compose(text), parts)
    if found is None or not isinstance(found.node, SequenceNode):
        raise EditError(worded("There is no list."))
    return found.node


def _items(tree: Tree, parts: Parts) -> list[Tree]:
    for part in parts:
        tree = tree.get(str(part)) if isinstance(tree, Mapping) else None
    return list(tree) if isinstance(tree, Sequence) and not isinstance(tree, str) else []


def _with(tree: Tree, parts: Parts, value: Tree) -> Tree:
    """Return the tree with a value at a path."""
    if not parts:
        return value
    first, rest = parts[0], parts[1:]
    if isinstance(first, int):
        items = list(tree) if isinstance(tree, Sequence) and not isinstance(tree, str) else []
        if first > len(items):
            raise EditError(worded("There is no such place."))
        old = items[first] if first < len(items) else None
        return [*items[:first], _with(old, rest, value), *items[first + 1 :]]
    known = dict(tree) if isinstance(tree, Mapping) else {}
    return {**known, first: _with(known.get(first), rest, value)}


def _without(tree: Tree, parts: Parts) -> Tree:
    first, rest = parts[0], parts[1:]
    if isinstance(tree, Mapping) and isinstance(first, str):
        if rest:
            return {**tree, first: _without(tree[first], rest)}
        return {key: value for key, value in tree.items() if key != first}
    if isinstance(tree, Sequence) and not isinstance(tree, str) and isinstance(first, int):
        kept = list(tree)
        kept[first : first + 1] = [_without(kept[first], rest)] if rest else []
        return kept
    raise EditError(worded("There is nothing to remove."))


def _checked(old: str, new: str) -> str:
    if old == new:
        raise EditError(ANCHORED)
    return new


def _meant(text: str, wanted: Tree) -> str:
    if not same(tree_of(text), wanted):
        raise EditError(ANCHORED)
    return text

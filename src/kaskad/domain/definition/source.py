"""YAML or JSON as a tree of values that know their line and column.

Built from the parser's events, one after another, so that neither depth nor aliases can exhaust anything.
Plain scalars are those of YAML 1.2 (`yes`, `on`, `24h` and `10%` are texts); tags are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from kaskad.domain.definition.problem import Problem, UnreadableError
from kaskad.domain.worded import worded

MAX_SIZE = 400_000  # characters
MAX_DEPTH = 20
MAX_NODES = 20_000  # after aliases have been followed

Value = str | int | float | bool | None

_INTEGER = re.compile(r"[-+]?\d{1,18}", re.ASCII)
_FLOAT = re.compile(
    r"[-+]?(?:\d{1,18}\.\d{0,18}|\.\d{1,18}|\d{1,18}(?:\.\d{1,18})?[eE][-+]?\d{1,2})", re.ASCII
)
_CONSTANTS: dict[str, Value] = {
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_BEYOND = re.compile(r"\\U(?!0010|000)[0-9A-Fa-f]{8}")  # no character has such a number
_REMEDIES = {
    "mapping values are not allowed here": worded('put a text with a colon in quotation marks: "a: b"'),
    "found character '\\t' that cannot start any token": worded("indent with spaces, not with tabs"),
    "found unexpected end of stream": worded("close the quotation mark"),
    "expected the node content": worded("a value or a closing bracket is missing"),
    "that cannot start any token": worded("put the text in quotation marks"),
    "expected alphabetic or numeric character": worded("put the text in quotation marks"),
    "expected URI": worded("put the text in quotation marks"),
    "indentation indicator": worded("put the text in quotation marks"),
    "expected a comment or a line break": worded("put the text in quotation marks"),
    "expected <block end>": worded("check the indentation: things of one level begin in one column"),
    "expected '<document start>'": worded("check the indentation: things of one level begin in one column"),
    "sequence entries are not allowed here": worded("write each item after `- `, or [a, b]"),
    "escape": worded("write a backslash twice between double quotation marks"),
    "incompatible YAML document": worded("remove it"),
    "could not find expected ':'": worded("a key is followed by a colon and a space"),
    "expected ',' or": worded("a comma or a closing bracket is missing"),
}


class Scalar(Struct, frozen=True):
    line: int
    column: int
    value: Value
    text: str
    letters_from: int = 0  # where the text's letters begin, from `column`; 0 where that cannot be told


class Items(Struct):
    line: int
    column: int
    nodes: list[Node]
    size: int = 1


class Mapping(Struct):
    line: int
    column: int
    pairs: list[tuple[Scalar, Node]]
    size: int = 1


Node = Scalar | Items | Mapping


def read(text: str) -> Node:
    """Return the tree of one document; raises UnreadableError."""
    if len(text) > MAX_SIZE:
        raise _unreadable(
            1,
            1,
            worded("the text has %(n)s characters, more than %(max_size)s", n=len(text), max_size=MAX_SIZE),
            worded("shorten it"),
        )
    try:
        return _Builder().build(YAML(typ="safe", pure=True).parse(text.removeprefix("\ufeff")))
    except ReaderError as error:
        raise _forbidden(*_place(text, error.position if isinstance(error.position, int) else 0)) from None
    except MarkedYAMLError as error:
        raise _grammar(error) from None
    except (YAMLError, RecursionError, ValueError, OverflowError, IndexError, AssertionError) as error:
        if beyond := _BEYOND.search(text):
            raise _forbidden(*_place(text, beyond.start())) from None
        raise _unreadable(
            1, 1, worded("this is neither YAML nor JSON (%(error)s)", error=str(error)[:80]), ""
        ) from None


def typed(text: str) -> Value:
    """Return what an unquoted text stands for in YAML 1.2: a number, true, false, null, or itself."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _unreadable(line: int, column: int, message: str, remedy: str) -> UnreadableError:
    return UnreadableError(Problem(line, column, "", message, remedy))


def _forbidden(line: int, column: int) -> UnreadableError:
    return _unreadable(line, column, worded("a character that no text may hold"), worded("remove it"))


def _grammar(error: MarkedYAMLError) -> UnreadableError:
    mark = error.problem_mark or error.context_mark
    problem = str(error.problem or error.context or worded("this is neither YAML nor JSON"))
    remedy = next((remedy for start, remedy in _REMEDIES.items() if start in problem), "")
    message = (
        problem
        if not error.context or error.problem is None
        else worded("%(problem)s (%(context)s)", problem=problem, context=error.context)
    )
    if mark is None:
        return _unreadable(1, 1, message, remedy)
    return _unreadable(mark.line + 1, mark.column + 1, message, remedy)


def _place(text: str, index: int) -> tuple[int, int]:
    before = text[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1


class _Builder:
    """Puts events together; `open` are the collections that have not ended, outermost first."""

    def __init__(self) -> None:
        self._open: list[Items | Mapping] = []
        self._keys: list[Scalar | None] = []
        self._names: list[str | None] = []
        self._anchors: dict[str, Node] = {}
        self._root: Node | None = None
        self._documents = 0
        self._nodes = 0

    def build(self, events: Iterator[Event]) -> Node:
        for event in events:
            match event:
                case DocumentStartEvent():
                    self._next_document(event)
                case ScalarEvent():
                    self._add(self._scalar(event), event.anchor)
                case MappingStartEvent():
                    self._begin(Mapping(*_position(event), []), event)
                case SequenceStartEvent():
                    self._begin(Items(*_position(event), []), event)
                case MappingEndEvent() | SequenceEndEvent():
                    self._end()
                case AliasEvent():
                    self._alias(event)
        if self._root is None:
            raise _unreadable(1, 1, worded("the file is empty"), worded("begin with `cascade: some-name`"))
        return self._root

    def _next_document(self, event: DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _unreadable(
                *_position(event),
                worded("a second document begins here"),
                worded("keep one cascade in a file"),
            )

    def _scalar(self, event: ScalarEvent) -> Scalar:
        _refuse_tag(event)
        text = _joined(str(event.value))
        line, column = _position(event)
        if "\0" in text:  # written as an escape; PostgreSQL keeps no such text, and looks for none
            raise _forbidden(line, column)
        one_line = event.end_mark.line == event.start_mark.line
        plain = event.style is None or event.style == ""
        around = 0 if plain else 1
        width = event.end_mark.index - event.start_mark.index
        exact = one_line and width == len(text) + 2 * around and event.style not in ("|", ">")
        value: Value = typed(text) if plain else text
        return Scalar(line, column, value, text, around + 1 if exact else 0)

    def _begin(self, node: Items | Mapping, event: MappingStartEvent | SequenceStartEvent) -> None:
        _refuse_tag(event)
        if len(self._open) >= MAX_DEPTH:
            raise _unreadable(
                node.line,
                node.column,
                worded("nested deeper than %(max_depth)s levels", max_depth=MAX_DEPTH),
                worded("make it smaller"),
            )
        if self._open and isinstance(self._open[-1], Mapping) and self._keys[-1] is None:
            raise _no_key(node)
        self._open.append(node)
        self._keys.append(None)
        self._names.append(event.anchor)

    def _end(self) -> None:
        node, anchor = self._open.pop(), self._names.pop()
        self._keys.pop()
        self._add(node, anchor)

    def _alias(self, event: AliasEvent) -> None:
        if event.anchor in self._names:
            raise _unreadable(
                *_position(event),
                worded("`*%(anchor)s` holds itself", anchor=event.anchor),
                worded("write it out"),
            )
        if event.anchor not in self._anchors:
            raise _unreadable(
                *_position(event),
                worded("nothing before is named `&%(anchor)s`", anchor=event.anchor),
                worded("put the text in quotation marks"),
            )
        target = self._anchors[event.anchor]
        self._count(1 if isinstance(target, Scalar) else target.size, *_position(event))
        self._add(target, None)

    def _add(self, node: Node, anchor: str | None) -> None:
        if isinstance(node, Scalar):
            self._count(1, node.line, node.column)
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        parent.size += 1 if isinstance(node, Scalar) else node.size
        if isinstance(parent, Items):
            parent.nodes.append(node)
        elif (key := self._keys[-1]) is not None:
            parent.pairs.append((key, node))
            self._keys[-1] = None
        elif isinstance(node, Scalar):
            self._keys[-1] = node
        else:
            raise _no_key(node)

    def _count(self, more: int, line: int, column: int) -> None:
        self._nodes += more
        if self._nodes > MAX_NODES:
            raise _unreadable(
                line,
                column,
                worded("more than %(max_nodes)s values, aliases followed", max_nodes=MAX_NODES),
                worded("make it smaller"),
            )


def _no_key(node: Items | Mapping) -> UnreadableError:
    """Return what is wrong where a key is a list or mapping, as an unquoted `{{ contact.name }}` is."""
    return _unreadable(
        node.line, node.column, worded("a key must be a text"), worded("put the text in quotation marks")
    )


def _position(event: Event) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _refuse_tag(event: ScalarEvent | MappingStartEvent | SequenceStartEvent) -> None:
    if event.tag is not None:
        raise _unreadable(
            *_position(event),
            worded("the tag %(tag)s is not read", tag=str(event.tag)[:60]),
            worded("remove it"),
        )


def _joined(text: str) -> str:
    """Return the text with the two halves of a character that JSON may write apart put together."""
    if any("\ud800" <= char <= "\udfff" for char in text):
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text

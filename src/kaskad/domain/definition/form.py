"""Reading one mapping of a definition key by key; what is wrong goes to the report, and reading goes on."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TypeVar

from kaskad.domain.cascade import Money, Span
from kaskad.domain.condition import Condition, ConditionError, parse
from kaskad.domain.definition import source
from kaskad.domain.definition.problem import MAX_PROBLEMS, Problem, did_you_mean
from kaskad.domain.definition.source import Items, Node, Scalar
from kaskad.domain.money import BadMoney, parse_money
from kaskad.domain.span import parse_span
from kaskad.domain.worded import worded

T = TypeVar("T")

MAX_TEXT = 200_000
SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
NAME = re.compile(r"[^\W\d]\w{0,63}(?:\.\w{1,64}){0,5}")

# What people write by habit, and what it is called here.
HABITS = {
    "name": "title",
    "id": "cascade",
    "channels": "channel",
    "timeout": "wait",
    "timeouts": "wait",
    "delay": "wait",
    "condition": "if",
    "message": "text",
    "body": "text",
    "message_class": "class",
    "success_condition": "success",
    "success_on": "success",
    "exit_rule": "exit_if",
    "control_group": "holdout",
    "after": "for",
    "not": "unless",
    "tts": "say",
    "then": "go",
    "goto": "go",
}
_DEFINITION = worded("the definition")
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,2})?)\s*%", re.ASCII)


class Report:
    """All problems found so far, and where each place of the document is; `whole`: what that is called."""

    def __init__(self, whole: str = _DEFINITION) -> None:
        self._whole = whole
        self.problems: set[Problem] = set()
        self._nodes: dict[str, Node] = {}

    def put(self, path: str, node: Node) -> None:
        """Remember where a place is, so that later checks can point at it."""
        self._nodes[path] = node

    def error(self, path: str, message: str, remedy: str = "", *, offset: int | None = None) -> None:
        """Add an error at a place; `offset` counts characters inside its text."""
        line, column = self._position(path, offset)
        self.add(Problem(line, column, path, message, remedy))

    def warn(self, path: str, message: str, remedy: str = "") -> None:
        """Add what may be meant but mostly goes wrong."""
        line, column = self._position(path, None)
        self.add(Problem(line, column, path, message, remedy, "warning"))

    def add(self, problem: Problem) -> None:
        """Add a problem, up to a number that somebody would still read: no warnings crowd out an error."""
        alike = sum(one.severity == problem.severity for one in self.problems)
        if alike < MAX_PROBLEMS:
            self.problems.add(problem)

    def has_errors(self) -> bool:
        """Return whether anything forbids using the definition."""
        return any(problem.severity == "error" for problem in self.problems)

    def place(self, path: str) -> str:
        """Return a place in words: its last key, or which item of a list."""
        if not path:
            return self._whole
        found = re.search(r"([^.\[\]]+)\[(\d+)\]$", path)
        if found:
            return worded("item %(int)s of `%(found)s`", int=int(found[2]) + 1, found=found[1])
        return f"`{path.rpartition('.')[2]}`"

    def _position(self, path: str, offset: int | None) -> tuple[int, int]:
        while path and path not in self._nodes:
            path = re.sub(r"(?:^|\.|\[)[^.\[]*$", "", path)
        node = self._nodes.get(path)
        if node is None:
            return 1, 1
        if offset is not None and isinstance(node, Scalar) and node.letters_from:
            return node.line, node.column + node.letters_from - 1 + offset
        return node.line, node.column


class Form:
    """One mapping. Its keys are checked against `known` at once: unknown and double ones are errors."""

    def __init__(self, node: Node, path: str, known: Collection[str], report: Report) -> None:
        self.path = path
        self.report = report
        self._place = report.place(path)
        self._nodes: dict[str, Node] = {}
        report.put(path, node)
        if isinstance(node, source.Mapping):
            for key, value in node.pairs:
                self._add(key, value, known)
        else:
            report.error(
                path,
                worded("%(place)s must be a mapping", place=report.place(path)),
                worded("write `key: value`, one a line"),
            )

    def _add(self, key: Scalar, value: Node, known: Collection[str]) -> None:
        name = key.text
        if name in self._nodes:
            problem = worded(
                "`%(name)s` stands twice; its first is in line %(line)s",
                name=name,
                line=self._nodes[name].line,
            )
            self.report.add(Problem(key.line, key.column, self.at(name), problem, worded("keep one of them")))
        elif name not in known:
            remedy = did_you_mean(name, known, HABITS)
            if isinstance(value, Scalar) and value.text == "" and not remedy.startswith("did"):
                remedy = worded("put a text that has a comma in quotation marks")
            shown = worded("`%(name)s` is not known in %(place)s", name=name[:40], place=self._place)
            self.report.add(Problem(key.line, key.column, self.at(name[:40]), shown, remedy))
        else:
            self._nodes[name] = value
            self.report.put(self.at(name), value)

    def at(self, key: str) -> str:
        """Return the path of a key."""
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        return key in self._nodes

    def node(self, key: str) -> Node | None:
        return self._nodes.get(key)

    def names(self) -> list[str]:
        return list(self._nodes)

    def require(self, key: str, remedy: str) -> None:
        """Report the key if it is missing."""
        if key not in self._nodes:
            self.report.error(
                self.path,
                worded("%(place)s has no `%(key)s`", place=self._place, key=key),
                remedy,
            )

    def text(self, key: str, limit: int = 200) -> str:
        """Return the text, '' where there is none."""
        node = self._nodes.get(key)
        return "" if node is None else text_of(node, self.at(key), self.report, limit)

    def slug(self, key: str) -> str:
        """Return a short name of small Latin letters, digits, hyphens and underscores."""
        text = self.text(key)
        if text and not SLUG.fullmatch(text):
            near = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")[:64]
            remedy = worded("write `%(near)s`", near=near) if near else worded("for example `spring-sale`")
            self.report.error(
                self.at(key),
                worded("`%(text)s` must be small Latin letters, digits, - and _, at most 64", text=text[:40]),
                remedy,
            )
        return text

    def name(self, key: str) -> str:
        """Return the name of an event, a property or a path such as `trigger.cart_id`."""
        text = self.text(key)
        if text and not NAME.fullmatch(text):
            self.report.error(
                self.at(key),
                worded("`%(text)s` is not a name", text=text[:40]),
                worded("use letters, digits and _, parts joined with dots"),
            )
        return text

    def word(self, key: str, choices: Mapping[str, T], habits: dict[str, str] | None = None) -> T | None:
        """Return what one of the known words stands for."""
        node = self._nodes.get(key)
        return None if node is None else word_of(node, self.at(key), self.report, choices, habits)

    def flag(self, key: str) -> bool:
        """Return a true or false, false where there is none."""
        node = self._nodes.get(key)
        if node is None:
            return False
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        self.report.error(
            self.at(key),
            worded("`%(key)s` is true or false", key=key),
            worded("write `true` without quotation marks"),
        )
        return False

    def integer(self, key: str, low: int, high: int, default: int) -> int:
        """Return a whole number within bounds."""
        node = self._nodes.get(key)
        if node is None:
            return default
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.report.error(
            self.at(key),
            worded("`%(key)s` is a whole number from %(low)s to %(high)s", key=key, low=low, high=high),
        )
        return default

    def span(self, key: str) -> Span | None:
        """Return a duration longer than nothing."""
        node = self._nodes.get(key)
        return None if node is None else span_of(node, self.at(key), self.report)

    def percent(self, key: str) -> int | None:
        """Return a share, `10%`, in parts of 10 000."""
        node = self._nodes.get(key)
        if node is None:
            return None
        found = _PERCENT.fullmatch(node.text.strip()) if isinstance(node, Scalar) else None
        share = round(float(found[1]) * 100) if found else -1
        if 0 <= share < 10_000:
            return share
        self.report.error(
            self.at(key),
            worded("`%(key)s` is a share from 0%% to under 100%%", key=key),
            worded("write for example 10%%"),
        )
        return None

    def money(self, key: str) -> Money | None:
        """Return an amount with its currency."""
        text = self.text(key)
        if not text:
            return None
        try:
            return parse_money(text)
        except BadMoney as error:
            self.report.error(self.at(key), str(error))
            return None

    def condition(self, key: str) -> Condition | None:
        """Return a parsed condition."""
        text = self.text(key, limit=10_000)
        if not text:
            return None
        try:
            return parse(text)
        except ConditionError as error:
            self.report.error(self.at(key), error.message, error.remedy, offset=error.offset)
            return None

    def form(self, key: str, known: Collection[str]) -> Form | None:
        """Return the mapping below a key."""
        node = self._nodes.get(key)
        return None if node is None else Form(node, self.at(key), known, self.report)

    def items(self, key: str, limit: int) -> list[tuple[Node, str]]:
        """Return the items of a list with their paths, at most `limit`."""
        node, path = self._nodes.get(key), self.at(key)
        if node is None:
            return []
        if not isinstance(node, Items):
            self.report.error(
                path,
                worded("`%(key)s` must be a list", key=key),
                worded("write each item after `- `, or [a, b]"),
            )
            return []
        if not node.nodes:
            self.report.error(
                path,
                worded("`%(key)s` is empty", key=key),
                worded("name something, or remove `%(key)s`", key=key),
            )
        if len(node.nodes) > limit:
            self.report.error(
                path,
                worded(
                    "`%(key)s` has %(n)s items, more than %(limit)s", key=key, n=len(node.nodes), limit=limit
                ),
                worded("split it"),
            )
        found = [(item, f"{path}[{index}]") for index, item in enumerate(node.nodes[:limit])]
        for item, place in found:
            self.report.put(place, item)
        return found


def text_of(node: Node, path: str, report: Report, limit: int = 200) -> str:
    """Return the text of a scalar, reporting what is none, is empty or too long."""
    place = report.place(path)
    if not isinstance(node, Scalar):
        report.error(
            path,
            worded("%(place)s must be a text, not a %(kind)s", place=place, kind=_kind(node)),
            worded("put it in quotation marks"),
        )
    elif node.value is None or not node.text.strip():
        report.error(
            path,
            worded("%(place)s is empty", place=place),
            worded("write something, or remove it"),
        )
    elif len(node.text) > limit:
        report.error(
            path,
            worded(
                "%(place)s has %(n)s characters, more than %(limit)s",
                place=place,
                n=len(node.text),
                limit=limit,
            ),
            worded("shorten it"),
        )
    else:
        return node.text
    return ""


def word_of(
    node: Node, path: str, report: Report, choices: Mapping[str, T], habits: dict[str, str] | None = None
) -> T | None:
    """Return what a word stands for, reporting one that is not among the choices."""
    text = text_of(node, path, report)
    if text and text not in choices:
        remedy = did_you_mean(text, choices, habits)
        report.error(
            path,
            worded("`%(text)s` is not known as %(place)s", text=text[:40], place=report.place(path)),
            remedy,
        )
    return choices.get(text)


def span_of(node: Node, path: str, report: Report) -> Span | None:
    """Return the duration that a scalar says."""
    text = text_of(node, path, report)
    if not text:
        return None
    try:
        span = parse_span(text)
    except ValueError as error:
        report.error(path, str(error))
        return None
    if span == Span():
        report.error(
            path,
            worded("`%(text)s` is no time at all", text=text),
            worded("write a duration longer than nothing"),
        )
        return None
    return span


def _kind(node: Node) -> str:
    return "list" if isinstance(node, Items) else "mapping"

"""A condition over contacts into one SQL statement, of the pieces in `sql/pieces/segments.sql`.

Every word of the statement is a constant of that file or of this one; whatever a user wrote is a parameter.
Some things only the matcher can say, such as whether "1e3" is a number. So a condition becomes two questions:
who meets it for sure, and who may meet it. Whoever is only in the second is asked by the matcher.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from math import inf, nextafter

import msgspec
from msgspec import Struct

from kaskad.domain.condition import (
    COMPARISONS,
    All,
    Any,
    Compare,
    Condition,
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
from kaskad.domain.condition_kept import ANY, CHANNELS, CLASSES, OUTCOMES, span
from kaskad.domain.errors import Invalid
from kaskad.domain.run import HUMAN
from kaskad.domain.terms import MessageClass
from kaskad.store.statements import Dialect, Statement, assembled, read

DAY_MS = 86_400_000
_LONG_AGO, _FOREVER = -(2**61), 2**61
_MANY = 2**31
_EXACT = 2**53  # beyond it numbers are not the same everywhere
_MOST = 1_000  # pieces
_PARAMETER = re.compile(r"(?<![\w:]):([a-z_]+)")
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}

Value = str | int | float


class Meets(Struct, frozen=True):
    """Two texts of SQL: who meets a condition for sure, and who may; the same where SQL can say."""

    sure: str
    maybe: str


class Question(Struct, frozen=True):
    """A statement and its parameters."""

    statement: Statement
    params: dict[str, Value]


class Questions(Struct, frozen=True):
    """Who meets a condition. Pages are in the order of ids and take :after and :limit."""

    count_sure: Question  # how many meet it for sure
    sure_or_not: Question  # a page of those who may
    unsure: Question | None  # a page of those whom the matcher is to be asked about; None: SQL says it all


NOBODY = Meets("FALSE", "FALSE")
EVERYBODY = Meets("TRUE", "TRUE")
UNSURE = Meets("FALSE", "TRUE")


@cache
def _pieces(dialect: Dialect) -> Mapping[str, Statement]:
    file = files("kaskad.store") / "sql" / "pieces" / "segments.sql"
    return read([("segments.sql", file.read_text("utf-8"))], dialect)


def questions(dialect: Dialect, tree: Node, named: Mapping[str, Condition], now: int) -> Questions:
    """Return what to ask the database; `named` are the segments that the condition names. Raises Invalid."""
    maker = _Maker(dialect, named, now)
    meets = maker.meets(tree, ())
    pieces = _pieces(dialect)
    who, order = pieces["who"].source, pieces["in_order"].source

    def asked(text: str) -> Question:
        statement = assembled("segment", text, dialect)
        return Question(statement, {k: v for k, v in maker.params.items() if k in statement.parameters})

    return Questions(
        asked(f"{pieces['how_many'].source} {meets.sure}"),
        asked(f"{who} {meets.maybe} {order}"),
        None if meets.sure == meets.maybe else asked(f"{who} ({meets.maybe} AND NOT {meets.sure}) {order}"),
    )


class _Maker:
    def __init__(self, dialect: Dialect, named: Mapping[str, Condition], now: int) -> None:
        self._pieces, self._named, self._now = _pieces(dialect), named, now
        self.params: dict[str, Value] = {}
        self._count = 0

    def meets(self, node: Node, above: tuple[str, ...]) -> Meets:
        """Return who meets the node; `above` are the segments that it stands in."""
        match node:
            case All(nodes) | Any(nodes):
                parts = [self.meets(part, above) for part in nodes]
                return _joined(parts, " AND " if isinstance(node, All) else " OR ")
            case Not(inner):
                return _negated(self.meets(inner, above))
            case Exists(inner):
                return self._exists(inner)
            case Segment(name):
                if name in above or name not in self._named:
                    return NOBODY
                return self.meets(self._named[name].tree, (*above, name))
            case Kept():
                return self._kept(node)
            case Compare():
                return self._compare(node)
            case Name(path):
                return self._truth(path)
            case Literal(bool() as value):
                return EVERYBODY if value else NOBODY
            case Event():
                return self._exists(node) if node.aggregate in ("count", "first", "last") else UNSURE
        return UNSURE

    def _piece(self, name: str, /, **params: Value) -> Meets:
        self._count += 1
        if self._count > _MOST:
            raise Invalid([f"The segment asks more than {_MOST} things with all the segments that it names."])
        prefix = f"p{self._count}_"
        self.params |= {prefix + key: value for key, value in params.items()}
        renamed = _PARAMETER.sub(lambda found: f":{prefix}{found[1]}", self._pieces[name].source)
        return Meets(f"({renamed})", f"({renamed})")

    def _truth(self, path: tuple[str, ...]) -> Meets:
        """True is true, false and null are not; what is true of other values, the matcher says."""
        where = _place(path)
        if where is None:
            return UNSURE
        yes = self._piece("attribute_is_boolean", **where, value=1)
        no = self._piece("attribute_is_boolean", **where, value=0)
        some = self._piece("attribute_exists", **where)
        return Meets(yes.sure, f"({some.maybe} AND NOT {no.maybe})")

    def _exists(self, inner: Node) -> Meets:
        match inner:
            case Name(path):
                where = _place(path)
                return UNSURE if where is None else self._piece("attribute_exists", **where)
            case Event(aggregate="count" | "first" | "last"):
                return self._events(inner, 1)
        return UNSURE

    def _compare(self, node: Compare) -> Meets:
        left, operator, right = node.left, node.operator, node.right
        if operator in COMPARISONS and not isinstance(left, Name | Event):
            left, operator, right = right, _MIRRORED[operator], left
        match left, right:
            case Event(), _ if operator in COMPARISONS:
                return self._event(left, operator, right)
            case Name(path), Literal(value) if operator in COMPARISONS:
                return self._attribute(path, operator, value)
            case Name(path), Items(nodes) if operator == "in":
                parts = [
                    self._attribute(path, "==", item.value) if isinstance(item, Literal) else UNSURE
                    for item in nodes
                ]
                return _joined(parts, " OR ") if parts else NOBODY
            case Name(path), Literal(str()) if operator == "contains":
                where = _place(path)
                there = UNSURE if where is None else self._piece("attribute_exists", **where)
                return Meets("FALSE", there.maybe)
        return UNSURE

    def _attribute(self, path: tuple[str, ...], operator: str, value: object) -> Meets:
        where = _place(path)
        if where is None:
            return UNSURE
        if operator == "!=":  # false where the attribute is not there
            equal = self._attribute(path, "==", value)
            return _joined([self._piece("attribute_is_there", **where), _negated(equal)], " AND ")
        if isinstance(value, bool):
            return self._boolean(where, operator, value)
        if isinstance(value, int | float):
            return self._number(where, operator, value)
        if isinstance(value, str) and operator == "==" and _is_plain(value):
            needle = msgspec.json.encode({path[1]: value}).decode()[1:-1]
            return self._piece("attribute_is_text", **where, value=value, needle=needle)
        return Meets("FALSE", self._piece("attribute_is_there", **where).maybe)

    def _boolean(self, where: dict[str, Value], operator: str, value: bool) -> Meets:
        if operator != "==":
            return NOBODY
        sure = self._piece("attribute_is_boolean", **where, value=int(value))
        text = self._piece("attribute_is_text_at_all", **where)
        return Meets(sure.sure, f"({sure.maybe} OR {text.maybe})")

    def _number(self, where: dict[str, Value], operator: str, value: int | float) -> Meets:
        if abs(value) >= _EXACT:
            return UNSURE
        number = float(value)
        low = {"<": -inf, "<=": -inf, ">": nextafter(number, inf)}.get(operator, number)
        high = {">": inf, ">=": inf, "<": nextafter(number, -inf)}.get(operator, number)
        sure = self._piece("attribute_between", **where, low=low, high=high)
        odd = self._piece("attribute_is_odd_text", **where)
        return Meets(sure.sure, f"({sure.maybe} OR {odd.maybe})")

    def _event(self, event: Event, operator: str, right: Node) -> Meets:
        if event.aggregate == "count":
            if isinstance(right, Literal) and isinstance(right.value, int) and abs(right.value) < _MANY:
                return self._counted(event, operator, int(right.value), isinstance(right.value, bool))
            return UNSURE
        if event.aggregate == "sum":
            return self._summed(event, operator, right)
        at = _instant(right, self._now)
        return UNSURE if at is None else self._dated(event, operator, at)

    def _counted(self, event: Event, operator: str, number: int, boolean: bool) -> Meets:
        if boolean:
            return UNSURE
        at_least = self._at_least
        match operator:
            case ">=":
                return at_least(event, number)
            case ">":
                return at_least(event, number + 1)
            case "<":
                return _negated(at_least(event, number))
            case "<=":
                return _negated(at_least(event, number + 1))
        if number < 0:
            equal = NOBODY
        else:
            equal = self._events(event, number, number) if number else _negated(at_least(event, 1))
        return equal if operator == "==" else _negated(equal)

    def _at_least(self, event: Event, number: int) -> Meets:
        return EVERYBODY if number <= 0 else self._events(event, number)

    def _summed(self, event: Event, operator: str, right: Node) -> Meets:
        """Whoever has no such event has the sum 0; of others the matcher says."""
        if not isinstance(right, Literal) or isinstance(right.value, bool):
            return UNSURE
        if not isinstance(right.value, int | float):
            return UNSURE
        order = (right.value < 0) - (right.value > 0)
        some = self._events(event, 1)
        if order in COMPARISONS[operator]:
            return Meets(_negated(some).sure, "TRUE")
        return Meets("FALSE", some.maybe)

    def _dated(self, event: Event, operator: str, at: int) -> Meets:
        """The last is at or after an instant where there is one event since; likewise the first."""
        after, until = self._window(event)
        some = self._between(event.name, after, until)

        def since(instant: int) -> Meets:  # last >= instant
            return self._between(event.name, max(after, instant - 1), until)

        def before(instant: int) -> Meets:  # first < instant
            return self._between(event.name, after, min(until, instant - 1))

        def early(instant: int) -> Meets:  # the date < instant, of those who have any
            return _negated(since(instant)) if event.aggregate == "last" else before(instant)

        match operator:
            case "<":
                found = early(at)
            case "<=":
                found = early(at + 1)
            case ">":
                found = _negated(early(at + 1))
            case ">=":
                found = _negated(early(at))
            case _:
                same = _joined([early(at + 1), _negated(early(at))], " AND ")
                found = same if operator == "==" else _negated(same)
        return _joined([some, found], " AND ")

    def _window(self, event: Event) -> tuple[int, int]:
        return (_LONG_AGO if event.within_ms is None else self._now - event.within_ms), self._now

    def _events(self, event: Event, low: int, high: int = _MANY) -> Meets:
        return self._between(event.name, *self._window(event), low, high)

    def _between(self, name: str, after: int, until: int, low: int = 1, high: int = _MANY) -> Meets:
        if after >= until:
            return NOBODY
        return self._piece(
            "events_between", name=name, after=after, until=until, low=low, high=high,
            first_day=_day(after), last_day=_day(until),
        )  # fmt: skip

    def _kept(self, node: Kept) -> Meets:
        match node.function:
            case "in_list":
                return self._piece("in_list", name=node.names[0])
            case "reachable":
                if node.names[0] == ANY:
                    return self._piece("reachable_anywhere")
                return self._piece("reachable", channel=CHANNELS[node.names[0]].code)
            case "consent":
                return self._consent(CLASSES[node.names[0]], node.names[1])
        after, until, word = span(node, self._now)
        params: dict[str, Value] = {
            "slug": node.names[0],
            "after": _LONG_AGO if after is None else after,
            "until": until,
        }
        match word:
            case "entered" | "sent":
                return self._piece(word, **params)
            case "reacted":
                return self._piece("reacted", **params, human=HUMAN)
        return self._piece("ended", **params, outcome=OUTCOMES[word].code)

    def _consent(self, purpose: MessageClass, channel: str) -> Meets:
        if purpose is MessageClass.EMERGENCY:
            return EVERYBODY
        code, parts = purpose.code, []
        for each in CHANNELS if channel == ANY else (channel,):
            bit = 1 << CHANNELS[each].code
            parts.append(self._piece("granted", purpose=code, bit=bit, now=self._now))
            if purpose is not MessageClass.ADVERTISING:
                parts.append(_negated(self._piece("refused", purpose=code, bit=bit, now=self._now)))
        either = _joined(parts, " OR ")
        if purpose is not MessageClass.ADVERTISING:
            return either
        return _joined([self._piece("has_granted"), either], " AND ")  # most have none: asked first


def _joined(parts: list[Meets], word: str) -> Meets:
    return Meets(
        f"({word.join(part.sure for part in parts)})", f"({word.join(part.maybe for part in parts)})"
    )


def _negated(meets: Meets) -> Meets:
    return Meets(f"(NOT {meets.maybe})", f"(NOT {meets.sure})")


def _place(path: tuple[str, ...]) -> dict[str, Value] | None:
    """Return where an attribute stands, or None where only the matcher finds it."""
    if len(path) != 2 or path[0] != "contact" or '"' in path[1] or "\\" in path[1]:
        return None
    return {"path": f'$."{path[1]}"', "key": path[1]}


def _is_plain(text: str) -> bool:
    """Tell whether a text can stand for nothing else: no number, no true or false."""
    if text.strip().lower() in ("true", "false"):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False


def _instant(node: Node, now: int) -> int | None:
    """Return the instant that the node is for everybody, or None."""
    match node:
        case Now():
            return now
        case Date(at):
            return at
        case Sum(left, minus, Duration(ms)):
            at_left = _instant(left, now)
            return None if at_left is None else at_left - ms if minus else at_left + ms
    return None


def _day(at: int) -> int:
    return int(at / DAY_MS) if abs(at) < _FOREVER else at // DAY_MS

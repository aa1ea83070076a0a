"""Conditions: the small language of `if`, `exit_if` and segments. Parsed once, tested for one person.

    trigger.total >= 50000 and contact.city in ["Алматы", "Астана"] and not steps.letter.opened
    event("purchase").count(7d) > 2 or segment("vip") or contact.created_at < now - 30d

No code is executed: a text becomes a tree of frozen values, bounded in length and depth. A comparison with
a name that is not there is false, and the verdict says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from kaskad.domain.condition_values import Instant, align, amount_of, order_of, read_instant

MAX_LENGTH = 2_000
MAX_DEPTH = 32
MAX_ITEMS = 500
MAX_REASON = 300

ROOTS = ("contact", "trigger", "run", "steps", "rfm")
STEP_FIELDS = (
    *("sent", "delivered", "opened", "read", "answered", "clicked", "replied", "reacted"),
    *("failed", "skipped", "unknown", "state", "channel", "reason"),
)
AGGREGATES = ("count", "sum", "first", "last")

# Which orders of left to right each comparison accepts.
COMPARISONS = {"==": (0,), "!=": (-1, 1), "<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (0, 1)}


class ConditionError(ValueError):
    """A text that is no condition: what is wrong, at which character (from 0), and what to write instead."""

    def __init__(self, message: str, offset: int, remedy: str = "") -> None:
        super().__init__(message)
        self.message, self.offset, self.remedy = message, offset, remedy


class Literal(Struct, frozen=True, tag=True):
    value: str | int | float | bool | None


class Duration(Struct, frozen=True, tag=True):
    ms: int
    text: str


class Date(Struct, frozen=True, tag=True):
    at: int


class Now(Struct, frozen=True, tag=True):
    pass


class Items(Struct, frozen=True, tag=True):
    nodes: tuple[Node, ...]


class Name(Struct, frozen=True, tag=True):
    path: tuple[str, ...]


class Segment(Struct, frozen=True, tag=True):
    name: str


class Event(Struct, frozen=True, tag=True):
    """A figure over the person's events of a name, of the last `within_ms` if set."""

    name: str
    aggregate: str = "count"
    property: str = ""
    within_ms: int | None = None


class Kept(Struct, frozen=True, tag=True):
    """Whether something is kept about the person: see `condition_kept`."""

    function: str  # one of condition_kept.FUNCTIONS
    names: tuple[str, ...]
    word: str = ""  # of a cascade: what came of it
    within_ms: int | None = None


class Sum(Struct, frozen=True, tag=True):
    left: Node
    minus: bool
    right: Node


class Compare(Struct, frozen=True, tag=True):
    operator: str  # one of COMPARISONS, or: in, contains
    left: Node
    right: Node


class Exists(Struct, frozen=True, tag=True):
    node: Node


class Not(Struct, frozen=True, tag=True):
    node: Node


class All(Struct, frozen=True, tag=True):
    nodes: tuple[Node, ...]


class Any(Struct, frozen=True, tag=True):
    nodes: tuple[Node, ...]


Node = (
    Literal
    | Duration
    | Date
    | Now
    | Items
    | Name
    | Segment
    | Event
    | Kept
    | Sum
    | Compare
    | Exists
    | Not
    | All
    | Any
)


class Verdict(Struct, frozen=True):
    value: bool
    reason: str


class Condition(Struct, frozen=True):
    """A checked condition; `text` is as written."""

    text: str
    tree: Node

    def names(self) -> set[str]:
        """Return the dotted paths that the condition reads: `contact.city`, `steps.letter.opened`."""
        return {".".join(node.path) for node in walk(self.tree) if isinstance(node, Name)}

    def test(self, scope: Mapping[str, object], now: int) -> Verdict:
        """Return whether it holds for one person at `now` (milliseconds), and why.

        `scope` has the roots as mappings, `events` as lists of mappings with `at` (milliseconds) by name,
        `segments` as a collection of the names of the person's segments, and `kept`: `condition_kept.Known`.
        """
        verdict = _holds(self.tree, _Person(scope, now))
        return Verdict(verdict.value, verdict.reason[:MAX_REASON])


def parse(text: str) -> Condition:
    """Return the condition that the text says; raises ConditionError with the place and a remedy."""
    # Imported here because the parser makes this module's values.
    from kaskad.domain.condition_parser import parse_tree

    return Condition(text=text, tree=parse_tree(text))


def walk(node: Node) -> list[Node]:
    """Return the node and all below it."""
    found = [node]
    for child in _children(node):
        found.extend(walk(child))
    return found


def _children(node: Node) -> tuple[Node, ...]:
    match node:
        case Items() | All() | Any():
            return node.nodes
        case Sum() | Compare():
            return (node.left, node.right)
        case Exists() | Not():
            return (node.node,)
        case _:
            return ()


class _UndefinedError(Exception):
    """Something that the condition names is not there; the text says what."""


class _Person(Struct):
    scope: Mapping[str, object]
    now: int


def _holds(node: Node, person: _Person) -> Verdict:
    try:
        match node:
            case Compare():
                return _compare(node, person)
            case All():
                return _every(node.nodes, person)
            case Any():
                return _some(node.nodes, person)
            case Not():
                verdict = _holds(node.node, person)
                return Verdict(not verdict.value, verdict.reason)
            case Exists():
                return _exists(node.node, person)
        value = _value(node, person)
        return Verdict(_truth(value), f"{show(node)} is {_say(value)}")
    except _UndefinedError as missing:
        return Verdict(False, str(missing))


def _every(nodes: tuple[Node, ...], person: _Person) -> Verdict:
    reasons = []
    for node in nodes:
        verdict = _holds(node, person)
        if not verdict.value:
            return verdict
        reasons.append(verdict.reason)
    return Verdict(True, "; ".join(reasons))


def _some(nodes: tuple[Node, ...], person: _Person) -> Verdict:
    reasons = []
    for node in nodes:
        verdict = _holds(node, person)
        if verdict.value:
            return verdict
        reasons.append(verdict.reason)
    return Verdict(False, "; ".join(reasons))


def _exists(node: Node, person: _Person) -> Verdict:
    try:
        value = _value(node, person)
    except _UndefinedError as missing:
        return Verdict(False, str(missing))
    if isinstance(node, Event) and node.aggregate == "count":
        return Verdict(value != 0, f"{show(node)} is {_say(value)}")
    return Verdict(value is not None, f"{show(node)} is {_say(value)}")


def _compare(node: Compare, person: _Person) -> Verdict:
    left, right = _value(node.left, person), _value(node.right, person)
    reason = f"{show(node.left)} is {_say(left)}"
    if not isinstance(node.right, Literal) and not (isinstance(node.right, Items) and node.operator == "in"):
        reason += f", {show(node.right)} is {_say(right)}"
    if node.operator == "in":
        return Verdict(_contains(right, left), reason)
    if node.operator == "contains":
        return Verdict(_contains(left, right), reason)
    left, right = align(left, right)
    if node.operator in ("==", "!="):
        return Verdict((left == right) is (node.operator == "=="), reason)
    order = order_of(left, right)
    if order is None:
        return Verdict(False, f"{reason}, which cannot be compared with {_say(right)}")
    return Verdict(order in COMPARISONS[node.operator], reason)


def _contains(whole: object, part: object) -> bool:
    if isinstance(whole, str):
        return isinstance(part, str) and part.casefold() in whole.casefold()
    if isinstance(whole, Mapping):
        return part in whole if isinstance(part, str) else False
    if isinstance(whole, Collection):
        return any(_equal(part, item) for item in whole)
    return False


def _equal(one: object, other: object) -> bool:
    left, right = align(one, other)
    return left == right


def _truth(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().lower() not in ("", "false", "0", "no")
    return bool(value)


def _value(node: Node, person: _Person) -> object:
    match node:
        case Name():
            return _look_up(node.path, person.scope)
        case Literal():
            return node.value
        case Items():
            return [_value(item, person) for item in node.nodes]
        case Duration():
            return node.ms
        case Date():
            return Instant(node.at)
        case Now():
            return Instant(person.now)
        case Event():
            return _aggregate(node, person)
        case Segment():
            segments = person.scope.get("segments")
            if not isinstance(segments, Collection):
                raise _UndefinedError("segments are not known here")
            return node.name in segments
        case Kept():
            return _kept(node, person)
        case Sum():
            return _sum(node, person)
        case _:
            return _holds(node, person).value


def _look_up(path: tuple[str, ...], scope: Mapping[str, object]) -> object:
    value: object = scope
    for depth, key in enumerate(path):
        if not isinstance(value, Mapping) or key not in value:
            raise _UndefinedError(f"{'.'.join(path[: depth + 1])} is not defined")
        value = value[key]
    return value


def _kept(node: Kept, person: _Person) -> bool:
    # Imported here because that module takes its nodes from this one.
    from kaskad.domain.condition_kept import Known

    known = person.scope.get("kept")
    if not isinstance(known, Known):
        raise _UndefinedError(f"{show(node)} is not known here")
    return known.has(node, person.now)


def _aggregate(node: Event, person: _Person) -> object:
    events = person.scope.get("events")
    if not isinstance(events, Mapping):
        raise _UndefinedError("events are not known here")
    found = events.get(node.name, ())
    since = None if node.within_ms is None else person.now - node.within_ms
    chosen = [
        event
        for event in (found if isinstance(found, Sequence) else ())
        if isinstance(event, Mapping)
        and isinstance(at := event.get("at"), int)
        and at <= person.now
        and (since is None or at > since)
    ]
    match node.aggregate:
        case "count":
            return len(chosen)
        case "sum":
            numbers = (amount_of(event.get(node.property)) for event in chosen)
            return sum(number for number in numbers if number is not None)
    if not chosen:
        raise _UndefinedError(f'there is no event "{node.name}"')
    pick = min if node.aggregate == "first" else max
    return Instant(pick(event["at"] for event in chosen))


def _sum(node: Sum, person: _Person) -> object:
    left, right = _value(node.left, person), _value(node.right, person)
    timed = any(isinstance(side, Instant) for side in (left, right)) or any(
        isinstance(side, Duration) for side in (node.left, node.right)
    )
    one = _operand(left, timed, show(node.left))
    other = _operand(right, timed, show(node.right))
    total = one - other if node.minus else one + other
    if isinstance(total, int) and isinstance(one, Instant) != isinstance(other, Instant):
        return Instant(total)
    return total


def _operand(value: object, timed: bool, name: str) -> int | float:
    if isinstance(value, str):
        at = read_instant(value) if timed else None
        if at is not None:
            return Instant(at)
    amount = amount_of(value)
    if amount is None:
        raise _UndefinedError(f"{name} is {_say(value)}, which is not a number or a date")
    return Instant(value) if isinstance(value, Instant) else amount


def _say(value: object) -> str:
    match value:
        case str():
            return '"' + (value if len(value) <= 60 else value[:59] + "…") + '"'
        case bool():
            return "true" if value else "false"
        case Instant():
            return say_instant(value)
        case int() | float():
            return str(value)
        case None:
            return "null"
        case Mapping():
            return f"a mapping of {len(value)}"
        case Collection():
            return f"a list of {len(value)}"
        case _:
            return type(value).__name__


def say_instant(at: int) -> str:
    """Return an instant as text in UTC; what no calendar has is shown as its number."""
    try:
        return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return str(at)


def show(node: Node) -> str:
    """Return the node in the words of the language, shortened where it is long."""
    match node:
        case Name():
            return ".".join(node.path)
        case Literal(value):
            return _say(value)
        case Duration(_, text):
            return text
        case Date(at):
            return say_instant(at)
        case Now():
            return "now"
        case Items(nodes):
            return "[" + ", ".join(show(item) for item in nodes[:3]) + (", …]" if len(nodes) > 3 else "]")
        case Segment(name):
            return f'segment("{name}")'
        case Event(name, aggregate):
            return f'event("{name}").{aggregate}'
        case Kept(function, names, word):
            told = ", ".join(f'"{name}"' for name in names)
            return f"{function}({told})" + (f".{word}" if word else "")
        case Sum(left, minus, right):
            return f"{show(left)} {'-' if minus else '+'} {show(right)}"
        case Compare(operator, left, right):
            return f"{show(left)} {operator} {show(right)}"
        case Exists(inner):
            return f"exists {show(inner)}"
        case Not(inner):
            return f"not {show(inner)}"
        case All(nodes):
            return " and ".join(show(part) for part in nodes)
        case Any(nodes):
            return " or ".join(show(part) for part in nodes)

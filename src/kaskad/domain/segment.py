"""A segment: a condition under a name. It may name other segments, but not itself."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from kaskad.domain.condition import All, Compare, Condition, ConditionError, Literal, Name, Node, parse, walk
from kaskad.domain.condition import Segment as Named
from kaskad.domain.errors import Invalid

Value = str | bool | int | float
# What a segment is about is a person, not one run of one cascade.
_ROOT = "contact"

_QUIET = (
    'cascade("any").sent_before({0}) and not cascade("any").reacted({0}) '
    'and not cascade("any").converted({0}) '
    'and not event("purchase").count({0}) and not event("order").count({0})'
)
# Segments that are there without being made; one that is made under the name takes its place.
READY = {
    "inactive-90": _QUIET.format("90d"),
    "inactive-180": _QUIET.format("180d"),
    "unreachable": 'not reachable("any")',
    "no-advertising": 'not consent("advertising", "any")',
}


class Equals(Struct, frozen=True):
    """The contact's attribute has this value: the simple kind of condition, as forms ask for it."""

    attribute: str
    equals: Value


def of_attributes(equals: tuple[Equals, ...]) -> Condition:
    """Return the condition that all of these hold."""
    tests: tuple[Node, ...] = tuple(
        Compare("==", Name((_ROOT, each.attribute)), Literal(each.equals)) for each in equals
    )
    text = " and ".join(f"{_ROOT}[{_quoted(each.attribute)}] == {_written(each.equals)}" for each in equals)
    return Condition(text, All(tests))


def read(text: str) -> Condition:
    """Return the condition of a segment's text; raises Invalid."""
    try:
        condition = parse(text)
    except ConditionError as error:
        remedy = f": {error.remedy}" if error.remedy else ""
        told = f"At character {error.offset + 1} of the segment: {error.message}{remedy}"
        raise Invalid([told if told.endswith("?") else f"{told}."]) from None
    for node in walk(condition.tree):
        if isinstance(node, Name) and node.path[0] != _ROOT:
            raise Invalid(
                [
                    f"`{'.'.join(node.path)}` says nothing of a contact: segments ask `contact.…`, events, "
                    "lists, consents, channels and cascades."
                ]
            )
    return condition


def names_in(tree: Node) -> set[str]:
    """Return the segments that a condition names."""
    return {node.name for node in walk(tree) if isinstance(node, Named)}


def circle(name: str, named: Mapping[str, Condition]) -> bool:
    """Tell whether a segment names itself, at once or through others."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        condition = named.get(waiting.pop())
        below = names_in(condition.tree) if condition else set()
        if name in below:
            return True
        waiting += below - seen
        seen |= below
    return False


def names_met(
    wanted: set[str], named: Mapping[str, Condition], scope: Mapping[str, object], now: int
) -> frozenset[str]:
    """Return those of the wanted segments that the person of `scope` is in."""
    answers: dict[str, bool] = {}

    def holds(name: str) -> bool:
        if name not in answers:
            answers[name] = False  # also of itself, below
            condition = named.get(name)
            if condition is not None:
                within = frozenset(each for each in names_in(condition.tree) if holds(each))
                answers[name] = condition.test({**scope, "segments": within}, now).value
        return answers[name]

    return frozenset(name for name in wanted if holds(name))


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _quoted(value) if isinstance(value, str) else str(value)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

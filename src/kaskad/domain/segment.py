"""A segment: a condition under a name. It may name other segments, but not itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from kaskad.domain.cascade import Cascade
from kaskad.domain.condition import (
    All,
    Compare,
    Condition,
    ConditionError,
    Event,
    Kept,
    Literal,
    Name,
    Node,
    parse,
    walk,
)
from kaskad.domain.condition import Segment as Named
from kaskad.domain.condition_written import quoted
from kaskad.domain.errors import Invalid
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded

Value = str | bool | int | float
# What a segment is about is a person, not one run of one cascade.
_ROOT = "contact"
_ROOTS = (_ROOT, "rfm")
# `contact.email` asks for an attribute that happens to be called so, not for what a contact has besides.
_ADDRESSES = {**{channel.value: channel.value for channel in Channel}, "phone": "sms", "mail": "email"}
_OWN = frozenset({"tracking", "id", "external_id", "created_at"})

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
    "champions": "rfm.r >= 4 and rfm.f >= 4 and rfm.m >= 4",
    "loyal": "rfm.r >= 3 and rfm.f >= 4",
    "new-customers": "rfm.r >= 4 and rfm.f <= 1",
    "big-spenders": "rfm.m >= 5",
    "at-risk": "rfm.r <= 2 and rfm.f >= 3",
    "lost": "rfm.r <= 1 and rfm.f <= 2",
}


# Of whom the sunset policy ends advertising by e-mail.
SUNSET = f'{_QUIET} and consent("advertising", "email")'


class Equals(Struct, frozen=True):
    """The contact's attribute has this value: the simple kind of condition, as forms ask for it."""

    attribute: str
    equals: Value


def of_attributes(equals: tuple[Equals, ...]) -> Condition:
    """Return the condition that all of these hold."""
    tests: tuple[Node, ...] = tuple(
        Compare("==", Name((_ROOT, each.attribute)), Literal(each.equals)) for each in equals
    )
    text = " and ".join(f"{_ROOT}[{quoted(each.attribute)}] == {_written(each.equals)}" for each in equals)
    return Condition(text, All(tests))


def read(text: str) -> Condition:
    """Return the condition of a segment's text; raises Invalid."""
    try:
        condition = parse(text)
    except ConditionError as error:
        remedy = worded(": %(remedy)s", remedy=error.remedy) if error.remedy else ""
        told = worded(
            "At character %(offset)s of the segment: %(message)s%(remedy)s",
            offset=error.offset + 1,
            message=error.message,
            remedy=remedy,
        )
        raise Invalid([told if told.endswith("?") else worded("%(told)s.", told=told)]) from None
    for node in walk(condition.tree):
        if isinstance(node, Name) and node.path[0] not in _ROOTS:
            raise Invalid(
                [
                    worded(
                        "`%(known)s` says nothing of a contact: segments ask `contact.…`, events, lists, "
                        "consents, channels, cascades and `rfm.…`.",
                        known=".".join(node.path),
                    )
                ]
            )
    return condition


def asks_rfm(trees: Iterable[Node]) -> bool:
    """Tell whether one of these asks for scores."""
    return any(isinstance(node, Name) and node.path[0] == "rfm" for tree in trees for node in walk(tree))


def names_in(tree: Node) -> set[str]:
    """Return the segments that a condition names."""
    return {node.name for node in walk(tree) if isinstance(node, Named)}


def events_in(tree: Node) -> set[str]:
    """Return the events that a condition asks about."""
    return {node.name for node in walk(tree) if isinstance(node, Event)}


def lists_in(tree: Node) -> set[str]:
    """Return the static lists that a condition names."""
    return {node.names[0] for node in walk(tree) if isinstance(node, Kept) and node.function == "in_list"}


def doubts(tree: Node, lists: Collection[str], cascades: Collection[str]) -> list[str]:
    """Return what in a condition may not be what was meant, given which lists and cascades there are."""
    found = []
    for node in walk(tree):
        if isinstance(node, Kept) and node.function == "in_list" and node.names[0] not in lists:
            found.append(worded("There is no list %(names)r: nobody is on it.", names=node.names[0]))
        if isinstance(node, Kept) and node.function == "cascade" and node.names[0] not in ("any", *cascades):
            found.append(
                worded("There is no cascade %(names)r: it has done nothing yet.", names=node.names[0])
            )
        if isinstance(node, Name) and len(node.path) == 2 and node.path[0] == _ROOT:
            name = node.path[1]
            if name in _ADDRESSES:
                found.append(
                    worded(
                        "`contact.%(name)s` is an attribute called %(name)r; who has such an address is "
                        'asked by `reachable("%(addresses)s")`.',
                        name=name,
                        addresses=_ADDRESSES[name],
                    )
                )
            elif name in _OWN:
                found.append(
                    worded(
                        "`contact.%(name)s` is an attribute called %(name)r, not the contact's own %(name)s.",
                        name=name,
                    )
                )
    return list(dict.fromkeys(found))


def named_by(cascade: Cascade) -> dict[str, list[str]]:
    """Return the segments that a cascade names, each with the places in its definition that do.

    What a broadcast names may also be a list; `all` is nobody's name.
    """
    found: dict[str, list[str]] = {}

    def add(names: Iterable[str], place: str) -> None:
        for name in names:
            found.setdefault(name, []).append(place)

    trigger = cascade.trigger
    add([trigger.broadcast] if trigger.broadcast not in ("", "all") else [], "trigger.broadcast")
    add([trigger.segment] if trigger.segment else [], "trigger.segment")
    if trigger.condition is not None:
        add(names_in(trigger.condition.tree), "trigger.if")
    if cascade.exit_if is not None:
        add(names_in(cascade.exit_if.tree), "exit_if")
    for step in cascade.steps:
        if step.condition is not None:
            add(names_in(step.condition.tree), f"steps[{step.number}].if")
    return found


def events_by(cascade: Cascade) -> dict[str, list[str]]:
    """Return the events that a cascade names, each with the places in its definition that do."""
    found: dict[str, list[str]] = {}
    conditions = [(cascade.trigger.condition, "trigger.if"), (cascade.exit_if, "exit_if")]
    conditions += [(step.condition, f"steps[{step.number}].if") for step in cascade.steps]
    if cascade.trigger.event:
        found[cascade.trigger.event] = ["trigger.event"]
    if cascade.goal is not None:
        found.setdefault(cascade.goal.event, []).append("goal.event")
    for condition, place in conditions:
        for name in sorted(events_in(condition.tree)) if condition is not None else ():
            found.setdefault(name, []).append(place)
    return found


def asked_by(cascade: Cascade) -> list[Node]:
    """Return all conditions of a cascade, and the segments whose members it is for."""
    conditions = [cascade.exit_if, cascade.trigger.condition, *(step.condition for step in cascade.steps)]
    trees = [condition.tree for condition in conditions if condition is not None]
    return trees + [Named(name) for name in (cascade.trigger.segment, cascade.trigger.broadcast) if name]


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
    return quoted(value) if isinstance(value, str) else str(value)

"""One definition in which parts of the people go different ways: steps with conditions, some of them twice.

Parts are segments, the first that somebody is in counts, and everybody else. Where a step has another place
or wait for some, it stands in the text once for each of these, with `if: segment(…)`. Who changes segments on
the way gets none of them twice: each asks that those before it were not sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from kaskad.actions.arranging import in_places, stretches
from kaskad.actions.crowds import drawn
from kaskad.actions.rewaiting import rewaited
from kaskad.domain.cascade import Cascade, Step
from kaskad.domain.condition import All, Any, Name, Node, Not, Segment
from kaskad.domain.condition_written import write
from kaskad.domain.definition.edit import EditError, move, put, remove, repeat
from kaskad.domain.worded import worded
from kaskad.planning.woven import woven


class Way(Struct, frozen=True):
    """How a part of the people goes: its segment, "" for everybody else; the steps in their order, and the
    waits that are others, as spans."""

    segment: str
    order: tuple[str, ...]
    waits: Mapping[str, str] = {}


class Laid(Struct, frozen=True):
    """A step as it is to stand in the text: of which number it is one, its id, its wait and its condition; of
    these "" leaves what there is."""

    number: int
    id: str
    wait: str = ""
    condition: str = ""


def laid(cascade: Cascade, ways: Sequence[Way]) -> list[Laid]:
    """Return all steps of the text in their order; the ways are in the order of their segments, the last is
    that of everybody else. Steps that stay where they are stand once, with the wait of all.

    Raises EditError where parts want different waits of such a step.
    """
    rows, last = [], len(ways) - 1
    for stretch in stretches(cascade):
        named = {step.id: step.number for step in stretch}
        orders = [  # that of everybody else first: what they get keeps its name
            [(named[name], way.waits.get(name, "")) for name in way.order if name in named]
            for way in reversed(ways)
        ]
        rows.append([(number, wait, frozenset(last - n for n in of)) for (number, wait), of in woven(orders)])
    everybody = frozenset(range(len(ways)))
    placed = in_places(cascade, rows, lambda step: (step.number, _wait_of_all(step, ways), everybody))
    ids, found = {step.id for step in cascade.steps}, list[Laid]()
    for number, wait, parts in placed:
        step, before = cascade.steps[number], [one.id for one in found if one.number == number]
        name = _free(step.id, ids) if before else step.id
        ids.add(name)
        asked: list[Node] = [Not(Name(("steps", one, "sent"))) for one in before]
        if parts != everybody:
            asked.insert(0, _whose([way.segment for way in ways[:-1]], parts))
        if step.condition is not None and asked:
            asked.insert(0, step.condition.tree)
        found.append(Laid(number, name, wait, _written(asked)))
    return found


def _wait_of_all(step: Step, ways: Sequence[Way]) -> str:
    """Return the wait of a step that stands once, for everybody. Raises EditError where it is not one."""
    waits = {way.waits.get(step.id, "") for way in ways}
    if len(waits) > 1:
        raise EditError(
            worded("%(step)s stands once, for everybody, so all must wait the same time there.", step=step.id)
        )
    return waits.pop()


def _written(asked: Sequence[Node]) -> str:
    """Return the condition that asks all of these."""
    flat = [each for node in asked for each in (node.nodes if isinstance(node, All) else (node,))]
    return write(flat[0] if len(flat) == 1 else All(tuple(flat))) if flat else ""


def _free(name: str, taken: set[str]) -> str:
    return next(one for n in range(2, 100) if (one := f"{name[:60]}_{n}") not in taken)


def _whose(segments: Sequence[str], parts: frozenset[int], at: int = 0) -> Node:
    """Return the condition of whoever is in one of the parts, of those who are in no segment before `at`.

    Some of the segments from there on are among these parts, and some are not.
    """
    here, rest = at in parts, {n in parts for n in range(at + 1, len(segments) + 1)}
    met = Segment(segments[at])
    if len(rest) == 1 and rest != {here}:
        return met if here else Not(met)
    if here:
        return Any((met, _whose(segments, parts, at + 1)))
    return All((Not(met), _whose(segments, parts, at + 1)))


def split_drawn(slug: str, text: str, ways: Sequence[Way]) -> str:
    """Return a definition in which each part goes its way; comments and the rest stay.

    Raises EditError for what cannot be changed in this text, or is looked at elsewhere and would stand twice.
    """
    cascade = drawn(slug, text)
    if not ways or ways[-1].segment or not all(way.segment for way in ways[:-1]):
        raise EditError(worded("Say last how everybody else goes, and before that each segment."))
    unknown = {name for way in ways for name in (*way.order, *way.waits)} - {one.id for one in cascade.steps}
    if unknown:
        raise EditError(worded("There is no step %(name)s.", name=min(unknown)))
    rows = laid(cascade, ways)
    _only_once(cascade, rows)
    stands = [step.number for step in cascade.steps]
    for number in reversed(stands.copy()):
        place, wanted = stands.index(number), [row.number for row in rows].count(number)
        if not wanted:
            text = remove(text, f"steps[{place}]")
            del stands[place]
        for _ in range(wanted - 1):
            text = repeat(text, "steps", place)
            stands.insert(place, number)
    for place, row in enumerate(rows):
        at = stands.index(row.number, place)
        if at != place:
            text = move(text, "steps", at, place)
            stands.insert(place, stands.pop(at))
    for place, row in enumerate(rows):
        step = cascade.steps[row.number]
        if row.wait:
            text = rewaited(text, step, place, row.wait)
        if row.id != step.id:
            text = put(text, f"steps[{place}].id", row.id)
        if row.condition:
            text = put(text, f"steps[{place}].if", row.condition)
    return text


def _only_once(cascade: Cascade, rows: Sequence[Laid]) -> None:
    """Raise EditError where something looks at a step that would stand twice: at which of both?"""
    for row in rows:
        step = cascade.steps[row.number]
        if row.id == step.id:
            continue
        looks = [other.id for other in cascade.steps if other is not step and _looks_at(other, step.id)]
        if cascade.exit_if is not None and f"steps.{step.id}" in {
            ".".join(name.split(".")[:2]) for name in cascade.exit_if.names()
        }:
            looks.append("exit_if")
        if looks:
            raise EditError(
                worded("%(other)s looks at %(step)s, which would stand twice: at which of both is not clear.",
                       other=looks[0], step=step.id)
            )  # fmt: skip


def _looks_at(step: Step, name: str) -> bool:
    names = step.condition.names() if step.condition is not None else set()
    words = str((step.content, step.variants))
    return any(one.startswith(f"steps.{name}.") for one in names) or f"steps.{name}." in words

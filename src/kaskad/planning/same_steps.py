"""Which steps of an earlier version are which of a later one."""

from __future__ import annotations

from collections.abc import Sequence

from kaskad.domain.cascade import Cascade, Step
from kaskad.domain.condition import All, Name, Node, Not

Kin = list[Step]  # say the same to different people: nobody gets two of them


def named_as(cascade: Cascade, before: Cascade) -> dict[int, tuple[int, ...]]:
    """Return of each step of an earlier version which numbers it has now, if any.

    It is the step of its id, channel and success; also one that says the same and is a renamed one, or stands
    beside it for other people, now or then; where both stood beside each other before, and still do, each has
    its own past. One that says the same once more to the same people is another.
    """
    then, now = ({step.id for step in each.steps} for each in (before, cascade))
    origin = _origins(_kin(cascade.steps), _kin(before.steps))
    found = {}
    for old in before.steps:
        same = [
            step.number for step in cascade.steps
            if _event(step) == _event(old)
            and (
                step.id == old.id
                or (_alike(step, old) and old in origin[step.number]
                    and (step.id not in then or old.id not in now))
            )
        ]  # fmt: skip
        if same:
            found[old.number] = tuple(same)
    return found


def _origins(now: Sequence[Kin], before: Sequence[Kin]) -> dict[int, Kin]:
    """Return by number of a step with whom of the earlier ones it is kin: those of the first id that stood
    before; else, in their order, those that say the same and of whom no id is left."""
    stand = {step.id for kin in now for step in kin}
    gone = [kin for kin in before if not any(step.id in stand for step in kin)]
    stood = {step.id: kin for kin in before for step in kin}
    found: dict[int, Kin] = {}
    for kin in now:
        origin = next((stood[step.id] for step in kin if step.id in stood), None)
        if origin is None:
            origin = next((old for old in gone if _alike(old[0], kin[0])), [])
            gone = [old for old in gone if old is not origin]
        found |= {step.number: origin for step in kin}
    return found


def _kin(steps: Sequence[Step]) -> list[Kin]:
    """Return steps by kin, in their order."""
    found: list[Kin] = []
    for step in steps:
        kin = next(
            (kin for kin in found if all(_alike(one, step) and _are_apart(one, step) for one in kin)), None
        )
        if kin is None:
            found.append([step])
        else:
            kin.append(step)
    return found


def _alike(step: Step, other: Step) -> bool:
    """Say whether two steps say the same."""
    return _event(step) == _event(other) and (step.content, step.variants) == (other.content, other.variants)


def _event(step: Step) -> tuple[object, ...]:
    return step.channels[0], step.success


def _are_apart(one: Step, other: Step) -> bool:
    """Say whether conditions see to it that nobody gets both: of whom one asks something, the other asks the
    contrary, or that the first was not sent."""
    asked, others = _asked(one), _asked(other)
    return Not(Name(("steps", one.id, "sent"))) in others or any(
        Not(node) in others or (isinstance(node, Not) and node.node in others) for node in asked
    )


def _asked(step: Step) -> list[Node]:
    """Return all that must hold for a step."""
    waiting, found = [step.condition.tree] if step.condition is not None else [], list[Node]()
    while waiting:
        node = waiting.pop()
        found.append(node)
        if isinstance(node, All):
            waiting.extend(node.nodes)
    return found

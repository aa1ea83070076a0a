"""Which goal a return belongs to, and what of the goal's worth is left.

A return with an order belongs to the goal of that order. Where no goal of the person names that order, or
the return names none, it belongs to the person's last goal before it: of those that name no order, if it
names one. Each cascade has goals of its own. No more is given back than the goal was worth, so an order
whose return is told twice is worth nothing, and never less. The answer does not depend on the order in which
goals and returns are told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from kaskad.domain.cascade import Returned
from kaskad.domain.paths import look_up
from kaskad.domain.terms import Kind

ALL = 1 << 60  # minor units: all that the goal was worth
LATE = 1 << 44  # bits of a run's marks: something came back after the goal's time,
WHOLE = 1 << 45  # all of it came back,
UNREAD = 1 << 46  # something came back of which no amount is known: it is not deducted
MARKS = Kind.RETURNED.bit | LATE | WHOLE | UNREAD


class Bought(Struct, frozen=True):
    """The goal of a run; `order` is "" where its event names none."""

    run_id: int
    event: str
    at: int
    order: str
    worth: int  # minor units; 0: not known
    ends_at: int  # when its time was over


class Back(Struct, frozen=True):
    """A return that is told; `minor` None: no amount is known, or in another currency."""

    at: int
    minor: int | None


class Left(Struct, frozen=True):
    """What was given back of a goal's worth, and the bits of MARKS that say how."""

    returned: int
    marks: int


def whose(goals: Iterable[Bought], at: int, order_of: Callable[[Bought], str]) -> list[Bought]:
    """Return the goals that a return of then gives back: one, or the same in several runs.

    `order_of` says which order it names in the words of that goal's cascade; "": none.
    """
    asked = [(goal, order_of(goal)) for goal in goals]
    named = [goal for goal, order in asked if order and goal.order == order]
    if named:
        return named
    before = [goal for goal, order in asked if goal.at <= at and not (order and goal.order)]
    if not before:
        return []
    last = max(before, key=lambda goal: (goal.at, goal.event))
    return [goal for goal in before if goal.event == last.event]


def order_of(returned: Returned | None, properties: Mapping[str, Any]) -> str:
    """Return which order an event names, where returns are told by orders; "" where none."""
    path = returned.order if returned is not None else ""
    found = look_up(path, properties) if path else None
    return str(found).strip() if isinstance(found, str | int) and not isinstance(found, bool) else ""


def left(goal: Bought, returns: Sequence[Back]) -> Left:
    """Return what these returns leave of a goal."""
    if not returns:
        return Left(0, 0)
    read = [(back.at, back.minor) for back in returns if back.minor is not None]
    total = sum(minor for _, minor in read)
    marks = Kind.RETURNED.bit
    marks |= LATE if any(minor and at >= goal.ends_at for at, minor in read) else 0
    marks |= WHOLE if total >= ALL or 0 < goal.worth <= total else 0
    marks |= UNREAD if len(read) < len(returns) else 0
    return Left(min(total, max(goal.worth, 0)), marks)

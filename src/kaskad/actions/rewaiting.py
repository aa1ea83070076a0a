"""The clock of a step that may be given another time, and a definition in which it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kaskad.domain.cascade import Clock, Step
from kaskad.domain.channels import CHANNELS
from kaskad.domain.definition.edit import EditError, Tree, put, tree_of
from kaskad.domain.span import format_span
from kaskad.domain.terms import Reaction
from kaskad.domain.worded import worded


def rewaited(text: str, step: Step, place: int, span: str) -> str:
    """Return a definition in which a step, which stands at `place` there, waits for another time.

    Raises EditError where it has no clock that can be changed.
    """
    at = clock_of(step)
    if at is None:
        raise EditError(worded("%(step)s has no clock that can be changed.", step=step.id))
    return put(text, f"steps[{place}].wait", _wait(text, step, place, at, span))


def clock_of(step: Step) -> int | None:
    """Return which of the step's clocks runs from sending, in time that an edit may change; None: not one."""
    own = [n for n, clock in enumerate(clocks_of(step)) if clock.start is None]
    return own[0] if len(own) == 1 else None


def clocks_of(step: Step) -> tuple[Clock, ...]:
    """Return the clocks of a step: its own, else those of its channel."""
    return step.wait or CHANNELS[step.channels[0]].default_wait


def _wait(text: str, step: Step, place: int, at: int, span: str) -> Tree:
    """Return what a step's `wait` becomes where one of its clocks takes another time."""
    steps = tree_of(text)
    assert isinstance(steps, Mapping)
    own = steps.get("steps")
    assert isinstance(own, Sequence) and not isinstance(own, str)
    told = own[place]
    now = told.get("wait") if isinstance(told, Mapping) else None
    if isinstance(now, Sequence) and not isinstance(now, str):
        return [
            {**each, "for": span} if n == at and isinstance(each, Mapping) else each
            for n, each in enumerate(now)
        ]
    clocks = clocks_of(step)
    if now is not None or len(clocks) == 1:
        return span
    return [
        {"unless": clock.unless.value, "for": span if n == at else format_span(clock.span)}
        | ({"from": clock.start.value} if clock.start is not None else {})
        for n, clock in enumerate(clocks)
        if clock.unless is not Reaction.NONE
    ]

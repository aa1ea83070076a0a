"""Whether a run may go on in another version of its cascade, and where (E12).

Links, receipts and keys of what has left name a step by its number, so a run moves only where every step
that it was sent keeps its number, its channel and its place before what is still to come. It then never gets
a step twice. All others stay on their version, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from kaskad.domain.cascade import Cascade
from kaskad.domain.run import Passages, Run
from kaskad.domain.terms import MessageState, Phase
from kaskad.domain.version import Version
from kaskad.domain.worded import worded

_NOT_SENT = (MessageState.CREATED.code, MessageState.QUEUED.code, MessageState.SKIPPED.code)


class Move(Struct, frozen=True):
    """Where a run goes on: at step number `step` (-1: before the first); `dropped` are skips to forget."""

    step: int
    dropped: tuple[int, ...] = ()


def wrong_mapping(old: Cascade, new: Cascade, mapping: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the pairs of step ids that somebody gave."""
    known, wanted = {step.id for step in old.steps}, {step.id for step in new.steps}
    found: list[str] = [
        worded("No step %(name)r in the versions that runs are on.", name=name)
        for name in mapping
        if name not in known
    ]
    found += [
        worded("No step %(name)r in the version to move to.", name=name)
        for name in mapping.values()
        if name not in wanted
    ]
    return found


def move(run: Run, passages: Passages, old: Cascade, new: Version, mapping: Mapping[str, str]) -> Move | str:
    """Return where the run goes on in `new`, or why it stays."""
    if run.phase in (Phase.SUBMITTED, Phase.QUEUED):
        return worded("a message is on its way: try again later")
    if run.phase == Phase.BRANCH:
        return worded("it waits on a branch")
    numbers = {step.id: step.number for step in new.cascade.steps}
    to = {step.number: numbers.get(mapping.get(step.id, step.id)) for step in old.steps}
    sent = [one for one in passages.values() if one.state not in _NOT_SENT or one.sent_at is not None]
    for one in sent:
        if to.get(one.step) != one.step:
            return worded("it was sent %(steps)r, whose place has changed", steps=old.steps[one.step].id)
        if (one.step, one.channel) not in new.rules:
            return worded(
                "%(steps)r no longer goes by the channel that was used", steps=old.steps[one.step].id
            )
    step = _next(run, old, to)
    if step is None:
        return worded(
            "nothing is left to do after %(steps)r: --map says where to go on", steps=old.steps[run.step].id
        )
    waits = run.step >= 0 and step == run.step and any(one.step == step for one in sent)
    if any(one.step > step or (one.step == step and not waits) for one in sent):
        return worded("steps that were sent come later in that version")
    kept = {one.step for one in sent}
    dropped = [
        number for number in passages if number not in kept and (to.get(number) != number or number >= step)
    ]
    return Move(step, tuple(sorted(dropped)))


def _next(run: Run, old: Cascade, to: Mapping[int, int | None]) -> int | None:
    """Return the number of the step to be at: that of its own, else that of the next which is still there."""
    number: int | None = run.step
    if number is None or number < 0:
        return -1
    while number is not None:
        found = to.get(number)
        if found is not None:
            return found
        number = old.steps[number].next
    return None

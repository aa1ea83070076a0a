"""Paused steps that stay paused in the next version: a pause holds until somebody lifts it.

A person pauses a step by its name, in all versions, those to come too. A guardrail pauses what it has seen go
wrong: that stays paused as long as whom the step goes to and what it says stay as they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct, structs

from kaskad.domain.cascade import Cascade, Step
from kaskad.domain.content import Wording
from kaskad.domain.definition import to_cascade
from kaskad.store import cascades, step_holds, templates
from kaskad.store.db import Transaction
from kaskad.store.step_holds import StepHold


class Pauses(Struct, frozen=True):
    """What becomes of a cascade's paused steps in a version."""

    staying: dict[int, StepHold]  # by step of the version
    changed: tuple[str, ...]  # paused by a guardrail, and sent again, as they are others now


def pauses_in(
    tx: Transaction, cascade_id: int, cascade: Cascade, texts: Sequence[Wording], current: int | None = None
) -> Pauses:
    """Return which steps of a definition are paused already, in whichever version they were.

    `current` is the version that people enter: only its steps can be sent again by a change.
    """
    numbers = {step.id: step.number for step in cascade.steps}
    said = _said(cascade, texts)
    staying: dict[int, StepHold] = {}
    changed: list[str] = []
    versions: dict[int, dict[str, object]] = {}
    for name, hold in step_holds.of_cascade(tx, cascade_id):  # the latest version first
        number = numbers.get(name)
        if number is None or number in staying:
            continue
        if not hold.by and hold.version_id not in versions:
            version = cascades.version(tx, hold.version_id)
            then = to_cascade(version.source, name=f"version {version.number}")
            versions[version.id] = _said(then, templates.frozen(tx, version.id))
        if hold.by or versions[hold.version_id].get(name) == said[name]:
            staying[number] = hold
        elif hold.version_id == current:
            changed.append(name)
    stay = {cascade.steps[number].id for number in staying}
    return Pauses(staying, tuple(name for name in changed if name not in stay))


def keep_paused(tx: Transaction, version_id: int, cascade: Cascade | None = None) -> None:
    """Pause in a version, before anybody enters it, what is paused already; may be called twice."""
    version = cascades.version(tx, version_id)
    found = cascade or to_cascade(version.source, name=f"version {version.number}")
    told = pauses_in(tx, version.cascade_id, found, templates.frozen(tx, version_id))
    for step, hold in told.staying.items():
        step_holds.put(tx, (version_id, step), hold.at, skip=hold.skip, by=hold.by, why=hold.why)


def _said(cascade: Cascade, texts: Iterable[Wording]) -> dict[str, object]:
    """Return by step what its messages are, without when they go on, and what follows from them."""
    kept = list(texts)
    return {
        step.id: (_plain(step), [one for one in kept if one.name in _templates(step)])
        for step in cascade.steps
    }


def _plain(step: Step) -> Step:
    return structs.replace(
        step, number=0, next=None, wait=(), success=None, on_fail="", holdout=0, winner=None, best_hour=False
    )


def _templates(step: Step) -> set[str]:
    contents = (step.content, *(variant.content for variant in step.variants))
    return {content.template for content in contents if content.template}

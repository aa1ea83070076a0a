"""Paused steps that stay paused in the next version: a pause holds until somebody lifts it.

A person pauses a step by its name, in all versions, those to come too. A guardrail pauses what it has seen go
wrong: that stays paused, under another name too, as long as whom the step goes to, what it says and from
which account stay as they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from kaskad.domain.cascade import Cascade, Step
from kaskad.domain.content import Wording
from kaskad.domain.definition import to_cascade
from kaskad.store import cascades, step_holds, templates
from kaskad.store.db import Transaction
from kaskad.store.step_holds import StepHold


class Pauses(Struct, frozen=True):
    """What becomes of a cascade's paused steps in a version; the names are those of the version before."""

    staying: dict[int, StepHold]  # by step of the version
    changed: tuple[str, ...]  # paused by a guardrail, and sent again, as they are others now
    gone: tuple[str, ...]  # paused, and not in the version


def pauses_in(
    tx: Transaction, cascade_id: int, cascade: Cascade, texts: Sequence[Wording], before: int | None
) -> Pauses:
    """Return which steps of a definition are paused already, in whichever version they were.

    `before` is the version that people enter until then: only its steps can be renamed, or sent again.
    """
    numbers = {step.id: step.number for step in cascade.steps}
    said = _said(cascade, texts)
    staying: dict[int, StepHold] = {}
    changed: list[str] = []
    gone: list[str] = []
    versions: dict[int, dict[str, object]] = {}
    for name, hold in step_holds.of_cascade(tx, cascade_id):  # the latest version first
        number = numbers.get(name)
        if not hold.by and hold.version_id not in versions:
            versions[hold.version_id] = _said_then(tx, hold.version_id)
        then = versions.get(hold.version_id, {})
        if number is not None and (hold.by or then.get(name) == said[name]):
            staying.setdefault(number, hold)
        elif hold.version_id == before:
            renamed = [] if hold.by else [one for one in said if one not in then and said[one] == then[name]]
            for one in renamed:
                staying.setdefault(numbers[one], hold)
            if number is not None:
                changed.append(name)
            elif not renamed:
                gone.append(name)
    stay = {cascade.steps[number].id for number in staying}
    return Pauses(staying, tuple(name for name in changed if name not in stay), tuple(gone))


def keep_paused(
    tx: Transaction, version_id: int, before: int | None, cascade: Cascade | None = None
) -> None:  # fmt: skip
    """Pause in a version, before anybody enters it, what is paused already; may be called twice.

    `before`: the version that people enter until then, if there is one.
    """
    version = cascades.version(tx, version_id)
    found = cascade or to_cascade(version.source, name=f"version {version.number}")
    told = pauses_in(tx, version.cascade_id, found, templates.frozen(tx, version_id), before)
    for step, hold in told.staying.items():
        step_holds.put(tx, (version_id, step), hold.at, skip=hold.skip, by=hold.by, why=hold.why)


def _said_then(tx: Transaction, version_id: int) -> dict[str, object]:
    version = cascades.version(tx, version_id)
    then = to_cascade(version.source, name=f"version {version.number}")
    return _said(then, templates.frozen(tx, version_id))


def _said(cascade: Cascade, texts: Iterable[Wording]) -> dict[str, object]:
    """Return by step what its messages are, without when they go on, and what follows from them."""
    kept = list(texts)
    return {
        step.id: (told_by(step), [one for one in kept if one.name in _templates(step)])
        for step in cascade.steps
    }


def told_by(step: Step) -> tuple[object, ...]:
    """Return whom a step goes to, what it says and from which account; equal where these are the same."""
    whom = (step.channels, step.condition, step.only_branch)
    return (*whom, step.content, [one.content for one in step.variants], step.keys, step.account)


def _templates(step: Step) -> set[str]:
    contents = (step.content, *(variant.content for variant in step.variants))
    return {content.template for content in contents if content.template}

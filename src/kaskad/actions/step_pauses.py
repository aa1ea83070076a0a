"""What becomes of paused steps where another version is entered: reckoned before, and told in words."""

from __future__ import annotations

from msgspec import Struct

from kaskad.domain.cascade import Cascade
from kaskad.domain.definition import to_cascade
from kaskad.domain.worded import worded
from kaskad.engine.step_pauses import Pauses, pauses_in
from kaskad.engine.wording import look_up
from kaskad.store import cascades, templates
from kaskad.store.cascades import CascadeRow
from kaskad.store.db import Transaction

WAITS, PASSED_OVER, SENT_AGAIN, GONE = "waits", "passed_over", "sent_again", "gone"


class PausedStep(Struct, frozen=True):
    """What becomes of a paused step in a version, and that in words.

    `what`: it stays paused, and people wait at it (WAITS) or pass it over (PASSED_OVER); it has changed since
    a guardrail paused it, and is sent (SENT_AGAIN); the version has no such step (GONE).
    """

    step: str
    what: str
    words: str


def pauses_of(tx: Transaction, row: CascadeRow, cascade: Cascade) -> Pauses:
    """Return which steps of a definition would be paused from the start, were it activated now."""
    return pauses_in(tx, row.id, cascade, look_up(tx, cascade)[0], row.version_id)


def told_in(tx: Transaction, slug: str, number: int, before: int | None) -> tuple[PausedStep, ...]:
    """Return what has become of paused steps in a version; `before` was entered until then."""
    version = cascades.version_by_number(tx, slug, number)
    cascade = to_cascade(version.source, name=f"version {number}")
    texts = templates.frozen(tx, version.id)
    return told_of(cascade, pauses_in(tx, version.cascade_id, cascade, texts, before))


def told_of(cascade: Cascade, pauses: Pauses) -> tuple[PausedStep, ...]:
    """Return in words what becomes of paused steps."""
    stay = [_staying(cascade.steps[number].id, hold.skip) for number, hold in pauses.staying.items()]
    again = [
        PausedStep(
            name,
            SENT_AGAIN,
            worded("Step %(step)r, which a guardrail has paused, has changed and is sent again.", step=name),
        )
        for name in pauses.changed
    ]
    gone = [
        PausedStep(
            name,
            GONE,
            worded(
                "Step %(step)r, which is paused, is not in this version: what has taken its place is sent.",
                step=name,
            ),
        )
        for name in pauses.gone
    ]
    return (*stay, *again, *gone)


def _staying(name: str, skip: bool) -> PausedStep:
    if skip:
        said = worded("Step %(step)r stays paused: people pass it over until somebody resumes it.", step=name)
        return PausedStep(name, PASSED_OVER, said)
    said = worded("Step %(step)r stays paused: people wait at it until somebody resumes it.", step=name)
    return PausedStep(name, WAITS, said)

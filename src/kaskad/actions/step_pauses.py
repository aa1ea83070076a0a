"""What becomes of paused steps where another version is activated: reckoned before, and told in words."""

from __future__ import annotations

from kaskad.domain.cascade import Cascade
from kaskad.domain.worded import worded
from kaskad.engine.step_pauses import Pauses, pauses_in
from kaskad.engine.wording import look_up
from kaskad.store.cascades import CascadeRow
from kaskad.store.db import Transaction


def pauses_of(tx: Transaction, row: CascadeRow, cascade: Cascade) -> Pauses:
    """Return which steps of a definition would be paused from the start, were it activated now."""
    return pauses_in(tx, row.id, cascade, look_up(tx, cascade)[0], row.version_id)


def told_of(cascade: Cascade, pauses: Pauses) -> list[str]:
    """Return in words what becomes of paused steps."""
    stay = [
        worded("Step %(step)r stays paused: people pass it over until somebody resumes it.", step=name)
        if hold.skip
        else worded("Step %(step)r stays paused: people wait at it until somebody resumes it.", step=name)
        for name, hold in ((cascade.steps[number].id, hold) for number, hold in pauses.staying.items())
    ]
    again = [
        worded("Step %(step)r, which a guardrail has paused, has changed and is sent again.", step=name)
        for name in pauses.changed
    ]
    return [*stay, *again]

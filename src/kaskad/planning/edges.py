"""Where the people of a forecast go: from the entry to each step, from step to step, to each ending."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from kaskad.planning.walk import Stage, Walked, Worlds


class By(StrEnum):
    """What leads along an edge."""

    ENTRY = "entry"
    REACTION = "reaction"
    SILENCE = "silence"  # or a step that was passed over
    OTHER = "other"  # bought, said no or was stopped, without a reaction
    PAUSE = "pause"  # the step is paused: people wait there


class Edge(Struct, frozen=True):
    """People who go from a step (None: the entry) to another (None: to an end), in every world."""

    source: int | None
    target: int | None
    by: By
    people: Worlds


def edges(stages: Sequence[Stage], first: int, walked: Walked) -> list[Edge]:
    """Return the edges of a forecast, in the order of the steps.

    Whoever comes to a step has come along one edge and leaves it along one, in each world.
    """
    if not stages:
        return []
    outgoing = [_leading(stage) for stage in stages]
    found = [
        Edge(number, target, by, getattr(step, figure))
        for number, (ways, step) in enumerate(zip(outgoing, walked.steps, strict=True))
        for target, by, figure in ways
    ]
    coming = walked.steps[first].arrived - sum(edge.people for edge in found if edge.target == first)
    return [Edge(None, first, By.ENTRY, coming), *found]


def _leading(stage: Stage) -> list[tuple[int | None, By, str]]:
    """Return where a step leads, by what, and which figure of it tells how many that are."""
    if stage.waits:
        return [(None, By.PAUSE, "waiting")]
    ways: list[tuple[int | None, By, str]] = []
    if stage.branch is not None:
        ways.append((stage.branch, By.REACTION, "branched"))
    elif stage.ends:
        ways.append((None, By.REACTION, "ended"))
    return [*ways, (None, By.OTHER, "left"), (stage.after, By.SILENCE, "went_on")]

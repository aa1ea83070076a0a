"""A simulation that is ready to be played, here or in another process: all of it plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter

from msgspec import Struct, structs

from kaskad.domain.cascade import Cascade, Step
from kaskad.domain.condition import Condition, Event, Kept, Name, Segment, walk
from kaskad.domain.policy import Policy
from kaskad.domain.version import prepare
from kaskad.planning.outlook import Outlook
from kaskad.planning.simulate import Played, Tell, play
from kaskad.planning.simulated import Simulated, counted
from kaskad.planning.walk import Ask
from kaskad.planning.world import Cast, Rates, Sort, World

Table = Mapping[tuple[int, int, int], tuple[float, float]]  # step, channel code, messages before


class Scene(Struct, frozen=True):
    """Everything that a simulation takes."""

    cascade: Cascade
    policy: Policy
    world: World
    sorts: Sequence[Sort]
    rates: Table
    cast: Cast | None = None  # None: as many of each sort as there are such
    held: Mapping[int, bool] = {}  # steps that are paused: whether people pass them over, else they wait


class Staged(Struct, frozen=True):
    """What came of a scene, and how many seconds it took."""

    told: Simulated
    seconds: float


def staged(scene: Scene, tell: Tell | None = None) -> Staged:
    """Play a scene. `tell` as for `play`."""
    began_s = perf_counter()
    told = counted(lived(scene, tell))
    return Staged(told, perf_counter() - began_s)


def lived(scene: Scene, tell: Tell | None = None) -> Played:
    """Play a scene, and return everybody's life."""
    version = structs.replace(prepare(1, 1, scene.cascade, scene.policy), held=dict(scene.held))
    return play(version, scene.world, scene.sorts, _looking_up(scene.rates), tell, scene.cast)


def _looking_up(table: Table) -> Rates:
    return lambda step, channel, before: table[step, channel.code, before]


def table_of(cascade: Cascade, outlook: Outlook, changed: Mapping[int, float]) -> Table:
    """Return what is expected of everybody at each step; `changed` shares are those of a file."""
    found = {}
    for step in cascade.steps:
        for channel in step.channels:
            for before in range(len(cascade.steps)):
                rate = outlook.means(step.number, Ask(channel), before)
                reacts, leaves = float(rate.reacts[0]), float(rate.leaves[0])
                if step.number in changed:
                    reacts = changed[step.number]
                    leaves = min(leaves, 1.0 - reacts)
                found[step.number, channel.code, before] = reacts, leaves
    return found


class Askable(Struct, frozen=True):
    """A cascade without the conditions that nobody can answer in a simulation, and whose they were."""

    cascade: Cascade
    unasked: tuple[str, ...]  # steps, counted as if their condition held; `exit_if` as if it did not


def askable(cascade: Cascade, trigger: Mapping[str, object], *, real: bool) -> Askable:
    """Return the cascade as it can be played: of events nothing is known, of the trigger what was told, of
    typical people (not `real`) no attribute."""
    unasked, steps = [], []
    for step in cascade.steps:
        if step.condition is not None and not _answerable(step.condition, trigger, real):
            unasked.append(step.id)
            step = structs.replace(step, condition=None)
        steps.append(step)
    exit_if = cascade.exit_if
    if exit_if is not None and not _answerable(exit_if, trigger, real):
        unasked.append("exit_if")
        exit_if = None
    return Askable(structs.replace(cascade, steps=tuple(steps), exit_if=exit_if, to=""), tuple(unasked))


def _answerable(condition: Condition, trigger: Mapping[str, object], real: bool) -> bool:
    for node in walk(condition.tree):
        if isinstance(node, Event) or (isinstance(node, Kept | Segment) and not real):
            return False
        if isinstance(node, Name):
            kind, name = node.path[0], node.path[1] if len(node.path) > 1 else ""
            if (kind == "trigger" and name not in trigger) or (kind in ("contact", "rfm") and not real):
                return False
    return True


def attributes_asked(cascade: Cascade) -> set[str]:
    """Return which attributes of contacts the cascade's conditions and dates look at."""
    conditions = [cascade.exit_if, *(step.condition for step in cascade.steps)]
    paths = [name for condition in conditions if condition is not None for name in condition.names()]
    paths += [step.at.path for step in cascade.steps if step.at is not None]
    return {path.split(".")[1] for path in paths if path.startswith("contact.")}


def undated(step: Step) -> bool:
    """Say whether a step counts back from a date of its trigger."""
    return step.at is not None and step.at.path.startswith("trigger.")

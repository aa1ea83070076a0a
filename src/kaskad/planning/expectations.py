"""What somebody expects of a simulation, and whether it holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from kaskad.domain.policy import Window
from kaskad.planning.simulated import Simulated, StepPlayed

Number = float | None  # shares are of 1, money in minor units, times in ms; None: there is no such figure


class Expectation(Struct, frozen=True):
    """One line of `expect`: where it stands, which figure it means, and what that may be.

    `unit` is share, count, money (of `currency`) or time. `hours` are those in which messages may go.
    """

    path: str
    line: int
    column: int
    figure: str
    of: str = ""  # a step, channel, outcome or share of runs
    unit: str = "count"
    at_least: Number = None
    at_most: Number = None
    currency: str = ""
    hours: tuple[str, ...] = ()


class Checked(Struct, frozen=True):
    """An expectation, what the simulation came to, and whether that is as expected."""

    expected: Expectation
    got: Number
    holds: bool


def check(told: Simulated, expected: Sequence[Expectation], unpriced: Collection[str] = ()) -> list[Checked]:
    """Return each expectation with what came out; `unpriced`: steps of which nothing tells a price."""
    found = []
    for one in expected:
        got = _got(told, one)
        holds = got is not None and (one.at_least is None or got >= one.at_least)
        holds = holds and (one.at_most is None or (got is not None and got <= one.at_most))
        if got is None and one.unit in ("time", "money") and one.at_least is None:
            holds = one.figure != "finished"  # what never happened, or cost nothing, was not too late
        if holds and one.unit == "money" and one.at_most is not None and _costs_more(told, one, unpriced):
            got, holds = None, False
        found.append(Checked(one, got, holds))
    return found


def _got(told: Simulated, one: Expectation) -> Number:
    """Return the figure that an expectation is about."""
    match one.figure:
        case "reach":
            return told.reach
        case "messages":
            return told.messages
        case "cost":
            return _money(told.cost, one.currency)
        case "outcome":
            return told.outcomes.get(one.of, 0) / told.people if told.people else None
        case "finished":
            return told.finished.get(one.of)
        case "touches":
            return max(told.touches, default=0)
        case "twice":
            return sum(step.twice for step in told.steps)
        case "outside_windows":
            return told.outside
        case "outside_hours":
            return _outside(told.by_clock, one.hours)
        case "channel":
            return sum(step.channels.get(one.of, 0) for step in told.steps)
    step = next((step for step in told.steps if step.step == one.of), None)
    return None if step is None else _of_step(step, one)


def _of_step(step: StepPlayed, one: Expectation) -> Number:
    match one.figure:
        case "step_messages":
            return step.messages
        case "step_failed":
            return step.failed
        case "step_reacted":
            return step.reacted / step.messages if step.messages else None
        case "step_skipped":
            return sum(step.skipped.values()) / step.arrived if step.arrived else None
        case "step_cost":
            return _money(step.cost, one.currency)
        case "step_uncalled":
            return step.uncalled
        case "step_latest":
            return step.last_at
    return None


def _costs_more(told: Simulated, one: Expectation, unpriced: Collection[str]) -> bool:
    """Say whether more was spent than is counted: without a known price, or in another currency."""
    return any(
        (step.messages and step.step in unpriced)
        or any(step.cost[name] for name in step.cost if name != one.currency)
        for step in told.steps
        if one.of in ("", step.step)
    )


def _money(cost: Mapping[str, int], currency: str) -> Number:
    return cost.get(currency, 0)


def _outside(by_clock: Mapping[int, int], hours: tuple[str, ...]) -> int:
    """Return how many messages went outside of these hours by the clock of whom they went to."""
    spans = Window(hours).spans()
    return sum(
        count
        for minute, count in by_clock.items()
        if not any(since <= minute < until for since, until in spans)
    )

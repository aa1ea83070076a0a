"""How long each step of a cascade should wait, by the times after which people have reacted."""

from __future__ import annotations

from math import ceil

import numpy as np
from msgspec import Struct

from kaskad.actions.arranging import Arrangement
from kaskad.actions.reactions import Reactions
from kaskad.domain.cascade import Cascade, Clock, Money, Step
from kaskad.domain.channels import CHANNELS
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded
from kaskad.planning.orders import Table
from kaskad.planning.propensity import Floats
from kaskad.planning.timeouts import FEWEST, Curve, curve, floor_of, known_until, shortest

SHOWN = 80  # points of a curve
LEAST = 0.1  # of a wait: less is not worth a new version


class Patience(Struct, frozen=True):
    """A step's wait. `hours`, `silent`, `low`, `high` are the share still silent after so long, with its 95 %
    interval. `proposed_hours` None: it stays, and `why` says for what reason. `extra_cost` (minor units) and
    `extra_messages` are what going on earlier adds, for each who enters; `sooner`: hours."""

    step: str
    channel: str
    people: int
    reactions: int
    wait_hours: float
    proposed_hours: float | None
    why: str
    hours: tuple[float, ...]
    silent: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    late: float = 0.0  # the share of today's reactions that would come after the next message
    extra_cost: float = 0.0
    extra_messages: float = 0.0


class After(Struct, frozen=True):
    """What follows a step today, for one person who stays silent at it."""

    cost: float
    messages: float
    reach: float


def patience(
    cascade: Cascade, ground: Arrangement, mean: Table, waited: Reactions, value: Money | None,
    half_life: float,
) -> tuple[Patience, ...]:  # fmt: skip
    """Return what is known of the wait of each step that was sent, and what is proposed.

    A wait is weighed where it is told what a reached person is worth (`value`) and in how many hours half of
    that is lost.
    """
    found = []
    for at, step in enumerate(ground.steps):
        seen = waited.waited.get(step.number, [])
        if not seen:
            continue
        told, wait = curve(seen), ground.items[at].hours
        after = _after(mean, at, len(ground.steps))
        why = _stays(cascade, step, told, after, value, half_life)
        until = min(known_until(seen), wait)
        proposed = None
        if not why:
            assert value is not None
            loss = value.minor * (1.0 - 0.5 ** (1.0 / half_life)) * after.reach
            best = shortest(told, floor_of(step.channels[0]), until, after.cost, loss)
            best = float(ceil(best)) if best > 12 else best
            if best < wait * (1.0 - LEAST):
                proposed, why = best, worded(
                    "from then on an hour of waiting loses more than the reactions still to come save"
                )  # fmt: skip
            elif until < wait:
                why = worded("nobody was waited for longer than %(hours)s h", hours=f"{until:.1f}")
            else:
                why = worded("waiting pays to its end; whether longer pays nobody can know who never waited")
        found.append(_told(step, told, wait, proposed, why, after, float(mean.reach[(1 << at) - 1, at, 0])))
    return tuple(found)


def clock_of(step: Step) -> int | None:
    """Return which of the step's clocks runs from sending, in time that an edit may change; None: not one."""
    own = [n for n, clock in enumerate(clocks_of(step)) if clock.start is None]
    return own[0] if len(own) == 1 else None


def clocks_of(step: Step) -> tuple[Clock, ...]:
    """Return the clocks of a step: its own, else those of its channel."""
    return step.wait or CHANNELS[step.channels[0]].default_wait


def _after(mean: Table, at: int, count: int) -> After:
    placed = (1 << (at + 1)) - 1
    silent = max(float(mean.silent[placed, 0]), 1e-12)
    rest = range(at + 1, count)
    sums = [
        sum(float(each[(1 << n) - 1, n, 0]) for n in rest) for each in (mean.cost, mean.messages, mean.reach)
    ]
    return After(*(each / silent for each in sums))


def _stays(
    cascade: Cascade, step: Step, told: Curve, after: After, value: Money | None, half_life: float
) -> str:  # fmt: skip
    """Return why the wait of a step cannot be weighed, "": it can."""
    if step.next is None:
        return worded("nothing follows it")
    if cascade.steps[step.next].at is not None:
        return worded("the next step has its own date")
    if step.channels[0] is Channel.AGENT_CALL:
        return worded("the agent says when it is over")
    if clock_of(step) is None:
        return worded("it has several clocks that run from sending")
    if told.reactions < FEWEST:
        return worded(
            "%(seen)s reactions are known, %(wanted)s are needed", seen=told.reactions, wanted=FEWEST
        )  # fmt: skip
    if value is None or not half_life:
        return worded("say what a reached person is worth, and how quickly that is lost")
    return "" if after.reach > 0 else worded("nothing tells that anybody reacts to what follows")


def _told(
    step: Step, told: Curve, wait: float, proposed: float | None, why: str, after: After, reach: float
) -> Patience:  # fmt: skip
    keep = np.unique(np.linspace(0, len(told.hours) - 1, min(SHOWN, len(told.hours))).astype(int))
    late = 0.0
    if proposed is not None:
        still, end = told.at(np.array([proposed, wait]))
        late = float((still - end) / max(1.0 - end, 1e-12))
    return Patience(
        step.id, step.channels[0].value, told.people, told.reactions, round(wait, 4), proposed, why,
        hours=_rounded(told.hours[keep]), silent=_rounded(told.silent[keep]), low=_rounded(told.low[keep]),
        high=_rounded(told.high[keep]), late=round(late, 6), extra_cost=round(reach * late * after.cost, 6),
        extra_messages=round(reach * late * after.messages, 6),
    )  # fmt: skip


def _rounded(points: Floats) -> tuple[float, ...]:
    return tuple(round(float(each), 5) for each in points)

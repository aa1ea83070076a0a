"""How long each step of a cascade should wait, by the times after which people have reacted."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from msgspec import Struct

from kaskad.actions.arranging import Arrangement
from kaskad.actions.reactions import Reactions
from kaskad.actions.rewaiting import clock_of
from kaskad.domain.cascade import Cascade, Step
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded
from kaskad.planning.orders import Table
from kaskad.planning.propensity import Floats, Item
from kaskad.planning.timeouts import (
    FEWEST,
    Curve,
    Waited,
    beyond,
    curve,
    floor_of,
    gained,
    known_until,
    longer,
    shortest,
    surer,
)

SHOWN = 80  # points of a curve
LEAST = 0.1  # of a wait: less is not worth a new version
FEWEST_LATE = 10  # reactions after it, before a longer one is proposed


class Patience(Struct, frozen=True):
    """A step's wait. `hours`, `silent`, `low`, `high` are the share still silent after so long, with its 95 %
    interval. `proposed_hours` None: it stays, and `why` says for what reason. `extra_cost` (minor units) and
    `extra_messages` are what the change adds for each who enters; under 0 it saves."""

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
    spared: float = 0.0  # the share of those silent at its end whom a longer wait spares the next message
    extra_cost: float = 0.0
    extra_messages: float = 0.0


class After(Struct, frozen=True):
    """What follows a step today, for one person who stays silent at it: all of it, and of each step after how
    many hours it goes."""

    cost: float
    messages: float
    reach: float
    costs: tuple[tuple[float, float], ...]
    sent: tuple[tuple[float, float], ...]


class _Wait(Struct, frozen=True):
    """A wait that is proposed, None: it stays; why; and what it changes for each who enters."""

    hours: float | None
    why: str
    gain: float = 0.0  # for each who gets the step
    late: float = 0.0
    spared: float = 0.0
    extra_cost: float = 0.0
    extra_messages: float = 0.0


def patience(
    cascade: Cascade, ground: Arrangement, mean: Table, waited: Reactions, value: float | None,
    half_life: float,
) -> tuple[Patience, ...]:  # fmt: skip
    """Return what is known of the wait of each step that was sent, and what is proposed.

    A wait is weighed where it is told what a reached person is worth (`value`, minor units) and in how many
    hours half of that is lost.
    """
    found = []
    for at, step in enumerate(ground.steps):
        seen = waited.waited.get(step.number, [])
        if not seen:
            continue
        told, wait = curve(seen), ground.items[at].hours
        after = _after(mean, at, ground.items)
        why = _stays(cascade, step, told, after, value, half_life)
        if why:
            found.append(_told(step, told, wait, _Wait(None, why), None))
            continue
        assert value is not None
        loss = _loss(after, value, half_life)
        got = float(mean.messages[(1 << at) - 1, at, 0])
        late = beyond(seen, wait)
        new = _sooner(step, seen, told, wait, after, loss, float(mean.reach[(1 << at) - 1, at, 0]))
        new = _later(new, late, wait, after, loss, got, float(told.at(np.array([wait]))[0]))
        longer_told = curve(late) if new.hours is not None and new.hours > wait else None
        found.append(_told(step, told, wait, new, longer_told))
    return tuple(found)


def _loss(after: After, value: float, half_life: float) -> float:
    """Return what an hour of delay costs a person who stays silent at a step."""
    return float(value * (1.0 - 0.5 ** (1.0 / half_life)) * after.reach)


def surely(
    ground: Arrangement, mean: Table, at: int, seen: Sequence[Waited], one: float, other: float,
    value: float, half_life: float,
) -> float:  # fmt: skip
    """Return how likely it is that `one` wait of an item, in hours, does more than another by what these
    messages show."""
    after = _after(mean, at, ground.items)
    return surer(
        seen, one, other, after.cost, _loss(after, value, half_life), wait=ground.items[at].hours,
        savings=after.costs,
    )  # fmt: skip


def _sooner(
    step: Step, seen: Sequence[Waited], told: Curve, wait: float, after: After, loss: float, reach: float
) -> _Wait:
    """Return the shorter wait that does more than today's; none, where waiting pays to its end."""
    until = min(known_until(seen), wait)
    best = shortest(told, floor_of(step.channels[0]), until, after.cost, loss)
    best = _whole(best)
    if best < wait * (1.0 - LEAST):
        still, end = told.at(np.array([best, wait]))
        late = float((still - end) / max(1.0 - end, 1e-12))
        why = worded("from then on an hour of waiting loses more than the reactions still to come save")
        gain = gained(told, wait, best, after.cost, loss)
        return _Wait(best, why, gain, late, 0.0, reach * late * after.cost, reach * late * after.messages)
    if until < wait:
        return _Wait(None, worded("nobody was waited for longer than %(hours)s h", hours=f"{until:.1f}"))
    return _Wait(None, "")


def _later(
    now: _Wait, late: Sequence[Waited], wait: float, after: After, loss: float, got: float, still: float
) -> _Wait:  # fmt: skip
    """Return the longer wait that does more than what is proposed so far, else that.

    It is told by who reacts to the message when the next one has gone. `got` of each who enters got it, and
    of these `still` are silent at the end of the wait.
    """
    if now.hours is None and now.why:
        return now
    few = sum(one.reacted for one in late) < FEWEST_LATE
    told = curve(late)
    found = None if few else longer(told, known_until(late), after.costs, loss)
    hours = 0.0 if found is None else _whole(wait + found.hours)
    if found is not None and found.sure and hours > wait * (1.0 + LEAST) and still * found.gain > now.gain:
        spared = 1.0 - told.at(np.array([hours - wait]))[0]
        messages = longer(told, found.hours, after.sent, 0.0)
        return _Wait(
            hours, worded("people still react to it when the next message has gone, which they need not get"),
            spared=float(spared), extra_cost=-got * still * found.saved,
            extra_messages=-got * still * (messages.saved if messages else 0.0),
        )  # fmt: skip
    if now.hours is not None:
        return now
    if few:
        return _Wait(None, worded("waiting pays to its end; too few react later to say whether longer pays"))
    return _Wait(None, worded("waiting pays to its end; longer would lose more than it surely saves"))


def _whole(hours: float) -> float:
    return float(ceil(hours)) if hours > 12 else hours


def _after(mean: Table, at: int, items: Sequence[Item]) -> After:
    placed = (1 << (at + 1)) - 1
    silent = max(float(mean.silent[placed, 0]), 1e-12)
    each = [
        tuple(float(figure[(1 << n) - 1, n, 0]) / silent for figure in (mean.cost, mean.messages, mean.reach))
        for n in range(at + 1, len(items))
    ]
    goes = [sum(item.hours for item in items[at + 1 : n]) for n in range(at + 1, len(items))]
    cost, messages, reach = (sum(one[figure] for one in each) for figure in range(3))
    return After(
        cost, messages, reach, tuple((when, one[0]) for when, one in zip(goes, each, strict=True)),
        tuple((when, one[1]) for when, one in zip(goes, each, strict=True)),
    )  # fmt: skip


def _stays(
    cascade: Cascade, step: Step, told: Curve, after: After, value: float | None, half_life: float
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


def _told(step: Step, told: Curve, wait: float, new: _Wait, late: Curve | None) -> Patience:
    """Return what is known; `late` goes on with the curve after the wait."""
    points = np.array([told.hours, told.silent, told.low, told.high])
    if late is not None:
        points = points[:, told.hours <= wait]
        still = float(told.at(np.array([wait]))[0])
        more = np.array([wait + late.hours, still * late.silent, still * late.low, still * late.high])
        points = np.concatenate([points, more], axis=1)
    keep = np.unique(np.linspace(0, points.shape[1] - 1, min(SHOWN, points.shape[1])).astype(int))
    hours, silent, low, high = (_rounded(line[keep]) for line in points)
    return Patience(
        step.id, step.channels[0].value, told.people, told.reactions, round(wait, 4), new.hours, new.why,
        hours=hours, silent=silent, low=low, high=high, late=round(new.late, 6), spared=round(new.spared, 6),
        extra_cost=round(new.extra_cost, 6), extra_messages=round(new.extra_messages, 6),
    )  # fmt: skip


def _rounded(points: Floats) -> tuple[float, ...]:
    return tuple(round(float(each), 5) for each in points)

"""What services and people do about each message of a simulation, drawn by its place: always the same."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.random import default_rng

from kaskad.domain.clocks import valid_for_ms
from kaskad.domain.policy import DAY, HOUR
from kaskad.domain.run import Passage
from kaskad.domain.terms import Channel, Kind
from kaskad.domain.version import Version
from kaskad.planning.lives import Life
from kaskad.planning.telling import success_kinds
from kaskad.planning.world import DECIDES, Rates, World

_DRAWS = 5  # numbers for each message: is refused? does what? when? and then? is told to be delivered?
_CHANNELS = {channel.code: channel for channel in Channel}
_DELIVERED = Kind.DELIVERED
_DELIVERED_KIND, _GOAL, _UNSUBSCRIBED = Kind.DELIVERED.value, Kind.GOAL.value, Kind.UNSUBSCRIBED.value


# What a message meets with: it is taken; refused at once; the answer is lost, and so is the message, or the
# answer alone; it is a call that finds the line busy, or that nobody takes.
TAKEN, REFUSED, LOST, HALF_LOST, BUSY, NO_ANSWER = range(6)
_OF_CALLS = (BUSY, NO_ANSWER)
_CALLED = (Channel.ROBOT_CALL.code, Channel.AGENT_CALL.code)


class Act(Struct, frozen=True):
    """Something told of a person after a message: about it, or (`step` None) about the run."""

    at: int
    step: int | None
    kind: int  # code of the fact


class Nature:
    """How the services and people of one simulation behave."""

    def __init__(self, version: Version, world: World, rates: Rates) -> None:
        self._version, self._world, self._rates = version, world, rates
        self.kinds = success_kinds(version)
        self._reports = _looks_at_steps(version) or any(
            (rule.attends | version.moving) & _DELIVERED.bit for rule in version.rules.values()
        )
        self._steps = max(1, len(version.cascade.steps))
        self._meets = _meets(world, self._steps)
        self.always_takes = not self._meets  # whatever the fate of a message: it is taken
        self._believed: dict[tuple[int, int, int], tuple[float, float]] = {}
        self._unreported = [world.unreported.get(step, 0.0) for step in range(self._steps)]
        self._seen = {code: world.seen.get(channel, 0.0) for code, channel in _CHANNELS.items()}
        shape = (world.people, self._steps, _DRAWS)
        self._drawn = array("f", default_rng([world.seed, 1]).random(shape, dtype=np.float32).tobytes())

    def fate(self, life: Life, step: int, attempt: int) -> Sequence[float]:
        """Return the numbers that say what becomes of a message."""
        if attempt > 1:
            own = default_rng([self._world.seed, 3, life.number, step, attempt])
            return [float(number) for number in own.random(_DRAWS)]
        at = (life.number * self._steps + step) * _DRAWS
        return self._drawn[at : at + _DRAWS]

    def met(self, fate: Sequence[float], step: int, channel: int) -> int:
        """Return what a message of the step meets with on that channel: TAKEN, REFUSED, …"""
        chance = fate[0]
        for until, what in self._meets.get(step, ()):
            if chance < until:
                return TAKEN if what in _OF_CALLS and channel not in _CALLED else what
        return TAKEN

    def acts(
        self, life: Life, passage: Passage, fate: Sequence[float], anchors: Mapping[int, int] | None, now: int
    ) -> list[Act]:  # fmt: skip
        """Return what follows from a message that has just been taken, all within the step's time."""
        world, step, code = self._world, passage.step, passage.channel
        heard = self.kinds[step, code]
        _, what, when, more, told = fate
        lost = told < self._unreported[step]
        found = []
        if self._reports and not lost and heard.reaction is not _DELIVERED:
            delay = world.delivers[_CHANNELS[code]]
            found.append(Act(now + delay.within(told, HOUR), step, _DELIVERED_KIND))
        reacts, leaves = self.rate(step, code, life.written - 1)
        if world.least_silent:
            reacts, leaves = self._quieted(life, what, reacts, leaves)
        weaker = heard.weaker is not None and more < self._seen[code]
        if what >= reacts + leaves and not weaker:
            return found
        zone, channel = life.sort.answers.zones[0], _CHANNELS[code]
        limit_ms = valid_for_ms(self._version, life.run, step, code, anchors, zone, now)
        if what < reacts:
            if heard.reaction is _DELIVERED:
                delay, reacts = world.delivers[channel], 0.0 if lost else reacts
            else:
                delay = world.reacts[channel]
            at = now + delay.within(when, max(2, limit_ms))
            found += [Act(at, step, heard.reaction.value)] * (what < reacts)
            if more < world.buys and what < reacts:
                found.append(Act(at + DECIDES.within(more / world.buys, 7 * DAY), None, _GOAL))
            return found
        at = now + world.reacts[channel].within(when, max(2, limit_ms))
        if what < reacts + leaves:
            goal = self._version.cascade.goal is not None
            found.append(Act(at, None, _GOAL if goal else _UNSUBSCRIBED))
        elif heard.weaker is not None:
            found.append(Act(at, step, heard.weaker.value))
        return found

    def _quieted(self, life: Life, what: float, reacts: float, leaves: float) -> tuple[float, float]:
        """Return rates at which enough stay silent; let the person stand for as many as do the same."""
        most = 1.0 - self._world.least_silent
        some = reacts + leaves
        if some <= most:
            return reacts, leaves
        part = most / some
        life.stands *= 1.0 / part if what < most else (1.0 - some) / (1.0 - most)
        return reacts * part, leaves * part

    def rate(self, step: int, channel: int, before: int) -> tuple[float, float]:
        """Return the shares of those written to on a channel who react and who leave otherwise."""
        key = step, channel, before
        found = self._believed.get(key)
        if found is None:
            found = self._believed[key] = self._rates(step, _CHANNELS[channel], before)
        return found


def _meets(world: World, steps: int) -> dict[int, list[tuple[float, int]]]:
    """Return of each step below which chance a message of it meets with what, other than being taken."""
    found: dict[int, list[tuple[float, int]]] = {}
    for step in range(steps):
        until = 0.0
        lost = world.unanswered.get(step, 0.0)
        for share, what in (
            (world.fails.get(step, 0.0), REFUSED), (lost * (1.0 - world.arrives), LOST),
            (lost * world.arrives, HALF_LOST), (world.busy.get(step, 0.0), BUSY),
            (world.no_answer.get(step, 0.0), NO_ANSWER),
        ):  # fmt: skip
            if share:
                until += share
                found.setdefault(step, []).append((until, what))
    return found


def _looks_at_steps(version: Version) -> bool:
    conditions = [version.cascade.exit_if, *(step.condition for step in version.cascade.steps)]
    names = {name for condition in conditions if condition is not None for name in condition.names()}
    return any(name.startswith("steps.") for name in names)

"""Whose decision in a simulation is that of all who stand alike: nothing is told about them, all are due now.

No rule stands here. `decide` is asked about one of them, for each kind of person and each stretch of time in
which nothing that it asks of the clock changes: windows, the law, consents that end, services that are down.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from kaskad.domain import caps, hours
from kaskad.domain.alike import lasts_ms
from kaskad.domain.cascade import Span, Step
from kaskad.domain.condition import Condition, Event, Name, Now, walk
from kaskad.domain.hours import WindowKey
from kaskad.domain.policy import DAY
from kaskad.domain.run import PLAIN, Answers, Decision
from kaskad.domain.terms import Channel, SkipReason
from kaskad.domain.version import Version
from kaskad.planning.lives import Life
from kaskad.planning.world import Sort, World

# Why a step is passed over by all who stand alike: caps and budgets ask about each.
_SHARED = frozenset(SkipReason) - {
    SkipReason.FREQUENCY_CAPPED, SkipReason.WINDOW_IMPOSSIBLE, SkipReason.TOO_LATE, SkipReason.OVER_BUDGET,
    SkipReason.STEP_HOLDOUT,
}  # fmt: skip
_CHANNELS = {channel.code: channel for channel in Channel}


class _Kind(Struct):
    """People of whom decisions ask the same, but for whom they were written to. `turns` are the instants at
    which the answers themselves change, `until` when the stretch of time ends that is number `stretch`."""

    number: int
    keys: Sequence[WindowKey]
    turns: Sequence[int]
    stretch: int = 0
    until: int = 0


class Alike:
    """The decisions of one simulation that are shared. `closings`: when services go down and come back."""

    def __init__(
        self, version: Version, world: World, sorts: Sequence[Sort], closings: Sequence[int]
    ) -> None:
        self._version, self._closings = version, closings
        self._is_plain = is_plain(version, world, sorts)
        self._known: dict[bytes, _Kind] = {}
        self._kinds = [self._kind_of(sort) for sort in sorts] if self._is_plain else []
        self._shared: dict[tuple[int, ...], Decision | None] = {}
        self._free_below: dict[tuple[int, int], int] = {}
        self._openings: dict[tuple[int, ...], tuple[int, int] | None] = {}
        message_class = version.cascade.message_class
        self._own_gap_ms = version.policy.min_gap_ms.of(message_class)
        self._run_gap_ms = version.policy.run_gap_ms.of(message_class)

    def place(self, life: Life, now: int) -> tuple[int, ...] | None:
        """Return where a life stands that is due now; None: the decision about it is its own."""
        if not self._is_plain:
            return None
        run, kind = life.run, self._kinds[life.sort.number]
        if now >= kind.until:
            self._turn(kind, now)
        return kind.number, kind.stretch, run.phase, run.step, life.course

    def of_all(self, place: tuple[int, ...], life: Life, now: int) -> Decision | None:
        """Return the decision about all who stand there, as it is for this one; None: it is to be made."""
        decision = self._shared.get(place)
        if decision is None or decision.outcome is not None:
            return decision
        if decision.send is None:
            step = self._version.cascade.steps[decision.step]
            is_free = all(self._is_free(step, channel.code, life, now) for channel in step.channels)
            return self._waits_too(place, decision, step, life, now) if is_free else None
        step = self._version.cascade.steps[decision.send.step]
        return decision if self._is_free(step, decision.send.channel, life, now) else None

    def keep(self, place: tuple[int, ...], decision: Decision, life: Life, now: int) -> None:
        """Remember the decision about one of those who stand there, if it is that of all."""
        if any(skip[2] not in _SHARED for skip in decision.skips):
            return
        if decision.outcome is not None or decision.send is not None or self._waits(decision, life, now):
            self._shared[place] = decision

    def _kind_of(self, sort: Sort) -> _Kind:
        """Return the kind of a sort: alike in all that is asked but touches and prices."""
        answers = sort.answers
        asked = replace(answers, touches=(), addresses=_without_values(answers))
        told = (asked, sort.contact, sort.standing) if self._version.has_conditions else asked
        name = msgspec.msgpack.encode(told, enc_hook=repr)
        if name not in self._known:
            version, urgent = self._version, self._version.cascade.urgent
            keys = {
                version.windows.key(
                    channel, version.cascade.message_class, answers.zones, answers.country,
                    step.urgent or urgent,
                ): None
                for step in version.cascade.steps
                for channel in step.channels
            }  # fmt: skip
            turns = {row.expires_at for row in answers.consents if row.expires_at is not None}
            turns |= {row.at for row in answers.consents}
            turns |= {dialogue.open_until for dialogue in answers.dialogues.values()}
            self._known[name] = _Kind(len(self._known), list(keys), sorted({*turns, *self._closings}))
        return self._known[name]

    def _turn(self, kind: _Kind, now: int) -> None:
        """Begin the stretch of time that `now` lies in. Laws begin and end at midnight."""
        kind.stretch += 1
        place = bisect_right(kind.turns, now)
        ends = [(now // DAY + 1) * DAY, *kind.turns[place : place + 1]]
        kind.until = min(ends + [self._version.windows.turns(now, key) for key in kind.keys])

    def _is_free(self, step: Step, channel: int, life: Life, now: int) -> bool:
        """Say whether the caps let a message to this person go now."""
        if not life.written and not life.touched:
            return True
        version, key = self._version, (step.number, channel)
        below = self._free_below.get(key)
        if below is None:
            below = self._free_below[key] = _free_below(version, _CHANNELS[channel])
        is_apart = now >= life.last_at + self._own_gap_ms and now >= life.touched_at + self._run_gap_ms
        if is_apart and life.written + len(life.touched) < below:
            return True
        return caps.check(
            life.touches(version.class_code), version.policy, version.cascade.message_class,
            _CHANNELS[channel], life.run.id, life.sort.answers.zones[0], now,
            urgent=step.urgent or version.cascade.urgent,
        ).allowed  # fmt: skip

    def _waits(self, decision: Decision, life: Life, now: int) -> bool:
        """Say whether a decision is to wait until a window opens, the same one whatever the channel."""
        if decision.wake_at is None or decision.step < 0:
            return False
        step = self._version.cascade.steps[decision.step]
        return all(self._waiting(decision, channel, life, now) == decision for channel in step.channels)

    def _waits_too(
        self, place: tuple[int, ...], decision: Decision, step: Step, life: Life, now: int
    ) -> Decision:
        """Return the decision of all who stand there to wait for a window, with this person's own place."""
        try:
            opening = self._openings[place]
        except KeyError:
            version, answers = self._version, life.sort.answers
            key = version.windows.key(
                step.channels[0], version.cascade.message_class, answers.zones, answers.country,
                step.urgent or version.cascade.urgent,
            )  # fmt: skip
            opening = self._openings[place] = version.windows.opening(now, key)
        assert opening is not None  # else nobody would wait
        spread = hours.jitter(life.run.contact_id, step.number, self._version.policy.window_jitter_ms)
        at = opening[0] + spread % opening[1]
        return Decision(
            decision.state, decision.phase, decision.step, at, at, decision.reason, skips=decision.skips,
            detail=decision.detail,
        )  # fmt: skip

    def _waiting(self, decision: Decision, channel: Channel, life: Life, now: int) -> Decision:
        """Return the decision to wait with this person's own place after the opening of the window."""
        version, answers = self._version, life.sort.answers
        step = version.cascade.steps[decision.step]
        urgent = step.urgent or version.cascade.urgent
        key = version.windows.key(
            channel, version.cascade.message_class, answers.zones, answers.country, urgent
        )
        spread = hours.jitter(life.run.contact_id, step.number, version.policy.window_jitter_ms)
        at = version.windows.next(now, key, spread)
        return replace(decision, wake_at=at, due_at=at or 0, detail=version.windows.why(key))


def is_plain(version: Version, world: World, sorts: Sequence[Sort]) -> bool:
    """Say whether a decision about somebody of whom nothing is told asks only what is alike for many."""
    return not (
        any(not _is_constant(condition, world) for condition in _conditions(version))
        or version.control is not None  # whom it holds is asked by contact
        or version.anchored or version.cascade.to or version.calls_people or version.moving & PLAIN
        or any(rule.attends & PLAIN or lasts_ms(rule) < version.gap_ms for rule in version.rules.values())
        or any(_asks_whom(step) for step in version.cascade.steps)
        or (any(step.variants for step in version.cascade.steps) and any(s.answers.dialogues for s in sorts))
    )  # fmt: skip


def _asks_whom(step: Step) -> bool:
    """Say whether a step is for some and not for others of those who are alike."""
    return bool(step.holdout or step.best_hour or step.choose)


def _without_values(answers: Answers) -> dict[int, object]:
    """Return addresses as decisions look at them, without what they are."""
    return {code: (address.health, address.shared) for code, address in answers.addresses.items()}


def _free_below(version: Version, channel: Channel) -> int:
    """Return up to how many touches, not counting this many, no cap looks at such a message."""
    policy, message_class = version.policy, version.cascade.message_class
    return min((cap.limit for cap in policy.caps if cap.fits(channel, message_class)), default=1 << 60)


def _conditions(version: Version) -> list[Condition]:
    found = [version.cascade.exit_if, *(step.condition for step in version.cascade.steps)]
    return [condition for condition in found if condition is not None]


def _is_constant(condition: Condition, world: World) -> bool:
    """Say whether a condition is the same at all times for people of one sort."""
    if any(isinstance(value, Span) for value in world.trigger.values()):
        return False
    return all(
        node.path[0] in ("contact", "trigger")
        if isinstance(node, Name)
        else not isinstance(node, Now | Event)
        for node in walk(condition.tree)
    )

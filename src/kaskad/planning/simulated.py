"""What a simulation comes to: counted once over everybody when it is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import ceil

from msgspec import Struct, field

from kaskad.domain.policy import HOUR
from kaskad.domain.run import Passage, failed
from kaskad.domain.terms import Channel, MessageState, Outcome, RunState, SkipReason
from kaskad.planning.lives import Life
from kaskad.planning.simulate import Played

SHARES = (0.5, 0.9, 0.99, 1.0)
_PAUSED = RunState.PAUSED.code
_SKIPPED = MessageState.SKIPPED.code
_UNSENT = (MessageState.CREATED.code, MessageState.QUEUED.code, MessageState.CANCELLED.code)
_NAMES = {channel.code: channel.value for channel in Channel}
_OUTCOMES = {outcome.code: outcome.value for outcome in Outcome}
_REASONS = {0: "", **{reason.code: reason.value for reason in SkipReason}}
MOST_HOURS = 24 * 400

Amounts = Mapping[str, int]  # currency -> minor units


class StepPlayed(Struct, frozen=True):
    """One step, in people. Times are ms after the start; None: nothing was sent."""

    step: str
    arrived: int
    messages: int
    attempts: int
    failed: int
    skipped: Mapping[str, int]
    unsent: int  # whose message was taken back, or still waited
    waiting: int  # who waits at it to the end, as it is paused
    uncalled: int  # calls that the own desk has not made in time
    reacted: int
    cost: Amounts
    channels: Mapping[str, int]
    first_at: int | None
    last_at: int | None
    outside: int  # messages outside of the window of such messages
    twice: int  # people to whom more than one message of it went


class Told(Struct, frozen=True):
    """Something that happened to one person, `at` ms after the start."""

    at: int
    what: str
    step: str
    why: str


class Simulated(Struct, frozen=True):
    """A simulation. Of those who entered and were not held out; times are ms after the start."""

    people: int
    size: int
    held_out: int
    seed: int
    start: int
    steps: tuple[StepPlayed, ...]
    reached: int
    reach: float
    messages: int
    cost: Amounts
    outcomes: Mapping[str, int]
    under_way: int
    finished: Mapping[str, int | None]  # `50%` -> when so many runs were over; None: never
    hours: tuple[Mapping[str, int], ...]  # messages by channel, an hour each, from the start
    touches: Mapping[int, int]  # people by how many messages they got
    by_clock: Mapping[int, int]  # messages by the minute of the person's day
    outside: int
    traces: tuple[tuple[Told, ...], ...] = ()


def counted(played: Played) -> Simulated:
    """Return the figures of a simulation."""
    return _Counting(played).figures()


class _Step(Struct):
    """One step, being counted."""

    arrived: int = 0
    messages: int = 0
    attempts: int = 0
    failed: int = 0
    unsent: int = 0
    waiting: int = 0
    reacted: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    channels: Counter[str] = field(default_factory=Counter)
    cost: dict[str, float] = field(default_factory=dict)
    first_at: int | None = None
    last_at: int | None = None


class _Counting:
    """The figures of one simulation, being counted."""

    def __init__(self, played: Played) -> None:
        self._played, self._start = played, played.world.start
        self._ids = [step.id for step in played.version.cascade.steps]
        self._steps = [_Step() for _ in self._ids]
        self._hours: dict[int, Counter[str]] = {}
        self._touches: Counter[int] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._over: list[int] = []
        self._reached = 0
        self._lives = [life for life in played.lives if not life.run.holdout]
        for life in self._lives:
            self._count(life)
        for (number, currency), amount in played.costs.items():
            self._steps[number].cost[currency] = amount

    def _count(self, life: Life) -> None:
        run, touched = life.run, 0
        if run.outcome is not None:
            self._outcomes[_OUTCOMES[run.outcome]] += 1
            self._over.append((run.finished_at or self._start) - self._start)
        elif run.state == _PAUSED:
            self._steps[run.step].waiting += 1
        if life.reacted:
            self._reached += 1
            for number in life.reacted:
                self._steps[number].reacted += 1
        for number, passage in life.passages.items():
            step = self._steps[number]
            step.arrived += 1
            if passage.state == _SKIPPED:
                step.skipped[_REASONS[passage.reason or 0]] += 1
            elif passage.submitted_at is None or passage.state in _UNSENT:
                step.unsent += 1
            else:
                touched += 1
                self._message(step, passage)
        self._touches[touched] += 1

    def _message(self, step: _Step, passage: Passage) -> None:
        assert passage.submitted_at is not None
        after, name = passage.submitted_at - self._start, _NAMES[passage.channel]
        step.messages += 1
        step.attempts += passage.attempt
        step.failed += failed(passage.mask)
        step.channels[name] += 1
        step.first_at = after if step.first_at is None else min(step.first_at, after)
        step.last_at = after if step.last_at is None else max(step.last_at, after)
        hour = self._hours.get(after // HOUR)
        if hour is None:
            hour = self._hours[after // HOUR] = Counter()
        hour[name] += 1

    def figures(self) -> Simulated:
        """Return all that was counted."""
        played, people = self._played, len(self._lives)
        cost: dict[str, float] = {}
        for step in self._steps:
            for currency, amount in step.cost.items():
                cost[currency] = cost.get(currency, 0.0) + amount
        last = max(self._hours, default=-1)
        return Simulated(
            people=people, size=played.world.size or played.world.people,
            held_out=len(played.lives) - people, seed=played.world.seed, start=self._start,
            steps=tuple(self._told(number) for number in range(len(self._ids))),
            reached=self._reached, reach=round(self._reached / people, 6) if people else 0.0,
            messages=sum(step.messages for step in self._steps),
            cost={currency: round(amount) for currency, amount in cost.items()},
            outcomes=dict(self._outcomes.most_common()), under_way=people - len(self._over),
            finished=finished(self._over, people),
            hours=tuple(dict(self._hours.get(hour, {})) for hour in range(min(last + 1, MOST_HOURS))),
            touches=dict(sorted(self._touches.items())), by_clock=dict(sorted(played.by_clock.items())),
            outside=sum(played.outside.values()), 
            traces=tuple(self._trace(life) for life in played.lives if life.log is not None),
        )  # fmt: skip

    def _told(self, number: int) -> StepPlayed:
        step, played = self._steps[number], self._played
        return StepPlayed(
            step=self._ids[number], arrived=step.arrived, messages=step.messages, attempts=step.attempts,
            failed=step.failed, skipped=dict(step.skipped.most_common()), unsent=step.unsent,
            waiting=step.waiting, uncalled=played.uncalled.get(number, 0),
            reacted=step.reacted, cost={name: round(amount) for name, amount in step.cost.items()},
            channels=dict(step.channels.most_common()), first_at=step.first_at, last_at=step.last_at,
            outside=played.outside.get(number, 0), twice=played.twice.get(number, 0),
        )  # fmt: skip

    def _trace(self, life: Life) -> tuple[Told, ...]:
        return tuple(
            Told(moment.at - self._start, moment.what, "" if moment.step is None else self._ids[moment.step],
                 moment.why)
            for moment in life.log or ()
        )  # fmt: skip


def finished(over: list[int], people: int) -> dict[str, int | None]:
    """Return when so many of the people's runs were over, of those that ended after so long; None: never."""
    ended = sorted(over)
    found: dict[str, int | None] = {}
    for share in SHARES:
        last = max(0, ceil(share * people) - 1)
        found[f"{share:.0%}"] = ended[last] if last < len(ended) else None
    return found

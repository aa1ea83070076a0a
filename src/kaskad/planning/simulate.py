"""A cascade played on a virtual clock, with the real `decide` for everybody.

No rule of the cascade stands here: `decide` says what a run does. What people and services do is drawn with a
seed (`nature.py`): one seed is one course of the world, and a person does the same in it whatever is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.random import default_rng

from kaskad.domain.alike import answered
from kaskad.domain.cascade import Span
from kaskad.domain.clocks import patience_ms
from kaskad.domain.decide import Enter, decide, enter, goal_ends_at, settle
from kaskad.domain.entering import share
from kaskad.domain.hours import add, hour_of_day
from kaskad.domain.paths import instant_at
from kaskad.domain.policy import DAY, HOUR, MINUTE
from kaskad.domain.run import PLAIN, Answers, Decision, Run, Send
from kaskad.domain.scope import condition_scope
from kaskad.domain.terms import Channel, Kind, MessageState, Outcome, Phase, Reason, RunState, SkipReason
from kaskad.domain.version import Version
from kaskad.planning.agenda import Agenda
from kaskad.planning.alike import Alike
from kaskad.planning.lines import Line, lines
from kaskad.planning.lives import Life
from kaskad.planning.nature import Nature
from kaskad.planning.world import FREE, Rates, Sort, World

HORIZON_MS = 400 * DAY  # after the last has entered: what is not over then never is
_WAKE, _ANSWER, _FACT, _MARK, _TURN = range(5)
_TELL_EVERY = 20_000
_MOVES = 5_000  # of one run: more is a run that cannot be decided
_QUEUED = Phase.QUEUED.value
_FINISHED = RunState.FINISHED.code
_QUEUED_STATE = MessageState.QUEUED.code
_CHANNELS = {channel.code: channel for channel in Channel}
_TIMED = (Phase.ENTER.value, Phase.WAITING.value)
Tell = Callable[[float], None]


class Played(Struct):
    """A simulation that is over: everybody, and what they are to be counted by."""

    version: Version
    world: World
    lives: list[Life]
    outside: dict[int, int]  # by step: messages sent while the window of such a message was closed
    by_clock: dict[int, int]  # by minute of the person's day: messages
    twice: dict[int, int]  # by step: messages to people whom one had left for already


def play(
    version: Version, world: World, sorts: Sequence[Sort], rates: Rates, tell: Tell | None = None
) -> Played:  # fmt: skip
    """Return everybody's life. `tell` is called with the share of runs that are over, now and then; what it
    raises ends the simulation."""
    return _Play(version, world, sorts, rates, tell or (lambda share: None)).played()


class _Play:
    """One simulation under way."""

    def __init__(
        self, version: Version, world: World, sorts: Sequence[Sort], rates: Rates, tell: Tell
    ) -> None:  # fmt: skip
        self._version, self._world, self._tell = version, world, tell
        self._steps = version.cascade.steps
        self._agenda = Agenda()
        self._lines = lines(world)
        self._closings = sorted({at for line in self._lines.values() for at in line.turns(version)})
        self._nature = Nature(version, world, rates)
        sorts = [replace(sort, number=number) for number, sort in enumerate(sorts)]
        self._alike = Alike(version, world, sorts, self._closings)
        self._answered: dict[tuple[int, ...], Decision | None] = {}
        self._anchors: dict[tuple[int, int], dict[int, int]] = {}
        self._properties: dict[int, dict[str, object]] = {}
        self._budget = version.cascade.budget
        self._spent = 0.0
        self._over = 0
        self._outside: dict[int, int] = {}
        self._by_clock: dict[int, int] = {}
        self._twice: dict[int, int] = {}
        self._clocks: dict[tuple[int, int], tuple[int, bool]] = {}
        self._lives = [self._born(number, sort) for number, sort in enumerate(self._dealt(sorts))]

    def _dealt(self, sorts: Sequence[Sort]) -> list[Sort]:
        """Return the sort of each person: as often as there are such, in no order."""
        counts = np.array([sort.count for sort in sorts], dtype=np.float64)
        if not counts.sum():
            return []
        ends = np.round(np.cumsum(counts) / counts.sum() * self._world.people).astype(np.int64)
        each = np.repeat(np.arange(len(sorts)), np.diff(ends, prepend=0))
        return [sorts[n] for n in default_rng([self._world.seed, 2]).permutation(each).tolist()]

    def _born(self, number: int, sort: Sort) -> Life:
        """Return a person as enrolment makes the run, and let it begin."""
        version, world = self._version, self._world
        entered_at = world.start + self._enters_after(number)
        due_at = add(entered_at, version.cascade.trigger.delay, "UTC")
        run = Run(
            number + 1, 1, version.cascade_id, version.id, 0, RunState.PENDING.code, Phase.ENTER.value, -1,
            None, 0, due_at, due_at, entered_at,
        )  # fmt: skip
        if world.holdout and share(version, number + 1, "holdout") < world.holdout:
            ends_at = goal_ends_at(version, run)
            run = replace(run, holdout=1, wake_at=max(ends_at, entered_at), due_at=ends_at)
        assert run.wake_at is not None
        self._agenda.put(run.wake_at, _WAKE, number, run.seq)
        life = Life(number, sort, run, traced=number < world.traced)
        life.note(entered_at, "entered", None, "held out" if run.holdout else "")
        return life

    def _enters_after(self, number: int) -> int:
        world, pace = self._world, self._version.cascade.trigger.pace_per_hour
        if world.enter_over_ms:
            return number * world.enter_over_ms // max(1, world.people)
        return int(number * world.scale) * HOUR // pace if pace else 0

    def played(self) -> Played:
        """Play until all is over, or never will be."""
        agenda, lives = self._agenda, self._lives
        horizon = self._world.start + (self._enters_after(len(lives)) if lives else 0) + HORIZON_MS
        count = 0
        while (event := agenda.take()) is not None and event[0] <= horizon:
            at, _, what, whom, one, two = event
            if what == _WAKE:
                life = lives[whom]
                if life.run.seq == one and life.run.outcome is None:
                    self._wake(life, at)
            elif what == _ANSWER:
                self._answer(lives[whom], one, at)
            elif what == _FACT:
                self._fact(lives[whom], one, Kind(two), at)
            elif what == _MARK:
                self._mark(lives[whom], Kind(one), at)
            else:
                self._turn(self._lines[whom], at)
            count += 1
            if not count % _TELL_EVERY:
                self._tell(self._over / len(lives))
        return Played(self._version, self._world, lives, self._outside, self._by_clock, self._twice)

    # Decisions

    def _wake(self, life: Life, now: int) -> None:
        run = life.run
        timed = run.due_at == now and not run.marks and not run.holdout and run.phase in _TIMED
        place = self._alike.place(life, now) if timed else None
        if place is None:
            self._decide(life, now)
            return
        decision = self._alike.of_all(place, life, now)
        if decision is None:
            decision = self._decided(life, now)
            self._alike.keep(place, decision, life, now)
        # Whoever sends or ends is due now, whichever of them was asked about.
        self._take(life, decision, now, now if decision.wake_at is None else decision.due_at)

    def _decided(self, life: Life, now: int) -> Decision:
        return decide(
            self._version, life.run, life.passages, life.marks, lambda: self._answers(life, now), now
        )

    def _decide(self, life: Life, now: int) -> None:
        self._take(life, self._decided(life, now), now)

    def _take(self, life: Life, decision: Decision, now: int, due_at: int | None = None) -> None:
        """Carry out a decision; `due_at` is the run's own where others share the decision."""
        due_at = decision.due_at if due_at is None else due_at
        if decision.send is None:
            self._move(life, decision, due_at, now)
        else:
            self._send(life, decision, due_at, now)

    def _move(self, life: Life, decision: Decision, due_at: int, now: int) -> None:
        before = life.run
        life.move(decision, due_at, now)
        run = life.run
        if run.outcome is not None:
            self._over += before.outcome is None
            if life.log is not None and run.outcome != before.outcome:
                life.note(now, Outcome.of(run.outcome).value, run.outcome_step, decision.reason)
        elif run.wake_at is not None and run.seq < _MOVES:
            self._agenda.put(max(now, run.wake_at), _WAKE, life.number, run.seq)
            if life.log is not None and (run.wake_at, run.phase) != (before.wake_at, before.phase):
                life.note(now, "waits", max(run.step, 0), decision.detail or decision.reason)

    def _answers(self, life: Life, now: int) -> Answers:
        """Return what the last look would answer now."""
        version, sort, run = self._version, life.sort, life.run
        told = sort.answers
        scope = None
        if version.has_conditions:
            scope = condition_scope(
                version, run, life.passages, sort.contact, self._told(run), [], sort.standing
            )  # fmt: skip
        patience = patience_ms(version, max(run.step, 0))
        down = [code for code, line in self._lines.items() if line.is_down(now, patience)]
        accounts = {**told.accounts, **dict.fromkeys(down, 0)} if down else told.accounts
        named = told.named
        if down and named:
            named = {
                step.account: 0 if step.channels[0].code in down else named.get(step.account, 0)
                for step in self._steps
                if step.account
            }
        return Answers(
            told.zones, told.country, told.addresses, told.preferred, told.consents,
            life.touches(version.class_code), accounts, False, told.touched, scope,
            self._anchors_of(life) if version.anchored else None, named, told.told_addresses, told.fitting,
            told.dialogues,
        )  # fmt: skip

    def _told(self, run: Run) -> dict[str, object]:
        """Return the properties of the event that a run was begun by."""
        found = self._properties.get(run.entered_at)
        if found is None:
            found = self._properties[run.entered_at] = {
                name: add(run.entered_at, value, "UTC") if isinstance(value, Span) else value
                for name, value in self._world.trigger.items()
            }
        return found

    def _anchors_of(self, life: Life) -> Mapping[int, int]:
        key = life.run.entered_at, life.sort.number
        found = self._anchors.get(key)
        if found is None:
            told = self._told(life.run)
            found = self._anchors[key] = {
                step.number: at
                for step in self._version.anchored
                if (at := instant_at(step.at.path if step.at else "", told, life.sort.contact)) is not None
            }
        return found

    # Messages

    def _send(self, life: Life, decision: Decision, due_at: int, now: int) -> None:
        """Hand a message over, or let it wait for its service; over budget the run goes on without it."""
        send = decision.send
        assert send is not None
        cost = life.sort.prices.get((send.step, send.channel), FREE)
        price, currency = cost.at(now), cost.currency
        if self._is_over_budget(life, price, currency):
            skip = send.step, send.channel, SkipReason.OVER_BUDGET, ""
            wish = Enter(self._steps[send.step].next, now, "skipped")
            answers, skips = self._answers(life, now), (*decision.skips, skip)
            further = enter(self._version, life.run, life.passages, wish, answers, now, skips)
            self._take(life, further, now)
            return
        line = self._lines.get(send.channel)
        if line is not None and not line.takes(now):
            self._queue(life, decision, due_at, line, now)
            return
        passage = life.submit(decision, due_at, now)
        if price:
            self._pay(life, send.step, price, currency)
        if life.log is not None:
            life.note(now, "sent", send.step, _CHANNELS[send.channel].value)
        self._look_at_clock(life, send, now)
        self._agenda.put(now + self._world.accepted_ms, _ANSWER, life.number, send.step, passage.attempt)

    def _queue(self, life: Life, decision: Decision, due_at: int, line: Line, now: int) -> None:
        send = decision.send
        assert send is not None
        before, run = life.passages.get(send.step), life.run
        queued = before is not None and before.state == _QUEUED_STATE and run.phase == _QUEUED
        if queued and run.wake_at is not None and run.wake_at > now:
            return  # it keeps its place
        life.queue(decision, due_at, now + patience_ms(self._version, send.step), now)
        life.note(now, "queued", send.step, "the service takes no more just now")
        assert life.run.wake_at is not None
        self._agenda.put(life.run.wake_at, _WAKE, life.number, life.run.seq)
        line.queue.append((life.number, send.step))
        self._set_turn(line, now)

    def _set_turn(self, line: Line, now: int) -> None:
        if line.queue and not line.has_turn:
            line.has_turn = True
            self._agenda.put(max(now + 1, line.next_at(now)), _TURN, line.code)

    def _turn(self, line: Line, now: int) -> None:
        """Give those who wait for a service what room it has, each after another look."""
        line.has_turn = False
        tries = len(line.queue)
        while tries and line.queue and line.has_room(now):
            tries -= 1
            number, step = line.queue.popleft()
            life = self._lives[number]
            passage = life.passages.get(step)
            if life.run.outcome is None and passage is not None and passage.state == _QUEUED_STATE:
                with line.serving():
                    self._hand_over(life, now)
        self._set_turn(line, now)

    def _hand_over(self, life: Life, now: int) -> None:
        version, run = self._version, life.run
        settled = settle(version, run, life.passages, life.marks, now)
        if isinstance(settled, Decision):
            if settled.phase != _QUEUED or settled.outcome is not None:
                self._move(life, settled, settled.due_at, now)
                return
            settled = Enter(run.step, run.due_at, "handed over")
        answers = self._answers(life, now)
        self._take(life, enter(version, run, life.passages, settled, answers, now), now)

    def _is_over_budget(self, life: Life, price: float, currency: str) -> bool:
        total, each = self._budget.total, self._budget.per_contact
        if not price or (total is None and each is None):
            return False
        spent = (self._spent + price) * self._world.scale
        if total is not None and total.currency == currency and spent > total.minor:
            return True
        own = sum(amount for (_, name), amount in (life.spent or {}).items() if name == currency)
        return each is not None and each.currency == currency and own + price > each.minor

    def _pay(self, life: Life, step: int, price: float, currency: str) -> None:
        spent = life.spent = {} if life.spent is None else life.spent
        spent[step, currency] = spent.get((step, currency), 0.0) + price
        if currency == self._budget.currency:
            self._spent += price

    def _look_at_clock(self, life: Life, send: Send, now: int) -> None:
        """Count by which clock of the person's a message goes, and whether such messages may go then."""
        key = life.sort.number * 1_000 + send.step * 20 + send.channel, now // MINUTE
        found = self._clocks.get(key)
        if found is None:
            answers = life.sort.answers
            found = self._clocks[key] = self._clock(answers, send, now)
        minute, is_open = found
        self._by_clock[minute] = self._by_clock.get(minute, 0) + 1
        if not is_open:
            self._outside[send.step] = self._outside.get(send.step, 0) + 1

    def _clock(self, answers: Answers, send: Send, now: int) -> tuple[int, bool]:
        windows, message_class = self._version.windows, self._version.cascade.message_class
        key = windows.key(_CHANNELS[send.channel], message_class, answers.zones, answers.country)
        return hour_of_day(now, answers.zones[0]) // MINUTE, windows.next(now, key) == now

    # What services and people do

    def _answer(self, life: Life, step: int, now: int) -> None:
        """The service takes a message, or refuses it at once."""
        passage = life.passages[step]
        fate = self._nature.fate(life, passage)
        if self._nature.refuses(fate, step):
            self._fail(life, step, now)
            return
        if passage.sent_at is not None:
            self._twice[step] = self._twice.get(step, 0) + 1
        told = life.fold(step, Kind.SENT, now)
        assert told is not None
        run = life.run
        silence_ms = self._version.rules[step, told.channel].silence_ms
        if silence_ms is not None and not run.marks and not life.marks and run.outcome is None:
            life.begin_waiting(now + silence_ms)
            self._agenda.put(now + silence_ms, _WAKE, life.number, life.run.seq)
        else:
            self._decide(life, now)
        anchors = self._anchors_of(life) if self._version.anchored else None
        for act in self._nature.acts(life, told, fate, anchors, now):
            if act.step is None:
                self._agenda.put(act.at, _MARK, life.number, act.kind.value)
            else:
                self._agenda.put(act.at, _FACT, life.number, act.step, act.kind.value)

    def _fail(self, life: Life, step: int, now: int) -> None:
        told = life.fold(step, Kind.REJECTED, now)
        assert told is not None
        life.passages[step] = replace(told, reason=Reason.OTHER.code)
        cost = life.sort.prices.get((step, told.channel), FREE)
        price = cost.at(now if told.submitted_at is None else told.submitted_at)
        if price:  # what was refused is not paid for
            self._pay(life, step, -price, cost.currency)
        life.note(now, "failed", step, "the service refuses it")
        self._decide(life, now)

    def _fact(self, life: Life, step: int, kind: Kind, now: int) -> None:
        first = not life.run.marks
        told = life.fold(step, kind, now)
        if told is None:
            return
        if kind is self._nature.kinds[step, told.channel].reaction:
            steps = life.reacted = set() if life.reacted is None else life.reacted
            steps.add(step)
        life.note(now, kind.name.lower(), step)
        run = life.run
        if first and not life.marks and not kind.bit & PLAIN and run.outcome is None:
            key = run.state, run.phase, run.step, run.late, step, told.channel, told.mask
            if key not in self._answered:
                plain = replace(run, marks=0)
                self._answered[key] = answered(
                    self._version, plain, step, told.channel, told.mask, told.first, now
                )
            ends = self._answered[key]
            if ends is not None:
                self._move(life, ends, run.due_at, now)
                return
        self._decide(life, now)

    def _mark(self, life: Life, kind: Kind, now: int) -> None:
        life.mark(kind, now)
        life.note(now, kind.name.lower(), None)
        self._decide(life, now)

"""A cascade played on a virtual clock, with the real `decide` for everybody.

No rule of the cascade stands here: `decide` says what a run does. What people and services do is drawn with a
seed (`nature.py`): one seed is one course of the world, and a person does the same in it whatever is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from kaskad.domain.alike import answered
from kaskad.domain.caps import Touch
from kaskad.domain.clocks import patience_ms
from kaskad.domain.decide import Enter, decide, enter, goal_ends_at, settle
from kaskad.domain.entering import share
from kaskad.domain.hours import add
from kaskad.domain.paths import instant_at
from kaskad.domain.policy import DAY, HOUR
from kaskad.domain.run import PLAIN, Answers, Decision, Passage, Run, Send
from kaskad.domain.scope import condition_scope
from kaskad.domain.terms import Channel, Kind, MessageState, Outcome, Phase, Reason, RunState, SkipReason
from kaskad.domain.timing import latest
from kaskad.domain.version import Version
from kaskad.planning.agenda import ANSWER, CALLED, DESK, FACT, MARK, MISSED, REPEAT, TURN, WAKE, Agenda
from kaskad.planning.alike import Alike
from kaskad.planning.begun import Begun
from kaskad.planning.calls import Calls, desk_of
from kaskad.planning.clocks import Clocks
from kaskad.planning.held import FOLLOWED_MS, next_look
from kaskad.planning.lines import Line, lines
from kaskad.planning.lives import Life
from kaskad.planning.nature import BUSY, HALF_LOST, LOST, NO_ANSWER, REFUSED, TAKEN, Nature
from kaskad.planning.purse import NEVER, Purse
from kaskad.planning.roles import roles_of
from kaskad.planning.world import FREE, Cast, Rates, Sort, World

HORIZON_MS = 400 * DAY  # after the last has entered: what is not over then never is
_TELL_EVERY = 20_000
_MOVES = 5_000  # of one run: more is a run that cannot be decided
_QUEUED = Phase.QUEUED.value
_ACTIVE, _PAUSED = RunState.ACTIVE.code, RunState.PAUSED.code
_QUEUED_STATE = MessageState.QUEUED.code
_AGENT = Channel.AGENT_CALL.code
_CHANNELS = {channel.code: channel for channel in Channel}
_KINDS = {kind.value: kind for kind in Kind}
_SENT_KIND, _REJECTED_KIND, _FAILED_KIND = Kind.SENT.value, Kind.REJECTED.value, Kind.FAILED.value
_CREATED, _SUBMITTED = MessageState.CREATED.code, MessageState.SUBMITTED.code
_MISSED_BY = {BUSY: Reason.BUSY, NO_ANSWER: Reason.NO_ANSWER}
_RINGS_MS = {Reason.BUSY: 5_000, Reason.NO_ANSWER: 30_000}
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
    costs: dict[tuple[int, str], float]  # by step and currency: minor units
    uncalled: Mapping[int, int]  # by step: calls that the desk has not made in time


def play(
    version: Version, world: World, sorts: Sequence[Sort], rates: Rates, tell: Tell | None = None,
    cast: Cast | None = None,
) -> Played:  # fmt: skip
    """Return everybody's life. Who is of the cast is played as themselves, else as many of each sort as it
    counts. `tell` is called with the share of runs that are over, now and then; what it raises ends the
    simulation."""
    return _Play(version, world, sorts, rates, tell or (lambda share: None), cast).played()


class _Play:
    """One simulation under way."""

    def __init__(
        self, version: Version, world: World, sorts: Sequence[Sort], rates: Rates, tell: Tell,
        cast: Cast | None,
    ) -> None:  # fmt: skip
        self._version, self._world, self._tell = version, world, tell
        self._steps = version.cascade.steps
        self._agenda = Agenda()
        desk = desk_of(world)
        self._lines: dict[int, Line] = {**lines(world), **({_AGENT: desk} if desk else {})}
        self._closings = sorted({at for line in self._lines.values() for at in line.turns(version)})
        self._nature = Nature(version, world, rates)
        sorts = [replace(sort, number=number) for number, sort in enumerate(sorts)]
        self._alike = Alike(version, world, sorts, self._closings)
        purse = Purse(version.cascade.budget, world)
        told = version, self._nature, self._agenda, self._decide, self._answers, purse.pay, self._goes
        self._calls = None if desk is None else Calls(desk, *told, world.buys)
        self._answered: dict[tuple[int, ...], Decision | None] = {}
        self._anchors: dict[tuple[int, int], dict[int, int]] = {}
        self._begun = Begun(version, world.trigger)
        self._purse = purse
        self._over = 0
        self._twice: dict[int, int] = {}
        self._clocks = Clocks(version)
        roles = roles_of(world, cast, sorts)
        self._lives = [self._born(number, *role) for number, role in enumerate(roles)]

    def _born(self, number: int, contact_id: int, sort: Sort, touched: Sequence[Touch]) -> Life:
        """Return a person as enrolment makes the run, and let it begin."""
        version, world = self._version, self._world
        entered_at = world.start + self._enters_after(number)
        due_at = add(entered_at, version.cascade.trigger.delay, version.policy.zone)
        run = Run(
            contact_id, 1, version.cascade_id, version.id, 0, RunState.PENDING.code, Phase.ENTER.value, -1,
            None, 0, due_at, due_at, entered_at,
        )  # fmt: skip
        controlled = version.control is not None and version.control.holds(contact_id, entered_at)
        if controlled or (world.holdout and share(version, contact_id, "holdout") < world.holdout):
            ends_at = goal_ends_at(version, run)
            run = replace(run, holdout=1, wake_at=max(ends_at, entered_at), due_at=ends_at)
        assert run.wake_at is not None
        self._agenda.put(run.wake_at, WAKE, number, run.seq)
        life = Life(number, sort, run, touched, traced=number < world.traced)
        life.note(entered_at, "entered", None, "held out" if run.holdout else "")
        return life

    def _enters_after(self, number: int) -> int:
        world, pace = self._world, self._version.cascade.trigger.pace_per_hour
        if world.enter_over_ms:
            return number * world.enter_over_ms // max(1, world.people)
        return int(number * world.scale) * HOUR // pace if pace else 0

    def played(self) -> Played:
        """Play until all is over, or never will be."""
        lives = self._lives
        horizon = self._world.start + (self._enters_after(len(lives)) if lives else 0) + HORIZON_MS
        for count, (at, _, what, whom, one, two) in enumerate(self._agenda.until(horizon), 1):
            if what == WAKE:
                life = lives[whom]
                if life.run.seq == one and life.run.outcome is None:
                    self._wake(life, at)
            elif what == ANSWER:
                self._answer(lives[whom], one, at)
            elif what == DESK and self._calls is not None:
                self._calls.again(whom, one, at)
            elif what == CALLED and self._calls is not None:
                self._calls.called(whom, one, at)
            elif what == REPEAT:
                self._repeat(lives[whom], one, two, at)
            elif what == MISSED:
                self._miss(lives[whom], one, Reason.of(two), at)
            elif what == FACT:
                self._fact(lives[whom], one, two, at)
            elif what == MARK:
                self._mark(lives[whom], one, at)
            else:
                self._turn(self._lines[whom], at)
            if self._calls is not None and self._calls.desk.undialled:
                self._calls.forget()
            if not count % _TELL_EVERY:
                self._tell(self._over / len(lives))
        return Played(
            self._version, self._world, lives, self._clocks.outside, self._clocks.by_clock, self._twice,
            self._purse.costs, self._calls.ended(horizon) if self._calls else {},
        )  # fmt: skip

    def _wake(self, life: Life, now: int) -> None:
        if self._calls is not None:
            self._calls.desk.expire(life, now)
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
        if decision.state == _PAUSED:
            decision = self._at_pause(life, decision, now)
        if decision.send is None:
            self._move(life, decision, due_at, now)
        else:
            self._send(life, decision, due_at, now)

    def _at_pause(self, life: Life, decision: Decision, now: int) -> Decision:
        """Return the decision to wait at a paused step, with the next look that may find something else."""
        answers = life.sort.answers
        if life.paused is None or life.paused[0] != decision.step:
            life.paused = decision.step, now
        at = None
        if now < life.paused[1] + FOLLOWED_MS:
            step = self._steps[decision.step]
            at = next_look(self._version, step, answers.zones, answers.country, decision.due_at, now)
        return replace(decision, wake_at=at)

    def _move(self, life: Life, decision: Decision, due_at: int, now: int) -> None:
        before = life.run
        life.move(decision, due_at, now)
        run = life.run
        if run.outcome is not None:
            self._over += before.outcome is None
            if life.log is not None and run.outcome != before.outcome:
                life.note(now, Outcome.of(run.outcome).value, run.outcome_step, decision.reason)
        elif run.wake_at is not None and run.seq < _MOVES:
            self._agenda.put(max(now, run.wake_at), WAKE, life.number, run.seq)
            if life.log is not None and (run.wake_at, run.phase) != (before.wake_at, before.phase):
                life.note(now, "waits", max(run.step, 0), decision.detail or decision.reason)

    def _answers(self, life: Life, now: int) -> Answers:
        """Return what the last look would answer now."""
        version, sort, run = self._version, life.sort, life.run
        told = sort.answers
        scope = None
        if version.has_conditions:
            scope = condition_scope(
                version, run, life.passages, sort.contact, self._begun.told(run.entered_at, told), [],
                sort.standing,
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
            told.dialogues, told.rhythm, told.traits,
        )  # fmt: skip

    def _anchors_of(self, life: Life) -> Mapping[int, int]:
        key = life.run.entered_at, life.sort.number
        found = self._anchors.get(key)
        if found is None:
            told = self._begun.told(life.run.entered_at, life.sort.answers)
            found = self._anchors[key] = {
                step.number: at
                for step in self._version.anchored
                if (at := instant_at(step.at.path if step.at else "", told, life.sort.contact)) is not None
            }
        return found

    def _send(self, life: Life, decision: Decision, due_at: int, now: int) -> None:
        """Hand a message over, or let it wait for its service; over budget the run goes on without it."""
        send = decision.send
        assert send is not None
        cost = life.sort.prices.get((send.step, send.channel), FREE)
        price, currency = cost.at(now), cost.currency
        again_at = self._purse.lacks(life, price, currency, send.account_id, now)
        if again_at is not None:
            self._lack(life, decision, due_at, again_at, now)
            return
        calls = self._calls if send.channel == _AGENT else None
        before = life.passages.get(send.step)
        if calls is not None:
            is_queued = before is not None and before.state == _QUEUED_STATE
            waits = calls.waits(send, decision, is_queued, now)
            if waits is not None:
                self._move(life, waits, waits.due_at, now)
                return
        line = self._lines.get(send.channel)
        if line is not None and not line.takes(now, life.stands):
            self._queue(life, decision, due_at, line, now)
            return
        if calls is not None:
            calls.open(life, decision, price, currency, now)
            self._agenda.put(life.run.due_at, WAKE, life.number, life.run.seq)
            return
        if before is not None and before.sent_at is not None and before.state != _CREATED:
            self._twice[send.step] = self._twice.get(send.step, 0) + 1
        passage = life.submit(decision, due_at, now)
        if price:
            self._purse.pay(life, send.step, price, currency, now)
        self._goes(life, send, now)
        if self._is_let_be(life, send, passage, now):
            self._accepted(life, send.step, now + self._world.accepted_ms)
        else:
            self._agenda.put(now + self._world.accepted_ms, ANSWER, life.number, send.step, passage.attempt)

    def _lack(self, life: Life, decision: Decision, due_at: int, again_at: int, now: int) -> None:
        """Let a run wait for a budget that begins anew, or go on without a message that nobody can pay."""
        send = decision.send
        assert send is not None
        step = self._steps[send.step]
        if again_at != NEVER and step.at is None and again_at <= latest(self._version, due_at):
            before = life.passages.get(send.step)
            is_queued = before is not None and before.state == _QUEUED_STATE
            waits = replace(
                decision, state=_ACTIVE, phase=Phase.ENTER.value, wake_at=again_at, send=None,
                withdraw=send.step if is_queued else decision.withdraw, detail="no budget is left until then",
            )  # fmt: skip
            self._move(life, waits, due_at, now)
            return
        skip = send.step, send.channel, SkipReason.OVER_BUDGET, ""
        wish = Enter(step.next, now, "skipped")
        answers, skips = self._answers(life, now), (*decision.skips, skip)
        self._take(life, enter(self._version, life.run, life.passages, wish, answers, now, skips), now)

    def _goes(self, life: Life, send: Send, now: int) -> None:
        """Count a message by the clock of when it leaves for the person."""
        if life.log is not None:
            life.note(now, "sent", send.step, _CHANNELS[send.channel].value)
        self._clocks.count(life.sort, send, now)

    def _is_let_be(self, life: Life, send: Send, passage: Passage, now: int) -> bool:
        """Say whether all that happens to a person before the answer is that answer, and its wait begins."""
        nature, run, channel = self._nature, life.run, send.channel
        if life.acts_until >= now or run.marks or life.marks:
            return False
        if self._version.rules[send.step, channel].silence_ms is None:
            return False
        return nature.always_takes or (
            nature.met(nature.fate(life, send.step, passage.attempt), send.step, channel) == TAKEN
        )

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
        self._agenda.put(life.run.wake_at, WAKE, life.number, life.run.seq)
        line.queue.append((life.number, send.step))
        self._set_turn(line, now)

    def _set_turn(self, line: Line, now: int) -> None:
        if line.queue and not line.has_turn:
            line.has_turn = True
            stands = self._lives[line.queue[0][0]].stands
            self._agenda.put(max(now + 1, line.next_at(now, stands)), TURN, line.code)

    def _turn(self, line: Line, now: int) -> None:
        """Give those who wait for a service what room it has, each after another look."""
        line.has_turn = False
        tries = len(line.queue)
        while tries and line.queue and line.has_room(now, self._lives[line.queue[0][0]].stands):
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

    def _answer(self, life: Life, step: int, now: int, *, is_repeated: bool = False) -> None:
        """The service takes a message, or refuses it at once, or its answer is lost."""
        passage = life.passages[step]
        what = self._nature.met(self._nature.fate(life, step, passage.attempt), step, passage.channel)
        if what == REFUSED:
            self._fail(life, step, now)
        elif what in (LOST, HALF_LOST) and not is_repeated:
            self._lose(life, passage, what == HALF_LOST, now)
        else:
            self._accepted(life, step, now, _MISSED_BY.get(what))

    def _lose(self, life: Life, passage: Passage, arrived: bool, now: int) -> None:
        """No answer comes: where it is safe the service is asked again when the guard runs out."""
        life.note(now, "unanswered", passage.step, "the answer of the service is lost")
        guard_at = life.run.wake_at
        if guard_at is not None and passage.channel in self._world.repeats:
            at = guard_at + self._world.accepted_ms
            self._agenda.put(at, REPEAT, life.number, passage.step, passage.attempt)
            return
        if guard_at is not None:  # else the run has ended meanwhile
            self._agenda.put(max(now, guard_at), WAKE, life.number, life.run.seq)
        if arrived:
            self._let_act(life, passage, now)

    def _accepted(self, life: Life, step: int, now: int, missed: Reason | None = None) -> None:
        """Let the wait for a person begin, who does what they do; `missed`: why the call reaches nobody."""
        told = life.fold(step, _SENT_KIND, now)
        assert told is not None
        run = life.run
        silence_ms = self._version.rules[step, told.channel].silence_ms
        if silence_ms is not None and not run.marks and not life.marks and run.outcome is None:
            life.begin_waiting(now + silence_ms)
            self._agenda.put(now + silence_ms, WAKE, life.number, life.run.seq)
        else:
            self._decide(life, now)
        if missed is None:
            self._let_act(life, told, now)
        else:
            at = now + _RINGS_MS[missed]
            life.acts_until = max(life.acts_until, at)
            self._agenda.put(at, MISSED, life.number, step, missed.code)

    def _let_act(self, life: Life, told: Passage, now: int) -> None:
        """Put what follows from a message that has just reached somebody."""
        anchors = self._anchors_of(life) if self._version.anchored else None
        fate = self._nature.fate(life, told.step, told.attempt)
        for act in self._nature.acts(life, told, fate, anchors, now):
            life.acts_until = max(life.acts_until, act.at)
            if act.step is None:
                self._agenda.put(act.at, MARK, life.number, act.kind)
            else:
                self._agenda.put(act.at, FACT, life.number, act.step, act.kind)

    def _repeat(self, life: Life, step: int, attempt: int, now: int) -> None:
        """The service is asked again under the same key, and tells what it did; ended runs ask nothing."""
        passage = life.passages[step]
        asks = life.run.outcome is None and life.run.step == step and passage.attempt == attempt
        if asks and passage.state == _SUBMITTED:
            self._answer(life, step, now, is_repeated=True)

    def _miss(self, life: Life, step: int, why: Reason, now: int) -> None:
        """A call reaches nobody: it may be made again."""
        told = life.fold(step, _FAILED_KIND, now)
        assert told is not None
        life.passages[step] = replace(told, reason=why.code)
        life.note(now, "missed", step, why.value.replace("_", " "))
        self._decide(life, now)

    def _fail(self, life: Life, step: int, now: int) -> None:
        told = life.fold(step, _REJECTED_KIND, now)
        assert told is not None
        life.passages[step] = replace(told, reason=Reason.OTHER.code)
        cost = life.sort.prices.get((step, told.channel), FREE)
        handed_at = now if told.submitted_at is None else told.submitted_at
        price = cost.at(handed_at)
        if price:  # what was refused is not paid for
            self._purse.pay(life, step, -price, cost.currency, handed_at)
        life.note(now, "failed", step, "the service refuses it")
        self._decide(life, now)

    def _fact(self, life: Life, step: int, kind: int, now: int) -> None:
        first = not life.run.marks
        told = life.fold(step, kind, now)
        if told is None:
            return
        if kind == self._nature.kinds[step, told.channel].reaction:
            life.react(step)
        if life.log is not None:
            life.note(now, _KINDS[kind].name.lower(), step)
        run = life.run
        if first and not life.marks and not 1 << kind & PLAIN and run.outcome is None:
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

    def _mark(self, life: Life, kind: int, now: int) -> None:
        life.mark(kind, now)
        life.note(now, _KINDS[kind].name.lower(), None)
        self._decide(life, now)

"""The own call desk of a simulation: so many agents, their hours, calls that wait, are missed or expire.

What the tables of tasks do in the engine is done here with values. How much a desk can do, when it works and
when a task is due says its plan (`domain/task.py`); who may be called, `still_may`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from heapq import heappop, heappush

from msgspec import Struct
from msgspec.structs import replace

from kaskad.domain.clocks import valid_for_ms
from kaskad.domain.entering import still_may
from kaskad.domain.policy import MINUTE
from kaskad.domain.run import Answers, Decision, Send
from kaskad.domain.task import AGAIN_AFTER_MS, MOST_CALLS, TALK_MS, DeskPlan
from kaskad.domain.terms import Channel, Kind, Phase, Reason, RunState
from kaskad.domain.timing import When
from kaskad.domain.version import Version
from kaskad.planning.agenda import CALLED, DESK, MARK, WAKE, Agenda
from kaskad.planning.lines import Line, outages_of
from kaskad.planning.lives import Life
from kaskad.planning.nature import BUSY, NO_ANSWER, Nature
from kaskad.planning.world import World

_ANYBODY = -1  # whom a desk that looks for work may call
_ACTIVE, _WAITING = RunState.ACTIVE.code, Phase.WAITING.value
_AGENT = Channel.AGENT_CALL.code
_REJECTED, _FAILED, _ANSWERED = Kind.REJECTED.value, Kind.FAILED.value, Kind.ANSWERED.value


class Task(Struct):
    """One call to be made; `dials` are those that were made for it. `price`: minor units of a currency, paid
    when it was opened."""

    life: Life
    send: Send
    due_at: int
    urgent: bool
    price: float
    currency: str
    opened_at: int
    dials: int = 0
    misses: int = 0
    on_the_phone: bool = False

    @property
    def step(self) -> int:
        """The number of its step."""
        return self.send.step


class CallDesk(Line):
    """What a desk may be given: as many tasks as its people can do, in their hours."""

    def __init__(self, plan: DeskPlan, outages: list[tuple[int, int]], talk_ms: int) -> None:
        super().__init__(_AGENT, 0.0, outages)
        self.plan, self.idle, self.talk_ms = plan, plan.agents, talk_ms
        self.tasks: dict[int, Task] = {}  # by the number of the life
        self.ready: list[tuple[bool, int, int, int]] = []  # not urgent, due, life, step: a heap
        self.uncalled: dict[int, int] = {}  # by step: tasks that were never dialled in time
        self.undialled: list[Task] = []  # that are off the desk, and not told of yet
        self._day, self._opened = 0, 0

    def has_room(self, now: int, stands: float = 1.0) -> bool:
        """Say whether the desk works, and takes another task."""
        if not super().has_room(now, stands) or self.closed_until(now) is not None:
            return False
        if self.plan.per_day and self._opened_today(now) >= self.plan.per_day:
            return False
        if len(self.tasks) >= self.plan.capacity:
            self.sweep(now)
        return len(self.tasks) < self.plan.capacity

    def closed_until(self, now: int) -> int | None:
        """Return when the desk works again; None: it works now."""
        opens_at = self.plan.opens_at(now)
        return opens_at if opens_at > now else None

    def next_at(self, now: int, stands: float = 1.0) -> int:
        """Return when to look again at those who wait."""
        if self.plan.per_day and self._opened_today(now) >= self.plan.per_day:
            return self.plan.opens_at(self.plan.next_day(now))
        return max(
            super().next_at(now, stands), self.closed_until(now) or now + MINUTE * self.talk_ms // TALK_MS
        )

    def open(self, task: Task, now: int) -> None:
        """Take a task."""
        self._opened = self._opened_today(now) + 1
        self.tasks[task.life.number] = task
        self.put(task)

    def put(self, task: Task) -> None:
        """Let an agent take the task from now on."""
        heappush(self.ready, (not task.urgent, task.due_at, task.life.number, task.step))

    def next_task(self, now: int) -> Task | None:
        """Return the next task that is still wanted; whom nobody called in time is let go."""
        while self.ready:
            _, due_at, number, step = heappop(self.ready)
            task = self.tasks.get(number)
            if task is None or task.on_the_phone or (task.step, task.due_at) != (step, due_at):
                continue
            if self.is_wanted(task, now):
                return task
            self._let_go(task, now)
        return None

    def is_wanted(self, task: Task, now: int) -> bool:
        """Say whether the run still waits for this call."""
        run = task.life.run
        here = run.outcome is None and run.step == task.step and run.phase == _WAITING
        return here and task.due_at > now

    def drop(self, task: Task) -> None:
        """Take a task off the desk."""
        if self.tasks.pop(task.life.number, None) is not None and not task.dials:
            self.undialled.append(task)

    def expire(self, life: Life, now: int) -> None:
        """Let go of somebody's task that is past due, before their run moves on because of that."""
        task, run = self.tasks.get(life.number), life.run
        if task is None or task.on_the_phone or task.due_at > now:
            return
        if run.outcome is None and (run.step, run.phase) == (task.step, _WAITING) and not task.dials:
            self.uncalled[task.step] = self.uncalled.get(task.step, 0) + 1
        self.drop(task)

    def sweep(self, now: int) -> None:
        """Let go of what nobody waits for any more."""
        for task in [task for task in self.tasks.values() if not self.is_wanted(task, now)]:
            self._let_go(task, now)

    def _let_go(self, task: Task, now: int) -> None:
        self.expire(task.life, now)
        self.drop(task)

    def _opened_today(self, now: int) -> int:
        day = self.plan.day_began(now)
        if day != self._day:
            self._day, self._opened = day, 0
        return self._opened


def desk_of(world: World) -> CallDesk | None:
    """Return the world's desk, with as many agents as these people have of the audience's."""
    plan = world.desk
    if plan is None:
        return None
    agents = max(1, round(plan.agents / world.scale))
    own = replace(
        plan, agents=agents, call_ms=max(1, round(plan.call_ms * world.scale * agents / plan.agents)),
        per_day=max(1, round(plan.per_day / world.scale)) if plan.per_day else 0,
    )  # fmt: skip
    # A call of one who stands for many lasts as long as theirs together, and is waited for as long.
    talk_ms = max(TALK_MS, TALK_MS * own.call_ms // plan.call_ms)
    return CallDesk(own, outages_of(world, Channel.AGENT_CALL), talk_ms)


class Calls:
    """The agents of a desk at work. `decide` decides about somebody, `ask` returns what is known of them,
    `pay` counts what a step's message costs, `goes` a message that leaves."""

    def __init__(
        self, desk: CallDesk, version: Version, nature: Nature, agenda: Agenda,
        decide: Callable[[Life, int], None], ask: Callable[[Life, int], Answers],
        pay: Callable[[Life, int, float, str, int], None], goes: Callable[[Life, Send, int], None],
        buys: float,
    ) -> None:  # fmt: skip
        self.desk = desk
        self._version, self._nature, self._agenda, self._buys = version, nature, agenda, buys
        self._decide, self._ask, self._pay, self._goes = decide, ask, pay, goes

    def waits(self, send: Send, decision: Decision, is_queued: bool, now: int) -> Decision | None:
        """Return the decision to enter the step when the desk works again; None: it works, or a date says
        when."""
        opens_at = self.desk.closed_until(now)
        if opens_at is None or self._version.cascade.steps[send.step].at is not None:
            return None
        return Decision(
            _ACTIVE, Phase.ENTER.value, send.step, opens_at, opens_at, decision.reason, skips=decision.skips,
            withdraw=send.step if is_queued else decision.withdraw, detail="the call desk is closed",
        )  # fmt: skip

    def open(self, life: Life, decision: Decision, price: float, currency: str, now: int) -> None:
        """Give the desk the decision's call."""
        send, version = decision.send, self._version
        assert send is not None
        step, steps = version.cascade.steps[send.step], version.cascade.steps
        following = None if step.next is None else steps[step.next]
        answers = self._ask(life, now)
        due_at = self.desk.plan.due_at(now)
        if step.wait or step.at or (following is not None and following.at):
            valid = valid_for_ms(version, life.run, send.step, _AGENT, answers.anchors, answers.zones[0], now)
            due_at = max(now + 1, min(due_at, now + valid))
        asked = any(each.mask & Kind.ASKED_AGENT.bit for each in life.passages.values())
        life.call(decision, due_at, now)
        life.note(now, "task", send.step)
        if price:
            self._pay(life, send.step, price, currency, now)
        urgent = asked or step.urgent or version.cascade.urgent
        self.desk.open(Task(life, send, due_at, urgent, price, currency, now), now)
        self._agenda.put(now, DESK, _ANYBODY)

    def forget(self) -> None:
        """Take back calls that nobody has made, as the engine does: they touched nobody and cost nothing."""
        for task in self.desk.undialled:
            task.life.forget_call(task.step)
            if task.price:
                self._pay(task.life, task.step, -task.price, task.currency, task.opened_at)
        self.desk.undialled.clear()

    def ended(self, now: int) -> Mapping[int, int]:
        """Return by step how many calls were not made in time, once all is over."""
        self.desk.sweep(now)
        self.forget()
        return self.desk.uncalled

    def work(self, now: int) -> None:
        """Let idle agents call whom they may."""
        desk = self.desk
        opens_at = desk.closed_until(now)
        if opens_at is not None:
            if desk.ready:
                self._agenda.put(opens_at, DESK, _ANYBODY)
            return
        while desk.idle and (task := desk.next_task(now)) is not None:
            self._dial(task, now)

    def _dial(self, task: Task, now: int) -> None:
        """Call somebody, after a last look."""
        life, version = task.life, self._version
        answers = self._ask(life, now)
        own = life.passages[task.step].submitted_at
        answers.touches = tuple(
            each for each in answers.touches
            if (each.run_id, each.channel_code, each.at) != (life.run.id, _AGENT, own)
        )  # fmt: skip
        why = still_may(version, life.run, version.cascade.steps[task.step], Channel.AGENT_CALL, answers, now)
        if isinstance(why, When):
            if why.at is not None and why.at < task.due_at:
                self._agenda.put(why.at, DESK, life.number, task.step)
            return
        if why is not None:
            self._end(task, now, _REJECTED, why.value)
            return
        if not task.dials:
            self._goes(life, task.send, now)
        task.dials += 1
        task.on_the_phone = True
        self.desk.idle -= 1
        life.note(now, "called", task.step)
        self._wait_longer(task, now + self.desk.talk_ms)
        self._agenda.put(now + self.desk.plan.call_ms, CALLED, life.number, task.step)

    def again(self, number: int, step: int, now: int) -> None:
        """Let a task that had to wait be called from now on."""
        task = self.desk.tasks.get(number)
        if task is not None and task.step == step:
            self.desk.put(task)
        self.work(now)

    def called(self, number: int, step: int, now: int) -> None:
        """A call ends: somebody was reached or not, and an agent is free."""
        self.desk.idle += 1
        task = self.desk.tasks.get(number)
        if task is not None and task.step == step:
            task.on_the_phone = False
            if self.desk.is_wanted(task, now):
                self._ended(task, now)
            else:
                self.desk.drop(task)
        self.work(now)

    def _ended(self, task: Task, now: int) -> None:
        life, step, nature = task.life, task.step, self._nature
        fate = nature.fate(life, step, 1)
        missed = nature.met(nature.fate(life, step, task.dials), step, _AGENT) in (BUSY, NO_ANSWER)
        reacts, leaves = nature.rate(step, _AGENT, life.written - 1)
        reaction = nature.kinds[step, _AGENT].reaction.value
        if missed or (reaction == _ANSWERED and fate[1] >= reacts + leaves):
            self._miss(task, now)
        elif fate[1] < reacts:
            if fate[3] < self._buys:
                self._agenda.put(now + 1, MARK, life.number, Kind.GOAL.value)
            self._end(task, now, reaction, "")
        elif fate[1] < reacts + leaves:
            goal = self._version.cascade.goal is not None
            self._agenda.put(now, MARK, life.number, (Kind.GOAL if goal else Kind.UNSUBSCRIBED).value)
        else:
            self._end(task, now, _ANSWERED, "")

    def _miss(self, task: Task, now: int) -> None:
        """Nobody took the call: it is made again on the next day, at another hour, as often as desks do."""
        task.misses += 1
        if task.misses >= MOST_CALLS:
            self._end(task, now, _FAILED, Reason.NO_ANSWER.value)
            return
        task.life.note(now, "missed", task.step, "no answer")
        again_at = now + AGAIN_AFTER_MS[task.misses - 1]
        self._wait_longer(task, max(task.due_at, self.desk.plan.due_at(again_at)))
        self._agenda.put(again_at, DESK, task.life.number, task.step)

    def _end(self, task: Task, now: int, kind: int, why: str) -> None:
        """Tell how a call has ended: its step is over."""
        life, step = task.life, task.step
        self.desk.drop(task)
        life.close_call(step, kind, now)
        life.note(now, Kind(kind).name.lower(), step, why)
        if kind == self._nature.kinds[step, _AGENT].reaction.value:
            life.react(step)
        self._decide(life, now)

    def _wait_longer(self, task: Task, until: int) -> None:
        """Let the run wait for its agent until then."""
        if until > task.due_at:
            task.due_at = until
            self._agenda.put(until, WAKE, task.life.number, task.life.wait_for_call(task.step, until))

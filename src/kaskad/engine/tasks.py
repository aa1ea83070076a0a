"""Messages for an own call desk, in the tick: each becomes a task, and ends with its run's step.

A task is a row of the very transaction that hands its message over, so nothing can be lost or doubled between
the two, and nothing is called outside. What agents do with tasks is in `agents.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from kaskad.domain.entering import still_may
from kaskad.domain.run import Decision, Passage, Passages, Run, Send
from kaskad.domain.terms import Channel, Kind, MessageState, Outcome, Phase, Reason, SkipReason, TaskState
from kaskad.domain.timing import When
from kaskad.domain.version import Version
from kaskad.engine.arrival import Arrival
from kaskad.engine.changes import Changes
from kaskad.engine.look import Desk, look
from kaskad.engine.world import World
from kaskad.store import runs as run_store
from kaskad.store import tasks as task_store
from kaskad.store.db import Transaction
from kaskad.store.tasks import Task

_AGENT = Channel.AGENT_CALL.code
_UNSENT = (MessageState.CREATED.code, MessageState.QUEUED.code, MessageState.SKIPPED.code)
_SILENCE = (None, Outcome.EXHAUSTED.code, Outcome.UNREACHABLE.code, Outcome.EXPIRED.code)
_REASONS = {
    SkipReason.ADDRESS_INVALID: Reason.INVALID_ADDRESS,
    SkipReason.NO_ADDRESS: Reason.INVALID_ADDRESS,
    SkipReason.NO_CONSENT: Reason.OPTED_OUT,
    SkipReason.SUPPRESSED: Reason.OPTED_OUT,
}


def count(tx: Transaction, world: World, now: int) -> None:
    """Find out how many tasks each desk may be given now: what its people can do, less what is open."""
    for account_id, plan in world.accounts.desks.items():
        live = tx.one("live_tasks", account_id=account_id) or (0,)
        allowed, until = plan.capacity, plan.opens_at(now)
        if plan.per_day:
            opened = tx.one("opened_tasks", account_id=account_id, since=plan.day_began(now)) or (0,)
            left = plan.per_day - opened[0]
            allowed = min(allowed, live[0] + max(0, left))
            if left <= 0:
                until = max(until, plan.next_day(now))
        world.traffic.limits[account_id].count(live[0], allowed, until if until > now else 0)


def closed_until(world: World, version: Version, send: Send, now: int) -> int | None:
    """Return when the desk of a message works again, where its step can wait for that; None: it works now."""
    plan = world.accounts.desks.get(send.account_id)
    if plan is None or version.cascade.steps[send.step].at is not None:
        return None
    opens_at = plan.opens_at(now)
    return opens_at if opens_at > now else None


def asked_at(passages: Passages) -> int | None:
    """Return the step at which the person has asked for a person, by a key of a call; None: at none."""
    for passage in passages.values():
        if passage.mask & Kind.ASKED_AGENT.bit:
            return passage.step
    return None


class Call(Struct, frozen=True):
    """A message that a desk takes. `valid_ms`: how long its step, or a date, lets it be worth making."""

    version: Version
    run: Run
    send: Send
    attempt: int
    passages: Passages
    price: int
    language: str
    zone: str
    valid_ms: int


def open_task(changes: Changes, world: World, call: Call, now: int) -> int:
    """Note the task of a message that is handed over now; return when it expires."""
    cascade, run, send = call.version.cascade, call.run, call.send
    step = cascade.steps[send.step]
    following = None if step.next is None else cascade.steps[step.next]
    due_at = world.accounts.desks[send.account_id].due_at(now)
    if step.wait or step.at or (following is not None and following.at):  # else the desk alone says how long
        due_at = max(now + 1, min(due_at, now + call.valid_ms))
    asked = asked_at(call.passages)
    why = "" if asked is None else f"asked for a person at step {cascade.steps[asked].id}"
    urgent = asked is not None or step.urgent or cascade.urgent
    key = (run.contact_id, run.id, send.step)
    changes.tasks.append((
        *key, call.attempt, send.account_id, run.cascade_id, call.version.id, now, due_at, due_at - now,
        call.price, int(urgent), call.version.class_code, call.language, call.zone, why,
    ))  # fmt: skip
    changes.calls.append((*key, now, due_at))
    return due_at


def leave(
    changes: Changes, version: Version, run: Run, decision: Decision, passages: Passages, now: int
) -> None:
    """Note that the tasks of a run are over, where the decision ends it or takes it on to another step.

    Also of a run that had ended before: a restart ends runs without a decision.
    """
    for passage in passages.values():
        if passage.channel != _AGENT or passage.state in _UNSENT or _stays(version, decision, passage):
            continue
        late = passage.deadline_at is not None and passage.deadline_at <= now
        expired = late and decision.outcome in _SILENCE and decision.phase != Phase.BRANCH
        state = TaskState.EXPIRED if expired else TaskState.WITHDRAWN
        why = Outcome.of(decision.outcome).value if decision.outcome else decision.reason
        why = "refused" if passage.mask & Kind.REJECTED.bit else why
        changes.left.append((run.contact_id, run.id, passage.step, state.code, now, why))


def _stays(version: Version, decision: Decision, passage: Passage) -> bool:
    """Say whether a call of that step is still wanted: also while a step's date is waited for."""
    if decision.outcome is not None or decision.send is not None or decision.phase == Phase.BRANCH:
        return False
    if decision.step == passage.step:
        return decision.retry is None
    waits = decision.phase == Phase.ENTER and version.cascade.steps[decision.step].at is not None
    return waits and version.cascade.steps[passage.step].next == decision.step


def last_look(tx: Transaction, world: World, task: Task, now: int) -> SkipReason | When | str | None:
    """Return why the person of a task may not be called now (E1); None: it may. A text: only not now."""
    runs = run_store.load(tx, [(task.contact_id, task.run_id)])
    if not runs or runs[0].outcome is not None:
        return "its run has ended"
    (run,) = runs
    if world.cascades.paused(run.cascade_id):
        return "its cascade is paused or stopped"
    version = world.versions.of(run)
    if version is None:
        return "its cascade's text does not read"
    if task.step in version.held:
        return "its step is paused"
    passages, _ = run_store.passages(tx, runs, ())
    desk = Desk(tx, world, now)
    desk.see(look(tx, [(version, run)], now))
    answers = desk.answers(version, run, passages[run.contact_id, run.id])
    own = passages[run.contact_id, run.id].get(task.step)
    touched_at = own.submitted_at if own else None
    answers.touches = tuple(
        touch for touch in answers.touches
        if (touch.run_id, touch.channel_code, touch.at) != (run.id, _AGENT, touched_at)
    )  # fmt: skip
    answers.touched = frozenset()  # by itself, among others
    return still_may(version, run, version.cascade.steps[task.step], Channel.AGENT_CALL, answers, now)


def unwanted(tx: Transaction, world: World, contact_ids: Sequence[int], now: int) -> list[Arrival]:
    """Return the refusal of each live task of these contacts whom nobody may call any more."""
    found = []
    for task in task_store.live_of(tx, contact_ids):
        why = last_look(tx, world, task, now)
        if isinstance(why, SkipReason):
            found.append(refusal(task, why, now))
    return found


def refusal(task: Task, why: SkipReason, now: int) -> Arrival:
    """Return what ends a task whose person may not be called: its run goes on at once."""
    told = {"reason": _REASONS.get(why, Reason.WINDOW).value, "detail": f"last look: {why.value}"}
    return Arrival(
        task.contact_id, task.run_id, task.step, Kind.REJECTED.value, f"desk {task.attempt}", now,
        msgspec.json.encode(told).decode(),
    )  # fmt: skip

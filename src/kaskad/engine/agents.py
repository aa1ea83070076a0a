"""What agents do with tasks: claim, dial, say how the call ended.

Each runs in a transaction between two ticks. Who is given a task is looked at once more (E1), and again when
it is dialled: only then is the number told. What an agent says becomes facts of the message and goes through
the inbox, as a provider's receipts do, so that the next tick decides about the run with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from kaskad.domain.ids import task_text
from kaskad.domain.policy import MINUTE
from kaskad.domain.task import AGAIN_AFTER_MS, CALL_BACK_WITHIN_MS, LEASE_MS, TALK_MS, meaning
from kaskad.domain.terms import Disposition, Kind, SkipReason, TaskState
from kaskad.domain.timing import When
from kaskad.engine.arrival import Arrival
from kaskad.engine.tasks import last_look, refusal
from kaskad.engine.world import World
from kaskad.store import courses as course_store
from kaskad.store import runs as run_store
from kaskad.store import tasks as task_store
from kaskad.store.db import Transaction
from kaskad.store.tasks import Task, TaskKey, named

_TRIES = 20  # tasks that are looked at in one transaction: the tick waits meanwhile


class No(StrEnum):
    """Why an agent cannot do what was asked."""

    GONE = "gone"  # there is no such task
    OVER = "over"  # withdrawn, expired or done
    TAKEN = "taken"  # another agent has it
    OPEN = "open"  # it has to be claimed first
    UNDIALLED = "undialled"  # it has to be dialled first
    DIALLED = "dialled"  # how the call ended has to be said
    LATER = "later"  # not at this hour
    REFUSED = "refused"  # the person may not be called any more
    AGAIN = "again"  # those that were looked at may not be called now: there may be others
    TIME = "time"  # a call back is promised for an instant that lies ahead


class Answer(Struct, frozen=True):
    """What came of it: the task as it is now, and the number where it was dialled; or why not."""

    no: No | None = None
    task: Task | None = None
    number: str = ""
    why: str = ""
    at: int | None = None  # when it may be tried again


def claim(
    tx: Transaction, world: World, agent: str, now: int, *, account_id: int = 0, key: TaskKey | None = None
) -> Answer:  # fmt: skip
    """Give the agent the next task of a desk (0: of any), or the one named; two never get the same one."""
    for _ in range(_TRIES):
        chosen = key or task_store.next_key(tx, now, account_id)
        if chosen is None:
            return Answer()
        _lock(tx, chosen)
        task = task_store.find(tx, chosen)
        if key is not None and (no := _may_claim(task, agent, now)):
            return Answer(no, task)
        assert task is not None
        held = _look(tx, world, task, now)
        if held is None:
            lease_until = now + LEASE_MS
            tx.run("claim_task", **named(chosen), agent=agent, now=now, lease_until=lease_until)
            _extend(tx, task, lease_until)
            return Answer(task=task_store.find(tx, chosen))
        if key is not None:
            return held
    return Answer(No.AGAIN)


def dial(tx: Transaction, world: World, key: TaskKey, agent: str, now: int) -> Answer:
    """Return the number to call, after a last look; asked again during the same call, it is the same call."""
    _lock(tx, key)
    task = task_store.find(tx, key)
    if no := _holds(task, agent):
        return Answer(no, task)
    assert task is not None
    held = _look(tx, world, task, now)
    if held is not None:
        return held
    more, lease_until = 0 if task.on_the_phone else 1, now + TALK_MS
    tx.run("dial_task", **named(key), agent=agent, now=now, more=more, lease_until=lease_until)
    _extend(tx, task, lease_until)
    if task.price and tx.run("set_call_cost", **_message(task), cost=task.price):
        tx.run("charge_money", id=task.cascade_id, amount=task.price)
        course_store.due(tx, [task.key[:2]])
    return Answer(task=task_store.find(tx, key), number=number(tx, task))


def release(tx: Transaction, key: TaskKey, agent: str, now: int) -> Answer:
    """Give a task back that was not dialled."""
    _lock(tx, key)
    task = task_store.find(tx, key)
    if no := _holds(task, agent):
        return Answer(no, task)
    assert task is not None
    if task.on_the_phone:
        return Answer(No.DIALLED, task)
    _reopen(tx, task, now, task.due_at, task.misses)
    return Answer(task=task_store.find(tx, key))


def close(
    tx: Transaction, world: World, key: TaskKey, agent: str, disposition: Disposition, now: int,
    *, call_back_at: int = 0,
) -> Answer:  # fmt: skip
    """Take what the agent says of the call that was dialled; said twice, it counts once."""
    _lock(tx, key)
    task = task_store.find(tx, key)
    if task is not None and task.state == TaskState.DONE.code and task.agent == agent:
        same = task.disposition == disposition.code
        return Answer(None if same else No.OVER, task)
    ended = task is not None and not task.live  # … while the agent was talking: what was said still counts
    no = _may_end(task, agent) if ended else _holds(task, agent)
    if no is not None:
        return Answer(no, task)
    assert task is not None
    if not ended and not task.on_the_phone:
        return Answer(No.UNDIALLED, task)
    back = disposition is Disposition.CALLBACK_AT
    if back and not now < call_back_at <= task.opened_at + CALL_BACK_WITHIN_MS:
        return Answer(No.TIME, task)
    misses = task.misses + (disposition is Disposition.NO_ANSWER)
    means = meaning(disposition, misses)
    told = {"disposition": disposition.value, "agent": agent}
    arrivals = [_fact(task, kind, now, {**told, **more}, agent) for kind, more in means.facts]
    if means.closes or ended:
        tx.run("close_task", **named(key), agent=agent, now=now, disposition=disposition.code, misses=misses)
        tx.run("set_deadline", **_message(task), at=now)
        if world.outbox is not None:
            world.outbox.task_closed(tx, key, now, disposition.value, agent)
    else:
        again_at = call_back_at if back else now + AGAIN_AFTER_MS[misses - 1]
        plan = world.accounts.desks.get(task.account_id)
        due_at = max(task.due_at, plan.due_at(again_at) if plan else again_at + task.sla_ms)
        _reopen(tx, task, again_at, due_at, misses, disposition, call_back_at)
        _extend(tx, task, due_at)
    _tell(tx, arrivals, now)
    return Answer(task=task_store.find(tx, key))


def _look(tx: Transaction, world: World, task: Task, now: int) -> Answer | None:
    """Return why the task's person may not be called now, having noted what follows from it; None: it may."""
    why = last_look(tx, world, task, now)
    if why is None:
        return None
    if isinstance(why, SkipReason):
        tx.run("hold_task", **named(task.key), not_before=task.due_at)  # until the tick has closed it
        _tell(tx, [refusal(task, why, now)], now)
        return Answer(No.REFUSED, task, why=why.value)
    if isinstance(why, When):
        tx.run("hold_task", **named(task.key), not_before=why.at)
        return Answer(No.LATER, task, why=str(why.why), at=why.at)
    tx.run("hold_task", **named(task.key), not_before=now + MINUTE)
    return Answer(No.LATER, task, why=why)


def _may_claim(task: Task | None, agent: str, now: int) -> No | None:
    if task is None:
        return No.GONE
    if not task.live or task.due_at <= now:
        return No.OVER
    left = task.lease_until is not None and task.lease_until <= now and not task.on_the_phone
    return No.TAKEN if task.state == TaskState.CLAIMED.code and task.agent != agent and not left else None


def _holds(task: Task | None, agent: str) -> No | None:
    if task is None:
        return No.GONE
    if not task.live:
        return No.OVER
    if task.state == TaskState.OPEN.code:
        return No.OPEN
    return No.TAKEN if task.agent != agent else None


def _may_end(task: Task | None, agent: str) -> No | None:
    if task is None:
        return No.GONE
    if task.state == TaskState.DONE.code or task.disposition is not None or not task.was_dialled:
        return No.OVER
    return No.TAKEN if task.agent != agent else None


def _lock(tx: Transaction, key: TaskKey) -> None:
    """Keep ticks from the run: none may be deciding about it while something about it is told."""
    run_store.lock(tx, [key[0]])


def _reopen(
    tx: Transaction, task: Task, not_before: int, due_at: int, misses: int,
    disposition: Disposition | None = None, call_back_at: int = 0,
) -> None:  # fmt: skip
    tx.run(
        "reopen_task", **named(task.key), agent=task.agent, not_before=not_before, due_at=due_at,
        misses=misses, disposition=disposition.code if disposition else 0, call_back_at=call_back_at,
    )  # fmt: skip


def _extend(tx: Transaction, task: Task, until: int) -> None:
    """Let the silence of the message not end before `until`: its run then waits for the agent."""
    if until > task.due_at:
        tx.run("set_deadline", **_message(task), at=until)


def _message(task: Task) -> dict[str, int]:
    return {"contact_id": task.contact_id, "run_id": task.run_id, "step": task.step}


def number(tx: Transaction, task: Task) -> str:
    """Return the number that a task is about."""
    row = tx.one("body_of", **_message(task))
    return str(msgspec.json.decode(row[0]).get("to", "")) if row else ""


def _fact(task: Task, kind: Kind, now: int, told: Mapping[str, str], agent: str) -> Arrival:
    more: dict[str, object] = dict(told)
    if kind is Kind.UNSUBSCRIBED:
        more["proof"] = {"act": "said in a call", "task": task_text(*task.key), "agent": agent}
    event = f"desk {task.attempt}.{task.dials}"
    return Arrival(
        task.contact_id, task.run_id, task.step, kind.value, event, now, msgspec.json.encode(more).decode()
    )


def _tell(tx: Transaction, arrivals: list[Arrival], now: int) -> None:
    if arrivals:
        tx.many("put_inbox", [(now, *astuple(arrival)) for arrival in arrivals])

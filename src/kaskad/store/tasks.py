"""Calls by people: the tasks of call desks, from the hand-over to what the agent says."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kaskad.domain.terms import TaskState
from kaskad.store.db import Row, Transaction

TaskKey = tuple[int, int, int, int]  # contact, run, step, attempt of the message
LIVE = (TaskState.OPEN.code, TaskState.CLAIMED.code)


class Task(Struct, frozen=True):
    """The row of a task, with codes and instants as they are kept."""

    contact_id: int
    run_id: int
    step: int
    attempt: int
    account_id: int
    cascade_id: int
    version_id: int
    opened_at: int
    due_at: int
    not_before: int
    sla_ms: int
    price: int
    claimed_at: int | None
    lease_until: int | None
    dialled_at: int | None
    call_back_at: int | None
    closed_at: int | None
    state: int
    urgent: int
    lane: int
    dials: int
    misses: int
    disposition: int | None
    agent: str | None
    language: str
    zone: str
    why: str
    ended: str
    notes: str

    @property
    def key(self) -> TaskKey:
        return self.contact_id, self.run_id, self.step, self.attempt

    @property
    def live(self) -> bool:
        return self.state in LIVE

    @property
    def was_dialled(self) -> bool:
        """Say whether the agent who has it, or had it last, has dialled."""
        return (
            self.dialled_at is not None and self.claimed_at is not None and self.dialled_at >= self.claimed_at
        )

    @property
    def on_the_phone(self) -> bool:
        """Say whether the agent who has it has dialled, and not yet said how that ended."""
        return self.state == TaskState.CLAIMED.code and self.was_dialled


class Wanted(Struct, frozen=True):
    """Which tasks a list is of; what is 0, "" or -1 filters nothing."""

    states: tuple[int, int] = LIVE  # from, to
    account_id: int = 0
    lane: int = -1
    agent: str = ""
    contact_id: int = 0
    until: int = 2**62  # due then or before


def find(tx: Transaction, key: TaskKey) -> Task | None:
    """Return a task, or None."""
    row = tx.one("task_by_key", **named(key))
    return Task(*row) if row else None


def live_of(tx: Transaction, contact_ids: Sequence[int]) -> list[Task]:
    """Return the open and claimed tasks of these contacts."""
    return [Task(*row) for row in tx.among("live_tasks_of", contact_ids)] if contact_ids else []


def next_key(tx: Transaction, now: int, account_id: int) -> TaskKey | None:
    """Return the task to claim now, with its run locked; `account_id` 0: of any desk."""
    row = tx.one("next_task", now=now, account_id=account_id)
    return None if row is None else (row[0], row[1], row[2], row[3])


def after(tx: Transaction, wanted: Wanted, place: tuple[int, TaskKey] | None, limit: int) -> list[Task]:
    """Return tasks in the order in which they are due, those after `place` (due_at, key)."""
    due_at, key = place or (-1, (0, 0, 0, 0))
    rows = tx.all(
        "tasks_after", **named(key), due_at=due_at, first=wanted.states[0], last=wanted.states[1],
        until=wanted.until, account_id=wanted.account_id, lane=wanted.lane, agent=wanted.agent,
        of_contact=wanted.contact_id, limit=limit,
    )  # fmt: skip
    return [Task(*row) for row in rows]


def leave(tx: Transaction, rows: Sequence[Row]) -> list[Row]:
    """Close live tasks (contact, run, step, state, at, why) whose runs have gone on; return what was left."""
    return tx.many("leave_tasks", rows)


def named(key: TaskKey) -> dict[str, int]:
    """Return the parts of a key as statements take them."""
    return dict(zip(("contact_id", "run_id", "step", "attempt"), key, strict=True))

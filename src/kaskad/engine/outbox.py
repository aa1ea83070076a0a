"""What the tick has to tell the subscribers of outgoing webhooks, written in its own transaction.

`World.outbox` is None while nobody subscribes: then nothing is looked at and nothing written. How events are
worded and delivered is in `announce.py` and `herald.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from kaskad.domain.ids import task_text
from kaskad.domain.terms import Kind, Outcome, TaskState
from kaskad.store.db import Row, Transaction


class EventType(StrEnum):
    """What subscribers can be told of."""

    RUN_ENTERED = "run.entered"
    RUN_FINISHED = "run.finished"
    MESSAGE_SENT = "message.sent"
    MESSAGE_FAILED = "message.failed"
    MESSAGE_REACTED = "message.reacted"
    CONTACT_OPTED_OUT = "contact.opted_out"
    TASK_OPENED = "task.opened"
    TASK_CLOSED = "task.closed"
    TASK_WITHDRAWN = "task.withdrawn"
    GOAL_REACHED = "goal.reached"
    ACCOUNT_HELD = "account.held"
    CASCADE_PAUSED = "cascade.paused"
    CASCADE_RESUMED = "cascade.resumed"
    ALARM_RAISED = "alarm.raised"
    ALARM_OVER = "alarm.over"


MEANINGS = {
    EventType.RUN_ENTERED: "a contact has entered a cascade",
    EventType.RUN_FINISHED: "a run has ended, with its outcome; a later goal may give it another",
    EventType.MESSAGE_SENT: "a provider has taken a message and sent it",
    EventType.MESSAGE_FAILED: "a message was refused, bounced, expired or could not be delivered",
    EventType.MESSAGE_REACTED: "a person opened, read, clicked, answered or replied; machines do not count",
    EventType.CONTACT_OPTED_OUT: "a person said no, or complained",
    EventType.TASK_OPENED: "a call desk has a new task: somebody is to be called",
    EventType.TASK_CLOSED: "an agent has said how a call ended",
    EventType.TASK_WITHDRAWN: "a task is over without a call's end: the run has gone on, or it has expired",
    EventType.GOAL_REACHED: "the business event that a run is for has come, whatever brought it about",
    EventType.ACCOUNT_HELD: "an account sends nothing more: refused for what it is (5.7.x), or a guardrail",
    EventType.CASCADE_PAUSED: "a cascade sends nothing more for now: a guardrail, or a person",
    EventType.CASCADE_RESUMED: "a paused cascade sends again",
    EventType.ALARM_RAISED: "something wants a look; told again each day that it stands",
    EventType.ALARM_OVER: "what wanted a look does so no more",
}

_SENT = Kind.SENT.value
_GOAL = Kind.GOAL.value
_NOBODY = (0, 0, -1)
_FAILURES = {
    kind.value: kind.name.lower() for kind in (Kind.REJECTED, Kind.FAILED, Kind.BOUNCED, Kind.EXPIRED)
}
_REACTIONS = {
    kind.value: kind.name.lower()
    for kind in (Kind.OPENED, Kind.READ, Kind.ANSWERED, Kind.CLICKED, Kind.REPLIED, Kind.ASKED_AGENT)
}
_NOTHING = "{}"


class Outbox:
    """Picks from the rows of a tick what subscribers are to be told."""

    def __init__(self, types: frozenset[str]) -> None:
        self.types = types

    def note(
        self, tx: Transaction, accepted: Sequence[Row], facts: Sequence[Row], runs: Sequence[Row],
        turned: Mapping[tuple[int, int], int] = {},
    ) -> None:  # fmt: skip
        """Keep what is to be told of rows that are about to be written; see `Changes` for their columns.

        `turned` is when runs that were over have got another outcome: receivers go by it.
        """
        rows: list[Row] = []
        if EventType.MESSAGE_SENT in self.types:
            rows += [_row(row[4], row[:3], EventType.MESSAGE_SENT) for row in accepted if row[3]]
        for contact_id, run_id, step, kind, event, at, value in facts:
            place = (contact_id, run_id, step)
            if step < 0:
                if kind == _GOAL and EventType.GOAL_REACHED in self.types:
                    rows.append(_row(at, place, EventType.GOAL_REACHED, event, event=event))
                continue
            if kind in _REACTIONS and EventType.MESSAGE_REACTED in self.types:
                once = f"{kind} {event}" if kind == Kind.REPLIED else str(kind)
                rows.append(_row(at, place, EventType.MESSAGE_REACTED, once, reaction=_REACTIONS[kind],
                                 **_told(value, "text", "key")))  # fmt: skip
            elif kind in _FAILURES and EventType.MESSAGE_FAILED in self.types:
                once = f"{kind} {event} {at}"
                rows.append(_row(at, place, EventType.MESSAGE_FAILED, once, how=_FAILURES[kind],
                                 **_told(value, "reason", "code", "detail")))  # fmt: skip
            elif kind == _SENT and EventType.MESSAGE_SENT in self.types:
                rows.append(_row(at, place, EventType.MESSAGE_SENT))
        if EventType.RUN_FINISHED in self.types:
            rows += [_finished(row, turned.get((row[0], row[1]))) for row in runs if row[9] is not None]
        _put(tx, rows)

    def entered(self, tx: Transaction, runs: Sequence[Row], now: int) -> None:
        """Keep that runs have begun; `runs` are rows of `insert_runs`."""
        if EventType.RUN_ENTERED in self.types:
            _put(tx, [
                _row(now, (row[0], row[1], -1), EventType.RUN_ENTERED) for row in runs
            ])  # fmt: skip

    def opted_out(self, tx: Transaction, refusals: Sequence[tuple[int, int, int, str, str, int]]) -> None:
        """Keep that people said no: contact, run and step (0 and -1: none), scope, event, instant."""
        if EventType.CONTACT_OPTED_OUT in self.types:
            _put(tx, [
                _row(at, place, EventType.CONTACT_OPTED_OUT, f"{scope} {event}", scope=scope)
                for *place, scope, event, at in refusals
            ])  # fmt: skip

    def tasks_opened(self, tx: Transaction, rows: Sequence[Row]) -> None:
        """Keep that tasks have been opened; `rows` are those of `put_tasks`."""
        if EventType.TASK_OPENED in self.types:
            _put(tx, [
                _row(row[7], row[:3], EventType.TASK_OPENED, str(row[3]), task=task_text(*row[:4]),
                     due_at=row[8], urgent=bool(row[11]), **({"why": row[15]} if row[15] else {}))
                for row in rows
            ])  # fmt: skip

    def tasks_left(self, tx: Transaction, rows: Sequence[Row]) -> None:
        """Keep that tasks were withdrawn or have expired; `rows` are what `leave_tasks` returns."""
        if EventType.TASK_WITHDRAWN in self.types:
            _put(tx, [
                _row(row[10], row[:3], EventType.TASK_WITHDRAWN, str(row[3]), task=task_text(*row[:4]),
                     state=TaskState.of(row[4]).value, why=row[9], dialled=row[5] > 0)
                for row in rows
            ])  # fmt: skip

    def task_closed(self, tx: Transaction, key: Sequence[int], at: int, disposition: str, agent: str) -> None:
        """Keep how an agent says that the call of a task has ended."""
        if EventType.TASK_CLOSED in self.types:
            _put(tx, [
                _row(at, key[:3], EventType.TASK_CLOSED, str(key[3]), task=task_text(*key),
                     disposition=disposition, agent=agent)
            ])  # fmt: skip

    def account_held(self, tx: Transaction, name: str, why: str, at: int) -> None:
        """Keep that an account sends nothing more."""
        if EventType.ACCOUNT_HELD in self.types:
            once = f"{name} {at}"
            _put(tx, [_row(at, _NOBODY, EventType.ACCOUNT_HELD, once, account=name, why=why)])

    def cascade_paused(self, tx: Transaction, slug: str, at: int, why: str = "") -> None:
        """Keep that a cascade was paused; `why` "": by a person."""
        if EventType.CASCADE_PAUSED in self.types:
            _put(tx, [_row(at, _NOBODY, EventType.CASCADE_PAUSED, f"{slug} {at}", cascade=slug, why=why)])

    def cascade_resumed(self, tx: Transaction, slug: str, at: int) -> None:
        """Keep that a cascade sends again."""
        if EventType.CASCADE_RESUMED in self.types:
            _put(tx, [_row(at, _NOBODY, EventType.CASCADE_RESUMED, f"{slug} {at}", cascade=slug)])

    def alarm(
        self, tx: Transaction, number: int, occasion: str, kind: str, name: str, why: str, at: int
    ) -> None:
        """Keep that an alarm was raised, still stands, or is over."""
        told = EventType.ALARM_OVER if occasion == "over" else EventType.ALARM_RAISED
        if told in self.types:
            more = {} if occasion == "over" else {"again": occasion == "stands"}
            once = f"{number} {occasion} {at}"
            _put(tx, [_row(at, _NOBODY, told, once, alarm=kind, about=name, why=why, **more)])


def _finished(row: Row, turned_at: int | None) -> Row:
    """Return what a run's row of `update_runs` tells of its end, or of another outcome since `turned_at`."""
    outcome = Outcome.of(row[9])
    at, step = turned_at or row[12], -1 if row[10] is None else row[10]
    return _row(at, (row[0], row[1], step), EventType.RUN_FINISHED, outcome.value, outcome=outcome.value,
                late=bool(row[11]))  # fmt: skip


def _row(at: int, place: Sequence[int], kind: EventType, once: str = "", **detail: object) -> Row:
    contact_id, run_id, step = place
    told = msgspec.json.encode(detail).decode() if detail else _NOTHING
    return at, contact_id, run_id, step, kind.value, once, told


def _told(value: str | None, *names: str) -> dict[str, object]:
    """Return those of `names` that a fact's value tells."""
    more = msgspec.json.decode(value) if value else {}
    return {name: more[name] for name in names if more.get(name)}


def _put(tx: Transaction, rows: list[Row]) -> None:
    if rows:
        tx.many("put_outbox", rows)

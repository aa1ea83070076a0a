"""What one tick writes: rows collected first, then one statement for each table."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from operator import itemgetter

import msgspec

from kaskad.domain.alike import TOLD
from kaskad.domain.figures import WINDOWED
from kaskad.domain.run import PLAIN, Answers, Decision, Passage, Run
from kaskad.domain.terms import Kind, MessageState, Reason, RunState
from kaskad.engine.outbox import Outbox
from kaskad.engine.spending import Spending
from kaskad.engine.sums import Sums
from kaskad.store import courses as course_store
from kaskad.store import runs as run_store
from kaskad.store import tasks as task_store
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import MessageKey, RunKey

PIECE = 250  # runs that are written together while a tick goes on
KNOWN = 50_000  # answers remembered, so that they are not explained and written again
_FINISHED, _REFUSED = RunState.FINISHED.code, Kind.REJECTED.bit
_CONTACT = itemgetter(0)
_RUN = itemgetter(0, 1)  # of a row: its run's key


class Changes:
    """Rows by table. `flush` writes them within the tick's transaction; afterwards nothing is left here."""

    def __init__(
        self, known_inputs: dict[object, int], outbox: Outbox | None = None, spending: Spending | None = None,
        noted: course_store.Noted | None = None, sums: Sums | None = None,
    ) -> None:  # fmt: skip
        self._noted = noted
        self.sums = Sums(spending) if sums is None else sums
        self._ends = sums is None  # else who has given them writes them, last of all
        self._outbox = outbox
        self.runs: list[Row] = []
        self.turned: dict[RunKey, int] = {}  # runs that were over and have got another outcome, and when
        self.submits: list[Row] = []  # runs of which no more changes than that a message has been submitted
        self.messages: list[Row] = []
        self.bodies: list[Row] = []
        self.new_messages: list[Row] = []  # submitted at once, of runs that have none at this step …
        self.new_bodies: list[Row] = []  # … and what they say
        self.short_links: list[Row] = []
        self.accepted: list[Row] = []
        self.folded: list[Row] = []
        self.requeued: list[Row] = []
        self.reopened: list[Row] = []
        self.attempt_costs: list[Row] = []
        self.withdrawn: list[Row] = []
        self.attempts: list[Row] = []
        self.tasks: list[Row] = []  # messages that a call desk takes …
        self.calls: list[Row] = []  # … and what becomes of them by it
        self.left: list[Row] = []  # messages whose tasks are over, if they have any
        self.facts: list[Row] = []
        self.marks: list[Row] = []
        self.left_by: list[Row] = []  # messages that a person opted out after, by another way than by them
        self.given_back: set[int] = set()  # contacts of whom goals or returns have been told: engine/returns
        self._counted: set[RunKey] = set()  # runs that reports are to count anew, where nothing is `noted`
        self.told: set[RunKey] = set()  # runs of whose messages something telling is known, not marked yet
        self.refused: dict[RunKey, int] = {}  # runs, and the step whose message was refused at once
        self.decisions: list[Row] = []
        self.choices: list[Row] = []  # channels that were drawn, and by which chance
        self.provider_ids: list[Row] = []
        self.parts: list[Row] = []
        self.look_ups: list[Row] = []  # of messages that their service is asked about
        self.amounts: list[Row] = []  # amounts that have changed since they were reserved
        self._begun: tuple[list[Row], Callable[[], int]] = ([], lambda: 0)
        self._known_inputs = known_inputs
        self._new_inputs: dict[int, str] = {}

    def begin(self, tx: Transaction, rows: list[Row]) -> None:
        """Let the clocks begin of runs (contact, run, seq, wake_at) to which nothing else has happened."""
        if rows:
            rows.sort()
            self._begun = rows, tx.start_many("begin_waiting", rows)

    def not_begun(self) -> set[RunKey]:
        """Return the runs whose clocks may not have begun: all, where something else has happened to one."""
        rows, changed = self._begun
        return set() if changed() == len(rows) else {(row[0], row[1]) for row in rows}

    def unite_accepted(self) -> None:
        """Make one of two answers for a message, its own and one asked for: an update would take any."""
        united: dict[MessageKey, Row] = {}
        for row in self.accepted:
            key = row[:3]
            before = united.setdefault(key, row)
            cost = before[5] if row[5] is None else row[5]
            united[key] = (*key, before[3] | row[3], before[4], cost)
        self.accepted[:] = united.values()

    def flush_facts(self, tx: Transaction) -> None:
        """Write what results and the inbox have brought, before anything is decided."""
        if self._outbox is not None:
            self._outbox.note(tx, self.accepted, self.facts, ())
        self.count(self.accepted, self.folded, self.requeued, self.marks, self.left_by)
        _many(tx, "accept_messages", self.accepted)
        self._put_facts(tx)
        self._tell()
        _many(tx, "fold_messages", self.folded)
        _many(tx, "leave_by_messages", self.left_by)
        self._requeue(tx)
        _many(tx, "put_attempts", self.attempts)
        _many(tx, "put_provider_ids", self.provider_ids)
        _many(tx, "put_parts", self.parts)
        _many(tx, "put_look_ups", self.look_ups)
        _many(tx, "mark_runs", self.marks)
        _many(tx, "put_amounts", self.amounts)
        if self._ends:
            self.sums.write(tx)

    def flush_some(self, tx: Transaction) -> None:
        """Write what was decided so far, once that is a good piece: PostgreSQL works on it while we go on."""
        if len(self.runs) + len(self.submits) >= PIECE:
            self._flush_runs(tx)

    def flush_moves(self, tx: Transaction) -> None:
        """Write what was decided; raises Conflict if a run or a message had changed, so nothing happens."""
        self._flush_runs(tx)
        self.flush_last(tx)
        _many(tx, "put_inputs", sorted(self._new_inputs.items()))
        if self._ends:
            self.sums.write(tx)

    def _put_facts(self, tx: Transaction) -> None:
        """Keep the facts. Segments ask what people did last, figures what came first: all is counted anew."""
        self.count([row for row in self.facts if 1 << row[3] & WINDOWED])
        _many(tx, "put_facts", self.facts)

    def _tell(self) -> None:
        refused = self.refused
        self.told.update([
            (row[0], row[1]) for row in self.folded
            if row[3] & ~PLAIN and (row[3] != _REFUSED or refused.get((row[0], row[1])) != row[2])
        ])  # fmt: skip
        self.told.update([(row[0], row[1]) for row in self.left_by])

    def flush_last(self, tx: Transaction) -> None:
        """Mark the runs of whose messages something telling is known: they no longer stand like others.

        All that have changed are to be counted anew.
        """
        if self.told:
            tx.many("mark_runs", [(*key, TOLD, None) for key in sorted(self.told)])
            self.told.clear()
        course_store.due(tx, self._counted if self._noted is None else self._noted.fresh())
        self._counted.clear()

    def count(self, *tables: list[Row]) -> None:
        """Let the runs of these rows be counted anew."""
        for rows in tables:
            if rows and self._noted is not None:
                self._noted.note(rows)
            elif rows:
                self._counted.update(map(_RUN, rows))

    def _flush_runs(self, tx: Transaction) -> None:
        if self._outbox is not None:
            taken = [(*row[:3], 1, row[3]) for row in self.calls]
            self._outbox.note(tx, taken, self.facts, self.runs, self.turned)
        self.turned.clear()
        self.count(
            self.runs, self.withdrawn, self.reopened, self.messages, self.new_messages, self.folded,
            self.requeued, self.calls, self.left,
        )  # fmt: skip
        run_store.change(tx, _in_order(self.runs))
        self.runs.clear()
        run_store.submit(tx, _in_order(self.submits))
        self.submits.clear()
        _many(tx, "withdraw_messages", self.withdrawn)
        _many(tx, "put_attempts", self.attempts)
        if self.reopened:
            tx.many("keep_reasons", self.reopened)
            tx.many("keep_attempt_costs", self.attempt_costs)
            self.attempt_costs.clear()
        _many(tx, "reopen_messages", self.reopened)
        tx.change_each("put_messages", _in_order(self.messages), "a message had already left")
        self.messages.clear()
        _many(tx, "submit_messages", self.new_messages)
        _many(tx, "put_bodies", self.bodies)
        _many(tx, "put_new_bodies", self.new_bodies)
        _many(tx, "put_choices", self.choices)
        _many(tx, "put_short_links", self.short_links)
        self._put_facts(tx)
        self._tell()
        _many(tx, "fold_messages", self.folded)
        _many(tx, "leave_by_messages", self.left_by)
        self._requeue(tx)
        _many(tx, "put_look_ups", self.look_ups)
        self._flush_tasks(tx)
        _many(tx, "put_decisions", self.decisions)

    def _flush_tasks(self, tx: Transaction) -> None:
        """Open the tasks of messages that a desk has taken, close those whose runs have gone on."""
        if self._outbox is not None:
            self._outbox.tasks_opened(tx, self.tasks)
        _many(tx, "put_tasks", self.tasks)
        _many(tx, "take_calls", self.calls)
        if not self.left:
            return
        left = task_store.leave(tx, self.left)
        self.left.clear()
        if self._outbox is not None:
            self._outbox.tasks_left(tx, left)
        undialled = [row for row in left if not row[5]]
        if undialled:
            tx.many("forget_calls", [row[:3] for row in undialled])
        for row in undialled:
            self.sums.hold(row[7], row[8], row[10], -row[6])

    def _requeue(self, tx: Transaction) -> None:
        if self.requeued:
            tx.many("keep_reasons", [row[:3] for row in self.requeued])
        _many(tx, "requeue_messages", self.requeued)

    def drop(self, run: Run) -> None:
        """Forget what was noted of a run and is not written yet."""
        key = (run.contact_id, run.id)
        for rows in (self.runs, self.submits, self.messages, self.new_messages, self.bodies, self.new_bodies,
                     self.folded, self.requeued, self.reopened, self.withdrawn, self.attempts, self.facts,
                     self.decisions, self.tasks, self.calls, self.left, self.short_links, self.attempt_costs,
                     self.choices):  # fmt: skip
            rows[:] = [row for row in rows if row[:2] != key]

    def run(self, run: Run, decision: Decision, now: int) -> None:
        """Note the run's next state, unless nothing about it changes.

        With something `heard` its `seq` changes: the answer does not begin its clock without a look at it.
        """
        if decision.wake_at == run.wake_at and _same(run, decision) and not decision.heard:
            return
        finished_at = run.finished_at
        if decision.state == _FINISHED:
            if finished_at is None:
                finished_at = now
            elif decision.outcome != run.outcome:
                self.turned[run.contact_id, run.id] = now
        self.runs.append((
            run.contact_id, run.id, run.seq, decision.state, decision.phase, decision.step, decision.branch,
            decision.wake_at, decision.due_at, decision.outcome, decision.outcome_step, int(decision.late),
            finished_at,
        ))  # fmt: skip

    def reopen(self, run: Run, passage: Passage, now: int) -> None:
        """Note that a failed attempt is over and its message is as if it had not been sent."""
        key = (run.contact_id, run.id, passage.step)
        reason = Reason.OTHER.code if passage.reason is None else passage.reason
        self.attempts.append((*key, passage.attempt, passage.account_id, passage.submitted_at, now, reason,
                              "failed"))  # fmt: skip
        self.reopened.append(key)
        self.told.add((run.contact_id, run.id))  # it is at the same step once more
        self.attempt_costs.append((*key, now))

    def skips(self, run: Run, decision: Decision) -> None:
        """Note the steps that were passed over, each with its reason."""
        for step, channel, reason, _ in decision.skips:
            self.messages.append((
                run.contact_id, run.id, step, channel, MessageState.SKIPPED.code, reason.code,
                None, None, None, None, None, 0, None, None,
            ))  # fmt: skip

    def decision(
        self, run: Run, decision: Decision, answers: Answers | None, now: int, phase: int | None = None
    ) -> None:
        """Note why; `phase`: where a send has got to."""
        why = self.why(run, decision, answers, decision.phase if phase is None else phase)
        self.decisions.append((run.contact_id, run.id, run.seq, now, why))

    def why(self, run: Run, decision: Decision, answers: Answers | None, phase: int) -> int:
        """Return what the reasons of a decision are kept as: equal reasons and answers are kept once."""
        send = decision.send
        key = (
            decision.reason, run.phase, run.step, phase, decision.step, decision.outcome, decision.skips,
            decision.detail,
            send and (send.channel, send.account_id, send.variant, send.chance, send.arms, send.group),
            answers and answers.signature(),
        )  # fmt: skip
        input_id = self._known_inputs.get(key)
        if input_id is None:
            text = _explain(run, decision, answers, phase)
            input_id = int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
            self._new_inputs[input_id] = text
            if len(self._known_inputs) >= KNOWN:  # dates of anchors, for one, are different for everybody
                self._known_inputs.clear()
            self._known_inputs[key] = input_id
        return input_id


def _same(run: Run, decision: Decision) -> bool:
    return (run.state, run.phase, run.step, run.branch, run.outcome, run.outcome_step, run.late) == (
        decision.state, decision.phase, decision.step, decision.branch, decision.outcome,
        decision.outcome_step, decision.late,
    )  # fmt: skip


def _many(tx: Transaction, name: str, rows: list[Row]) -> None:
    if rows:
        tx.many(name, _in_order(rows))
        rows.clear()


def _in_order(rows: list[Row]) -> list[Row]:
    """Return the rows by contact, as tables are: neighbours share a page. Of one contact none overtakes."""
    rows.sort(key=_CONTACT)
    return rows


def _explain(run: Run, decision: Decision, answers: Answers | None, phase: int) -> str:
    send = decision.send
    told: dict[str, object] = {
        "reason": decision.reason,
        "from": {"step": run.step, "phase": run.phase},
        "to": {"step": decision.step, "phase": phase, "outcome": decision.outcome},
    }
    if decision.skips:
        told["skips"] = [
            {"step": step, "channel": channel, "reason": why.value, "detail": detail}
            for step, channel, why, detail in decision.skips
        ]
    if send is not None:
        sent: dict[str, object] = {
            "channel": send.channel,
            "account": send.account_id,
            "variant": send.variant,
        }
        if send.chance:
            sent |= {"chance": send.chance, "arms": send.arms, "group": send.group}
        told["send"] = sent
    if decision.detail:
        told["detail"] = decision.detail
    if answers is not None:
        told["answers"] = answers.told()
    return msgspec.json.encode(told).decode()

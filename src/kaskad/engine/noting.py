"""What a decision about a run changes in its rows: noted here, and written by `changes`."""

from __future__ import annotations

from kaskad.domain.decide import passes
from kaskad.domain.errors import Conflict, StoreError
from kaskad.domain.ids import run_text
from kaskad.domain.run import Answers, Decision, Passage, Passages, Run
from kaskad.domain.terms import Kind, MessageState, Phase
from kaskad.domain.version import Version
from kaskad.engine import tasks
from kaskad.engine.changes import Changes
from kaskad.engine.defects import DEFECT_MS, told
from kaskad.engine.results import ask_for
from kaskad.engine.world import World
from kaskad.log import get_logger
from kaskad.store import set_aside
from kaskad.store.db import Transaction

log = get_logger(__name__)


_QUEUED = MessageState.QUEUED.code
_CREATED, _CANCELLED = MessageState.CREATED.code, MessageState.CANCELLED.code
_SUBMITTED_PHASE = Phase.SUBMITTED


class Notes:
    """Notes what one tick decides."""

    def __init__(self, tx: Transaction, world: World, changes: Changes, now: int) -> None:
        self._tx, self._world, self._changes, self._now = tx, world, changes, now

    def apply(
        self, version: Version, run: Run, decision: Decision, passages: Passages, answers: Answers | None
    ) -> None:
        """Note a decision's rows."""
        changes, now = self._changes, self._now
        changes.run(run, decision, now)
        if version.calls_people:
            tasks.leave(changes, version, run, decision, passages, now)
        if decision.skips:
            changes.skips(run, decision)
        if decision.withdraw is not None:
            self.withdraw(run, decision, passages[decision.withdraw])
        if decision.doubt is not None:
            self._doubt(run, passages[decision.doubt])
        if decision.repeat is not None:
            key, account_id = (run.contact_id, run.id, decision.repeat), passages[decision.repeat].account_id
            changes.folded.append((*key, Kind.IN_DOUBT.bit, _QUEUED, None, None))
            changes.requeued.append((*key, now, account_id, 0))
            self._world.traffic.has_queued(account_id, now)
        if decision.retry is not None:
            changes.reopen(run, passages[decision.retry], now)
        if answers is not None or decision.outcome is not None or decision.doubt is not None:
            changes.decision(run, decision, answers, now)

    def set_aside(self, run: Run, passages: Passages, error: Exception) -> None:
        """Look at a run again later whose data we cannot cope with: a defect of ours stops nobody else."""
        if isinstance(error, (StoreError, Conflict)):
            raise error
        defect = told(error)
        log.error("run set aside: a defect", run=run_text(run.contact_id, run.id), error=defect)
        changes, wake_at = self._changes, self._now + DEFECT_MS
        if run.phase == _SUBMITTED_PHASE and run.wake_at is not None and run.wake_at > self._now:
            wake_at = run.wake_at  # its guard, which asks sooner what became of the message
        set_aside.rest(self._tx, (run.contact_id, run.id), wake_at, defect)
        changes.drop(run)
        decision = Decision(
            run.state, run.phase, run.step, wake_at, run.due_at, "defect", run.branch, run.outcome,
            run.outcome_step, bool(run.late), detail=type(error).__name__,
        )  # fmt: skip
        changes.run(run, decision, self._now)
        changes.decision(run, decision, None, self._now)
        current = passages.get(run.step)
        if current is not None and current.state == _QUEUED:  # else its turn would come at once, and again
            key = (run.contact_id, run.id, run.step)
            changes.requeued.append((*key, wake_at, current.account_id, 0))
            self._world.traffic.has_queued(current.account_id, wake_at)

    def withdraw(self, run: Run, decision: Decision, passage: Passage) -> None:
        """Take a queued message back; one that may have left before can only be called unknown (E6)."""
        if passage.mask & Kind.IN_DOUBT.bit:
            self._doubt(run, passage)
            return
        if passage.state == _CREATED and passage.sent_at is not None:
            self._given_up(run, passage)
            return
        gone = _CANCELLED if passes(decision, passage.step) else _CREATED
        self._changes.withdrawn.append((run.contact_id, run.id, passage.step, gone))

    def _given_up(self, run: Run, passage: Passage) -> None:
        """Note that a message which has failed will not be tried again after all."""
        key = (run.contact_id, run.id, passage.step)
        self._changes.folded.append((*key, Kind.FAILED.bit, MessageState.FAILED.code, None, None))

    def _doubt(self, run: Run, passage: Passage) -> None:
        key = (run.contact_id, run.id, passage.step)
        self._world.work.handed.pop(key, None)  # an answer that still comes moves the run the long way
        ask_for(
            self._world, self._changes, key, passage.account_id, passage.submitted_at or self._now, self._now
        )
        self._changes.facts.append((*key, Kind.UNKNOWN.value, "guard", self._now, None))
        self._changes.folded.append((*key, Kind.UNKNOWN.bit, MessageState.UNKNOWN.code, None, None))

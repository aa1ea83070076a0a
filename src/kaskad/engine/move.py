"""Steps 4 and 5 of the tick: the runs that are due are decided about, and what may go is handed over.

Everything is done for the whole batch: load, decide, look, decide, write the words, write the rows.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from msgspec import Struct

from kaskad.domain import entering
from kaskad.domain.decide import Enter, patience_ms, settle
from kaskad.domain.run import NOTHING, Answers, Decision, Passages, Run, Send
from kaskad.domain.terms import Kind, MessageState, Phase, RunState
from kaskad.domain.version import Version
from kaskad.engine.changes import Changes
from kaskad.engine.handover import Refusal, Writer, allocate
from kaskad.engine.look import Desk, look
from kaskad.engine.parcel import Parcel
from kaskad.engine.world import Handed, World
from kaskad.store import runs as run_store
from kaskad.store.db import Transaction
from kaskad.store.runs import RunKey

_QUEUED, _SUBMITTED = MessageState.QUEUED.code, MessageState.SUBMITTED.code
_ACTIVE = RunState.ACTIVE.code
_QUEUED_PHASE, _SUBMITTED_PHASE = Phase.QUEUED, Phase.SUBMITTED
_PHONES = entering.ADDRESS_CHANNEL


class Moved(Struct):
    """What the tick has to do after its commit, and whether more was due than one tick takes."""

    parcels: list[Parcel]
    decided: int
    more: bool


class _Sending(Struct):
    """A decision to send, with what its words need."""

    version: Version
    run: Run
    passages: Passages
    answers: Answers
    decision: Decision
    send: Send


def move(
    tx: Transaction, world: World, touched: Collection[RunKey], now: int, *, timers: bool = True
) -> Moved:
    """Move `touched` runs, those whose timer is due (if `timers`), and those whose queued message may go."""
    limit = world.options.due_limit
    due = run_store.claim_due(tx, now, limit) if timers else []
    claimed = {(run.contact_id, run.id) for run in due}
    ready = {(row[0], row[1]) for row in _ready(tx, world, now)} if timers else set()
    runs = due + run_store.load(tx, [key for key in {*touched, *ready} if key not in claimed])
    if not runs:
        return Moved([], 0, False)
    mover = _Mover(tx, world, now)
    mover.decide(runs, ready)
    parcels = mover.hand_over()
    mover.changes.flush_moves(tx)
    return Moved(parcels, len(runs), len(due) == limit)


def _ready(tx: Transaction, world: World, now: int) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for account_id, not_before in list(world.queued.items()):
        if not_before > now or account_id not in world.limits:
            continue
        free = world.free(account_id, now)
        if free:
            rows = tx.all(
                "queued_messages", account_id=account_id, now=now, limit=min(free, world.options.due_limit)
            )
            if len(rows) < free:
                later = tx.one("next_queued", account_id=account_id, now=now)
                world.queue_drained(account_id, later[0] if later else None)
            found += rows
    return found


class _Mover:
    """One tick's decisions."""

    def __init__(self, tx: Transaction, world: World, now: int) -> None:
        self._tx, self._world, self._now = tx, world, now
        self.changes = Changes(world.known_inputs)
        self._sending: list[_Sending] = []
        self._desk: Desk | None = None

    def decide(self, runs: list[Run], ready: Collection[RunKey]) -> None:
        """Decide about every run; those that are to send wait in a list for the hand-over."""
        now = self._now
        passages, marks = run_store.passages(self._tx, runs, self._world.retriable)
        entering_runs: list[tuple[Version, Run, Passages, Enter]] = []
        for run in runs:
            key = (run.contact_id, run.id)
            version = self._world.versions[run.version_id]
            settled = settle(version, run, passages[key], marks.get(key, NOTHING), now)
            if isinstance(settled, Decision):
                if settled.phase != _QUEUED_PHASE or settled.outcome is not None or key not in ready:
                    self._apply(version, run, settled, passages[key], None)
                    continue
                settled = Enter(run.step, run.due_at, "handed over")
            entering_runs.append((version, run, passages[key], settled))
        if entering_runs:
            self._enter(entering_runs)

    def _enter(self, entering_runs: list[tuple[Version, Run, Passages, Enter]]) -> None:
        now = self._now
        seen = look(self._tx, [(version, run) for version, run, _, _ in entering_runs], now)
        self._desk = desk = Desk(self._tx, self._world, seen, now)
        for version, run, passed, enter in entering_runs:
            answers = desk.answers(version, run, passed)
            decision = entering.enter(
                version, run, passed, enter.step, enter.due_at, answers, now, enter.reason
            )
            self._keep(version, run, passed, answers, decision)

    def _keep(
        self, version: Version, run: Run, passages: Passages, answers: Answers, decision: Decision
    ) -> None:
        if decision.send is None:
            self._apply(version, run, decision, passages, answers)
        else:
            self._sending.append(_Sending(version, run, passages, answers, decision, decision.send))

    def hand_over(self) -> list[Parcel]:
        """Give slots to what is to be sent, queue the rest; a message that cannot be written goes on at once."""
        parcels: list[Parcel] = []
        writer = Writer(self._world, self._tx, self._now)
        while self._sending:
            sending, self._sending = self._sending, []
            wanted = [(s.send.account_id, s.version.class_code, s.decision.due_at) for s in sending]
            chosen = allocate(self._world, wanted, self._now)
            for index, item in enumerate(sending):
                if index in chosen:
                    self._submit(item, writer, parcels)
                else:
                    self._queue(item)
        return parcels

    def _submit(self, item: _Sending, writer: Writer, parcels: list[Parcel]) -> None:
        assert self._desk is not None
        run, send = item.run, item.send
        address = item.answers.addresses[_PHONES.get(send.channel, send.channel)]
        written = writer.write(
            item.version, run, send, item.passages, self._desk.person(run.contact_id),
            self._desk.properties(run), bool(address.shared), 0,
        )  # fmt: skip
        if isinstance(written, Refusal):
            self._world.limits[send.account_id].give_back(1)
            self._refused(item, written)
            return
        before = item.passages.get(send.step)
        self._row(item, _SUBMITTED, None, self._now, written.price)
        if written.body:
            self.changes.bodies.append((run.contact_id, run.id, send.step, written.body))
        added = written.price - (before.price if before else 0)  # an attempt more is no price more
        if added:
            reserved = self.changes.reserved
            reserved[run.cascade_id] = reserved.get(run.cascade_id, 0) + added
        self._note(item, _SUBMITTED_PHASE, self._now + self._world.options.submit_guard_ms)
        attempt = 1 + (before.attempt if before else 0)
        parcels.append(Parcel(run.contact_id, run.id, send.step, attempt, send.account_id, written.outgoing))
        silence_ms = item.version.rules[send.step, send.channel].silence_ms
        if silence_ms is not None:
            self._world.handed[run.contact_id, run.id, send.step] = Handed(run.seq + 1, silence_ms)

    def _refused(self, item: _Sending, refusal: Refusal) -> None:
        send, version, run = item.send, item.version, item.run
        skip = (send.step, send.channel, refusal.reason, refusal.detail)
        decision = entering.enter(
            version, run, item.passages, version.cascade.steps[send.step].next, self._now, item.answers,
            self._now, "skipped", (*item.decision.skips, skip),
        )  # fmt: skip
        self._keep(version, run, item.passages, item.answers, decision)

    def _queue(self, item: _Sending) -> None:
        run, now = item.run, self._now
        before = item.passages.get(item.send.step)
        if before is not None and before.state == _QUEUED and before.account_id == item.send.account_id:
            if run.wake_at is not None and run.wake_at > now and not item.decision.skips:
                return  # it waits already, and keeps its place
        wake_at = now + patience_ms(item.version, item.send.step)
        self._row(item, _QUEUED, now, None, 0)
        self._note(item, _QUEUED_PHASE, wake_at)
        self._world.has_queued(item.send.account_id, now)

    def _row(self, item: _Sending, state: int, not_before: int | None, at: int | None, price: int) -> None:
        run, send = item.run, item.send
        self.changes.messages.append((
            run.contact_id, run.id, send.step, send.channel, state, None, send.variant, send.account_id,
            item.version.class_code, not_before, at, price,
        ))  # fmt: skip

    def _note(self, item: _Sending, phase: Phase, wake_at: int) -> None:
        run, decision = item.run, item.decision
        self.changes.runs.append((
            run.contact_id, run.id, run.seq, _ACTIVE, phase, item.send.step, None, wake_at, decision.due_at,
            None, None, 0, None,
        ))  # fmt: skip
        if decision.skips:
            self.changes.skips(run, decision)
        self.changes.decision(run, decision, item.answers, self._now, phase)

    def _apply(
        self, version: Version, run: Run, decision: Decision, passages: Passages, answers: Answers | None
    ) -> None:
        """Note a decision's rows."""
        changes, now = self.changes, self._now
        changes.run(run, decision, now)
        if decision.skips:
            changes.skips(run, decision)
        if decision.withdraw is not None:
            gone = MessageState.CREATED if decision.outcome is None else MessageState.CANCELLED
            changes.withdrawn.append((run.contact_id, run.id, decision.withdraw, gone.code))
        if decision.doubt is not None:
            key = (run.contact_id, run.id, decision.doubt)
            changes.facts.append((*key, Kind.UNKNOWN.value, "guard", now, None))
            changes.folded.append((*key, Kind.UNKNOWN.bit, MessageState.UNKNOWN.code, None, None))
        if decision.repeat is not None:
            account_id = passages[decision.repeat].account_id
            changes.requeued.append((run.contact_id, run.id, decision.repeat, now, account_id))
            self._world.has_queued(account_id, now)
        if answers is not None or decision.outcome is not None or decision.doubt is not None:
            changes.decision(run, decision, answers, now)

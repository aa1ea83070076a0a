"""Steps 4 and 5 of the tick: the runs that are due are decided about, and what may go is handed over.

Everything is done for the whole batch: load, decide, look, decide, write the words, write the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct

from kaskad.domain import entering, timing
from kaskad.domain.clocks import patience_ms, valid_for_ms
from kaskad.domain.decide import Enter, enter, held_there, settle
from kaskad.domain.policy import MINUTE
from kaskad.domain.run import NO_ANSWERS, NOTHING, Answers, Decision, Passages, Run, Send
from kaskad.domain.terms import MessageState, Phase, RunState
from kaskad.domain.version import Version
from kaskad.engine import backlog, tasks, unread
from kaskad.engine.alike import Alike
from kaskad.engine.changes import Changes
from kaskad.engine.handover import Refusal, Writer, allocate
from kaskad.engine.inbox import News
from kaskad.engine.limits import FAR
from kaskad.engine.look import Desk, look
from kaskad.engine.noting import Notes
from kaskad.engine.parcel import Parcel
from kaskad.engine.sums import Sums
from kaskad.engine.work import Handed
from kaskad.engine.world import World
from kaskad.log import get_logger
from kaskad.store import runs as run_store
from kaskad.store import set_aside
from kaskad.store.db import Transaction
from kaskad.store.runs import RunKey

log = get_logger(__name__)

_TURN_MS = MINUTE  # until a message has its turn again whose person something set aside is about

_QUEUED, _SUBMITTED = MessageState.QUEUED.code, MessageState.SUBMITTED.code
_ACTIVE = RunState.ACTIVE.code
_QUEUED_PHASE, _SUBMITTED_PHASE = Phase.QUEUED, Phase.SUBMITTED


class Moved(Struct):
    """What the tick has to do after its commit, and whether more was due than one tick takes."""

    parcels: list[Parcel]
    decided: int
    more: bool


class _Sending(Struct, gc=False):
    """A decision to send, with what its words need."""

    version: Version
    run: Run
    passages: Passages
    answers: Answers
    decision: Decision
    send: Send


def move(
    tx: Transaction, world: World, touched: Collection[RunKey], now: int, *, timers: bool = True,
    told: set[RunKey] | None = None, news: Mapping[RunKey, News | None] = {},
    refused: Mapping[RunKey, int] = {}, sums: Sums | None = None, among: Collection[RunKey] | None = None,
    waits: bool = True,
) -> Moved:  # fmt: skip
    """Move `touched` runs, those whose timer is due (if `timers`), and those whose queued message may go.

    `told` are those about which this tick has brought something telling, `news` says of some what; the runs
    that end by it are taken out of `told`. `refused` are those of whose message at that step it has brought
    nothing but that it was refused at once. To `sums` is added what is held, for the caller to write.
    `among`: of the runs that are ready only these, and these too if their timers are not due. `waits`: runs
    wait for what was set aside about their contacts.
    """
    told = set() if told is None else told
    ready = {(row[0], row[1]): row for row in _ready(tx, world, now)} if timers or among else {}
    if among is not None:
        ready = {key: row for key, row in ready.items() if key in among}
    ahead = [(row[2], row[4]) for row in ready.values()]
    due, more = backlog.claim(tx, world, ahead, now) if timers else ([], False)
    wanted = {*touched, *ready.keys(), *(among or ())}
    if wanted:
        wanted.difference_update(_keys_among(due, wanted))
    loaded = run_store.load(tx, wanted)
    # The runs are ours now: nothing can come between a look at the inbox and the end.
    if world.shared or world.work.entries_set_aside or among:
        waiting = run_store.unapplied(tx, [*due, *loaded])
        if waiting and waits:
            loaded = _without_set_aside(tx, world, loaded, ready, now)
        due = [run for run in due if run.contact_id not in waiting]
        loaded = [r for r in loaded if r.contact_id not in waiting or (r.contact_id, r.id) in touched]
    if world.versions.unread:
        due, loaded = unread.without(tx, world, due, now), unread.without(tx, world, loaded, now)
    if not due and not loaded:
        return Moved([], 0, more)
    world.work.moving = (due, loaded)
    mover = _Mover(tx, world, now, sums, [*due, *loaded])
    alike = Alike(tx, world, mover.changes, mover.writer, mover.desk, now)
    answered = alike.end_answered([*due, *loaded], news)
    told -= answered
    if answered:
        if _keys_among(due, answered):
            due = [run for run in due if (run.contact_id, run.id) not in answered]
        loaded = [run for run in loaded if (run.contact_id, run.id) not in answered]
    untried = {key: row[2] for key, row in ready.items() if row[3]}
    alike.move(due, loaded, told, untried, refused)
    mover.decide(alike.rest + alike.others, ready)
    parcels = mover.hand_over(alike, ready)
    mover.changes.flush_moves(tx)
    return Moved(alike.parcels + parcels, len(answered) + len(due) + len(loaded), more)


def _keys_among(runs: Sequence[Run], keys: Collection[RunKey]) -> list[RunKey]:
    """Return those of these keys that are of one of the runs, which mostly are of other contacts."""
    contacts = {contact_id for contact_id, _ in keys}
    found = [(run.contact_id, run.id) for run in runs if run.contact_id in contacts]
    return [key for key in found if key in keys]


def _ready(tx: Transaction, world: World, now: int) -> list[tuple[Any, ...]]:
    """Return the queued messages that may go now; of an account that is down by the one that stands in."""
    found: list[tuple[Any, ...]] = []
    for account_id, not_before in list(world.traffic.queued.items()):
        if not_before > now or account_id not in world.traffic.limits:
            continue
        other = world.traffic.stand_in(account_id, now, world.versions.named)
        free = world.traffic.free(other or account_id, now)
        if other:
            world.traffic.stands_in[account_id] = other
        else:
            world.traffic.stands_in.pop(account_id, None)
        if free:
            limit = min(free, world.work.due_limit)
            rows = tx.all(
                "queued_messages", account_id=account_id, now=now, limit=limit, unsent=int(bool(other))
            )
            if other:
                rows = [(*row[:2], other, *row[3:]) for row in rows]
                if len(rows) < limit:  # what is left has to wait
                    del world.traffic.stands_in[account_id]
            elif len(rows) < limit:
                later = tx.one("next_queued", account_id=account_id, now=now)
                world.traffic.queue_drained(account_id, later[0] if later else None)
            found += rows
    return found


def _lane(item: _Sending) -> int:
    """Return the lane of a message; before all of them goes whoever has asked for a person."""
    return -1 if tasks.asked_at(item.passages) is not None else item.version.class_code


def _without_set_aside(
    tx: Transaction, world: World, runs: list[Run], ready: Mapping[RunKey, tuple[Any, ...]], now: int
) -> list[Run]:
    """Return the runs that may go on; whatever is told of others, they wait for what a defect keeps back.

    Whose message waits for its turn leaves it to others. The guard of one that is under way is not touched:
    it would be taken for one that has run out.
    """
    aside = set_aside.contacts(tx, [run.contact_id for run in runs])
    waiting = {(r.contact_id, r.id): r for r in runs if r.contact_id in aside and r.outcome is None}
    if not waiting:
        return runs
    idle = [key for key, run in waiting.items() if run.phase != _SUBMITTED_PHASE]
    run_store.wake(tx, idle, now)
    turns = waiting.keys() & ready.keys()
    set_aside.put_off_messages(tx, turns, now + _TURN_MS)
    for key in turns:
        world.traffic.has_queued(ready[key][2], now + _TURN_MS)
    return [run for run in runs if (run.contact_id, run.id) not in waiting]


class _Mover:
    """One tick's decisions."""

    def __init__(
        self, tx: Transaction, world: World, now: int, sums: Sums | None, runs: Sequence[Run]
    ) -> None:  # fmt: skip
        self._tx, self._world, self._now = tx, world, now
        work = world.work
        self.changes = Changes(work.known_inputs, world.outbox, world.money.spending, work.noted, sums)
        self._notes = Notes(tx, world, self.changes, now)
        self.desk = Desk(tx, world, now)
        self.writer = Writer(world, tx, now, self.changes.short_links, self.changes.sums, runs)
        self._sending: list[_Sending] = []

    def decide(self, runs: list[Run], ready: Collection[RunKey]) -> None:
        """Decide about every run; those that are to send wait in a list for the hand-over."""
        now = self._now
        passages, marks = run_store.passages(
            self._tx, runs, self._world.accounts.retriable, self._world.versions.plain
        )
        entering_runs: list[tuple[Version, Run, Passages, Enter]] = []
        for run in runs:
            key = (run.contact_id, run.id)
            version = self._world.versions[run.version_id]
            try:
                settled = settle(version, run, passages[key], marks.get(key, NOTHING), now)
                if isinstance(settled, Decision):
                    if settled.phase != _QUEUED_PHASE or settled.outcome is not None or key not in ready:
                        self._notes.apply(version, run, settled, passages[key], None)
                        continue
                    settled = Enter(run.step, run.due_at, "handed over")
                elif settled.step is None:  # nothing is asked about the contact of a run that ends
                    ended = enter(version, run, passages[key], settled, NO_ANSWERS, now)
                    self._notes.apply(version, run, ended, passages[key], None)
                    continue
            except Exception as error:
                self._notes.set_aside(run, passages[key], error)
                continue
            entering_runs.append((version, run, passages[key], settled))
        if entering_runs:
            self._enter(entering_runs)

    def _enter(self, entering_runs: list[tuple[Version, Run, Passages, Enter]]) -> None:
        now = self._now
        pairs = [(version, run) for version, run, _, _ in entering_runs]
        seen = look(self._tx, pairs, now, self._world.accounts)
        self.desk.see(seen)
        desk = self.desk
        runs_of = Counter([run.contact_id for _, run, _, _ in entering_runs])
        if len(runs_of) < len(entering_runs):
            entering_runs.sort(key=self._rank)
        for version, run, passed, wish in entering_runs:
            try:
                answers = desk.answers(version, run, passed)
                decision = enter(version, run, passed, wish, answers, now)
                if decision.send is not None and runs_of[run.contact_id] > 1:
                    desk.note_touch(version, run, decision.send)  # for the caps of the contact's other runs
                self._keep(version, run, passed, answers, decision)
            except Exception as error:
                self._notes.set_aside(run, passed, error)
            self.changes.flush_some(self._tx)

    def _rank(self, entering: tuple[Version, Run, Passages, Enter]) -> tuple[int, int, int, int]:
        """Return what decides between the runs of one contact: class, priority, nearest date, age (E14)."""
        version, run, _, wish = entering
        date = self.desk.counts_back_from(version, run, wish.step or 0)
        return version.class_code, -version.cascade.priority, FAR if date is None else date, wish.due_at

    def _keep(
        self, version: Version, run: Run, passages: Passages, answers: Answers, decision: Decision
    ) -> None:
        if decision.send is None:
            self._notes.apply(version, run, decision, passages, answers)
        else:
            self._sending.append(_Sending(version, run, passages, answers, decision, decision.send))

    def hand_over(self, alike: Alike, ready: Collection[RunKey]) -> list[Parcel]:
        """Give slots to what is to be sent, queue the rest; what cannot be written moves on at once.

        Those of `alike` who claim a slot are among them: the best lane and the longest wait come first.
        """
        parcels: list[Parcel] = []
        claims = alike.claims
        left: list[Run] = []  # of the claims, for the long way, which looks at their contacts then
        while self._sending or claims or left:
            if left and not self._sending:
                self.decide(left, ready)
                left = []
            sending, self._sending = self._sending, []
            order = alike.order() if claims else {}
            wanted = [
                (s.send.account_id, _lane(s), s.decision.due_at, order.get(id(s.run), 0)) for s in sending
            ]
            wanted += [(c.plan.send.account_id, c.lane, c.due_at, order[id(c.run)]) for c in claims]
            chosen = allocate(self._world, wanted, self._now)
            if claims:
                first = len(sending)
                left = alike.settle_claims({at - first for at in chosen if at >= first})
                claims = []
            for index, item in enumerate(sending):
                gone = False
                try:
                    if index in chosen:
                        gone = self._submit(item, parcels)
                    elif held_until := self._held_until(item):
                        self._wait_until(item, held_until, held_until, "reacted")
                    elif opens_at := tasks.closed_until(self._world, item.version, item.send, self._now):
                        self._wait_until(item, opens_at, opens_at, "the call desk is closed")
                    else:
                        self._queue(item)
                except Exception as error:
                    self._notes.set_aside(item.run, item.passages, error)
                if index in chosen and not gone:
                    self._world.traffic.limits[item.send.account_id].give_back(1)
                self.changes.flush_some(self._tx)
        return parcels

    def _submit(self, item: _Sending, parcels: list[Parcel]) -> bool:
        """Hand a message over, with its words; say whether that was possible."""
        run, send = item.run, item.send
        answers = item.answers
        address = entering.address_by(send.account_id, send.channel, answers)
        assert address is not None  # else it would have been passed over
        valid = valid_for_ms(
            item.version, run, send.step, send.channel, answers.anchors, answers.zones[0], self._now
        )
        written = self.writer.write(
            item.version, run, send, item.passages, self.desk.person(run.contact_id),
            self.desk.properties(run), bool(address.shared), valid, item.decision.due_at or self._now,
        )  # fmt: skip
        if isinstance(written, Refusal):
            if written.again_at and self._may_wait(item, written.again_at):
                self._wait_until(item, written.again_at, item.decision.due_at, written.detail)
            else:
                self._refused(item, written)
            return False
        before = item.passages.get(send.step)
        why = self.changes.why(run, item.decision, answers, _SUBMITTED_PHASE)
        self._row(item, _SUBMITTED, None, self._now, written.price, why)
        self.changes.bodies.append((run.contact_id, run.id, send.step, written.body))
        if send.chance:
            drawn = (send.channel, send.chance, send.arms, send.group)
            self.changes.choices.append(
                (run.contact_id, run.id, send.step, run.version_id, self._now, *drawn)
            )
        attempt = 1 + (before.attempt if before else 0)
        if written.more:
            self.changes.sums.hold(run.cascade_id, send.account_id, self._now, written.more)
        moved = any(passage.mask & item.version.moving for passage in item.passages.values())
        if send.account_id in self._world.accounts.desks:  # our own people take it: in this very transaction
            language = self.desk.person(run.contact_id).language
            zone, price = answers.zones[0], written.price
            call = tasks.Call(item.version, run, send, attempt, item.passages, price, language, zone, valid)
            until = tasks.open_task(self.changes, self._world, call, self._now)
            if moved:
                until = max(until, held_there(item.version, run, item.passages, send.step))
            self._note(item, Phase.WAITING, until)
            return True
        self._note(item, _SUBMITTED_PHASE, self._now + self._world.options.submit_guard_ms)
        silence_ms = item.version.rules[send.step, send.channel].silence_ms
        if silence_ms is not None and not moved:  # else a reaction to an earlier message may lengthen it
            self._world.work.handed[run.contact_id, run.id, send.step] = Handed(run.seq + 1, silence_ms)
        parcels.append(Parcel(run.contact_id, run.id, send.step, attempt, send.account_id, written.outgoing))
        return True

    def _refused(self, item: _Sending, refusal: Refusal) -> None:
        send, version, run = item.send, item.version, item.run
        skip = (send.step, send.channel, refusal.reason, refusal.detail)
        wish = Enter(version.cascade.steps[send.step].next, self._now, "skipped")
        skips = (*item.decision.skips, skip)
        decision = enter(version, run, item.passages, wish, item.answers, self._now, skips)
        self._keep(version, run, item.passages, item.answers, decision)

    @staticmethod
    def _may_wait(item: _Sending, until: int) -> bool:
        """Say whether a step may still be sent then: it is not too late, and has no date of its own."""
        due_at = item.decision.due_at
        own = item.version.cascade.steps[item.send.step].at is None
        return own and due_at is not None and until <= timing.latest(item.version, due_at)

    def _wait_until(self, item: _Sending, opens_at: int, due_at: int | None, detail: str) -> None:
        """Enter the step at a later instant; lateness counts from `due_at`."""
        run, step, decision = item.run, item.send.step, item.decision
        if held_until := self._held_until(item):
            opens_at = due_at = held_until
        before = item.passages.get(step)
        queued = before is not None and before.state == _QUEUED
        waits = Decision(
            _ACTIVE, Phase.ENTER, step, opens_at, due_at or opens_at, decision.reason, skips=decision.skips,
            withdraw=step if queued else decision.withdraw, detail=detail,
        )  # fmt: skip
        self._notes.apply(item.version, run, waits, item.passages, item.answers)

    def _held_until(self, item: _Sending) -> int:
        """Return until when reactions hold back what might have gone now, but has to wait; 0: they do not."""
        until = held_there(item.version, item.run, item.passages, item.send.step)
        return until if item.send.step != item.run.step and until > self._now else 0

    def _queue(self, item: _Sending) -> None:
        run, now = item.run, self._now
        self._world.traffic.has_queued(item.send.account_id, now)
        before = item.passages.get(item.send.step)
        waits = before is not None and before.state == _QUEUED and before.account_id == item.send.account_id
        if waits and run.phase == _QUEUED_PHASE and run.wake_at is not None and run.wake_at > now:
            return  # it keeps its place
        wake_at = now + patience_ms(item.version, item.send.step)
        asked_at = tasks.asked_at(item.passages)  # who has asked for a person comes first in its lane
        at, price = (before.submitted_at, before.price) if before else (None, 0)
        self._row(item, _QUEUED, now if asked_at is None else 0, at, price)
        self._note(item, _QUEUED_PHASE, wake_at)
        self.changes.decision(run, item.decision, item.answers, now, _QUEUED_PHASE)

    def _row(
        self, item: _Sending, state: int, not_before: int | None, at: int | None, price: int,
        why: int | None = None,
    ) -> None:  # fmt: skip
        run, send = item.run, item.send
        self.changes.messages.append((
            run.contact_id, run.id, send.step, send.channel, state, None, send.variant, send.account_id,
            item.version.class_code, not_before, at, price, why, None if why is None else run.seq,
        ))  # fmt: skip

    def _note(self, item: _Sending, phase: Phase, wake_at: int) -> None:
        run, decision = item.run, item.decision
        due_at = wake_at if phase == Phase.WAITING else decision.due_at
        self.changes.runs.append((
            run.contact_id, run.id, run.seq, _ACTIVE, phase, item.send.step, None, wake_at, due_at,
            None, None, 0, None,
        ))  # fmt: skip
        if decision.skips:
            self.changes.skips(run, decision)
        if decision.withdraw is not None:
            self._notes.withdraw(run, decision, item.passages[decision.withdraw])
        if item.version.calls_people:
            tasks.leave(self.changes, item.version, run, decision, item.passages, self._now)

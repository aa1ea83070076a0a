"""The short way of the tick for runs that stand alike: decided about once, read and written by the list.

Whoever does not fit (a refusal, a doubtful address, a cap) is left to `move`, which decides about each run by
itself; so nothing here needs to know what happens then. Where an account has not enough slots for all, they
claim them together with those, and are queued in the same manner.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, structs

from kaskad.domain.alike import Standing, answered, free_below, is_shared, may_be_touched
from kaskad.domain.caps import Touch
from kaskad.domain.clocks import patience_ms, valid_for_ms
from kaskad.domain.consent import ConsentRow
from kaskad.domain.decide import enter
from kaskad.domain.entering import ADDRESS_CHANNEL
from kaskad.domain.errors import KaskadError
from kaskad.domain.run import NO_ANSWERS, Address, Answers, Decision, Run, Send
from kaskad.domain.terms import MessageState, Phase, RunState
from kaskad.engine.changes import PIECE, Changes
from kaskad.engine.handover import Writer
from kaskad.engine.inbox import News
from kaskad.engine.look import Desk, properties_of, touches_of, touches_since
from kaskad.engine.parcel import Parcel
from kaskad.engine.work import Handed
from kaskad.engine.world import World
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import RunKey

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_SUBMITTED, _SUBMITTED_PHASE = MessageState.SUBMITTED.code, Phase.SUBMITTED.value
_QUEUED = MessageState.QUEUED.code
_ACTIVE, _FINISHED = RunState.ACTIVE.code, RunState.FINISHED.code
_UNDER_WAY = (Phase.QUEUED.value, _SUBMITTED_PHASE)
_NOWHERE = Touch(0, 0, 0, 0)

Known = tuple[Any, ...]  # of a contact, by row: zone, country, health, shared, a consent; equal for many


class _Plan(Struct):
    """What all do whose contacts are alike: the decision about one of them, and what it sends."""

    standing: Standing
    decision: Decision
    send: Send
    answers: Answers
    free_below: int
    reasons: dict[int, int]  # number of touches -> why it goes, as it is kept …
    waits: dict[int, int]  # … and why it is queued
    takes: list[tuple[Run, Row]]  # each run with its contact's row


class _Claim(Struct):
    """One of those who are alike, who wants a slot of an account that has not enough for all."""

    plan: _Plan
    run: Run
    row: Row
    lane: int
    due_at: int


class Alike:
    """The runs of one tick that stand alike. `rest` and `others` are those that are left to the long way.

    `claims` are to be given slots together with those, by `settle_claims`.
    """

    def __init__(
        self, tx: Transaction, world: World, changes: Changes, writer: Writer, desk: Desk, now: int
    ) -> None:
        self._tx, self._world, self._changes, self._writer, self._desk = tx, world, changes, writer, desk
        self._now = now
        self._told: Collection[RunKey] = ()
        self._untried: Mapping[RunKey, int | None] = {}
        self._refused: Mapping[RunKey, int] = {}
        self.rest: list[Run] = []
        self.others: list[Run] = []
        self.claims: list[_Claim] = []
        self._runs: Sequence[Run] = ()
        self.parcels: list[Parcel] = []

    def end_answered(self, runs: Iterable[Run], news: Mapping[RunKey, News | None]) -> set[RunKey]:
        """End the runs whose person has reacted, as the first telling thing about them; return these."""
        ended: set[RunKey] = set()
        if not news:
            return ended
        known: dict[tuple[int, ...], tuple[Decision, int] | None] = {}
        contacts = {contact_id for contact_id, _ in news}
        for run in runs:
            if run.contact_id not in contacts:
                continue
            key = (run.contact_id, run.id)
            new = news.get(key)
            if new is None or run.marks or run.holdout or run.outcome is not None or run.branch is not None:
                continue
            stands = (
                run.version_id,
                run.state,
                run.phase,
                run.step,
                run.late,
                new.step,
                new.channel,
                new.mask,
            )
            try:
                found = known[stands]
            except KeyError:
                found = known[stands] = self._answered(run, new)
            if found is not None:
                ended.add(key)
                self._note_end(run, *found)
        self._changes.flush_some(self._tx)
        return ended

    def _answered(self, run: Run, new: News) -> tuple[Decision, int] | None:
        version = self._world.versions[run.version_id]
        decision = answered(version, run, new.step, new.channel, new.mask, new.first, self._now)
        if decision is None:
            return None
        return decision, self._changes.why(run, decision, None, decision.phase)

    def _note_end(self, run: Run, decision: Decision, why: int) -> None:
        changes, now = self._changes, self._now
        changes.runs.append((
            run.contact_id, run.id, run.seq, decision.state, decision.phase, decision.step, decision.branch,
            decision.wake_at, run.due_at, decision.outcome, decision.outcome_step, int(decision.late), now,
        ))  # fmt: skip
        changes.decisions.append((run.contact_id, run.id, run.seq, now, why))

    def move(
        self, due: Sequence[Run], others: Sequence[Run], told: Collection[RunKey] = (),
        untried: Mapping[RunKey, int | None] = {}, refused: Mapping[RunKey, int] = {},
    ) -> None:  # fmt: skip
        """Move those of the runs that stand alike; `others` are not due, and may have other reasons to move.

        `told` are runs about which something telling has just come; `untried` those whose queued message may
        go now, and has never gone, with the account that it waits for; `refused` those whose message at that
        step was refused just now.
        """
        self._told, self._untried, self._refused = told, untried, refused
        if self._world.work.conflicts:
            self.rest, self.others = list(due), list(others)  # the long way knows what else there is of a run
            return
        self._runs = (*due, *others)
        plans: list[_Plan] = []
        for place, runs in self._standings(due, others):
            if place.enters is None:
                self._end(place, runs)
            else:
                plans += self._plans(place, runs)
        if self._room(plans, len(self.rest)):
            for plan in plans:
                self._hand_over(plan)
        else:
            self._claim(plans)
        left = {id(run) for run in self.rest}
        self.rest = [run for run in due if id(run) in left]  # oldest first, as they came
        self.others = [run for run in others if id(run) in left]

    def order(self) -> Mapping[int, int]:
        """Return who comes first of all runs that are due at once: their places, by identity."""
        return {id(run): place for place, run in enumerate(self._runs)}

    def _claim(self, plans: Sequence[_Plan]) -> None:
        """Let all of them want a slot, in the order in which they would without being alike."""
        for plan in plans:
            lane = plan.standing.version.class_code
            due_at, now = plan.standing.due_at, self._now
            self.claims += [_Claim(plan, run, row, lane, due_at(run, now)) for run, row in plan.takes]

    def settle_claims(self, chosen: Container[int]) -> list[Run]:
        """Hand over the claims at these places, who have their slots, and queue the rest.

        Return the runs whose messages cannot be written: these are the long way's.
        """
        self.rest = []
        gone: dict[int, tuple[_Plan, list[tuple[Run, Row]]]] = {}
        for place, claim in enumerate(self.claims):
            if place in chosen:
                gone.setdefault(id(claim.plan), (claim.plan, []))[1].append((claim.run, claim.row))
            else:
                self._queue(claim)
        for plan, takes in gone.values():
            self._write_granted(plan, takes)
        return self.rest

    def _queue(self, claim: _Claim) -> None:
        """Let a message wait for its account; one that does so already keeps its place."""
        plan, run, now = claim.plan, claim.run, self._now
        version, send = plan.standing.version, plan.send
        key = run.contact_id, run.id
        self._world.traffic.has_queued(send.account_id, now)
        if self._untried.get(key) == send.account_id:
            return
        changes = self._changes
        changes.runs.append((
            *key, run.seq, _ACTIVE, Phase.QUEUED, send.step, None, now + patience_ms(version, send.step),
            claim.due_at, None, None, 0, None,
        ))  # fmt: skip
        changes.messages.append((
            *key, send.step, send.channel, _QUEUED, None, None, send.account_id, claim.lane, now, None, 0,
            None, None,
        ))  # fmt: skip
        touches = claim.row[5]
        why = plan.waits.get(touches)
        if why is None:
            why = plan.waits[touches] = self._why(plan, run, touches, Phase.QUEUED)
        changes.decisions.append((*key, run.seq, now, why))
        changes.flush_some(self._tx)

    def _standings(self, due: Sequence[Run], others: Sequence[Run]) -> list[tuple[Standing, list[Run]]]:
        """Return the runs by where they stand; those of whom a contact has more than one are left."""
        ids, told = [run.contact_id for run in self._runs], self._told
        contacts = Counter() if len(set(ids)) == len(ids) else Counter(ids)  # empty: each is alone
        places: dict[tuple[int, int, int], tuple[Standing | None, list[Run]]] = {}
        early = [run for run in others if self._goes_early(run)]
        self.rest += [run for run in others if not self._goes_early(run)]
        for run in (*due, *early):
            key = (run.version_id, run.phase, run.step)
            known = places.get(key)
            if known is None:
                known = places[key] = (self._world.versions.standing(*key), [])
            place, runs = known
            if (
                place is not None
                and place.fits(run, self._now)
                and (not contacts or contacts[run.contact_id] == 1)
                and (not told or (run.contact_id, run.id) not in told)
                and (run.phase not in _UNDER_WAY or self._goes_early(run))
            ):
                runs.append(run)
            else:
                self.rest.append(run)
        return [(place, runs) for place, runs in places.values() if place is not None and runs]

    def _goes_early(self, run: Run) -> bool:
        """Say whether its message was refused, or was queued, has never gone, and may go in good time."""
        key = (run.contact_id, run.id)
        if run.phase == _SUBMITTED_PHASE:
            return self._refused.get(key) == run.step
        patient = run.wake_at is not None and run.wake_at > self._now
        return run.phase == Phase.QUEUED and patient and key in self._untried

    def _end(self, place: Standing, runs: Sequence[Run]) -> None:
        """Note that these runs have no step left."""
        first = runs[0]
        wish = place.wish(first.due_at)
        decision = enter(place.version, first, place.passages, wish, NO_ANSWERS, self._now)
        why = self._changes.why(first, decision, None, decision.phase)
        for run in runs:
            self._note_end(run, decision, why)
        self._changes.flush_some(self._tx)

    def _plans(self, place: Standing, runs: Sequence[Run]) -> Iterable[_Plan]:
        """Look at the contacts of these runs; return what those do who are alike."""
        assert place.enters is not None
        channel = place.version.cascade.steps[place.enters].channels[0].code
        address_channel = ADDRESS_CHANNEL.get(channel, channel)
        of = {run.contact_id: run for run in runs}
        ids = sorted(of)
        since = touches_since([place.version], self._now)
        plans: dict[Known, _Plan | None] = {}
        shares = bool(self._desk.share(place.version, runs[0]))
        doubtful: list[tuple[_Plan, Run, Row]] = []
        rows = self._tx.among(
            "look_alike", ids, channel=address_channel, now=self._now,
            since=self._now + 1 if since is None else since,
        )  # fmt: skip
        for contact_id, (row, known) in _by_contact(rows).items():
            run = of.pop(contact_id)
            kind = (known, self._desk.share(place.version, run)) if shares else known
            try:
                plan = plans[kind]
            except KeyError:
                plan = plans[kind] = self._plan(place, run, row, known, address_channel)
            if plan is None:
                self.rest.append(run)
            elif row[5] >= plan.free_below:
                doubtful.append((plan, run, row))
            else:
                plan.takes.append((run, row))
        self.rest += of.values()  # of whom nothing is known, or no address
        if since is not None:
            self._ask_caps(doubtful, since)
        return [plan for plan in plans.values() if plan is not None and plan.takes]

    def _plan(self, place: Standing, run: Run, row: Row, known: Known, channel: int) -> _Plan | None:
        """Decide about one run as for all whose contacts are like this one; None: each by itself."""
        consents = [told[4:] for told in known if told is not None and told[4] is not None]
        zone, country, health, shared = known[0][:4]
        if zone is None or health or shared or None in known or not all(consent[0] for consent in consents):
            return None
        assert place.enters is not None
        try:
            answers = self._desk.alike(
                place.version, run, zone, country, {channel: Address(row[1], health, shared)},
                tuple(_consent(consent, self._now) for consent in consents),
            )  # fmt: skip
            wish = place.wish(place.due_at(run, self._now))
            decision = enter(place.version, run, place.passages, wish, answers, self._now)
        except KaskadError:
            raise
        except Exception:  # whose run it is will be found out by deciding about each
            return None
        if decision.send is None or not is_shared(decision):
            return None
        if decision.send.account_id in self._world.accounts.windows:
            return None  # who has written when, the long way asks
        if channel in self._world.accounts.picky:
            return None  # and which account takes whose address
        free = free_below(place.version, place.enters)
        return _Plan(place, decision, decision.send, answers, free, {}, {}, [])

    def _ask_caps(self, doubtful: Sequence[tuple[_Plan, Run, Row]], since: int) -> None:
        """Let those go on whom the caps allow it, by what has left us for each of them."""
        touches = touches_of(self._tx, sorted({run.contact_id for _, run, _ in doubtful}), since)
        for plan, run, row in doubtful:
            answers = structs.replace(plan.answers, touches=tuple(touches.get(run.contact_id, ())))
            if may_be_touched(plan.standing.version, plan.send.step, run, answers, self._now):
                plan.takes.append((run, row))
            else:
                self.rest.append(run)

    def _room(self, plans: Sequence[_Plan], others: int) -> bool:
        """Say whether the accounts take all that is to go now, whatever the other runs want of them."""
        wanted: Counter[int] = Counter()
        for plan in plans:
            wanted[plan.send.account_id] += len(plan.takes)
        free = self._world.traffic.free
        return all(free(account_id, self._now) >= count + others for account_id, count in wanted.items())

    def _hand_over(self, plan: _Plan) -> None:
        """Write the messages of those who are alike, and note all that they change."""
        granted = self._world.traffic.limits[plan.send.account_id].grant(self._now, len(plan.takes))
        self.rest += [run for run, _ in plan.takes[granted:]]
        self._write_granted(plan, plan.takes[:granted])

    def _write_granted(self, plan: _Plan, takes: Sequence[tuple[Run, Row]]) -> None:
        """Write the messages of those who have their slots, and give back what is not used."""
        version, send = plan.standing.version, plan.send
        properties: Mapping[RunKey, dict[str, Any]] = {}
        if version.uses_trigger:
            properties = properties_of(self._tx, [run for run, _ in takes])
        before = len(self.parcels)
        spent = self._write(plan, takes, properties) if takes else 0
        self._world.traffic.limits[send.account_id].give_back(len(takes) - (len(self.parcels) - before))
        if spent:
            self._changes.sums.hold(version.cascade_id, send.account_id, self._now, spent)

    def _write(
        self, plan: _Plan, takes: Sequence[tuple[Run, Row]], properties: Mapping[RunKey, dict[str, Any]]
    ) -> int:
        """Write messages that may go, and note them; return what they cost together."""
        version, send, now, world = plan.standing.version, plan.send, self._now, self._world
        step, channel, account_id, lane = send.step, send.channel, send.account_id, version.class_code
        zone, silence_ms = plan.answers.zones[0], version.rules[step, channel].silence_ms
        valid_ms = valid_for_ms(version, takes[0][0], step, channel, None, zone, now)
        budget = version.cascade.budget
        own = budget.total is not None or budget.per_contact is not None
        budgeted = own or world.money.spending is not None
        guard_at, spent = now + world.options.submit_guard_ms, 0
        changes, parcels, write = self._changes, self.parcels, self._writer.page(version, send).write
        submits, messages, bodies = changes.submits, changes.new_messages, changes.new_bodies
        handed = world.work.handed
        queued, at_once = plan.standing.phase == Phase.QUEUED, plan.standing.at_once
        of_run: dict[str, int] = {}
        scope: dict[str, Any] = {"contact": {}, "trigger": {}, "run": of_run}  # filled anew for each message
        for run, row in takes:
            contact_id, run_id, seq = run.contact_id, run.id, run.seq
            due_at = now if at_once else run.due_at
            try:
                scope["contact"] = attributes = _decode(row[4])
                of_run["id"], of_run["entered_at"] = run_id, run.entered_at
                if properties:
                    scope["trigger"] = properties.get((contact_id, run_id), {})
                outgoing, body, price = write(
                    run, row[1], scope, attributes, row[3] or "", bool(row[2]), valid_ms, due_at,
                    zone=row[6],
                )  # fmt: skip
                refused = budgeted and self._writer.over_budget(version, send, {}, price) is not None
            except KaskadError:
                raise
            except Exception:  # a value is missing, or odd: the long way says which
                refused = True
            if refused:
                self.rest.append(run)
                continue
            spent += price
            why = plan.reasons.get(row[5])
            if why is None:
                why = plan.reasons[row[5]] = self._why(plan, run, row[5], _SUBMITTED_PHASE)
            if queued:
                self._submit_queued(plan, run, body, price, why, guard_at)
            else:
                submits.append((contact_id, run_id, seq, step, guard_at, due_at))
                messages.append((contact_id, run_id, step, channel, account_id, lane, now, price, why, seq))
                bodies.append((contact_id, run_id, step, body))
            if silence_ms is not None:
                handed[contact_id, run_id, step] = Handed(seq + 1, silence_ms)
            parcels.append(Parcel(contact_id, run_id, step, 1, account_id, outgoing))
            if len(submits) + len(changes.runs) >= PIECE:
                changes.flush_some(self._tx)
        return spent

    def _submit_queued(
        self, plan: _Plan, run: Run, body: str, price: int, why: int, guard_at: int
    ) -> None:  # fmt: skip
        """Note a message that goes now and was queued: there is a row already, and perhaps its words.

        Its run's timer is when it would have waited too long, later than the guard, perhaps.
        """
        changes, send = self._changes, plan.send
        key, step = (run.contact_id, run.id), send.step
        changes.runs.append((
            *key, run.seq, _ACTIVE, _SUBMITTED_PHASE, step, None, guard_at, run.due_at, None, None, 0, None,
        ))  # fmt: skip
        changes.bodies.append((*key, step, body))
        changes.messages.append((
            *key, step, send.channel, _SUBMITTED, None, None, send.account_id,
            plan.standing.version.class_code, None, self._now, price, why, run.seq,
        ))  # fmt: skip

    def _why(self, plan: _Plan, run: Run, touches: int, phase: int) -> int:
        answers = structs.replace(plan.answers, touches=(_NOWHERE,) * touches)
        return self._changes.why(run, plan.decision, answers, phase)


def _by_contact(rows: Sequence[Row]) -> dict[int, tuple[Row, Known]]:
    """Return each contact's first row and what is known of it by all; None for a second address."""
    found: dict[int, tuple[Row, Known]] = {row[0]: (row, (row[6:],)) for row in rows}
    if len(found) == len(rows):
        return found
    found.clear()
    for row in rows:
        first, known = found.get(row[0], (row, ()))
        found[row[0]] = (first, (*known, row[6:] if row[1] == first[1] else None))
    return found


def _consent(consent: Row, now: int) -> ConsentRow:
    """Return a grant like those of all these contacts: what counts of its times is whether it holds now."""
    _, purpose, channels, topic, brand, proven, holds = consent
    return ConsentRow(True, purpose, channels, topic, 0 if holds else now + 1, None, bool(proven), brand)

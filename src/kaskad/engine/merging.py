"""Two contacts become one, between two ticks (E16); and what is told later under the number that is no more.

Runs of both that the re-entry rule would not have let the one person have together go on as one: the run that
is further. What either has sent is passed over in it, and a reaction to either ends it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, structs

from kaskad.domain.alike import TOLD
from kaskad.domain.consent import ALL_CHANNELS, ANY, ConsentRow, OptOut, Scope, effect_of_opt_out, may
from kaskad.domain.decide import ending
from kaskad.domain.errors import Conflict, NotFound
from kaskad.domain.ids import contact_text
from kaskad.domain.joining import Told, further, same
from kaskad.domain.run import NOTHING, Passages, Run
from kaskad.domain.terms import Channel, Kind, MessageState, Outcome, SkipReason
from kaskad.domain.version import Version
from kaskad.domain.worded import worded
from kaskad.engine.changes import Changes
from kaskad.engine.inbox import mark
from kaskad.engine.move import move
from kaskad.engine.returns import settle
from kaskad.engine.world import World
from kaskad.store import changes as history
from kaskad.store import contacts, courses, merges, set_aside
from kaskad.store import runs as run_store
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import RunKey

_EVENT = "merge"
_LEFT_OUT = frozenset({
    MessageState.CREATED.code, MessageState.QUEUED.code, MessageState.SKIPPED.code,
    MessageState.CANCELLED.code,
})  # fmt: skip
_OPEN = frozenset({MessageState.CREATED.code, MessageState.QUEUED.code})
_ANSWERED = frozenset({
    Outcome.CONVERTED.code, Outcome.RESPONDED.code, Outcome.OPTED_OUT.code, Outcome.COMPLAINED.code,
    Outcome.CANCELLED.code,
})  # fmt: skip


def announce(tx: Transaction, now: int) -> None:
    """Let the processes on this database expect merged contacts, from when they next read it anew."""
    tx.run("put_merged_contact", old=0, kept=0, now=now)


class InFlight(Conflict):
    """A message is just being handed over: it is known in a moment what came of it."""


class Merged(Struct, frozen=True):
    """What a merge has done."""

    contact_id: int
    merged: int
    runs: int  # that are the kept contact's now
    ended: int  # live runs that the other contact's took the place of
    conflicts: Mapping[str, Any]  # what the other contact said differently


class _Pair(Struct, frozen=True):
    """Two runs that go on as one: `into`. `ends`: the other is live, and ends first."""

    into: Run
    other: Run
    ends: bool


def merge(tx: Transaction, world: World, kept_id: int, old: int, who: str, now: int) -> Merged:
    """Make two contacts one; raises InFlight, NotFound, Conflict.

    Whoever calls it stands between two ticks: nothing of the two can move meanwhile.
    """
    world.merges = True
    world.work.known_inputs.clear()  # this transaction may be undone, and what it explains with it
    asked = kept_id, old
    kept_id, old = _locked(tx, *asked)
    for each in (kept_id, old):
        if tx.one("contact_by_id", id=each) is None:
            raise NotFound(worded("There is no contact %(contact)r.", contact=contact_text(each)))
    if kept_id == old:
        names = " and ".join(contact_text(each) for each in sorted(set(asked)))
        raise Conflict(
            worded(
                "%(names)s: one contact already, %(contact)s. Name two contacts.",
                names=names,
                contact=contact_text(old),
            )
        )
    if tx.one("in_flight", contact_id=old) is not None:
        raise _in_flight(tx, old)
    again = merges.stricter(tx, old, kept_id)
    pairs, ended = _join(tx, world, kept_id, old, now)
    courses.due_again(tx, old)  # under numbers that are no run's any more
    numbers = merges.carry(tx, old, kept_id, now)
    conflicts = merges.unite(tx, old, kept_id, now)
    contacts.add_consents(tx, [(kept_id, consent) for consent in again])
    _unite(tx, world, kept_id, old, pairs, numbers, now)
    _refuse(tx, world, kept_id, now)
    detail = {"contact": contact_text(old), "runs": len(numbers), "other": conflicts}
    history.note(tx, [history.Change(kept_id, now, "merged", who, detail)])
    return Merged(kept_id, old, len(numbers), ended, conflicts)


def _locked(tx: Transaction, *ids: int) -> list[int]:
    """Return who is kept of each contact, once the runs of all of them are locked, and contacts are.

    Runs come first: ticks take `lock_contacts` last.
    """
    run_store.lock(tx, sorted({*ids, *(merges.kept(tx, each) for each in ids)}))
    tx.all("lock_contacts")
    kept = [merges.kept(tx, each) for each in ids]  # another process may just have merged them
    run_store.lock(tx, sorted({*ids, *kept}))  # what has come to them meanwhile
    return kept


def _in_flight(tx: Transaction, old: int) -> InFlight:
    """Return why a contact cannot be merged yet: its message may go again, under a key that names it."""
    contact = contact_text(old)
    if not set_aside.contacts(tx, [old]):
        return InFlight(
            worded(
                "A message to %(contact)s is just being handed over: try again in a minute.", contact=contact
            )
        )
    return InFlight(
        worded(
            "A message to %(contact)s is in doubt, and stays so while something about them is set aside: "
            "apply that or leave it out first, on the page Health or by `kaskad set-aside`.",
            contact=contact,
        )
    )


def take_over(tx: Transaction, world: World, old: int, now: int) -> bool:
    """Take what another process has added to a merged contact in that very moment; return whether it had.

    Raises InFlight.
    """
    (kept_id,) = _locked(tx, old)  # who was kept may have been merged as well since
    if tx.one("left_over", old=old) is None:
        return False
    world.work.known_inputs.clear()
    if tx.one("in_flight", contact_id=old) is not None:
        raise _in_flight(tx, old)
    pairs, _ = _join(tx, world, kept_id, old, now)
    courses.due_again(tx, old)  # under numbers that are no run's any more
    numbers = merges.carry(tx, old, kept_id, now)
    _unite(tx, world, kept_id, old, pairs, numbers, now)
    _refuse(tx, world, kept_id, now)
    return True


def _join(
    tx: Transaction, world: World, kept_id: int, old: int, now: int
) -> tuple[list[_Pair], int]:  # fmt: skip
    """End the live runs that go on in others; return which runs go on in which, and how many have ended."""
    ended: set[RunKey] = set()
    while True:  # a run that ends may end with an answer of the person's, which is one for its twin as well
        pairs = _pairs(tx, world, kept_id, old)
        ending_now = {(pair.other.contact_id, pair.other.id) for pair in pairs if pair.ends}
        if not ending_now:
            return pairs, len(ended)
        if ending_now & ended:
            raise Conflict(worded("A run did not end: try again."))
        _end(tx, world, ending_now, now)
        ended |= ending_now


def _pairs(tx: Transaction, world: World, kept_id: int, old: int) -> list[_Pair]:
    found = run_store.of_contacts(tx, sorted((kept_id, old)))
    ours, theirs = found.get(kept_id, []), found.get(old, [])
    keys = {(row[0], row[1]): row[2] for row in tx.among("run_data_of", sorted((kept_id, old)))}
    sent = _sent(tx, [*ours, *theirs])
    pairs = []
    for mine in ours:
        for other in theirs:
            if mine.cascade_id != other.cascade_id or (
                mine.outcome is not None and other.outcome is not None
            ):
                continue
            told = [
                Told(run, keys.get((run.contact_id, run.id), ""), sent.get((run.contact_id, run.id), -1))
                for run in (mine, other)
            ]
            version = world.versions[mine.version_id if mine.outcome is None else other.version_id]
            if same(version, *told):
                pairs.append(_pair(version, *told))
    return pairs


def _pair(version: Version, mine: Told, other: Told) -> _Pair:
    """Return which of two runs goes on; one of them is live."""
    if mine.run.outcome is None and other.run.outcome is None:
        into, left = further(version, mine, other)
        return _Pair(into.run, left.run, True)
    live, done = (mine.run, other.run) if mine.run.outcome is None else (other.run, mine.run)
    if done.outcome in _ANSWERED:
        return _Pair(done, live, True)
    return _Pair(live, done, False)


def _sent(tx: Transaction, runs: Sequence[Run]) -> dict[RunKey, int]:
    """Return of each run the last step that has left us."""
    steps: dict[RunKey, int] = {}
    for key, passed in _passages(tx, runs).items():
        left = [step for step, passage in passed.items() if passage.state not in _LEFT_OUT]
        steps[key] = max(left, default=-1)
    return steps


def _passages(tx: Transaction, runs: Sequence[Run]) -> dict[RunKey, Passages]:
    whole = [structs.replace(run, step=max(run.step, 0)) for run in runs]
    return dict(run_store.passages(tx, whole, ())[0])


def _end(tx: Transaction, world: World, keys: Collection[RunKey], now: int) -> None:
    """End live runs now: what waits is withdrawn, tasks are closed, subscribers are told.

    For what was set aside about their contacts the runs wait that go on.
    """
    changes = Changes(world.work.known_inputs, world.outbox)
    for run in run_store.load(tx, keys):
        mark(changes, run, Kind.SUPERSEDED, _EVENT, now)
    changes.flush_facts(tx)
    move(tx, world, set(keys), now, timers=False, told=set(), waits=False)


def _unite(
    tx: Transaction, world: World, kept_id: int, old: int, pairs: Sequence[_Pair],
    numbers: Mapping[int, int], now: int,
) -> None:  # fmt: skip
    """Let the runs that go on pass over what their twins have sent, and hear what is said to these."""

    def here(run: Run) -> RunKey:
        return kept_id, numbers[run.id] if run.contact_id == old else run.id

    runs = {(run.contact_id, run.id): run for run in run_store.of_contacts(tx, [kept_id]).get(kept_id, [])}
    joined = {here(pair.other)[1]: here(pair.into)[1] for pair in pairs}
    going_on = [(runs[here(pair.into)], runs[here(pair.other)]) for pair in pairs]
    live = [(into, other) for into, other in going_on if into.outcome is None]
    merges.join_runs(tx, kept_id, list(joined.items()))
    passed = _passages(tx, list(runs.values()))
    rows: dict[tuple[int, int], Row] = {}
    for into, other in live:
        for row in _passed_over(world, into, other, passed):
            rows[row[1], row[2]] = row
    if rows:
        tx.many("put_messages", sorted(rows.values()))
    if live:
        keys = {(into.contact_id, into.id) for into, _ in live}
        tx.many("mark_runs", [(*key, TOLD, None) for key in sorted(keys)])
        run_store.wake(tx, keys, now)
    changes = Changes(world.work.known_inputs, world.outbox)
    forward(tx, world, changes, {(other.contact_id, other.id) for _, other in live})
    changes.flush_facts(tx)
    settle(tx, world, [kept_id])  # one may have bought, the other have brought it back
    courses.due_again(tx, kept_id)


def _passed_over(
    world: World, into: Run, other: Run, passed: Mapping[RunKey, Passages]
) -> Iterable[Row]:  # fmt: skip
    """Return the messages that stand for what a run's twin has sent, where it has not itself."""
    steps = world.versions[into.version_id].cascade.steps
    by_name = {step.id: step.number for step in steps}
    theirs = world.versions[other.version_id].cascade.steps
    own = passed[into.contact_id, into.id]
    for number, passage in passed[other.contact_id, other.id].items():
        place = by_name.get(theirs[number].id)
        if passage.state in _LEFT_OUT or place is None:
            continue
        if place not in own or own[place].state in _OPEN:
            skipped = MessageState.SKIPPED.code, SkipReason.DUPLICATE_ADDRESS.code
            nothing = None, None, None, None, None, 0, None, None
            yield into.contact_id, into.id, place, passage.channel, *skipped, *nothing


def _refuse(tx: Transaction, world: World, contact_id: int, now: int) -> None:
    """End the live runs that a refusal of either would have ended, had it been the one person's."""
    rows = [
        ConsentRow(bool(row[0]), row[1], row[2], row[3], row[4], row[5], row[6] is not None)
        for row in tx.all("card_consents", contact_id=contact_id)
    ]
    refusals = [row for row in rows if not row.granted]
    changes, keys = Changes(world.work.known_inputs, world.outbox), set()
    for run in run_store.of_contacts(tx, [contact_id]).get(contact_id, []) if refusals else ():
        version = world.versions[run.version_id]
        if run.outcome is None and any(_ends(version, rows, row, now) for row in refusals):
            mark(changes, run, Kind.UNSUBSCRIBED, _EVENT, now)
            keys.add((run.contact_id, run.id))
    changes.flush_facts(tx)
    run_store.wake(tx, keys, now)


def _ends(version: Version, rows: Sequence[ConsentRow], refusal: ConsentRow, now: int) -> bool:
    """Say whether a refusal that still counts ends the runs of a version."""
    cascade = version.cascade
    bits = refusal.channels or sum(1 << channel.code for channel in Channel)
    channels = [channel for channel in Channel if bits >> channel.code & 1]
    if all(may(rows, channel, cascade.message_class, cascade.topic, now) is None for channel in channels):
        return False
    effect = effect_of_opt_out(
        OptOut(_scope(refusal), channels[0], refusal.topic), cascade.message_class, cascade.topic,
        channel_stop_ends_advertising=version.policy.channel_stop_ends_advertising,
    )  # fmt: skip
    return effect.outcome is not None


def _scope(row: ConsentRow) -> Scope:
    if row.topic:
        return Scope.TOPIC
    if row.channels != ALL_CHANNELS:
        return Scope.CHANNEL
    return Scope.ALL if row.purpose == ANY else Scope.ADVERTISING


def forward(tx: Transaction, world: World, changes: Changes, touched: Collection[RunKey]) -> set[RunKey]:
    """Let runs hear of the success that a twin of theirs among `touched` has had; return these runs."""
    found = merges.twins(tx, {key[0] for key in touched}) if touched else {}
    wanted = {key: (key[0], into) for key, into in found.items() if key in touched}
    if not wanted:
        return set()
    changes.flush_facts(tx)  # what has just been told counts
    runs = {(run.contact_id, run.id): run for run in run_store.load(tx, {*wanted, *wanted.values()})}
    passed = _passages(tx, [runs[key] for key in wanted])
    told = set()
    for key, into in wanted.items():
        run, goes_on = runs[key], runs[into]
        version = world.versions.of(run)
        end = None if version is None else ending(version, run, passed[key], NOTHING)
        if end is not None and goes_on.outcome is None:
            at = max((at for each in passed[key].values() for at in each.first.values()), default=0)
            mark(changes, goes_on, Kind.REPLIED, _EVENT, at)
            told.add(into)
    return told

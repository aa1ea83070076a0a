"""Step 3 of the tick: who enters a cascade, by a trigger or by a broadcast that is under way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct, structs

from kaskad.domain.decide import goal_ends_at
from kaskad.domain.entering import share
from kaskad.domain.hours import add
from kaskad.domain.policy import HOUR
from kaskad.domain.run import Run
from kaskad.domain.scope import condition_scope
from kaskad.domain.terms import Kind, Outcome, Phase, RunState
from kaskad.domain.version import Version
from kaskad.engine.arrival import Arrival
from kaskad.engine.look import look
from kaskad.engine.world import World
from kaskad.store import courses as course_store
from kaskad.store import launch_dates, set_aside
from kaskad.store import runs as run_store
from kaskad.store.cascades import STOPPED
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import RunKey

_EPOCH_S = 1_735_689_600  # 2025-01-01: run ids are seconds since, so they fit four bytes and grow with time


class Request(Struct, frozen=True):
    """A contact that is to enter a version, unless its re-entry rule refuses."""

    version: Version
    contact_id: int
    at: int
    key: str = ""
    properties: dict[str, Any] = {}
    launch: int = 0  # by which they enter


class _Wish(Struct, frozen=True, omit_defaults=True):
    """What a request asks for, as the inbox keeps it."""

    cascade: str
    version: int
    key: str = ""
    properties: dict[str, Any] = {}
    launch: int = 0


_wish = msgspec.json.Decoder(_Wish).decode


def enrol(tx: Transaction, world: World, requests: Sequence[Request], now: int) -> set[RunKey]:
    """Make the runs of those who may enter, while versions are on trial each by the contact's own.

    Return the runs that a restart has ended: what of theirs still waits is for the caller to end too.
    """
    ended: set[RunKey] = set()
    if not requests:
        return ended
    if world.versions.trials:
        requests = _entered(world, requests)
    asked = {request.contact_id for request in requests}
    known = run_store.of_contacts(tx, sorted(asked))
    firsts = _Firsts(now) if len(asked) == len(requests) else None
    begun: set[int] = set()
    rows: list[Row] = []
    data: list[Row] = []
    for request in requests:
        contact_id = request.contact_id
        if firsts is not None and contact_id not in known:  # and who asks for nothing else, here or before
            first = firsts.of(request)
            if first is not None:
                rows.append((contact_id, *first))
                if request.properties or request.key:
                    data.append(_data(request, first[0]))
                continue
        restarts = request.version.cascade.reentry.rule == "restart"
        if restarts and contact_id in begun:  # by a request of this very tick: it must be there to be ended
            _insert(tx, world, rows, data, now)
            begun, rows, data = set(), [], []
        mine = known[contact_id]
        seed = contact_id in world.seeds
        refusal = _refusal(tx, request, mine, now, seed)
        if refusal is not None:
            world.work.refused_entry(request.version.cascade_id, refusal)
            continue
        if restarts:
            ended |= _supersede(tx, world, request, mine, now)
        run = _new_run(request, mine, now, seed)
        mine.append(run)
        begun.add(contact_id)
        rows.append(_row(run))
        if request.properties or request.key:
            data.append(_data(request, run.id))
    _insert(tx, world, rows, data, now)
    return ended


def _entered(world: World, requests: Sequence[Request]) -> list[Request]:
    """Return what contacts enter where versions are on trial: nothing where theirs does not read."""
    found: list[Request] = []
    for each in requests:
        version = world.versions.entered(each.version, each.contact_id)
        if version is None:
            world.work.refused_entry(each.version.cascade_id, "version does not read")
        else:
            found.append(structs.replace(each, version=version))
    return found


def _insert(tx: Transaction, world: World, rows: list[Row], data: list[Row], now: int) -> None:
    """Let runs begin by the rows of `insert_runs` and `put_run_data`."""
    tx.change_each("insert_runs", rows, "a contact has entered from elsewhere meanwhile")
    _note(tx, world, rows)
    if world.outbox is not None:
        world.outbox.entered(tx, rows, now)
    if data:
        tx.many("put_run_data", data)


class _Firsts:
    """Rows of `insert_runs` of those who have no run yet: one version's are alike but for the contact."""

    def __init__(self, now: int) -> None:
        self._now = now
        self._known: dict[tuple[int, int], Row | None] = {}

    def of(self, request: Request) -> Row | None:
        """Return all but the contact of the row of a first run; None: this contact is looked at by itself."""
        version = request.version
        place = (version.id, request.at)
        try:
            found = self._known[place]
        except KeyError:
            found = self._known[place] = self._first(request)
        own_slot = request.key and version.cascade.reentry.rule == "parallel_by_key"
        return None if own_slot else found

    def _first(self, request: Request) -> Row | None:
        version = request.version
        if version.control is not None or version.cascade.trigger.condition is not None or version.held_share:
            return None
        return _row(_new_run(structs.replace(request, key=""), (), self._now))[1:]


def _row(run: Run) -> Row:
    """Return the row of `insert_runs`."""
    return (
        run.contact_id, run.id, run.cascade_id, run.version_id, run.slot, run.phase, run.step, run.wake_at,
        run.due_at, run.entered_at, run.holdout,
    )  # fmt: skip


def _data(request: Request, run_id: int) -> Row:
    """Return the row of `put_run_data`."""
    return (request.contact_id, run_id, request.key, msgspec.json.encode(request.properties).decode())


def _note(tx: Transaction, world: World, rows: Sequence[Row]) -> None:
    """Let the runs of these rows be counted."""
    if world.work.noted is None:
        course_store.due(tx, {row[:2] for row in rows})
    else:
        world.work.noted.note(rows)
        course_store.due(tx, world.work.noted.fresh())


def admitted(tx: Transaction, world: World, requests: Sequence[Request], now: int) -> Sequence[Request]:
    """Return those that no defect keeps from entering; the others lie in the inbox, set aside: once, however
    often a date is looked at.
    """
    if world.shared or world.work.entries_set_aside:
        waiting = set_aside.entering(tx, [one.contact_id for one in requests])
        requests = [one for one in requests if (one.contact_id, _event(one)) not in waiting]
    if not world.work.kept_out:
        return requests
    out: dict[str, list[Row]] = defaultdict(list)
    for one in requests:
        if (defect := world.work.kept_out.get((one.version.id, one.contact_id))) is not None:
            told = _Wish(one.version.cascade.id, one.version.id, one.key, one.properties, one.launch)
            value = msgspec.json.encode(told).decode()
            out[defect].append((one.contact_id, 0, -1, Kind.ENTERS.value, _event(one), one.at, value))
    for defect, rows in out.items():
        set_aside.keep(tx, rows, defect, now)
        world.work.entries_set_aside += len(rows)
    return [one for one in requests if (one.version.id, one.contact_id) not in world.work.kept_out]


def _event(request: Request) -> str:
    return f"{request.version.cascade.id} {request.key or request.at}"


def asked_again(tx: Transaction, world: World, arrivals: Sequence[Arrival]) -> list[Request]:
    """Return who was kept from entering, and is to be tried again: into the version that runs now, where the
    one of then is no more; nobody where the cascade or the launch was ended meanwhile.
    """
    wishes = [_wish(each.value or "") for each in arrivals]
    called_off = {row[0] for row in tx.among("launches_called_off", sorted({one.launch for one in wishes}))}
    cascades = {one.slug: one for one in world.cascades.values() if one.state != STOPPED}
    found: list[Request] = []
    for each, wish in zip(arrivals, wishes, strict=True):
        cascade = cascades.get(wish.cascade)
        if cascade is None or wish.launch in called_off:
            continue
        version = world.versions.get(wish.version) or world.versions.get(cascade.version_id or 0)
        if version is not None:
            found.append(Request(version, each.contact_id, each.at, wish.key, wish.properties))
    return found


def would_enter(
    tx: Transaction, version: Version, contact_id: int, properties: dict[str, Any], now: int
) -> tuple[Run, str | None]:
    """Return the run that the contact would begin now, and why it may not (None: it may); change nothing."""
    request = Request(version, contact_id, now, properties=properties)
    mine = run_store.of_contacts(tx, [contact_id]).get(contact_id, [])
    return _new_run(request, mine, now), _refusal(tx, request, mine, now)


def _new_run(request: Request, mine: Sequence[Run], now: int, seed: bool = False) -> Run:
    version = request.version
    run_id = now // 1000 - _EPOCH_S
    if mine:
        run_id = max(run_id, *[run.id + 1 for run in mine])
    due_at = max(add(request.at, version.cascade.trigger.delay, version.policy.zone), now)
    run = Run(
        request.contact_id, run_id, version.cascade_id, version.id, _slot(request), RunState.PENDING.code,
        Phase.ENTER, -1, None, 0, due_at, due_at, request.at,
    )  # fmt: skip
    held = version.held_share
    if seed or not held or share(version, request.contact_id, "holdout") >= held:
        return run
    ends_at = goal_ends_at(version, run)
    return structs.replace(run, holdout=1, wake_at=max(ends_at, now), due_at=ends_at)


def _slot(request: Request) -> int:
    if request.version.cascade.reentry.rule != "parallel_by_key" or not request.key:
        return 0
    return int.from_bytes(blake2b(request.key.encode(), digest_size=8).digest(), "big") >> 1


def _refusal(
    tx: Transaction, request: Request, mine: Sequence[Run], now: int, seed: bool = False
) -> str | None:
    """Return why the contact may not enter again (E13), or None; a seed may, once its last run has ended."""
    version, reentry = request.version, request.version.cascade.reentry
    if version.control is not None and not seed and version.control.holds(request.contact_id, now):
        return "control group"
    same = [run for run in mine if run.cascade_id == version.cascade_id]
    condition = version.cascade.trigger.condition
    if condition is not None and not _holds(tx, request, now):
        return "trigger condition"
    if not same:
        return None
    slot = _slot(request)
    live = [run for run in same if run.outcome is None and run.slot == slot]
    if seed:
        return "already in" if live else None
    match reentry.rule:
        case "once_ever":
            return "once ever"
        case "restart":
            return "same key" if live and _has_key(tx, request, live) else None
        case "parallel_by_key":
            return "same key" if live or any(run.slot == slot for run in same) else None
        case _:
            if live:
                return "already in"
            last = max(run.finished_at or run.entered_at for run in same)
            return "cooldown" if now < add(last, reentry.cooldown, version.policy.zone) else None


def _has_key(tx: Transaction, request: Request, live: Sequence[Run]) -> bool:
    """Say whether one of the live runs was begun by the same trigger key, or the very same event."""
    if not request.key:
        return any(run.entered_at == request.at for run in live)
    keys = {row[1]: row[2] for row in tx.among("run_data_of", [request.contact_id])}
    return any(keys.get(run.id, "") == request.key for run in live)


def _holds(tx: Transaction, request: Request, now: int) -> bool:
    version = request.version
    assert version.cascade.trigger.condition is not None
    run = _new_run(request, (), now)
    seen = look(tx, [(version, run)], now)
    person = seen.people.get(request.contact_id)
    attributes = person.asked() if person else {}
    scope = condition_scope(
        version,
        run,
        {},
        attributes,
        request.properties,
        seen.events.get(request.contact_id, []),
        seen.standing.get(request.contact_id, {}),
    )
    return version.cascade.trigger.condition.test(scope, now).value


def _supersede(tx: Transaction, world: World, request: Request, mine: list[Run], now: int) -> set[RunKey]:
    """End the live runs that a restart replaces, before the new one: only one may be live. Return them."""
    old = [run for run in mine if run.cascade_id == request.version.cascade_id and run.outcome is None]
    rows: list[Row] = [
        (run.contact_id, run.id, run.seq, RunState.FINISHED.code, run.phase, run.step, run.branch, None,
         run.due_at, Outcome.SUPERSEDED.code, None, 0, now)
        for run in old
    ]  # fmt: skip
    run_store.change(tx, rows)
    if world.outbox is not None:
        world.outbox.note(tx, (), (), rows)
    keys = {(run.contact_id, run.id) for run in old}
    course_store.due(tx, keys)
    ended = Outcome.SUPERSEDED.code  # kept here, since the new run's id must be another
    mine[:] = [structs.replace(run, outcome=ended) if run in old else run for run in mine]
    return keys


def next_entries(tx: Transaction, world: World, now: int) -> list[int]:
    """Return when the next contacts may enter of launches that have a pace or wait for people's hour; those
    of a paused cascade wait, and those of launches that rest.
    """
    return [
        began_at + (-(-enrolled * HOUR // pace) if pace else 0)
        for launch_id, version_id, _, _, pace, began_at, enrolled, _, opens_at in tx.all("running_launches")
        if (pace or opens_at is not None)
        and _open(world, version_id)
        and not world.work.rests(launch_id, now)
    ]


def _open(world: World, version_id: int) -> bool:
    """Say whether contacts of launches may enter a version now."""
    version = world.versions.get(version_id)
    return version is not None and not world.cascades.paused(version.cascade_id)


def broadcast(tx: Transaction, world: World, now: int) -> list[Request]:
    """Return the next contacts of the launches under way, no faster than their pace."""
    requests: list[Request] = []
    for row in tx.all("running_launches"):
        launch_id, version_id, list_id, cursor, pace, began_at, enrolled, spared, opens_at = row
        if not _open(world, version_id) or (opens_at is not None and opens_at > now):
            continue
        if world.work.rests(launch_id, now):
            continue
        version = world.versions[version_id]
        room = world.options.enrol_limit - len(requests)
        if pace:
            room = min(room, 1 + pace * (now - began_at) // HOUR - enrolled)
        if room <= 0:
            continue
        if list_id is None:
            ids = [row[0] for row in tx.all("contacts_after", after=cursor, limit=room)]
        else:
            ids = [row[0] for row in tx.all("members", list_id=list_id, after=cursor, limit=room)]
        not_they = {row[0] for row in tx.among("spared_members", ids, list_id=spared)} if spared else set()
        if opens_at is not None and world.merges:  # of two hours that met in one person the first counts
            not_they |= _had_their_hour(tx, launch_id, version_id, list_id, ids, opens_at)
        requests += [Request(version, who, now, launch=launch_id) for who in ids if who not in not_they]
        done = len(ids) < room
        tx.run("advance_launch", id=launch_id, cursor=ids[-1] if ids else cursor, count=len(ids),
               state="done" if done else "running")  # fmt: skip
        if done and opens_at is not None:
            launch_dates.open_next(tx, launch_id, now)
    return requests


def _had_their_hour(
    tx: Transaction, launch_id: int, version_id: int, list_id: int, ids: Sequence[int], opens_at: int
) -> set[int]:
    """Return who of these has entered by this launch already, as one with whom they have become one since.

    Whoever entered by another launch of the version is not meant: that is for the re-entry rule.
    """
    before = tx.among("in_earlier_parts", ids, launch_id=launch_id, list_id=list_id)
    since = tx.among("entered_and_merged", ids, version_id=version_id, since=opens_at)
    return {row[0] for row in (*before, *since)}

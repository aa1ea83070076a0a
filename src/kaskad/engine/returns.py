"""What shops say came back: returns are found to the goals that they give back, which are then worth less.

All that is known of a contact is looked at anew: so order and repetition of what is told change nothing,
and a return may come before its purchase. Returns are kept as facts of their runs, longer than events are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct, field, structs

from kaskad.domain.cascade import Returned
from kaskad.domain.decide import goal_ends_at
from kaskad.domain.returns import ALL, MARKS, Back, Bought, left, order_of, whose
from kaskad.domain.run import Run
from kaskad.domain.terms import Kind
from kaskad.domain.version import Version
from kaskad.engine.events import amount_told, returned_of
from kaskad.engine.world import World
from kaskad.store import courses, settings
from kaskad.store import runs as run_store
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import RunKey

_decode = msgspec.json.Decoder(dict[str, Any]).decode


ANEW = "returns_anew"  # setting: cascades whose past returns are looked for, each with the last contact
_CONTACTS = 5_000


def begin_anew(tx: Transaction, cascade_ids: Collection[int]) -> None:
    """Let what came back of these cascades' goals be found anew: how it is told has changed."""
    due = settings.get(tx, ANEW, dict[str, int]) or {}
    settings.put(tx, ANEW, {**due, **{str(number): 0 for number in cascade_ids}})


def find_anew(tx: Transaction, world: World) -> bool:
    """Find past returns of some contacts more; return whether there are others."""
    due = settings.get(tx, ANEW, dict[str, int]) or {}
    if not due:
        return False
    name, after = min(due.items())
    until = after + _CONTACTS
    last = (tx.one("last_contact") or (None,))[0] or 0
    params = {"cascade_id": int(name), "after": after, "until": until, "goal": Kind.GOAL.bit}
    if found := [row[0] for row in tx.all("contacts_with_goals", **params)]:
        settle(tx, world, found)
    left = {other: place for other, place in due.items() if other != name}
    settings.put(tx, ANEW, {**left, name: until} if until < last else left)
    return bool(left) or until < last


class _Event(Struct, frozen=True):
    id: str
    at: int
    properties: dict[str, Any]


class _Known(Struct):
    """What the facts of a run tell: its goal, returns by event, and what the run is worth now."""

    goal: Bought
    version: Version
    named: Returned  # how its returns are told
    kept: dict[str, Back] = field(default_factory=dict)
    returned: int = 0
    marks: int = 0


def settle(tx: Transaction, world: World, contact_ids: Collection[int]) -> None:
    """Let the goals of these contacts be worth what is left of them after all returns."""
    asked = sorted(contact_ids)
    runs = {
        (run.contact_id, run.id): run for some in run_store.of_contacts(tx, asked).values() for run in some
    }
    known = _known(tx, world, asked, runs)
    told = _told(tx, asked, {one.named.event for one in known.values()})
    groups: dict[tuple[int, int], list[RunKey]] = defaultdict(list)
    for key in known:
        groups[key[0], runs[key].cascade_id].append(key)
    for (contact_id, _), keys in groups.items():
        some = {key: known[key] for key in keys}
        _write(tx, some, _found(world, some, told.get(contact_id, {})))


def _known(
    tx: Transaction, world: World, contact_ids: Collection[int], runs: Mapping[RunKey, Run]
) -> dict[RunKey, _Known]:  # fmt: skip
    """Return the runs that have reached a goal which may be given back."""
    found: dict[RunKey, _Known] = {}
    kinds = Kind.GOAL.value, Kind.RETURNED.value
    rows = tx.among("goals_and_returns", sorted(contact_ids), goal=kinds[0], returned=kinds[1])
    for contact_id, run_id, kind, event, at, value, worth, returned, marks in rows:  # goals first
        key, more = (contact_id, run_id), _decode(value) if value else {}
        version = world.versions.of(runs[key])
        if version is None:
            continue
        named = returned_of(world, version)
        if kind == Kind.RETURNED.value and key in found:
            found[key].kept[event] = Back(at, ALL if more.get("all") else more.get("minor"))
        elif kind == Kind.GOAL.value and key not in found and named is not None:
            ends_at = goal_ends_at(version, runs[key])
            bought = Bought(run_id, event, at, str(more.get("order", "")), worth, ends_at)
            found[key] = _Known(bought, version, named, {}, returned, marks & MARKS)
    return _ordered(tx, found)


def _ordered(tx: Transaction, known: dict[RunKey, _Known]) -> dict[RunKey, _Known]:
    """Return the same with orders that were not kept with goals, as their versions do not name them."""
    missing, names = {}, set()
    for key, one in known.items():
        goal = one.version.cascade.goal
        if goal is not None and goal.returned is None and one.named.order and not one.goal.order:
            missing[key] = one
            names.add(goal.event)
    bought = _told(tx, sorted({key[0] for key in missing}), names) if missing else {}
    for key, one in missing.items():
        for event in (event for some in bought.get(key[0], {}).values() for event in some):
            if event.id == one.goal.event:
                one.goal = structs.replace(one.goal, order=order_of(one.named, event.properties))
    return known


def _told(
    tx: Transaction, contact_ids: Collection[int], names: Iterable[str]
) -> dict[int, dict[str, list[_Event]]]:  # fmt: skip
    """Return the events of these names, by contact and name."""
    found: dict[int, dict[str, list[_Event]]] = defaultdict(lambda: defaultdict(list))
    for name in sorted(names):
        for contact_id, event, at, properties in tx.among("events_named", sorted(contact_ids), name=name):
            found[contact_id][name].append(_Event(event, at, _decode(properties)))
    return found


def _found(
    world: World, runs: Mapping[RunKey, _Known], told: Mapping[str, Collection[_Event]]
) -> dict[RunKey, dict[str, Back]]:  # fmt: skip
    """Return the returns of each run of one person in one cascade; those of events that are gone stay."""
    events = {event.id for some in told.values() for event in some}
    found = {
        key: {event: back for event, back in one.kept.items() if event not in events}
        for key, one in runs.items()
    }
    by_goal = {one.goal.run_id: (key, one) for key, one in runs.items()}
    for name, some in told.items():
        goals = [one.goal for one in runs.values() if one.named.event == name]
        for event in some:
            properties = event.properties

            def order(goal: Bought, properties: dict[str, Any] = properties) -> str:
                return order_of(by_goal[goal.run_id][1].named, properties)

            for goal in whose(goals, event.at, order):
                key, one = by_goal[goal.run_id]
                found[key][event.id] = Back(event.at, _amount(world, one, properties))
    return found


def _amount(world: World, one: _Known, properties: dict[str, Any]) -> int | None:
    """Return what an event gives back; shops write it with or without a minus."""
    if not one.named.value:
        return ALL
    minor = amount_told(one.version, one.named.value, properties, world.money.currency)
    return None if minor is None else abs(minor)


def _write(
    tx: Transaction, runs: Mapping[RunKey, _Known], found: Mapping[RunKey, Mapping[str, Back]]
) -> None:  # fmt: skip
    """Keep the returns as facts, and what they leave of each run's worth, where that has changed."""
    gone: list[Row] = []
    new: list[Row] = []
    worth: list[Row] = []
    for key, one in sorted(runs.items(), key=lambda pair: pair[0]):
        gone += [(*key, event) for event in one.kept if event not in found[key]]
        new += [
            (*key, -1, Kind.RETURNED.value, event, back.at, _text(back))
            for event, back in sorted(found[key].items())
            if event not in one.kept
        ]
        now = left(one.goal, list(found[key].values()))
        if (now.returned, now.marks) != (one.returned, one.marks):
            worth.append((*key, now.returned, now.marks, MARKS))
    for name, rows in (("drop_returns", gone), ("put_facts", new), ("put_returned", worth)):
        if rows:
            tx.many(name, rows)
    courses.due(tx, {row[:2] for row in worth})


def _text(back: Back) -> str:
    told = {"all": True} if back.minor == ALL else {"minor": back.minor}
    return msgspec.json.encode(told).decode()

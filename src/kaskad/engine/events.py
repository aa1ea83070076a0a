"""Events of CRM and site: goals end runs, triggers begin them, anchors move."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import msgspec

from kaskad.domain.cascade import Returned
from kaskad.domain.decide import goal_ends_at
from kaskad.domain.money import DIGITS
from kaskad.domain.paths import look_up, meet
from kaskad.domain.returns import order_of
from kaskad.domain.run import Run
from kaskad.domain.terms import Kind, Outcome
from kaskad.domain.version import Version
from kaskad.engine.arrival import Arrival
from kaskad.engine.changes import Changes
from kaskad.engine.enrol import Request
from kaskad.engine.world import World
from kaskad.store import runs as run_store
from kaskad.store.db import Transaction
from kaskad.store.runs import RunKey

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_AT = itemgetter(2)  # of a row of `events_of_contacts`
_CLOSED = (Outcome.CONVERTED.code, Outcome.SUPERSEDED.code)
_TOO_MUCH = 1e12  # whole units of a currency: an amount beyond is a mistake, and no column could hold any


def apply_events(
    tx: Transaction,
    world: World,
    changes: Changes,
    arrivals: Sequence[Arrival],
    touched: set[RunKey],
) -> list[Request]:
    """Keep events, mark the runs whose goal they are; return who is to be enrolled because of them."""
    if not arrivals:
        return []
    told = {(a.contact_id, a.event): (a, _decode(a.value or "{}")) for a in arrivals}
    rows = [
        (a.contact_id, a.event, str(event.get("name", "")), a.at, _json(event.get("properties", {})))
        for a, event in told.values()
    ]
    new = [told[key] for key in map(tuple, tx.many("put_events", sorted(rows))) if key in told]
    contact_ids = sorted({a.contact_id for a, _ in new})
    runs = run_store.of_contacts(tx, contact_ids) if contact_ids else {}
    data = _run_data(tx, contact_ids) if any(runs.values()) else {}
    requests: list[Request] = []
    reached: set[RunKey] = set()  # whose goal has come just now
    for a, event in sorted(new, key=lambda pair: (pair[0].at, pair[0].event)):
        name, properties = str(event.get("name", "")), dict(event.get("properties", {}))
        for run in runs.get(a.contact_id, ()):
            version = world.versions.of(run)
            if version is None:
                continue
            goal = version.cascade.goal
            back = returned_of(world, version)
            if goal is not None and back is not None and name in (goal.event, back.event):
                changes.given_back.add(run.contact_id)
            key, known = data.get((run.contact_id, run.id), ("", {}))
            place = (run.contact_id, run.id)
            if place not in reached and _is_goal(version, run, known, a.at, name, properties):
                reached.add(place)
                changes.facts.append(
                    (*place, -1, Kind.GOAL.value, a.event, a.at, order_told(back, properties))
                )
                value = _value(version, properties, world.money.currency)
                changes.marks.append((run.contact_id, run.id, Kind.GOAL.bit, value))
                touched.add(place)
            if run.outcome is None and _moves_anchor(version, name, key, properties):
                data[place] = key, _move_anchor(tx, changes, version, run, a, key, known, properties)
                touched.add(place)
        requests += [
            Request(version, a.contact_id, a.at, key_of(version, properties), properties)
            for version in world.versions.triggered_by(name)
        ]
    return requests


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def key_of(version: Version, properties: dict[str, Any]) -> str:
    """Return the trigger key that makes an enrolment idempotent."""
    path = version.cascade.trigger.key
    if not path:
        return ""
    value = look_up(path.removeprefix("trigger."), properties)
    return "" if value is None else str(value)


def _run_data(tx: Transaction, contact_ids: Sequence[int]) -> dict[RunKey, tuple[str, dict[str, Any]]]:
    found: dict[RunKey, tuple[str, dict[str, Any]]] = defaultdict(lambda: ("", {}))
    for contact_id, run_id, key, properties in tx.among("run_data_of", contact_ids):
        found[contact_id, run_id] = (key, _decode(properties))
    return found


def _is_goal(
    version: Version, run: Run, known: dict[str, Any], at: int, name: str, properties: dict[str, Any]
) -> bool:
    """Say whether the event is the run's goal, whatever the run has come to: who says no and then buys has
    bought, as those held out do of whom nothing else is told (docs/uplift.md)."""
    goal = version.cascade.goal
    if goal is None or goal.event != name or run.outcome in _CLOSED:
        return False  # the first goal counts; and what replaced a run takes the next
    if run.marks & Kind.GOAL.bit:
        return False
    if not run.entered_at <= at < goal_ends_at(version, run):
        return False
    scope = {"trigger": known}
    return all(meet(own, properties, path, scope) for own, path in goal.match.items())


def _value(version: Version, properties: dict[str, Any], brand: str) -> int | None:
    """Return the goal's worth in minor units; amounts are in whole units, as shops write them.

    They are in the currency of the cascade's budget, else of the brand: what is in another counts as nothing.
    """
    goal = version.cascade.goal
    return amount_told(version, goal.value, properties, brand) if goal and goal.value else None


def amount_told(version: Version, path: str, properties: dict[str, Any], brand: str) -> int | None:
    """Return the amount that an event tells in a version's currency; None: none, or in another."""
    amount = look_up(path, properties)
    if isinstance(amount, bool) or not isinstance(amount, int | float):
        return None
    currency = version.cascade.budget.currency or brand
    if currency and _currency(path, properties) not in ("", currency):
        return None
    scale: int = 10 ** DIGITS.get(currency, 2)
    return round(amount * scale) if abs(amount) < _TOO_MUCH else None


def returned_of(world: World, version: Version) -> Returned | None:
    """Return how returns of a version's goals are told; None: they are not.

    Where the version itself names no event, that of the version which runs now holds, of the same goal: who
    names it at last means what is bought and brought back from now on, whichever version it was bought by.
    """
    goal, cascade = version.cascade.goal, world.cascades.get(version.cascade_id)
    if goal is None or goal.returned is not None or cascade is None:
        return goal.returned if goal is not None else None
    current = world.versions.get(cascade.version_id or 0)
    latest = current.cascade.goal if current is not None else None
    return latest.returned if latest is not None and latest.event == goal.event else None


def order_told(returned: Returned | None, properties: dict[str, Any]) -> str | None:
    """Return what is kept with a goal's fact: the order, so that it is known for as long as the run is."""
    order = order_of(returned, properties)
    return _json({"order": order}) if order else None


def _currency(path: str, properties: dict[str, Any]) -> str:
    """Return the currency that stands beside an amount, or on top of an event; "" where none does."""
    beside, _, _ = path.rpartition(".")
    found = look_up(f"{beside}.currency" if beside else "currency", properties) or properties.get("currency")
    return found.strip().upper() if isinstance(found, str) else ""


def _moves_anchor(version: Version, name: str, key: str, properties: dict[str, Any]) -> bool:
    return (
        bool(version.anchored)
        and version.cascade.trigger.event == name
        and key_of(version, properties) == key
    )


def _move_anchor(
    tx: Transaction, changes: Changes, version: Version, run: Run, arrival: Arrival, key: str,
    known: dict[str, Any], properties: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Let the trigger told again move a live run's anchor, or cancel it (`cancelled: true`); return what is
    known since. What is told late does not undo what came after it.
    """
    if properties.get("cancelled") is True:
        changes.facts.append(
            (run.contact_id, run.id, -1, Kind.ANCHOR_CANCELLED.value, arrival.event, arrival.at, None)
        )
        changes.marks.append((run.contact_id, run.id, Kind.ANCHOR_CANCELLED.bit, None))
        return known
    merged = {**known, **properties}
    since = tx.among("events_of_contacts", [run.contact_id], since=arrival.at + 1)
    for _, name, _, later in sorted(since, key=_AT):
        told = _decode(later)
        if name == version.cascade.trigger.event and key_of(version, told) == key:
            merged |= told
    tx.run("update_run_properties", contact_id=run.contact_id, run_id=run.id, properties=_json(merged))
    return merged

"""Versions whose stored text no longer reads, as a newer release or a hand has written it.

Their runs wait, each looked at again after an hour, and what is told of their people waits for a release, or
a text, that can be read. Nobody enters them. All other versions go on.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import astuple

from kaskad.domain.errors import Invalid, StoreError
from kaskad.domain.policy import HOUR
from kaskad.domain.run import Run
from kaskad.engine.arrival import Arrival
from kaskad.engine.versions import Unread
from kaskad.engine.world import World
from kaskad.log import get_logger
from kaskad.store import runs as run_store
from kaskad.store import set_aside
from kaskad.store.cascades import VersionRow
from kaskad.store.db import Transaction

log = get_logger(__name__)

LOOK_MS = HOUR


def note(world: World, slug: str, row: VersionRow, error: Exception) -> Unread:
    """Return what is known of a version whose text raised `error`; a failing database is raised again."""
    if isinstance(error, StoreError):
        raise error
    problem = error.worded[0] if isinstance(error, Invalid) else type(error).__name__
    if row.id not in world.versions.unread:
        log.error("a version does not read, its runs wait", cascade=slug, version=row.number, why=problem)
    return Unread(row.cascade_id, slug, row.number, problem)


def without(tx: Transaction, world: World, runs: Sequence[Run], now: int) -> list[Run]:
    """Return the runs whose version reads; the others wait, those that are live until they are looked at."""
    waiting = [run for run in runs if run.version_id in world.versions.unread]
    live = [(run.contact_id, run.id) for run in waiting if run.outcome is None]
    set_aside.put_off(tx, live, now, now + LOOK_MS)
    return [run for run in runs if run.version_id not in world.versions.unread]


def keep_back(tx: Transaction, world: World, arrivals: Sequence[Arrival], now: int) -> Sequence[Arrival]:
    """Return what can be applied; what is told of people with a live run that waits is set aside."""
    if not world.versions.unread or not arrivals:
        return arrivals
    found = run_store.of_contacts(tx, sorted({arrival.contact_id for arrival in arrivals}))
    waiting = {
        run.contact_id: world.versions.unread[run.version_id]
        for runs in found.values()
        for run in runs
        if run.outcome is None and run.version_id in world.versions.unread
    }
    kept: dict[str, list[Arrival]] = {}
    for arrival in arrivals:
        if arrival.contact_id in waiting:
            one = waiting[arrival.contact_id]
            kept.setdefault(f"{one.slug}/{one.number} does not read", []).append(arrival)
    for defect, told in kept.items():
        set_aside.keep(tx, [astuple(arrival) for arrival in told], defect, now)
        world.work.entries_set_aside += len(told)
    return [arrival for arrival in arrivals if arrival.contact_id not in waiting] if waiting else arrivals

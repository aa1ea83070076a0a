"""When is something due that nobody wakes the engine for?"""

from __future__ import annotations

from kaskad.engine.dated import next_look_at
from kaskad.engine.enrol import next_entries
from kaskad.engine.work import Part
from kaskad.engine.world import World
from kaskad.store.db import Transaction

_INBOX_MS = 10  # until the next look where something has come into the inbox, for which what is due waits


def next_at(tx: Transaction, world: World, now: int) -> int | None:
    """Return when something will be due that nobody wakes us for."""
    # What is due and was not to be had, another process has, or it waits for what has come into the inbox (or
    # was set aside there), or for its account's slots.
    backlog = world.traffic.lines.accounts()
    waiting = world.shared or world.work.entries_set_aside
    since = now + 1 if backlog else now if waiting else 0
    rows = (tx.one("next_wake_at", since=since), tx.one("next_judgement"))
    instants = [row[0] for row in rows if row is not None and row[0] is not None]
    if world.shared and tx.one("any_inbox"):
        instants.append(now + _INBOX_MS)
    if not backlog and all(at > now for at in instants):  # else the next round finds whose has run out
        guard = tx.one("next_guard_at", now=now)
        instants += [guard[0]] if guard and guard[0] is not None else []
    instants += [until for until in world.work.resting.values() if until > now]
    if not world.work.rests(Part.LAUNCHES, now):
        instants += next_entries(tx, world, now)
    look_at = None if world.work.rests(Part.DATES, now) else next_look_at(tx, world)
    instants += [] if look_at is None else [look_at]
    for account_id, at in (*world.traffic.queued.items(), *dict.fromkeys(backlog, now).items()):
        limits = world.traffic.limits.get(account_id)
        if limits is None:
            continue
        limits = world.traffic.limits.get(world.traffic.stands_in.get(account_id, account_id), limits)
        if not limits.busy:
            instants.append(max(at, limits.next_at(now) or at))
        elif (stalls_at := limits.stalls_at() or 0) > now:  # else the end of something under way wakes us
            instants.append(max(at, stalls_at))
    return min(instants, default=None)

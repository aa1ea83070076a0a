"""Who is due while an account has no slots left for so many: they stay where they are, until it has.

To write each of them as queued, and to read and write it again when its turn comes, is a third of what a
message costs the tick under load. So where far more are due for an account than it has slots for, the rest is
not touched: the runs stay due in the database, and those who stand at the same places are claimed later,
oldest first, as many as there are slots. Kept here are positions among the timers, so that nobody is read
twice in vain. Whom they have passed (a timer that was set to the past, a guard that ran out since) the next
round finds, which begins at the first timer again. A crash, or a tick that was undone, begins a new round.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from time import monotonic

from kaskad.domain.run import Run
from kaskad.domain.terms import Phase
from kaskad.engine.available import Available
from kaskad.engine.lines import ROUND_MS
from kaskad.engine.world import World
from kaskad.store import runs as run_store
from kaskad.store.db import Transaction

_SHARE = 50  # a round takes no more than this part of the time, but where the clock runs fast
_SERVED = 0.75  # of the runs of a tick are of those who stand in line, at most

Ahead = Iterable[tuple[int, int]]  # account and lane of messages that are queued and may go now


def claim(tx: Transaction, world: World, ahead: Ahead, now: int) -> tuple[list[Run], bool]:
    """Return the runs that are to be decided about, oldest first, and whether more are due than that.

    `ahead` are those who have been queued: they have waited as long, and take their slots first.
    """
    limit, overdue = world.work.due_limit, now - world.options.wait_unwritten_ms
    lines = world.traffic.lines
    if not lines:
        due = run_store.claim_due(tx, now, limit)
        kept = _leave(world, due, ahead, now, overdue)
        return kept, len(due) == limit
    if now >= lines.round_at or now < lines.seen:
        lines.begin_round(now)
    lines.seen = now
    began_s = monotonic()
    closed = _places(world, now)
    due, waits = _serve(tx, world, ahead, now, overdue) if closed else ([], False)
    asked = max(1, limit - len(due))
    others = run_store.claim_besides(tx, closed or [0], now, asked, since=lines.since, overdue=overdue)
    if lines.since == 0:
        lines.round_at = now + max(ROUND_MS, round(_SHARE * 1000 * (monotonic() - began_s)))
    more = len(others) == asked
    if not more:
        lines.since = now
    elif others and others[-1].phase != Phase.SUBMITTED:  # of those the guard is told, and not the timer
        lines.since = others[-1].wake_at or now
    due += _leave(world, others, ahead, now, overdue)
    if not lines:
        lines.since = 0
    return due, more or waits


def _places(world: World, now: int) -> list[int]:
    """Return the places whose runs stand in line; the lines of accounts that take no more go."""
    lines, limits = world.traffic.lines, world.traffic.limits
    available = world.traffic.available(now, 0)
    for key, line in [*lines.items()]:
        if _carrier(world, available, line.channel) != key[0] or not limits[key[0]].flows(now):
            del lines[key]
    return [place for line in lines.values() for place in sorted(line.places)]


def _serve(
    tx: Transaction, world: World, ahead: Ahead, now: int, overdue: int
) -> tuple[list[Run], bool]:  # fmt: skip
    """Return of each line as many as have slots, best lane first, and whether more of them have some.

    Lines that have come to an end go. Most of a tick is theirs, in equal parts by account.
    """
    lines = world.traffic.lines
    part = max(1, round(_SERVED * world.work.due_limit / len(lines.accounts())))
    served: list[Run] = []
    waits = False
    taken: dict[int, int] = defaultdict(int)
    for (account_id, lane), line in sorted(lines.items()):
        free = world.traffic.free(account_id, now) - taken[account_id]
        free -= sum(1 for each, best in ahead if each == account_id and best <= lane)
        room = min(free, part - taken[account_id])
        waits = waits or room < free
        if room < 1:
            continue
        since = max(line.head, overdue + 1)
        found = run_store.claim_backlog(tx, sorted(line.places), now, room, since=since)
        taken[account_id] += len(found)
        served += found
        if len(found) < room:
            del lines[account_id, lane]
        else:
            line.head = found[-1].wake_at or since
    return served, waits


def _leave(
    world: World, due: Sequence[Run], ahead: Ahead, now: int, overdue: int
) -> list[Run]:  # fmt: skip
    """Return those of `due` who are not to wait in line, and let the others do so."""
    least = world.options.wait_unwritten_from
    if len(due) < least:
        return [*due]
    left: set[int] = set()
    for account_id, channel, lanes in _wishes(world, due, now, overdue):
        room = world.traffic.free(account_id, now)
        room -= sum(1 for each, _ in ahead if each == account_id)
        if sum(map(len, lanes.values())) - max(0, room) < least:
            continue
        for lane, runs in sorted(lanes.items()):
            late, room = runs[max(0, room) :], room - len(runs)
            if late:
                left.update(map(id, late))
                world.traffic.lines.stand(account_id, lane, channel, late)
    return [run for run in due if id(run) not in left] if left else [*due]


def _wishes(
    world: World, due: Sequence[Run], now: int, overdue: int
) -> Iterator[tuple[int, int, dict[int, list[Run]]]]:  # fmt: skip
    """Yield each account that works with its channel, and by lane the runs that go on to it."""
    places: dict[tuple[int, int, int], list[Run]] = defaultdict(list)
    for run in due:
        places[run.version_id, run.phase, run.step].append(run)
    available = world.traffic.available(now, 0)
    found: dict[tuple[int, int], dict[int, list[Run]]] = defaultdict(dict)
    for key, runs in places.items():
        channel = world.versions.leads_to(*key)
        account_id = _carrier(world, available, channel or 0)
        if channel is None or not account_id:
            continue
        if world.traffic.limits[account_id].flows(now):
            young = [run for run in runs if run.wake_at is not None and run.wake_at > overdue]
            found[account_id, channel].setdefault(world.versions[key[0]].class_code, []).extend(young)
    for (account_id, channel), lanes in found.items():
        for runs in lanes.values():
            runs.sort(key=_due_since)
        yield account_id, channel, lanes


def _carrier(world: World, available: Available, channel: int) -> int:
    """Return the account by which everybody on the channel is sent to; 0 where there is no such account."""
    by_contact = channel in available.shared or channel in world.accounts.picky
    return 0 if by_contact else available.firsts.get(channel, 0)


def _due_since(run: Run) -> int:
    return run.wake_at or 0

"""One tick: one transaction in which everything happens in a fixed order.

1. results of the sends that have finished; 2. the inbox; 3. new enrolments; 4. the runs that are due;
5. hand-over. Reactions therefore come before timers, always. The order is the promise: see
docs/architecture.md before changing it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct
from msgspec.structs import astuple

from kaskad.engine import tasks, unread
from kaskad.engine.arrival import Arrival
from kaskad.engine.changes import Changes
from kaskad.engine.current import current
from kaskad.engine.dated import dated
from kaskad.engine.enrol import Request, admitted, broadcast, enrol
from kaskad.engine.hits import judge_hits
from kaskad.engine.inbox import Applied, apply_arrivals
from kaskad.engine.merging import forward
from kaskad.engine.move import move
from kaskad.engine.parcel import Parcel, Result
from kaskad.engine.receive import Delivery, match_orphans, receive
from kaskad.engine.results import apply_results, told_no
from kaskad.engine.returns import settle
from kaskad.engine.sums import Sums
from kaskad.engine.work import Part
from kaskad.engine.world import World
from kaskad.log import get_logger
from kaskad.store import runs as run_store
from kaskad.store.db import Transaction
from kaskad.store.runs import MessageKey, RunKey

log = get_logger(__name__)


class Only(Struct, frozen=True):
    """What a tick is to take of what lies ready, and nothing else, after a whole one has failed."""

    entries: Sequence[int] = ()  # of the inbox
    hits: Sequence[MessageKey] = ()  # of these messages
    runs: Collection[RunKey] = ()  # that are due, or whose message may go now


class Ticked(Struct):
    """What a tick has done; `parcels` go out after its commit only."""

    parcels: list[Parcel]
    moved: int
    applied: int
    more: bool  # something is left that could be done at once
    sums: Sums  # to be written last
    touched: Collection[RunKey] = ()  # runs that something was told of, and that are still to be moved


def tick(
    tx: Transaction, world: World, results: Sequence[Result], deliveries: Sequence[Delivery], now: int,
    *, closing: bool = False, only: Only | None = None,
) -> Ticked:  # fmt: skip
    """Run one tick on what has come in; deliveries to this process need not go through the inbox.

    `sums` of what is returned are still to be written, once nothing else is left to do in the transaction.
    `closing`: nothing new is begun or handed over, only what has come in is kept; the live runs concerned are
    the first that the next start decides about. Ended runs send nothing, so they are decided about here.
    `only`: nothing else is taken of what lies ready, and no timer fires; what is taken in moves no run, so
    that a run which cannot be moved keeps nothing from being known.
    """
    if not world.options.moves:
        return _keep(tx, world, deliveries, now)
    sums = Sums(world.money.spending)
    changes = Changes(world.work.known_inputs, world.outbox, world.money.spending, world.work.noted, sums)
    results, stored, received, judged = _take(tx, world, results, deliveries, only, now)
    if world.accounts.desks:
        tasks.count(tx, world, now)
    touched = apply_results(tx, world, changes, results, now)
    changes.flush_facts(tx)

    told = [*stored, *received, *match_orphans(tx, results), *told_no(world, results), *judged]
    arrivals = unread.keep_back(tx, world, told, now)
    applied = apply_arrivals(tx, world, changes, arrivals, now)
    if world.merges:
        applied.touched |= forward(tx, world, changes, applied.touched)
    changes.flush_facts(tx)
    if changes.given_back:
        settle(tx, world, changes.given_back)

    _hold_accounts(tx, world, now)
    applied.touched |= enrol(tx, world, applied.requests, now)
    if closing:
        concerned = touched | applied.touched | changes.not_begun()
        return Ticked([], _close(tx, world, changes, concerned, applied, now), len(arrivals), False, sums)
    if only is None:
        applied.touched |= enrol(tx, world, admitted(tx, world, entering(tx, world, now), now), now)

    backlog = len(stored) == world.options.inbox_limit
    timers = only is None and _timers_may_fire(tx, world, backlog, now)
    touched |= applied.touched | changes.not_begun()
    if only is not None and not only.runs:
        changes.flush_last(tx)
        return Ticked([], 0, len(arrivals), True, sums, touched)
    moved = move(
        tx, world, touched, now, timers=timers, told=changes.told, news=applied.news, refused=changes.refused,
        sums=sums, among=None if only is None else only.runs,
    )  # fmt: skip
    changes.flush_last(tx)
    return Ticked(moved.parcels, moved.decided, len(arrivals), moved.more or backlog, sums)


def _take(
    tx: Transaction, world: World, results: Sequence[Result], deliveries: Sequence[Delivery],
    only: Only | None, now: int,
) -> tuple[Sequence[Result], list[Arrival], list[Arrival], list[Arrival]]:  # fmt: skip
    """Return what has come in, of contacts as they are now, with their runs locked where others work too:
    results, what lay in the inbox, what was delivered, and what is known of hits by now."""
    stored = _take_inbox(tx, world, only)
    received = receive(tx, deliveries, now, merged=world.merges)
    judged = judge_hits(tx, world, now, None if only is None else only.hits)
    if world.merges:
        whose = current(tx, results, stored, received)
        results = whose.results(results)
        stored, received = whose.arrivals(stored), whose.arrivals(received)
    if world.shared:
        _lock(tx, results, stored, received, judged)
    return results, stored, received, judged


def entering(tx: Transaction, world: World, now: int) -> list[Request]:
    """Return who enters by launches and dates now, and move these on."""
    launched = [] if world.work.rests(Part.LAUNCHES, now) else broadcast(tx, world, now)
    begun = [] if world.work.rests(Part.DATES, now) else dated(tx, world, now)
    return [*launched, *begun]


def _hold_accounts(tx: Transaction, world: World, now: int) -> None:
    """Keep which mail accounts are held for what servers refuse them for, and tell of it."""
    for account_id, held in world.traffic.holds.keep(tx, world.policy.hold_refused_percent, now).items():
        if world.outbox is not None:
            world.outbox.account_held(tx, world.accounts[account_id].name, held.why, held.at)


def _close(
    tx: Transaction, world: World, changes: Changes, concerned: Collection[RunKey], applied: Applied, now: int
) -> int:  # fmt: skip
    """Let live runs be the first of the next start, and decide about ended ones; return about how many."""
    run_store.wake(tx, concerned, now)
    ended = run_store.ended(tx, concerned)
    moved = move(tx, world, ended, now, timers=False, told=changes.told, news=applied.news, sums=changes.sums)
    changes.flush_last(tx)
    return moved.decided


def _keep(tx: Transaction, world: World, deliveries: Sequence[Delivery], now: int) -> Ticked:
    """Keep what has come in for the processes that move runs.

    The fence stands before the inbox is written: a timer that fires sees what is in it, or was there first.
    """
    arrivals = receive(tx, deliveries, now, merged=world.merges)
    if world.merges:
        arrivals = current(tx, (), arrivals).arrivals(arrivals)
    if arrivals:
        run_store.fence(tx, sorted({arrival.contact_id for arrival in arrivals}))
        tx.many("put_inbox", [(now, *astuple(arrival)) for arrival in arrivals])
    return Ticked([], 0, len(arrivals), False, Sums())


def _take_inbox(tx: Transaction, world: World, only: Only | None) -> list[Arrival]:
    """Return what lies in the inbox, oldest first, and clear it there."""
    if only is None:
        rows = tx.all("take_inbox", limit=world.options.inbox_limit)
    else:
        rows = tx.among("take_inbox_among", only.entries)
    if rows:
        tx.among("clear_inbox", [row[0] for row in rows])
    return [Arrival(*row[1:]) for row in rows]


def _lock(tx: Transaction, results: Sequence[Result], *arrived: Sequence[Arrival]) -> None:
    """Lock all runs that this tick may touch at once and in order: processes then never wait in a ring."""
    contacts = {result.contact_id for result in results}
    contacts.update(arrival.contact_id for arrivals in arrived for arrival in arrivals)
    run_store.lock(tx, sorted(contacts))


def _timers_may_fire(tx: Transaction, world: World, backlog: bool, now: int) -> bool:
    """While an old entry is unapplied timers wait, for a bounded time (reactions before timers)."""
    row = tx.one("oldest_inbox") if backlog else None
    age_ms = 0 if row is None or row[0] is None else now - row[0]
    old = age_ms >= world.options.timer_patience_ms
    if old and not world.work.old_inbox:
        log.warning("timers go on with an old inbox", age_ms=age_ms)
    world.work.old_inbox = old
    return old or age_ms <= world.options.inbox_patience_ms

"""Tables `guard_stops`, `guard_bases`, `guard_bounds`: what guardrails have stopped, and what they watch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from kaskad.domain.guard import Figure
from kaskad.domain.guarded import Count
from kaskad.store.db import Transaction

DAY = 24
LONG_DAYS = 30
LATE_DAYS = 7  # into a block, in which the one before is watched still: bounces and complaints come late


class Stream(Struct, frozen=True, order=True):
    """What is watched as one: a figure of a version's step, or of an account (version 0, step -1)."""

    version_id: int
    account_id: int
    step: int
    figure: Figure


class Stop(Struct, frozen=True):
    """What was beyond its bound; `paused` False: it was only told. `looked_at` None: nobody has looked."""

    id: int
    stream: Stream
    count: Count
    bound: int
    paused: bool
    at: int
    looked_at: int | None = None
    looked_by: str = ""


def stops(tx: Transaction) -> list[Stop]:
    """Return what nobody has looked at yet, the oldest first."""
    return [_stop(row) for row in tx.all("guard_stops")]


def history(tx: Transaction, *, cascade_id: int = 0, account_id: int = 0, limit: int = 20) -> list[Stop]:
    """Return what was stopped of a cascade or an account, the latest first."""
    rows = tx.all("guard_history", cascade_id=cascade_id, account_id=account_id, limit=limit)
    return [_stop(row) for row in rows]


def put_stop(tx: Transaction, stream: Stream, count: Count, bound: int, paused: bool, now: int) -> bool:
    """Keep that a stream is beyond its bound; return False where that is known already."""
    return bool(
        tx.run(
            "put_guard_stop", version_id=stream.version_id, account_id=stream.account_id, step=stream.step,
            figure=stream.figure.value, bad=count.bad, messages=count.of, bound=bound, paused=paused, now=now,
        )
    )  # fmt: skip


def look(tx: Transaction, now: int, by: str, *, cascade_id: int = 0, account_id: int = 0) -> int:
    """Note that somebody has looked at all that was stopped of one; return how many stops that were."""
    return tx.run("look_at_guard_stops", now=now, by=by, cascade_id=cascade_id, account_id=account_id)


def bases(tx: Transaction, since: int) -> dict[tuple[Stream, int], Count]:
    """Return by stream and first hour what had been counted when somebody looked."""
    rows = tx.all("guard_bases", since=since)
    return {(_stream(row[0], row[1], row[2], row[3]), row[4]): Count(row[5], row[6]) for row in rows}


def put_bases(tx: Transaction, counts: Mapping[tuple[Stream, int], Count]) -> None:
    """Let the watch of these streams begin behind what has been counted."""
    if counts:
        tx.many("put_guard_bases", [
            (one.version_id, one.account_id, one.step, one.figure.value, since, count.bad, count.of)
            for (one, since), count in sorted(counts.items())
        ])  # fmt: skip


def put_bound(tx: Transaction, version_id: int, account_id: int, figure: Figure, bound: int) -> None:
    """Give one version or account a bound of its own, of 10 000; 0: it is not watched."""
    tx.run("put_guard_bound", version_id=version_id, account_id=account_id, figure=figure.value, bound=bound)


def bounds(tx: Transaction) -> dict[tuple[int, int, Figure], int]:
    """Return the bounds that people have set, by version, account and figure."""
    return {(row[0], row[1], Figure(row[2])): row[3] for row in tx.all("guard_bounds")}


def windows(now: int) -> tuple[int, int]:
    """Return the first hours of the day and of the thirty days that are watched now."""
    day = now // 3_600_000 // DAY
    return day * DAY, day // LONG_DAYS * LONG_DAYS * DAY


def first_watched(now: int) -> int:
    """Return the first hour of all that is watched now: of the block before, while that still is."""
    day, begins = now // 3_600_000 // DAY, windows(now)[1]
    return begins - LONG_DAYS * DAY if day - begins // DAY < LATE_DAYS else begins


def counts(tx: Transaction, since: int, cascade_id: int = 0) -> Iterator[tuple[int, int, str, int]]:
    """Yield version, first hour of the day, part and how many runs have it, of entries since an hour."""
    for row in tx.all("guard_counts", since=since, cascade_id=cascade_id):
        yield row[0], row[1], row[2], row[3]


def _stream(version_id: int, account_id: int, step: int, figure: str) -> Stream:
    return Stream(version_id, account_id, step, Figure(figure))


def _stop(row: tuple[int, int, int, int, str, int, int, int, int, int, int | None, str]) -> Stop:
    number, version_id, account_id, step, figure, bad, of, bound, paused, at, looked_at, by = row
    stream = _stream(version_id, account_id, step, figure)
    return Stop(number, stream, Count(bad, of), bound, bool(paused), at, looked_at, by)

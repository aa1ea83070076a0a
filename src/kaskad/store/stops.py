"""Table `stops`: refusals that were read out of free text, until a person has looked at each."""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct

from kaskad.store.db import Row, Transaction


class Verdict(IntEnum):
    """What a person has found; the numbers are those of the table."""

    OPEN = 0
    STANDS = 1
    UNDONE = 2


class Stop(Struct, frozen=True):
    """What a person wrote, and which channels (bits) it closed."""

    id: int
    contact_id: int
    at: int
    channels: int
    verdict: Verdict
    looked_at: int | None
    looked_by: str
    said: str


def put(tx: Transaction, contact_id: int, at: int, channels: int, said: str) -> None:
    """Keep words that somebody should look at; the same ones once."""
    tx.run("put_stop", contact_id=contact_id, at=at, channels=channels, said=said)


def page(tx: Transaction, *, after: int, limit: int, everything: bool = False) -> list[Stop]:
    """Return those to be looked at (or all) after one of them, the oldest first."""
    return [_stop(row) for row in tx.all("stops_after", after=after, limit=limit, all=int(everything))]


def find(tx: Transaction, number: int) -> Stop | None:
    """Return one, or None."""
    row = tx.one("stop", id=number)
    return None if row is None else _stop(row)


def open_of(tx: Transaction, contact_id: int) -> list[Stop]:
    """Return those of one contact that nobody has looked at."""
    return [_stop(row) for row in tx.all("open_stops_of", contact_id=contact_id)]


def judge(tx: Transaction, number: int, verdict: Verdict, by: str, now: int) -> bool:
    """Keep what was found; return whether nobody had before."""
    return bool(tx.run("judge_stop", id=number, verdict=verdict.value, by=by, now=now))


def _stop(row: Row) -> Stop:
    return Stop(row[0], row[1], row[2], row[3], Verdict(row[4]), row[5], row[6], row[7])

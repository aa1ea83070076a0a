"""Tables `launch_dates` and `launch_parts`: launches at a date, and their people by their hour."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from kaskad.store import cascades, lists
from kaskad.store.db import Transaction

BRAND, OWN = "brand", "own"
BEGUN, MISSED = "begun", "missed"


class Date(Struct, frozen=True):
    """When a launch begins; `wall_at`: what the clock shows then, as if it were UTC; `clock`: whose."""

    wall_at: int
    clock: str = BRAND
    canary: str = ""
    canary_after: str = ""


class Planned(Struct, frozen=True):
    """A launch that waits for its date."""

    launch_id: int
    slug: str
    audience: str
    pace: int
    date: Date


def plan(
    tx: Transaction, version_id: int, list_id: int | None, pace: int, due_at: int, audience: str, date: Date
) -> int:
    """Let a launch wait for its date; return its id. Whom it is for is looked up when it begins."""
    made = cascades.launch(tx, version_id, list_id, pace, due_at, audience=audience)
    tx.run("plan_launch", id=made)
    _put(tx, made, date)
    return made


def change(
    tx: Transaction, launch_id: int, version_id: int, list_id: int | None, pace: int, due_at: int,
    audience: str, date: Date,
) -> bool:  # fmt: skip
    """Give a launch another date, and what else is asked; return False where it has begun, or is over."""
    changed = tx.run("change_planned", id=launch_id, version_id=version_id, list_id=list_id, pace=pace,
                     audience=audience, due_at=due_at)  # fmt: skip
    return bool(changed) and _put(tx, launch_id, date)


def planned(tx: Transaction) -> list[Planned]:
    """Return the launches that wait for their date, of all cascades."""
    rows = tx.all("planned_launches")
    return [Planned(row[0], row[1], row[2], row[3], Date(*row[4:])) for row in rows]


def missed(tx: Transaction) -> list[tuple[str, str]]:
    """Return cascades with why a launch did not begin at its date, and has no other one; the latest first."""
    return [(row[0], row[1]) for row in tx.all("missed_launches")]


def end(tx: Transaction, one: Planned, state: str, why: str = "") -> bool:
    """Keep that a launch begins now, or was missed; return False where somebody was first."""
    return bool(
        tx.run("end_launch_date", id=one.launch_id, wall_at=one.date.wall_at, clock=one.date.clock,
               state=state, why=why)
    )  # fmt: skip


def begin(
    tx: Transaction, launch_id: int, version_id: int, list_id: int | None, size: int, forecast: str, now: int
) -> None:
    """Let a launch go that has waited for its date."""
    tx.run("begin_planned", id=launch_id, version_id=version_id, list_id=list_id, size=size,
           forecast=forecast, now=now)  # fmt: skip


def part(tx: Transaction, launch_id: int, by_hour: Mapping[int, int], now: int) -> None:
    """Let people of a launch enter by lists, each from an instant on; there is one at least."""
    for opens_at, list_id in by_hour.items():
        tx.run("put_launch_part", launch_id=launch_id, opens_at=opens_at, list_id=list_id)
    open_next(tx, launch_id, now)


def open_next(tx: Transaction, launch_id: int, now: int) -> bool:
    """Go on to the people whose hour is next; return False where all have had theirs."""
    row = tx.one("next_launch_part", launch_id=launch_id)
    if row is None:
        return False
    opens_at, list_id = row
    tx.run("open_launch_part", id=launch_id, list_id=list_id, opens_at=max(opens_at, now))
    return True


def ended_parts(tx: Transaction) -> list[tuple[int, int]]:
    """Return launches that are over with the lists by hour that they have left behind."""
    return [(row[0], row[1]) for row in tx.all("ended_launch_parts")]


def drop_part(tx: Transaction, launch_id: int, list_id: int, limit: int) -> bool:
    """Take some people off a list by hour, and forget it with the last; return False once it is gone.

    Its id may then be that of another list: whoever forgets the same part meanwhile must not touch that.
    """
    if tx.one("launch_part", launch_id=launch_id, list_id=list_id) is None:
        return False
    if lists.clear(tx, list_id, limit):
        return True
    lists.drop(tx, list_id)
    tx.run("drop_launch_part", launch_id=launch_id, list_id=list_id)
    return False


def zones(tx: Transaction, list_id: int | None, after: int, limit: int) -> list[tuple[int, str]]:
    """Return people of a list, or of all, with the zones known of them: those after one, by id."""
    if list_id is None:
        rows = tx.all("zones_of_all", after=after, limit=limit)
    else:
        rows = tx.all("zones_of_list", list_id=list_id, after=after, limit=limit)
    return [(row[0], row[1]) for row in rows]


def _put(tx: Transaction, launch_id: int, date: Date) -> bool:
    return bool(
        tx.run("put_launch_date", id=launch_id, wall_at=date.wall_at, clock=date.clock, canary=date.canary,
               canary_after=date.canary_after)
    )  # fmt: skip

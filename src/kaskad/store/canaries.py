"""Table `canaries`: the first parts of launches, and how they did."""

from __future__ import annotations

from msgspec import Struct

from kaskad.store.db import Row, Transaction
from kaskad.store.runs import RunKey

RUNNING, PASSED, STOPPED, RELEASED = "running", "passed", "stopped", "released"


class Canary(Struct, frozen=True):
    """The first part of a launch. `due_at` None: not all are in yet; `why`: why it was stopped, or passed."""

    launch_id: int
    first_id: int
    people: int
    mature_ms: int
    due_at: int | None
    state: str
    why: str
    ended_at: int | None


class UnderWay(Struct, frozen=True):
    """A canary that runs, and the launches that it is about."""

    canary: Canary
    cascade_id: int
    version_id: int
    first_state: str
    list_id: int
    started_at: int
    rest_state: str


def begin(
    tx: Transaction, launch_id: int, first_id: int, list_id: int, people: int, mature_ms: int
) -> None:  # fmt: skip
    """Let a launch wait for the first part of its people, who are on a list."""
    tx.run("hold_launch", id=launch_id, spared=list_id)
    tx.run("put_canary", launch_id=launch_id, first_id=first_id, people=people, mature_ms=mature_ms)


def under_way(tx: Transaction) -> list[UnderWay]:
    """Return the canaries that run."""
    return [UnderWay(_canary(row[:8]), *row[8:]) for row in tx.all("running_canaries")]


def runs_of(tx: Transaction, one: UnderWay) -> list[RunKey]:
    """Return the runs of a canary's people in its version, since its launch began."""
    asked = {"list_id": one.list_id, "version_id": one.version_id, "since": one.started_at}
    return [(row[0], row[1]) for row in tx.all("canary_runs", **asked)]


def of_cascade(tx: Transaction, cascade_id: int) -> dict[int, Canary]:
    """Return the canaries of a cascade, by the launch that waited for each."""
    return {row[0]: _canary(row) for row in tx.all("canaries_of", cascade_id=cascade_id)}


def stopped(tx: Transaction) -> list[tuple[int, int, str]]:
    """Return launch, cascade and reason of those whose rest waits for a person."""
    return [(row[0], row[1], row[2]) for row in tx.all("stopped_canaries")]


def due(tx: Transaction, launch_id: int, at: int) -> None:
    """Keep when the figures of a canary are to be looked at."""
    tx.run("canary_due", launch_id=launch_id, due_at=at)


def end(tx: Transaction, launch_id: int, state: str, why: str, now: int) -> bool:
    """Keep how a canary ended; return False where it had passed, or a person was quicker."""
    return bool(tx.run("end_canary", launch_id=launch_id, state=state, why=why, now=now))


def go(tx: Transaction, launch_id: int, now: int) -> bool:
    """Let the rest enter from now on; return False where it does not wait."""
    return bool(tx.run("let_launch_go", id=launch_id, now=now))


def _canary(row: Row) -> Canary:
    return Canary(*row)

"""Table `step_holds`: steps that are paused while the rest of their cascade goes on."""

from __future__ import annotations

from msgspec import Struct

from kaskad.store.db import Transaction


class StepHold(Struct, frozen=True):
    """A paused step. `skip`: people pass it over, else they wait at it; `by` "": a guardrail did it."""

    version_id: int
    step: int
    skip: bool
    at: int
    by: str
    why: str


def all_holds(tx: Transaction) -> list[StepHold]:
    """Return every paused step."""
    return [StepHold(row[0], row[1], bool(row[2]), *row[3:]) for row in tx.all("step_holds")]


def of_cascade(tx: Transaction, cascade_id: int) -> list[tuple[str, StepHold]]:
    """Return the names and pauses of the steps that are paused in any version, the latest version first."""
    rows = tx.all("step_holds_of_cascade", cascade_id=cascade_id)
    return [(row[6], StepHold(row[0], row[1], bool(row[2]), *row[3:6])) for row in rows]


def names(tx: Transaction) -> dict[int, tuple[str, ...]]:
    """Return by cascade the names of the steps that are paused in any version."""
    found: dict[int, tuple[str, ...]] = {}
    for cascade_id, name in tx.all("names_of_held_steps"):
        found[cascade_id] = (*found.get(cascade_id, ()), name)
    return found


def held(tx: Transaction) -> dict[int, dict[int, bool]]:
    """Return by version and step whether people pass a paused step over."""
    found: dict[int, dict[int, bool]] = {}
    for one in all_holds(tx):
        found.setdefault(one.version_id, {})[one.step] = one.skip
    return found


def put(
    tx: Transaction, place: tuple[int, int], now: int, *, skip: bool, by: str = "", why: str = ""
) -> bool:  # fmt: skip
    """Pause a step of a version; return False where it is paused already."""
    return bool(
        tx.run("put_step_hold", version_id=place[0], step=place[1], skip=int(skip), now=now, by=by, why=why)
    )


def drop(tx: Transaction, version_id: int, step: int) -> bool:
    """Let a step go on; return False where it was not paused."""
    return bool(tx.run("drop_step_hold", version_id=version_id, step=step))


def wake(tx: Transaction, cascade_id: int, version_id: int, step: int, now: int) -> int:
    """Let the runs that wait at a step look again; return how many."""
    return tx.run("wake_runs_of_step", cascade_id=cascade_id, version_id=version_id, step=step, now=now)

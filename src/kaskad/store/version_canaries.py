"""Table `version_canaries`: the next version of a cascade, for a share of those who enter."""

from __future__ import annotations

from msgspec import Struct

from kaskad.domain.errors import Conflict
from kaskad.domain.trials import Arm, Trial
from kaskad.domain.worded import worded
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import RunKey

RUNNING, PASSED, STOPPED = "running", "passed", "stopped"
ALL = 1_000


class CanaryRow(Struct, frozen=True):
    """A canary as it is kept. `share` of 10 000; `due_at` None: too few have entered yet; where nobody has
    ended it, `ended_by` is empty."""

    id: int
    cascade_id: int
    base_id: int
    version_id: int
    share: int
    people: int
    mature_ms: int
    started_at: int
    started_by: str
    due_at: int | None
    state: str
    ended_at: int | None
    ended_by: str
    why: str
    looked_at: int | None

    @property
    def lot(self) -> Trial:
        """Return what decides who enters which version."""
        return Trial(self.id, self.base_id, (Arm(self.version_id, ((0, self.share),)),), "canary")


def begin(
    tx: Transaction, base: tuple[int, int], version_id: int, share: int, people: int, mature_ms: int,
    by: str, now: int,
) -> None:  # fmt: skip
    """Let a share enter `version_id` instead of `base` (cascade and version).

    Raises Conflict where a canary is under way.
    """
    tx.one(
        "add_version_canary", cascade_id=base[0], base_id=base[1], version_id=version_id, share=share,
        people=people, mature_ms=mature_ms, by=by, now=now,
    )  # fmt: skip


def running(tx: Transaction) -> list[CanaryRow]:
    """Return all canaries under way."""
    return [_canary(row) for row in tx.all("running_version_canaries")]


def runs_of(tx: Transaction, version_id: int, limit: int) -> list[RunKey]:
    """Return up to `limit` runs of a version, those that entered first."""
    found = tx.all("version_canary_runs", version_id=version_id, limit=limit)
    return [(row[0], row[1]) for row in found]


def of_cascade(tx: Transaction, cascade_id: int, limit: int) -> list[CanaryRow]:
    """Return canaries of a cascade, the latest first."""
    return [_canary(row) for row in tx.all("version_canaries_of", cascade_id=cascade_id, limit=limit)]


def under_way(tx: Transaction, cascade_id: int) -> CanaryRow | None:
    """Return the canary of a cascade that is under way, if one is."""
    return next((one for one in of_cascade(tx, cascade_id, 1) if one.state == RUNNING), None)


def refuse_two(tx: Transaction, cascade_id: int, slug: str) -> None:
    """Raise Conflict while a canary of the cascade is under way: what runs beside it must stay."""
    if under_way(tx, cascade_id) is not None:
        raise Conflict(
            worded(
                "A canary of %(slug)r is under way: let it pass or stop it first (`kaskad canary stop "
                "%(slug)s`).",
                slug=slug,
            )
        )


def of_version(tx: Transaction, cascade_id: int, version_id: int) -> CanaryRow | None:
    """Return the canary by which people have entered a version, unless that has passed since."""
    found = [one for one in of_cascade(tx, cascade_id, ALL) if one.version_id == version_id]
    return found[0] if found and found[0].state != PASSED else None


def stopped(tx: Transaction) -> list[tuple[str, int, str]]:
    """Return cascade, version and reason of those that their figures have stopped, until somebody looks."""
    return [(row[2], row[3], row[4]) for row in tx.all("stopped_version_canaries")]


def due(tx: Transaction, canary_id: int, at: int) -> None:
    """Keep when the figures of a canary are to be looked at."""
    tx.run("version_canary_due", id=canary_id, due_at=at)


def end(tx: Transaction, canary: CanaryRow, state: str, why: str, now: int, by: str = "") -> bool:
    """End a canary; where it has passed, people enter its version from now on. Return False if it is over."""
    if not tx.run("end_version_canary", id=canary.id, state=state, why=why, now=now, by=by):
        return False
    if state == PASSED:
        tx.run("enter_version", id=canary.cascade_id, version_id=canary.version_id)
        tx.run("lead_launches", base_id=canary.base_id, version_id=canary.version_id)
    return True


def looked(tx: Transaction, cascade_id: int, now: int) -> None:
    """Note that somebody has looked at what was stopped of a cascade."""
    tx.run("look_at_version_canaries", cascade_id=cascade_id, now=now)


def _canary(row: Row) -> CanaryRow:
    return CanaryRow(*row)

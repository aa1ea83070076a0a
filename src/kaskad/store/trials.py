"""Tables `trials` and `trial_arms`: which versions some of the entrants of a cascade try."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct, structs

from kaskad.domain.trials import Arm, Rule, Span, Trial
from kaskad.store.db import Row, Transaction

RUNNING, PROMOTED, ENDED = "running", "promoted", "ended"
ALL = 1_000

_encode = msgspec.json.Encoder().encode
_spans = msgspec.json.Decoder(tuple[Span, ...]).decode
_rule = msgspec.json.Decoder(Rule).decode


class TrialRow(Struct, frozen=True):
    """A trial as it is kept. `shared_at`: since when the shares are as they are; `why` it ended, in words.

    Without a `rule` people decide; where it has a rule and nobody has ended it, `ended_by` is empty.
    """

    id: int
    cascade_id: int
    base_id: int
    state: str
    started_at: int
    shared_at: int
    ended_at: int | None
    started_by: str
    ended_by: str
    rule: Rule | None
    winner_id: int | None
    why: str
    arms: tuple[Arm, ...] = ()

    @property
    def trial(self) -> Trial:
        """Return what decides who enters which version."""
        return Trial(self.id, self.base_id, self.arms)


def begin(
    tx: Transaction, cascade_id: int, base_id: int, rule: Rule | None, by: str, now: int
) -> int:  # fmt: skip
    """Begin a trial without arms; return its id. Raises Conflict where one is under way."""
    row = tx.one("add_trial", cascade_id=cascade_id, base_id=base_id, now=now, by=by, rule=_told(rule))
    assert row is not None
    return int(row[0])


def put_arms(tx: Transaction, trial_id: int, arms: Iterable[Arm], now: int) -> None:
    """Let these arms have their shares from now on."""
    for arm in arms:
        tx.run(
            "put_trial_arm", trial_id=trial_id, version_id=arm.version_id, slots=_encode(arm.spans).decode()
        )
    tx.run("share_trial", id=trial_id, now=now)


def put_rule(tx: Transaction, trial_id: int, rule: Rule) -> None:
    """Let another rule tell the winner apart."""
    tx.run("rule_trial", id=trial_id, rule=_told(rule))


def end(
    tx: Transaction, trial: TrialRow, now: int, *, winner_id: int | None = None, by: str = "", why: str = ""
) -> bool:
    """End a trial; with a winner people enter that version from now on. Return False where it is over."""
    state = ENDED if winner_id is None else PROMOTED
    if not tx.run("end_trial", id=trial.id, state=state, now=now, by=by, winner_id=winner_id, why=why):
        return False
    if winner_id is not None and winner_id != trial.base_id:
        tx.run("enter_version", id=trial.cascade_id, version_id=winner_id)
        tx.run("lead_launches", base_id=trial.base_id, version_id=winner_id)
    return True


def running(tx: Transaction) -> list[TrialRow]:
    """Return all trials under way."""
    return [_trial(tx, row) for row in tx.all("running_trials")]


def of_cascade(tx: Transaction, cascade_id: int, limit: int = ALL) -> list[TrialRow]:
    """Return trials of a cascade, the latest first."""
    return [_trial(tx, row) for row in tx.all("trials_of", cascade_id=cascade_id, limit=limit)]


def under_way(tx: Transaction, cascade_id: int) -> TrialRow | None:
    """Return the trial of a cascade that is under way, if one is."""
    latest = of_cascade(tx, cascade_id, 1)
    return latest[0] if latest and latest[0].state == RUNNING else None


def _trial(tx: Transaction, row: Row) -> TrialRow:
    arms = [Arm(version_id, _spans(slots)) for version_id, slots in tx.all("trial_arms", trial_id=row[0])]
    known = TrialRow(*row)
    return structs.replace(known, rule=_rule(row[9]) if row[9] else None, arms=tuple(arms))


def _told(rule: Rule | None) -> str:
    return "" if rule is None else _encode(rule).decode()

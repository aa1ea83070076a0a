"""Tables `verdicts` and `variant_weights`: the best of several, and what a step's variants weigh since."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from kaskad.store.db import Transaction
from kaskad.store.trials import PROMOTED, TrialRow

_weights = msgspec.json.Decoder(tuple[int, ...]).decode


class Figures(Struct, frozen=True):
    """A variant when it was decided: messages whose time was over, successes, people who opted out.

    Of a trial: a version by its number, and people.
    """

    id: str
    of: int
    hits: int
    opted_out: int


class Detail(Struct, frozen=True):
    """By what it was decided. `least`: how far ahead the winner is of each other at least, in their order."""

    by: str
    variants: tuple[Figures, ...]
    least: tuple[float, ...]


class Verdict(Struct, frozen=True):
    """That a variant of a step has won."""

    version_id: int
    step: int
    at: int
    winner: str
    detail: Detail


class TrialVerdict(Struct, frozen=True):
    """That a version of a trial has won, by its number."""

    at: int
    winner: int
    detail: Detail


class Won(Struct, frozen=True):
    """What has won of late: a variant of a step, or a version; `promoted`: everybody enters it."""

    slug: str
    version_id: int | None
    step: int | None
    winner: str
    promoted: bool


def put(
    tx: Transaction, cascade_id: int, version_id: int, step: int, winner: str, detail: Detail,
    weights: Sequence[int], now: int,
) -> None:  # fmt: skip
    """Keep that a variant has won, and what all weigh from now on; a verdict that is there stays."""
    text = msgspec.json.encode(detail).decode()
    tx.run("put_verdict", cascade_id=cascade_id, version_id=version_id, step=step, winner=winner, detail=text,
           now=now)  # fmt: skip
    tx.run("put_weights", version_id=version_id, step=step, weights=msgspec.json.encode(weights).decode())


def weigh(tx: Transaction, version_id: int, step: int, weights: Sequence[int]) -> None:
    """Let the variants of a step that has a winner weigh so from now on."""
    tx.run(
        "set_weights", version_id=version_id, step=step, weights=msgspec.json.encode(weights).decode()
    )  # fmt: skip


def weights(tx: Transaction) -> dict[int, dict[int, tuple[int, ...]]]:
    """Return by version and step what variants weigh instead of what the definition says."""
    found: dict[int, dict[int, tuple[int, ...]]] = {}
    for version_id, step, text in tx.all("variant_weights"):
        found.setdefault(version_id, {})[step] = _weights(text)
    return found


def put_of_trial(tx: Transaction, trial: TrialRow, winner: int, detail: Detail, now: int) -> bool:
    """Keep that a version has won; False where that was decided since the shares are so, or they changed."""
    return bool(
        tx.run(
            "put_trial_verdict", cascade_id=trial.cascade_id, trial_id=trial.id, shared_at=trial.shared_at,
            winner=str(winner), detail=msgspec.json.encode(detail).decode(), now=now,
        )
    )  # fmt: skip


def of_trial(tx: Transaction, trial: TrialRow) -> TrialVerdict | None:
    """Return the verdict on a trial as its shares are now; None: nothing is decided."""
    row = tx.one("verdict_of_trial", trial_id=trial.id, shared_at=trial.shared_at)
    if row is None:
        return None
    return TrialVerdict(row[0], int(row[1]), msgspec.json.decode(row[2], type=Detail))


def lately(tx: Transaction, since: int) -> list[Won]:
    """Return what has won since then, and versions that have won before and wait for a person."""
    return [
        Won(row[0], row[1], row[2], row[3], row[4] == PROMOTED) for row in tx.all("lately_won", since=since)
    ]


def of_cascade(tx: Transaction, cascade_id: int) -> list[Verdict]:
    """Return the verdicts of a cascade, the latest first."""
    return [
        Verdict(row[0], row[1], row[2], row[3], msgspec.json.decode(row[4], type=Detail))
        for row in tx.all("verdicts_of", cascade_id=cascade_id)
    ]

"""Tables `verdicts` and `variant_weights`: the best of a step's variants, and what they weigh since."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from kaskad.store.db import Transaction

_weights = msgspec.json.Decoder(tuple[int, ...]).decode


class Figures(Struct, frozen=True):
    """A variant when it was decided: messages whose time was over, successes, people who opted out."""

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


def put(
    tx: Transaction, cascade_id: int, version_id: int, step: int, winner: str, detail: Detail,
    weights: Sequence[int], now: int,
) -> None:  # fmt: skip
    """Keep that a variant has won, and what all weigh from now on; a verdict that is there stays."""
    text = msgspec.json.encode(detail).decode()
    tx.run("put_verdict", cascade_id=cascade_id, version_id=version_id, step=step, winner=winner, detail=text,
           now=now)  # fmt: skip
    tx.run("put_weights", version_id=version_id, step=step, weights=msgspec.json.encode(weights).decode())


def weights(tx: Transaction) -> dict[int, dict[int, tuple[int, ...]]]:
    """Return by version and step what variants weigh instead of what the definition says."""
    found: dict[int, dict[int, tuple[int, ...]]] = {}
    for version_id, step, text in tx.all("variant_weights"):
        found.setdefault(version_id, {})[step] = _weights(text)
    return found


def of_cascade(tx: Transaction, cascade_id: int) -> list[Verdict]:
    """Return the verdicts of a cascade, the latest first."""
    return [
        Verdict(row[0], row[1], row[2], row[3], msgspec.json.decode(row[4], type=Detail))
        for row in tx.all("verdicts_of", cascade_id=cascade_id)
    ]

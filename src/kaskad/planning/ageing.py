"""How much what has happened still tells: rates drift from week to week, and no two weeks are quite alike.

A rate moves, in logits, by chance each week, and stands apart from where it has moved to in each: by how much
is learnt from how well each week told the next ones. Answers of a rate that may have moved since are worth
fewer of today: as many as would be no surer of it (the discounting of dynamic models, with the variance that
a week adds, as in Glickman's ratings, in place of a fixed share; West and Harrison, Bayesian Forecasting and
Dynamic Models, 6.3). So many answers lose the most of their worth by age, few lose next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
import scipy
from msgspec import Struct
from numpy.typing import NDArray

from kaskad.planning.history import Cell

Floats = NDArray[np.float64]
Key = TypeVar("Key")
Number = TypeVar("Number", float, Floats)

# How likely each is before anything is known: none at all as likely as said, else half-normal with the scale.
DRIFTS = np.array([0.0, 0.01, 0.02, 0.04, 0.08, 0.16])  # logits a week
STEADY, DRIFT_SCALE = 0.7, 0.04
APART = np.array([0.0, 0.05, 0.1, 0.2, 0.4])  # logits between a week and where its rate had moved to
EVEN, APART_SCALE = 0.97, 0.2
_HALF = 0.5  # of an answer on both sides, before any: Jeffreys' prior


class Drift(Struct, frozen=True):
    """By how much a rate moves, as variances in logits: in a week, and for one week only."""

    weekly: float
    apart: float


def aged(weeks: Mapping[int, Mapping[Key, Cell]], now: int) -> dict[Key, Cell]:
    """Return what has happened to those who entered in each week, together, as it counts in week `now`."""
    told = sorted(weeks.items())
    return lessened(told, now, drift(told))


def drift(weeks: Sequence[tuple[int, Mapping[Key, Cell]]]) -> Drift:
    """Return by how much rates moved, by how likely each week was by what those before it had told; the usual
    where that is little."""
    keys = list(dict.fromkeys(key for _, cells in weeks for key in cells))
    weekly, apart = (each.ravel() for each in np.meshgrid(DRIFTS**2, APART**2, indexing="ij"))
    told = _usual()
    of, hits = np.zeros((2, len(keys), len(weekly)))
    before = 0
    for week, cells in weeks:
        seen = np.array([_seen(cells.get(key)) for key in keys]).reshape(-1, 2, 1)
        more, reacted = seen[:, 0], seen[:, 1]
        kept = _worth(of, hits, weekly * (week - before))
        of, hits, before = of * kept, hits * kept, week
        here = _worth(of, hits, apart)
        yes, no = hits * here + _HALF, (of - hits) * here + _HALF
        betaln = scipy.special.betaln
        likely = betaln(yes + reacted, no + more - reacted) - betaln(yes, no)
        told = told + np.where(of > 0, likely, 0.0).sum(axis=0)  # of the first week nothing was told
        kept = _worth(more, reacted, apart)
        of, hits = of + more * kept, hits + reacted * kept
    weights = np.exp(told - told.max())
    weights /= weights.sum()
    return Drift(float(weights @ weekly), float(weights @ apart))


def lessened(weeks: Sequence[tuple[int, Mapping[Key, Cell]]], now: int, by: Drift) -> dict[Key, Cell]:
    """Return cells of weeks together, each week as it counts in week `now`."""
    found: dict[Key, Cell] = {}
    before = 0
    for week, cells in weeks:
        found = {key: _lessened(cell, by.weekly * (week - before)) for key, cell in found.items()}
        for key, cell in cells.items():
            if cell.of:
                found.setdefault(key, Cell()).add(_lessened(cell, by.apart))
        before = week
    return {key: _lessened(cell, by.weekly * (now - before) + by.apart) for key, cell in found.items()}


def _lessened(cell: Cell, variance: float) -> Cell:
    return cell.times(_worth(*_seen(cell), variance))


def _seen(cell: Cell | None) -> tuple[float, float]:
    """Return how many could react and how many did; a cell of which too many wait tells nothing."""
    return (cell.of, cell.reacted) if cell is not None and cell.of else (0.0, 0.0)


def _worth(of: Number, hits: Number, variance: Number) -> Number:
    """Return which share of so many answers would be as sure of a rate, had it not moved by this variance."""
    sure = (hits + _HALF) * (of - hits + _HALF) / (of + 2 * _HALF)  # one over the variance of its logit
    return 1.0 / (1.0 + sure * variance)


def _usual() -> Floats:
    """Return the logarithm of how likely each drift is with each distance, before anything is known."""
    moves, stands = _likely(DRIFTS, STEADY, DRIFT_SCALE), _likely(APART, EVEN, APART_SCALE)
    return np.log(np.outer(moves, stands)).ravel()


def _likely(grid: Floats, none: float, scale: float) -> Floats:
    some = np.exp(-(grid**2) / (2 * scale**2)) * (grid > 0)
    return np.where(grid > 0, some * (1 - none) / some.sum(), none)

"""What has happened as it counts now: rates move from week to week, and no two weeks are quite alike.

A rate has a height, in logits, which moves by chance each week, and a trend, which lasts for months; each
week stands apart from where both lead. By how much is learnt from how well weeks told the next ones: each
way of moving is followed, and counts as much as it has told. What is then known of a rate is put into answers
again: as many as would be as sure of it. So many answers lose the most of their worth by age, few next to
nothing, and where nothing moves they stay what they were. (A dynamic generalised linear model with a damped
trend, over a grid of variances: West and Harrison, Bayesian Forecasting and Dynamic Models, 14.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np
import scipy
from msgspec import Struct
from numpy.typing import NDArray

from kaskad.planning.history import Cell, Shock

Floats = NDArray[np.float64]
Key = TypeVar("Key", tuple[int, int], str)  # a step and how many messages went before, or a goal

# How likely each is before anything is known: none at all as likely as said, else half-normal with the scale.
DRIFTS = np.array([0.0, 0.01, 0.02, 0.04, 0.08, 0.16])  # logits by chance a week
STEADY, DRIFT_SCALE = 0.75, 0.04
APART = np.array([0.0, 0.05, 0.1, 0.2, 0.4])  # logits between a week and where its rate had moved to
EVEN, APART_SCALE = 0.97, 0.2
TRENDS = np.array([0.0, 0.03])  # logits a week, which go on
TRENDLESS = 0.8
LASTS = 0.97  # of a trend, from one week to the next
OTHERS_EVEN, OTHERS_UNEVEN = 0.99, 0.2  # that a rate is even where others of the cascade are, or are not
TOGETHER = np.array([0.0, 0.3, 0.6, 0.9])[:, None]  # of a week's distance, how much all steps have in common
APART_ALL = np.log([0.4, 0.2, 0.2, 0.2])[:, None]  # how likely each of these is before anything is known
_HELD, _SIGMAS = 0.8, 1.2815516  # a normal range of 80 % goes so many deviations to both sides
_WIDEST, _HALVINGS = 16.0, 30  # of half a range, in logits
_LEAST = 1e-9  # of what a week may make surer: less than that rounding makes nothing, or less
_HALF = 0.5  # of an answer on both sides, before any: Jeffreys' prior


class Moves(Struct, frozen=True):
    """Ways in which rates may move, as variances in logits, and the logarithm of how likely each is."""

    weekly: Floats
    apart: Floats
    trend: Floats
    told: Floats


class Aged(Struct, Generic[Key], frozen=True):
    """What has happened as it counts now, and by how much rates move on average, as variances in logits;
    `even`: how likely it is that weeks do not stand apart."""

    cells: dict[Key, Cell]
    shocks: dict[Key, Shock]
    weekly: float
    apart: float
    trend: float
    even: float

    @property
    def others_even(self) -> float:
        """Return how likely it is, knowing this, that the weeks of another rate do not stand apart."""
        return self.even * OTHERS_EVEN + (1.0 - self.even) * OTHERS_UNEVEN


class _Rates:
    """What is believed of some rates for each way of moving: a normal height and trend, from their own first
    week on."""

    def __init__(self, many: int, moves: Moves) -> None:
        self._moves, shape = moves, (many, len(moves.told))
        self._height, self._trend, self._both, self._told = np.zeros((4, *shape))
        self._spread, self._trend_spread = np.full(shape, 2.0 / _HALF), np.tile(moves.trend, (many, 1))
        self._seen = np.zeros(many, dtype=bool)
        self._common = APART_ALL + np.zeros(len(moves.told))

    def pass_weeks(self, weeks: int) -> None:
        """Let rates of which something was seen move on."""
        on = self._seen[:, None]
        for _ in range(weeks):
            self._height = self._height + self._trend
            self._trend = LASTS * self._trend
            moved = self._spread + 2 * self._both + self._trend_spread + self._moves.weekly
            self._spread = np.where(on, moved, self._spread)
            self._both = LASTS * (self._both + np.where(on, self._trend_spread, 0.0))
            self._trend_spread = LASTS**2 * self._trend_spread + (1.0 - LASTS**2) * self._moves.trend

    def see(self, of: Floats, hits: Floats, steps: Sequence[int]) -> None:
        """Learn from how many could react in a week, and how many did; and what those of `steps` share."""
        rows = np.flatnonzero(of)
        height, trend, both = self._height[rows], self._trend[rows], self._both[rows]
        spread, more, reacted = self._spread[rows], of[rows, None], hits[rows, None]
        week = spread + self._moves.apart
        yes, no = _answers(height, week)
        likely = scipy.special.betaln(yes + reacted, no + more - reacted) - scipy.special.betaln(yes, no)
        self._told[rows] += np.where(self._seen[rows, None], likely, 0.0)  # of its first week nothing told
        yes, no = yes + reacted, no + more - reacted
        off = (np.log(yes / no) - height) / week
        surer = np.maximum(1.0 - (1.0 / yes + 1.0 / no) / week, _LEAST) / week
        self._learn_common(np.isin(rows, steps) & self._seen[rows], off / surer, 1.0 / surer)
        self._height[rows], self._trend[rows] = height + spread * off, trend + both * off
        self._spread[rows], self._both[rows] = spread * (1.0 - spread * surer), both * (1.0 - spread * surer)
        self._trend_spread[rows] -= both**2 * surer
        self._seen[rows] = True

    def _learn_common(self, rows: NDArray[np.bool_], off: Floats, width: Floats) -> None:
        """Learn what a week's distances have in common, by those of these rates from what was told of them
        and their variances: as likely as a factor of all makes them, against each by itself."""
        if rows.sum() < 2:
            return
        common, off, width = TOGETHER * self._moves.apart, off[rows, None], width[rows, None]
        own = width - common
        whole = 1.0 + common * (1.0 / own).sum(axis=0)
        told = (np.log(own / width) + off**2 * (1.0 / own - 1.0 / width)).sum(axis=0)
        told += np.log(whole) - common * (off / own).sum(axis=0) ** 2 / whole
        self._common -= told / 2

    def common(self, likely: Floats) -> float:
        """Return which variance of a week all steps have in common."""
        weights = np.exp(self._common - self._common.max(axis=0))
        return float((weights * TOGETHER).sum(axis=0) / weights.sum(axis=0) * self._moves.apart @ likely)

    def likely(self) -> Floats:
        """Return how likely each way of moving is, which all rates have in common."""
        told = self._moves.told + self._told.sum(axis=0) + scipy.special.logsumexp(self._common, axis=0)
        weights = np.exp(told - told.max())
        return np.asarray(weights / weights.sum())

    def answers(self, likely: Floats) -> tuple[Floats, Floats]:
        """Return as how many answers what is known of a next week counts: who did react, and who did not.

        Its range, from P10 to P90, is that of all ways of moving together: some that may move far are not to
        make it wider than they make it likely.
        """
        height = self._height @ likely
        off, width = self._height - height[:, None], np.sqrt(self._spread + self._moves.apart)
        low, high = np.zeros(len(height)), np.full(len(height), _WIDEST)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            above, below = (scipy.special.ndtr((side * middle[:, None] - off) / width) for side in (1, -1))
            more = (above - below) @ likely < _HELD
            low, high = np.where(more, middle, low), np.where(more, high, middle)
        yes, no = _answers(height, (high / _SIGMAS) ** 2)
        return np.maximum(yes - _HALF, 0.0), np.maximum(no - _HALF, 0.0)


def moves(even: float = EVEN) -> Moves:
    """Return ways of moving as likely as they are before anything is known."""
    trends = np.array([TRENDLESS, *np.full(len(TRENDS) - 1, (1.0 - TRENDLESS) / (len(TRENDS) - 1))])
    weights = (_usual(DRIFTS, STEADY, DRIFT_SCALE), _usual(APART, even, APART_SCALE), trends)
    grids = np.meshgrid(DRIFTS**2, APART**2, TRENDS**2, indexing="ij")
    told = np.log(np.einsum("i,j,k->ijk", *weights))
    weekly, apart, trend = (grid.ravel() for grid in grids)
    return Moves(weekly, apart, trend, told.ravel())


def aged(
    weeks: Mapping[int, Mapping[Key, Cell]], now: int, ways: Moves | None = None
) -> Aged[Key]:  # fmt: skip
    """Return what has happened to those who entered in each week, together, as it counts in week `now`."""
    ways = moves() if ways is None else ways
    told = sorted(weeks.items())
    keys = list(dict.fromkeys(key for _, cells in told for key, cell in cells.items() if cell.of))
    rates, before = _Rates(2 * len(keys), ways), told[0][0] if told else now
    wholes = {key: Cell() for key in keys}
    steps = _largest(told, keys)
    for week, cells in told:
        seen = [cells[key] if key in cells and cells[key].of else Cell() for key in keys]
        for key, cell in zip(keys, seen, strict=True):
            wholes[key].add(cell)
        rates.pass_weeks(week - before)
        rates.see(*_seen(seen), steps)
        before = week
    rates.pass_weeks(max(0, now - before))
    likely = rates.likely()
    yes, no = (each.reshape(2, -1).tolist() for each in rates.answers(likely))
    found = {
        key: _cell(whole, *each) for (key, whole), *each in zip(wholes.items(), *yes, *no, strict=True)
    }  # fmt: skip
    weekly, apart, trend = (float(likely @ each) for each in (ways.weekly, ways.apart, ways.trend))
    common = rates.common(likely)
    shocks = {key: _shock(cell, common, apart - common) for key, cell in found.items()}
    return Aged(found, shocks, weekly, apart, trend, even=float(likely[ways.apart == 0.0].sum()))


def _largest(weeks: Sequence[tuple[int, Mapping[Key, Cell]]], keys: Sequence[Key]) -> list[int]:
    """Return of each step which of its rates, by their numbers, most was seen of."""
    of = {key: sum(cells[key].of for _, cells in weeks if key in cells) for key in keys}
    largest: dict[object, Key] = {}
    for key in keys:
        step = key[:1]
        if step not in largest or of[key] > of[largest[step]]:
            largest[step] = key
    return [keys.index(key) for key in largest.values()]


def _shock(cell: Cell, common: float, own: float) -> Shock:
    """Return which shares of the variance, of what is known of a rate, these are."""
    sure = (cell.reacted + _HALF) * (cell.of - cell.reacted + _HALF) / (cell.of + 2 * _HALF)
    most = min(1.0, 0.95 / max(1e-9, sure * (common + own)))
    return Shock(sure * common * most, sure * own * most)


def _seen(cells: Sequence[Cell]) -> tuple[Floats, Floats]:
    """Return how many could react at each and how many did; then the same of who of the others left."""
    of = [cell.of for cell in cells] + [cell.left + cell.silent for cell in cells]
    return np.array(of), np.array([cell.reacted for cell in cells] + [cell.left for cell in cells])


def _cell(whole: Cell, reacted: float, left: float, others: float, silent: float) -> Cell:
    """Return a cell of which so many reacted and others did not. Of these as many left as it counts now of
    `left` and `silent`; who refused are as many of those as ever."""
    gone = others * left / (left + silent) if left else 0.0
    share = gone / whole.left if whole.left else 0.0
    return Cell(reacted, gone, others - gone, 0.0, share * whole.refused, share * whole.complained)


def _answers(height: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """Return as how many answers on both sides a rate is known whose logit has this mean and variance."""
    return (1.0 + np.exp(height)) / spread, (1.0 + np.exp(-height)) / spread


def _usual(grid: Floats, none: float, scale: float) -> Floats:
    some = np.exp(-(grid**2) / (2 * scale**2)) * (grid > 0)
    return np.where(grid > 0, some * (1 - none) / some.sum(), none)

"""How far forecasts can be trusted: of what they said of launches that are over, what lies in its range."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from typing import Literal

from msgspec import Struct

from kaskad.analytics.intervals import Interval, Share, wilson

TO_HOLD = 0.8  # of the figures: a range goes from P10 to P90
ENOUGH = 10  # launches; fewer tell nothing
CHANCE = 0.01  # of misses that lie so unevenly below and above, were either as likely; what is rarer is none


class Held(Struct, frozen=True):
    """One figure of one launch: its range, whose ends are whole, and what happened."""

    figure: str
    low: int
    high: int
    happened: int

    @property
    def certain(self) -> bool:
        """Say whether it was certain, a range without width, and came so."""
        return self.low == self.high == self.happened

    @property
    def side(self) -> int:
        """Return where what happened lies: -1 below the range, 0 in it, 1 above it."""
        return (self.happened > self.high) - (self.happened < self.low)

    @property
    def place(self) -> float:
        """Return the same as a number: 0 is the range's lower end, 1 its upper one."""
        if self.low == self.high:
            return 0.5 + self.side
        return (self.happened - self.low) / (self.high - self.low)


class Counted(Struct, frozen=True):
    """How many times a figure came out below, in and above its range."""

    figure: str
    below: int
    inside: int
    above: int

    @property
    def of(self) -> int:
        """Return how many were looked at."""
        return self.below + self.inside + self.above

    @property
    def leans(self) -> int:
        """Return on which side it misses more often than chance explains: -1 below, 1 above, 0 on neither."""
        missed, fewer = self.below + self.above, min(self.below, self.above)
        chance = 2 * sum(comb(missed, n) for n in range(fewer + 1)) / 2**missed
        return (self.above > self.below) - (self.above < self.below) if chance <= CHANCE else 0


class Calibration(Struct, frozen=True):
    """What became of the forecasts. Figures of one launch move together, so `believed`, where the share of
    those that hold may truly lie, counts launches. `verdict`: `few` (nothing is known yet), `good`, `narrow`
    (ranges hold too little: do not lean on them), `wide` (they hold more than they need to). Of `certain`
    figures, which are left out, a range without width was told, and it came so: they tell nothing of how
    wide ranges should be. What was certain and came otherwise is counted as any figure that misses."""

    launches: int
    whole: Counted
    figures: tuple[Counted, ...]
    believed: Interval | None
    verdict: Literal["few", "good", "narrow", "wide"]
    certain: int

    @property
    def share(self) -> float | None:
        """Return which part of the figures lies in its range; None: of none."""
        return self.whole.inside / self.whole.of if self.whole.of else None

    @property
    def below(self) -> tuple[str, ...]:
        """Return the figures of which less comes than is expected, again and again."""
        return tuple(one.figure for one in self.figures if one.leans < 0)

    @property
    def above(self) -> tuple[str, ...]:
        """Return the figures of which more comes than is expected, again and again."""
        return tuple(one.figure for one in self.figures if one.leans > 0)


def calibration(launches: Sequence[Sequence[Held]]) -> Calibration:
    """Return how the figures of launches that are over lie to their ranges, launch by launch."""
    counted = [[one for one in launch if not one.certain] for launch in launches]
    told = [one for launch in counted for one in launch]
    known = {one.figure for one in told}
    names = [name for name in dict.fromkeys(one.figure for each in launches for one in each) if name in known]
    whole, count = _counted("", told), sum(map(bool, counted))
    believed = wilson(Share(round(count * whole.inside / whole.of), count)) if whole.of else None
    return Calibration(
        count, whole, tuple(_counted(name, [one for one in told if one.figure == name]) for name in names),
        believed, _verdict(count, believed), sum(map(len, launches)) - len(told),
    )  # fmt: skip


def _verdict(launches: int, believed: Interval | None) -> Literal["few", "good", "narrow", "wide"]:
    if believed is None or launches < ENOUGH:
        return "few"
    return "narrow" if believed.high < TO_HOLD else "wide" if believed.low > TO_HOLD else "good"


def _counted(name: str, told: Sequence[Held]) -> Counted:
    sides = [one.side for one in told]
    return Counted(name, sides.count(-1), sides.count(0), sides.count(1))

"""How long to wait for a reaction, by the times after which people have reacted.

Whom the cascade moved on from before they reacted is censored then: of them is known only that they had not
reacted by that time (Kaplan and Meier 1958). Some of them react later, when the next message has gone: these
tell what a longer wait would spare.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kaskad.domain.terms import Channel

Floats = NDArray[np.float64]

FLOORS = {Channel.EMAIL: 4.0, Channel.SMS: 0.5}  # hours that nothing goes below
FLOOR = 1.0
FEWEST = 30  # reactions before a time is proposed
AT_RISK = 10  # people still silent: beyond that nothing is known
TURNS = 100  # samples drawn again
STEP = 0.5  # hours between times that are weighed


class Waited(Struct, frozen=True, gc=False):
    """One message: after how many hours its person reacted, or the run moved on. `watched`: after how many
    they reacted to it even so (`late`), or to another message (`elsewhere`), or no more is known of them."""

    hours: float
    reacted: bool
    watched: float = 0.0
    late: bool = False
    elsewhere: bool = False


class Curve(Struct, frozen=True):
    """The share that is silent still after so many hours, from each reaction on, and what 95 of 100 such
    intervals hold."""

    hours: Floats
    silent: Floats
    low: Floats
    high: Floats
    at_risk: NDArray[np.int64]
    people: int
    reactions: int

    def at(self, hours: Floats) -> Floats:
        """Return the share that is silent at these times."""
        return self._at(self.silent, hours)

    def at_most(self, hours: Floats) -> Floats:
        """Return the largest share that may still be silent, of what 95 of 100 intervals hold."""
        return self._at(self.high, hours)

    def _at(self, shares: Floats, hours: Floats) -> Floats:
        place = np.searchsorted(self.hours, hours, side="right")
        return np.concatenate(([1.0], shares))[place]


def floor_of(channel: Channel) -> float:
    """Return below how many hours no time-out is proposed."""
    return FLOORS.get(channel, FLOOR)


def curve(seen: Sequence[Waited]) -> Curve:
    """Return the Kaplan-Meier estimate, with Greenwood's variance and log-log intervals."""
    times = np.array([one.hours for one in seen])
    reacted = np.array([one.reacted for one in seen], dtype=bool)
    if not reacted.any():
        none = np.zeros(0)
        return Curve(none, none, none, none, np.zeros(0, np.int64), len(seen), 0)
    at, over = np.unique(times[reacted], return_counts=True)
    at_risk = len(times) - np.searchsorted(np.sort(times), at, side="left")
    silent = np.cumprod((at_risk - over) / at_risk, dtype=np.float64)
    low, high = _between(silent, at_risk, over)
    return Curve(at, silent, low, high, at_risk, len(seen), int(reacted.sum()))


def _between(silent: Floats, at_risk: NDArray[np.int64], over: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return Greenwood's 95 % interval on the log-log scale; where nobody is left it says nothing.

    (`scipy.stats.ecdf` tells the same but for this last point, and takes 0.3 s to load.)
    """
    left = at_risk - over
    variance = np.cumsum(over / (at_risk * np.maximum(left, 1)))
    inside = (silent > 0) & (silent < 1)
    log = np.log(np.where(inside, silent, 0.5))
    spread = np.exp(1.959964 * np.sqrt(variance) / np.abs(log))
    power = np.where(inside, silent, 0.5)
    return np.where(inside, power**spread, 0.0), np.where(inside, power ** (1 / spread), 1.0)


def known_until(seen: Sequence[Waited]) -> float:
    """Return until when at least AT_RISK people were watched."""
    times = sorted(one.hours for one in seen)
    return times[-AT_RISK] if len(times) >= AT_RISK else 0.0


def beyond(seen: Sequence[Waited], wait: float) -> list[Waited]:
    """Return of those who were silent for the whole wait how long after it they reacted to the message,
    whatever was sent to them by then, or until when that is known.

    Who reacted to another message counts as silent for good: perhaps they would have reacted to this one, so
    what is told is the least that a longer wait spares.
    """
    silent = [one for one in seen if one.hours >= wait and not (one.reacted and one.hours == wait)]
    found = [
        Waited(max(one.watched, one.hours) - wait, one.reacted or one.late)
        for one in silent
        if not one.elsewhere
    ]
    end = known_until(found)
    return found + [Waited(max(one.watched - wait, end), False) for one in silent if one.elsewhere]


class Longer(Struct, frozen=True):
    """A wait that is so many hours longer: of those silent at its end now the share whom it spares the next
    message, for each of them what that saves and what is left of it after the delay; `sure`: something is,
    even if as few react as may be."""

    hours: float
    spared: float
    saved: float
    gain: float
    sure: bool


def longer(told: Curve, until: float, savings: Sequence[tuple[float, float]], loss: float) -> Longer | None:
    """Return the longer wait that gains most, None: none gains anything.

    `told` and `until` count from the end of the present wait. `savings`: what each of the following steps
    costs a person who stays silent, and after how many hours it goes now, the next one first (0); who reacts
    later than that has got it needlessly. `loss`: what an hour of delay costs each person who stays silent.
    """
    grid = np.arange(0.0, until + STEP / 2, STEP)
    saving = sum(cost * (grid[1:] > offset) for offset, cost in savings)
    if len(grid) < 2 or not told.reactions:
        return None

    def gains(silent: Floats) -> tuple[Floats, Floats]:
        saved = np.cumsum(saving * (silent[:-1] - silent[1:]))
        return saved, saved - loss * np.cumsum((silent[1:] + silent[:-1]) / 2 * STEP)

    silent = told.at(grid)
    saved, gain = gains(silent)
    best = int(np.argmax(gain))
    if gain[best] <= 0:
        return None
    sure = bool(gains(told.at_most(grid))[1][best] > 0)
    return Longer(
        float(grid[best + 1]), float(1.0 - silent[best + 1]), float(saved[best]), float(gain[best]), sure
    )


def shortest(told: Curve, floor: float, until: float, saving: float, loss: float) -> float:
    """Return the shortest wait after which no more hours pay: what reactions still to come would save is less
    than what waiting loses.

    `saving`: what a reaction saves, the steps that are not sent; `loss`: what an hour of delay costs each
    person who stays silent. Only times from `floor` to `until` are weighed. Where reactions get ever rarer
    this is the first hour whose expected saving (hazard times saving) is below the loss.
    """
    grid = np.arange(0.0, max(until, floor) + STEP / 2, STEP)
    silent = told.at(grid)
    allowed = grid >= floor - 1e-9
    return float(grid[allowed][np.argmin(_spent(silent, saving, loss)[allowed])])


def gained(told: Curve, wait: float, shorter: float, saving: float, loss: float) -> float:
    """Return what a shorter wait brings for each person, as `shortest` reckons."""
    at = [0.0, *np.arange(STEP, wait, STEP), wait]
    spent = _spent(told.at(np.array(at)), saving, loss, np.diff(at))
    return float(spent[-1] - np.interp(shorter, at, spent))


def surer(
    seen: Sequence[Waited], one: float, other: float, saving: float, loss: float, seed: int = 1, *,
    wait: float = np.inf, savings: Sequence[tuple[float, float]] = (),
) -> float:  # fmt: skip
    """Return in which share of samples drawn again from these messages `one` wait does more than the other.

    (The bootstrap, TURNS samples; `saving` and `loss` as for `shortest`.) What is longer than the present
    `wait` is told by who reacts after it, `savings` as for `longer`.
    """
    chance, better = np.random.default_rng(seed), 0
    within = [min(each, wait) for each in (one, other)]
    for _ in range(TURNS):
        drawn = [seen[n] for n in chance.integers(0, len(seen), len(seen))]
        told = curve(drawn)
        at = np.unique([*np.arange(0.0, max(within), STEP), *within])
        spent = np.interp(within, at, _spent(told.at(at), saving, loss, np.diff(at)))
        if max(one, other) > wait:
            still, late = float(told.at(np.array([wait]))[0]), curve(beyond(drawn, wait))
            spent -= still * np.array(
                [_gained_beyond(late, max(0.0, each - wait), savings, loss) for each in (one, other)]
            )
        better += bool(spent[0] < spent[1])
    return better / TURNS


def _gained_beyond(told: Curve, hours: float, savings: Sequence[tuple[float, float]], loss: float) -> float:
    """Return what so many hours more bring each person who is silent at the end of the wait, as `longer`
    reckons."""
    at = np.unique([*np.arange(0.0, hours, STEP), hours])
    silent = told.at(at)
    saving = sum(cost * (at[1:] > offset) for offset, cost in savings) * np.ones(len(at) - 1)
    waited = (silent[1:] + silent[:-1]) / 2 * np.diff(at)
    return float(np.sum(saving * (silent[:-1] - silent[1:]) - loss * waited))


def _spent(silent: Floats, saving: float, loss: float, steps: Floats | float = STEP) -> Floats:
    """Return what waiting so long costs each person, by its end: the steps that follow, and the delay."""
    waited = np.concatenate(([0.0], np.cumsum((silent[1:] + silent[:-1]) / 2 * steps)))
    return np.asarray(saving * silent + loss * waited)

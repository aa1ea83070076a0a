"""How much the reactions of a person have in common: who was silent is less ready to react to what follows.

Everybody has a readiness that counts on all channels: normal in logits, with a spread (0: reactions are
independent). A step's rate is known of those who come to it today; with a spread it is higher where the step
comes earlier, and lower where it comes later. Integrals are sums over Gauss-Hermite nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import scipy
from msgspec import Struct
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray

from kaskad.domain.terms import Channel
from kaskad.planning.history import Cell, Place

Floats = NDArray[np.float64]

SPREADS = np.arange(0.0, 3.01, 0.5)
USUAL = 1.0  # before anything is known the spread is half-normal with this scale
ALIKE = 200.0  # answers after which a rate is not told any better: people differ in more than their readiness
_EDGE = 40.0  # logits
_TURNS = 50


def nodes(count: int = 20) -> tuple[Floats, Floats]:
    """Return readinesses and how many people have each: a standard normal."""
    points, weights = hermegauss(count)
    return points, weights / weights.sum()


POINTS, WEIGHTS = nodes()


def base_of(rate: Floats, spread: Floats, people: Floats, points: Floats = POINTS) -> Floats:
    """Return at which logit `people` (shares of each readiness, by world) react at these rates."""
    low, high = np.full(len(rate), -_EDGE), np.full(len(rate), _EDGE)
    for _ in range(_TURNS):
        middle = (low + high) / 2
        told = (people * scipy.special.expit(middle[:, None] + spread[:, None] * points)).sum(axis=1)
        low, high = np.where(told < rate, middle, low), np.where(told < rate, high, middle)
    return np.asarray((low + high) / 2)


class Item(Struct, frozen=True):
    """A step as it can be put in order, by its place today.

    Items keep to their `block`, the `needed` are never left out. `counts`: a reaction ends the run or leads
    to a branch, on which `led` is spent in minor units.
    """

    step: int
    intrusion: int = 0
    block: int = 0
    needed: bool = False
    counts: bool = True
    held: float = 0.0  # the share that is held out of it
    led: float = 0.0
    hours: float = 0.0  # that silence takes


class Group(Struct, frozen=True):
    """A share of all people, alike in over which channel each item goes to them; None: it is passed over.

    `prices` are those of when items go today. `dated`: of an item whose price changes with the time the price
    after each set of items, sets as bits.
    """

    share: float
    channels: tuple[Channel | None, ...]
    prices: tuple[float, ...]
    dated: Mapping[int, Floats] = {}


class Rate(Struct, frozen=True):
    """By world: who reacts, of those who get the message; who leaves, of those who don't."""

    reacts: Floats
    leaves: Floats


Told = Callable[[int, Channel, int], Rate]  # of an item, over a channel, after so many messages
Key = tuple[int, Channel]


class Fitted(Struct, frozen=True):
    """People as they come to each item today: who reacts and leaves, by world (and readiness), and the rates
    of those to whom so many messages went before."""

    reacts: Mapping[Key, Floats]  # worlds x readiness
    leaves: Mapping[Key, Floats]
    rates: Mapping[Place, Floats]
    worlds: int


def fitted(items: Sequence[Item], groups: Sequence[Group], told: Told, spread: Floats) -> Fitted:
    """Return rates by readiness, such that today's order shows those that are told; `spread` by world."""
    silent = [np.tile(WEIGHTS, (len(spread), 1)) for _ in groups]
    before = [0] * len(groups)
    reacts, leaves, rates = dict[Key, Floats](), dict[Key, Floats](), dict[Place, Floats]()
    for at, item in enumerate(items):
        cells: dict[int, list[tuple[Floats, Floats]]] = {}
        for channel in {group.channels[at] for group in groups} - {None}:
            assert channel is not None
            there = [n for n, group in enumerate(groups) if group.channels[at] is channel]
            come = [groups[n].share * silent[n] for n in there]
            known = [told(at, channel, before[n]) for n in there]
            many = [each.sum(axis=1) for each in come]
            all_of, total = sum(come, np.zeros_like(come[0])), sum(many, np.zeros(len(spread)))
            total = np.maximum(total, 1e-300)
            rate = sum((n * each.reacts for n, each in zip(many, known, strict=True)), 0.0) / total
            left = sum((n * each.leaves for n, each in zip(many, known, strict=True)), 0.0) / total
            base = base_of(np.asarray(rate), spread, all_of / total[:, None])
            share = scipy.special.expit(base[:, None] + spread[:, None] * POINTS)
            reacts[at, channel], leaves[at, channel] = share, np.asarray(left)
            for n, each in zip(there, come, strict=True):
                cells.setdefault(before[n], []).append(((each * share).sum(axis=1), each.sum(axis=1)))
                silent[n] = silent[n] * (1.0 - gone(item, share, np.asarray(left)))
                before[n] += 1
        for others, sums in cells.items():
            hits, of = (sum(each) for each in zip(*sums, strict=True))
            rates[item.step, others] = hits / np.maximum(of, 1e-300)
    return Fitted(reacts, leaves, rates, len(spread))


def gone(item: Item, reacts: Floats, leaves: Floats) -> Floats:
    """Return which share of those who come to an item does not go on in silence."""
    reacts = reacts if item.counts else np.zeros_like(reacts)
    return (1.0 - item.held) * (reacts + (1.0 - reacts) * leaves[:, None])


def believed(fit: Fitted, cells: Mapping[Place, Cell]) -> Floats:
    """Return how likely each of SPREADS is, by what happened after fewer and after more messages; `fit` has a
    world for each."""
    told = -(SPREADS**2) / (2 * USUAL**2)
    for place, cell in cells.items():
        if cell.of and place in fit.rates:
            hits = np.clip(fit.rates[place], 1e-6, 1 - 1e-6) * ALIKE
            told += scipy.special.betaln(hits + cell.reacted, ALIKE - hits + cell.of - cell.reacted)
            told -= scipy.special.betaln(hits, ALIKE - hits)
    likely = np.exp(told - told.max())
    return np.asarray(likely / likely.sum())


def agreed(beliefs: Sequence[Floats]) -> Floats:
    """Return how likely each of SPREADS is by what several parts of the people say, each as `believed`."""
    prior = -(SPREADS**2) / (2 * USUAL**2)
    told = sum((np.log(np.maximum(each, 1e-300)) - prior for each in beliefs), prior)
    likely = np.exp(told - told.max())
    return np.asarray(likely / likely.sum())

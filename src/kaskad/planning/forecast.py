"""The forecast: what a cascade will do for an audience, and how sure that is.

Rates are believed as far as the past tells them; the people are a sample of the audience; the rest is chance.
All three are drawn together, some hundred times: a range is what eight of ten draws fall into (P10 to P90).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct, structs
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from kaskad.planning.budgets import Budgets, spend
from kaskad.planning.outlook import Outlook, Plan
from kaskad.planning.rates import Seen, family
from kaskad.planning.walk import Ask, Crowd, Rates, Take, Walked, Worlds, at_its_rate, by_chance, walk

DRAWS = 400
SEED = 1
_OF_SLOTS = 4  # people: as much as so many would tell is known of how many enter in each slot
_NEVER = np.zeros(1)


class Kind(Struct, frozen=True):
    """People alike in what each step is for them: so many of those who were looked at. `slot`: in which of
    some times they enter, where it is not known how many do in each; else 0."""

    people: int
    asks: tuple[Ask | None, ...]
    slot: int = 0


class People(Struct, frozen=True):
    """An audience. All of it was looked at, or a sample; of 10 000 `held` are held out of the cascade."""

    size: int
    kinds: Sequence[Kind]
    held: int = 0
    typical: bool = False  # no sample of anybody: all are of these kinds
    others: bool = False  # none of these enters, but as many who are like them

    @property
    def stay(self) -> float:
        """Return the share that is not held out."""
        return 1.0 - self.held / 10_000


class Range(Struct, frozen=True):
    """What eight of ten draws fall between."""

    low: float
    high: float


class Forecast(Struct, frozen=True):
    """A figure each for what happens at the expected rates (`mean`, one world), and for every draw; `wanted`:
    the first as if there were no budgets."""

    mean: Walked
    wanted: Walked
    draws: Walked
    entered: Worlds  # of every draw
    converted: float | None  # people who reach the goal; None: nothing tells
    conversions: Worlds


def forecast(
    plan: Plan, people: People, outlook: Outlook, goal: Sequence[Seen] = (), *, draws: int = DRAWS,
    seed: int = SEED, part: int = 0, budgets: Budgets | None = None,
) -> Forecast:  # fmt: skip
    """Return what is expected of an audience, while there is money.

    `goal`: of the cascade's runs that are over, how many reached the goal, those of its own last. The draws
    of several parts of an audience may be added, each to its own: rates are drawn alike, what is chance is
    not.
    """
    chance = default_rng([seed, part] if part else seed)
    counts = _counts(chance, people, draws)
    crowds = [
        Crowd(chance.binomial(count, people.stay).astype(np.float64), kind.asks)
        for count, kind in zip(counts.T, people.kinds, strict=True)
    ]
    wanted = expected(plan, people, outlook)
    mean = wanted if budgets is None else expected(plan, people, outlook, budgets)
    if budgets is not None and mean.groups:  # which tells how many may be followed
        budgets = structs.replace(budgets, most=mean.groups)
    drawn = _walked(plan, crowds, outlook.drawn(seed, draws), by_chance(chance), budgets)
    entered = sum((crowd.people for crowd in crowds), np.zeros(draws))
    if not any(seen.of for seen in goal):
        return Forecast(mean, wanted, drawn, entered, None, _NEVER)
    told = family(None).knowing(goal[:-1]).believed(goal[-1])
    converted = by_chance(chance)(entered, told.draws(chance.random(draws), chance))
    return Forecast(mean, wanted, drawn, entered, told.mean * people.size * people.stay, converted)


def expected(plan: Plan, people: People, outlook: Outlook, budgets: Budgets | None = None) -> Walked:
    """Return what happens where everything does at the expected rates, in one world."""
    return _walked(plan, _crowds(people, 1), outlook.means, at_its_rate, budgets)


def paid(plan: Plan, people: People, outlook: Outlook) -> dict[tuple[int, str], float]:
    """Return what is expected to be paid without budgets, by account that has one (else 0) and currency."""
    found = {}
    for account_id in {ask.account_id for kind in people.kinds for ask in kind.asks if ask}:
        asks_of = [
            tuple(
                ask if ask is None or ask.account_id == account_id else structs.replace(ask, price=0.0)
                for ask in kind.asks
            )
            for kind in people.kinds
        ]
        kinds = [Kind(kind.people, asks) for kind, asks in zip(people.kinds, asks_of, strict=True)]
        cost = expected(plan, structs.replace(people, kinds=kinds), outlook).cost
        found.update({(account_id, currency): float(each[0]) for currency, each in cost.items() if currency})
    return found


def lost(
    plan: Plan, people: People, outlook: Outlook, step: int, *, draws: int = DRAWS, seed: int = SEED,
    budgets: Budgets | None = None, whole: Worlds | None = None,
) -> Worlds:  # fmt: skip
    """Return how many fewer people are reached where a step is left out, in worlds that differ in their rates
    only: chance would hide it. `whole` are those reached with it, where that was asked before."""
    if whole is None:
        whole = reaching(plan, people, outlook, draws=draws, seed=seed, budgets=budgets)
    return whole - reaching(plan, without(people, step), outlook, draws=draws, seed=seed, budgets=budgets)


def reaching(
    plan: Plan, people: People, outlook: Outlook, *, draws: int = DRAWS, seed: int = SEED,
    budgets: Budgets | None = None,
) -> Worlds:  # fmt: skip
    """Return how many people are reached in worlds that differ in their rates only."""
    rates = outlook.drawn(seed, draws)
    return _walked(plan, _crowds(people, draws), rates, at_its_rate, budgets).reached


def _walked(
    plan: Plan, crowds: Sequence[Crowd], rates: Rates, take: Take, budgets: Budgets | None
) -> Walked:  # fmt: skip
    """Return how people go through; the order in which they do is asked for where money may run out only."""
    walked = walk(plan.stages, crowds, plan.first, rates, take)
    if budgets is None or budgets.suffice(walked, crowds):
        return walked
    return spend(plan.stages, crowds, plan.first, rates, take, budgets)


def _crowds(people: People, worlds: int) -> list[Crowd]:
    """Return how many of each kind enter on average, the same in every world."""
    each = people.size * people.stay / (sum(kind.people for kind in people.kinds) or 1)
    return [Crowd(np.full(worlds, each * kind.people), kind.asks) for kind in people.kinds]


def _counts(chance: Generator, people: People, draws: int) -> NDArray[np.int64]:
    """Return how many of each kind the audience may have: those looked at, and the rest as they suggest."""
    told = np.array([kind.people for kind in people.kinds], dtype=np.int64)
    if people.others and told.sum():
        return chance.multinomial(people.size, _shares(chance, told, people.kinds, draws))
    rest = max(0, people.size - int(told.sum()))
    if people.typical or not rest or not told.sum():
        scale = people.size / max(1, int(told.sum()))
        return np.tile(np.round(told * scale).astype(np.int64), (draws, 1))
    shares = chance.dirichlet(np.maximum(told, 1e-9), size=draws)
    return told + chance.multinomial(rest, shares)


def _shares(chance: Generator, told: NDArray[np.int64], kinds: Sequence[Kind], draws: int) -> Worlds:
    """Return which share of those who are like them each kind may have, whatever share each slot has."""
    shares = chance.dirichlet(np.maximum(told, 1e-9), size=draws)
    slots = np.array([kind.slot for kind in kinds])
    if slots.any():
        each, place = np.unique(slots, return_inverse=True)
        many = np.bincount(place, told, len(each))
        within = np.stack([shares[:, place == n].sum(axis=1) for n in range(len(each))], axis=1)
        whole = chance.dirichlet(np.maximum(many * min(1.0, _OF_SLOTS / many.sum()), 1e-9), size=draws)
        shares = shares * (whole / np.maximum(within, 1e-300))[:, place]
        shares /= shares.sum(axis=1, keepdims=True)
    return shares


def range_of(drawn: Worlds) -> Range:
    """Return the range of a figure: one more draw would fall into it eight times of ten (Weibull's places:
    between the nth and the next of 200 draws lies a 201st part of all that may come)."""
    low, high = np.percentile(drawn, (10, 90), method="weibull")
    return Range(float(low), float(high))


def without(people: People, step: int) -> People:
    """Return the audience as it would be if a step were left out."""
    return structs.replace(
        people,
        kinds=[
            Kind(kind.people, tuple(None if n == step else ask for n, ask in enumerate(kind.asks)))
            for kind in people.kinds
        ],
    )

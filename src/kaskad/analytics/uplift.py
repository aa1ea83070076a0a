"""What a cascade brings: who entered and was treated, against who entered and was held out by lot.

Intention to treat: everybody who entered counts in the group that the lot gave, written to or not. The unit
is a person, by the first run through the cascade: whoever was treated enters again sooner, so later runs are
no longer made by the lot. A person counts once the time in which the goal counts is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from msgspec import Struct, structs

from kaskad.analytics.changed import Changed
from kaskad.analytics.courses import Tally, held_out_lately, worth_each
from kaskad.analytics.effects import Effect, StepEffect, VariantEffects, effect
from kaskad.analytics.intervals import Interval, Share, is_uneven, needed
from kaskad.analytics.reach import Amounts
from kaskad.analytics.samples import Money, bootstrap_difference, sample_ratio
from kaskad.analytics.scope import Scope
from kaskad.domain.rates import OWN, Exchange
from kaskad.domain.terms import Kind
from kaskad.store.db import Transaction

LOOKED_AT = 2_000  # people held out, the last ones, of whom it is asked who else wrote to them
DAY_MS = 86_400_000
PACE_DAYS = 28
LIFTS = (0.1, 0.2, 0.5)  # relative, whose size is told beforehand
BUYERS = 5  # in each group; of fewer no interval of money is told
_SEED = 20_261_126  # of the bootstrap: the same data give the same interval


class Worth(Struct, frozen=True):
    """Revenue of the two groups, in minor units of one currency, less what came back."""

    currency: str
    treated: float | None  # per person
    held: float | None
    difference: Interval | None  # per person, bootstrap over people; None: too few have bought to tell

    @property
    def shown(self) -> bool:
        """Say whether a difference is shown."""
        return self.difference is not None and self.difference.excludes_zero


class Plan(Struct, frozen=True):
    """How many people it takes to see an effect of this size, and when there will be as many."""

    lift: float  # relative: 0.1 is +10 %
    people: int  # in all, the control group too
    ready_at: int | None  # at the present pace; None: nobody enters


class Contamination(Struct, frozen=True):
    """Of how many people held out, of those looked at, another cascade's message came in the goal's time."""

    touched: int
    looked_at: int


class Uplift(Struct):
    """All of it, as of `as_of`. `until`: people who entered before are counted; `waiting` came after."""

    cascade: str
    title: str
    version: int  # whose steps and variants are compared
    as_of: int
    until: int
    only: tuple[int, ...]  # versions that are counted, where others hold out another share; (): all
    since: int | None  # before, another share was held out, so people count from then on; None: all do
    later: bool  # who entered from `until` on does not count: another share was held out by then
    ripe: bool  # only those whose time is over are counted
    first_ripe_at: int | None  # when that begins, where nobody is ripe yet and somebody waits
    goal: str  # the event; "": the cascade has no goal
    within_ms: int
    share: float  # that is held out by what runs now
    waiting: int
    effect: Effect
    expected_share: float | None
    evenly: float | None
    worth: Worth | None  # None: where goals are in several currencies, or brought nothing that is known
    cost: Amounts  # of all messages to these people
    touched: Contamination
    pace: float  # people a day, over the last PACE_DAYS
    plans: list[Plan]
    steps: list[StepEffect]
    variants: list[VariantEffects]
    uncounted: int

    @property
    def uneven(self) -> bool:
        """Say whether the groups are not as full as the lot would have them."""
        return is_uneven(self.evenly)

    @property
    def orders(self) -> tuple[float, Interval] | None:
        """Return how many goals there would not have been, with their interval; None: not known."""
        told, treated = self.effect, self.effect.one.of
        if told.estimate is None or told.difference is None:
            return None
        ends = Interval(told.difference.low * treated, told.difference.high * treated)
        return told.estimate * treated, ends

    @property
    def cost_each(self) -> tuple[Amounts, Amounts, Amounts] | None:
        """Return what each such goal cost, at least and at most; None where no effect upwards is shown."""
        told = self.orders
        if told is None or not self.effect.shown or told[1].low <= 0 or self.uneven:
            return None
        found, ends = told
        return _each(self.cost, found), _each(self.cost, ends.high), _each(self.cost, ends.low)


def treated_and_held(told: Tally) -> Effect:
    """Return the effect of the whole cascade on its goal."""
    counts = {0: [0, 0], 1: [0, 0]}
    for shape, runs in told.shapes.items():
        if shape.of_the_lot:
            counts[shape.holdout][0] += runs * bool(shape.marks & Kind.GOAL.bit)
            counts[shape.holdout][1] += runs
    return effect(Share(*counts[0]), Share(*counts[1]))


def cost_of(told: Tally, money: Mapping[int, str], told_in: Exchange = OWN) -> Amounts:
    """Return what all messages of first runs cost; `money` has the accounts' currencies."""
    found: Amounts = {}
    for leg, runs in told.legs.items():
        currency = money.get(leg.account_id or 0, "")
        if currency and leg.cost and not leg.again:
            found[currency] = found.get(currency, 0) + leg.cost * runs
    return told_in.told(found)


def lot(told: Tally, shares: Mapping[int, int]) -> tuple[float | None, float | None]:
    """Return which share was to be held out, of 1, and the p-value of what was; `shares` are of 10 000.

    None where no version holds anybody out.
    """
    people, held, hoped = 0, 0, 0.0
    for (version_id, holdout), count in told.people.items():
        people += count
        held += count * holdout
        hoped += count * shares.get(version_id, 0) / 10_000
    if not people or not hoped:
        return None, None
    share = hoped / people
    return share, sample_ratio([people - held, held], [1 - share, share])


def alike(told: Tally, shares: Mapping[int, int]) -> tuple[int, ...]:
    """Return the versions whose people may be counted together; (): those of all that are told.

    Where versions hold out different shares, the groups are of other times, not of the lot alone: whoever
    came while nobody was held out has nobody to be held against. Then the share counts by which people were
    held out last. `shares` are of 10 000.
    """
    seen = {version_id for (version_id, _), people in told.people.items() if people}
    held = [version_id for version_id in seen if shares.get(version_id)]
    if not held or len({shares.get(version_id, 0) for version_id in seen}) == 1:
        return ()
    return tuple(sorted(each for each, share in shares.items() if share == shares[max(held)]))


def worths_of(
    tx: Transaction, cascade_id: int, scope: Scope, told: Effect, currencies: Mapping[int, str],
    told_in: Exchange, changed: Changed,
) -> list[Worth]:  # fmt: skip
    """Return what the people of both groups brought, zeros included, in each currency that it is told in.

    `currencies` are those of versions. Of what several are told in, people are drawn again together.
    """
    found: dict[str, tuple[dict[float, int], dict[float, int]]] = {}
    for currency in sorted(set(currencies.values())):
        ids = tuple(sorted(each for each, name in currencies.items() if name == currency))
        arms = worth_each(tx, cascade_id, structs.replace(scope, versions=ids), changed)
        ((name, one),) = told_in.exact({currency: 1}).items()
        for arm, amounts in enumerate(found.setdefault(name, ({}, {}))):
            for minor, people in arms[arm].items():
                worth = minor if name == currency else float(one * minor)
                amounts[worth] = amounts.get(worth, 0) + people
    made = [_worth_of(name, arms, told) for name, arms in found.items()]
    return [one for one in made if one is not None]


def _worth_of(
    currency: str, arms: tuple[Mapping[float, int], Mapping[float, int]], told: Effect
) -> Worth | None:  # fmt: skip
    if not arms[0] and not arms[1]:
        return None
    treated, held = _money(arms[0], told.one.of), _money(arms[1], told.other.of)
    few = min(told.one.hits, told.other.hits) < BUYERS  # drawing them again would show no spread
    difference = None if few else bootstrap_difference(treated, held, _SEED)
    return Worth(currency, treated.mean, held.mean, difference)


def contamination(
    tx: Transaction, cascade_id: int, scope: Scope, within_ms: int, changed: Changed | None = None
) -> Contamination:
    """Return how many of the last people held out got a message of another cascade meanwhile."""
    asked = {
        "cascade_id": cascade_id, "within": within_ms, "limit": LOOKED_AT, "version_id": scope.version_id,
        "since": scope.since, "until": scope.until,
    }  # fmt: skip
    people = held_out_lately(tx, cascade_id, scope, LOOKED_AT, changed)
    if people is None:
        row = tx.one("held_out_touched", **asked)
    else:
        row = next(iter(tx.among("held_out_touched_among", people.ids, **asked)), (0, 0))
    assert row is not None
    return Contamination(row[1], row[0])


def plans(told: Effect, share: float, pace: float, waiting: int, now: int, within_ms: int) -> list[Plan]:
    """Return how many people effects of some sizes take, and when these will have entered and be counted.

    The rate without the cascade is that of who was held out; until there is one, that of who was treated.
    """
    base = told.other.rate or told.one.rate
    if not base or not 0 < share < 1:
        return []
    found = []
    have = told.one.of + told.other.of + waiting
    for size in LIFTS:
        people = needed(base * (1 + size), base, 1 - share) if base * (1 + size) <= 1 else None
        if people is None:
            continue
        ready_at = now + within_ms if people <= have else None
        if people <= have - waiting:
            ready_at = now
        elif people > have and pace > 0:
            ready_at = now + ceil((people - have) / pace) * DAY_MS + within_ms
        found.append(Plan(size, people, ready_at))
    return found


def _money(amounts: Mapping[float, int], people: int) -> Money:
    brought = sum(amounts.values())
    return Money({**amounts, 0: max(people - brought, 0)})


def _each(cost: Amounts, count: float) -> Amounts:
    return {currency: ceil(minor / count) for currency, minor in cost.items()}

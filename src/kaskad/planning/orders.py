"""All orders and subsets of a cascade's steps, and what each of them reaches and costs.

What a step adds, and when it goes, depends on which steps came before it, not on their order: so that is
worked out once for each set of steps before, and every order is a sum. Up to MOST_ORDERED steps all orders
are looked at (1 957 of six), up to MOST steps all subsets of today's order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum

import numpy as np
from msgspec import Struct

from kaskad.domain.terms import Channel
from kaskad.planning.propensity import WEIGHTS, Fitted, Floats, Group, Item, gone

MOST_ORDERED = 6
MOST = 10
Order = tuple[int, ...]

# From what nobody minds to what is personal; of two that stand alike any may come first.
INTRUSION = {
    Channel.EMAIL: 0, Channel.SMS: 2, Channel.ROBOT_CALL: 3, Channel.AGENT_CALL: 4,
}  # fmt: skip
MESSENGER = 1


class Freedom(StrEnum):
    """Which orders may be proposed."""

    GENTLE = "gentle"  # no more intrusive channel comes before a less intrusive one, unless it does today
    FREE = "free"
    AS_IS = "as-is"  # steps are only left out


def intrusion(channel: Channel) -> int:
    """Return how personal a channel is."""
    return INTRUSION.get(channel, MESSENGER)


def orders(items: Sequence[Item], freedom: Freedom) -> Iterator[Order]:
    """Yield every allowed order of every allowed subset, the empty one too if no item is needed."""
    if len(items) > MOST_ORDERED:
        freedom = Freedom.AS_IS
    never_after = [_never_after(items, at, freedom) for at in range(len(items))]
    needed = sum(1 << at for at, item in enumerate(items) if item.needed)
    earlier = [
        sum(1 << at for at, item in enumerate(items) if item.needed and item.block < block)
        for block in range(1 + max((item.block for item in items), default=0))
    ]

    def onward(order: Order, placed: int) -> Iterator[Order]:
        if placed & needed == needed:
            yield order
        for at, item in enumerate(items):
            here = 1 << at
            if not placed & here and not placed & never_after[at] and not earlier[item.block] & ~placed:
                yield from onward((*order, at), placed | here)

    return onward((), 0)


def _never_after(items: Sequence[Item], at: int, freedom: Freedom) -> int:
    """Return the items, as bits, after which one may not come."""
    one, found = items[at], 0
    for other, item in enumerate(items):
        later, stays = other > at, freedom is Freedom.AS_IS or (item.needed and one.needed)
        harsher = freedom is Freedom.GENTLE and item.intrusion > one.intrusion
        if item.block > one.block or (later and (stays or harsher)):
            found |= 1 << other
    return found


class Table(Struct, frozen=True):
    """What an item adds after a set of others, for one person who enters: sets x items x worlds."""

    reach: Floats
    cost: Floats  # minor units
    messages: Floats
    hours: Floats  # until the step begins, for those who react to it
    worth: Floats  # those reached, each as much as is left of a value that fades
    silent: Floats  # who goes on after a set: sets x worlds

    def mean(self, weights: Floats) -> Table:
        """Return the same in one world: their mean."""
        return Table(*((each @ weights)[..., None] for each in self._all))

    @property
    def _all(self) -> tuple[Floats, ...]:
        return self.reach, self.cost, self.messages, self.hours, self.worth, self.silent


class Choice(Struct, frozen=True):
    """An order and what it does for one person who enters, by world; `messages` by item."""

    order: Order
    reach: Floats
    cost: Floats
    messages: Floats  # items x worlds
    hours: Floats  # mean until the step begins that reaches somebody
    worth: Floats


def table(items: Sequence[Item], groups: Sequence[Group], fit: Fitted, half_life: float = 0.0) -> Table:
    """Return what each item adds after each set; a value halves in `half_life` hours, 0: never."""
    sums = _sums(len(items), fit.worlds)
    for group in groups:
        rates = [
            None if channel is None else (fit.reacts[at, channel], fit.leaves[at, channel])
            for at, channel in enumerate(group.channels)
        ]
        _add(sums, items, group, rates, WEIGHTS, half_life)
    return Table(*sums)


def table_of(items: Sequence[Item], prices: Sequence[float], people: Floats, reacts: Floats) -> Table:
    """Return the same for people of several sorts: shares, and how many of each react to each item."""
    sums = _sums(len(items), 1)
    group = Group(1.0, (Channel.EMAIL,) * len(items), tuple(prices))
    rates = [(column[None, :], np.zeros(1)) for column in reacts.T]
    _add(sums, items, group, rates, people, 0.0)
    return Table(*sums)


def _sums(items: int, worlds: int) -> list[Floats]:
    return [*(np.zeros((1 << items, items, worlds)) for _ in range(5)), np.zeros((1 << items, worlds))]


def _add(
    sums: Sequence[Floats], items: Sequence[Item], group: Group,
    rates: Sequence[tuple[Floats, Floats] | None], people: Floats, half_life: float,
) -> None:  # fmt: skip
    worlds = sums[0].shape[2]
    silent, begun = np.empty((1 << len(items), worlds, len(people))), np.zeros(1 << len(items))
    silent[0] = people
    for at, (item, rate) in enumerate(zip(items, rates, strict=True)):
        have = 1 << at
        staying = 1.0 if rate is None else 1.0 - gone(item, *rate)
        silent[have : 2 * have] = silent[:have] * staying
        begun[have : 2 * have] = begun[:have] + (0.0 if rate is None else item.hours)
    arriving = silent.sum(axis=2)
    fading = np.exp2(-begun / half_life) if half_life else np.ones_like(begun)
    reach, cost, messages, hours, worth, left = sums
    left += group.share * arriving
    for at, (item, rate) in enumerate(zip(items, rates, strict=True)):
        if rate is None:
            continue
        share = group.share * (1.0 - item.held)
        sent = share * arriving
        hit = share * (silent * rate[0]).sum(axis=2) if item.counts else np.zeros_like(sent)
        reach[:, at] += hit
        dated = group.dated.get(at)
        price = group.prices[at] if dated is None else dated[:, None]
        cost[:, at] += sent * price + hit * item.led
        messages[:, at] += sent
        hours[:, at] += hit * begun[:, None]
        worth[:, at] += hit * fading[:, None]


def chosen(adds: Table, order: Order) -> Choice:
    """Return what one order does."""
    worlds = adds.reach.shape[2]
    reach, cost, hours, worth = (np.zeros(worlds) for _ in range(4))
    messages = np.zeros((adds.reach.shape[1], worlds))
    placed = 0
    for at in order:
        reach = reach + adds.reach[placed, at]
        cost = cost + adds.cost[placed, at]
        hours = hours + adds.hours[placed, at]
        worth = worth + adds.worth[placed, at]
        messages[at] = adds.messages[placed, at]
        placed |= 1 << at
    return Choice(order, reach, cost, messages, hours / np.maximum(reach, 1e-300), worth)

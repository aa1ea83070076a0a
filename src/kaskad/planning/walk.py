"""How people go through a cascade: who gets how far, how many messages, for how much.

Plain arithmetic: only those who stayed silent pay for the next step. It is done in many worlds at once, an
array element each, which differ in the rates and in chance; or in one, where everything happens at its rate.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

import numpy as np
from msgspec import Struct, field
from numpy.random import Generator
from numpy.typing import NDArray

from kaskad.domain.cascade import Cascade
from kaskad.domain.terms import Channel, Reaction
from kaskad.planning.costs import Cost

Worlds = NDArray[np.float64]  # a figure in each of the worlds
_NOBODY: Worlds = np.zeros(1)
Take = Callable[[Worlds, Worlds], Worlds]  # of so many people, to how many it happens at this rate


class Ask(Struct, frozen=True):
    """A step for one kind of people: over which channel, and what a message costs in minor units. `dated`:
    where that is another price later on; `price` is that of when it goes today."""

    channel: Channel
    price: float = 0.0
    currency: str = ""  # "": nothing tells the price
    dated: Cost | None = None
    account_id: int = 0  # by whom it goes, where that one has a budget of its own
    tries: Worlds | None = None  # how often each is made, on average; None: that is to be drawn

    def price_at(self, now: int) -> float:
        """Return what a message costs that goes now."""
        return self.price if self.dated is None else self.dated.at(now)


class Crowd(Struct, frozen=True):
    """As many people, alike in what each step is for them; None: it is passed over."""

    people: Worlds
    asks: tuple[Ask | None, ...]


class Stage(Struct, frozen=True):
    """What follows a step: `after` silence, `branch` upon a reaction; `ends` says that a reaction ends it."""

    after: int | None
    ends: bool = True
    branch: int | None = None
    held: float = 0.0  # the share that is held out of the step
    waits: bool = False  # it is paused: whoever comes to it stays there


class Rate(Struct, frozen=True):
    """Shares of those who get a message of a step while silent: who react to it, and who leave without doing
    so (they bought, said no, were stopped). `again`: of first tries that another follows, of second, …"""

    reacts: Worlds
    leaves: Worlds
    again: tuple[Worlds, ...] = ()


Rates = Callable[[int, Ask, int], Rate]  # of a step, for these, to whom so many messages went before


class Passed(Struct):
    """One step, in people; `cost` is in minor units, by currency."""

    arrived: Worlds = _NOBODY
    sent: Worlds = _NOBODY
    reacted: Worlds = _NOBODY
    ended: Worlds = _NOBODY  # of those who reacted, whom this ends the run for
    branched: Worlds = _NOBODY
    left: Worlds = _NOBODY
    waiting: Worlds = _NOBODY  # at a paused step
    lacked: Worlds = _NOBODY  # passed over, as the money for their message was spent
    went_on: Worlds = _NOBODY  # to the step after silence, or to the end
    cost: dict[str, Worlds] = field(default_factory=dict)


class Walked(Struct):
    """A whole cascade; `cost` is in minor units, by currency. `coarse`: money was followed for far fewer
    groups of people than there are."""

    steps: list[Passed]
    reached: Worlds = _NOBODY  # reacted to any message
    silent: Worlds = _NOBODY  # came to the end without any reaction
    messages: Worlds = _NOBODY
    cost: dict[str, Worlds] = field(default_factory=dict)
    coarse: bool = False
    groups: int = 0  # at most so many, where money was followed


def stages(cascade: Cascade, waiting: Container[int] = ()) -> list[Stage]:
    """Return what follows each step. Of several branches from one step the first takes all who react.

    `waiting` are steps that are paused, at which people wait."""
    leads = {branch.step: branch.go for branch in reversed(cascade.branches)}
    return [
        Stage(step.next, step.success is not Reaction.NONE, leads.get(step.number), step.holdout / 10_000,
              step.number in waiting)
        for step in cascade.steps
    ]  # fmt: skip


def at_its_rate(people: Worlds, rate: Worlds) -> Worlds:
    """Return how many it happens to on average."""
    return people * rate


def by_chance(chance: Generator) -> Take:
    """Return what draws to how many it happens, each person apart."""
    return lambda people, rate: chance.binomial(people.astype(np.int64), rate).astype(np.float64)


def walk(stages: Sequence[Stage], crowds: Sequence[Crowd], first: int, rates: Rates, take: Take) -> Walked:
    """Return how the crowds go through, who all enter at step `first`; steps lead forward only."""
    whole = Walked([Passed() for _ in stages])
    for crowd in crowds:
        _go(whole, stages, crowd, first, rates, take)
    return added_up(whole)


def added_up(whole: Walked) -> Walked:
    """Add messages and costs of the steps to a cascade through which all have gone."""
    for step in whole.steps:
        whole.messages = whole.messages + step.sent
        for currency, amount in step.cost.items():
            whole.cost[currency] = whole.cost.get(currency, _NOBODY) + amount
    return whole


class Here(Struct, frozen=True):
    """People at a step, alike: in each world those without and those with a reaction to one before it (who
    goes on after a reaction counts as reached once), and how many messages went to them."""

    silent: Worlds
    heard: Worlds
    written: int

    @property
    def people(self) -> Worlds:
        """Return how many there are."""
        return self.silent + self.heard


def _go(
    whole: Walked, stages: Sequence[Stage], crowd: Crowd, first: int, rates: Rates, take: Take
) -> None:  # fmt: skip
    """Add one crowd."""
    none = np.zeros(len(crowd.people))
    here = [Here(none, none, 0)] * len(stages)
    if stages:
        here[first] = Here(crowd.people, none, 0)
    for number, ask in enumerate(crowd.asks):
        for to, more in through(whole, stages, number, ask, here[number], rates, take):
            before = here[to]
            here[to] = Here(before.silent + more.silent, before.heard + more.heard, more.written)


def through(
    whole: Walked, stages: Sequence[Stage], number: int, ask: Ask | None, here: Here, rates: Rates, take: Take
) -> list[tuple[int, Here]]:  # fmt: skip
    """Let people through a step, and count them; return who goes on to which steps."""
    stage, told = stages[number], whole.steps[number]
    told.arrived = told.arrived + here.people
    if stage.waits:
        told.waiting = told.waiting + here.people
        return []
    on_silent, on_heard, moved = here.silent, here.heard, np.zeros(len(here.silent))
    if ask is not None:
        rate = rates(number, ask, here.written)
        met, met_heard = (_meet(each, stage, rate, take) for each in (here.silent, here.heard))
        moved = met.reacted + met_heard.reacted
        got = met.got + met_heard.got
        made = tries(got, rate, take) if ask.tries is None and ask.price else ask.tries
        _count(told, ask, got, moved, met.left + met_heard.left, made)
        whole.reached = whole.reached + met.reacted
        on_silent = here.silent - met.reacted - met.left
        on_heard = here.heard - met_heard.reacted - met_heard.left
    goes = []
    if stage.branch is not None:
        told.branched = told.branched + moved
        goes.append((stage.branch, Here(0.0 * moved, moved, here.written + 1)))
    elif stage.ends:
        told.ended = told.ended + moved
    else:
        on_heard = on_heard + moved
    told.went_on = told.went_on + on_silent + on_heard
    if stage.after is None:
        whole.silent = whole.silent + on_silent
    else:
        goes.append((stage.after, Here(on_silent, on_heard, here.written + (ask is not None))))
    return goes


class _Met(Struct):
    """How many got a message, and what they did."""

    got: Worlds
    reacted: Worlds
    left: Worlds


def _meet(people: Worlds, stage: Stage, rate: Rate, take: Take) -> _Met:
    got = people if not stage.held else take(people, np.full(len(people), 1.0 - stage.held))
    reacted = take(got, rate.reacts)
    others = np.clip(rate.leaves / np.maximum(1.0 - rate.reacts, 1e-12), 0.0, 1.0)
    return _Met(got, reacted, take(got - reacted, others))


def tries(messages: Worlds, rate: Rate, take: Take) -> Worlds | None:
    """Return how often so many messages are made each, on average, and paid as often; None: all once."""
    made, more = messages, messages
    for share in rate.again:
        more = take(more, share)
        made = made + more
    return np.where(messages > 0, made / np.maximum(messages, 1e-12), 1.0) if rate.again else None


def _count(
    told: Passed, ask: Ask, sent: Worlds, reacted: Worlds, left: Worlds, made: Worlds | None
) -> None:  # fmt: skip
    told.sent = told.sent + sent
    told.reacted = told.reacted + reacted
    told.left = told.left + left
    paid = sent if made is None else sent * made
    told.cost[ask.currency] = told.cost.get(ask.currency, _NOBODY) + paid * ask.price

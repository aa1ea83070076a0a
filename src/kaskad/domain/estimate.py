"""What a cascade is expected to do before it has run: who gets how far, how many messages, for how much.

Plain arithmetic over shares: only those who stayed silent pay for the next step. Whether somebody reacts is
told by priors here; whoever knows better (a forecast from what has happened) gives `expected` other shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from kaskad.domain.cascade import Cascade
from kaskad.domain.terms import Channel, Reaction

# Shares of those who get a message and react to it, given that they were silent until then. They are to be
# worth no more than ten observations; a push has none.
PRIORS: Mapping[Channel, float] = {
    Channel.EMAIL: 0.20,
    **dict.fromkeys(
        (Channel.TELEGRAM, Channel.WHATSAPP, Channel.VIBER, Channel.VK, Channel.MAX,
         Channel.FACEBOOK_MESSENGER, Channel.INSTAGRAM), 0.50,
    ),
    Channel.SMS: 0.375,
    Channel.ROBOT_CALL: 0.40,
    Channel.AGENT_CALL: 0.70,
}  # fmt: skip
SMS_DELIVERED = 0.95


class Ask(Struct, frozen=True):
    """A step for one kind of people: the share that reacts, what a message costs in minor units, by whom."""

    channel: Channel
    reacts: float
    price: float = 0.0
    currency: str = ""  # "": nothing tells the price


class Crowd(Struct, frozen=True):
    """A share of the audience alike in what each step is for them; None: the step is passed over."""

    share: float
    asks: tuple[Ask | None, ...]


class Stage(Struct, frozen=True):
    """What follows a step: `after` silence, `branch` upon a reaction; `ends` says that a reaction ends it."""

    after: int | None
    ends: bool = True
    branch: int | None = None
    held: float = 0.0  # the share that is held out of the step


class Passed(Struct):
    """One step, in shares of all who enter."""

    arrived: float = 0.0
    sent: float = 0.0
    reacted: float = 0.0
    ended: float = 0.0  # of those who reacted, whom this ends the run for
    branched: float = 0.0
    went_on: float = 0.0  # to the step after silence, or to the end
    cost: dict[str, float] = {}


class Expected(Struct):
    """A whole cascade, in shares of all who enter; `cost` is in minor units for each of them, by currency."""

    steps: list[Passed]
    reached: float = 0.0  # reacted to any message
    silent: float = 0.0  # came to the end without any reaction
    messages: float = 0.0
    cost: dict[str, float] = {}


def reacts(channel: Channel, success: Reaction | None) -> float | None:
    """Return the prior share that shows the step's success on a channel; None: there is no prior."""
    if success is Reaction.DELIVERED and channel is Channel.SMS:
        return SMS_DELIVERED
    return PRIORS.get(channel)


def stages(cascade: Cascade) -> list[Stage]:
    """Return what follows each step. Of several branches from one step the first takes all who react."""
    leads = {branch.step: branch.go for branch in reversed(cascade.branches)}
    return [
        Stage(step.next, step.success is not Reaction.NONE, leads.get(step.number), step.holdout / 10_000)
        for step in cascade.steps
    ]


def expected(stages: Sequence[Stage], crowds: Sequence[Crowd], first: int = 0) -> Expected:
    """Return what is to be expected of people who enter at step `first`; steps lead forward only."""
    whole = Expected([Passed(cost={}) for _ in stages], cost={})
    for crowd in crowds:
        _walk(whole, stages, crowd, first)
    for step in whole.steps:
        whole.messages += step.sent
        for currency, amount in step.cost.items():
            whole.cost[currency] = whole.cost.get(currency, 0.0) + amount
    return whole


def _walk(whole: Expected, stages: Sequence[Stage], crowd: Crowd, first: int) -> None:
    """Add one kind of people. `silent` and `heard` of each step are those who come to it without and with a
    reaction to one before it: whoever goes on after a reaction counts as reached once."""
    silent, heard = [0.0] * len(stages), [0.0] * len(stages)
    if stages:
        silent[first] = crowd.share
    for number, (stage, ask, told) in enumerate(zip(stages, crowd.asks, whole.steps, strict=True)):
        told.arrived += silent[number] + heard[number]
        share = 0.0 if ask is None else 1.0 - stage.held
        got, got_heard = silent[number] * share, heard[number] * share
        rate = ask.reacts if ask is not None else 0.0
        reacted = (got + got_heard) * rate
        told.sent += got + got_heard
        told.reacted += reacted
        whole.reached += got * rate
        if ask is not None:
            amount = (got + got_heard) * ask.price
            told.cost[ask.currency] = told.cost.get(ask.currency, 0.0) + amount
        on_silent, on_heard = silent[number] - got * rate, heard[number] - got_heard * rate
        if stage.branch is not None:
            told.branched += reacted
            heard[stage.branch] += reacted
        elif stage.ends:
            told.ended += reacted
        else:
            on_heard += reacted
        told.went_on += on_silent + on_heard
        if stage.after is None:
            whole.silent += on_silent
        else:
            silent[stage.after] += on_silent
            heard[stage.after] += on_heard

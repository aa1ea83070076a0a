"""What is believed of the rates at each step of a cascade, by all that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.random import default_rng

from kaskad.domain.terms import Channel, Reaction
from kaskad.planning.history import Cell, Happened
from kaskad.planning.priors import reacts
from kaskad.planning.rates import Belief, Family, Seen, family, moved, shifted
from kaskad.planning.walk import Ask, Rate, Rates, Stage

Event = tuple[Channel, Reaction | None]  # what counts as success, where: rates of one are alike
Elsewhere = Mapping[Event, Sequence[Seen]]

_NOTHING = Cell()
NEVER = Belief(np.ones(1), np.full(1, 1e-9), np.ones(1))


class Plan(Struct, frozen=True):
    """A cascade as a forecast sees it: what follows each step, what is a success there, where it begins."""

    stages: Sequence[Stage]
    channels: Sequence[Channel]  # the first of each step
    successes: Sequence[Reaction | None]
    first: int = 0

    @property
    def events(self) -> list[Event]:
        """Return what each step asks for, on its first channel."""
        return list(zip(self.channels, self.successes, strict=True))


class Outlook:
    """What is believed of each step's rates, by what is known."""

    def __init__(self, plan: Plan, own: Happened, elsewhere: Elsewhere) -> None:
        self._plan, self._own, self._elsewhere = plan, own, elsewhere
        self._shift = shifted(self._seen())
        self._families: dict[Event, Family] = {}
        self._beliefs: dict[tuple[int, Channel, int], tuple[Belief, Belief | None]] = {}

    def knows(self, step: int, channel: Channel) -> bool:
        """Say whether anything tells how many react to a step: else nobody is counted as reacting."""
        event = channel, self._plan.successes[step]
        return reacts(*event) is not None or bool(self._own.step(step).of or self._elsewhere.get(event))

    def means(self, step: int, ask: Ask, before: int) -> Rate:
        """Return the rates that are expected."""
        reacting, leaving = self._believed(step, ask.channel, before)
        mean = reacting.mean
        gone = leaving.mean * (1.0 - mean) if leaving is not None else 0.0
        return Rate(np.array([mean]), np.array([gone]))

    def drawn(self, seed: int, count: int) -> Rates:
        """Return rates for as many worlds; for one seed always the same."""
        kept: dict[tuple[int, Channel, int], Rate] = {}

        def rates(step: int, ask: Ask, before: int) -> Rate:
            place = step, ask.channel, before
            if place not in kept:
                common = default_rng([seed, step, ask.channel.code]).random(count)
                seen = self._own.cells.get((step, before), _NOTHING).of > 0
                # Rates of which nothing was seen are believed alike, so they are drawn alike.
                chance = default_rng([seed, step, ask.channel.code, 1 + before if seen else 0])
                reacting, leaving = self._believed(*place)
                some = reacting.draws(common, chance)
                gone = 0.0 if leaving is None else leaving.draws(common, chance)
                kept[place] = Rate(some, gone * (1.0 - some))
            return kept[place]

        return rates

    def _seen(self) -> list[tuple[float, Seen]]:
        """Return the field's figure for each event of which something was seen, and what."""
        seen = dict(self._elsewhere)
        for number, event in enumerate(self._plan.events):
            cell = self._own.step(number)
            seen[event] = [*seen.get(event, ()), Seen(cell.of, cell.reacted)]
        figures = ((reacts(*event), cells) for event, cells in seen.items())
        return [
            (figure, cell) for figure, cells in figures if figure is not None for cell in cells if cell.of
        ]

    def _believed(self, step: int, channel: Channel, before: int) -> tuple[Belief, Belief | None]:
        place = step, channel, before
        if place not in self._beliefs:
            self._beliefs[place] = self._reacting(*place), self._leaving(step)
        return self._beliefs[place]

    def _reacting(self, step: int, channel: Channel, before: int) -> Belief:
        event = channel, self._plan.successes[step]
        if not self.knows(step, channel):
            return NEVER
        near = [
            Seen(cell.of, cell.reacted)
            for (number, others), cell in self._own.cells.items()
            if number == step and others != before
        ]
        own = self._own.cells.get((step, before), _NOTHING)
        return self._family(event).knowing(near).believed(Seen(own.of, own.reacted))

    def _family(self, event: Event) -> Family:
        if event not in self._families:
            figure = reacts(*event)
            alike = family(None if figure is None else moved(figure, self._shift))
            self._families[event] = alike.knowing(self._elsewhere.get(event, ()))
        return self._families[event]

    def _leaving(self, step: int) -> Belief | None:
        """Return at which rate those leave who do not react; None: nobody was seen at the step."""
        seen = self._own.step(step)
        rest = seen.of - seen.reacted
        return family(None).believed(Seen(rest, seen.left)) if rest > 0 else None

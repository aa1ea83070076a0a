"""What is believed of the rates at each step of a cascade, by all that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import scipy
from msgspec import Struct
from numpy.random import default_rng

from kaskad.domain.terms import Channel, Reaction
from kaskad.planning.again import ONCE, Again
from kaskad.planning.history import Cell, Happened, Shock
from kaskad.planning.priors import reacts
from kaskad.planning.rates import Belief, Family, Seen, faded, fading, family, mixture, moved, shifted
from kaskad.planning.walk import Ask, Rate, Rates, Stage, Worlds

Event = tuple[Channel, Reaction | None]  # what counts as success, where: rates of one are alike
Elsewhere = Mapping[Event, Sequence[Seen]]

_NOTHING = Cell()
_LEAVING, _FADING, _WEEK, _AGAIN = 1_000, 1_001, 1_002, 1_003  # no step and no channel has these numbers
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


def _told(cell: Cell) -> Seen:
    """Return what a cell teaches: nothing while too many of it may still react, nor who has already."""
    of = cell.of
    return Seen(of, cell.reacted if of else 0)


def _in_common(rates: Worlds, seed: int, step: int, shock: Shock) -> Worlds:
    """Return the same rates of a step, in other worlds as far as a week decides: what is bad for all steps
    is so for each. Else they stay high and low where they were."""
    every, own = (default_rng([seed, _WEEK, of]).standard_normal(len(rates)) for of in (0, 1 + step))
    rest = scipy.special.ndtri((rates.argsort().argsort() + 0.5) / len(rates))
    shares = np.sqrt([shock.all_steps, shock.own_step, 1.0 - shock.all_steps - shock.own_step])
    places = shares @ np.array([every, own, rest])
    return np.asarray(np.sort(rates)[places.argsort().argsort()])


class Outlook:
    """What is believed of each step's rates, by what is known."""

    def __init__(self, plan: Plan, own: Happened, elsewhere: Elsewhere, again: Again = ONCE) -> None:
        self._plan, self._own, self._elsewhere = plan, own, elsewhere
        self._again = cache(lambda step, channel: again.believed((step, channel.code)))
        # Of a step that a reaction does not end nobody counts who leaves it.
        self._counting = [
            number for number, stage in enumerate(plan.stages) if stage.ends or stage.branch is not None
        ]
        self._shift = shifted(self._seen())
        self._fading = fading([self._seen_at(number) for number in range(len(plan.stages))])
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
        again = tuple([np.array([each.mean]) for each in self._again(step, ask.channel)])
        return Rate(np.array([mean]), np.array([gone]), again)

    def drawn(self, seed: int, count: int, part: int = 0) -> Rates:
        """Return rates for as many worlds; for one seed always the same.

        Of several parts of the people each has another number: what was seen of it is drawn apart.
        """
        kept: dict[tuple[int, Channel, int], Rate] = {}
        left: dict[int, Worlds] = {}
        fades = default_rng([seed, _FADING]).random(count)
        again = cache(lambda step, channel: self._drawn_again(seed, count, step, channel))

        def rates(step: int, ask: Ask, before: int) -> Rate:
            place = step, ask.channel, before
            if place not in kept:
                common = default_rng([seed, step, ask.channel.code]).random(count)
                if self._near(step, before):
                    common = self._within(fades, common)
                seen = self._own.cells.get((step, before), _NOTHING).of > 0
                # Rates of which nothing was seen are believed alike, so they are drawn alike.
                apart = [part] if part and seen else []
                chance = default_rng([seed, step, ask.channel.code, 1 + before if seen else 0, *apart])
                some = self._believed(*place)[0].draws(common, chance)
                if (shock := self._own.shocks.get((step, before))) is not None:
                    some = _in_common(some, seed, step, shock)
                if step not in left:
                    left[step] = self._left(seed, step, count)
                kept[place] = Rate(some, left[step] * (1.0 - some), again(step, ask.channel))
            return kept[place]

        return rates

    def _drawn_again(self, seed: int, count: int, step: int, channel: Channel) -> tuple[Worlds, ...]:
        """Return at which rate each try of a step is followed by another, in as many worlds."""
        found = []
        for number, belief in enumerate(self._again(step, channel)):
            common = default_rng([seed, _AGAIN, channel.code, number]).random(count)
            chance = default_rng([seed, _AGAIN, channel.code, number, step])
            found.append(belief.draws(common, chance))
        return tuple(found)

    def _seen(self) -> list[tuple[float, Seen]]:
        """Return the field's figure for each event of which something was seen, and what."""
        seen = dict(self._elsewhere)
        for number, event in enumerate(self._plan.events):
            cell = self._own.step(number)
            seen[event] = [*seen.get(event, ()), _told(cell)]
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
        near = self._near(step, before)
        cell = self._own.cells.get((step, before), _NOTHING)
        alike, own = self._family(event), _told(cell)
        if not near:
            return alike.believed(own)
        beliefs = []
        for by, likely in self._fading:
            others = [faded(seen, by * (number - before)) for number, seen in near.items()]
            beliefs.append((likely, alike.knowing(others).believed(own)))
        return mixture(beliefs)

    def _near(self, step: int, before: int) -> dict[int, Seen]:
        """Return what was seen at a step of those to whom more or fewer messages went before."""
        return {number: seen for number, seen in self._seen_at(step).items() if number != before and seen.of}

    def _within(self, fades: Worlds, common: Worlds) -> Worlds:
        """Return numbers by which a mixture is drawn from in worlds where so much fewer react at each step:
        how much is one number of a world, where the common rate stands another for each step."""
        weights = np.array([likely for _, likely in self._fading])
        ends = np.cumsum(weights)
        chosen = np.searchsorted(ends[:-1], fades)
        return np.asarray(ends[chosen] - weights[chosen] * (1.0 - common))

    def _seen_at(self, step: int) -> dict[int, Seen]:
        """Return what was seen at a step of those to whom so many messages went before."""
        return {before: _told(cell) for (number, before), cell in self._own.cells.items() if number == step}

    def _family(self, event: Event) -> Family:
        if event not in self._families:
            figure = reacts(*event)
            alike = family(None if figure is None else moved(figure, self._shift))
            self._families[event] = alike.knowing(self._elsewhere.get(event, ()))
        return self._families[event]

    def _left(self, seed: int, step: int, count: int) -> Worlds:
        """Return at which rate those leave a step who do not react, in as many worlds."""
        leaving = self._leaving(step)
        if leaving is None:
            return np.zeros(count)
        common = default_rng([seed, _LEAVING]).random(count)  # where many leave one step, they leave others
        return leaving.draws(common, default_rng([seed, _LEAVING, step]))

    def _leaving(self, step: int) -> Belief | None:
        """Return at which rate those leave a step who do not react, as at the steps beside it; None: nobody
        was seen at any."""
        seen = {number: self._silent(number) for number in self._counting}
        own = self._silent(step)
        others = [cell for number, cell in seen.items() if number != step and cell.of]
        if not own.of and not others:
            return None
        return family(None, 0.5).knowing(others).believed(own)

    def _silent(self, step: int) -> Seen:
        """Return how many did not react to a step, and how many of those left."""
        cell = self._own.step(step)
        return Seen(cell.of - cell.reacted, cell.left) if cell.of > cell.reacted else Seen(0, 0)

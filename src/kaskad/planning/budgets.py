"""How people go through a cascade whose money may run out: who comes later goes without what is paid.

Messages are paid for in the order in which they go; of those that go together as many as there is money for.
Whoever is passed over goes on at once, as nobody has been written to, or waits for the next day or month of a
budget that begins anew, as far as the step may still go then. All that in many worlds at once, an array
element each: in a dear world the money is spent sooner.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import heappop, heappush

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from kaskad.planning.walk import (
    Ask,
    Crowd,
    Here,
    Passed,
    Rates,
    Stage,
    Take,
    Walked,
    Worlds,
    added_up,
    through,
    tries,
)

_LEAST = 1e-9  # of a minor unit
MOST = 600  # groups of people who enter at one instant: of many kinds fewer instants are told apart
COARSE = 24  # of them, where the same is asked for many times
_PLACES = 10_000  # as many groups at steps are followed, about a second: else fewer are told apart
_FEWEST = 6  # groups, which are followed wherever they come
_ROOM = 0.7  # of the places: more groups come to rather more of them each
_ROUGH = 4  # times as many groups as are told apart: then it is said
_GOLDEN = 0.6180339887  # multiples of it lie evenly between whole numbers, however many
_NEVER = 1e30  # what a message takes that may not go: more than is left of anything


class Limit(Struct, frozen=True):
    """What may be spent from now on, in minor units of its own currency.

    `worth` says what one minor unit of a currency counts; a message in one that is not there goes to nobody
    (`is_strict`), or counts nothing. `account_id` 0: whoever sends it. What is `left` is for the period that
    ends at the first of `turns`; in each that begins at one of them it is `anew`.
    """

    left: float
    worth: Mapping[str, float]
    account_id: int = 0
    is_strict: bool = True
    anew: float = 0.0
    turns: tuple[int, ...] = ()  # instants, far enough ahead; (): it has no periods

    def next_turn(self, now: int) -> int | None:
        """Return when the period of an instant is over; None: it has no end."""
        place = bisect_right(self.turns, now)
        return self.turns[place] if place < len(self.turns) else None

    def left_at(self, start: int) -> float:
        """Return what is left for those of whom the first come at an instant: all where a period begins till
        then."""
        return self.anew if self.turns and start >= self.turns[0] else self.left

    def part(self, share: float) -> Limit:
        """Return what a part of those who spend of it may."""
        return structs.replace(self, left=share * self.left, anew=share * self.anew)

    def taken(self, paid: Mapping[tuple[int, str], float]) -> float:
        """Return how much of it is taken by what is paid, told by account and currency; what may not go at
        all takes nothing."""
        worth = {key: self.takes(1.0, key[1], key[0]) for key in paid}
        return sum(minor * worth[key] for key, minor in paid.items() if worth[key] < _NEVER)

    def takes(self, price: float, currency: str, account_id: int) -> float:
        """Return how much of it a message takes: more than there ever is where it may not go at all."""
        if not price or self.account_id not in (0, account_id):
            return 0.0
        return price * self.worth.get(currency, _NEVER if self.is_strict else 0.0)


class Timing(Struct, frozen=True):
    """When messages go, of people of whom as many enter at each of these instants."""

    entering: Sequence[int]
    silences_ms: Sequence[int]  # of each step
    goes: Callable[[int, int, int], int]  # of a step, to whom it could at this instant, and who entered then
    until: Callable[[int, int], int]  # how long a step may wait that was due then
    last_by_day: int = -1  # after this step nothing that goes depends on who entered when


class Budgets(Struct, frozen=True):
    """What limits the spending of a cascade; `each` is what one contact may cost."""

    limits: Sequence[Limit]
    each: Limit | None
    timing: Timing
    most: int = MOST  # groups of people who enter at one instant that are told apart, if kinds are no more
    is_quick: bool = False  # the same is asked many times

    def shared(self, number: int, paid: Sequence[Mapping[tuple[int, str], float]]) -> Budgets:
        """Return what one of several may spend who all spend of these: of each limit as large a share as it
        would take of it. `paid` tells of each of them what it would pay, by account and currency."""
        limits = []
        for limit in self.limits:
            taken = [limit.taken(each) for each in paid]
            limits.append(limit.part(taken[number] / sum(taken) if any(taken) else 1 / len(paid)))
        return structs.replace(self, limits=limits)

    def suffice(self, walked: Walked, crowds: Sequence[Crowd]) -> bool:
        """Say whether they surely limit nothing: what people did who went through as if there were none."""
        for limit in self.limits:
            least = min(limit.left, limit.anew) if limit.turns else limit.left
            costs = [
                cost * limit.takes(1.0, name, limit.account_id)
                for name, cost in walked.cost.items()
                if cost.any()
            ]
            if np.any(sum(costs, np.zeros(1)) > least):
                return False
        each = self.each
        return each is None or all(
            sum(each.takes(ask.price, ask.currency, ask.account_id) for ask in crowd.asks if ask) <= each.left
            for crowd in crowds
        )


def spend(
    stages: Sequence[Stage], crowds: Sequence[Crowd], first: int, rates: Rates, take: Take, budgets: Budgets
) -> Walked:  # fmt: skip
    """Return how the crowds go through, as `walk` does, while there is money. What would take long is told of
    fewer groups of people, in which those are alike whose messages cost about the same: that is `coarse`.

    As many groups as may be followed are told by how many places a few of them come to."""
    finest = len(crowds) * len(budgets.timing.entering)
    places = _PLACES // 8 if budgets.is_quick else _PLACES

    def followed(most: int, places: int | None) -> tuple[Walked, int]:
        some = crowds if most >= MOST else _merged(crowds, most)
        going = _Spending(stages, some, rates, take, budgets, most, places)
        told = going.walked(first)
        told.groups = most
        told.coarse = _ROUGH * _groups(some, len(budgets.timing.entering), most) < finest
        return told, going.places

    try:
        return followed(budgets.most, places)[0]
    except _TooLongError:
        told, count = followed(_FEWEST, None)
    more = min(int(_ROOM * places / count * _FEWEST), budgets.most // 2)
    if more > _FEWEST:
        try:
            return followed(more, places)[0]
        except _TooLongError:
            pass
    return told


class _TooLongError(Exception):
    """More groups of people are at steps than may be followed."""


class _Place(Struct, frozen=True, order=True):
    """Where and when people stand who are alike; `latest`: the last beginning of a period that those
    wait for who have waited already (0: they have not), of whom nobody is held out of the step any more."""

    at: int
    step: int
    crowd: int
    cohort: int  # when they entered, where that matters still
    written: int
    latest: int
    spent: float  # of the budget of a contact


class _Wish(Struct):
    """People who want a message that is paid: who gets one is `served`."""

    place: _Place
    here: Here
    ask: Ask
    takes: Sequence[float]  # of each limit, a try
    tries: Worlds  # how often each is made, on average
    people: Worlds
    served: Worlds


class _Spending:
    """One cascade being gone through."""

    def __init__(
        self, stages: Sequence[Stage], crowds: Sequence[Crowd], rates: Rates, take: Take, budgets: Budgets,
        most: int, places: int | None,
    ) -> None:  # fmt: skip
        self._most, self._may = most, places
        self._stages, self._crowds, self._rates, self._take = stages, crowds, rates, take
        self._asking = [structs.replace(stage, held=0.0) for stage in stages]  # the held out have gone on
        self._limits, self._each, self._timing = budgets.limits, budgets.each, budgets.timing
        self._entering = budgets.timing.entering
        self._turns = sorted({at for limit in budgets.limits for at in limit.turns})
        self._worlds = max((len(crowd.people) for crowd in crowds), default=1)
        start = min(self._entering, default=0)
        self._left = [np.full(self._worlds, limit.left_at(start)) for limit in self._limits]
        self._ends = [limit.next_turn(start) for limit in self._limits]
        self._agenda: list[_Place] = []
        self._here: dict[_Place, Here] = {}
        self._whole = Walked([Passed() for _ in stages])
        self.places = 0  # that were come to

    def walked(self, first: int) -> Walked:
        """Let everybody through."""
        all_cohorts = _cohorts(self._crowds, len(self._entering), self._most)
        for number, crowd in enumerate(self._crowds if self._stages else ()):
            none, before = np.zeros(self._worlds), np.zeros(self._worlds)
            cohorts = all_cohorts[number]
            for count, cohort in enumerate(cohorts, 1):
                at, until = self._entering[cohort], _part(crowd.people, count / len(cohorts))
                self._put(
                    first, at, Here(until - before, none, 0), _Place(at, first, number, cohort, 0, 0, 0.0)
                )
                before = until
        while self._agenda:
            now = self._agenda[0].at
            self._turn(now)
            wishes: list[_Wish] = []
            while self._agenda and self._agenda[0].at == now:
                place = heappop(self._agenda)
                self.places += 1
                wishes += self._wishing(place, self._here.pop(place))
            self._serve(wishes)
            if self._may is not None and self.places > self._may:
                raise _TooLongError
        return added_up(self._whole)

    def _put(
        self, step: int, at: int, here: Here, before: _Place, spent: float = 0.0, latest: int = 0
    ) -> None:
        """Let people stand at a step at the next instant from `at` on at which its messages go."""
        if not here.people.any():
            return
        goes = self._timing.goes(step, at, self._entering[before.cohort])
        cohort = before.cohort if step <= self._timing.last_by_day else 0
        place = _Place(goes, step, before.crowd, cohort, here.written, latest, spent)
        there = self._here.get(place)
        if there is None:
            heappush(self._agenda, place)
            self._here[place] = here
        else:
            self._here[place] = Here(there.silent + here.silent, there.heard + here.heard, here.written)

    def _turn(self, now: int) -> None:
        """Begin the periods of budgets in which `now` lies."""
        for number, limit in enumerate(self._limits):
            ends = self._ends[number]
            if ends is not None and now >= ends:
                self._left[number] = np.full(self._worlds, limit.anew)
                self._ends[number] = limit.next_turn(now)

    def _wishing(self, place: _Place, here: Here) -> Iterator[_Wish]:
        """Yield who of those who stand there is to get what is paid; let all others through."""
        stage, ask = self._stages[place.step], self._crowds[place.crowd].asks[place.step]
        price = 0.0 if ask is None else ask.price_at(place.at)
        if ask is None or not price or stage.waits:
            self._go_on(place, ask, here, self._stages)
            return
        if stage.held and not place.latest:
            silent, heard = (
                self._take(each, np.full(len(each), 1 - stage.held)) for each in (here.silent, here.heard)
            )
            self._go_on(
                place, None, Here(here.silent - silent, here.heard - heard, here.written), self._stages
            )
            here = Here(silent, heard, here.written)
        ask = structs.replace(ask, price=price)
        takes = [limit.takes(price, ask.currency, ask.account_id) for limit in self._limits]
        each = self._each
        if each is not None and place.spent + each.takes(price, ask.currency, ask.account_id) > each.left:
            self._pass_over(place, here)
            return
        made = tries(here.people, self._rates(place.step, ask, here.written), self._take)
        made = np.ones(self._worlds) if made is None else made
        ask = structs.replace(ask, tries=made)
        yield _Wish(place, here, ask, takes, made, here.people, here.people)

    def _serve(self, wishes: Sequence[_Wish]) -> None:
        """Pay for as many of the messages that go together as there is money for, and let people go on."""
        for number, left in enumerate(self._left):
            asked = sum(
                (wish.served * wish.tries * wish.takes[number] for wish in wishes if wish.takes[number]),
                np.zeros(1),
            )
            if np.all(asked <= left):
                continue
            share = left / np.maximum(asked, np.maximum(left, _LEAST))
            for wish in wishes:
                if wish.takes[number]:
                    wish.served = np.where(share < 1.0, np.floor(wish.served * share), wish.served)
        for wish in wishes:
            self._pay(wish, wish.served)
        for wish in wishes:  # what is left of shares that are no whole messages
            more = wish.people - wish.served
            if more.any():
                for left, takes in zip(self._left, wish.takes, strict=True):
                    more = np.clip(np.floor(left / (takes * wish.tries)), 0.0, more) if takes else more
                self._pay(wish, more)
                wish.served = wish.served + more
        for wish in wishes:
            self._let_go(wish)

    def _pay(self, wish: _Wish, messages: Worlds) -> None:
        for number, takes in enumerate(wish.takes):
            if takes:
                self._left[number] = np.maximum(self._left[number] - messages * wish.tries * takes, 0.0)

    def _let_go(self, wish: _Wish) -> None:
        """Let those go on who got their message, and those who did not."""
        place, here = wish.place, wish.here
        got, others = _split(here, wish.served)
        each = self._each
        spent = 0.0 if each is None else each.takes(wish.ask.price, wish.ask.currency, wish.ask.account_id)
        self._go_on(place, wish.ask, got, self._asking, place.spent + spent)
        if not others.people.any():
            return
        latest = place.latest or self._latest(place)
        for until, there in self._waiting(wish, latest):
            waits = Here(others.silent * there, others.heard * there, others.written)
            others = Here(others.silent - waits.silent, others.heard - waits.heard, others.written)
            self._put(place.step, until, waits, place, place.spent, latest)
        self._pass_over(place, others)

    def _latest(self, place: _Place) -> int:
        """Return the last beginning of a period that a step may wait for which is due now; 0: for none."""
        found = bisect_right(self._turns, self._timing.until(place.step, place.at))
        return self._turns[found - 1] if found else 0

    def _waiting(self, wish: _Wish, latest: int) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """Yield until when people wait for a budget to begin anew, and in which worlds they do."""
        lacks = [left < takes * wish.tries for left, takes in zip(self._left, wish.takes, strict=True)]
        open_to = ~np.any([lack for lack, ends in zip(lacks, self._ends, strict=True) if ends is None]
                          or [np.zeros(self._worlds, bool)], axis=0)  # fmt: skip
        for ends, number in sorted(((ends, n) for n, ends in enumerate(self._ends) if ends), reverse=True):
            there = lacks[number] & open_to
            open_to = open_to & ~there
            if ends <= latest and there.any():
                yield ends, there

    def _pass_over(self, place: _Place, here: Here) -> None:
        told = self._whole.steps[place.step]
        told.lacked = told.lacked + here.people
        self._go_on(place, None, here, self._stages, place.spent)

    def _go_on(
        self, place: _Place, ask: Ask | None, here: Here, stages: Sequence[Stage], spent: float | None = None
    ) -> None:  # fmt: skip
        """Let people through their step; who was written to is at the next one after its silence."""
        at = place.at if ask is None else place.at + self._timing.silences_ms[place.step]
        paid = place.spent if spent is None else spent
        for to, more in through(self._whole, stages, place.step, ask, here, self._rates, self._take):
            self._put(to, at, more, place, paid)


def _cohorts(crowds: Sequence[Crowd], count: int, most: int) -> list[list[int]]:
    """Return at which of so many instants those of each crowd enter: many people at more of them than few,
    each crowd from another one on, so that all together come as evenly as may be."""
    people = [float(crowd.people.mean()) for crowd in crowds]
    whole = sum(people) or 1.0
    found = []
    for number, each in enumerate(people):
        own = min(count, max(1, int(most * each / whole)))
        first = 0.5 if own == count else (0.5 + number * _GOLDEN) % 1.0
        found.append([int((n + first) * count / own) for n in range(own)])
    return found


def _groups(crowds: Sequence[Crowd], count: int, most: int) -> int:
    """Return how many groups of people enter, each at an instant."""
    return sum(map(len, _cohorts(crowds, count, most)))


def _merged(crowds: Sequence[Crowd], most: int) -> list[Crowd]:
    """Return about so many crowds, of those whose messages go the same way and cost about the same: each at
    the mean price. Who gets other messages is never taken together."""
    alike: dict[tuple[object, ...], list[Crowd]] = {}
    for crowd in crowds:
        alike.setdefault(tuple(ask and structs.replace(ask, price=0.0) for ask in crowd.asks), []).append(
            crowd
        )
    found = []
    for some in alike.values():
        some.sort(key=lambda crowd: sum(ask.price for ask in crowd.asks if ask))
        parts = min(len(some), max(1, len(some) * most // len(crowds)))
        for n in range(parts):
            found.append(_as_one(some[n * len(some) // parts : (n + 1) * len(some) // parts]))
    return found


def _as_one(crowds: Sequence[Crowd]) -> Crowd:
    weights = [float(crowd.people.mean()) + _LEAST for crowd in crowds]
    asks: list[Ask | None] = []
    for each in zip(*(crowd.asks for crowd in crowds), strict=True):
        prices = [ask.price for ask in each if ask]
        asks.append(each[0] and structs.replace(each[0], price=float(np.average(prices, weights=weights))))
    return Crowd(sum((crowd.people for crowd in crowds[1:]), crowds[0].people), tuple(asks))


def _part(people: Worlds, share: float) -> Worlds:
    """Return the first so many: whole people, where they are counted so."""
    part = people * share
    return np.where(people == np.floor(people), np.floor(part + 1e-9), part)


def _split(here: Here, served: Worlds) -> tuple[Here, Here]:
    """Return those who are served and those who are not."""
    people = here.people
    heard = np.floor(here.heard * served / np.maximum(people, 1e-300))
    silent = np.minimum(served - heard, here.silent)
    heard = served - silent
    return Here(silent, heard, here.written), Here(here.silent - silent, here.heard - heard, here.written)

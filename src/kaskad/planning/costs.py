"""What messages cost at the time when they go: prices have days, and steps go days after the entry.

When a step goes is told for people who stay silent, who are those that later steps are for: what each step
before it waits, and the hours in which such messages may go. They enter one after the other where that takes
time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from msgspec import Struct

from kaskad.domain.rates import Exchange, converted
from kaskad.domain.span import approximate_ms
from kaskad.domain.version import Version

POINTS = 24  # of those who enter one after the other, evenly spread, whose messages are followed
_DAY_MS = 86_400_000


class Cost(Struct, frozen=True):
    """What a message costs, in minor units, from each of the instants on; before the first as from it."""

    currency: str
    turns: tuple[tuple[int, float], ...]

    def at(self, now: int) -> float:
        """Return what a message costs that is handed over now."""
        turns = self.turns
        return turns[0 if len(turns) == 1 else max(0, bisect_right(turns, (now, float("inf"))) - 1)][1]

    def mean(self, instants: Sequence[int]) -> float:
        """Return what messages of these instants cost each on average."""
        if len(self.turns) == 1:
            return self.turns[0][1]
        return sum(map(self.at, instants)) / len(instants)

    def changes(self, instants: Sequence[int]) -> bool:
        """Say whether messages of these instants, or between them and the first, cost different prices."""
        return len({self.at(each) for each in instants}) > 1


def told_in(cost: Cost, exchange: Exchange) -> Cost:
    """Return a cost in the currency of an exchange, at its rate; in its own where that has none."""
    value = exchange.values.get(cost.currency)
    if value is None or cost.currency == exchange.to:
        return cost
    one = float(converted(1, cost.currency, exchange.to, value))
    return Cost(exchange.to, tuple((at, minor * one) for at, minor in cost.turns))


def fixed(minor: float, currency: str) -> Cost:
    """Return a cost that is the same at all times."""
    return Cost(currency, ((0, minor),))


def sending_times(
    version: Version, silences: Sequence[int], start: int, enter_over_ms: int, country: str = "",
    zones: tuple[str, ...] = (),
) -> list[tuple[int, ...]]:  # fmt: skip
    """Return when the messages of each step go, of some in these zones (else in the brand's) who enter within
    so long from `start` on.

    A step that a date of the contact or of the event decides about goes as if it followed the one before.
    """
    zones = zones or (version.policy.zone,)
    each = [_times(version, silences, at, country, zones) for at in entering(start, enter_over_ms)]
    return list(zip(*each, strict=True))


def entering(start: int, enter_over_ms: int, at_least: int = POINTS) -> list[int]:
    """Return when some of those enter who all do within so long from `start` on."""
    points = at_least if enter_over_ms else 1
    return [start + enter_over_ms * (2 * number + 1) // (2 * points) for number in range(points)]


def points_of_days(enter_over_ms: int, most: int) -> int:
    """Return how many instants tell days apart in which people enter: as many in each of them, eight where
    that is not too many."""
    fitting = [each for each in (8, 4, 2, 1) if enter_over_ms * each // _DAY_MS <= most]
    return max(POINTS, enter_over_ms * fitting[0] // _DAY_MS) if fitting else most


def goes_at(version: Version, number: int, at: int, country: str, zones: tuple[str, ...]) -> int:
    """Return when a message of a step goes that could go at `at`: then, or when its hours begin."""
    cascade, step = version.cascade, version.cascade.steps[number]
    urgent = step.urgent or cascade.urgent
    key = version.windows.key(step.channels[0], cascade.message_class, zones, country, urgent)
    opens = version.windows.next(at, key)
    return at if opens is None else opens


def _times(
    version: Version, silences: Sequence[int], entered: int, country: str, zones: tuple[str, ...]
) -> list[int]:
    cascade = version.cascade
    found: list[int | None] = [None] * len(cascade.steps)
    if found:
        found[cascade.first] = entered + approximate_ms(cascade.trigger.delay)
    leads = [(branch.step, branch.go) for branch in cascade.branches]
    for step in cascade.steps:
        at = found[step.number]
        if at is None:
            continue
        if step.at is not None and step.at.day:
            at = max(at, entered + (step.at.day - 1) * _DAY_MS)
        at = found[step.number] = goes_at(version, step.number, at, country, zones)
        for go in (step.next, *(go for before, go in leads if before == step.number)):
            if go is not None and found[go] is None:
                found[go] = at + silences[step.number]
    return [entered if at is None else at for at in found]

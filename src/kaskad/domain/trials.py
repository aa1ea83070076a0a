"""Trials between versions of a cascade: who enters which of them, the same one each time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from kaskad.domain.cascade import Cascade, Trigger
from kaskad.domain.cascade import Span as Delay
from kaskad.domain.shares import EQUAL, point

RULED_BY = ("goal", "reacted")  # what a rule may count as a success
LEAST_AFTER, LEAST_CERTAIN = 100, 8_000

Span = tuple[int, int]  # of equal shares: the first, and the one after the last


class Arm(Struct, frozen=True):
    """A version on trial, and which of the equal shares of contacts enter it."""

    version_id: int
    spans: tuple[Span, ...]

    @property
    def share(self) -> int:
        """Return how much of all it gets, in parts of 10 000."""
        return sum(until - first for first, until in self.spans)


class Trial(Struct, frozen=True):
    """What of the entrants of the version `base_id` goes to which others."""

    id: int
    base_id: int
    arms: tuple[Arm, ...]
    lot: str = "trial"  # whose shares these are: a canary's are other people's than a trial's

    def version_of(self, contact_id: int) -> int:
        """Return the id of the version that the contact enters."""
        at = point(self.lot, str(self.id), contact_id)
        for arm in self.arms:
            place = bisect_right(arm.spans, (at, EQUAL)) - 1
            if place >= 0 and at < arm.spans[place][1]:
                return arm.version_id
        return self.base_id


class Rule(Struct, frozen=True):
    """When the best of the versions is told apart; shares of 10 000."""

    by: str = "reacted"  # one of RULED_BY
    after: int = 500  # people of each version whose time is over
    confidence: int = 9_500  # at all looks together
    opt_out: int | None = None  # not one by which so many more opt out
    promote: bool = False  # everybody enters it then; else that is left to a person


def shared_out(arms: Sequence[Arm], wanted: Mapping[int, int]) -> tuple[Arm, ...]:
    """Return arms that have the shares `wanted` by version, moving no contact that need not move.

    An arm that shrinks gives back its last ones, one that grows takes the first that are free. What is wanted
    together must be at most all.
    """
    owned = {arm.version_id: [*_numbers(arm.spans)][: wanted.get(arm.version_id, 0)] for arm in arms}
    taken = {number for numbers in owned.values() for number in numbers}
    free = (number for number in range(EQUAL) if number not in taken)
    for version_id, share in wanted.items():
        numbers = owned.setdefault(version_id, [])
        numbers += [next(free) for _ in range(share - len(numbers))]
    return tuple(Arm(version_id, _spans(sorted(numbers))) for version_id, numbers in owned.items() if numbers)


def unlike(base: Cascade, other: Cascade) -> tuple[str, ...]:
    """Return the keys of what decides who enters, and what counts, where `other` is not as `base`.

    Versions that differ there have other people, or other aims, so that nothing could be compared.
    """
    same = {
        "trigger": entered_alike(base, other),
        "class": base.message_class is other.message_class,
        "reentry": base.reentry == other.reentry,
        "holdout": base.holdout == other.holdout,
        "goal": base.goal == other.goal,
        "to": base.to == other.to,
    }
    return tuple(key for key, alike in same.items() if not alike)


def entered_alike(base: Cascade, other: Cascade) -> bool:
    """Say whether the same people would enter both, at the same occasions."""
    return _asks(base.trigger) == _asks(other.trigger)


def _asks(trigger: Trigger) -> Trigger:
    """Return what of a trigger says who enters: its delay, and the pace of a launch, may differ."""
    return structs.replace(trigger, delay=Delay(), pace_per_hour=0)


def _numbers(spans: Sequence[Span]) -> list[int]:
    return [number for first, until in spans for number in range(first, until)]


def _spans(numbers: Sequence[int]) -> tuple[Span, ...]:
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number:
            found[-1][1] += 1
        else:
            found.append([number, number + 1])
    return tuple((first, until) for first, until in found)

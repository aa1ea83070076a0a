"""Whether one of several variants is the best, by a test that may be asked as often as one likes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from kaskad.analytics.courses import Tally
from kaskad.analytics.intervals import Share, is_uneven
from kaskad.analytics.samples import sample_ratio
from kaskad.analytics.sequential import difference_at_any_look
from kaskad.analytics.trials import outcomes
from kaskad.domain.course import Leg, Part
from kaskad.domain.figures import LEFT, OF_STEPS
from kaskad.domain.terms import Kind

STANDING = 0.01  # of the people of a version, whose runs may be under way still when it is judged


class Count(Struct):
    """Messages of one variant that left us, successes among them, and people who opted out.

    Of a version on trial: people who entered it, the control group aside. `people` were in their first run
    through the cascade: these the lot has shared out.
    """

    of: int = 0
    hits: int = 0
    opted_out: int = 0
    people: int = 0


def counts(runs: Iterable[tuple[Sequence[Part], int]], step: int, variants: int, by: str) -> list[Count]:
    """Return the counts of a step's variants: of courses (their parts) with how many runs went so.

    `by` is a figure of OF_STEPS, or `goal`: the run's goal came in its time. Who was moved here from another
    version got that one's words.
    """
    found = [Count() for _ in range(variants)]
    for parts, number in runs:
        marks = next((part.marks for part in parts if not isinstance(part, Leg)), 0)
        for leg in parts:
            if not isinstance(leg, Leg) or leg.step != step or leg.variant is None or leg.state not in LEFT:
                continue
            if leg.moved:
                continue
            goal = bool(marks & Kind.GOAL.bit)
            hit = goal if by == "goal" else OF_STEPS[by].counts(leg.state, leg.mask, leg.past)
            one = found[leg.variant]
            one.of += number
            one.people += number * (not leg.again)
            one.hits += number * hit
            one.opted_out += number * bool(leg.left or leg.in_time & Kind.COMPLAINED.bit)
    return found


def people(runs: Iterable[tuple[Sequence[Part], int]], by: str) -> Count | None:
    """Return the count of a version: of courses of people's first runs (their parts) with how many went so.

    `by` is a measure of Outcomes. None: too many are under way still, so that it could look worse than it is.
    """
    told = Tally()
    for parts, number in runs:
        for part in parts:
            told.add(part, 0, number, 0)
    found = outcomes(told, {})
    if found.under_way > STANDING * found.entered:
        return None
    return Count(found.entered, found.of(by), found.opted_out, told.people[0, 0])


def uneven(found: Sequence[Count], weights: Sequence[int]) -> bool:
    """Say whether something other than the lot has chosen who counts: then nothing can be concluded."""
    return is_uneven(sample_ratio([one.people for one in found], weights))


def winner(
    found: Sequence[Count], after: int, alpha: float, opt_out: float | None
) -> tuple[int, tuple[float, ...]] | None:
    """Return which variant is better than every other for certain, and by how much at least; None: none is.

    Each has `after` messages; alpha is shared out among all pairs, and holds for all looks together. With
    `opt_out` a variant does not win by which so much more of the people opt out.
    """
    if min(one.of for one in found) < max(1, after):
        return None
    best = max(range(len(found)), key=lambda place: found[place].hits / found[place].of)
    pairs = len(found) * (len(found) - 1) / 2
    first, least = found[best], []
    for place, other in enumerate(found):
        if place == best:
            continue
        told = difference_at_any_look(
            Share(first.hits, first.of), Share(other.hits, other.of), alpha / pairs
        )  # fmt: skip
        if told is None or told.low <= 0:
            return None
        if opt_out is not None and first.opted_out / first.of - other.opted_out / other.of > opt_out:
            return None
        least.append(told.low)
    return best, tuple(least)

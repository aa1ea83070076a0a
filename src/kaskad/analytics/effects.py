"""An effect: two groups that a lot has made, what their shares differ by, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kaskad.analytics.courses import Tally
from kaskad.analytics.intervals import ALPHA, Interval, Share, difference, holm, is_uneven, lift, p_value
from kaskad.analytics.samples import sample_ratio
from kaskad.analytics.sequential import difference_at_any_look
from kaskad.domain.cascade import Cascade, Step
from kaskad.domain.course import Leg
from kaskad.domain.figures import NO_MESSAGE, REACTED, SKIPPED
from kaskad.domain.terms import SkipReason

_BEFORE = (SkipReason.CONDITION_FALSE.code, SkipReason.CONTROL_GROUP.code)  # asked before the lot
_HELD = SkipReason.STEP_HOLDOUT.code


class Effect(Struct, frozen=True):
    """The first group against the second; all None where one of them is empty."""

    one: Share
    other: Share
    difference: Interval | None
    any_look: Interval | None  # the difference, for whoever looks again and again
    lift: Interval | None  # relative; None also where either has no hits
    p: float | None

    @property
    def estimate(self) -> float | None:
        """Return by how much the shares differ."""
        one, other = self.one.rate, self.other.rate
        return None if one is None or other is None else one - other

    @property
    def shown(self) -> bool:
        """Say whether a difference is shown: the interval holds no zero."""
        return self.difference is not None and self.difference.excludes_zero

    @property
    def shown_at_any_look(self) -> bool:
        """Say the same for whoever has looked before, and may have stopped because of what there was."""
        return self.any_look is not None and self.any_look.excludes_zero


class StepEffect(Struct, frozen=True):
    """What one step brings: who came to it and was let through, against those held out of it."""

    step: str
    share: float  # that is held out, as defined
    goal: Effect
    evenly: float | None  # p-value of the groups being so full

    @property
    def uneven(self) -> bool:
        """Say whether something other than the lot has chosen who is held out."""
        return is_uneven(self.evenly)


class ArmEffect(Struct, frozen=True):
    """One variant of a step against the first one."""

    id: str
    messages: int  # that were made, whatever became of them
    reacted: Effect
    goal: Effect
    p_reacted: float | None  # corrected for as many comparisons as the step makes (Holm)
    p_goal: float | None


class VariantEffects(Struct, frozen=True):
    """The variants of one step, the first one being what the others are held against.

    `until`: only who entered before counts, as the best variant took over then; None: it has not.
    """

    step: str
    evenly: float | None
    arms: list[ArmEffect]
    until: int | None = None

    @property
    def uneven(self) -> bool:
        """Say whether something other than the lot has chosen who gets which variant."""
        return is_uneven(self.evenly)


def effect(one: Share, other: Share) -> Effect:
    """Return the effect of the first group's treatment, as against the second's."""
    return Effect(
        one, other, difference(one, other), difference_at_any_look(one, other), lift(one, other),
        p_value(one, other),
    )  # fmt: skip


def step_effects(told: Tally, cascade: Cascade) -> list[StepEffect]:
    """Return the effects of the steps that hold some out; `told` must be of one version.

    Who came to the step is everybody whom its condition let through, whether a message could be made or not:
    the lot is drawn before addresses, consents and lateness are asked for, so both groups have such people.
    Who was moved here from another version is not among them: that one's lot may have been another.
    """
    arrived: dict[int, list[int]] = {}
    for leg, runs in told.legs.items():
        if leg.again or leg.moved or (leg.state == SKIPPED and leg.reason in _BEFORE):
            continue
        held = int(leg.state == SKIPPED and leg.reason == _HELD)
        counts = arrived.setdefault(leg.step, [0, 0, 0, 0])
        counts[2 * held] += runs
        counts[2 * held + 1] += runs * leg.goal
    found = []
    for step in cascade.steps:
        if step.holdout:
            counts = arrived.get(step.number, [0, 0, 0, 0])
            evenly = sample_ratio([counts[0], counts[2]], [10_000 - step.holdout, step.holdout])
            goal = effect(Share(counts[1], counts[0]), Share(counts[3], counts[2]))
            found.append(StepEffect(step.id, step.holdout / 10_000, goal, evenly))
    return found


def variant_effects(told: Tally, cascade: Cascade) -> list[VariantEffects]:
    """Return how the variants of each step compare; `told` must be of one version.

    Who was moved here from another version got that one's words, by its weights, and does not count.
    """
    found = []
    for step in cascade.steps:
        if step.variants:
            legs = [(leg, runs) for leg, runs in told.legs.items() if leg.step == step.number]
            found.append(_variants(step, legs))
    return found


def _variants(step: Step, legs: Sequence[tuple[Leg, int]]) -> VariantEffects:
    counts: dict[int | None, list[int]] = {place: [0, 0, 0] for place in range(len(step.variants))}
    for leg, runs in legs:
        if leg.variant in counts and leg.state not in NO_MESSAGE and not leg.again and not leg.moved:
            of = counts[leg.variant]
            of[0] += runs
            of[1] += runs * bool(leg.in_time & REACTED)
            of[2] += runs * leg.goal
    first = counts[0]
    reacted = [effect(Share(of[1], of[0]), Share(first[1], first[0])) for of in counts.values()]
    goals = [effect(Share(of[2], of[0]), Share(first[2], first[0])) for of in counts.values()]
    p_reacted = [None, *_corrected([each.p for each in reacted[1:]])]
    p_goal = [None, *_corrected([each.p for each in goals[1:]])]
    arms = [
        ArmEffect(variant.id, counts[at][0], reacted[at], goals[at], p_reacted[at], p_goal[at])
        for at, variant in enumerate(step.variants)
    ]
    evenly = sample_ratio([of[0] for of in counts.values()], [variant.weight for variant in step.variants])
    return VariantEffects(step.id, evenly, arms)


def _corrected(p_values: Sequence[float | None]) -> list[float | None]:
    known = [p for p in p_values if p is not None]
    adjusted = iter(holm(known))
    return [None if p is None else next(adjusted) for p in p_values]


def differs(p: float | None, alpha: float = ALPHA) -> bool:
    """Say whether a corrected p-value shows a difference."""
    return p is not None and p < alpha

"""What counts as bad, and that chance stops nobody who stays within a bound, however often one looks."""

import math
import random

import pytest

from kaskad.analytics.intervals import Share
from kaskad.analytics.sequential import evidence_above
from kaskad.domain.course import Leg
from kaskad.domain.guard import ALPHA, WHOLE, Figure, Guard, OwnGuard, Then
from kaskad.domain.guarded import Count, add, chance, counted, enough
from kaskad.domain.terms import Channel, Kind, MessageState, Reason

MAIL, SMS, CALL = Channel.EMAIL.code, Channel.SMS.code, Channel.ROBOT_CALL.code


def leg(
    channel: int, state: MessageState, *kinds: Kind, reason: Reason | None = None, left: bool = False,
    past: Kind | None = None,
) -> Leg:  # fmt: skip
    mask = sum(kind.bit for kind in kinds)
    late = past.bit if past else 0
    return Leg(0, channel, state.code, mask, 1, None, reason and reason.code, 0, 0, past=late, left=left)


BAD = [
    (leg(MAIL, MessageState.BOUNCED, Kind.SENT), {Figure.BOUNCES, Figure.FAILURES}),
    (leg(MAIL, MessageState.REJECTED, reason=Reason.INVALID_ADDRESS), {Figure.BOUNCES}),
    (leg(MAIL, MessageState.REJECTED, reason=Reason.CONTENT), {Figure.FAILURES}),
    (leg(MAIL, MessageState.READ, Kind.OPENED, Kind.COMPLAINED), {Figure.COMPLAINTS}),
    (leg(MAIL, MessageState.DELIVERED, left=True), {Figure.OPT_OUTS}),  # by whichever way
    (leg(MAIL, MessageState.DELIVERED, Kind.UNSUBSCRIBED), set()),  # that of a later message, or too late
    (leg(MAIL, MessageState.READ, Kind.COMPLAINED, past=Kind.COMPLAINED), set()),
    (leg(MAIL, MessageState.DELIVERED, Kind.DELIVERED), set()),
    (leg(SMS, MessageState.FAILED, reason=Reason.INVALID_ADDRESS), set()),  # next channel: no alarm
    (leg(SMS, MessageState.FAILED, reason=Reason.AUTH), {Figure.FAILURES}),
    (leg(CALL, MessageState.FAILED, reason=Reason.NO_ANSWER), set()),  # nobody picked up: no failure of ours
    (leg(MAIL, MessageState.QUEUED), set()),
    (leg(MAIL, MessageState.SKIPPED, reason=None), set()),
]


@pytest.mark.parametrize(("one", "bad"), BAD)
def test_what_counts_as_bad(one, bad):
    assert {figure for figure, is_bad in counted(one).items() if is_bad} == bad


def test_what_waits_counts_for_nothing_and_only_mails_bounce():
    assert counted(leg(MAIL, MessageState.SUBMITTED)) == {}
    assert Figure.BOUNCES not in counted(leg(SMS, MessageState.DELIVERED))
    counts: dict[Figure, Count] = {}
    add(counts, leg(MAIL, MessageState.DELIVERED), 9)
    add(counts, leg(MAIL, MessageState.BOUNCED), 1)
    assert (counts[Figure.BOUNCES].bad, counts[Figure.BOUNCES].of) == (1, 10)
    assert counts[Figure.COMPLAINTS].of == 9  # who bounced got nothing to complain of


def test_a_cascades_own_bounds_go_before_the_policys_and_nonsense_is_refused():
    guard = Guard(bounces=300).over(OwnGuard(bounces=700, then=Then.TELL))
    assert (guard.bounces, guard.failures, guard.then) == (700, 2_000, Then.TELL)
    assert Figure.OPT_OUTS not in Guard(opt_outs=0).bounds()
    with pytest.raises(ValueError, match="bounces"):
        Guard(bounces=10_000)


def stops_after(
    rate: float, figure: Figure, bound: int, most: int, chance: random.Random, alpha: float
) -> int:
    """Return after how many messages a stream of this rate is stopped; 0: it is not."""
    count = Count()
    for _ in range(most):
        count.of += 1
        if chance.random() < rate:  # only then can the evidence grow: looking elsewhere changes nothing
            count.bad += 1
            if enough(figure, count, bound) and evidence_above(
                Share(count.bad, count.of), bound / WHOLE
            ) >= 1 / alpha:  # fmt: skip
                return count.of
    return 0


def test_streams_within_their_bound_are_hardly_ever_stopped_and_others_within_few_hundred_messages():
    chance, bound, alpha, streams = random.Random(7), 500, 0.05, 300
    false = sum(stops_after(0.05, Figure.BOUNCES, bound, 2_000, chance, alpha) > 0 for _ in range(streams))
    assert false <= alpha * streams + 3 * (alpha * (1 - alpha) * streams) ** 0.5
    taken = [stops_after(0.25, Figure.BOUNCES, bound, 2_000, chance, ALPHA / 2) for _ in range(100)]
    assert all(taken)
    assert sorted(taken)[50] < 100 and max(taken) < 400
    rare = [stops_after(0.005, Figure.COMPLAINTS, 10, 20_000, chance, ALPHA / 2) for _ in range(20)]
    assert all(rare) and sorted(rare)[10] < 4_000


def stopped_at(
    rate: float, figure: Figure, bound: int, most: int, chance: random.Random, alpha: float
) -> int:
    """Return the same as `stops_after`, going from one bad message to the next."""
    count, missing = Count(), math.log(1 - rate) if rate < 1 else -math.inf
    while True:
        count.of += 1 + int(math.log(1 - chance.random()) / missing)
        count.bad += 1
        if count.of > most:
            return 0
        if enough(figure, count, bound) and evidence_above(
            Share(count.bad, count.of), bound / WHOLE
        ) >= 1 / alpha:  # fmt: skip
            return count.of


@pytest.mark.parametrize(
    ("figure", "bound", "median"),
    [(Figure.FAILURES, 2_000, 10), (Figure.BOUNCES, 500, 40), (Figure.OPT_OUTS, 100, 200),
     (Figure.COMPLAINTS, 10, 2_000)],
)  # fmt: skip
def test_each_figure_raises_few_false_alarms_and_is_stopped_as_soon_as_the_guide_says(figure, bound, median):
    chance, rate, alpha, streams = random.Random(figure), bound / WHOLE, 0.05, 400
    most = int(60 / rate)  # so that sixty bad messages are looked at, one by one
    false = sum(stopped_at(rate, figure, bound, most, chance, alpha) > 0 for _ in range(streams))
    assert false <= alpha * streams + 3 * (alpha * (1 - alpha) * streams) ** 0.5
    taken = sorted(stopped_at(5 * rate, figure, bound, 10 * most, chance, ALPHA / 2) for _ in range(101))
    assert (
        taken[0] > 0 and 0.6 * median <= taken[50] <= 1.5 * median
    )  # docs/guardrails.md, at five times the bound


def test_the_chance_of_a_canary_is_the_binomial_tail():
    stats = pytest.importorskip("scipy.stats")
    for bad, of, bound in ((1, 200, 500), (17, 200, 500), (3, 1_000, 10), (40, 40, 9_000), (2, 5_000, 10)):
        assert chance(Count(bad, of), bound) == pytest.approx(stats.binom.sf(bad - 1, of, bound / WHOLE))
    assert chance(Count(0, 9), 500) == 1.0 and chance(Count(3, 9), 0) == 1.0

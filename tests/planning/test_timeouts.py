"""Waits by reaction times: the estimate of a published table, and the wait that a known world would take."""

from types import SimpleNamespace

import numpy as np
import pytest
from msgspec.structs import replace
from scipy.stats import CensoredData, ecdf

from kaskad.actions import waits_by_segment
from kaskad.domain.terms import Channel
from kaskad.planning.timeouts import (
    Waited,
    beyond,
    curve,
    floor_of,
    gained,
    known_until,
    longer,
    shortest,
    surer,
)


def test_the_curve_is_that_of_the_published_table():
    # Remission under 6-MP: Freireich et al., Blood 21 (1963) 699; the estimate with log-log intervals as in
    # Kleinbaum and Klein, Survival Analysis, and by Stata's `sts list`.
    over = (6, 6, 6, 7, 10, 13, 16, 22, 23)
    cut = (6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)
    told = curve([*(Waited(t, True) for t in over), *(Waited(t, False) for t in cut)])
    rows = zip(told.hours, told.at_risk, told.silent, told.low, told.high, strict=True)
    assert [(int(t), int(n), *(round(float(x), 4) for x in rest)) for t, n, *rest in rows] == [
        (6, 21, 0.8571, 0.6197, 0.9516), (7, 17, 0.8067, 0.5631, 0.9228), (10, 15, 0.7529, 0.5032, 0.8894),
        (13, 12, 0.6902, 0.4316, 0.8491), (16, 11, 0.6275, 0.3675, 0.8049), (22, 7, 0.5378, 0.2678, 0.7468),
        (23, 6, 0.4482, 0.1881, 0.6801),
    ]  # fmt: skip
    assert told.at(np.array([0.0, 5.9, 6.0, 40.0])).round(4).tolist() == [1.0, 1.0, 0.8571, 0.4482]


def test_the_curve_is_that_of_scipy_where_many_react_at_once():
    chance = np.random.default_rng(5)
    times, over = chance.integers(1, 40, 2_000).astype(float), chance.random(2_000) < 0.4
    told = curve([Waited(t, bool(r)) for t, r in zip(times, over, strict=True)])
    theirs = ecdf(CensoredData(uncensored=times[over], right=times[~over])).sf
    between = theirs.confidence_interval(method="log-log")
    place = np.searchsorted(theirs.quantiles, told.hours)
    for own, other in ((told.silent, theirs), (told.low, between.low), (told.high, between.high)):
        assert own == pytest.approx(other.probabilities[place], rel=1e-6)


def test_nobody_and_everybody_are_answers_too():
    assert curve([]).people == 0 and curve([]).at(np.array([3.0])).tolist() == [1.0]
    silent = curve([Waited(5, False)] * 3)
    assert (silent.people, silent.reactions) == (3, 0) and known_until([Waited(5, False)] * 3) == 0.0
    all_of = curve([Waited(2, True)])
    assert (all_of.silent.tolist(), all_of.low.tolist(), all_of.high.tolist()) == ([0.0], [0.0], [1.0])


def test_one_waits_until_an_hour_costs_more_than_it_saves():
    # Of 1000, 40 % ever react, after 5 hours on average; the run moves on after 24.
    times = -5.0 * np.log(1 - (np.arange(1000) + 0.5) / 1000)
    ready = np.arange(1000) % 5 < 2
    seen = [Waited(min(t, 24.0), bool(r) and t <= 24.0) for t, r in zip(times, ready, strict=True)]
    seen = [one if one.reacted else Waited(24.0, False) for one in seen]
    told, until = curve(seen), known_until(seen)
    assert until == 24.0
    for saving, loss in ((1000.0, 10.0), (1000.0, 30.0), (50.0, 0.2)):
        # One more hour of waiting saves hazard x saving; the first hour where that is less than the loss.
        hours = np.arange(4.0, 24.0, 0.25)
        still = 0.6 + 0.4 * np.exp(-hours / 5)
        hazard = 0.4 * np.exp(-hours / 5) / 5 / still
        first = hours[np.argmax(hazard * saving < loss)]
        assert shortest(told, 4.0, until, saving, loss) == pytest.approx(first, abs=1.0)
    assert shortest(told, 4.0, until, 1000.0, 0.0) == pytest.approx(24.0, abs=1.5)  # waiting costs nothing
    assert shortest(told, 4.0, until, 0.0, 1.0) == 4.0 == floor_of(Channel.EMAIL)
    assert (floor_of(Channel.SMS), floor_of(Channel.VIBER)) == (0.5, 1.0)


def test_one_waits_longer_where_that_spares_more_than_the_delay_loses():
    # Of 1000, 40 % ever react, after 10 hours on average. The run moves on after 6: a message goes then,
    # and one more 4 hours later. They react to the first all the same; all are watched for 30 hours.
    times = -10.0 * np.log(1 - (np.arange(1000) * 0.618034 % 1.0))
    seen = [
        Waited(min(t, 6.0), t < 6.0, min(t, 30.0), 6 <= t < 30)
        for t in np.where(np.arange(1000) % 5 < 2, times, np.inf).tolist()
    ]
    late = beyond(seen, 6.0)
    assert len(late) == sum(not one.reacted for one in seen) and known_until(late) == 24.0
    told = curve(late)
    silent = lambda hours: (0.6 + 0.4 * np.exp(-(6 + hours) / 10)) / (0.6 + 0.4 * np.exp(-0.6))  # noqa: E731
    assert np.abs(told.at(np.arange(24.0)) - silent(np.arange(24.0))).max() < 0.02
    savings, hours = ((0.0, 1000.0), (4.0, 500.0)), np.arange(0.0, 24.001, 0.01)
    for loss, sure in ((5.0, True), (15.0, True), (25.0, False)):  # the last gains hardly anything
        # By brute force: who reacts in the first 4 hours is spared the next message, later on both.
        spared = -np.diff(silent(hours))
        saved = np.cumsum(spared * np.where(hours[1:] > 4, 1500.0, 1000.0))
        gain = saved - loss * np.cumsum(silent(hours[1:])) * 0.01
        found = longer(told, 24.0, savings, loss)
        assert found.gain == pytest.approx(gain.max(), rel=0.05, abs=1.0)
        assert found.hours == pytest.approx(hours[1:][gain.argmax()], abs=2.0)
        assert found.saved == pytest.approx(saved[int(found.hours * 100) - 1], rel=0.1)
        assert found.sure is sure and found.spared == pytest.approx(1 - silent(found.hours), abs=0.02)
    # Who reacted to another message meanwhile is silent for good: that spares the least.
    taken = [
        replace(one, elsewhere=True, watched=7.0) if n % 3 == 2 and not one.late else one
        for n, one in enumerate(seen)
    ]
    fewer = curve(beyond(taken, 6.0))
    assert fewer.at(np.arange(24.0)).round(9).tolist() == told.at(np.arange(24.0)).round(9).tolist()
    assert known_until(beyond(taken, 6.0)) == 24.0
    assert longer(told, 24.0, savings, 1000.0) is None  # a delay that costs more than all messages
    assert longer(curve([Waited(9.0, False)] * 50), 9.0, savings, 1.0) is None  # nobody reacts later
    few = curve([*(Waited(1.0, True) for _ in range(2)), *[Waited(9.0, False)] * 50])
    assert not longer(few, 9.0, savings, 10.0).sure  # by chance there may be none
    # What a shorter wait brings is told in the same money: what it loses less what it costs.
    assert gained(curve(seen), 6.0, 3.0, 0.0, 10.0) == pytest.approx(10.0 * 3 * 0.85, rel=0.02)
    assert gained(curve(seen), 6.0, 6.0, 50.0, 10.0) == 0.0


def test_longer_waits_are_compared_by_who_reacts_after_the_present_one():
    def seen(late):  # of 200 a third react within a day, so many of the others evenly in the ten hours after
        soon = [Waited(n / 3, True, n / 3) for n in range(1, 67)]
        after = [Waited(24.0, False, 24.0 + 10 * (n + 0.5) / late, late=True) for n in range(late)]
        return [*soon, *after, *[Waited(24.0, False, 48.0)] * (134 - late)]

    def sure(people, one, other, loss):
        return surer(people, one, other, 50.0, loss, wait=24.0, savings=[(0.0, 50.0)])

    assert sure(seen(100), 34.0, 24.0, 0.1) == 1.0 and sure(seen(100), 24.0, 34.0, 0.1) == 0.0
    assert sure(seen(100), 34.0, 44.0, 0.1) > 0.9, "nobody reacts after that, and hours cost"
    assert sure(seen(20), 24.0, 34.0, 5.0) == 1.0 and sure(seen(20), 4.0, 34.0, 50.0) == 1.0
    assert sure(seen(100), 34.0, 4.0, 0.1) == 1.0
    assert 0.05 < sure(seen(20), 34.0, 24.0, 0.8) < 0.95, "as much is lost as is spared"


def test_a_part_has_a_longer_wait_of_its_own_only_where_that_is_sure(monkeypatch):
    def differs(own, others, late, sure):
        seen = [Waited(24.0, False, 30.0, late=True)] * late + [Waited(24.0, False, 90.0)] * 200
        weighing = SimpleNamespace(
            ground=SimpleNamespace(steps=[SimpleNamespace(id="letter", number=0)]), mean=None
        )
        asked = SimpleNamespace(wish=SimpleNamespace(value=500.0), half_life=48.0)
        monkeypatch.setattr(waits_by_segment, "surely", lambda *_: sure)
        waits = waits_by_segment.Waits(
            SimpleNamespace(asked=asked, of=lambda _: weighing), [SimpleNamespace(waited={0: seen})]
        )
        waits._known = {
            frozenset({part}): {
                "letter": SimpleNamespace(reactions=30, wait_hours=24.0, proposed_hours=hours)
            }
            for part, hours in ((0, own), (1, others))
        }
        return waits._differs(0, 0, frozenset({1}))

    assert not differs(None, 40.0, late=3, sure=1.0), "of whom so few react later nothing is known"
    for own, others in ((None, 40.0), (60.0, 40.0), (60.0, None), (4.0, 40.0)):
        assert differs(own, others, late=12, sure=0.95)
        assert not differs(own, others, late=12, sure=0.85)

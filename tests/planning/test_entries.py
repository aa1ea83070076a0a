"""How many will enter, by the days before; and ranges for as many as have entered."""

import os
from collections import Counter

import numpy
import pytest

from kaskad.actions.weeks import DAYS, SEEN_DAYS
from kaskad.planning.entries import entries, scaled
from kaskad.planning.forecast import Range
from planning.worlds import is_eight_of_ten


def test_of_few_days_nothing_is_said_and_of_days_without_anybody_nobody_is_expected():
    assert entries([], 7) is None and entries([5] * 6, 7) is None
    told = entries([0] * 14, 7)
    assert told is not None and (told.expected, told.between) == (0, Range(0.0, 0.0))
    steady = entries([100] * 28, 7)
    assert steady is not None and steady.expected == 700
    # Poisson, and a mean and a trend told by 28 days
    assert 630 < steady.between.low < 660 and 740 < steady.between.high < 775


TRIALS = int(os.environ.get("KASKAD_TRIALS", "25"))  # of each world
WEEK = numpy.array([1.4, 1.3, 1.3, 1.2, 1.2, 0.35, 0.25])
SEEN, ALL = SEEN_DAYS, numpy.arange(SEEN_DAYS + DAYS)


def bursts(lot):
    """Return days of which now and then three bring four times as many."""
    began = lot.random(len(ALL) + 2) < 0.05
    return numpy.where(began[2:] | began[1:-1] | began[:-2], 160.0, 40.0)


WORLDS = {  # the mean of each day; the variance of its number over that
    "steady": (lambda lot: numpy.full(len(ALL), 40.0), 1),
    "restless": (lambda lot: numpy.full(len(ALL), 40.0), 4),
    "growing": (lambda lot: 40 * numpy.exp(0.03 * (ALL - SEEN)), 1),
    "falling": (lambda lot: 40 * numpy.exp(-0.05 * (ALL - SEEN)), 3),
    "seasonal": (lambda lot: 40 * WEEK[(ALL + lot.integers(7)) % 7], 2),
    "seasonal and growing": (lambda lot: 100 * WEEK[ALL % 7] * numpy.exp(0.02 * (ALL - SEEN)), 3),
    "in bursts": (bursts, 2),
    "wandering": (lambda lot: 100 * numpy.exp(numpy.cumsum(lot.normal(0, 0.05, len(ALL)))), 2),
}


def test_ranges_hold_eight_of_ten_weeks_however_entries_go():
    """Not of steady entries alone; `make calibration` asks the same more sharply."""
    held, widths = Counter[str](), Counter[str]()
    for seed, (name, (level, spread)) in enumerate(WORLDS.items()):
        lot = numpy.random.default_rng(seed)
        for _ in range(TRIALS):
            days, mean = lot.poisson, level(lot)
            came = days(mean) if spread == 1 else lot.negative_binomial(mean / (spread - 1), 1 / spread)
            told = entries([int(one) for one in came[:SEEN]], DAYS)
            assert told is not None
            held[name] += told.between.low <= came[SEEN:].sum() <= told.between.high
            widths[name] += (told.between.high - told.between.low) / mean[SEEN:].sum()
        print(name, TRIALS, round(held[name] / TRIALS, 3), round(widths[name] / TRIALS, 3), flush=True)
    assert all(is_eight_of_ten(held[name], TRIALS) for name in WORLDS), held
    assert widths["steady"] / TRIALS < 0.25  # chance alone makes it 0.15, a trend that may be there 0.20


def test_a_week_is_expected_to_go_on_as_the_days_before_did():
    growing = entries([round(20 * 1.03**day) for day in range(28)], 7)
    sundays = entries([100 if day % 7 else 0 for day in range(24)], 7)  # three weeks and half a week
    assert growing is not None and sundays is not None
    assert growing.expected == pytest.approx(sum(20 * 1.03**day for day in range(28, 35)), rel=0.03)
    assert sundays.expected == pytest.approx(600, rel=0.05) and sundays.between.low > 540
    rare = entries([0] * 20 + [1] + [0] * 7, 7)
    assert rare is not None and rare.between.low == 0 and 1 <= rare.between.high <= 2


def test_bursts_are_told_no_wider_than_they_were():
    days = [160 if day in (10, 11, 12, 30, 31, 32, 45, 46, 47) else 40 for day in range(SEEN)]
    told = entries(days, 7)
    # a quiet week brings 280, one with a burst 640, and none of the eight weeks had two, which bring 1 000
    assert told is not None and 200 < told.between.low < 280 and 500 < told.between.high < 1_000


def test_a_range_is_that_of_the_sizes_that_are_known_and_lies_between_elsewhere():
    small, large = Range(20.0, 40.0), Range(2_800.0, 3_200.0)
    for people, known in ((100, small), (10_000, large)):
        told = scaled(small, large, 0.3, people)
        assert (told.low, told.high) == (pytest.approx(known.low), pytest.approx(known.high))
    middle = scaled(small, large, 0.3, 1_000)
    assert 200 < middle.low < 280 and 320 < middle.high < 400
    assert scaled(small, large, 0.3, 0) == Range(0.0, 0.0)

"""How many will enter, by the days before; and ranges for as many as have entered."""

import numpy
import pytest

from kaskad.planning.entries import entries, scaled
from kaskad.planning.forecast import Range


def test_of_few_days_nothing_is_said_and_of_days_without_anybody_nobody_is_expected():
    assert entries([], 7) is None and entries([5] * 6, 7) is None
    told = entries([0] * 14, 7)
    assert told is not None and (told.expected, told.between) == (0, Range(0.0, 0.0))
    steady = entries([100] * 28, 7)
    assert steady is not None and steady.expected == 700 and steady.days_seen == 28
    assert 655 < steady.between.low < 700 < steady.between.high < 745  # Poisson, and the mean of 28 days


@pytest.mark.parametrize("spread", [1.0, 4.0])
def test_a_range_holds_eight_of_ten_weeks(spread):
    lot = numpy.random.default_rng(5)

    def days(count):
        share = 1 / spread
        if spread == 1.0:
            return lot.poisson(40, count)
        return lot.negative_binomial(40 * share / (1 - share), share, count)

    held = 0
    for _ in range(600):
        told = entries([int(one) for one in days(28)], 7)
        assert told is not None
        held += told.between.low <= days(7).sum() <= told.between.high
    assert 0.75 < held / 600 < 0.87


def test_a_range_is_that_of_the_sizes_that_are_known_and_lies_between_elsewhere():
    small, large = Range(20.0, 40.0), Range(2_800.0, 3_200.0)
    for people, known in ((100, small), (10_000, large)):
        told = scaled(small, large, 0.3, people)
        assert (told.low, told.high) == (pytest.approx(known.low), pytest.approx(known.high))
    middle = scaled(small, large, 0.3, 1_000)
    assert 200 < middle.low < 280 and 320 < middle.high < 400
    assert scaled(small, large, 0.3, 0) == Range(0.0, 0.0)

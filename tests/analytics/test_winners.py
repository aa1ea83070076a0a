"""A winner only where one variant is better for certain: never for want of data, seldom by chance."""

import os

import numpy as np
from msgspec import structs

from kaskad.analytics.winners import Count, counts, winner
from kaskad.domain.course import Leg, Shape
from kaskad.domain.terms import Kind

WORLDS = int(os.environ.get("KASKAD_TRIALS", "200"))


def test_one_is_the_best_once_it_is_certain():
    assert winner([Count(499, 90), Count(499, 10)], 500, 0.05, None) is None, "too few"
    assert winner([Count(0, 0), Count(9_000, 10)], 0, 0.05, None) is None, "one is empty"
    assert winner([Count(500, 50), Count(500, 52)], 500, 0.05, None) is None
    best, least = winner([Count(2_000, 200), Count(2_000, 400), Count(2_000, 210)], 500, 0.05, None)
    assert best == 1 and len(least) == 2 and all(0 < one < 0.1 for one in least)
    assert winner([Count(2_000, 200), Count(2_000, 400), Count(2_000, 390)], 500, 0.05, None) is None


def test_a_variant_by_which_more_people_leave_does_not_win():
    found = [Count(2_000, 400, opted_out=9), Count(2_000, 200, opted_out=4)]
    assert winner(found, 500, 0.05, None) is not None
    assert winner(found, 500, 0.05, 0.001) is None and winner(found, 500, 0.05, 0.003) is not None


def test_who_asks_again_and_again_is_fooled_no_more_often_than_promised():
    fooled = found = 0
    for world in range(WORLDS):
        random = np.random.default_rng(world)
        for rates in ((0.1, 0.1, 0.1), (0.1, 0.2, 0.1)):
            totals, told = [0, 0, 0], None
            for look in range(1, 25):
                totals = [
                    total + random.binomial(125, rate) for total, rate in zip(totals, rates, strict=True)
                ]
                told = told or winner([Count(125 * look, int(hits)) for hits in totals], 500, 0.05, None)
            fooled += told is not None and rates[1] == 0.1
            found += told is not None and told[0] == 1 and rates[1] == 0.2
    assert fooled <= 0.05 * WORLDS and found > 0.95 * WORLDS


def test_messages_are_counted_by_variant_with_the_goal_of_their_run():
    clicked, goal = Kind.SENT.bit | Kind.CLICKED.bit, Kind.GOAL.bit
    first = (Shape(0, 2, 0, 0, goal, (0,), 0), Leg(0, 7, 5, clicked, 1, 0, None, 0, 0))
    other = (Shape(0, 2, 0, 0, 0, (0,), 0), Leg(0, 7, 4, Kind.SENT.bit, 1, 1, None, 0, 0, left=True))
    skipped = (Shape(0, 2, 0, 0, 0, (), 0), Leg(0, 7, 11, 0, None, None, 1, 0, 0))
    again = (other[0], structs.replace(other[1], again=True, left=False))
    runs = [(first, 3), (other, 2), (skipped, 9)]
    assert counts([*runs, (again, 4)], 0, 2, "clicked")[1] == Count(6, 0, 2, people=2), "each person once"
    moved = (other[0], structs.replace(other[1], moved=True))
    assert counts([*runs, (moved, 4)], 0, 2, "clicked") == counts(runs, 0, 2, "clicked"), (
        "another version's words"
    )
    assert counts(runs, 0, 2, "clicked") == [Count(3, 3, 0, people=3), Count(2, 0, 2, people=2)]
    assert counts(runs, 0, 2, "goal") == [Count(3, 3, 0, people=3), Count(2, 0, 2, people=2)]
    assert counts(runs, 1, 2, "goal") == [Count(), Count()]

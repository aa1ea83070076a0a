"""Why a step is left out of an order: the reason that is told is the one for which it is."""

import numpy as np
import pytest
from msgspec.structs import replace

from kaskad.actions.arranging import Arrangement
from kaskad.actions.left_out import why_left_out
from kaskad.actions.weighing import point_of
from kaskad.planning.frontier import Wish, best
from kaskad.planning.orders import Freedom, chosen, orders, table_of
from kaskad.planning.propensity import Item

LETTER, SMS, CALL = range(3)
ITEMS = (Item(0, 0, hours=24.0), Item(1, 2, hours=6.0), Item(2, 4, hours=2.0))
BUDGET = "with it the budget would not be kept"
CALLS = "with it there would be more calls by people than are allowed"
ANNOYS = "its messages annoy by more than it is worth"
DELAYS = "waiting for it delays what comes after by more than it is worth"


def reasons(wish, half_life=0.0, told_as=None, prices=(0.05, 15.0, 40.0)):
    """Return the best order, and why each other item is left out."""
    adds = table_of(ITEMS, prices, np.ones(1), np.array([[0.2, 0.5, 0.5]]))
    if half_life:
        begun = adds.hours / np.maximum(adds.reach, 1e-300)
        adds = replace(adds, worth=adds.reach * np.exp2(-begun / half_life))
    ground = Arrangement((), ITEMS, (), (), {}, "KZT")
    choices = [chosen(adds, order) for order in orders(ITEMS, Freedom.GENTLE)]
    found = choices[best([point_of(ground, one) for one in choices], wish)]
    return found.order, {
        at: why_left_out(
            ground, adds, told_as or wish, Freedom.GENTLE, found, at,
            float(adds.cost[(1 << at) - 1, at, 0] / adds.reach[(1 << at) - 1, at, 0]), "{:.0f}".format,
        )
        for at in range(3) if at not in found.order
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wish", "left_out"),
    [
        (Wish(value=1000.0, budget=13.0), {CALL: BUDGET}),
        (Wish(value=1000.0, capped=0.1), {CALL: CALLS}),
        (Wish(value=1000.0, capped=0.1, budget=13.0), {CALL: "with it the limits would not be kept"}),
        (Wish(value=100.0, annoyance=60.0), dict.fromkeys((LETTER, SMS, CALL), ANNOYS)),
        (Wish(value=60.0), {CALL: "80"}),
        # Of limits without a value the price is told, and of calls that there would be too many.
        (Wish(budget=13.0), {CALL: "80"}),
        (Wish(capped=0.1), {CALL: CALLS}),
        (Wish(reach=0.55), {CALL: "80"}),
    ],
)
def test_what_keeps_a_step_out_is_told(wish, left_out):
    assert reasons(wish)[1] == left_out


def test_a_delay_is_told_only_where_without_it_the_step_would_stay():
    assert reasons(Wish(value=1000.0), half_life=12.0) == ((SMS, CALL), {LETTER: DELAYS})
    assert reasons(Wish(value=1000.0)) == ((LETTER, SMS, CALL), {})
    # A fading value, and a step that is left out for its price, or for a limit.
    assert reasons(Wish(value=60.0), half_life=1000.0)[1] == {CALL: "80"}
    assert reasons(Wish(value=1000.0, budget=13.0), half_life=1000.0)[1] == {CALL: BUDGET}


def test_a_cheap_step_that_reaches_whom_a_later_one_would_is_told_by_what_one_more_costs():
    # An SMS costs 31 for each whom it reaches; but of these half would react to the robot, at 10 each.
    order, why = reasons(Wish(value=45.0), prices=(0.05, 15.5, 0.1))
    assert order == (LETTER, CALL) and why == {SMS: "62"}


def test_the_limits_of_all_say_nothing_of_a_part_that_is_worth_less():
    alone = Wish(value=60.0)
    assert reasons(alone, told_as=replace(alone, budget=1.0))[1] == {CALL: "80"}
    worth = Wish(value=1000.0, budget=13.0)
    assert reasons(worth, told_as=replace(worth, budget=500.0))[1] == {CALL: BUDGET}, "others have spent it"

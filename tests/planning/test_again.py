"""Messages that are made again and paid again, above all calls that reach nobody."""

from collections import Counter

import numpy as np
import pytest

from kaskad.domain.course import Leg
from kaskad.domain.ledger import Change
from kaskad.domain.terms import Channel, MessageState
from kaskad.planning.again import ONCE, Again, Tries, tried
from kaskad.planning.budgets import Budgets, Limit, Timing
from kaskad.planning.forecast import Kind, People, expected, forecast, range_of
from kaskad.planning.history import Cell, Happened
from kaskad.planning.outlook import Outlook, Plan
from kaskad.planning.walk import Ask, Stage
from planning.worlds import is_eight_of_ten

ROBOT, PRICE = Channel.ROBOT_CALL, 3750.0
CALL = 0, ROBOT.code
PLAN = Plan([Stage(None)], [ROBOT], [None])
KNOWN = Happened({(0, 0): Cell(reacted=400, silent=600)})
MOST = {CALL: 3}


def outlook(again=ONCE):
    return Outlook(PLAN, KNOWN, {}, again)


def audience(size):
    return People(size, [Kind(size, (Ask(ROBOT, PRICE, "KZT"),))])


def calls(chance, people):
    """Return by how often they were called before how many were, half of whose calls are made again."""
    missed = chance.random((people, 2)) < 0.5
    return Tries(Counter((missed[:, 0] + (missed[:, 0] & missed[:, 1])).tolist()))


def paid(told):
    return sum((before + 1) * messages for before, messages in told.items())


def leg(state, again=0, step=0, channel=ROBOT):
    changes = ((int(Change.ATTEMPT), again, again * 3750),) if again else ()
    cost = 3750 * (again + (state is not MessageState.REJECTED))
    return Leg(step, channel.code, state.code, 0, 1, None, None, 3750, cost, changes=changes)


def test_what_half_of_the_calls_cost_that_are_made_again_comes_within_the_range():
    """In worlds where nobody tells how many are but what so many were before; few of them, and many."""
    trials, chance = 200, np.random.default_rng(1)
    for before, size in ((40, 60), (1_000, 60), (60, 5_000), (1_000, 5_000)):
        held = 0
        for trial in range(trials):
            again = Again(MOST, {CALL: calls(chance, before)})
            told = forecast(PLAN, audience(size), outlook(again), draws=200, seed=trial)
            between = range_of(told.draws.cost["KZT"])
            held += between.low <= paid(calls(chance, size)) * PRICE <= between.high
        assert is_eight_of_ten(held, trials), (before, size, held / trials)


def test_each_message_costs_its_price_as_often_as_messages_were_paid():
    again = Again(MOST, {CALL: Tries({0: 5_000, 1: 2_500, 2: 2_500})})
    told = expected(PLAN, audience(1_000), outlook(again))
    assert told.messages[0] == 1_000 and told.cost["KZT"][0] == pytest.approx(1_750 * PRICE, rel=0.01)
    assert expected(PLAN, audience(1_000), outlook()).cost["KZT"][0] == 1_000 * PRICE


def test_little_that_is_known_widens_the_range_and_is_held_against_what_other_steps_tell():
    other = Tries({0: 900, 1: 50, 2: 50})
    few, many = Tries({0: 2, 1: 1, 2: 1}), Tries({0: 2_000, 1: 1_000, 2: 1_000})

    def cost(own, *others):
        again = Again(MOST, {CALL: own}, {ROBOT.code: others})
        told = forecast(PLAN, audience(5_000), outlook(again))
        between = range_of(told.draws.cost["KZT"])
        return told.mean.cost["KZT"][0] / 5_000 / PRICE, between.high - between.low

    assert cost(few)[1] > 3 * cost(many)[1]
    assert cost(many)[0] == pytest.approx(1.75, abs=0.02)
    assert 1.1 < cost(few, other, other, other)[0] < 1.6 < cost(few)[0]
    assert cost(many, other, other, other)[0] == pytest.approx(1.75, abs=0.02)
    assert cost(Tries(), other, other, other)[0] == pytest.approx(1.15, abs=0.05), "of others alone"


def test_a_step_that_is_made_once_costs_its_price_whatever_others_tell():
    told = {ROBOT.code: [Tries({0: 500, 2: 500})]}
    assert Again({}, {}, told).believed(CALL) == ()
    assert len(Again({CALL: 2}, {}, told).believed(CALL)) == 1
    assert Again({(0, Channel.SMS.code): 3}, {}, told).believed((0, Channel.SMS.code)) == ()


def test_tries_are_counted_that_were_paid_of_messages_that_are_over():
    legs = {
        leg(MessageState.DELIVERED): 40, leg(MessageState.FAILED, 2): 10, leg(MessageState.SENT, 1): 20,
        leg(MessageState.CREATED, 1): 5, leg(MessageState.REJECTED): 7, leg(MessageState.REJECTED, 2): 3,
        leg(MessageState.SENT, step=1, channel=Channel.SMS): 9,
    }  # fmt: skip
    assert tried(legs) == {CALL: {0: 40, 1: 23, 2: 10}, (1, Channel.SMS.code): {0: 9}}


def test_no_draw_costs_more_than_a_budget_leaves_where_calls_are_made_again():
    again = Again(MOST, {CALL: Tries({0: 500, 1: 250, 2: 250})})
    left = 1_200 * PRICE
    timing = Timing([0], [3_600_000], lambda step, at, entered: at, lambda step, at: at)
    budgets = Budgets([Limit(left, {"KZT": 1.0})], None, timing)
    told = forecast(PLAN, audience(1_000), outlook(again), budgets=budgets)
    assert told.wanted.cost["KZT"][0] > left, "it would cost more"
    for walked in (told.mean, told.draws):
        assert np.all(walked.cost["KZT"] <= left + 1e-6) and np.all(walked.cost["KZT"] > left - 3 * PRICE)
    assert told.mean.messages[0] == pytest.approx(1_200 / 1.75, rel=0.01)

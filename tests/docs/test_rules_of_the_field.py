"""The field's rules about figures (8) and optimisation (9): which test holds each line, to the digits given.

A row is a line of these rules, the figures that it gives, and the test that holds them: it must be there, and
must name each of the figures. What no other test holds is held here.
"""

import ast
from functools import cache
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from kaskad.analytics import attribution
from kaskad.analytics.intervals import UNEVEN, Share, difference, lift, needed, shown
from kaskad.analytics.samples import DRAWS
from kaskad.domain.cascade import Choose, Goal, Span
from kaskad.domain.control import key_of, lot
from kaskad.domain.guard import WHOLE, Guard
from kaskad.domain.policy import Policy
from kaskad.domain.rhythm import HALF_LIFE_MS, LEAST
from kaskad.domain.terms import Channel, MessageClass
from kaskad.planning.frontier import Point, Wish, best
from kaskad.planning.orders import Freedom, chosen, orders, table
from kaskad.planning.priors import PRIORS
from kaskad.planning.propensity import Group, Item, Rate, fitted
from kaskad.planning.rates import WEIGHT
from kaskad.planning.timeouts import floor_of

TESTS = Path(__file__).parents[1]
LINES = [
    (
        "8 rates of messages, reach, conversion, cost, revenue, carts",
        "",
        "analytics/test_reach",
        "test_every_figure_is_what_a_slow_count_of_the_rows_gives",
    ),
    (
        "8 one count for report, files, API, views",
        "",
        "engine/test_one_count",
        "test_all_that_counts_counts_the_same",
    ),
    (
        "8 within 7 days, the goal's too",
        "7",
        "docs/test_rules_of_the_field",
        "test_8_and_9_what_is_usual_is_what_the_rules_say",
    ),
    (
        "8 retention, cohorts, worth to date",
        "",
        "analytics/test_customers",
        "test_customers_are_counted_as_each_persons_purchases_say",
    ),
    (
        "8 predicted worth",
        "",
        "analytics/test_customers",
        "test_a_predicted_worth_is_the_sum_of_what_is_left_of_each_period",
    ),
    (
        "8.1 a lot of ten thousand, sticky",
        "10_000",
        "docs/test_rules_of_the_field",
        "test_8_1_the_lot_is_sticky_and_even",
    ),
    (
        "8.1 first runs, intention to treat",
        "",
        "analytics/test_uplift",
        "test_the_effect_is_what_a_slow_count_of_the_rows_gives",
    ),
    (
        "8.1 Newcombe's check value",
        "56 70 48 80 0.0524 0.3339",
        "analytics/test_intervals",
        "test_the_values_of_the_field",
    ),
    (
        "8.1 the example's intervals",
        "0.0553 0.0651 0.0312 0.0563 0.0030 0.0299 27 269 0.05 0.94",
        "analytics/test_intervals",
        "test_the_values_of_the_field",
    ),
    (
        "8.1 the example's figures",
        "540 9000 42 1000 1.80 162 43",
        "docs/test_rules_of_the_field",
        "test_8_1_the_example_brought_162_orders_and_not_540",
    ),
    (
        "8.1 size of an arm",
        "2342 6743 39_473 34_283",
        "analytics/test_intervals",
        "test_the_values_of_the_field",
    ),
    (
        "8.1 wide for money: bootstrap, zeros included",
        "",
        "analytics/test_intervals",
        "test_the_bootstrap_is_that_of_scipy_and_takes_no_longer_for_a_million",
    ),
    (
        "8.2 first, last, linear, position, decay",
        "0.4 0.2 0.5",
        "analytics/test_attribution",
        "test_the_rules_are_those_of_the_field",
    ),
    (
        "8.2 only what had arrived within the window",
        "",
        "analytics/test_attribution",
        "test_goals_are_shared_out_among_what_had_arrived_in_time",
    ),
    (
        "8.2 the trap",
        "",
        "docs/test_rules_of_the_field",
        "test_8_2_in_a_fixed_order_no_rule_tells_what_a_step_adds",
    ),
    (
        "8.3 pitfalls, each beside its figure",
        "",
        "docs/test_figures_page",
        "test_each_pitfall_stands_beside_the_figure_it_concerns",
    ),
    (
        "8.4 by depth",
        "20.00 84.00 99.20 99.60 99.88 14.05 16.45 16.75 18.25 16.73 16.58 16.82 "
        "18.27 17.55 32.55 70.05 445.05 20.89 32.81 70.33 445.58 19.9 49.5 76.1 95.9",
        "planning/test_walk",
        "test_each_depth_costs_what_the_worked_example_says",
    ),
    (
        "8.4 best and worst case, free messenger, own story",
        "8.77 99.97 30.86 99.69 4.25 85.0 29.43 34.62 70.05 82.41 95.5 85.68",
        "planning/test_walk",
        "test_the_range_of_the_worked_example",
    ),
    (
        "8.4 shared habits",
        "99.9 99.2 97.5 96.2 18.25 22.08 29.13 33.58 0.05 0.14",
        "planning/test_orders",
        "test_shared_habits_make_it_worse",
    ),
    (
        "8.4 addressable and consented",
        "89.0 13.45 96.35 35.15",
        "planning/test_orders",
        "test_who_cannot_be_asked_costs_nothing_and_is_not_reached",
    ),
    (
        "9.1 decreasing p/c",
        "2000",
        "planning/test_orders",
        "test_the_cheapest_order_of_independent_channels_is_that_by_price_for_each_reaction",
    ),
    (
        "9.1 the table's midpoints and one common event",
        "14.55 18.25 4.0 0.029 0.025 0.011",
        "planning/test_orders",
        "test_the_order_changes_the_cost_and_not_the_reach",
    ),
    (
        "9.2 one more reached",
        "0.25 21.88 15.79 75.0 535.71",
        "planning/test_orders",
        "test_the_order_changes_the_cost_and_not_the_reach",
    ),
    (
        "9.3 two that reach the same half",
        "2.005 1.854",
        "planning/test_orders",
        "test_who_reacts_to_the_same_is_asked_by_the_third_way_first",
    ),
    (
        "9.3 when the reaching step begins",
        "24.0 6.0 2.0 20.2",
        "planning/test_orders",
        "test_the_reaching_step_begins_after_a_day_on_average",
    ),
    (
        "9.3 the fast one first where value fades",
        "",
        "docs/test_rules_of_the_field",
        "test_9_3_where_value_fades_the_fast_channel_goes_first",
    ),
    (
        "9.3 all orders and subsets up to six",
        "1957 64",
        "planning/test_orders",
        "test_there_are_as_many_orders_as_can_be_counted",
    ),
    (
        "9.3 dependence, six channels, brute force",
        "",
        "planning/test_orders",
        "test_the_best_of_six_channels_is_found_from_what_todays_order_shows",
    ),
    ("9.4 Kaplan-Meier", "", "planning/test_timeouts", "test_the_curve_is_that_of_the_published_table"),
    (
        "9.4 the smallest time that pays; floors",
        "4.0 0.5 1.0",
        "planning/test_timeouts",
        "test_one_waits_until_an_hour_costs_more_than_it_saves",
    ),
    (
        "9.5 reach at least cost",
        "0.80 24.74 0.5 0.90 56.21 0.52 0.48",
        "planning/test_orders",
        "test_a_reach_at_least_cost_is_a_mix_of_two_depths",
    ),
    (
        "9.5 whose way by what is known of them, not by lot",
        "",
        "planning/test_split",
        "test_the_choice_for_all_parts_is_that_of_a_naive_search",
    ),
    (
        "9.5 one version for several segments keeps what it promises",
        "",
        "api/test_optimize_segments",
        "test_segments_go_their_ways_in_one_version_that_keeps_what_it_promises",
    ),
    (
        "9.6 Thompson, sleeping arms, exploration",
        "",
        "planning/test_learning",
        "test_chances_of_every_set_of_channels_sum_to_one_and_leave_each_its_share",
    ),
    (
        "9.6 chances are kept, counted after the time",
        "",
        "engine/test_learning",
        "test_a_channel_is_drawn_learnt_and_drawn_by_what_was_learnt",
    ),
    (
        "9.7 send time",
        "90",
        "domain/test_rhythm",
        "test_hours_are_of_the_person_s_own_clock_and_younger_ones_are_worth_more",
    ),
    (
        "9.7 no personal claim under 5",
        "5",
        "domain/test_rhythm",
        "test_what_too_few_have_shown_is_nobody_s_rhythm",
    ),
    (
        "9.7 priors, weight 10, bounds",
        "0.20 0.50 0.375 0.40 0.70 10",
        "docs/test_rules_of_the_field",
        "test_8_and_9_what_is_usual_is_what_the_rules_say",
    ),
    (
        "9.7 no more opt-outs, no complaints over 0.1 %",
        "",
        "api/test_optimize",
        "test_a_better_order_and_shorter_waits_are_proposed_and_become_a_draft",
    ),
]


@cache
def numbers(file):
    """Return of each function of a file which numbers stand in it and in its decorators."""
    return {
        one.name: {
            float(node.value)
            for node in ast.walk(one)
            if isinstance(node, ast.Constant) and type(node.value) in (int, float)
        }
        for one in ast.parse((TESTS / f"{file}.py").read_text(encoding="utf-8")).body
        if isinstance(one, ast.FunctionDef)
    }


@pytest.mark.parametrize(("line", "figures", "file", "name"), LINES, ids=[line for line, *_ in LINES])
def test_each_line_is_held_to_its_digits(line, figures, file, name):
    assert name in numbers(file), f"nothing holds {line}: {name} is gone"
    lacking = [each for each in figures.split() if float(each) not in numbers(file)[name]]
    assert not lacking, f"{name} does not hold {', '.join(lacking)} of {line}"


def test_8_and_9_what_is_usual_is_what_the_rules_say():
    assert Goal("bought").within == Span(days=7) and attribution.HALF_LIFE_MS == 7 * 86_400_000
    held = Policy().holdout
    assert [held.of(one) for one in (MessageClass.ADVERTISING, MessageClass.TRANSACTIONAL)] == [1_000, 0]
    assert UNEVEN == 0.001 and DRAWS >= 2000
    messengers = {Channel.TELEGRAM, Channel.WHATSAPP, Channel.VIBER, Channel.VK, Channel.MAX}
    assert {PRIORS[one] for one in messengers} == {0.50} and WEIGHT == 10
    order = (Channel.EMAIL, Channel.SMS, Channel.ROBOT_CALL, Channel.AGENT_CALL)
    assert [PRIORS[one] for one in order] == [0.20, 0.375, 0.40, 0.70]
    assert [floor_of(one) for one in (Channel.EMAIL, Channel.VK, Channel.SMS)] == [4.0, 1.0, 0.5]
    assert HALF_LIFE_MS == 90 * 86_400_000 and LEAST == 5
    assert Choose().explore == 500 and Guard().complaints / WHOLE == 0.001


def test_8_1_the_lot_is_sticky_and_even():
    first, again = ([lot(one, key_of(salt)) for one in range(50_000)] for salt in ("a", "a"))
    other = [lot(one, key_of("b")) for one in range(50_000)]
    assert first == again and first != other and (min(first), max(first)) == (0, 10_000 - 1)
    assert sum(one < 1_000 for one in first) == pytest.approx(5_000, abs=4 * (50_000 * 0.09) ** 0.5)
    both = sum(one < 1_000 and two < 1_000 for one, two in zip(first, other, strict=True))
    assert both == pytest.approx(500, abs=4 * (50_000 * 0.0099) ** 0.5), "lots of two salts are independent"


def test_8_1_the_example_brought_162_orders_and_not_540():
    treated, held = Share(540, 9000), Share(42, 1000)
    gain = treated.rate - held.rate
    assert round(100 * gain, 2) == 1.80 and round(gain * treated.of) == 162
    assert round(100 * (treated.rate / held.rate - 1)) == 43 and shown(treated, held)
    assert difference(treated, held).low > 0 < lift(treated, held).low
    assert needed(0.042, 0.060) < held.of * 6, "and the control group of 1000 is small for that"


def test_8_2_in_a_fixed_order_no_rule_tells_what_a_step_adds():
    # Journeys of a fixed order are the first message, the first two, the first three: whatever each is worth.
    journeys = {(1,): (1000, 50), (1, 2): (800, 80), (1, 2, 3): (400, 120)}  # people, goals
    credit = np.zeros(3)
    for steps, (_, goals) in journeys.items():
        ages = [len(steps) - step for step in steps]
        credit[: len(steps)] += goals * np.array(attribution.first(ages))
    assert credit.tolist() == [250, 0, 0], "first names step 1"
    gone = [sum(goals for steps, (_, goals) in journeys.items() if step not in steps) for step in (1, 2, 3)]
    assert 1 - gone[0] / 250 == 1.0, "and without step 1 there is no journey: its removal effect is 1"
    assert not {(2,), (3,), (2, 3)} & set(journeys), "what Shapley would compare never occurs"


def test_9_3_where_value_fades_the_fast_channel_goes_first():
    # A letter that is waited for a day and a text for two hours: p/c says letter first, a value that is gone
    # tomorrow says text first.
    channels, hours = (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM), (24.0, 2.0, 6.0)
    shares, prices, value = (0.3, 0.4, 0.35), (0.1, 5.0, 6.0), 100.0
    items = [Item(n, hours=each) for n, each in enumerate(hours)]
    told = lambda at, channel, before: Rate(np.array([shares[at]]), np.zeros(1))  # noqa: E731
    group = [Group(1.0, channels, prices)]
    fit = fitted(items, group, told, np.zeros(1))
    for half_life, expected in ((0.0, 0), (3.0, 1)):
        adds = table(items, group, fit, half_life)
        ways = [chosen(adds, order) for order in orders(items, Freedom.FREE) if order]
        wish = Wish(value=value)
        points = [
            Point(
                float(one.reach[0]), float(one.cost[0]), float(one.messages.sum()), 0.0, float(one.worth[0])
            )
            for one in ways
        ]
        found = ways[best(points, wish)].order
        assert found[0] == expected
        # The same by the rule as it is written: the sum over steps of s (p v(t) - c).
        naive = {}
        for size in (1, 2, 3):
            for order in permutations(range(3), size):
                silent, at, gain = 1.0, 0.0, 0.0
                for step in order:
                    left = 0.5 ** (at / half_life) if half_life else 1.0
                    gain += silent * (shares[step] * value * left - prices[step])
                    silent, at = silent * (1 - shares[step]), at + hours[step]
                naive[order] = gain
        assert naive[found] == pytest.approx(max(naive.values()))

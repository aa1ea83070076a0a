"""The forecast against worlds of which the truth is known, and where little or nothing is."""

import os
from collections import Counter

import numpy as np
import pytest

from kaskad.domain.terms import Channel
from kaskad.planning.forecast import Kind, People, expected, forecast, lost, range_of, without
from kaskad.planning.history import Cell, Happened, happened
from kaskad.planning.outlook import Outlook, Plan
from kaskad.planning.rates import Seen
from kaskad.planning.walk import Ask, Stage
from planning.worlds import ASKS, FIGURES, PLAN, STAGES, World, is_eight_of_ten

NOTHING = Outlook(PLAN, Happened({}), {})
TYPICAL = People(1_000, [Kind(1_000, ASKS)], typical=True)
WORLDS = {
    "as the field says": (FIGURES, 0.0),
    "half": (FIGURES / 2, 0.0),
    "double": (np.minimum(2 * FIGURES, 0.95), 0.0),
    "of people who share a propensity": (FIGURES, 2.0),
    "half, and they share one": (FIGURES / 2, 2.0),
    "double, and they share one": (np.minimum(2 * FIGURES, 0.95), 2.0),
}
TRIALS = int(os.environ.get("KASKAD_TRIALS", "20"))  # of each world


def test_ranges_hold_eight_of_ten_outcomes_once_the_first_thousand_have_answered():
    """In worlds that differ from the field's figures too; `make calibration` asks the same more sharply."""
    held, widths = {}, {}
    for seed, name in enumerate(WORLDS):
        held[name], widths[name] = covered(name, TRIALS, seed)
        shares = {figure: round(count / TRIALS, 3) for figure, count in held[name].items()}
        print(name, TRIALS, shares, widths[name], flush=True)
    whole = np.mean([list(each.values()) for each in held.values()]) / TRIALS
    assert 0.75 <= whole <= 0.85, held
    assert all(is_eight_of_ten(count, TRIALS) for each in held.values() for count in each.values()), held


def covered(name, trials, seed):
    """Return how often the range of each figure held what then happened to the other 9 000, of the next week,
    and how wide the ranges were, as shares of what happened."""
    chance, held, widths = np.random.default_rng(seed), Counter(), Counter()
    for trial in range(trials):
        world = World(chance, 10_000, *WORLDS[name])
        outlook = Outlook(PLAN, world.known(1_000), {})
        looked = world.kinds(1_000 + chance.choice(9_000, 1_000, replace=False))
        goal = [world.known_goal(1_000)]
        found = forecast(PLAN, People(9_000, looked), outlook, goal, draws=200, seed=trial)
        draws = found.draws
        told = {
            "reached": draws.reached, "silent": draws.silent, "messages": draws.messages,
            "cost": draws.cost["KZT"], "converted": found.conversions,
        }  # fmt: skip
        for number, step in enumerate(draws.steps):
            told |= {("sent", number): step.sent, ("reacted", number): step.reacted}
            told |= {("arrived", number): step.arrived} if number else {}
        for figure, value in world.truth(1_000).items():
            between = range_of(told.pop(figure))
            held[figure] += between.low <= value <= between.high
            widths[figure] += (between.high - between.low) / value / trials
        assert not told
    return held, {figure: round(float(width), 3) for figure, width in widths.items()}


def test_what_is_expected_at_first_is_what_the_field_says_and_not_sure():
    told = forecast(PLAN, TYPICAL, NOTHING)
    assert told.mean.reached[0] == pytest.approx(955) and told.mean.cost["KZT"][0] == pytest.approx(8_567_500)
    between = range_of(told.draws.reached)
    assert between.low < 920 and between.high > 980 and told.converted is None
    world = World(np.random.default_rng(1), 20_000, FIGURES)
    known = Outlook(PLAN, happened(STAGES, world.shapes(20_000), {}), {})
    sure = range_of(forecast(PLAN, TYPICAL, known).draws.reached)
    assert sure.high - sure.low < (between.high - between.low) / 3


def test_a_sample_is_surer_the_larger_a_part_it_is():
    world = World(np.random.default_rng(1), 2_000, FIGURES)
    widths = []
    for looked in (50, 500, 2_000):
        told = forecast(PLAN, People(2_000, world.kinds(np.arange(looked))), NOTHING).draws.steps[0].sent
        widths.append(range_of(told).high - range_of(told).low)
    assert widths[0] > 2 * widths[1] > 0 and widths[2] == 0


def test_a_step_left_out_costs_its_reach_and_saves_its_price_whatever_the_rates_are():
    less = expected(PLAN, without(TYPICAL, 3), NOTHING)
    assert less.reached[0] == pytest.approx(1_000 * (1 - 0.8 * 0.5 * 0.625 * 0.3))
    assert less.steps[3].sent[0] == 0 and less.steps[4].arrived[0] == pytest.approx(250)
    for step in range(5):  # in none of the worlds does it bring anybody
        between = range_of(lost(PLAN, TYPICAL, NOTHING, step))
        assert 0 <= between.low < between.high


def test_how_people_react_here_moves_the_figures_of_steps_that_nobody_came_to_yet():
    """The field says 20 % of letters and 50 % of chats; whoever reacts more to both reacts more to calls."""
    for letters, chats, moved in ((400, 800, 1), (200, 500, 0), (100, 250, -1)):
        seen = {(0, 0): Cell(reacted=letters, silent=1_000 - letters),
                (1, 1): Cell(reacted=chats, silent=1_000 - chats)}  # fmt: skip
        agent = Outlook(PLAN, Happened(seen), {}).means(4, ASKS[4], 4).reacts[0] - FIGURES[4]
        assert agent * moved > 0.05 or (moved == 0 and abs(agent) < 0.05), (letters, agent)


def test_a_step_whose_people_are_under_way_teaches_nothing_by_its_quick_ones_either():
    """Who has reacted already is not held against nobody: that would be more than certain."""
    early = Outlook(PLAN, Happened({(3, 3): Cell(reacted=40, waiting=400)}), {})
    assert early.means(3, ASKS[3], 3).reacts[0] == NOTHING.means(3, ASKS[3], 3).reacts[0]
    drawn, nothing = (each.drawn(1, 500)(3, ASKS[3], 3).reacts for each in (early, NOTHING))
    assert np.array_equal(drawn, nothing)


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_who_leaves_a_step_at_which_few_are_silent_is_told_by_the_steps_beside_it(share):
    """Of two who are silent and stay nobody would say that a quarter of such people leave."""
    cells = {
        (0, 0): Cell(reacted=200, left=round(800 * share), silent=round(800 * (1 - share))),
        (1, 1): Cell(reacted=700, left=round(60 * share), silent=round(60 * (1 - share))),
        (2, 2): Cell(reacted=38, silent=2),
    }
    outlook = Outlook(PLAN, Happened(cells), {})
    for step in (2, 3):  # the last but one nobody came to
        rate = outlook.means(step, ASKS[step], step)
        leave = rate.leaves[0] / (1 - rate.reacts[0])
        assert share - 0.04 < leave < share + 0.04, (step, leave)
        drawn = outlook.drawn(1, 2_000)(step, ASKS[step], step)
        assert np.mean(drawn.leaves / (1 - drawn.reacts)) == pytest.approx(leave, abs=0.01)


def test_how_much_fewer_react_to_each_further_message_is_one_number_of_a_world():
    """Where it is not known, worlds with few reactions at one late step have few at the others too."""
    cells = {(0, 1): Cell(reacted=3, silent=9)} | {
        (step, 0): Cell(reacted=4_000, silent=6_000) for step in range(4)
    }
    rates = Outlook(PLAN, Happened(cells), {}).drawn(1, 4_000)
    late = [rates(step, ASKS[step], step + 2).reacts for step in range(3)]
    assert np.corrcoef(late)[np.triu_indices(3, 1)].min() > 0.15
    told = [rates(step, ASKS[step], 0).reacts for step in range(3)]  # of these much was seen
    assert abs(np.corrcoef(told)[np.triu_indices(3, 1)]).max() < 0.05


@pytest.mark.parametrize("name", ["double", "double, and they share one", "half, and they share one"])
def test_who_is_silent_to_many_messages_is_not_believed_to_react_as_those_before(name):
    """Where people share a propensity few of them are left at the last step, of whom few are known."""
    rates, shared = WORLDS[name]
    big = happened(STAGES, World(np.random.default_rng(99), 200_000, rates, shared).shapes(200_000), {})
    chance, places = np.random.default_rng(3), [(3, 3), (4, 4), (4, 2)]
    off = {place: [] for place in places}
    for _ in range(20):
        outlook = Outlook(PLAN, happened(STAGES, World(chance, 1_000, rates, shared).shapes(1_000), {}), {})
        for step, before in places:
            cell = big.cells[step, before]
            off[step, before].append(
                outlook.means(step, ASKS[step], before).reacts[0] - cell.reacted / cell.of
            )
    assert {
        place: round(float(np.mean(each)), 2) for place, each in off.items() if abs(np.mean(each)) > 0.1
    } == {}


def test_the_control_group_is_sent_nothing():
    told = forecast(PLAN, People(1_000, [Kind(1_000, ASKS)], held=2_000, typical=True), NOTHING)
    assert told.mean.steps[0].sent[0] == pytest.approx(800)
    assert 750 < range_of(told.draws.steps[0].sent).low < 800
    assert range_of(told.entered) == range_of(told.draws.steps[0].sent)


def test_nothing_known_nobody_and_no_prices_have_answers():
    push = Plan([Stage(None)], [Channel.PUSH], [None])
    alone = People(1, [Kind(1, (Ask(Channel.PUSH),))])
    told = forecast(push, alone, Outlook(push, Happened({}), {}))
    assert told.mean.reached[0] == pytest.approx(0, abs=1e-6) and told.mean.cost[""][0] == 0
    assert not Outlook(push, Happened({}), {}).knows(0, Channel.PUSH)
    seen = Outlook(push, Happened({}), {(Channel.PUSH, None): [Seen(1_000, 100)] * 3})
    assert forecast(push, alone, seen).mean.reached[0] == pytest.approx(0.1, abs=0.03)
    nobody = forecast(PLAN, People(0, []), NOTHING)
    assert nobody.mean.messages[0] == 0 and range_of(nobody.draws.reached).high == 0
    suppressed = forecast(PLAN, People(50, [Kind(50, (None,) * 5)]), NOTHING)
    assert suppressed.mean.silent[0] == 50 and range_of(suppressed.draws.silent).low == 50
    goal = forecast(PLAN, TYPICAL, NOTHING, [Seen(2_000, 100)])
    assert goal.converted == pytest.approx(50, abs=3)
    assert range_of(goal.conversions).low < 45 < 55 < range_of(goal.conversions).high

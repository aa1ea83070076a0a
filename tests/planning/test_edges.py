"""Where a forecast's people go: along edges of the same draws as the steps, with ranges that hold."""

import os

import numpy as np
import pytest
from scipy.stats import binom

from kaskad.planning.edges import By, edges
from kaskad.planning.forecast import Kind, People, forecast, range_of
from kaskad.planning.history import Happened, happened
from kaskad.planning.outlook import Outlook, Plan
from kaskad.planning.walk import Crowd, Rate, Stage, by_chance, walk
from planning.worlds import ASKS, CHANNELS, FIGURES, PLAN, STAGES, World

TRIALS = int(os.environ.get("KASKAD_TRIALS", "40"))

BRANCHED = [  # letter -> chat, or by a reaction -> robot; the SMS is passed over by half; the agent is paused
    Stage(1, branch=3), Stage(2), Stage(3, held=0.5), Stage(4, ends=False), Stage(None, waits=True),
]  # fmt: skip
STRAIGHT = [Stage(n + 1 if n < 4 else None) for n in range(5)]


def drawn(stages, draws=50):
    """Return a plan and what happens in so many worlds, where a tenth leaves each step without a reaction."""
    plan = Plan(stages, CHANNELS, [None] * 5)
    rate = Rate(np.linspace(0.1, 0.6, draws), np.full(draws, 0.1))
    crowds = [Crowd(np.full(draws, 600.0), ASKS), Crowd(np.full(draws, 400.0), (ASKS[0], None, *ASKS[2:]))]
    return plan, walk(stages, crowds, 0, lambda *_: rate, by_chance(np.random.default_rng(1)))


@pytest.mark.parametrize("stages", [STRAIGHT, BRANCHED])
def test_who_comes_to_a_step_leaves_it_along_one_edge_in_each_draw(stages):
    plan, told = drawn(stages)
    ways = edges(plan.stages, plan.first, told)
    for number, step in enumerate(told.steps):
        coming = sum(way.people for way in ways if way.target == number)
        leaving = sum(way.people for way in ways if way.source == number)
        assert np.array_equal(coming, step.arrived) and np.array_equal(leaving, step.arrived), number
    (entry,) = [way for way in ways if way.by is By.ENTRY]
    ends = sum(way.people for way in ways if way.target is None)
    assert np.array_equal(entry.people, ends) and (entry.people == 1_000).all(), "all come to an end"
    assert any(way.people.any() for way in ways if way.by is By.OTHER)


def test_the_entry_has_the_range_of_who_enters():
    kinds = [Kind(1_000, ASKS)]
    found = forecast(PLAN, People(5_000, kinds, held=1_000), Outlook(PLAN, Happened({}), {}), draws=50)
    (entry, *_) = edges(PLAN.stages, PLAN.first, found.draws)
    assert range_of(entry.people) == range_of(found.entered) != range_of(found.draws.steps[1].arrived)


def test_edges_tell_by_what_they_lead_and_where_to():
    plan, told = drawn(BRANCHED)
    ways = {(way.source, way.by): way for way in edges(plan.stages, 0, told)}
    assert ways[0, By.REACTION].target == 3 and ways[0, By.SILENCE].target == 1
    assert ways[1, By.REACTION].target is None and (3, By.REACTION) not in ways
    assert np.array_equal(ways[4, By.PAUSE].people, told.steps[4].arrived)
    assert (4, By.SILENCE) not in ways and edges([], 0, told) == []


def test_ranges_of_edges_hold_eight_of_ten_outcomes():
    """Once a thousand have answered, in a world where people react half as often as the field says."""
    chance, held = np.random.default_rng(5), np.zeros(10)
    for trial in range(TRIALS):
        world = World(chance, 6_000, FIGURES / 2)
        outlook = Outlook(PLAN, happened(STAGES, world.shapes(1_000), {}), {})
        looked = world.kinds(1_000 + chance.choice(5_000, 1_000, replace=False))
        found = forecast(PLAN, People(5_000, looked), outlook, draws=200, seed=trial)
        truth = world.truth(1_000)
        ways = edges(PLAN.stages, PLAN.first, found.draws)
        reactions, silences = ([way for way in ways if way.by is by] for by in (By.REACTION, By.SILENCE))
        came = [truth["reacted", way.source] for way in reactions]
        came += [truth["silent"] if way.target is None else truth["arrived", way.target] for way in silences]
        for place, (way, happens) in enumerate(zip(reactions + silences, came, strict=True)):
            between = range_of(way.people)
            held[place] += between.low - 0.5 <= happens <= between.high + 0.5
    low, high = binom.ppf((0.0005, 0.9995), TRIALS, (0.75, 0.85))
    assert 0.72 <= held.mean() / TRIALS <= 0.88 and all(low <= each <= high for each in held), held

"""What runs of a version tell of its steps."""

from kaskad.domain.course import Leg, Shape
from kaskad.domain.terms import Kind, Outcome
from kaskad.planning.history import Cell, happened
from kaskad.planning.walk import Stage

CHAIN = [Stage(1), Stage(2), Stage(None)]


def shape(steps, outcome=None, *, holdout=0, levels=0, late=0):
    return Shape(holdout, outcome.code if outcome else 0, None, late, 0, tuple(steps), levels)


def test_a_step_is_told_by_those_who_went_on_reacted_left_and_wait():
    told = happened(CHAIN, {
        shape([0], Outcome.RESPONDED): 20,
        shape([0, 1], Outcome.RESPONDED): 10,
        shape([0, 1, 2], Outcome.EXHAUSTED): 30,
        shape([0, 1], Outcome.OPTED_OUT): 5,
        shape([0], Outcome.CONVERTED): 4,
        shape([0], Outcome.CONVERTED, levels=8): 6,
        shape([0, 1]): 1,
        shape([1, 2], Outcome.EXHAUSTED): 7,  # nobody had a letter for them
        shape([0], Outcome.RESPONDED, holdout=1): 99,
        shape([], Outcome.UNREACHABLE): 3,
    }, {})  # fmt: skip
    assert told.cells[0, 0] == Cell(reacted=26, left=4, silent=46)
    assert told.cells[1, 1] == Cell(reacted=10, left=5, silent=30, waiting=1, refused=5)
    assert told.cells[1, 0] == Cell(silent=7)
    assert told.step(2) == Cell(silent=37)
    assert (told.over, told.under_way, told.converted) == (85, 1, 10)


def test_of_a_step_at_which_many_still_wait_nothing_is_learnt():
    told = happened(CHAIN, {shape([0]): 90, shape([0], Outcome.RESPONDED): 10}, {})
    assert told.cells[0, 0].of == 0 and told.cells[0, 0].reacted == 10
    assert happened(CHAIN, {shape([0]): 4, shape([0], Outcome.RESPONDED): 96}, {}).cells[0, 0].of == 96


def test_a_branch_is_taken_by_those_who_react_and_an_unending_step_is_told_by_its_messages():
    stages = [Stage(1, branch=2), Stage(None), Stage(None, ends=False)]
    legs = {
        Leg(2, 1, 5, Kind.OPENED.bit, 1, None, None, 0, 0): 3, Leg(2, 1, 4, 0, 1, None, None, 0, 0): 5,
        Leg(2, 1, 11, 0, None, None, 1, 0, 0): 9, Leg(0, 1, 5, Kind.OPENED.bit, 1, None, None, 0, 0): 50,
    }  # fmt: skip
    told = happened(
        stages, {shape([0, 2], Outcome.EXHAUSTED): 12, shape([0, 1], Outcome.EXHAUSTED): 30}, legs
    )
    assert told.cells[0, 0] == Cell(reacted=12, silent=30)
    assert told.cells[2, 0] == Cell(reacted=3, silent=5)
    assert told.cells[1, 1] == Cell(silent=30)

"""What is believed of receipts that find nobody, by account; what a tick that fails has counted is undone."""

import pytest

from kaskad.domain.policy import HOUR
from kaskad.engine.limits import DEAD
from kaskad.engine.unfound import Unfound

ONE, OTHER = 1, 2  # accounts
NOW = 1_000 * HOUR


@pytest.fixture
def unfound():
    return Unfound()


def believed(unfound, times, account=ONE, at=NOW):
    """Return how many of so many addresses that are said not to exist are believed, one after another."""
    return sum(unfound.believes(account, at) for _ in range(times))


def test_twenty_in_a_row_are_believed_in_one_tick_or_in_many(unfound):
    assert DEAD == 20
    assert believed(unfound, DEAD - 1) == DEAD - 1
    unfound.committed()
    assert believed(unfound, 5) == 1
    unfound.committed()
    assert believed(unfound, 1) == 0


def test_each_account_has_a_row_of_its_own(unfound):
    assert believed(unfound, DEAD + 1) == DEAD
    assert believed(unfound, DEAD + 1, OTHER) == DEAD
    unfound.committed()
    unfound.reached([OTHER])
    assert believed(unfound, 1) == 0 and believed(unfound, 1, OTHER) == 1


def test_a_row_goes_on_within_an_hour_of_the_last_and_no_longer(unfound):
    assert believed(unfound, DEAD) == DEAD
    unfound.committed()
    assert believed(unfound, 1, at=NOW + HOUR) == 0
    assert believed(unfound, 1, at=NOW + 2 * HOUR) == 0  # an hour after the last of them, not the first
    unfound.committed()
    assert believed(unfound, DEAD + 1, at=NOW + 3 * HOUR + 1) == DEAD


def test_who_is_reached_ends_a_row_and_nothing_waits_for_its_end_then(unfound):
    assert not unfound.waits
    assert believed(unfound, DEAD + 1) == DEAD
    unfound.committed()
    assert unfound.waits
    unfound.reached([ONE])
    unfound.committed()
    assert not unfound.waits
    assert believed(unfound, DEAD + 1) == DEAD


def test_a_row_of_one_ends_as_any_other_does(unfound):
    assert believed(unfound, 1) == 1
    unfound.reached([ONE])
    assert believed(unfound, DEAD + 1) == DEAD


def test_of_several_reached_in_a_tick_each_stands_before_a_row_of_its_own(unfound):
    unfound.reached([ONE, ONE])
    assert believed(unfound, 3 * DEAD + 1) == 3 * DEAD
    unfound.committed()
    assert believed(unfound, 1) == 0


def test_who_is_reached_amid_a_row_ends_that_and_the_next_ones_stand_before_more(unfound):
    assert believed(unfound, DEAD + 1) == DEAD
    unfound.committed()
    unfound.reached([ONE, ONE])
    assert believed(unfound, 2 * DEAD + 1) == 2 * DEAD


def test_who_was_reached_in_one_tick_stands_before_nothing_in_the_next(unfound):
    for most in (DEAD - 1, DEAD):  # of rows that have not begun, or are just about to
        unfound.reached([ONE])
        assert believed(unfound, most) == most
        unfound.committed()
        assert not unfound.waits
    assert believed(unfound, DEAD + 1) == DEAD


def test_a_tick_that_fails_has_counted_nothing(unfound):
    assert believed(unfound, DEAD + 1) == DEAD
    unfound.forget()
    unfound.committed()  # the next one hears of no such account
    assert not unfound.waits
    assert believed(unfound, DEAD) == DEAD
    unfound.committed()
    unfound.reached([ONE])
    assert believed(unfound, 3) == 3 and believed(unfound, 1, OTHER) == 1
    unfound.forget()
    assert believed(unfound, 1) == 0, "the row goes on"
    unfound.forget()
    assert believed(unfound, 1, at=NOW + HOUR + 1) == 1
    unfound.forget()
    assert believed(unfound, 1) == 0, "as it stood before, also when the last was told"


def test_what_is_undone_is_what_came_since_the_last_tick_only(unfound):
    assert believed(unfound, 3) == 3
    unfound.committed()
    assert believed(unfound, DEAD - 4) == DEAD - 4
    unfound.committed()
    assert believed(unfound, 9) == 1
    unfound.forget()
    unfound.forget()  # twice is as good as once
    assert believed(unfound, 9) == 1
    unfound.committed()
    unfound.forget()
    assert believed(unfound, 1) == 0

"""Machines that share a database go by its clock, and time does not run backwards where it need not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad.engine import clock as clocks
from kaskad.engine.clock import STAND_MS, SystemClock, follow_database
from kaskad.store.db import Database

HOUR_MS = 3_600_000


class Boot:
    """The machine's own time, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, wall_at: int) -> None:
        self.ns = 5_000_000_000
        monkeypatch.setattr(clocks, "wall_ms", lambda: wall_at)
        monkeypatch.setattr(SystemClock, "_ticks", staticmethod(lambda: self.ns))

    def passes(self, ms: int) -> None:
        self.ns += ms * 1_000_000


@pytest.fixture
def boot(monkeypatch: pytest.MonkeyPatch) -> Boot:
    return Boot(monkeypatch, 1_000_000_000)


def test_a_clock_that_is_behind_goes_forward_at_once(boot: Boot) -> None:
    clock = SystemClock()
    assert clock.follow(1_000_000_000 + HOUR_MS, 2) == HOUR_MS
    assert clock.now() == 1_000_000_000 + HOUR_MS
    boot.passes(10)
    assert clock.now() == 1_000_000_010 + HOUR_MS


def test_a_clock_that_is_a_little_ahead_slows_down_until_it_is_right(boot: Boot) -> None:
    clock = SystemClock()
    assert clock.follow(1_000_000_000 - 400, 2) == -400
    shown = []
    for _ in range(100):
        shown.append(clock.now())
        boot.passes(10)
    assert shown == sorted(set(shown)), "no instant comes twice"
    assert clock.now() == 1_000_000_000 + 1_000 - 400


def test_a_clock_that_is_far_ahead_goes_back_by_as_much_and_no_more(boot: Boot) -> None:
    clock = SystemClock()
    assert clock.follow(1_000_000_000 - HOUR_MS, 2) == -HOUR_MS
    assert clock.now() == 1_000_000_000 - HOUR_MS


def test_what_the_measure_may_be_wrong_by_is_no_difference(boot: Boot) -> None:
    clock = SystemClock()
    assert clock.follow(1_000_000_000 - 3, 3) == 0
    assert clock.follow(1_000_000_000 + 3, 3) == 0
    assert clock.now() == 1_000_000_000


def test_a_database_that_has_been_run_ahead_keeps_its_lead(boot: Boot) -> None:
    clock = SystemClock(not_before=1_000_000_000 + HOUR_MS)
    assert clock.follow(1_000_000_500, 2) == 500
    assert clock.now() == 1_000_000_500 + HOUR_MS
    assert clock.lead_ms == HOUR_MS


def test_a_clock_with_a_speed_of_its_own_follows_nobody(boot: Boot) -> None:
    clock = SystemClock(60.0)
    assert clock.follow(0, 2) == 0
    assert clock.now() == 1_000_000_000


@given(st.lists(st.tuples(st.integers(-STAND_MS, 2 * STAND_MS), st.integers(0, 50_000)), max_size=8))
def test_however_often_it_is_corrected_time_goes_on(skews: list[tuple[int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        boot = Boot(patch, 1_000_000_000)
        clock = SystemClock()
        for skew, passed in skews:
            before = clock.now()
            clock.follow(before + skew, 2)
            assert clock.now() >= before
            boot.passes(passed)
            assert clock.now() >= before + passed // 2


def test_the_clock_follows_that_of_postgresql_and_sqlite_has_none(
    either: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clocks, "wall_ms", lambda: 1_000_000_000)  # a machine that believes in 1970
    clock = SystemClock()
    monkeypatch.undo()
    corrected = follow_database(clock, either)
    if either.dialect == "sqlite":
        assert corrected == 0
    else:
        assert abs(clock.now() - clocks.wall_ms()) < 1_000
        assert abs(follow_database(clock, either)) < 50

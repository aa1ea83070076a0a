"""What is counted in the background: how much at once, how much waits, and how it ends."""

import time
from itertools import count
from threading import Event
from types import SimpleNamespace

import pytest
from msgspec import structs

from kaskad.actions import rates
from kaskad.store.postgres import POOL
from kaskad.store.sqlite import READERS
from kaskad.web import soon
from kaskad.web.pages.filters import Filters, named
from kaskad.web.pages.remembered import Remembered
from kaskad.web.soon import AT_ONCE, WAITING, BeingCounted, Busy, Soon
from support.faults import until


@pytest.fixture
def counting(monkeypatch):
    """Return what counts, what lets it end, and what has begun."""
    monkeypatch.setattr(soon, "SOON_S", 0.01)
    counts, there, begun = Soon(), Event(), []

    def ask(name):
        def make():
            begun.append(name)
            there.wait(120)

        with pytest.raises(BeingCounted):
            counts.get(name, make)

    yield counts, there, begun, ask
    there.set()


def test_what_is_counted_leaves_readers_of_the_database_to_others(counting):
    _, there, begun, ask = counting
    assert min(READERS, POOL) >= 2 * AT_ONCE
    for name in range(AT_ONCE + 2):
        ask(name)
    until(lambda: len(begun) == AT_ONCE)
    time.sleep(0.05)
    assert len(begun) == AT_ONCE
    there.set()
    until(lambda: len(begun) == AT_ONCE + 2)


def test_more_than_can_wait_is_refused_and_what_waits_is_dropped_at_the_end(counting):
    counts, there, begun, ask = counting
    for name in range(AT_ONCE):
        ask(name)
    until(lambda: len(begun) == AT_ONCE)
    for name in range(AT_ONCE, AT_ONCE + WAITING):
        ask(name)
    with pytest.raises(Busy, match="Too many"):
        counts.get("more", lambda: 1)
    ask(AT_ONCE)  # what waits may be asked for again
    counts.close()
    there.set()
    until(lambda: all(job.done.is_set() for job in counts._jobs.values()))
    assert len(begun) == AT_ONCE
    with pytest.raises(Busy, match="stopping"):
        counts.get("after", lambda: 1)
    with pytest.raises(Busy, match="stopping"):
        counts.get(AT_ONCE, lambda: 1)


def test_several_things_that_are_wanted_share_one_wait(counting, monkeypatch):
    counts, _, begun, _ = counting
    monkeypatch.setattr(soon, "SOON_S", 60.0)
    kept = Remembered(counts)
    asked = kept.begin("a", lambda: counts.get("b", lambda: begun.append("b")) or begun.append("a"))
    assert asked() is None and begun == ["b", "a"]
    job = counts._jobs["late"] = soon._Job(lambda: 1)
    job.began -= 61  # while something else was waited for
    with pytest.raises(BeingCounted) as told:
        counts.get("late", lambda: 1)
    assert 60 < told.value.for_s < 100


def test_what_failed_late_is_told_once_more_and_not_counted_again(counting):
    counts, there, begun, _ = counting

    def make():
        begun.append("bad")
        there.wait(120)
        raise ValueError("wrong")

    with pytest.raises(BeingCounted):
        counts.get("bad", make)
    there.set()
    until(lambda: counts._jobs["bad"].done.is_set())
    for _ in range(2):  # the page that waits, then the whole page
        with pytest.raises(ValueError, match="wrong"):
            counts.get("bad", make)
    assert begun == ["bad"]


def test_what_was_late_is_told_once_to_each_who_waits_and_to_nobody_else(counting):
    counts, there, begun, _ = counting

    def ask(who):
        try:
            return counts.get("a", make, who)
        except BeingCounted:
            return "later"

    def make():
        number = len(begun) + 1
        begun.append(number)
        there.wait(120)
        return number

    def counted():
        until(counts._jobs["a"].done.is_set)

    assert [ask("ann"), ask("ann"), ask("bob")] == ["later"] * 3
    there.set()
    counted()
    assert [ask("ann"), ask("bob")] == [1, 1] and not counts._jobs
    there.clear()
    assert [ask("ann"), ask("bob")] == ["later"] * 2  # it may be another by now
    there.set()
    counted()
    assert ask("ann") == 2
    there.clear()
    assert ask("ann") == "later"
    there.set()
    counted()
    assert ask("bob") == 3, "who waits gets what another began meanwhile"


def test_figures_begun_together_are_of_now_at_each_look(monkeypatch):
    counts, numbers = Soon(), count(1)
    kept = Remembered(counts)
    for number in range(1, 4):
        asked = kept.begin("a", lambda: next(numbers))
        until(counts._jobs[id(kept), "a"].done.is_set, 5)  # while another is begun
        assert asked() == number
        asked = kept.begin("a", lambda: next(numbers))
        assert asked() == number
        kept._kept["a"] = structs.replace(kept._kept["a"], until=0.0)


def test_where_too_much_waits_an_old_value_is_shown(monkeypatch):
    kept = Remembered(Soon())
    kept.get("a", lambda: 1)
    kept._kept["a"] = structs.replace(kept._kept["a"], until=time.monotonic() - 1)
    monkeypatch.setattr(soon, "WAITING", 0)
    assert kept.soon("a", lambda: 2) == 1 and kept.begin("a", lambda: 2)() == 1
    with pytest.raises(Busy):
        kept.begin("b", lambda: 2)()


@pytest.mark.parametrize("ended", [True, False], ids=["it was counted", "it is being counted"])
def test_figures_that_were_forgotten_are_counted_anew(counting, monkeypatch, ended):
    counts, there, begun, _ = counting
    kept, numbers = Remembered(counts), count(1)

    def make():
        number = next(numbers)
        begun.append(number)
        if number == 1:
            there.wait(120)
        return number

    with pytest.raises(BeingCounted):
        kept.soon("a", make)
    first = counts._jobs[id(kept), "a"]
    until(lambda: begun == [1])
    if ended:
        there.set()
        until(first.done.is_set)
    kept.forget("a")
    monkeypatch.setattr(soon, "SOON_S", 5.0)
    assert kept.soon("a", make) == 2
    assert kept.soon("a\0more", make) == 3 and kept.soon("ab", make) == 4
    there.set()
    until(first.done.is_set)
    assert kept.soon("a", make) == 2
    kept.forget("a")
    assert kept.soon("a\0more", make) == 5 and kept.soon("ab", make) == 4


def test_readers_of_other_zones_and_other_rates_get_figures_of_their_own(monkeypatch):
    told = iter([1, 1, 1, 2])
    monkeypatch.setattr(rates, "told_by", lambda office: next(told))
    zones = ("Asia/Almaty", "Europe/Moscow", "Asia/Almaty", "Asia/Almaty")
    asked = Filters(since="2026-11-26")
    names = [named(None, "news", asked.among(SimpleNamespace(zone=zone)), "sent") for zone in zones]
    assert names[0] == names[2] and len({*names}) == 3
    assert all(name.startswith("news\0") for name in names)

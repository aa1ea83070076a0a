"""Addresses in doubt: a refusal that may pass makes an address invalid the second time, on another day."""

import pytest

from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.engine.arrival import Arrival
from kaskad.engine.limits import DEAD
from support.stage import Stage, accepted, refused

CASCADE = """
cascade: news
title: News
class: service
trigger: {event: told, key: number}
reentry: parallel_by_key
steps:
  - {id: chat, channel: telegram, text: t, wait: 1h}
"""
DOUBT = Reason.DOUBTFUL_ADDRESS


class Doubts:
    """A person who is told something at each event; what the provider answers is said before."""

    def __init__(self, db):
        self.stage = Stage(db)
        self.stage.cascade(CASCADE)
        self.ann = self.stage.person("ann", [Channel.TELEGRAM])
        self.number = 0

    def told(self, reason=None):
        """One more message ends so; return the health of the address."""
        stage, self.number = self.stage, self.number + 1
        stage.answer = lambda parcel: (
            accepted(parcel, stage.clock.now())
            if reason is None
            else refused(parcel, stage.clock.now(), reason)
        )
        stage.event(self.ann, "told", number=self.number)
        return self.health()

    def health(self):
        with self.stage.db.write() as tx:
            return [row[3] for row in tx.among("look_addresses", [self.ann])]


@pytest.fixture
def doubts(either):
    return Doubts(either)


def test_one_doubt_leaves_the_address_good(doubts):
    assert doubts.told(DOUBT) == [0]
    doubts.stage.passes("P1D")
    assert doubts.health() == [0]


def test_a_second_doubt_on_the_same_day_says_no_more_than_the_first(doubts):
    assert doubts.told(DOUBT) == [0]
    doubts.stage.passes("2h")
    assert doubts.told(DOUBT) == [0]


def test_a_second_doubt_on_another_day_makes_the_address_invalid(doubts):
    doubts.told(DOUBT)
    doubts.stage.passes("P1D")
    assert doubts.told(DOUBT) == [1]


def test_what_was_taken_in_between_takes_the_doubt_away(doubts):
    doubts.told(DOUBT)
    doubts.stage.passes("P1D")
    assert doubts.told() == [0]
    doubts.stage.passes("P1D")
    assert doubts.told(DOUBT) == [0]
    doubts.stage.passes("P1D")
    assert doubts.told(DOUBT) == [1]


def test_other_failures_are_no_doubts(doubts):
    doubts.told(Reason.CONTENT)
    doubts.stage.passes("P1D")
    assert doubts.told(DOUBT) == [0]


def test_a_doubt_of_another_address_is_none_of_this(doubts):
    doubts.told(DOUBT)
    with doubts.stage.db.write() as tx:
        tx.script("UPDATE addresses SET value = '424242' WHERE channel = 2")
    doubts.stage.passes("P1D")
    assert doubts.told(DOUBT) == [0]


def test_a_doubt_is_forgotten_after_three_months(doubts):
    doubts.told(DOUBT)
    doubts.stage.passes("P100D")
    assert doubts.told(DOUBT) == [0]


def test_a_receipt_can_doubt_too(doubts):
    for number in range(2):
        doubts.told()
        doubts.stage.receipt(doubts.ann, Kind.FAILED, value='{"reason": "doubtful_address"}')
        assert doubts.health() == [number]
        doubts.stage.passes("P1D")


def test_a_service_that_finds_nobody_is_believed_no_longer(either):
    """An outage that answers "no such user" to all must not cost the shop its addresses."""
    stage = Stage(either)
    stage.cascade(CASCADE)
    people = [stage.person(f"p{number}", [Channel.TELEGRAM]) for number in range(DEAD + 12)]

    def health():
        with stage.db.write() as tx:
            return {row[0]: row[3] for row in tx.among("look_addresses", people)}

    stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.INVALID_ADDRESS)
    for person in people[: DEAD + 10]:
        stage.event(person, "told", number=1)
    assert [health()[person] for person in people] == [1] * DEAD + [0] * 12
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.event(people[-1], "told", number=1)  # it works again, and is believed
    stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.INVALID_ADDRESS)
    stage.event(people[-2], "told", number=1)
    assert [health()[person] for person in people] == [1] * DEAD + [0] * 10 + [1, 0]


def test_who_was_not_found_in_such_an_outage_is_when_another_day_says_so_too(either):
    stage = Stage(either)
    stage.cascade(CASCADE)
    people = [stage.person(f"p{number}", [Channel.TELEGRAM]) for number in range(DEAD + 1)]
    stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.INVALID_ADDRESS)
    for person in people:
        stage.event(person, "told", number=1)
    stage.passes("P1D")
    stage.event(people[-1], "told", number=2)
    with stage.db.write() as tx:
        assert [row[3] for row in tx.among("look_addresses", people[-1:])] == [1]


DEAD_SAYS = '{"reason": "invalid_address"}'


class Later:
    """A service that takes whatever it is given, and tells later what became of it."""

    def __init__(self, db, count):
        self.stage = Stage(db)
        self.stage.cascade(CASCADE)
        self.people = [self.stage.person(f"p{number}", [Channel.TELEGRAM]) for number in range(count)]
        self.stage.answer = lambda parcel: accepted(parcel, self.stage.clock.now())

    def says(self, person, kind=Kind.FAILED, number=1):
        self.stage.event(person, "told", number=number)
        self.stage.receipt(person, kind, value=DEAD_SAYS if kind is Kind.FAILED else None)

    def health(self):
        with self.stage.db.write() as tx:
            found = {row[0]: row[3] for row in tx.among("look_addresses", self.people)}
        return [found[person] for person in self.people]


def test_receipts_that_find_nobody_are_believed_no_longer_until_one_is_delivered(either):
    later = Later(either, DEAD + 6)
    for person in later.people[: DEAD + 3]:
        later.says(person)
    assert later.health() == [1] * DEAD + [0] * 6
    later.says(later.people[-3], Kind.DELIVERED)
    later.says(later.people[-2])
    assert later.health() == [1] * DEAD + [0] * 4 + [1, 0]
    later.stage.passes("P1D")
    later.says(later.people[DEAD], number=2)  # another day says so too
    assert later.health() == [1] * (DEAD + 1) + [0] * 3 + [1, 0]


def test_a_webhook_full_of_receipts_that_find_nobody_costs_no_more(either):
    later = Later(either, DEAD + 10)
    for person in later.people:
        later.stage.event(person, "told", number=1)
    dead = [_told(later, person, Kind.FAILED, DEAD_SAYS) for person in later.people]
    later.stage.deliver(arrivals=dead)
    assert sum(later.health()) == DEAD


def test_those_not_found_among_many_who_are_count_as_dead(either):
    """A tick hears much at once: what was delivered stands beside what was not."""
    later = Later(either, 3 * DEAD)
    for person in later.people:
        later.stage.event(person, "told", number=1)
    dead, rest = later.people[: DEAD + 10], later.people[DEAD + 10 :]
    later.stage.deliver(
        arrivals=[_told(later, person, Kind.FAILED, DEAD_SAYS) for person in dead]
        + [_told(later, person, Kind.DELIVERED, None) for person in rest]
    )
    assert later.health() == [1] * len(dead) + [0] * len(rest)


def test_a_few_that_are_not_found_an_hour_are_what_always_happens(either):
    later = Later(either, DEAD + 6)
    for person in later.people:
        later.says(person)
        later.stage.passes("65m")
    assert later.health() == [1] * len(later.people)


def _told(later, person, kind, value):
    parcel = next(each for each in later.stage.parcels if each.contact_id == person)
    now = later.stage.clock.now()
    return Arrival(person, parcel.run_id, parcel.step, kind.value, f"r{person}", now, value)

"""Addresses in doubt: a refusal that may pass makes an address invalid the second time, on another day."""

import pytest

from kaskad.domain.terms import Channel, Kind, Reason
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

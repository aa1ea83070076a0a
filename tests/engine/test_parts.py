"""A message that travels as several: delivered when all of its parts are, failed when one of them is."""

from itertools import permutations

import pytest
from msgspec.structs import replace

from kaskad.domain.terms import Kind, MessageState
from kaskad.engine import housekeeping
from support.stage import Stage, accepted

CASCADE = """
cascade: chain
class: transactional
topic: orders
trigger: {event: joined}
steps:
  - {id: text, channel: sms, text: A long one, success: delivered, wait: 1h}
  - {id: next, channel: email, subject: Hi, text: The next, wait: 1h}
"""
IDS = ("p1", "p2", "p3")


@pytest.fixture
def long(either):
    """Return a stage whose SMS have three parts, and one person who was sent one."""
    stage = Stage(either)
    stage.answer = lambda parcel: replace(accepted(parcel, stage.clock.now(), "p1"), parts=IDS)
    stage.cascade(CASCADE)
    ann = stage.person("ann")
    stage.event(ann, "joined")
    return stage, ann


def state(stage, contact_id):
    return MessageState.of(stage.passages(contact_id)[0].state)


@pytest.mark.parametrize("order", list(permutations(IDS)), ids="-".join)
def test_it_is_delivered_with_the_last_part_in_any_order(long, order):
    stage, ann = long
    account_id = stage.parcels[0].account_id
    for part in (order[0], order[0], order[1]):
        stage.unmatched(account_id, part, Kind.DELIVERED, f"{part} DELIVRD")
        assert state(stage, ann) is MessageState.SENT
    stage.unmatched(account_id, order[2], Kind.DELIVERED, f"{order[2]} DELIVRD")
    assert state(stage, ann) is MessageState.DELIVERED and stage.outcome(ann) == "responded"


def test_it_has_failed_when_one_part_has(long):
    stage, ann = long
    account_id = stage.parcels[0].account_id
    stage.unmatched(account_id, "p1", Kind.DELIVERED)
    stage.unmatched(account_id, "p2", Kind.FAILED)
    assert state(stage, ann) is MessageState.FAILED
    assert stage.sent(ann) == ["text", "next"]


def test_receipts_of_parts_that_are_quicker_than_the_answer_are_counted_too(either):
    stage = Stage(either)
    stage.answer = lambda parcel: None
    stage.cascade(CASCADE)
    ann = stage.person("ann")
    stage.event(ann, "joined")
    parcel = stage.parcels[0]
    stage.unmatched(parcel.account_id, "p2", Kind.DELIVERED, "p2")
    stage.unmatched(parcel.account_id, "p3", Kind.DELIVERED, "p3")
    stage.engine.take_results([replace(accepted(parcel, stage.clock.now(), "p1"), parts=IDS)])
    stage.works()
    assert state(stage, ann) is MessageState.SENT
    stage.unmatched(parcel.account_id, "p1", Kind.DELIVERED, "p1")
    assert state(stage, ann) is MessageState.DELIVERED


def test_a_part_that_crossed_the_answer_in_another_process_is_counted_later(long):
    stage, ann = long
    account_id, now = stage.parcels[0].account_id, stage.clock.now()
    with stage.db.write() as tx:
        tx.many(
            "put_orphans", [(account_id, part, now, Kind.DELIVERED.value, part, now, None) for part in IDS]
        )
    stage.clock.at += housekeeping.EVERY_MS
    stage.works()
    stage.works()
    assert state(stage, ann) is MessageState.DELIVERED

"""A message that waits for a slot is not forgotten, whoever takes it and whatever becomes of the tick."""

import pytest

from kaskad.domain.errors import Conflict
from kaskad.domain.policy import HOUR
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.engine.receive import Delivery
from kaskad.engine.world import Options
from kaskad.store import accounts as account_store
from support.stage import Stage, accepted, refused

CASCADE = """
cascade: {0}
title: Queue
class: {0}
trigger: {{event: {0}}}
goal: {{event: bought}}
steps:
  - {{id: letter, channel: email, subject: Hello, text: Hello, wait: 1d}}
"""


def test_what_loses_its_slot_to_a_better_lane_is_sent_later(db):
    stage = Stage(db, account_each={"limits": {"concurrency": 2, "per_second": 1e6, "burst": 1000}})
    stage.cascade(CASCADE.format("service"))
    stage.cascade(CASCADE.format("transactional"))
    stage.answer = lambda parcel: None  # every slot stays taken until we say otherwise
    waiting = [stage.person(f"p{n}") for n in range(6)]
    for person in waiting:
        stage.event(person, "service")
    assert len(stage.parcels) == 2
    hasty = [stage.person(f"h{n}") for n in range(4)]
    for number, person in enumerate(hasty):  # a slot falls free in the very tick in which they come
        stage.engine._results.append(accepted(stage.parcels[number], stage.clock.now()))
        stage.engine._deliveries.append(Delivery(None, events=[stage.told(person, "transactional")]))
        stage.works()
    assert [parcel.contact_id for parcel in stage.parcels[2:]] == hasty
    for number in range(4, 10):
        stage.engine.take_results([accepted(stage.parcels[number], stage.clock.now())])
        stage.works()
    assert sorted(parcel.contact_id for parcel in stage.parcels) == sorted(waiting + hasty)


def test_more_free_slots_than_a_tick_moves_runs_forget_nobody(db):
    limits = {"concurrency": 10, "per_second": 1e6, "burst": 1000}
    stage = Stage(db, options=Options(due_limit=4), account_each={"limits": limits})
    stage.cascade(CASCADE.format("service"))
    stage.answer = lambda parcel: None
    people = [stage.person(f"p{n}") for n in range(40)]
    stage.deliver(events=[stage.told(person, "service") for person in people])
    assert len(stage.parcels) == 10
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.engine.take_results([accepted(parcel, stage.clock.now()) for parcel in stage.parcels])
    stage.works()
    assert sorted(parcel.contact_id for parcel in stage.parcels) == people


def test_a_probe_that_a_rolled_back_tick_took_is_free_again(db):
    stage = Stage(db)
    stage.cascade(CASCADE.format("service"))
    ann = stage.person("ann")
    stage.world.traffic.limits[stage.world.accounts.by_name["email"].id].breaker.trip(stage.clock.now())
    stage.clock.at += HOUR
    broken = [Conflict("another process was quicker")]

    class Once:
        def run(self, *_):
            if broken:
                raise broken.pop()

    stage.engine._housekeeping = Once()
    stage.event(ann, "service")
    assert stage.sent(ann) == ["letter"]


def test_limits_that_somebody_changes_count_at_once_and_what_is_under_way_still_counts(db):
    stage = Stage(db)
    stage.cascade(CASCADE.format("service"))
    stage.answer = lambda parcel: None
    for n in range(3):
        stage.event(stage.person(f"p{n}"), "service")
    stage.account(Channel.EMAIL, "email", limits={"concurrency": 4, "per_second": 1e6, "burst": 1000})
    for n in range(3, 6):
        stage.event(stage.person(f"p{n}"), "service")
    assert len(stage.parcels) == 4


LED_ON = """
cascade: led
title: Led
class: service
trigger: {event: left}
steps:
  - {id: letter, channel: email, subject: s, text: t, success: replied, wait: 1h}
  - {id: sms, channel: sms, text: t, wait: 1h}
  - {id: offer, channel: telegram, text: t, only: branch}
branches:
  - {when: letter.clicked, go: offer}
"""


@pytest.mark.parametrize("held", [False, True])
def test_what_waits_for_a_slot_and_is_passed_by_never_goes_and_waits_no_more(either, held):
    stage = Stage(either)
    stage.account(Channel.SMS, "sms", limits={"concurrency": 1, "per_second": 1e6, "burst": 1000})
    stage.cascade(LED_ON)
    bob, ann = stage.person("bob"), stage.person("ann")
    for one in (bob, ann):
        stage.event(one, "left")
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now()) if parcel.step != 1 else None
    stage.passes("1h")
    waiting, gone = sorted((bob, ann), key=lambda one: len(stage.sent(one)))
    assert stage.states(waiting)["sms"] == "queued" and stage.states(gone)["sms"] == "submitted"
    if held:
        stage.receipt(waiting, Kind.SUSPECTED_CLICKED, step=0)
        assert stage.states(waiting)["sms"] == "created"
    stage.receipt(waiting, Kind.CLICKED, step=0)
    assert stage.states(waiting)["offer"] == "sent"
    assert stage.states(waiting)["sms"] == "cancelled", "else reports count it as waiting for ever"


def test_failures_of_one_tick_are_in_a_row_only_if_nothing_was_taken_between(db):
    """Else one in ten that fails is an outage as soon as many messages end together."""
    stage = Stage(db)
    stage.cascade(CASCADE.format("service"))
    numbers = iter(range(100))
    stage.answer = lambda parcel: (
        refused(parcel, stage.clock.now(), Reason.AMBIGUOUS, proven=False)
        if next(numbers) % 10 == 9
        else accepted(parcel, stage.clock.now())
    )
    people = [stage.person(f"p{n}") for n in range(100)]
    stage.deliver(events=[stage.told(person, "service") for person in people])
    assert len(stage.parcels) == 100
    ann = stage.person("ann")
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.event(ann, "service")
    assert stage.sent(ann) == ["letter"]


def test_who_waits_for_an_account_is_told_by_the_first_of_all_lanes(either):
    stage = Stage(either, account_each={"limits": {"concurrency": 1, "per_second": 1e6, "burst": 1000}})
    stage.answer = lambda parcel: None
    for lane in ("service", "transactional", "advertising"):
        stage.cascade(CASCADE.format(lane))
    began = stage.clock.now()
    for number, lane in enumerate(("service", "service", "transactional", "advertising")):
        stage.event(stage.person(f"p{number}"), lane)
        stage.clock.at += 1_000
    account_id = stage.world.accounts.by_name["email"].id
    assert [tuple(row) for row in stage.rows("queued_accounts")] == [(account_id, began + 1_000)]
    after = [
        stage.rows("next_queued", account_id=account_id, now=began + ms)[0][0] for ms in (0, 1_000, 3_000)
    ]
    assert after == [began + 1_000, began + 2_000, None]


def test_of_very_many_who_wait_for_an_account_no_more_are_counted_than_a_bound(either, monkeypatch):
    monkeypatch.setattr(account_store, "MOST_QUEUED", 5)
    stage = Stage(either)
    slow = stage.account(Channel.SMS, "sms", limits={"concurrency": 1, "per_second": 1e6, "burst": 1_000})
    stage.cascade(CASCADE.format("service").replace("email, subject: Hello", "sms"))
    stage.answer = lambda parcel: None
    lengths = []
    for number in range(8):
        stage.event(stage.person(f"p{number}"), "service")
        with either.read() as tx:
            lengths.append(account_store.queue_lengths(tx)[slow])
    assert lengths == [0, 1, 2, 3, 4, 5, 5, 5]

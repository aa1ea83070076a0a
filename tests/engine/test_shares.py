"""Accounts of one channel and priority share the contacts; each person keeps a sender while it works."""

from collections import Counter, defaultdict

from kaskad.domain.terms import Channel, Reason
from support.stage import Stage, accepted, refused

CASCADE = """
cascade: shared
title: Shared
class: service
trigger: {event: joined}
goal: {event: bought}
steps:
  - {id: first, channel: sms, text: "{{ contact.name }}", wait: 1h}
  - {id: second, channel: sms, text: again, wait: 1h}
  - {id: third, channel: sms, text: again, wait: 1h}
"""


def joined(stage, count=120):
    people = [stage.person(f"p{number}") for number in range(count)]
    stage.deliver(events=[stage.told(person, "joined") for person in people])
    return people


def senders(stage):
    found = defaultdict(list)
    for parcel in stage.parcels:
        found[parcel.contact_id].append(parcel.account_id)
    return found


def test_accounts_of_one_priority_share_by_weight_and_a_person_keeps_the_sender(either):
    stage = Stage(either)
    first = stage.account(Channel.SMS, "sms", weight=3)
    second = stage.account(Channel.SMS, "other", weight=1)
    backup = stage.account(Channel.SMS, "backup", priority=5, weight=9)
    stage.cascade(CASCADE)
    joined(stage)
    stage.passes("5h")
    counts = Counter(parcel.account_id for parcel in stage.parcels)
    assert len(stage.parcels) == 360 and not counts[backup]
    assert 0.57 < counts[first] / 360 < 0.93 and counts[second] == 360 - counts[first]
    assert all(len(set(own)) == 1 for own in senders(stage).values())


def test_an_account_that_fails_leaves_its_people_to_the_others_and_gets_them_back(db):
    stage = Stage(db)
    first, second = stage.account(Channel.SMS, "sms"), stage.account(Channel.SMS, "other")
    stage.account(Channel.SMS, "backup", priority=5)
    stage.cascade(CASCADE)

    def broken(parcel):
        if parcel.account_id == second:
            return refused(parcel, stage.clock.now(), Reason.AUTH)
        return accepted(parcel, stage.clock.now())

    people = joined(stage)
    belonged = {person: own[0] for person, own in senders(stage).items()}
    assert set(belonged.values()) == {first, second}
    stage.parcels.clear()
    stage.answer = broken
    stage.passes("1h")
    assert {own[-1] for own in senders(stage).values()} == {first} and len(senders(stage)) == len(people)
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.parcels.clear()
    stage.passes("1h")
    assert {person: own[-1] for person, own in senders(stage).items()} == belonged


def test_when_all_of_a_priority_are_down_the_next_one_stands_in(db):
    stage = Stage(db)
    stage.account(Channel.SMS, "sms")
    stage.account(Channel.SMS, "other")
    backup = stage.account(Channel.SMS, "backup", priority=5)
    stage.cascade(CASCADE)
    stage.answer = lambda parcel: (
        accepted(parcel, stage.clock.now())
        if parcel.account_id == backup
        else refused(parcel, stage.clock.now(), Reason.AUTH)
    )
    people = joined(stage, 20)
    stage.passes("10m")
    assert {stage.parcels[-1].account_id} == {backup}
    assert all(own[-1] == backup for own in senders(stage).values()) and len(senders(stage)) == len(people)

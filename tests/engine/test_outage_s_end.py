"""What waited for a provider that was down goes when it works again: in hours, within caps, if worth it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from kaskad.domain.policy import DAY, HOUR, MINUTE, Policy
from kaskad.domain.terms import Reason
from support.play import NOON
from support.stage import Stage, accepted, refused

EVENING = NOON + 7 * HOUR + 30 * MINUTE  # 19:30 in UTC; messages go from 9 to 21
CASCADE = """
cascade: {0}
title: Back
class: {1}
trigger: {{event: {0}}}
steps:
  - {{id: sms, channel: sms, text: t, wait: 1d}}
"""


def down(stage):
    """Let no provider be reached."""
    stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.TRANSIENT)


def up(stage):
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())


def taken(stage, since):
    """Return who was handed over since then, with when."""
    return [(parcel.contact_id, parcel.outgoing.at) for parcel in stage.parcels[since:]]


def crowd(stage, event, count=40):
    people = [stage.person(f"p{n}") for n in range(count)]
    stage.deliver(events=[stage.told(person, event) for person in people])
    return [person for person in people if not stage.run(person).holdout]


@pytest.mark.parametrize("lanes", ["service", "advertising"])
def test_what_waited_for_a_provider_that_works_again_at_night_goes_in_the_morning(either, lanes):
    stage = Stage(either, policy=Policy(), at=EVENING)
    stage.cascade(CASCADE.format("e", lanes))
    down(stage)
    people = crowd(stage, "e")
    stage.passes("90m")  # it is nine, and closed
    before = len(stage.parcels)
    up(stage)
    stage.passes("11h")
    assert taken(stage, before) == []
    stage.passes("2h")
    gone = taken(stage, before)
    opens = NOON - 3 * HOUR + DAY
    assert sorted(person for person, _ in gone) == people
    assert all(opens <= at <= opens + 31 * MINUTE for _, at in gone)
    assert {stage.states(person)["sms"] for person in people} == {"sent"}


def test_a_person_for_whom_several_messages_waited_gets_as_many_as_the_caps_allow(either):
    stage = Stage(either, policy=Policy(), at=EVENING)
    for slug in ("one", "two", "three"):
        stage.cascade(CASCADE.format(slug, "advertising"))
    down(stage)
    ann = stage.person("ann")
    for slug in ("one", "two", "three"):
        stage.event(ann, slug)
    up(stage)
    before = len(stage.parcels)
    stage.passes("30h")
    assert len(taken(stage, before)) == 1, "one run a day, and a day between two"


@pytest.mark.parametrize("hours, state", [(11, "sent"), (13, "too_late")])
def test_what_is_too_late_when_the_provider_works_again_is_passed_over(either, hours, state):
    policy = replace(Policy(), outage_skip_after_ms=2 * DAY)
    stage = Stage(either, policy=policy, at=NOON - 3 * HOUR)
    stage.cascade(CASCADE.format("e", "transactional"))
    down(stage)
    people = crowd(stage, "e", 12)
    stage.passes(f"{hours}h")
    up(stage)
    stage.passes("20m")
    assert {stage.states(person)["sms"] for person in people} == {state}


ANCHORED = """
cascade: webinar
title: Webinar
class: service
trigger: {event: signed_up}
steps:
  - {id: sms, channel: sms, text: t, at: {before: trigger.starts_at, by: 1h}}
"""


@pytest.mark.parametrize("minutes, state, outcome", [(100, "sent", None), (130, "too_late", "expired")])
def test_a_reminder_that_waited_goes_only_before_what_it_reminds_of(either, minutes, state, outcome):
    stage = Stage(either, policy=Policy(), at=NOON)
    stage.cascade(ANCHORED)
    down(stage)
    ann = stage.person("ann")
    stage.event(ann, "signed_up", starts_at="2026-06-01T14:00:00Z")
    stage.passes(f"{minutes}m")
    up(stage)
    stage.passes("15m")
    assert stage.states(ann) == {"sms": state} and stage.outcome(ann) == outcome


def test_a_step_that_waits_too_long_for_its_provider_goes_on_to_the_next(either):
    stage = Stage(either, policy=Policy(), at=NOON)
    stage.cascade(CASCADE.format("e", "service") + "  - {id: chat, channel: telegram, text: t, wait: 1d}\n")
    stage.answer = lambda parcel: (
        refused(parcel, stage.clock.now(), Reason.TRANSIENT)
        if parcel.step == 0
        else accepted(parcel, stage.clock.now())
    )
    people = crowd(stage, "e", 12)
    stage.passes("110m")
    assert {stage.states(person)["sms"] for person in people} == {"queued"}
    stage.passes("20m")
    assert all(stage.states(person) == {"sms": "provider_disabled", "chat": "sent"} for person in people)


def test_who_tries_a_provider_that_is_down_is_not_given_up_before_the_others(either):
    """Each probe is somebody's message, and mostly the same one's."""
    stage = Stage(either, policy=Policy(), at=NOON)
    stage.cascade(CASCADE.format("e", "service"))
    down(stage)
    people = crowd(stage, "e", 12)
    stage.passes("115m")
    assert max(parcel.attempt for parcel in stage.parcels) > 12
    up(stage)
    stage.passes("15m")
    assert {stage.states(person)["sms"] for person in people} == {"sent"}

"""Robot calls that nobody took are made again: another call to the service, the same step to us."""

import msgspec

from engine.test_guards import directly
from kaskad.actions import forecast
from kaskad.domain.policy import Policy, Redial
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.engine.catalog import POLICY
from kaskad.store import contacts, settings
from support.stage import Stage

CASCADE = """
cascade: calls
title: Calls
class: service
trigger: {event: joined}
goal: {event: bought}
steps:
  - {id: call, channel: robot_call, say: "{{ contact.name }}", wait: 2h}
  - {id: sms, channel: sms, text: t, wait: 2h}
"""


def begun(stage):
    stage.cascade(CASCADE)
    ann = stage.person("ann", [Channel.SMS], addresses={Channel.SMS: "+77000000001"})
    stage.event(ann, "joined")
    return ann


def ended(stage, person, code, event, **more):
    value = msgspec.json.encode({"code": code, "reason": "other", **more}).decode()
    stage.receipt(person, Kind.FAILED, event=event, value=value)


def test_a_call_that_nobody_took_is_made_again_under_a_key_of_its_own(either):
    stage = Stage(either)
    ann = begun(stage)
    ended(stage, ann, "no_answer", "c1 no-answer")
    assert stage.states(ann) == {"call": "created"} and len(stage.parcels) == 1
    stage.passes("2h")
    first, second = stage.parcels
    assert first.outgoing.key != second.outgoing.key and second.attempt == 2
    assert first.outgoing.reference == second.outgoing.reference
    ended(stage, ann, "no_answer", "c1 no-answer")  # told again: it says nothing of the second call
    assert stage.states(ann) == {"call": "sent"}
    stage.receipt(ann, Kind.ANSWERED, event="c2 completed")
    assert stage.outcome(ann) == "responded"
    assert stage.sent(ann) == ["call", "call"]


def test_after_the_last_call_the_next_step_follows_and_the_report_says_why(db):
    stage = Stage(db)
    ann = begun(stage)
    for number in range(3):
        ended(stage, ann, "busy", f"c{number} busy")
        stage.passes("16m")
    assert stage.sent(ann) == ["call"] * 3 + ["sms"]
    assert stage.passages(ann)[0].reason == Reason.BUSY.code


def test_a_number_that_does_not_exist_is_spoilt_and_not_called_again(db):
    stage = Stage(db)
    ann = begun(stage)
    ended(stage, ann, "invalid_number", "c1 failed", reason="invalid_address")
    assert stage.sent(ann) == ["call"] and stage.states(ann)["sms"] == "address_invalid"


def test_a_run_that_ends_before_the_next_call_leaves_nothing_waiting(either):
    stage = Stage(either)
    ann = begun(stage)
    ended(stage, ann, "no_answer", "c1 no-answer")
    stage.event(ann, "bought")
    assert stage.outcome(ann) == "converted" and stage.states(ann) == {"call": "failed"}
    stage.passes("1d")
    assert stage.sent(ann) == ["call"]


def test_a_call_that_cannot_be_made_again_has_failed_and_the_next_step_goes_at_once(either):
    stage = Stage(either)
    stage.cascade(CASCADE.replace("channel: sms, text: t", "channel: telegram, text: t"))
    ann = stage.person("ann", [Channel.TELEGRAM], addresses={Channel.SMS: "+77000000001"})
    stage.event(ann, "joined")
    ended(stage, ann, "no_answer", "c1 no-answer")
    with stage.db.write() as tx:
        contacts.mark_invalid(tx, [(ann, Channel.SMS, "+77000000001")], stage.clock.now())
    stage.passes("2h")
    assert stage.states(ann) == {"call": "failed", "sms": "sent"}
    assert stage.sent(ann) == ["call", "sms"]


def called(stage, people):
    """Let every other of them be busy for the first call."""
    stage.deliver(events=[stage.told(person, "joined") for person in people])
    for number, person in enumerate(people[1::2]):
        ended(stage, person, "busy", f"{person} c{number} busy")
    stage.passes("16m")
    for person in people:
        stage.receipt(person, Kind.ANSWERED, event=f"{person} completed")


def test_a_forecast_counts_calls_as_often_as_they_were_paid(db):
    """Half of the people are called twice: what that costs comes within the range that was told."""
    stage = Stage(db, account_each={"prices": {"minor": 1000, "currency": "KZT"}})
    stage.cascade(CASCADE.replace("  - {id: sms, channel: sms, text: t, wait: 2h}\n", ""))
    everybody = [
        stage.person(f"p{n}", [Channel.SMS], addresses={Channel.SMS: f"+7700000{n:04}"}) for n in range(80)
    ]
    office = directly(stage)
    assert forecast.of_typical(office, "calls").cost == {"KZT": 1_000_000}, "nothing is known yet"
    called(stage, everybody[:40])
    told = forecast.of_typical(office, "calls")
    assert told.messages == 1_000 and 1_400_000 < told.cost["KZT"] < 1_600_000
    assert told.cost_ranges["KZT"].low < 1_500_000 < told.cost_ranges["KZT"].high
    assert round(told.steps[0].each * 1_000) == told.cost["KZT"]
    called(stage, everybody[40:])
    again = forecast.of_typical(office, "calls")
    assert again.cost_ranges["KZT"].high - again.cost_ranges["KZT"].low < (
        told.cost_ranges["KZT"].high - told.cost_ranges["KZT"].low
    )
    redial = msgspec.structs.replace(Policy.unlimited(), redial=Redial(calls=1))
    with db.write() as tx:
        settings.put(tx, POLICY, redial)
    assert forecast.of_typical(office, "calls").cost == {"KZT": 1_000_000}, "none is made again any more"

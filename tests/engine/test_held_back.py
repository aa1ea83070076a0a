"""A weaker reaction postpones the next step (E2): a run knows until when as soon as its message has left."""

import pytest
from msgspec.structs import replace

from kaskad.domain.policy import HOUR, MINUTE, PerClass, Policy
from kaskad.domain.terms import Channel, Kind, Phase
from support.play import NOON
from support.scenarios import DESK
from support.stage import Stage, accepted

CASCADE = """
cascade: care
title: Care
class: service
trigger: {event: left}
steps:
  - {id: chat, channel: viber, text: t, success: clicked, wait: 1h}
  - {id: %(step)s, wait: 90m}
  - {id: letter, channel: email, subject: s, text: t, wait: 10h}
"""
SMS = "sms, channel: sms, text: t"
CALL = "call, channel: agent_call, script: Call"


@pytest.mark.parametrize(
    "step, answered",
    [(SMS, True), (SMS, False), (CALL, True)],
    ids=["taken", "the answer is lost", "a call by a person"],
)
def test_a_run_waits_at_once_until_a_reaction_lets_it_go_on(db, step, answered):
    stage = Stage(db)
    stage.account(Channel.AGENT_CALL, "agent_call", provider="desk", settings=DESK)
    stage.cascade(CASCADE % {"step": step})
    ann = stage.person("ann", [Channel.VIBER, Channel.SMS, Channel.EMAIL])
    stage.event(ann, "left")
    stage.receipt(ann, Kind.READ, event="read")
    now = stage.clock.now
    stage.answer = lambda parcel: accepted(parcel, now()) if answered else None
    stage.passes("2h")
    waits = stage.run(ann)
    assert (waits.step, waits.wake_at, waits.due_at) == (1, NOON + 4 * HOUR, NOON + 4 * HOUR)
    stage.receipt(ann, Kind.READ, step=0, event="read", ago="2h")
    again = stage.run(ann)
    assert (again.wake_at, again.due_at) == (waits.wake_at, waits.due_at)
    stage.passes("119m")
    assert "letter" not in stage.sent(ann)
    stage.passes("1m")
    assert stage.sent(ann)[-1] == "letter"


@pytest.mark.parametrize("why", ["a gap", "a full account"])
def test_what_cannot_go_at_once_waits_as_long_as_a_reaction_holds_it_back(either, why):
    full = why == "a full account"
    gap = 0 if full else 90 * MINUTE
    stage = Stage(either, policy=replace(Policy.unlimited(), min_gap_ms=PerClass(service=gap)))
    stage.account(Channel.SMS, "sms", limits={"concurrency": 1, "per_second": 1e6, "burst": 100_000})
    stage.cascade(CASCADE % {"step": SMS})
    bob, ann = (stage.person(name, [Channel.VIBER, Channel.SMS]) for name in ("bob", "ann"))
    stage.event(bob, "left")
    stage.passes("10s")  # who comes first has the account's only place
    stage.event(ann, "left")
    stage.receipt(ann, Kind.READ, event="read")
    now = stage.clock.now
    stage.answer = lambda parcel: None if full and parcel.contact_id == bob else accepted(parcel, now())
    stage.passes("1h")
    waits = stage.run(ann)
    assert (waits.step, waits.phase, waits.wake_at) == (1, Phase.ENTER, NOON + 4 * HOUR + 10_000)
    stage.receipt(ann, Kind.READ, step=0, event="read", ago="1h")
    again = stage.run(ann)
    assert (again.wake_at, again.due_at) == (waits.wake_at, waits.due_at)
    stage.engine.take_results([accepted(stage.parcels[-1], now())])  # bob's: the account has a place again
    stage.passes("179m")
    assert stage.sent(ann) == ["chat"]
    stage.passes("1m")
    assert stage.sent(ann) == ["chat", "sms"]

"""A weaker reaction postpones the next step (E2): a run knows until when as soon as its message has left."""

import pytest

from kaskad.domain.policy import HOUR
from kaskad.domain.terms import Channel, Kind
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

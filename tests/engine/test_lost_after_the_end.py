"""An answer that is lost after its run has ended, or has gone another way, is not waited for without end."""

import pytest

from kaskad.domain.terms import Channel
from kaskad.engine import merging
from support.stage import Stage

CASCADE = """
cascade: basket
title: Basket
class: service
trigger: {event: left}
goal: {event: bought, within: 7d}
steps:
  - {id: letter, channel: email, subject: s, text: t, wait: 4h}
  - {id: sms, channel: sms, text: t, wait: 2h}
"""
SMTP = {"host": "127.0.0.1", "port": "25", "security": "none", "sender": "s@example.org"}


@pytest.mark.parametrize("told", [True, False], ids=["told of deliveries", "told of nothing"])
def test_what_was_under_way_when_its_run_ended_is_unknown_after_its_time(either, told):
    stage = Stage(either)
    if not told:
        stage.account(Channel.EMAIL, "email", provider="smtp", settings=SMTP)
    stage.cascade(CASCADE)
    ann, bob = stage.person("ann"), stage.person("bob")
    stage.answer = lambda parcel: None
    stage.event(ann, "left")
    stage.event(ann, "bought")
    assert stage.outcome(ann) == "converted" and stage.states(ann) == {"letter": "submitted"}
    stage.restart()  # the answer is lost with the process
    for _ in range(5):
        stage.passes("P1D")
    assert stage.states(ann) == {"letter": "unknown"}
    stage.engine.write(lambda tx: merging.merge(tx, stage.world, bob, ann, "test", stage.clock.now()))
    stage.works()
    assert stage.outcome(bob) == "converted"

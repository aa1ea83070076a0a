"""A step that names its account is sent by that one alone."""

from kaskad.domain.terms import Channel
from support.stage import Stage

CASCADE = """
cascade: named
title: Named
class: service
trigger: {event: joined}
goal: {event: bought}
steps:
  - {id: letter, channel: email, account: second, subject: Hello, text: Hello, wait: 1d}
  - {id: chat, channel: telegram, account: gone, text: Hello, wait: 1d}
"""


def test_the_named_account_carries_the_step_and_no_other_stands_in_for_it(db):
    stage = Stage(db)
    second = stage.account(Channel.EMAIL, "second", priority=9)
    stage.account(Channel.TELEGRAM, "gone", enabled=False)
    stage.cascade(CASCADE)
    ann = stage.person("ann")
    stage.event(ann, "joined")
    assert [parcel.account_id for parcel in stage.parcels] == [second]
    stage.passes("25h")
    assert stage.states(ann)["chat"] == "provider_disabled"

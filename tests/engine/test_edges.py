"""The ends of things: an account that is gone, a stop that fails, an inbox that does not get empty."""

from kaskad.domain.terms import Reason
from support.stage import Stage, refused

CASCADE = """
cascade: plain
title: Plain
class: service
trigger: {event: joined}
goal: {event: bought}
steps:
  - {id: letter, channel: email, subject: Hello, text: Hello, wait: 1d}
  - {id: sms, channel: sms, text: Hello, wait: 1d}
"""


def test_a_message_whose_account_is_deleted_meanwhile_does_not_stop_the_engine(db):
    stage = Stage(db)
    stage.cascade(CASCADE)
    ann = stage.person("ann")
    stage.answer = lambda parcel: None
    stage.event(ann, "joined")
    gone = stage.parcels[0].account_id
    stage.world.set_accounts([a for a in stage.world.accounts.values() if a.id != gone])
    stage.engine.take_results([refused(stage.parcels[0], stage.clock.now(), Reason.AUTH)])
    stage.works()
    assert stage.states(ann)["letter"] == "queued"

"""The ends of things: an account that is gone, a stop that fails, an inbox that does not get empty."""

import threading

import pytest

from kaskad.domain.errors import StoreError, Unavailable
from kaskad.domain.terms import Reason
from kaskad.engine.receive import Delivery
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


def test_a_stop_whose_last_tick_fails_tells_all_who_wait(db, monkeypatch):
    stage = Stage(db)
    engine = stage.engine
    engine._thread = threading.Thread(target=lambda: None)
    engine._thread.start()
    delivery, write = engine.deliver(Delivery(None)), engine.write(lambda tx: None)

    def full(*args, **named):
        raise StoreError("no room")

    monkeypatch.setattr(engine, "_transact", full)
    with pytest.raises(StoreError, match="no room"):
        engine.stop()
    with pytest.raises(StoreError, match="no room"):
        delivery.result(0)
    with pytest.raises(Unavailable, match="stopping"):
        write.result(0)

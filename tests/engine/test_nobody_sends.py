"""When what carries messages is gone, they come back and go out later: intake is answered all the same."""

from kaskad.domain.errors import Unavailable
from support.stage import Stage

CASCADE = """
cascade: plain
title: Plain
class: service
trigger: {event: joined}
goal: {event: bought}
steps:
  - {id: letter, channel: email, subject: Hello, text: Hello, wait: 1d}
"""


def test_what_nobody_took_is_sent_once_somebody_does(db, monkeypatch):
    stage = Stage(db)
    stage.cascade(CASCADE)
    ann = stage.person("ann")

    def gone(parcels):
        raise Unavailable("the sending process ends as soon as it starts")

    monkeypatch.setattr(stage, "submit", gone)
    stage.event(ann, "joined")
    assert stage.sent(ann) == []
    monkeypatch.undo()
    stage.passes("10m")
    assert stage.sent(ann) == ["letter"]

"""When what carries messages is gone, they come back and go out later: intake is answered all the same."""

from kaskad.domain.errors import Unavailable
from support.plain import LETTER
from support.stage import Stage


def test_what_nobody_took_is_sent_once_somebody_does(db, monkeypatch):
    stage = Stage(db)
    stage.cascade(LETTER)
    ann = stage.person("ann")

    def gone(parcels):
        raise Unavailable("the sending process ends as soon as it starts")

    monkeypatch.setattr(stage, "submit", gone)
    stage.event(ann, "joined")
    assert stage.sent(ann) == []
    monkeypatch.undo()
    stage.passes("10m")
    assert stage.sent(ann) == ["letter"]

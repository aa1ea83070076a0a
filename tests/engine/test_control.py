"""Pausing, resuming and stopping a whole cascade, while its engine runs."""

from collections.abc import Iterator

import pytest

from kaskad.domain.errors import Conflict
from kaskad.engine import control
from support.stage import Stage

CASCADE = """
cascade: welcome
title: Welcome
class: service
trigger: {event: joined}
goal: {event: bought}
steps:
  - {id: letter, channel: email, subject: Hello, text: Hello, wait: 1d}
  - {id: sms, channel: sms, text: Hello, wait: 1d}
"""


@pytest.fixture
def stage(db) -> Iterator[Stage]:
    stage = Stage(db)
    yield stage
    stage.engine.stop(1)


def test_a_paused_cascade_sends_nothing_until_it_is_resumed(stage):
    cascade = stage.cascade(CASCADE)
    ann = stage.person("ann")
    stage.event(ann, "joined")
    stage.engine.start()
    control.pause(stage.engine, cascade)
    stage.clock.at += 86_400_000
    held = stage.engine.write(lambda tx: None)  # a tick goes by before it ends
    held.result(30)
    stage.engine.write(lambda tx: None).result(30)
    assert stage.sent(ann) == ["letter"]
    assert control.resume(stage.engine, cascade) == 1
    stage.engine.write(lambda tx: None).result(30)
    stage.engine.write(lambda tx: None).result(30)
    assert stage.sent(ann) == ["letter", "sms"]


def test_a_stopped_cascade_ends_every_run_and_is_never_entered_again(stage):
    cascade = stage.cascade(CASCADE)
    people = [stage.person(f"p{n}") for n in range(7)]
    for person in people:
        stage.event(person, "joined")
    stage.engine.start()
    assert control.stop(stage.engine, cascade) == 7
    assert {stage.outcome(person) for person in people} == {"cancelled"}
    with pytest.raises(Conflict):
        control.resume(stage.engine, cascade)

"""A date that is told anew moves what is unsent, in whatever order it is told."""

from kaskad.domain.policy import HOUR
from support.play import NOON
from support.stage import Stage

WEBINAR = """
cascade: webinar
title: Webinar
class: service
trigger: {event: signed_up, key: webinar}
steps:
  - {id: sms, channel: sms, text: t, at: {before: trigger.starts_at, by: 1h}, if: "trigger.room == 5"}
"""


def at(hours):
    return (NOON + hours * HOUR) // 1000


def signed_up(stage):
    stage.cascade(WEBINAR)
    ann = stage.person("ann")
    stage.event(ann, "signed_up", webinar=1, room=5, starts_at=at(20))
    stage.passes("2h")
    return ann


def test_a_move_that_is_told_late_does_not_undo_the_one_that_came_after_it(either):
    stage = Stage(either, at=NOON)
    ann = signed_up(stage)
    stage.event(ann, "signed_up", webinar=1, starts_at=at(40))
    stage.event(ann, "signed_up", ago="1h", webinar=1, starts_at=at(10))
    stage.passes("P2D")
    assert stage.at(ann) == [NOON + 39 * HOUR]


def test_what_was_told_before_the_person_entered_moves_nothing(either):
    stage = Stage(either, at=NOON)
    ann = signed_up(stage)
    stage.event(ann, "signed_up", ago="5h", webinar=1, room=6, starts_at=at(10))
    stage.passes("P2D")
    assert stage.at(ann) == [NOON + 19 * HOUR]


def test_of_two_moves_at_once_both_count(either):
    stage = Stage(either, at=NOON)
    ann = signed_up(stage)
    stage.event(ann, "signed_up", webinar=1, room=6)
    stage.passes("5m")
    first = stage.told(ann, "signed_up", ago="1m", webinar=1, room=5)
    stage.deliver(events=[first, stage.told(ann, "signed_up", webinar=1, starts_at=at(40))])
    stage.passes("P2D")
    assert stage.at(ann) == [NOON + 39 * HOUR]

"""Dates of contacts begin runs: each once, at their hour, also after a stop, by pieces, on both databases."""

from datetime import UTC, datetime

import pytest

from kaskad.engine import dated as module
from support.stage import Stage

AT = int(datetime(2027, 5, 16, 12, tzinfo=UTC).timestamp() * 1000)
BIRTHDAY = """
cascade: birthday
title: Birthday
class: service
trigger: {date: birthday, every: year, at: "09:00", if: not contact.silent}
steps: [{id: card, channel: sms, text: "{{ trigger.years }} on {{ trigger.date }}", wait: 1d}]
"""
ENDS = """
cascade: ends
title: Ends
class: service
trigger: {date: ends}
steps:
  - {id: week, channel: email, at: {before: contact.ends, by: 7d}, subject: s, text: a}
  - {id: three, channel: telegram, at: {before: contact.ends, by: 3d}, text: b}
  - {id: last, channel: sms, at: {before: contact.ends, by: 1d}, text: c}
"""


def people(stage, **dates):
    return {
        name: stage.person(name, zone=zone, attributes={"birthday": text} if text else {})
        for name, (text, zone) in dates.items()
    }


def when(stage, who):
    return [datetime.fromtimestamp(at / 1000, UTC).strftime("%m-%dT%H:%M") for at in stage.at(who)]


def test_everybody_is_met_at_nine_by_their_own_clock_once_a_year(either, monkeypatch):
    monkeypatch.setattr(module, "PIECE", 2)
    stage = Stage(either, at=AT)
    stage.cascade(BIRTHDAY)
    who = people(
        stage, ann=("1990-05-17", "UTC"), bob=("1985-05-17", "Asia/Almaty"), eve=("1990-05-18", "UTC"),
        tom=("1990-06-17", "UTC"), liz=("", "UTC"), max=("17 May", "UTC"), kit=("2001-05-17", None),
    )  # fmt: skip
    sue = stage.person("sue", attributes={"birthday": "1990-05-17", "silent": True})
    stage.passes("PT20H")
    stage.restart()  # looks again at the same day, and begins nothing twice
    stage.passes("PT28H")
    found = {name: when(stage, contact) for name, contact in who.items()}
    assert found == {
        "ann": ["05-17T09:00"], "bob": ["05-17T04:00"], "eve": ["05-18T09:00"], "tom": [], "liz": [],
        "max": [], "kit": ["05-17T09:00"],
    }  # fmt: skip
    assert stage.sent(sue) == []
    text = stage.parcels[0].outgoing.text
    assert stage.parcels[0].contact_id == who["bob"] and text == "42 on 2027-05-17"
    assert {reason for _, reason in stage.world.work.refusals} == {"trigger condition"}


@pytest.mark.parametrize("lateness", ["", "max_lateness: 1mo"])
def test_what_a_stop_has_missed_is_made_up_within_the_lateness(db, lateness):
    stage = Stage(db, at=AT)
    stage.cascade(BIRTHDAY + lateness)
    who = people(stage, ann=("1990-05-17", "UTC"), late=("1990-05-17", "Pacific/Auckland"))
    stage.sleeps("PT27H")  # it is 15:00, six hours late; in Auckland it was over yesterday
    stage.restart()
    stage.passes("2h")
    assert when(stage, who["ann"]) == ["05-17T15:00"]
    assert when(stage, who["late"]) == (["05-17T15:00"] if lateness else [])


def test_a_product_ends_with_three_steps_and_late_comers_get_what_is_left(either):
    stage = Stage(either, at=AT)
    stage.cascade(ENDS)
    ann = stage.person("ann", attributes={"ends": "2027-05-27"})
    late = stage.person("late", attributes={"ends": "2027-05-18"})
    over = stage.person("over", attributes={"ends": "2027-05-16"})
    stage.passes("P12D")
    assert stage.sent(ann) == ["week", "three", "last"]
    assert stage.sent(late)[-1:] == ["last"] and len(stage.runs(late)) == 1
    assert stage.runs(over) == []
    assert when(stage, ann)[0] == "05-20T00:00"


def test_a_date_that_moves_begins_another_run(db):
    stage = Stage(db, at=AT)
    stage.cascade(
        BIRTHDAY.replace("every: year, ", "").replace("trigger: {", "reentry: {after_finish: 1d}\ntrigger: {")
    )
    ann = stage.person("ann", attributes={"birthday": "2027-05-17"})
    stage.passes("P2D")
    stage.person("ann", attributes={"birthday": "2027-05-25"})
    stage.passes("P10D")
    assert when(stage, ann) == ["05-17T09:00", "05-25T09:00"]


@pytest.mark.parametrize("cascade", ["stopped", "paused"])
def test_a_cascade_that_is_not_active_begins_nothing(db, cascade):
    stage = Stage(db, at=AT)
    number = stage.cascade(BIRTHDAY)
    ann = people(stage, ann=("1990-05-17", "UTC"))["ann"]
    stage.pause(number, cascade)
    stage.passes("P3D")
    assert stage.runs(ann) == [] and stage.world.versions.dated == []

"""Rules by which goals are shared out, to the values of the field; and which messages count."""

import pytest

from kaskad.actions.attribution import attribute
from kaskad.actions.office import Office
from kaskad.analytics.attribution import RULES, decay, first, last, linear, position
from kaskad.domain.policy import Policy
from kaskad.domain.terms import Channel, Kind
from kaskad.store.db import open_database
from kaskad.store.migrate import upgrade
from support.stage import VAULT, Stage

DAY = 86_400_000
TEXT = """
cascade: {slug}
title: T
class: service
holdout: 0%
trigger: {{event: {event}}}
goal: {{event: bought, within: 7d}}
steps:
  - {{id: letter, channel: email, subject: s, text: t, wait: 1d}}
  - {{id: chat, channel: telegram, text: t, wait: 1d}}
"""


def test_the_rules_are_those_of_the_field():
    ages = [14 * DAY, 7 * DAY, 0]
    assert first(ages) == [1, 0, 0] and last(ages) == [0, 0, 1]
    assert linear(ages) == pytest.approx([1 / 3] * 3)
    assert position(ages) == [0.4, 0.2, 0.4] and position([5, 4, 3, 2]) == [0.4, 0.1, 0.1, 0.4]
    assert position([5, 4]) == [0.5, 0.5] and position([5]) == [1.0]
    assert decay(ages) == pytest.approx([1 / 7, 2 / 7, 4 / 7])
    for rule in RULES.values():
        for touches in range(1, 9):
            assert sum(rule([DAY * each for each in range(touches, 0, -1)])) == pytest.approx(1)


def test_goals_are_shared_out_among_what_had_arrived_in_time(tmp_path):
    db = open_database(str(tmp_path / "kaskad.db"))
    upgrade(db)
    stage = Stage(db, policy=Policy.unlimited())
    office = Office(db, VAULT, stage.engine, stage.world.signer, "")
    stage.cascade(TEXT.format(slug="one", event="left"))
    stage.cascade(TEXT.format(slug="two", event="asked"))
    ann, bob, carl = (stage.person(name) for name in ("ann", "bob", "carl"))
    began = stage.clock.now()
    for person in (ann, bob, carl):
        stage.event(person, "left")
        stage.receipt(person, Kind.DELIVERED)
    stage.passes("25h")
    for person in (ann, bob):  # carl's chat never arrives
        stage.receipt(person, Kind.DELIVERED, step=1)
    stage.event(ann, "asked")  # a letter of the other cascade, and the order is the goal of both
    stage.receipt(ann, Kind.DELIVERED)
    stage.passes("1h")
    stage.event(ann, "bought")
    stage.event(carl, "bought")
    stage.passes("9d")
    stage.event(bob, "bought")  # too late to be the goal of any run
    told = attribute(office)
    assert (told.goals, told.without, told.more) == (2, 0, False)
    lines = {(line.cascade, line.step): line for line in told.lines}
    assert lines["one", "letter"].channel == Channel.EMAIL and set(lines) == {
        ("one", "letter"), ("one", "chat"), ("two", "letter"),
    }  # fmt: skip
    assert lines["one", "letter"].goals["first"] == 2 and lines["two", "letter"].goals["last"] == 1
    assert lines["one", "letter"].goals["linear"] == pytest.approx(1 + 1 / 3)
    assert lines["one", "chat"].goals["position"] == pytest.approx(0.2)
    for rule in RULES:
        assert sum(line.goals[rule] for line in told.lines) == pytest.approx(2)
    assert attribute(office, since=began, until=began + DAY).goals == 0
    assert attribute(office, since=began, within_days=1).without == 1  # carl's letter went 26 hours before
    db.close()

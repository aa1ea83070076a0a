"""Rules by which goals are shared out, to the values of the field; and which messages count."""

import numpy as np
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


def test_goals_after_the_same_messages_are_each_shared_out_by_their_own_ages(tmp_path):
    db = open_database(str(tmp_path / "kaskad.db"))
    upgrade(db)
    stage = Stage(db, policy=Policy.unlimited())
    office = Office(db, VAULT, stage.engine, stage.world.signer, "")
    stage.cascade(TEXT.format(slug="one", event="left"))
    people = [stage.person(name) for name in ("ann", "bob")]
    for person in people:
        stage.event(person, "left")
        stage.receipt(person, Kind.DELIVERED)
    stage.passes("25h")
    for person in people:
        stage.receipt(person, Kind.DELIVERED, step=1)
    bought = []
    for person, waits in zip(people, ("1h", "3d"), strict=True):
        stage.passes(waits)
        bought.append(stage.clock.now())
        stage.event(person, "bought")
    stage.passes("1h")
    with db.write() as tx:  # bob's letter went two days earlier
        tx.script(
            "UPDATE messages SET submitted_at = submitted_at - 172800000, sent_at = sent_at - 172800000"
            f" WHERE contact_id = {people[1]} AND step = 0"
        )
    expected = np.zeros(2)
    for person, at in zip(people, bought, strict=True):
        with db.read() as tx:
            sent = sorted(row[2] for row in tx.among("arrived_touches", [person], since=0))
        expected += decay([at - each for each in sent])
    told = attribute(office)
    lines = {line.step: line for line in told.lines}
    assert (told.goals, told.without) == (2, 0) and lines["letter"].touches == lines["chat"].touches == 2
    assert [lines[step].goals["decay"] for step in ("letter", "chat")] == pytest.approx(expected.tolist())
    assert lines["letter"].goals["decay"] != pytest.approx(lines["chat"].goals["linear"])
    db.close()

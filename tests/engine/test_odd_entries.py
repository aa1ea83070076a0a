"""Who makes a tick fail by an event or by entering a cascade is left out and told of; all others go on."""

from datetime import UTC, datetime

import pytest

from kaskad.domain.errors import Unavailable
from kaskad.domain.terms import Kind
from kaskad.engine import catalog, enrol, move, receive
from kaskad.engine.defects import DEFECT_MS
from kaskad.store import cascades, set_aside
from support.plain import LETTER
from support.stage import VAULT, Stage

MAY = int(datetime(2027, 5, 16, 12, tzinfo=UTC).timestamp() * 1000)
BIRTHDAY = """
cascade: birthday
title: Birthday
class: service
trigger: {date: birthday, every: year, at: "09:00"}
steps: [{id: card, channel: sms, text: "{{ trigger.years }}", wait: 1d}]
"""


def started(db, count):
    stage = Stage(db)
    stage.cascade(LETTER)
    people = [stage.person(f"p{n}") for n in range(count)]
    for who in people:
        stage.event(who, "joined")
    return stage, people


def test_events_that_cannot_be_kept_are_told_each_and_all_others_of_the_request_count(either, monkeypatch):
    stage, people = started(either, 9)
    odd = {people[0], people[4], people[5]}
    real = receive.find_contact

    def failing(tx, ref):
        if ref.id in odd:
            raise KeyError("zone")
        return real(tx, ref)

    monkeypatch.setattr(receive, "find_contact", failing)
    told = [stage.told(who, "bought") for who in people]
    taken = stage.deliver(events=[*told, stage.told(10**9, "bought")]).result()
    assert [None if told is None else "KeyError" in told for told in taken[:-1]] == [
        True if who in odd else None for who in people
    ]
    assert taken[-1].startswith("no such contact")
    assert {stage.outcome(who) for who in people if who not in odd} == {"converted"}
    assert not any(stage.outcome(who) for who in odd)
    alone = stage.deliver(events=[told[0]])
    assert isinstance(alone.exception(), Unavailable), "nothing of the request counts: it is told again"
    monkeypatch.undo()
    assert stage.deliver(events=told).result() == [None] * 9
    assert {stage.outcome(who) for who in people} == {"converted"}


def test_a_request_of_which_very_many_events_cannot_be_kept_is_told_again_whole(db, monkeypatch):
    stage, (ann, bob) = started(db, 2)
    real = receive.find_contact

    def failing(tx, ref):
        if ref.id == ann:
            raise KeyError("zone")
        return real(tx, ref)

    monkeypatch.setattr(receive, "find_contact", failing)
    told = [stage.told(who, "bought") for who in [bob, *[ann] * 150]]
    taken = stage.deliver(events=told)
    assert isinstance(taken.exception(), Unavailable)
    monkeypatch.undo()
    assert stage.deliver(events=told).result() == [None] * 151
    assert [stage.outcome(who) for who in (ann, bob)] == ["converted"] * 2


def entries(stage):
    with stage.db.read() as tx:
        return set_aside.page(tx, after=0, limit=1_000)


def keep_from_entering(monkeypatch, odd):
    real = enrol._insert

    def insert(tx, world, rows, *rest):
        if any(row[0] in odd for row in rows):
            raise KeyError("slot")
        real(tx, world, rows, *rest)

    monkeypatch.setattr(enrol, "_insert", insert)


def launched(stage, cascade, pace=0):
    with stage.db.write() as tx:
        version_id = cascades.cascade(tx, cascade).version_id
        return cascades.launch(tx, version_id, None, pace, stage.clock.now())


def test_who_cannot_enter_by_a_launch_is_set_aside_and_all_others_enter(either, monkeypatch):
    stage = Stage(either)
    cascade = stage.cascade(LETTER)
    people = [stage.person(f"p{n}") for n in range(9)]
    odd, others = {people[2], people[8]}, [who for n, who in enumerate(people) if n not in (2, 8)]
    keep_from_entering(monkeypatch, odd)
    launched(stage, cascade)
    stage.passes("10m")
    assert all(stage.sent(who) == ["letter"] for who in others)
    assert {each.contact_id for each in entries(stage)} == odd and not any(stage.runs(who) for who in odd)
    assert all(each.word == "enters" and "KeyError" in each.defect for each in entries(stage))
    assert stage.world.work.entries_set_aside == 2 and not stage.world.work.resting, "the launch goes on"
    stage.engine.write(set_aside.retry)
    stage.works()
    assert len(entries(stage)) == 2, "it fails again"
    monkeypatch.undo()
    stage.engine.write(set_aside.retry)
    stage.works()
    assert all(stage.sent(who) == ["letter"] and len(stage.runs(who)) == 1 for who in people)
    assert not entries(stage)


@pytest.mark.parametrize("ended", ["cascade", "launch"])
def test_nobody_enters_by_what_was_ended_while_they_were_set_aside(either, monkeypatch, ended):
    stage = Stage(either)
    cascade = stage.cascade(LETTER)
    odd = stage.person("odd")
    stage.person("later")
    keep_from_entering(monkeypatch, {odd})
    launch = launched(stage, cascade, pace=1)
    stage.passes("1m")
    monkeypatch.undo()
    assert [each.contact_id for each in entries(stage)] == [odd]
    with stage.db.write() as tx:
        if ended == "cascade":
            cascades.set_state(tx, cascade, cascades.STOPPED, stage.clock.now())
        else:
            assert cascades.stop_launch(tx, cascade, launch)
        catalog.load(tx, VAULT, stage.world)
        set_aside.retry(tx)
    stage.works()
    assert not stage.runs(odd) and not entries(stage)


def test_a_launch_that_nobody_can_enter_rests_as_a_whole(db, monkeypatch):
    stage = Stage(db)
    cascade = stage.cascade(LETTER)
    people = [stage.person(f"p{n}") for n in range(120)]
    keep_from_entering(monkeypatch, set(people))
    launched(stage, cascade)
    stage.passes("1m")
    assert stage.world.work.resting and not entries(stage)
    monkeypatch.undo()
    stage.passes("1h")
    assert all(stage.sent(who) == ["letter"] for who in people)


def test_whose_date_cannot_begin_a_run_is_set_aside_and_enters_later_with_it(either, monkeypatch):
    stage = Stage(either, at=MAY)
    stage.cascade(BIRTHDAY)
    people = [stage.person(f"p{n}", attributes={"birthday": "1990-05-17"}) for n in range(4)]
    odd = people[1]
    keep_from_entering(monkeypatch, {odd})
    stage.passes("PT23H")
    assert all(len(stage.runs(who)) == 1 for who in people if who != odd) and not stage.runs(odd)
    assert [each.contact_id for each in entries(stage)] == [odd]
    monkeypatch.undo()
    stage.engine.write(set_aside.retry)
    stage.passes("2h")
    assert len(stage.runs(odd)) == 1 and not entries(stage)
    (told,) = stage.rows_among("run_data_of", [odd])
    assert told[2] == "birthday 2027-05-17" and "2027-05-17" in told[3], "what the date has told is kept"


def test_a_run_that_cannot_be_decided_about_keeps_the_guard_of_its_message(either, monkeypatch):
    stage = Stage(either)
    stage.cascade(LETTER)
    stage.answer = lambda parcel: None
    ann = stage.person("ann")
    stage.event(ann, "joined")
    guard_at = stage.run(ann).wake_at
    with monkeypatch.context() as failing:
        failing.setattr(move, "settle", lambda *_: 1 / 0)
        stage.receipt(ann, Kind.CLICKED)
    assert stage.run(ann).wake_at == guard_at < stage.clock.now() + DEFECT_MS
    stage.passes("2m")
    assert stage.outcome(ann) == "responded", "not after an hour"


def test_what_a_failed_try_has_noted_in_memory_is_forgotten(db):
    """Its rows are undone with it: a decision must not refer to them."""
    stage = Stage(db)
    known = stage.world.work.known_inputs

    def fails(tx):
        known["a row of this try"] = 1
        raise KeyError("zone")

    with pytest.raises(KeyError):
        stage.engine._containment._undone(fails)
    assert not known

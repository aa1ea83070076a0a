"""Who makes a tick fail by an event or by entering a cascade is left out and told of; all others go on."""

from kaskad.domain.errors import Unavailable
from kaskad.engine import receive
from support.stage import Stage

CASCADE = """
cascade: plain
title: Plain
class: service
trigger: {event: joined}
goal: {event: bought}
steps:
  - {id: letter, channel: email, subject: Hello, text: Hello, wait: 1d, success: opened}
"""


def started(db, count):
    stage = Stage(db)
    stage.cascade(CASCADE)
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
    told = [stage.told(who, "bought") for who in [bob, *[ann] * 300]]
    taken = stage.deliver(events=told)
    assert isinstance(taken.exception(), Unavailable)
    monkeypatch.undo()
    assert stage.deliver(events=told).result() == [None] * 301
    assert [stage.outcome(who) for who in (ann, bob)] == ["converted"] * 2

"""Events for subscribers are written with what they tell of, once each, and only where one subscribed."""

from datetime import datetime, timedelta

import msgspec
import pytest

from kaskad.domain.terms import Kind, Reason
from kaskad.engine import announce
from kaskad.engine.outbox import EventType
from kaskad.store import webhooks
from kaskad.store.webhooks import Secret
from support.stage import VAULT, Stage, accepted, refused

CASCADE = """
cascade: told
title: Told
class: service
trigger: {event: joined}
goal: {event: bought}
steps:
  - {id: letter, channel: email, subject: Hello, text: "See {{ link('https://example.org') }}", wait: 1d}
  - {id: chat, channel: telegram, text: Hello, wait: 1d}
"""
ALL = [kind.value for kind in EventType]


def subscribe(stage: Stage, *types: str) -> int:
    with stage.db.write() as tx:
        number = webhooks.add(
            tx, VAULT, "https://example.org/", "", types or ALL, [Secret("whsec_")], True, 1
        )
    stage.engine._load()
    return number


def told(stage: Stage) -> list[dict[str, object]]:
    """Return the bodies for the subscribers, in the order of the outbox, and keep them as deliveries."""
    with stage.db.write() as tx:
        known = webhooks.all_webhooks(tx, VAULT)
        piece = announce.word(tx, stage.world, known, 5)
        announce.keep(tx, piece)
        assert tx.all("outbox", limit=10) == []
    return [msgspec.json.decode(row[3]) for row in piece.deliveries]


def kept(stage: Stage, webhook_id: int) -> list[str]:
    with stage.db.read() as tx:
        return [one.type for one in webhooks.listing(tx, webhook_id, 0, 100)]


def test_an_event_that_cannot_be_worded_keeps_no_other_from_being_told(db, monkeypatch):
    stage = Stage(db)
    stage.cascade(CASCADE)
    subscribe(stage, "run.entered")
    people = [stage.person(name) for name in ("ann", "bob", "cid")]
    for who in people:
        stage.event(who, "joined")
    real, bad = announce._body, people[1]

    def body(row, world):
        if row[2] == bad:
            raise ValueError("year 0 is out of range")
        return real(row, world)

    monkeypatch.setattr(announce, "_body", body)
    monkeypatch.setattr(announce, "PIECE", 1)
    unworded = set()
    found = []
    for _ in range(4):
        with db.write() as tx:
            piece = announce.word(tx, stage.world, webhooks.all_webhooks(tx, VAULT), 5, unworded)
            announce.keep(tx, piece)
        unworded.update(piece.unworded)
        found += [msgspec.json.decode(row[3])["data"]["contact"]["external_id"] for row in piece.deliveries]
    assert found == ["ann", "cid"]
    monkeypatch.undo()
    assert [one["data"]["contact"]["external_id"] for one in told(stage)] == ["bob"], "it is not lost"


def test_nothing_is_written_where_nobody_subscribed(db):
    stage = Stage(db)
    stage.cascade(CASCADE)
    stage.event(stage.person("ann"), "joined")
    stage.passes("3d")
    assert stage.world.outbox is None
    assert stage.rows("outbox", limit=10) == []


def test_a_whole_run_is_told(db):
    stage = Stage(db)
    stage.cascade(CASCADE)
    number = subscribe(stage)
    ann = stage.person("ann")
    stage.event(ann, "joined")
    stage.passes("25h")
    stage.passes("25h")
    found = told(stage)
    assert [one["type"] for one in found] == [
        "run.entered", "message.sent", "message.sent", "run.finished",
    ]  # fmt: skip
    entered, letter, chat, finished = (one["data"] for one in found)
    assert entered["contact"] == {"id": f"con_{ann}", "external_id": "ann"}
    assert (entered["cascade"], entered["holdout"]) == ("told", False)
    assert (letter["step"], letter["channel"]) == ("letter", "email")
    assert (chat["step"], chat["channel"]) == ("chat", "telegram")
    assert (finished["outcome"], finished["run"], finished["late"]) == ("exhausted", entered["run"], False)
    assert all(str(one["timestamp"]).endswith("Z") for one in found)
    assert len(kept(stage, number)) == 4


def test_a_reaction_is_told_once_however_often_it_is_reported_and_a_machine_never(db):
    stage = Stage(db)
    stage.cascade(CASCADE)
    number = subscribe(stage, "message.reacted", "run.finished")
    ann = stage.person("ann")
    stage.event(ann, "joined")
    for _ in range(2):
        stage.receipt(ann, Kind.OPENED)
        stage.receipt(ann, Kind.MACHINE_CLICKED)
        told(stage)
    stage.receipt(ann, Kind.CLICKED)
    stage.receipt(ann, Kind.CLICKED, event="another")
    told(stage)
    assert sorted(kept(stage, number)) == ["message.reacted", "message.reacted", "run.finished"]


def test_a_failure_is_told_with_its_reason(db):
    stage = Stage(db)
    stage.cascade(CASCADE)
    subscribe(stage, "message.failed")
    stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.CONTENT)
    stage.event(stage.person("ann"), "joined")
    stage.works()
    data = told(stage)[0]["data"]
    assert (data["how"], data["reason"], data["detail"]) == ("rejected", "content", "refused")


def test_sent_is_told_when_a_receipt_says_so_where_taking_is_only_queueing(db):
    stage = Stage(db)
    stage.cascade(CASCADE)
    subscribe(stage, "message.sent")
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now(), kind=None)
    ann = stage.person("ann")
    stage.event(ann, "joined")
    stage.works()
    assert told(stage) == []
    stage.receipt(ann, Kind.SENT)
    assert [one["type"] for one in told(stage)] == ["message.sent"]


def test_a_no_is_told_with_its_scope(db):
    stage = Stage(db)
    stage.cascade(CASCADE)
    subscribe(stage, "contact.opted_out", "run.finished")
    ann = stage.person("ann")
    stage.event(ann, "joined")
    stage.receipt(ann, Kind.UNSUBSCRIBED, value='{"scope": "all"}')
    found = {str(one["type"]): one["data"] for one in told(stage)}
    assert found["contact.opted_out"]["scope"] == "all"
    assert found["run.finished"]["outcome"] == "opted_out"


def test_a_run_that_another_replaces_is_told(db):
    stage = Stage(db)
    stage.cascade(CASCADE.replace("goal:", "reentry: restart\ngoal:"))
    subscribe(stage, "run.finished")
    ann = stage.person("ann")
    stage.event(ann, "joined")
    stage.passes("1h")
    stage.event(ann, "joined")
    assert [one["data"]["outcome"] for one in told(stage)] == ["superseded"]


def test_a_later_goal_gives_the_run_another_outcome(db):
    stage = Stage(db)
    stage.cascade(CASCADE)
    subscribe(stage, "run.finished")
    ann = stage.person("ann")
    stage.event(ann, "joined")
    stage.passes("3d")
    stage.event(ann, "bought")
    ends = told(stage)
    assert [one["data"]["outcome"] for one in ends] == ["exhausted", "converted"]
    first, second = (datetime.fromisoformat(str(one["timestamp"])) for one in ends)
    assert second - first == timedelta(days=1), "who goes by the timestamp knows which came last"


@pytest.mark.parametrize("types", [("run.entered",), ("message.sent", "message.failed")])
def test_only_what_is_subscribed_is_written(db, types):
    stage = Stage(db)
    stage.cascade(CASCADE)
    subscribe(stage, *types)
    stage.event(stage.person("ann"), "joined")
    stage.passes("3d")
    assert {row[5] for row in stage.rows("outbox", limit=100)} <= set(types)

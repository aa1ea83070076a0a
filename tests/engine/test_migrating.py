"""Scenario 14: a cascade is edited while runs are under way; they go on in the new version by a command."""

from types import SimpleNamespace

from kaskad.actions import migrating, migrations
from kaskad.actions.migrating import migrate
from kaskad.actions.moves import Migration
from support.stage import Stage

OLD = """
cascade: orders
title: Orders
class: service
trigger: {event: left}
steps:
  - {id: letter, channel: email, subject: s, text: t, wait: 10h}
  - {id: sms, channel: sms, text: old, wait: 2h}
"""
CHAT = "  - {id: chat, channel: telegram, text: c, wait: 1h}\n  - {id: sms, channel: sms, text: new"
NEW = OLD.replace("  - {id: sms, channel: sms, text: old", CHAT).replace("wait: 10h", "wait: 5h")


def office(stage):
    def write(change):
        with stage.db.write() as tx:
            return change(tx)

    return SimpleNamespace(engine=stage.engine, now=stage.clock.now, read=stage.db.read, write=write,
                           reload=stage.engine._load)  # fmt: skip


def test_scenario_14_runs_go_on_in_the_new_version_and_get_nothing_twice(either):
    stage = Stage(either)
    stage.cascade(OLD)
    names = ("waits", "over", "done", "early")
    people = {name: stage.person(name) for name in names}
    stage.event(people["done"], "left")
    stage.passes("10h")  # has the SMS
    for name in ("waits", "over"):
        stage.event(people[name], "left")
    stage.passes("1h")
    stage.cascade(NEW)
    stage.event(people["early"], "left")
    at = office(stage)
    plan = migrate(at, "orders", 2, {}, dry_run=True)
    assert (plan.moved, plan.places) == (2, {"letter -> letter": 2})
    assert list(plan.stay.values()) == [1] and "'sms'" in next(iter(plan.stay))
    assert migrate(at, "orders", 2, {}, dry_run=False).moved == 2
    assert migrate(at, "orders", 2, {}, dry_run=False).moved == 0
    assert all(run.wake_at is not None for who in people.values() for run in stage.runs(who))
    stage.passes("3h")
    assert stage.sent(people["waits"]) == ["letter"], "its new clock has an hour to go"
    stage.passes("P3D")
    assert stage.sent(people["waits"]) == stage.sent(people["early"]) == ["letter", "chat", "sms"]
    assert stage.sent(people["done"]) == ["letter", "sms"]
    assert [p.outgoing.text for p in stage.parcels if p.step == 2] == ["new"] * 3
    assert stage.outcome(people["done"]) == "exhausted"


def test_a_deadline_that_has_passed_by_the_new_clock_moves_on_now_not_before(db):
    stage = Stage(db)
    stage.cascade(OLD)
    ann = stage.person("ann")
    stage.event(ann, "left")
    stage.passes("8h")
    stage.cascade(NEW)
    migrate(office(stage), "orders", 2, {}, dry_run=False)
    stage.passes("1m")
    assert stage.sent(ann) == ["letter", "chat"]
    assert stage.at(ann)[1] >= stage.at(ann)[0] + 8 * 3_600_000


def test_a_move_in_the_background_goes_through_all_stretches_until_it_is_stopped(either, monkeypatch):
    monkeypatch.setattr(migrating, "PIECE", 1)
    monkeypatch.setattr(migrations, "PIECES", 1)
    stage = Stage(either)
    stage.cascade(OLD)
    for name in ("a", "b", "c"):
        stage.event(stage.person(name), "left")
    stage.passes("1h")
    stage.cascade(NEW)
    stopping = Migration("mig_1", "orders", 2, 3, is_stopping=True)
    assert migrations._moved(office(stage), stopping, {}) == "cancelled" and stopping.seen == 0
    made = Migration("mig_2", "orders", 2, 3)
    assert migrations._moved(office(stage), made, {}) == "done"
    assert (made.moved, made.seen, made.places) == (3, 3, {"letter -> letter": 3})

"""Who enters, and once: re-entry rules (E13), trigger conditions, goals by key (E10), broadcasts."""

from __future__ import annotations

import pytest

from kaskad.domain.errors import Conflict
from kaskad.domain.terms import Kind, MessageState, Outcome, Reason
from kaskad.engine.sums import Sums
from kaskad.engine.world import Options
from kaskad.store import cascades, segments
from kaskad.store import runs as run_store
from support.play import NOON
from support.stage import Stage, refused

HEAD = """
cascade: basket
title: Basket
class: service
trigger: {event: left, key: cart_id}
goal: {event: bought, match: {cart_id: trigger.cart_id}, within: 7d}
"""
STEPS = """
steps:
  - {id: sms, channel: sms, text: t, wait: 2h}
  - {id: chat, channel: telegram, text: t, wait: 2h}
"""


def outcomes(stage, contact_id):
    return [None if run.outcome is None else Outcome.of(run.outcome).value for run in stage.runs(contact_id)]


def entered(db, rule=""):
    stage = Stage(db)
    stage.cascade(HEAD + rule + STEPS)
    ann = stage.person("ann")
    stage.event(ann, "left", cart_id=1)
    return stage, ann


def test_a_second_event_while_the_run_is_live_is_passed_over(either):
    stage, ann = entered(either)
    stage.event(ann, "left", cart_id=2)
    refused = stage.world.work.refusals[stage.run(ann).cascade_id, "already in"]
    assert len(stage.runs(ann)) == 1 and refused == 1


def test_a_refusal_counts_once_where_its_tick_is_repeated(either, monkeypatch):
    stage, ann = entered(either)
    write, undone = Sums.write, []

    def written(self, tx):
        if not undone:
            undone.append(tx)
            raise Conflict("another process has changed a row")
        write(self, tx)

    monkeypatch.setattr(Sums, "write", written)
    stage.event(ann, "left", cart_id=2)
    assert stage.engine.repeated == 1
    assert stage.world.work.refusals == {(stage.run(ann).cascade_id, "already in"): 1}


def test_after_the_end_the_cooldown_counts_from_the_end(either):
    stage, ann = entered(either, "reentry: {after_finish: 2d}")
    stage.passes("4h")
    stage.passes("P1D")
    stage.event(ann, "left", cart_id=2)
    assert len(stage.runs(ann)) == 1
    stage.passes("P1D")
    stage.event(ann, "left", cart_id=3)
    assert len(stage.runs(ann)) == 2


def test_once_ever_is_once_ever(db):
    stage, ann = entered(db, "reentry: once_ever")
    stage.passes("P90D")
    stage.event(ann, "left", cart_id=2)
    assert len(stage.runs(ann)) == 1


def test_a_restart_ends_the_run_before_and_cancels_what_it_had_queued(either):
    stage, ann = entered(either, "reentry: restart")
    stage.passes("1h")
    stage.event(ann, "left", cart_id=2)
    assert outcomes(stage, ann) == ["superseded", None] and stage.sent(ann) == ["sms", "sms"]
    stage.receipt(ann, Kind.CLICKED, step=0)
    assert outcomes(stage, ann) == ["superseded", "responded"]


def test_a_restart_by_the_same_key_while_the_run_is_live_is_nothing(db):
    stage, ann = entered(db, "reentry: restart")
    stage.passes("1h")
    stage.event(ann, "left", cart_id=1)
    assert outcomes(stage, ann) == [None] and stage.sent(ann) == ["sms"]


def test_restarts_in_one_tick_leave_the_last_run_and_nobody_else_waits(either):
    stage, ann = entered(either, "reentry: restart")
    bob = stage.person("bob")
    events = [(ann, 2, "2m"), (bob, 1, "2m"), (ann, 3, "1m"), (ann, 3, "0s"), (bob, 2, "0s")]
    told = [stage.told(who, "left", cart_id=cart, ago=ago) for who, cart, ago in events]
    assert not any(stage.deliver(events=told).result(0))
    assert outcomes(stage, ann) == ["superseded", "superseded", None]
    assert outcomes(stage, bob) == ["superseded", None]
    assert stage.world.work.refusals[stage.run(ann).cascade_id, "same key"] == 1
    assert stage.sent(ann) == ["sms", "sms"] and stage.sent(bob) == ["sms"], (
        "who was ended at once gets nothing"
    )


def test_a_restart_leaves_no_message_of_the_run_before_that_still_waits(either):
    """One that may have left is unknown (E6), one that has failed is not tried again."""
    own = {"settings": {"url": "https://provider.example.org/", "idempotent": "yes"}}
    stage = Stage(either, account_each=own)
    stage.cascade(HEAD + "reentry: restart" + STEPS.replace("wait: 2h", "wait: 2h, on_fail: retry"))
    ann, bob = stage.person("ann"), stage.person("bob")
    stage.event(bob, "left", cart_id=1)
    stage.receipt(bob, Kind.FAILED)
    stage.answer = lambda parcel: refused(
        parcel, stage.clock.now(), Reason.AMBIGUOUS, proven=False, retry_after_ms=600_000
    )
    stage.event(ann, "left", cart_id=1)
    assert [stage.states(one) for one in (ann, bob)] == [{"sms": "queued"}, {"sms": "created"}]
    stage.deliver(events=[stage.told(one, "left", cart_id=2) for one in (ann, bob)])
    for one, state in ((ann, MessageState.UNKNOWN), (bob, MessageState.FAILED)):
        first = stage.runs(one)[0]
        with stage.db.write() as tx:
            told = run_store.passages(tx, [first], ())[0][one, first.id]
        assert outcomes(stage, one) == ["superseded", None]
        assert MessageState.of(told[0].state) is state


def test_restarts_that_wait_in_the_inbox_are_all_taken(either):
    stage, ann = entered(either, "reentry: restart")
    intake = Stage(either, options=Options(base_url="https://go.example.org", moves=False))
    for cart in (2, 3):  # told while nobody moves runs
        intake.deliver(events=[stage.told(ann, "left", cart_id=cart)])
    stage.works()
    assert outcomes(stage, ann) == ["superseded", "superseded", None]


def test_parallel_runs_by_key_each_with_its_own_goal(either):
    stage, ann = entered(either, "reentry: parallel_by_key")
    stage.event(ann, "left", cart_id=2)
    stage.event(ann, "left", cart_id=1)
    assert len(stage.runs(ann)) == 2
    stage.event(ann, "bought", cart_id=2)
    assert outcomes(stage, ann) == [None, "converted"]


def test_a_goal_with_another_key_or_before_the_run_is_no_goal(db):
    stage, ann = entered(db)
    stage.event(ann, "bought", cart_id=9)
    stage.event(ann, "bought", cart_id=1, ago="1h")
    assert outcomes(stage, ann) == [None]
    stage.event(ann, "bought", cart_id=1)
    assert outcomes(stage, ann) == ["converted"]


def test_one_goal_ends_the_runs_of_all_cascades_that_want_it(db):
    stage = Stage(db)
    stage.cascade(HEAD + STEPS)
    stage.cascade(HEAD.replace("basket", "other") + STEPS)
    ann = stage.person("ann")
    stage.event(ann, "left", cart_id=1)
    stage.event(ann, "bought", cart_id=1)
    assert outcomes(stage, ann) == ["converted", "converted"]


def test_the_same_event_told_again_enrols_once(either):
    stage = Stage(either)
    stage.cascade(HEAD + "reentry: restart" + STEPS)
    ann = stage.person("ann")
    for _ in range(3):
        stage.event(ann, "left", id="order-7", cart_id=1)
        stage.passes("1h")
    assert len(stage.runs(ann)) == 1


def test_a_trigger_s_condition_keeps_people_out(db):
    stage = Stage(db)
    stage.cascade(HEAD.replace("key: cart_id}", 'key: cart_id, if: "trigger.total >= 1000"}') + STEPS)
    ann = stage.person("ann")
    stage.event(ann, "left", cart_id=1, total=500)
    assert stage.runs(ann) == []
    stage.event(ann, "left", cart_id=2, total=1500)
    assert len(stage.runs(ann)) == 1


def test_segments_and_lists_keep_people_out(either):
    stage = Stage(either)
    condition = 'segment("fond") and not in_list("staff") and event("left").count >= 1'
    stage.cascade(HEAD.replace("key: cart_id}", f"key: cart_id, if: '{condition}'}}") + STEPS)
    ann, bob, staff = (
        stage.person(name, attributes={"vip": name != "bob"}) for name in ("ann", "bob", "staff")
    )
    with either.write() as tx:
        segments.put(tx, "fond", 'contact.vip and reachable("sms")', NOON)
        tx.many("add_members", [(cascades.save_list(tx, "staff"), staff)])
    for person in (ann, bob, staff):
        stage.event(person, "left", cart_id=1)
    assert [len(stage.runs(person)) for person in (ann, bob, staff)] == [1, 0, 0]


def test_a_step_asks_for_a_segment_at_the_last_look(either):
    stage = Stage(either)
    steps = STEPS.replace("id: chat,", "id: chat, if: 'segment(\"silent\")',")
    stage.cascade(HEAD + steps)
    ann, bob = stage.person("ann"), stage.person("bob")
    with either.write() as tx:
        segments.put(tx, "silent", 'not event("called").count(1d)', NOON)
    for person in (ann, bob):
        stage.event(person, "left", cart_id=1)
    stage.event(bob, "called")
    stage.passes("3h")
    assert stage.states(bob)["chat"] == "condition_false" != stage.states(ann)["chat"]


def test_an_event_for_nobody_is_told_so(db):
    stage = Stage(db)
    assert "no such contact" in stage.deliver(events=[stage.told(42, "left")]).result()[0]


@pytest.mark.parametrize(("pace", "after_an_hour"), [(0, 50), (20, 21)])
def test_a_broadcast_takes_everybody_at_its_pace(db, pace, after_an_hour):
    stage = Stage(db)
    cascade = stage.cascade(HEAD.replace("{event: left, key: cart_id}", "{broadcast: everybody}").replace(
        "match: {cart_id: trigger.cart_id}, ", "") + STEPS)  # fmt: skip
    people = [stage.person(f"p{n}") for n in range(50)]
    with db.write() as tx:
        version = cascades.cascade(tx, cascade).version_id
        cascades.launch(tx, version, None, pace, NOON)
    stage.works()
    for _ in range(60):
        stage.sleeps("1m")
        stage.works()
    assert len({p.contact_id for p in stage.parcels if p.step == 0}) == after_an_hour
    assert len(people) == 50


def test_nobody_enters_a_paused_cascade_by_broadcast(db):
    stage = Stage(db)
    cascade = stage.cascade(HEAD.replace("{event: left, key: cart_id}", "{broadcast: everybody}").replace(
        "match: {cart_id: trigger.cart_id}, ", "") + STEPS)  # fmt: skip
    ann = stage.person("ann")
    stage.pause(cascade)
    with db.write() as tx:
        cascades.launch(tx, cascades.cascade(tx, cascade).version_id, None, 0, NOON)
    stage.works()
    assert stage.runs(ann) == []


def test_a_restart_in_the_same_second_takes_the_place_of_the_run_before(db):
    stage = Stage(db)
    stage.cascade(
        "cascade: again\ntitle: Again\nclass: service\nreentry: restart\n"
        "trigger: {event: joined, key: cart}\ngoal: {event: bought}\n"
        "steps: [{id: one, channel: sms, text: Hello, wait: 1d}]\n"
    )
    ann = stage.person("ann")
    for cart in range(3):
        stage.event(ann, "joined", cart=cart)
    assert [run.outcome is None for run in stage.runs(ann)] == [False, False, True]
    assert len({run.id for run in stage.runs(ann)}) == 3


def test_a_launch_of_a_paused_cascade_wakes_nobody_until_it_is_resumed(db):
    stage = Stage(db)
    cascade = stage.cascade(HEAD.replace("{event: left, key: cart_id}", "{broadcast: everybody}").replace(
        "match: {cart_id: trigger.cart_id}, ", "") + STEPS)  # fmt: skip
    people = [stage.person(f"p{n}") for n in range(3)]
    with db.write() as tx:
        cascades.launch(tx, cascades.cascade(tx, cascade).version_id, None, 1, NOON)
    stage.works()
    assert stage.engine.next_at == NOON + 3_600_000
    stage.pause(cascade)
    stage.sleeps("2h")
    stage.works()
    assert stage.engine.next_at is None or stage.engine.next_at > stage.clock.now(), "it would never rest"
    stage.pause(cascade, cascades.ACTIVE)
    stage.works()
    assert [len(stage.runs(one)) for one in people] == [1, 1, 1]

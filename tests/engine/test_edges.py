"""The ends of things: an account that is gone, a stop that fails, an inbox that does not get empty."""

import threading
from concurrent.futures import Future

import pytest
from structlog.testing import capture_logs

from kaskad.domain.errors import Conflict, StoreError, Unavailable
from kaskad.domain.terms import Kind, Phase, Reason
from kaskad.engine.arrival import Arrival
from kaskad.engine.receive import MAX_HITS, Delivery
from kaskad.engine.tick import _keep, _timers_may_fire
from kaskad.engine.world import Options
from support.plain import LETTER_AND_SMS
from support.stage import Stage, accepted, refused


def test_a_message_whose_account_is_deleted_meanwhile_does_not_stop_the_engine(db):
    stage = Stage(db)
    stage.cascade(LETTER_AND_SMS)
    ann = stage.person("ann")
    stage.answer = lambda parcel: None
    stage.event(ann, "joined")
    gone = stage.parcels[0].account_id
    stage.world.accounts.replace([a for a in stage.world.accounts.values() if a.id != gone])
    stage.engine.take_results([refused(stage.parcels[0], stage.clock.now(), Reason.AUTH)])
    stage.works()
    assert stage.states(ann)["letter"] == "queued"


def test_what_cannot_be_kept_is_refused_alone_and_the_engine_goes_on(db):
    stage = Stage(db)
    stage.cascade(LETTER_AND_SMS)
    ann = stage.person("ann")
    engine = stage.engine

    def spoilt(tx):
        "\ud800".encode()

    before = engine.deliver(Delivery(Future(), events=[stage.told(ann, "joined")]))
    odd = [engine.deliver(Delivery(Future(), acts=[spoilt])), engine.deliver(Delivery(None, acts=[spoilt]))]
    lost = engine.deliver(Delivery(None, events=[stage.told(99, "joined")]))
    after = engine.deliver(Delivery(Future(), events=[stage.told(ann, "bought")]))
    stage.works()
    assert before.result(0) == after.result(0) == [None]
    for each in (*odd, lost):  # the last shares its end with an odd one: it is told again, and counts once
        with pytest.raises(Unavailable, match="because of a defect"):
            each.result(0)
    assert stage.outcome(ann) == "converted"
    assert engine.problem() is None


def test_runs_that_a_failing_change_has_noted_as_due_are_noted_anew(db):
    stage = Stage(db)
    stage.cascade(LETTER_AND_SMS)
    ann = stage.person("ann")
    stage.event(ann, "joined")
    noted, runs = stage.world.work.noted, [(ann, stage.runs(ann)[0].id)]
    assert noted is not None

    def merges(tx):
        noted.note(runs)
        assert noted.fresh() == set(runs)
        raise Conflict("somebody else was quicker")

    failed = stage.engine.write(merges)
    stage.engine._do_writes()
    assert isinstance(failed.exception(0), Conflict)
    stage.receipt(ann, Kind.DELIVERED)  # which looks whether all is counted as it is


def test_an_engine_whose_ticks_all_conflict_says_so_and_ends(db, monkeypatch):
    stage = Stage(db)
    engine = stage.engine

    def conflicts(*args, **named):
        raise Conflict("a run changed while it was decided about")

    monkeypatch.setattr(engine, "_tick", conflicts)
    monkeypatch.setattr(engine, "_sleep", lambda more, failures: None)
    engine.start()
    engine._thread.join(30)
    assert engine.problem() == "a run changed while it was decided about"
    engine.stop()


def test_a_stop_whose_last_tick_fails_tells_all_who_wait(db, monkeypatch):
    stage = Stage(db)
    engine = stage.engine
    engine._thread = threading.Thread(target=lambda: None)
    engine._thread.start()
    delivery, write = engine.deliver(Delivery(None)), engine.write(lambda tx: None)

    def full(*args, **named):
        raise StoreError("no room")

    monkeypatch.setattr(engine, "_transact", full)
    with pytest.raises(StoreError, match="no room"):
        engine.stop()
    with pytest.raises(StoreError, match="no room"):
        delivery.result(0)
    with pytest.raises(Unavailable, match="stopping"):
        write.result(0)


def test_that_timers_go_on_with_an_old_inbox_is_told_once(db):
    stage = Stage(db, options=Options(inbox_limit=1, inbox_patience_ms=1_000, timer_patience_ms=30_000))
    began = stage.clock.now()
    with db.write() as tx:
        _keep(tx, stage.world, [Delivery(None, arrivals=[Arrival(1, 1, 0, Kind.OPENED, "e", began)])], began)

    def fires(at, backlog=True):
        with db.write() as tx:
            return _timers_may_fire(tx, stage.world, backlog, began + at)

    with capture_logs() as logs:
        assert fires(1_000) and not fires(1_001) and not fires(29_999) and logs == []
        assert fires(30_000) and fires(31_000)
        assert [(told["event"], told["age_ms"]) for told in logs] == [
            ("timers go on with an old inbox", 30_000)
        ]
        assert fires(32_000, backlog=False) and fires(33_000)
    assert [told["age_ms"] for told in logs] == [30_000, 33_000]


def test_what_comes_in_while_stopping_is_decided_about_first_after_the_next_start(either):
    stage = Stage(either)
    stage.cascade(LETTER_AND_SMS)
    ann, bob = stage.person("ann"), stage.person("bob")
    stage.answer = lambda parcel: None
    stage.event(ann, "joined")
    stage.event(bob, "joined")
    stage.passes("1s")
    now = stage.clock.now()
    stage.engine.take_results(
        [refused(stage.parcels[0], now, Reason.CONTENT), accepted(stage.parcels[1], now)]
    )
    stage.engine._tick(closing=True)
    assert len(stage.parcels) == 2
    assert stage.run(ann).wake_at == stage.run(bob).wake_at == now
    stage.restart()
    stage.works()
    assert stage.sent(ann) == ["letter", "sms"]
    assert stage.run(bob).phase == Phase.WAITING


def test_of_one_message_so_many_hits_are_kept_and_the_first_click_counts(either):
    stage = Stage(either)
    stage.cascade(LETTER_AND_SMS)
    ann, bob = stage.person("ann"), stage.person("bob")
    stage.event(ann, "joined")
    stage.event(bob, "joined")
    run = stage.run(ann)
    with capture_logs() as logs:
        stage.hits(ann, 0)
        stage.hits(ann, *[0] * (MAX_HITS - 51), method="HEAD")
        stage.hits(ann, *[0] * 70, method="HEAD")
        stage.hits(ann, *[0] * 70, method="HEAD")
        stage.hits(bob, 0)
    found = stage.rows("hits_of_message", contact_id=ann, run_id=run.id, step=0)
    assert len(found) == MAX_HITS and {row[2] for row in found} == {"GET", "HEAD"}
    assert [(told["run"], told["dropped"]) for told in logs] == [(f"run_{ann}_{run.id}", 20)]
    assert len(stage.rows("hits_of_message", contact_id=bob, run_id=stage.run(bob).id, step=0)) == 1


def test_a_late_reaction_that_comes_while_stopping_is_kept_and_counts(either):
    stage = Stage(either)
    stage.cascade(LETTER_AND_SMS)
    ann = stage.person("ann")
    stage.event(ann, "joined")
    stage.passes("3d")
    assert stage.outcome(ann) == "exhausted"
    reply = Arrival(ann, stage.run(ann).id, 1, Kind.REPLIED, "e", stage.clock.now())
    stage.engine.deliver(Delivery(None, arrivals=[reply]))
    stage.engine._tick(closing=True)
    assert stage.outcome(ann) == "responded" and stage.run(ann).late

"""A run whose data a defect of ours cannot cope with is set aside for an hour; all others go on."""

import msgspec
import pytest
from structlog.testing import capture_logs

from kaskad.domain.errors import Conflict
from kaskad.engine import move, versions
from kaskad.engine.defects import DEFECT_MS
from kaskad.engine.handover import Page
from support.plain import LETTER
from support.stage import Stage, accepted


def fail_for(monkeypatch, what, contact_id, error):
    """Let one of the functions that a run passes through raise for one contact."""
    place, name = (Page, "write") if what == "write" else (move, what)
    real = getattr(place, name)

    def failing(*args, **named):
        if args[1].contact_id == contact_id:
            raise error
        return real(*args, **named)

    monkeypatch.setattr(place, name, failing)
    if place is move:  # runs that stand alike pass through these one for all
        monkeypatch.setattr(versions, "standing", lambda *_: None)


@pytest.mark.parametrize("what", ["settle", "enter", "write"])
def test_a_defect_sets_one_run_aside_for_an_hour_and_stops_nobody_else(either, monkeypatch, what):
    stage = Stage(either)
    stage.cascade(LETTER)
    ann, bob = stage.person("ann"), stage.person("bob")
    fail_for(monkeypatch, what, ann, TypeError("ann@example.org"))
    with capture_logs() as logs:
        stage.deliver(events=[stage.told(ann, "joined"), stage.told(bob, "joined")])
    assert stage.sent(bob) == ["letter"] and stage.sent(ann) == []
    run = stage.run(ann)
    assert run.wake_at == stage.clock.now() + DEFECT_MS
    why = [
        msgspec.json.decode(row[2]) for row in stage.rows("decisions_of_run", contact_id=ann, run_id=run.id)
    ]
    assert [(told["reason"], told["detail"]) for told in why] == [("defect", "TypeError")]
    assert [told["run"] for told in logs if told["event"] == "run set aside: a defect"] == [
        f"run_{ann}_{run.id}"
    ]
    assert "ann@" not in str(logs) + str(why)
    assert all(limits.in_flight == 0 for limits in stage.world.traffic.limits.values())
    stage.passes("59m")
    assert stage.sent(ann) == []
    monkeypatch.undo()
    stage.passes("1m")
    assert stage.sent(ann) == ["letter"] and len(stage.parcels) == 2


def test_a_queued_message_that_cannot_be_written_does_not_come_up_again_and_again(db, monkeypatch):
    limits = {"concurrency": 1, "per_second": 1e6, "burst": 1000}
    stage = Stage(db, account_each={"limits": limits})
    stage.cascade(LETTER)
    stage.answer = lambda parcel: None
    bob, ann = stage.person("bob"), stage.person("ann")
    stage.event(bob, "joined")
    stage.event(ann, "joined")
    assert stage.states(ann) == {"letter": "queued"}
    fail_for(monkeypatch, "write", ann, KeyError("name"))
    stage.engine.take_results([accepted(stage.parcels[0], stage.clock.now())])
    stage.works()
    stage.works()
    assert stage.run(ann).wake_at == stage.engine.next_at == stage.clock.now() + DEFECT_MS
    assert stage.run(ann).seq == 2
    monkeypatch.undo()
    stage.passes("1h")
    assert stage.sent(ann) == ["letter"]


def test_a_change_of_another_process_is_no_defect(db, monkeypatch):
    stage = Stage(db)
    stage.cascade(LETTER)
    ann = stage.person("ann")
    fail_for(monkeypatch, "settle", ann, Conflict("changed"))
    with pytest.raises(Conflict):
        stage.event(ann, "joined")

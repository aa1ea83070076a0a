"""Nothing follows from a tick outside before it is on the disk, though the next one begins meanwhile."""

import time
from concurrent.futures import Future
from threading import Timer

import pytest

from kaskad.domain.errors import Unavailable
from kaskad.engine.receive import Delivery
from kaskad.store.db import Database
from support.plain import LETTER
from support.stage import Stage

WAIT_S = 30.0


@pytest.fixture
def stage(db: Database, disk):
    stage = Stage(db)
    stage.cascade(LETTER)
    stage.ann, stage.bob = stage.person("ann"), stage.person("bob")
    stage.engine.start()
    yield stage
    disk.release()
    stage.engine.stop()


def tells(stage, contact_id):
    return stage.engine.deliver(Delivery(Future(), events=[stage.told(contact_id, "joined")]))


def until(true):
    ends = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < ends, "it has not come"
        time.sleep(0.005)


def waiting_for(db, disk):
    """Return a stage whose first tick the disk has not kept yet, and the answer that waits for it."""
    stage = Stage(db)
    stage.cascade(LETTER)
    ann = stage.person("ann")
    stage.engine.start()
    told = tells(stage, ann)
    until(lambda: stage.runs(ann))
    assert disk.asked.wait(WAIT_S)
    return stage, told


def test_messages_and_answers_wait_for_the_disk_and_the_next_tick_does_not(stage, disk):
    first = tells(stage, stage.ann)
    until(lambda: stage.runs(stage.ann))
    assert disk.asked.wait(WAIT_S)
    second = tells(stage, stage.bob)
    until(lambda: stage.runs(stage.bob))  # a later tick has been committed
    assert stage.parcels == [] and not first.done() and not second.done()
    disk.release()
    assert first.result(WAIT_S) == [None] and second.result(WAIT_S) == [None]
    until(lambda: len(stage.parcels) == 2)
    assert [parcel.contact_id for parcel in stage.parcels] == [stage.ann, stage.bob]


def test_where_the_disk_keeps_nothing_nobody_is_written_to_and_the_engine_ends(stage, disk):
    disk.problem = OSError(5, "Input/output error")
    told = tells(stage, stage.ann)
    disk.release()
    with pytest.raises(Unavailable, match="failed \\(Input/output error\\): check it"):
        told.result(WAIT_S)
    until(lambda: stage.engine.problem())
    assert "check it, then start again" in stage.engine.problem()
    with pytest.raises(Unavailable):
        tells(stage, stage.bob).result(WAIT_S)
    assert stage.parcels == []


def test_a_defect_in_what_carries_messages_ends_the_engine(stage, disk, monkeypatch):
    def defect(parcels):
        raise ZeroDivisionError

    monkeypatch.setattr(stage, "submit", defect)
    disk.release()
    tells(stage, stage.ann)
    until(lambda: stage.engine.problem())
    assert "because of a defect: ZeroDivisionError()" in stage.engine.problem()


def test_what_the_disk_loses_while_the_engine_stops_is_told(db, disk):
    stage, told = waiting_for(db, disk)
    disk.problem = OSError(5, "Input/output error")
    with pytest.raises(Unavailable, match="check it, then start again"):
        Timer(0.2, disk.release).start()
        stage.engine.stop()
    assert "check it" in stage.engine.problem()
    with pytest.raises(Unavailable, match="check it"):
        told.result(0)
    assert stage.parcels == []


def test_who_stops_lets_out_what_was_kept(db, disk):
    stage, told = waiting_for(db, disk)
    assert stage.parcels == []
    disk.release()
    stage.engine.stop()
    assert told.result(0) == [None] and len(stage.parcels) == 1

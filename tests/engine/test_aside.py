"""What needs no turn between two ticks: on PostgreSQL it waits for no tick, and none waits for it."""

import threading
from collections.abc import Iterator

import pytest

from kaskad.domain.errors import Locked, Unavailable
from kaskad.engine.aside import Aside
from kaskad.store import settings
from kaskad.store.db import Database
from support.postgres import clear
from support.stage import Stage

WAIT_S = 30


@pytest.fixture
def shared(postgres_db: Database) -> Iterator[Database]:
    yield postgres_db
    clear(postgres_db)


def put(tx):
    settings.put(tx, "aside", 1)
    return "done"


def test_a_change_that_can_be_made_again_waits_for_no_tick_where_others_write_meanwhile(shared):
    stage = Stage(shared)
    assert stage.engine.write(put, synced=False).result(WAIT_S) == "done", "nothing ticks here"


def test_it_waits_for_its_turn_where_one_writes(db):
    stage = Stage(db)
    asked = stage.engine.write(put, synced=False)
    assert not asked.done()
    stage.works()
    assert asked.result(0) == "done"


def test_ticks_go_on_while_it_is_made(shared):
    stage = Stage(shared)
    begun, ended = threading.Event(), threading.Event()

    def long(tx):
        begun.set()
        assert ended.wait(WAIT_S)

    asked = stage.engine.write(long, synced=False)
    assert begun.wait(WAIT_S)
    turn = stage.engine.write(put)
    stage.works()
    assert turn.result(0) == "done" and not asked.done()
    ended.set()
    asked.result(WAIT_S)


def test_one_that_others_were_in_the_way_of_is_made_again(shared):
    tries = []

    def change(tx):
        tries.append(1)
        if len(tries) < 3:
            raise Locked("a deadlock")
        return put(tx)

    aside = Aside(shared)
    assert aside.write(change).result(WAIT_S) == "done" and len(tries) == 3
    aside.close()


def test_the_end_waits_for_the_one_under_way_and_refuses_all_others(shared):
    aside = Aside(shared)
    begun, ended = threading.Event(), threading.Event()

    def long(tx):
        begun.set()
        assert ended.wait(WAIT_S)
        return put(tx)

    first, second = aside.write(long), aside.write(put)
    assert begun.wait(WAIT_S)
    closing = threading.Thread(target=aside.close)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()
    ended.set()
    closing.join(WAIT_S)
    assert first.result(0) == "done"
    for refused in (second, aside.write(put)):
        with pytest.raises(Unavailable):
            refused.result(WAIT_S)

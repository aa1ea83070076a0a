"""What needs no turn between two ticks: on PostgreSQL it waits for no tick, and none waits for it."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from kaskad.domain.consent import ANY
from kaskad.domain.errors import Locked, Unavailable
from kaskad.domain.policy import HOUR
from kaskad.engine.aside import Aside
from kaskad.store import crowd, runs, settings
from kaskad.store.contacts import Consent
from kaskad.store.db import Database, Transaction
from support.plain import LETTER
from support.postgres import clear
from support.stage import HASH_KEY, Stage

WAIT_S = 30


@pytest.fixture
def shared(postgres_db: Database) -> Iterator[Database]:
    yield postgres_db
    clear(postgres_db)


def put(tx):
    settings.put(tx, "aside", 1)
    return "done"


def held(write: Callable[..., Future[str]]) -> tuple[Future[str], threading.Event]:
    """Return a change that is under way, until it is let go."""
    begun, let_go = threading.Event(), threading.Event()

    def change(tx: Transaction) -> str:
        begun.set()
        assert let_go.wait(WAIT_S)
        return put(tx)

    future = write(change)
    assert begun.wait(WAIT_S)
    return future, let_go


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
    asked, let_go = held(lambda change: stage.engine.write(change, synced=False))
    turn = stage.engine.write(put)
    stage.works()
    assert turn.result(0) == "done" and not asked.done()
    let_go.set()
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
    first, let_go = held(aside.write)
    second = aside.write(put)
    closing = threading.Thread(target=aside.close)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()
    let_go.set()
    closing.join(WAIT_S)
    assert first.result(0) == "done"
    for refused in (second, aside.write(put)):
        with pytest.raises(Unavailable):
            refused.result(WAIT_S)


def test_a_file_that_tells_of_a_no_waits_for_who_decides_about_the_person(shared):
    stage = Stage(shared)
    stage.cascade(LETTER)
    stage.event(stage.person("ann"), "joined")
    stage.clock.at += 25 * HOUR
    no = Consent(granted=False, at=2, purpose=ANY, proof="{}")
    told = crowd.Told("ann", None, None, None, None, "{}", None, (), (no,))

    def bring_in(tx: Transaction) -> crowd.Came:
        return crowd.save(tx, HASH_KEY, [told], stage.clock.now())

    with shared.write() as tx:
        assert runs.claim_due(tx, stage.clock.now(), 10)
        asked = stage.engine.write(bring_in, synced=False)
        with pytest.raises(TimeoutError):
            asked.result(0.3)
    assert asked.result(WAIT_S).new == 0

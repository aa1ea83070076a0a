"""The short way of delivery receipts ends where the long way does."""

import apsw

from kaskad.domain.run import state_of
from kaskad.domain.terms import Channel, Kind, MessageState
from kaskad.engine.arrival import Arrival
from kaskad.store.statements import statements
from support.stage import Stage

BITS = [kind for kind in Kind if kind.value <= 12]


def test_a_delivered_message_has_the_state_that_its_facts_add_up_to() -> None:
    text = statements("sqlite")["deliver_messages"].text
    db = apsw.Connection(":memory:")
    db.execute("CREATE TABLE messages (contact_id, run_id, step, mask, state)")
    masks = [
        sum(kind.bit for place, kind in enumerate(BITS) if chosen >> place & 1) for chosen in range(4096)
    ]
    rows = [(mask, mask, state_of(mask).code) for mask in masks]
    db.executemany("INSERT INTO messages VALUES (?, 1, 0, ?, ?)", rows)
    db.executemany(text, [(mask, 1, 0) for mask in masks])
    failed = {MessageState.REJECTED, MessageState.FAILED, MessageState.EXPIRED}  # these go the long way
    for before, after, state in db.execute("SELECT contact_id, mask, state FROM messages"):
        if MessageState.of(state) in failed:
            assert after == before and state_of(before).code == state
            continue
        assert after == before | Kind.DELIVERED.bit
        assert MessageState.of(state) is state_of(after), f"mask {before:b}"


def test_a_receipt_that_goes_the_long_way_takes_others_with_it_and_all_are_counted(stage: Stage) -> None:
    stage.account(Channel.EMAIL, "email")
    stage.cascade(
        "cascade: x\nclass: service\nholdout: 0%\ntrigger: {event: go}\n"
        "steps:\n  - {id: a, channel: email, subject: a, text: a, wait: 1d}\n"
    )
    well, failed = stage.person("well"), stage.person("failed")
    for person in (well, failed):
        stage.event(person, "go")
    stage.works()
    stage.receipt(failed, Kind.FAILED)
    stage.works()
    now = stage.clock.now()
    keys = [(parcel.contact_id, parcel.run_id, parcel.step) for parcel in stage.parcels]
    stage.deliver(arrivals=[Arrival(*key, Kind.DELIVERED, "late", now, None) for key in keys])
    stage.works()  # and asks whether what reports count is what the rows say
    assert stage.states(well) == {"a": "delivered"}

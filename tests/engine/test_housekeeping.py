"""The jobs that nobody waits for."""

from kaskad.domain.terms import Channel, Kind, MessageState
from kaskad.engine import housekeeping
from support.stage import Stage

CASCADE = """
cascade: quiet
title: Quiet
class: service
trigger: {event: joined}
goal: {event: bought}
steps:
  - {id: sms, channel: sms, text: Hello, wait: 1h}
"""


def test_receipts_are_given_up_piece_by_piece_until_all_contacts_have_been_looked_at(db, monkeypatch):
    monkeypatch.setattr(housekeeping, "_CONTACTS", 3)
    stage = Stage(db)
    stage.cascade(CASCADE)
    people = [stage.person(f"p{n}") for n in range(10)]
    for person in people:
        stage.event(person, "joined")
    stage.sleeps("73h")
    for _ in range(4):
        stage.clock.at += housekeeping.PIECE_MS
        stage.works()
    assert {state for person in people for state in stage.states(person).values()} == {"unknown"}


def test_a_provider_that_tells_of_no_deliveries_is_not_waited_for(db):
    stage = Stage(db)
    own = {"host": "mail.example.org", "sender": "shop@example.org"}
    stage.account(Channel.EMAIL, "email", provider="smtp", settings=own)
    stage.cascade(CASCADE.replace("channel: sms, text", "channel: email, subject: Hello, text"))
    ann = stage.person("ann")
    stage.event(ann, "joined")
    stage.sleeps("73h")
    stage.works()
    assert set(stage.states(ann).values()) == {"sent"}


def test_a_receipt_that_crossed_the_answer_in_another_process_is_matched_later(db):
    stage = Stage(db)
    stage.cascade(CASCADE)
    ann = stage.person("ann")
    stage.event(ann, "joined")
    account, run = stage.parcels[0].account_id, stage.run(ann)
    now = stage.clock.now()
    with db.write() as tx:
        tx.many("put_orphans", [(account, "x1", now, Kind.DELIVERED.value, "e", now, None)])
        tx.many("put_provider_ids", [(account, "x1", ann, run.id, 0)])
    stage.clock.at += housekeeping.EVERY_MS
    stage.works()
    stage.works()
    assert stage.passages(ann)[0].state == MessageState.DELIVERED.code
    with db.read() as tx:
        assert tx.one("any_orphans") is None

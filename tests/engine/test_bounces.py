"""Letters that come back: what of it is the address's fault, and when (domain rules 5)."""

import json

import pytest

from kaskad.actions import accounts
from kaskad.actions.alarms import alarms
from kaskad.domain.errors import Conflict, NotFound
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.engine.holds import Holds
from kaskad.store import webhooks
from kaskad.store.suppressions import address_hash, known
from kaskad.store.webhooks import Secret
from support.marked import staged
from support.stage import VAULT, Stage, refused

LETTER = """
cascade: letters
class: transactional
trigger: {event: go, key: n}
reentry: parallel_by_key
steps: [{id: letter, channel: email, subject: s, text: t, success: none, wait: 2h}]
"""
SOFT = json.dumps({"reason": "transient", "code": "4.2.2"})


@pytest.fixture
def stage(db):
    made = Stage(db)
    made.cascade(LETTER)
    made.ann = made.person("ann", [Channel.EMAIL])
    return made


def letter(stage, kind=None, value=SOFT):
    stage.event(stage.ann, "go", n=stage.clock.now())
    if kind is not None:
        stage.receipt(stage.ann, kind, value=value)
    stage.passes("1d")


def health(stage):
    return [row[3] for row in stage.rows_among("look_addresses", [stage.ann])]


@pytest.mark.parametrize("kind", [Kind.SOFT_BOUNCED, Kind.BOUNCED])
def test_soft_bounces_on_three_days_within_thirty_end_an_address(stage, kind):
    letter(stage, kind)
    letter(stage, kind)
    assert health(stage) == [0]
    letter(stage)
    letter(stage, kind)
    assert health(stage) == [1]


def test_three_on_two_days_do_not_nor_what_is_older_than_thirty_days(stage):
    stage.event(stage.ann, "go", n=1)
    stage.receipt(stage.ann, Kind.SOFT_BOUNCED, value=SOFT)
    stage.event(stage.ann, "go", n=2)
    stage.receipt(stage.ann, Kind.SOFT_BOUNCED, value=SOFT)
    stage.passes("1d")
    letter(stage, Kind.SOFT_BOUNCED)
    assert health(stage) == [0]
    stage.passes("P30D")
    letter(stage, Kind.SOFT_BOUNCED)
    assert health(stage) == [0]


def test_what_is_the_sender_s_fault_is_never_the_address_s(stage):
    for _ in range(4):
        letter(stage, Kind.BOUNCED, json.dumps({"reason": "other", "code": "5.7.1"}))
    assert health(stage) == [0]


def test_a_hard_bounce_ends_an_address_at_once(stage):
    letter(stage, Kind.BOUNCED, json.dumps({"reason": "invalid_address", "code": "5.1.1"}))
    assert health(stage) == [1]


SMS = LETTER.replace("letters", "texts").replace("email, subject: s", "sms").replace("id: letter", "id: sms")


@pytest.mark.parametrize("by_receipt", [True, False])
def test_who_refuses_such_messages_at_the_carrier_is_on_the_stop_list_for_calls_as_well(stage, by_receipt):
    stage.cascade(SMS.replace("event: go", "event: text"))
    bob = stage.person("bob", [Channel.TELEGRAM], addresses={Channel.SMS: "+77010000002"})
    if not by_receipt:
        stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.CARRIER_REFUSED)
    stage.event(bob, "text", n=1)
    if by_receipt:
        stage.receipt(bob, Kind.FAILED, value=json.dumps({"reason": "carrier_refused", "code": "4"}))
    stage.event(bob, "text", n=2)
    assert [run.outcome for run in stage.runs(bob)] == [4, 4] and len(stage.parcels) == 1
    digest = address_hash(stage.world.hash_key, Channel.ROBOT_CALL, "+77010000002")
    with stage.db.write() as tx:
        assert known(tx, [digest])[digest][0] == "carrier_refusal"


EITHER = SMS.replace("texts", "either").replace("channel: sms", "channel: [whatsapp, sms]")


@pytest.mark.parametrize("by_receipt", [True, False])
def test_a_number_without_whatsapp_still_takes_sms(stage, by_receipt):
    stage.cascade(EITHER.replace("event: go", "event: either"))
    number = "+77010000003"
    bob = stage.person("bob", [], addresses={Channel.WHATSAPP: number, Channel.SMS: number})
    if not by_receipt:
        stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.INVALID_ADDRESS)
    stage.event(bob, "either", n=1)
    if by_receipt:
        stage.receipt(bob, Kind.FAILED, value=json.dumps({"reason": "invalid_address", "code": "1"}))
    found = {row[1]: row[3] for row in stage.rows_among("look_addresses", [bob])}
    assert found == {Channel.WHATSAPP.code: 1, Channel.SMS.code: 0}


def test_a_sender_whom_servers_refuse_is_held_until_somebody_has_looked(db):
    stage, office = staged(db)
    with db.write() as tx:
        webhooks.add(tx, VAULT, "https://example.org/", "", ["account.held"], [Secret("whsec_")], True, 1)
    stage.cascade(LETTER)
    people = [stage.person(f"p{number}", [Channel.EMAIL]) for number in range(30)]

    def letters(some):
        for person in some:
            stage.event(person, "go", n=stage.clock.now())

    letters(people)
    stage.passes("1m")
    code = json.dumps({"reason": "other", "code": "5.7.26", "detail": "This mail is unauthenticated"})
    for person in people[:9]:
        stage.receipt(person, Kind.BOUNCED, value=code)
        stage.receipt(person, Kind.BOUNCED, value=code)
        stage.receipt(person, Kind.BOUNCED, value=json.dumps({"reason": "invalid_address", "code": "5.1.1"}))
    assert accounts.get(office, "email").doing.held is None, "nine may be one server, told twice or not"
    stage.receipt(people[9], Kind.BOUNCED, value=code)
    doing = accounts.get(office, "email").doing
    assert doing.breaker == "held" and doing.open_until is None and doing.held is not None
    assert "10 of 30 mails" in doing.held.why and "5.7.26 This mail is unauthenticated" in doing.held.why
    assert [alarm.kind for alarm in alarms(office)][:1] == ["account_held"]
    sent = len(stage.parcels)
    stage.world.traffic.set_holds({})  # as a new process, before it has read
    stage.engine._load()
    letters(people[10:12])
    stage.passes("1h")
    assert len(stage.parcels) == sent, "held, after a restart too"
    with db.read() as tx:
        (told,) = tx.all("outbox", limit=9)
    assert told[5] == "account.held" and '"account":"email"' in told[7]
    with pytest.raises(NotFound):
        accounts.resume(office, "nobody")
    accounts.resume(office, "email")
    stage.passes("1m")
    assert len(stage.parcels) == sent + 2 and accounts.get(office, "email").doing.breaker == "closed"
    with pytest.raises(Conflict, match="not held"):
        accounts.resume(office, "email")


def test_refusals_of_a_tick_that_is_done_again_count_once(db):
    holds = Holds()
    for _ in range(3):  # twice in vain
        holds.forget()
        for number in range(5):
            holds.sent(1, 1, number)
            holds.refused(1, number, "5.7.26", number)
    with db.read() as tx:
        assert holds.keep(tx, 20, 5) == {}, "five, and ten hold an account"

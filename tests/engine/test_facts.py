"""What arrives: receipts that beat the answer, come twice or never; reactions, stop words, complaints."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from kaskad.domain.policy import HOUR, Policy
from kaskad.domain.terms import Channel, Kind, Outcome, Reason
from kaskad.engine.arrival import Arrival
from kaskad.engine.ingest import Ingest
from kaskad.engine.receive import Delivery, InboundIn, receive
from kaskad.providers.base import Receipt
from kaskad.store import contacts
from kaskad.store.contacts import Consent, Contact
from support import one_count
from support.plain import LETTER_AGAIN
from support.stage import HASH_KEY, Stage, accepted, refused

HEAD = """
cascade: basket
title: Basket
class: service
topic: carts
trigger: {event: left, key: cart_id}
goal: {event: bought, match: {cart_id: trigger.cart_id}}
"""
STEPS = """
steps:
  - {id: sms, channel: sms, text: t, wait: 2h}
  - {id: chat, channel: telegram, text: t, wait: 2h}
  - {id: letter, channel: email, subject: s, text: t, wait: 2h}
"""
PROMO = HEAD.replace("basket", "promo").replace("class: service", "class: advertising\nholdout: 0%")


def begun(stage, text=HEAD + STEPS, **options):
    stage.cascade(text)
    ann = stage.person("ann", **options)
    stage.event(ann, "left", cart_id=1)
    return ann


# E3, E4, E5


def test_a_receipt_for_an_unknown_id_waits_for_the_answer_that_names_it(either):
    stage = Stage(either)
    held = []
    stage.answer = lambda parcel: held.append(parcel)
    stage.cascade(HEAD + STEPS)
    able = stage.world.accounts.capabilities
    able.update({number: replace(own, echoes_reference=False) for number, own in able.items()})
    ann = stage.person("ann")
    stage.event(ann, "left", cart_id=1)
    account_id = held[0].account_id
    stage.unmatched(account_id, "x-1", Kind.DELIVERED)
    stage.unmatched(account_id, "x-2", Kind.DELIVERED)
    stage.engine.take_results([accepted(held[0], stage.clock.now(), "x-1")])
    stage.works()
    assert stage.states(ann) == {"sms": "delivered"}
    stage.unmatched(account_id, "x-1", Kind.CLICKED)
    assert stage.outcome(ann) == "responded"


def test_who_reads_a_message_has_read_those_before_it(either):
    stage = Stage(either)
    held = []
    stage.answer = lambda parcel: held.append(parcel)
    stage.cascade(HEAD + STEPS)
    able = stage.world.accounts.capabilities
    able.update({number: replace(own, echoes_reference=False) for number, own in able.items()})
    ann, bob = stage.person("ann"), stage.person("bob")
    stage.event(ann, "left", cart_id=1)
    stage.event(bob, "left", cart_id=2)
    account_id = held[0].account_id
    held.sort(key=lambda parcel: parcel.contact_id)  # PostgreSQL hands over in any order
    for parcel, provider_id in zip(held, ("7:55", "8:55"), strict=True):
        stage.engine.take_results([accepted(parcel, stage.clock.now(), provider_id)])
    stage.works()
    read = Receipt(kind=Kind.READ, provider_id="7:57", earlier=("7:56", "7:55", "7:54"))
    for _ in range(2):
        Ingest(stage.engine, stage.db).receipts(stage.world.accounts[account_id], [read], {}, b"{}", None)
        stage.works()
    assert stage.states(ann) == {"sms": "read"}
    assert stage.states(bob) == {"sms": "sent"}


def test_an_orphan_is_dropped_after_three_days(db):
    stage = Stage(db)
    stage.unmatched(1, "nobody's", Kind.DELIVERED)
    assert stage.rows("any_orphans")
    stage.passes("P4D")
    assert not stage.rows("any_orphans")


def test_a_receipt_told_again_changes_nothing(either):
    stage = Stage(either)
    ann = begun(stage)
    stage.receipt(ann, Kind.DELIVERED, event="d1")
    before = stage.run(ann), stage.passages(ann)
    for _ in range(3):
        stage.receipt(ann, Kind.DELIVERED, event="d1")
    assert (stage.run(ann), stage.passages(ann)) == before


def test_a_message_that_was_read_stays_so_though_its_delivery_is_told_later(either):
    stage = Stage(either)
    ann = begun(stage)
    stage.receipt(ann, Kind.READ)
    stage.receipt(ann, Kind.DELIVERED, value='{"cost": 900}')  # the plain one is another way
    assert stage.states(ann) == {"sms": "read"}


def test_a_cost_in_a_receipt_told_twice_is_charged_once(db):
    stage = Stage(db)
    ann = begun(stage)
    for _ in range(2):
        stage.receipt(ann, Kind.DELIVERED, event="d1", value='{"cost": 1200}')
    assert stage.rows("cascade", id=1)[0][5] == 1200


def test_silence_about_a_message_becomes_unknown_after_its_ttl_and_holds_nobody_up(db):
    stage = Stage(db, policy=Policy.unlimited())
    ann = begun(stage, HEAD + STEPS.replace("wait: 2h", "wait: 100h", 1))
    stage.passes("PT71H")
    assert stage.states(ann) == {"sms": "sent"}
    stage.passes("2h")
    assert stage.states(ann) == {"sms": "unknown"} and stage.run(ann).wake_at == stage.at(ann)[0] + 100 * HOUR
    stage.receipt(ann, Kind.DELIVERED)
    assert stage.states(ann) == {"sms": "delivered"}


def test_a_message_of_a_finished_run_whose_answer_was_lost_in_a_crash_becomes_unknown_too(db):
    stage = Stage(db)
    stage.answer = lambda parcel: None
    ann = begun(stage)
    stage.event(ann, "bought", cart_id=1)
    stage.restart()
    stage.passes("P4D")
    assert stage.states(ann) == {"sms": "unknown"} and stage.outcome(ann) == "converted"


def test_facts_about_messages_that_are_not_ours_are_passed_over(db):
    stage = Stage(db)
    ann = begun(stage)
    stage.deliver(
        arrivals=[Arrival(ann, 999, 0, Kind.CLICKED, "e", 1), Arrival(777, 1, 0, Kind.CLICKED, "e", 1)]
    )
    assert stage.outcome(ann) is None


def test_reactions_of_one_tick_come_before_its_timers(either):
    stage = Stage(either)
    ann = begun(stage)
    bob = stage.person("bob")
    stage.event(bob, "left", cart_id=2)
    stage.sleeps("2h")  # both are due, and ann's click waits in the same tick
    stage.receipt(ann, Kind.CLICKED)
    assert stage.sent(ann) == ["sms"] and stage.sent(bob) == ["sms", "chat"]


def test_a_result_and_a_reaction_in_the_same_tick(db):
    stage = Stage(db)
    held = []
    stage.answer = lambda parcel: held.append(parcel)
    ann = begun(stage)
    stage.engine.take_results([accepted(held[0], stage.clock.now())])
    stage.receipt(ann, Kind.CLICKED)
    assert stage.outcome(ann) == "responded" and stage.states(ann) == {"sms": "read"}


@pytest.mark.parametrize("reason", [Reason.RATE_LIMITED, Reason.TRANSIENT])
def test_a_run_that_ends_while_its_message_comes_back_to_the_queue_leaves_nothing_in_it(db, reason):
    stage = Stage(db)
    held = []
    stage.answer = lambda parcel: held.append(parcel)
    ann = begun(stage)
    stage.engine.take_results([refused(held[0], stage.clock.now(), reason)])
    stage.event(ann, "bought", cart_id=1)
    assert stage.outcome(ann) == "converted" and stage.states(ann) == {"sms": "cancelled"}
    assert stage.rows("queued_accounts") == []
    stage.passes("1m")
    late = stage.person("late")
    stage.event(late, "left", cart_id=2)
    stage.event(late, "bought", cart_id=2)
    stage.engine.take_results([refused(held[1], stage.clock.now(), reason)])
    stage.passes("1h")
    assert stage.rows("queued_accounts") == [] and len(held) == 2


def test_a_failure_that_is_told_again_is_of_its_own_attempt_only(db):
    stage = Stage(db)
    ann = begun(stage, HEAD + STEPS.replace("wait: 2h}", "wait: 2h, on_fail: retry}", 1))
    stage.receipt(ann, Kind.EXPIRED, event="e1")
    assert stage.states(ann) == {"sms": "created"}, "it is tried again"
    stage.receipt(ann, Kind.FAILED, event="f1", value='{"reason": "invalid_address"}')
    assert stage.states(ann) == {"sms": "failed", "chat": "sent"}, "it is not"
    before = stage.passages(ann)
    stage.receipt(ann, Kind.EXPIRED, step=0, event="e1")
    assert stage.passages(ann) == before


def test_failures_of_the_only_attempt_count_though_the_clock_of_the_service_is_behind(db):
    stage = Stage(db)
    ann = begun(stage)
    for kind, event in ((Kind.EXPIRED, "e1"), (Kind.FAILED, "f1")):
        stage.receipt(ann, kind, step=0, event=event, ago="1s")
    mask = stage.passages(ann)[0].mask
    assert mask & Kind.EXPIRED.bit and mask & Kind.FAILED.bit


def test_a_failure_told_again_says_nothing_of_a_message_that_has_arrived_before_its_next_attempt(db):
    stage = Stage(db)
    ann = begun(stage, HEAD + STEPS.replace("wait: 2h}", "wait: 2h, on_fail: retry}", 1))
    stage.receipt(ann, Kind.FAILED, event="f1")
    stage.receipt(ann, Kind.DELIVERED)
    before = stage.passages(ann)
    stage.receipt(ann, Kind.FAILED, event="f1")
    assert stage.passages(ann) == before and stage.states(ann) == {"sms": "delivered"}


def test_a_cost_that_is_told_again_replaces_none_told_since(db):
    stage = Stage(db)
    ann = begun(stage)
    for event, cost in (("d1", 55), ("d2", 77), ("d1", 55)):
        stage.receipt(ann, Kind.DELIVERED, event=event, value=f'{{"cost": {cost}}}')
    assert one_count.rows(db, "SELECT cost FROM messages") == [(77,)]


# Replies and stop words


def test_a_reply_on_a_two_way_number_answers_the_last_message_there(db):
    stage = Stage(db)
    ann = begun(stage, addresses={Channel.SMS: "+77010000001"})
    stage.passes("2h")
    stage.says(Channel.SMS, "+77010000001", "беру!")
    assert stage.outcome(ann) == "responded" and stage.run(ann).outcome_step == 0


def test_a_reply_that_is_told_again_answers_no_later_message(db):
    stage = Stage(db)
    stage.cascade(HEAD + STEPS)
    ann = stage.person("ann", addresses={Channel.SMS: "+77010000001"})
    for number, text in enumerate(["Кто это?", "стоп", "START"]):
        event, at = f"in-{number}", stage.clock.now()
        said = InboundIn(Channel.SMS, "+77010000001", Kind.REPLIED, event, at, text)
        stage.deliver(inbound=[said])
        stage.event(ann, "left", cart_id=number)
        known = stage.states(ann), stage.outcome(ann)
        stage.passes("1s")
        stage.deliver(inbound=[said])
        assert (stage.states(ann), stage.outcome(ann)) == known, text


def test_a_reply_that_comes_late_answers_what_was_sent_before_it_was_written(db):
    stage = Stage(db)
    ann = begun(stage, HEAD + "reentry: parallel_by_key\n" + STEPS, addresses={Channel.SMS: "+77010000001"})
    stage.passes("10m")
    at = stage.clock.now()
    stage.passes("10m")
    stage.event(ann, "left", cart_id=2)
    late = InboundIn(Channel.SMS, "+77010000001", Kind.REPLIED, "in-1", at, "беру!")
    stage.deliver(inbound=[late])
    assert [run.outcome for run in stage.runs(ann)] == [Outcome.RESPONDED.code, None]


def test_a_goal_and_a_stop_that_are_told_at_once_both_count(either):
    stage = Stage(either)
    goal = "goal: {event: bought, match: {cart_id: trigger.cart_id}, value: amount}\nbudget: {total: 9 KZT}\n"
    ann = begun(stage, HEAD[: HEAD.index("goal:")] + goal + STEPS)
    run, now = stage.run(ann), stage.clock.now()
    stop = Arrival(ann, run.id, 0, Kind.REPLIED, "r1", now, '{"text": "стоп"}')
    stage.deliver(arrivals=[stop], events=[stage.told(ann, "bought", ago="0s", cart_id=1, amount=47)])
    run = stage.run(ann)
    assert run.marks & Kind.GOAL.bit and run.marks & Kind.UNSUBSCRIBED.bit
    assert stage.outcome(ann) == "converted"
    stage.event(ann, "bought", cart_id=1, amount=99)  # only the first goal counts
    assert one_count.rows(either, "SELECT value FROM runs") == [(4700,)]


def test_stop_closes_the_channel_and_ends_advertising(either):
    stage = Stage(either)
    ann = begun(stage, PROMO + STEPS, addresses={Channel.SMS: "+77010000001"})
    stage.says(Channel.SMS, "+77010000001", " стоп. ")
    assert stage.outcome(ann) == "opted_out"
    stage.passes("P30D")
    stage.event(ann, "left", cart_id=2)
    assert stage.sent(ann) == ["sms", "chat"], "the other channels were not refused"


def test_a_stop_word_is_no_success_where_any_answer_would_be_one(db):
    stage = Stage(db)
    ann = begun(stage, addresses={Channel.SMS: "+77010000001"})
    stage.says(Channel.SMS, "+77010000001", "стоп")
    assert stage.outcome(ann) == "opted_out" and stage.sent(ann) == ["sms"]


@pytest.mark.parametrize(("key", "outcome"), [("9", "opted_out"), ("1", "responded")])
def test_the_key_against_calls_is_no_success_either(db, key, outcome):
    stage = Stage(db)
    robot = "{id: robot, channel: robot_call, say: t, keys: {1: confirm, 9: opt_out}, wait: 2h}"
    ann = begun(stage, HEAD + f"\nsteps:\n  - {robot}\n")
    stage.receipt(ann, Kind.KEYPRESS, value=f'{{"key": "{key}"}}')
    assert stage.outcome(ann) == outcome


def test_stop_to_a_number_we_have_not_written_to_is_kept_as_well(db):
    stage = Stage(db)
    stage.cascade(HEAD + STEPS)
    ann = stage.person("ann", addresses={Channel.SMS: "+77010000001"})
    stage.says(Channel.SMS, "+77010000001", "STOP")
    stage.event(ann, "left", cart_id=1)
    assert stage.states(ann) == {"sms": "no_consent", "chat": "sent"}


@pytest.mark.parametrize("first", [True, False], ids=["who was written to", "another"])
def test_stop_to_a_number_that_several_people_have_counts_for_all_of_them(either, first):
    stage = Stage(either)
    stage.cascade(PROMO + STEPS)
    number = {Channel.SMS: "+77010000001"}
    ann, bob = (stage.person(name, addresses=number) for name in ("ann", "bob"))
    other, written = (bob, ann) if first else (ann, bob)
    stage.event(written, "left", cart_id=1)
    stage.says(Channel.SMS, "+77010000001", "Стоп")
    assert stage.outcome(written) == "opted_out"
    stage.passes("P30D")
    stage.event(other, "left", cart_id=2)
    assert stage.states(other)["sms"] == "no_consent"


@pytest.mark.parametrize("last", ["ann", "bob"])
def test_an_answer_from_a_number_that_several_people_have_is_of_who_was_written_to_last(either, last):
    stage = Stage(either)
    stage.cascade(HEAD + STEPS)
    number = {Channel.SMS: "+77010000001"}
    people = {name: stage.person(name, addresses=number) for name in ("ann", "bob")}
    stage.event(people[last], "left", cart_id=1)
    stage.passes("10m")
    stage.says(Channel.SMS, "+77010000001", "беру!")
    assert stage.outcome(people[last]) == "responded"
    with stage.db.read() as tx:
        threads = {name for name, person in people.items() if tx.one("thread", contact_id=person)}
    assert threads == {last}


def test_a_complaint_ends_advertising_at_the_address_for_all_who_have_it(either):
    stage = Stage(either)
    stage.cascade(PROMO + STEPS)
    shared = {Channel.SMS: "+77010000001"}
    ann, bob = (stage.person(name, addresses=shared) for name in ("ann", "bob"))
    stage.event(ann, "left", cart_id=1)
    stage.receipt(ann, Kind.COMPLAINED)
    assert stage.outcome(ann) == "complained"
    stage.passes("P30D")
    stage.event(bob, "left", cart_id=2)
    assert stage.states(bob) == {"sms": "no_consent", "chat": "sent"}


@pytest.mark.parametrize("named", [True, False], ids=["of a message", "of an address"])
def test_a_complaint_by_an_address_refuses_once_for_each_who_has_it(db, named):
    stage = Stage(db)
    stage.cascade(PROMO + STEPS)
    able = stage.world.accounts.capabilities
    able.update({account: replace(own, echoes_reference=False) for account, own in able.items()})
    number = "+77010000001"
    ann, bob = (stage.person(name, addresses={Channel.SMS: number}) for name in ("ann", "bob"))
    stage.answer = lambda parcel: None
    stage.event(ann, "left", cart_id=1)
    (parcel,) = stage.parcels
    stage.engine.take_results([accepted(parcel, stage.clock.now(), "7:55")])
    stage.works()
    told = InboundIn(
        Channel.SMS, number, Kind.COMPLAINED, "c", stage.clock.now(), account_id=parcel.account_id,
        provider_id="7:55" if named else "",
    )  # fmt: skip
    with stage.db.write() as tx:
        found = receive(tx, [Delivery(None, inbound=[told])], stage.clock.now())
    assert [(one.contact_id, one.kind) for one in found] == [
        (ann, Kind.COMPLAINED), (bob, Kind.UNSUBSCRIBED)
    ]  # fmt: skip


def test_stops_on_two_channels_in_one_tick_both_count(db):
    stage = Stage(db)
    stage.cascade(HEAD + STEPS)
    ann = stage.person("ann")
    stage.event(ann, "left", cart_id=1)
    now = stage.clock.now()
    stage.deliver(inbound=[
        InboundIn(channel, f"ann@{channel}.example.org", Kind.REPLIED, channel.value, now, "STOP")
        for channel in (Channel.TELEGRAM, Channel.EMAIL, Channel.WHATSAPP)
    ])  # fmt: skip
    stage.passes("9h")
    assert stage.sent(ann) == ["sms"]


@pytest.mark.parametrize("later", [False, True], ids=["refused", "not delivered"])
def test_a_no_that_only_the_service_has_heard_closes_the_channel(db, later):
    stage = Stage(db)
    if not later:
        stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.OPTED_OUT)
    ann = begun(stage, PROMO + STEPS)
    if later:
        stage.receipt(ann, Kind.FAILED, value='{"reason": "opted_out", "code": "21610"}')
    assert stage.outcome(ann) == "opted_out"
    assert stage.states(ann)["sms"] == ("failed" if later else "rejected")
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now(), "x")
    stage.passes("P30D")
    stage.event(ann, "left", cart_id=2)
    assert stage.states(ann)["sms"] == "no_consent"


def test_the_key_that_refuses_stops_calls_and_texts(db):
    stage = Stage(db)
    robot = "{id: robot, channel: robot_call, say: t, keys: {9: opt_out}, success: clicked, wait: 2h}"
    call = f"\nsteps:\n  - {robot}\n"
    ann = begun(stage, HEAD + call + STEPS.replace("\nsteps:\n", ""))
    stage.receipt(ann, Kind.KEYPRESS, value='{"key": "9"}')
    stage.passes("2h")
    assert stage.states(ann)["sms"] == "no_consent" and stage.sent(ann)[-1] == "chat"


def test_leaving_the_topic_ends_its_runs_and_no_others(db):
    stage = Stage(db)
    stage.cascade(HEAD + STEPS)
    stage.cascade(HEAD.replace("basket", "other").replace("carts", "orders") + STEPS)
    ann = stage.person("ann")
    stage.event(ann, "left", cart_id=1)
    stage.receipt(ann, Kind.UNSUBSCRIBED)
    outcomes = {stage.world.versions[run.version_id].cascade.id: run.outcome for run in stage.runs(ann)}
    assert sorted(outcomes.values(), key=str) == [Outcome.OPTED_OUT.code, None]


def test_a_stop_before_the_answer_that_ended_a_run_counts_when_it_comes_late(db):
    stage = Stage(db)
    ann = begun(stage)
    stage.passes("10m")
    stage.receipt(ann, Kind.REPLIED, value='{"text": "беру!"}')
    assert stage.outcome(ann) == "responded"
    stage.receipt(ann, Kind.REPLIED, ago="5m", value='{"text": "стоп"}')
    assert stage.outcome(ann) == "opted_out"


def test_a_stop_that_ended_a_run_marks_no_message_when_it_is_told_again(db):
    stage = Stage(db)
    ann = begun(stage)
    stop = Arrival(ann, stage.run(ann).id, 0, Kind.REPLIED, "r1", stage.clock.now(), '{"text": "стоп"}')
    stage.deliver(arrivals=[stop])
    assert stage.outcome(ann) == "opted_out"
    before = stage.passages(ann)
    stage.deliver(arrivals=[stop])
    assert stage.passages(ann) == before


def test_an_answer_given_before_a_stop_is_one_though_it_is_told_later(db):
    stage = Stage(db)
    ann = begun(stage)
    stage.passes("1h")
    stage.receipt(ann, Kind.REPLIED, value='{"text": "стоп"}')
    assert stage.outcome(ann) == "opted_out"
    stage.receipt(ann, Kind.REPLIED, ago="30m", value='{"text": "ok"}')
    assert stage.outcome(ann) == "responded"


@pytest.mark.parametrize("again", [0, 1])
def test_an_opt_out_that_is_told_again_ends_no_run_begun_since(either, again):
    stage = Stage(either)
    ann = begun(stage, HEAD + "reentry: restart\n" + STEPS)
    twice = [
        Arrival(ann, 0, -1, Kind.UNSUBSCRIBED, event, stage.clock.now(), '{"scope": "all"}')
        for event in ("u1", "u2")
    ]
    stage.deliver(arrivals=twice)
    assert stage.outcome(ann) == "opted_out"
    stage.passes("1h")
    agreed = Consent(granted=True, at=stage.clock.now(), proof="{}")
    with either.write() as tx:
        contacts.upsert(tx, HASH_KEY, [Contact(id=ann, consents=[agreed])], stage.clock.now())
    stage.event(ann, "left", cart_id=2)
    assert stage.outcome(ann) is None and stage.sent(ann) == ["sms", "sms"]
    stage.deliver(arrivals=[twice[again]])
    assert stage.outcome(ann) is None


def test_an_opt_out_of_everything_leaves_what_is_transactional(db):
    stage = Stage(db)
    stage.cascade(HEAD + STEPS)
    stage.cascade(HEAD.replace("basket", "receipt").replace("class: service", "class: transactional") + STEPS)
    ann = stage.person("ann")
    stage.event(ann, "left", cart_id=1)
    stage.deliver(arrivals=[
        Arrival(ann, 0, -1, Kind.UNSUBSCRIBED, "u1", stage.clock.now(), '{"scope": "all"}')
    ])  # fmt: skip
    assert sorted((run.outcome for run in stage.runs(ann)), key=str) == [Outcome.OPTED_OUT.code, None]


def test_a_complaint_finishes_advertising_and_refuses_all_of_it_later(either):
    stage = Stage(either)
    ann = begun(stage, PROMO + STEPS)
    stage.receipt(ann, Kind.COMPLAINED)
    assert stage.outcome(ann) == "complained"
    stage.passes("P30D")
    stage.event(ann, "left", cart_id=2)
    assert set(stage.states(ann).values()) == {"no_consent"} and len(stage.parcels) == 1


# Hits


def test_a_person_s_click_holds_the_step_and_then_ends_the_run(db):
    stage = Stage(db)
    ann = begun(stage)
    stage.passes("7198s")
    stage.hits(ann, 0)
    stage.passes("5s")
    assert stage.sent(ann) == ["sms"], "held until it is known who clicked"
    stage.passes("10s")
    assert stage.outcome(ann) == "responded" and stage.sent(ann) == ["sms"]


def test_a_click_on_an_earlier_message_holds_the_next_step_too(db):
    stage = Stage(db)
    ann = begun(stage)
    stage.passes("2h")
    stage.passes("7198s")
    first = stage.parcels[0]
    now = stage.clock.now()
    row = (ann, first.run_id, 0, 0, now, "GET", "192.0.2.7", "Firefox", now + 10_000)
    stage.deliver(hits=[row])
    stage.passes("5s")
    assert stage.sent(ann) == ["sms", "chat"]
    stage.passes("10s")
    assert stage.outcome(ann) == "responded" and stage.run(ann).outcome_step == 0


def test_what_a_machine_did_with_a_failed_attempt_is_no_fact_of_the_next_when_told_again(either):
    stage = Stage(either)
    stage.cascade(LETTER_AGAIN)
    ann = stage.person("ann")
    stage.event(ann, "joined")
    stage.receipt(ann, Kind.MACHINE_OPENED, event="m")
    stage.receipt(ann, Kind.FAILED)
    before = stage.passages(ann)
    assert before[0].mask == 0, "it is as if it had not been sent"
    stage.receipt(ann, Kind.MACHINE_OPENED, event="m")
    assert stage.passages(ann) == before
    stage.passes("5m")
    stage.receipt(ann, Kind.MACHINE_OPENED, event="n")
    assert stage.passages(ann)[0].mask == Kind.SENT.bit | Kind.MACHINE_OPENED.bit


def test_what_a_service_tells_of_each_attempt_alike_counts_for_the_one_under_way(either):
    """Reports without a number of their own, as of WhatsApp and SMSC: each attempt is "sent", or "failed"."""
    stage = Stage(either)
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now(), kind=None)
    ann = begun(stage, HEAD + STEPS.replace("wait: 2h}", "wait: 2h, on_fail: retry}", 1))
    for _ in range(2):
        stage.receipt(ann, Kind.SENT, event="sent")
        assert stage.states(ann)["sms"] == "sent"
        sent_at = stage.clock.now()
        stage.passes("1m")
        stage.receipt(ann, Kind.FAILED, event="failed")
        failed = stage.passages(ann)
        stage.receipt(ann, Kind.FAILED, event="failed")
        stage.receipt(ann, Kind.SENT, event="sent", ago="1m")
        assert stage.passages(ann) == failed and failed[0].mask == 0, "told again, before the next attempt"
        stage.passes("20m")
        stage.deliver(arrivals=[Arrival(ann, stage.run(ann).id, 0, Kind.SENT, "sent", sent_at)])
        assert stage.states(ann)["sms"] == "submitted", "told again, after it has left"
    stage.receipt(ann, Kind.SENT, event="sent")
    stage.passes("2h 1m")
    assert stage.sent(ann) == ["sms", "sms", "sms", "chat"] and stage.states(ann)["sms"] == "sent"

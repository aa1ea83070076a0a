"""Never twice, never lost: answers that are lost, refused, late or doubled, and processes that end."""

from __future__ import annotations

from itertools import chain, repeat

import pytest

from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.engine.arrival import Arrival
from support.stage import Stage, accepted, refused

TEXT = """
cascade: basket
title: Basket
class: service
trigger: {event: left, key: cart_id}
goal: {event: bought, match: {cart_id: trigger.cart_id}}
steps:
  - {id: sms, channel: sms, text: "{{ contact.name }}", wait: 2h}
  - {id: chat, channel: telegram, text: t, wait: 2h}
"""
IDEMPOTENT = {"settings": {"url": "https://provider.example.org/", "idempotent": "yes"}}


def begun(stage, text=TEXT):
    stage.cascade(text)
    ann = stage.person("ann")
    stage.event(ann, "left", cart_id=1)
    return ann


def test_a_person_is_carried_from_step_to_step(either):
    stage = Stage(either)
    ann = begun(stage)
    assert stage.sent(ann) == ["sms"] and stage.states(ann) == {"sms": "sent"}
    stage.passes("2h")
    assert stage.sent(ann) == ["sms", "chat"]
    stage.receipt(ann, Kind.CLICKED)
    assert stage.outcome(ann) == "responded"


def test_a_lost_answer_is_unknown_never_sent_again_and_the_clock_carries_on(either):
    stage = Stage(either)
    stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.AMBIGUOUS, proven=False)
    ann = begun(stage)
    assert stage.states(ann) == {"sms": "unknown"}
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.passes("2h")
    assert stage.sent(ann) == ["sms", "chat"]


def test_the_clock_of_a_run_that_changed_before_the_answer_begins_with_the_answer_too(either):
    stage = Stage(either)
    stage.answer = lambda parcel: None
    ann = begun(stage)
    bob = stage.person("bob")
    stage.event(bob, "left", cart_id=2)
    with stage.db.write() as tx:
        tx.script(f"UPDATE runs SET seq = seq + 1 WHERE contact_id = {ann}")
    stage.engine.take_results([accepted(parcel, stage.clock.now()) for parcel in stage.parcels])
    stage.works()
    begins = stage.clock.now() + 2 * 3_600_000
    assert [stage.run(person).wake_at for person in (ann, bob)] == [begins, begins]


def test_a_delivery_of_what_had_failed_is_believed_beside_those_that_are_plain(either):
    stage = Stage(either)
    ann = begun(stage)
    bob = stage.person("bob")
    stage.event(bob, "left", cart_id=2)
    stage.receipt(ann, Kind.FAILED, step=0)
    now = stage.clock.now()
    runs = stage.run(ann), stage.run(bob)
    told = [Arrival(run.contact_id, run.id, 0, Kind.DELIVERED.value, "d", now) for run in runs]
    stage.deliver(arrivals=told)
    assert [stage.passages(person)[0].mask & Kind.DELIVERED.bit for person in (ann, bob)] == [
        Kind.DELIVERED.bit, Kind.DELIVERED.bit,
    ]  # fmt: skip


def test_a_process_that_dies_with_an_answer_outstanding_leaves_one_unknown(either):
    stage = Stage(either)
    stage.answer = lambda parcel: None
    ann = begun(stage)
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.restart()
    stage.passes("1m")
    assert stage.states(ann) == {"sms": "submitted"}
    stage.passes("1m")
    assert stage.states(ann) == {"sms": "unknown"} and stage.sent(ann) == ["sms"]


@pytest.mark.parametrize("on_fail", ["next", "retry"])
def test_with_an_idempotency_key_the_same_message_is_repeated_under_it(either, on_fail):
    stage = Stage(either, account_each=IDEMPOTENT)
    stage.answer = lambda parcel: None
    ann = begun(stage, TEXT.replace("wait: 2h}", f"wait: 2h, on_fail: {on_fail}}}", 1))
    stage.restart()
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.passes("2m")
    assert [p.outgoing.key for p in stage.parcels] == [stage.parcels[0].outgoing.key] * 2
    assert stage.states(ann) == {"sms": "sent"} and [p.attempt for p in stage.parcels] == [1, 2]


@pytest.mark.parametrize("reports", [1, 2])
def test_what_is_reported_as_failed_before_its_answer_comes_is_tried_again_once_it_has_come(either, reports):
    stage = Stage(either)
    stage.answer = lambda parcel: None
    ann = begun(stage, TEXT.replace("wait: 2h}", "wait: 2h, on_fail: retry}", 1))
    for _ in range(reports):
        stage.receipt(ann, Kind.EXPIRED)
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.engine.take_results([accepted(stage.parcels[0], stage.clock.now())])
    stage.works()
    stage.passes("2m")
    assert stage.sent(ann) == ["sms", "sms"] and stage.states(ann) == {"sms": "sent"}


@pytest.mark.parametrize("on_fail", ["next", "retry"])
def test_a_message_in_doubt_across_an_upgrade_is_repeated_under_the_key_that_it_had(db, on_fail):
    """A first key was always made of contact, run and step, whatever was to follow from a failure."""
    stage = Stage(db, account_each=IDEMPOTENT)
    stage.answer = lambda parcel: None
    ann = begun(stage, TEXT.replace("wait: 2h}", f"wait: 2h, on_fail: {on_fail}}}", 1))
    stage.restart()
    stage.passes("2m")
    assert stage.parcels[-1].outgoing.key == f"{ann}:{stage.run(ann).id}:0"


def test_a_message_in_doubt_is_never_given_to_the_backup_account(db):
    """Whoever has the key must be asked again, or nobody: the first may have sent it."""
    stage = Stage(db, account_each=IDEMPOTENT)
    backup = stage.account(Channel.SMS, "backup", priority=9, **IDEMPOTENT)
    stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.AMBIGUOUS, proven=False)
    stage.cascade(TEXT)
    people = [stage.person(f"p{n}") for n in range(8)]  # enough to open the breaker
    for person in people:
        stage.event(person, "left", cart_id=1)
    stage.passes("3h")
    for person in people:
        used = {p.account_id for p in stage.parcels if p.contact_id == person and p.step == 0}
        attempts = [p for p in stage.parcels if p.contact_id == person and p.step == 0]
        assert len(used) == 1 and len(attempts) <= 3
    assert backup in {p.account_id for p in stage.parcels}, "the later ones went to the backup from the start"


def test_a_message_in_doubt_is_not_called_rejected_by_a_later_refusal_to_connect(db):
    stage = Stage(db, account_each=IDEMPOTENT)
    answers = chain([False], repeat(True))
    stage.answer = lambda parcel: refused(
        parcel, stage.clock.now(), Reason.TRANSIENT if next(answers) else Reason.AMBIGUOUS,
        proven=parcel.attempt > 1,
    )  # fmt: skip
    ann = begun(stage)
    stage.passes("115m")
    assert stage.states(ann)["sms"] in ("queued", "unknown")
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.passes("3h")
    assert stage.states(ann)["sms"] in ("sent", "unknown")


def test_a_queued_message_in_doubt_that_may_go_no_more_is_unknown_not_skipped(db):
    stage = Stage(db, account_each=IDEMPOTENT)
    stage.answer = lambda parcel: refused(
        parcel, stage.clock.now(), Reason.AMBIGUOUS, proven=False, retry_after_ms=600_000
    )
    ann = begun(stage)
    assert stage.states(ann) == {"sms": "queued"}
    stage.says(Channel.SMS, "ann@sms.example.org", "стоп")
    stage.passes("20m")
    assert stage.states(ann)["sms"] == "unknown" and stage.sent(ann)[:1] == ["sms"]
    assert len([p for p in stage.parcels if p.step == 0]) == 1


def test_a_receipt_that_beats_the_lost_answer_is_believed(db):
    stage = Stage(db)
    held = []
    stage.answer = lambda parcel: held.append(parcel)
    ann = begun(stage)
    stage.receipt(ann, Kind.DELIVERED)
    stage.engine.take_results([refused(held[0], stage.clock.now(), Reason.AMBIGUOUS, proven=False)])
    stage.works()
    assert stage.states(ann) == {"sms": "delivered"}


@pytest.mark.parametrize("reason", [Reason.RATE_LIMITED, Reason.TRANSIENT])
def test_a_proven_refusal_for_now_is_tried_again_later_and_the_clock_starts_when_it_is_sent(db, reason):
    stage = Stage(db)
    stage.answer = lambda parcel: refused(parcel, stage.clock.now(), reason)
    ann = begun(stage)
    assert stage.states(ann) == {"sms": "queued"}
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.passes("1h")
    assert stage.sent(ann) == ["sms", "sms"] and stage.states(ann) == {"sms": "sent"}
    assert stage.run(ann).wake_at == stage.at(ann)[1] + 2 * 3_600_000


def test_a_refusal_for_now_does_not_wait_for_the_gap_that_follows_a_touch(db):
    from kaskad.domain.policy import Policy

    stage = Stage(db, policy=Policy())
    stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.TRANSIENT)
    ann = begun(stage)
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.passes("1m")
    assert stage.sent(ann) == ["sms", "sms"]


def test_retry_after_is_kept_by_the_whole_account(db):
    stage = Stage(db)
    stage.answer = lambda parcel: refused(
        parcel, stage.clock.now(), Reason.RATE_LIMITED, retry_after_ms=300_000
    )
    ann = begun(stage)
    bob = stage.person("bob")
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.event(bob, "left", cart_id=2)
    assert stage.sent(bob) == [] and stage.states(bob) == {"sms": "queued"}
    stage.passes("4m")
    assert stage.sent(ann) == ["sms"] and stage.sent(bob) == []
    stage.passes("2m")
    assert stage.sent(ann) == ["sms", "sms"] and stage.sent(bob) == ["sms"]


def test_a_wrong_account_is_given_up_for_its_backup_at_once(db):
    stage = Stage(db)
    backup = stage.account(Channel.SMS, "backup", priority=9)
    stage.answer = lambda parcel: (
        accepted(parcel, stage.clock.now())
        if parcel.account_id == backup
        else refused(parcel, stage.clock.now(), Reason.AUTH)
    )
    ann = begun(stage)
    assert stage.sent(ann) == ["sms", "sms"] and stage.states(ann) == {"sms": "sent"}
    assert [p.account_id == backup for p in stage.parcels] == [False, True]


def test_a_refusal_for_good_fails_the_step_and_the_next_follows_at_once(db):
    stage = Stage(db)
    stage.answer = lambda parcel: (
        refused(parcel, stage.clock.now(), Reason.CONTENT)
        if parcel.step == 0
        else accepted(parcel, stage.clock.now())
    )
    ann = begun(stage)
    assert stage.sent(ann) == ["sms", "chat"] and stage.states(ann) == {"sms": "rejected", "chat": "sent"}


def test_an_address_that_does_not_exist_is_passed_over_from_then_on(db):
    stage = Stage(db)
    stage.answer = lambda parcel: (
        refused(parcel, stage.clock.now(), Reason.INVALID_ADDRESS)
        if parcel.step == 0
        else accepted(parcel, stage.clock.now())
    )
    stage.cascade(TEXT.replace("key: cart_id}", "key: cart_id}\nreentry: parallel_by_key"))
    ann = stage.person("ann")
    stage.event(ann, "left", cart_id=1)
    stage.event(ann, "left", cart_id=2)
    assert stage.sent(ann) == ["sms", "chat", "chat"]
    assert stage.states(ann)["sms"] == "address_invalid"


def test_a_result_that_comes_twice_counts_once(db):
    stage = Stage(db)
    ann = begun(stage)
    before = stage.run(ann)
    stage.engine.take_results([accepted(stage.parcels[0], stage.clock.now())])
    stage.works()
    assert stage.run(ann).wake_at == before.wake_at and stage.states(ann) == {"sms": "sent"}


# on_fail: retry

RETRY = TEXT.replace("wait: 2h}", "wait: 1d, on_fail: retry}", 1)


def test_a_failure_reported_later_is_tried_again_under_a_key_of_its_own(either):
    """A service that knows the key would answer as before, and send nothing."""
    stage = Stage(either)
    ann = begun(stage, RETRY)
    stage.receipt(ann, Kind.FAILED, event="f1")
    assert stage.states(ann) == {"sms": "created"}
    stage.passes("2m")
    assert stage.sent(ann) == ["sms", "sms"] and stage.states(ann) == {"sms": "sent"}
    assert len({p.outgoing.key for p in stage.parcels}) == 2 and [p.attempt for p in stage.parcels] == [1, 2]
    assert len({p.outgoing.reference for p in stage.parcels}) == 1


def test_a_failure_told_again_after_the_next_attempt_says_nothing_of_that_one(either):
    stage = Stage(either)
    ann = begun(stage, RETRY)
    stage.receipt(ann, Kind.FAILED, event="f1")
    stage.receipt(ann, Kind.FAILED, event="f1")
    stage.passes("2m")
    stage.receipt(ann, Kind.FAILED, event="f1")
    stage.receipt(ann, Kind.FAILED, event="f2", ago="2m")
    assert stage.sent(ann) == ["sms", "sms"] and stage.states(ann) == {"sms": "sent"}
    stage.receipt(ann, Kind.FAILED, event="f3")
    stage.passes("20m")
    assert stage.sent(ann) == ["sms"] * 3


def test_three_retries_and_no_more(db):
    stage = Stage(db)
    ann = begun(stage, RETRY)
    for number in range(6):
        if stage.sent(ann)[-1] == "sms":
            stage.receipt(ann, Kind.FAILED, event=f"f{number}")
        stage.passes("100m")
    assert stage.sent(ann) == ["sms"] * 4 + ["chat"]


def test_a_dead_number_is_not_tried_again(db):
    stage = Stage(db)
    ann = begun(stage, RETRY)
    stage.receipt(ann, Kind.FAILED, value='{"reason": "invalid_address"}')
    assert stage.sent(ann) == ["sms", "chat"]


def hanging_until_refused(stage, first, count):
    """Let the account's provider take so many messages and answer none of them; return these."""
    stage.answer = lambda parcel: None if parcel.account_id == first else accepted(parcel, stage.clock.now())
    for number in range(count):
        stage.event(stage.person(f"p{number}"), "left", cart_id=1)
    return [parcel for parcel in stage.parcels if parcel.account_id == first]


def test_what_waits_for_an_account_that_fails_goes_by_its_backup_at_once(either):
    stage = Stage(either)
    first = stage.account(Channel.SMS, "sms", limits={"concurrency": 5, "per_second": 1e6, "burst": 1_000})
    backup = stage.account(Channel.SMS, "backup", priority=9)
    stage.cascade(TEXT)
    hanging = hanging_until_refused(stage, first, 20)
    assert len(hanging) == 5 and len(stage.parcels) == 5, "the others wait for a slot"
    now = stage.clock.now()
    stage.engine.take_results([refused(one, now, Reason.AMBIGUOUS, proven=False) for one in hanging])
    stage.works()
    gone = [parcel for parcel in stage.parcels if parcel.account_id == backup]
    assert len(gone) == 15 and {one.contact_id for one in gone}.isdisjoint(one.contact_id for one in hanging)
    stage.passes("10m")
    assert len(stage.parcels) == 20


def test_what_waits_for_an_account_that_its_step_names_does_not_go_by_another(either):
    stage = Stage(either)
    first = stage.account(Channel.SMS, "sms", limits={"concurrency": 5, "per_second": 1e6, "burst": 1_000})
    stage.account(Channel.SMS, "backup", priority=9)
    stage.cascade(TEXT.replace("{id: sms, channel: sms,", "{id: sms, channel: sms, account: sms,"))
    hanging = hanging_until_refused(stage, first, 20)
    now = stage.clock.now()
    stage.engine.take_results([refused(one, now, Reason.AMBIGUOUS, proven=False) for one in hanging])
    stage.works()
    assert len(stage.parcels) == 5


def test_while_a_failing_account_is_tried_again_the_others_go_by_its_backup(either):
    stage = Stage(either)
    first = stage.account(Channel.SMS, "sms", limits={"concurrency": 5, "per_second": 1e6, "burst": 1_000})
    backup = stage.account(Channel.SMS, "backup", priority=9)
    stage.cascade(TEXT)
    hanging = hanging_until_refused(stage, first, 5)
    now = stage.clock.now()
    stage.engine.take_results([refused(one, now, Reason.AMBIGUOUS, proven=False) for one in hanging])
    stage.passes("30s")
    for name in ("ann", "bob", "eve"):
        stage.event(stage.person(name), "left", cart_id=1)
    assert [one.account_id for one in stage.parcels[5:]] == [first, backup, backup]


@pytest.mark.parametrize("reason", [Reason.RATE_LIMITED, Reason.AMBIGUOUS])
def test_an_account_that_asks_for_a_long_pause_leaves_all_others_to_its_backup(either, reason):
    stage = Stage(either)
    backup = stage.account(Channel.SMS, "backup", priority=9)
    stage.cascade(TEXT)
    stage.answer = lambda parcel: (
        accepted(parcel, stage.clock.now())
        if parcel.account_id == backup
        else refused(parcel, stage.clock.now(), reason, proven=reason is Reason.RATE_LIMITED,
                     retry_after_ms=3_600_000)
    )  # fmt: skip
    ann = stage.person("ann")
    stage.event(ann, "left", cart_id=1)
    people = [stage.person(f"p{n}") for n in range(6)]
    for person in people:
        stage.event(person, "left", cart_id=1)
        stage.passes("1m")
    assert [parcel.account_id for parcel in stage.parcels if parcel.contact_id in people] == [backup] * 6
    assert len(stage.sent(ann)) == (2 if reason is Reason.RATE_LIMITED else 1)
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.passes("55m")
    for name in ("eve", "bob"):
        stage.event(stage.person(name), "left", cart_id=1)
    assert [parcel.account_id == backup for parcel in stage.parcels[-2:]] == [False, False]


def failing_beside_a_backup(stage, reason, **how):
    """Let an account refuse all for a reason, and another one of its channel take all."""
    backup = stage.account(Channel.SMS, "backup", priority=9)
    stage.cascade(TEXT)
    stage.answer = lambda parcel: (
        accepted(parcel, stage.clock.now())
        if parcel.account_id == backup
        else refused(parcel, stage.clock.now(), reason, **how)
    )


def test_a_pause_that_ends_after_the_breaker_s_does_not_hold_up_those_who_have_a_backup(either):
    stage = Stage(either)
    failing_beside_a_backup(stage, Reason.AMBIGUOUS, proven=False, retry_after_ms=29_000)
    first = [stage.person(f"f{n}") for n in range(5)]
    stage.deliver(events=[stage.told(person, "left", cart_id=1) for person in first])
    stage.passes("20s")
    ann = stage.person("ann")
    stage.event(ann, "left", cart_id=1)
    assert stage.states(ann) == {"sms": "sent"}


def stalled(stage, **changes):
    """Let all slots of the first of two accounts wait for answers, and others for a slot."""
    first = stage.account(Channel.SMS, "sms", limits={"concurrency": 5, "per_second": 1e6, "burst": 1_000})
    backup = stage.account(Channel.SMS, "backup", priority=9, **changes)
    stage.cascade(TEXT)
    return first, backup, hanging_until_refused(stage, first, 20)


def test_while_all_slots_of_an_account_hang_the_others_go_by_its_backup(either):
    stage = Stage(either)
    first, backup, hanging = stalled(stage)
    stage.passes("4s")
    assert len(stage.parcels) == 5
    stage.passes("2s")
    gone = [parcel for parcel in stage.parcels if parcel.account_id == backup]
    assert len(gone) == 15 and {one.contact_id for one in gone}.isdisjoint(one.contact_id for one in hanging)
    stage.event(stage.person("ann"), "left", cart_id=1)
    assert stage.parcels[-1].account_id == backup
    stage.engine.take_results([accepted(one, stage.clock.now()) for one in hanging[:2]])
    stage.event(stage.person("bob"), "left", cart_id=1)
    assert stage.parcels[-1].account_id == first, "it answers again"
    stage.passes("20m")
    assert len({parcel.contact_id for parcel in stage.parcels}) == len(stage.parcels) == 22


def test_a_backup_that_takes_few_at_a_time_goes_on_with_those_who_wait_for_an_account_that_hangs(either):
    stage = Stage(either)
    stalled(stage, limits={"concurrency": 100, "per_second": 5, "burst": 2})
    stage.passes("6s")
    assert len(stage.parcels) == 5 + 2 + 5


def test_an_account_that_is_slow_by_nature_keeps_its_messages(db):
    stage = Stage(db)
    first, backup, slow = stalled(stage)
    for _ in range(3):
        stage.passes("4s")
        stage.engine.take_results([accepted(one, stage.clock.now()) for one in slow])
        before = len(stage.parcels)
        stage.works()
        slow = stage.parcels[before:]
    assert len(slow) == 5
    for number in range(20, 25):
        stage.event(stage.person(f"p{number}"), "left", cart_id=1)
    stage.passes("15s")
    assert {parcel.account_id for parcel in stage.parcels} == {first}
    stage.passes("2s")
    assert backup in {parcel.account_id for parcel in stage.parcels}


def test_what_was_refused_before_its_account_counted_as_down_goes_by_the_backup_too(either):
    stage = Stage(either)
    failing_beside_a_backup(stage, Reason.TRANSIENT)
    people = [stage.person(f"p{n}") for n in range(8)]
    for person in people:
        stage.event(person, "left", cart_id=1)
    stage.passes("4s")
    assert [stage.states(person)["sms"] for person in people] == ["sent"] * 8


def test_an_account_that_somebody_mends_is_tried_at_once(db):
    stage = Stage(db)
    failing_beside_a_backup(stage, Reason.AUTH)
    first = stage.world.accounts.by_name["sms"].id
    for number in range(30):
        stage.event(stage.person(f"p{number}"), "left", cart_id=1)
        stage.passes("2m")
    assert stage.world.traffic.limits[first].next_at(stage.clock.now()) is not None
    stage.account(Channel.SMS, "sms", secrets={"secret": "another-secret-0123456789"})
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    for name in ("ann", "bob"):
        stage.event(stage.person(name), "left", cart_id=1)
    assert [parcel.account_id for parcel in stage.parcels[-2:]] == [first, first]


@pytest.mark.parametrize("own_is", [0, 1])
def test_two_answers_for_one_message_in_one_tick_count_alike_on_both_databases(either, own_is):
    stage = Stage(either)
    stage.cascade(TEXT)
    stage.answer = lambda parcel: None
    ann = stage.person("ann")
    stage.event(ann, "left", cart_id=1)
    parcel = stage.parcels[-1]
    answers = [accepted(parcel, stage.clock.now() + 5, "p-1", kind=None)]
    answers.insert(own_is, accepted(parcel, stage.clock.now(), "p-1"))
    stage.engine.take_results(answers)
    stage.works()
    assert stage.states(ann)["sms"] == "sent"

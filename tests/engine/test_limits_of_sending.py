"""What keeps a message back: hours, caps, budgets, pauses, hold-outs, addresses that several people share."""

from __future__ import annotations

from msgspec.structs import replace

from kaskad.domain.cascade import Money
from kaskad.domain.policy import HOUR, MINUTE, Cap, PerClass, Policy, Window
from kaskad.domain.terms import Channel, Kind, MessageClass, Reason, RunState
from kaskad.store import cascades
from support.play import NOON
from support.stage import Stage, accepted, refused

HEAD = """
cascade: basket
title: Basket
class: service
trigger: {event: left}
goal: {event: bought}
"""
STEPS = """
steps:
  - {id: sms, channel: sms, text: t, wait: 2h}
  - {id: chat, channel: telegram, text: t, wait: 2h}
"""
PRICED = {"prices": {"minor": 1000, "currency": "KZT"}}


def limited(**changes):
    return replace(Policy.unlimited(), **changes)


# Hours


def test_quiet_hours_are_those_of_the_person(db):
    stage = Stage(db, policy=limited(windows=(Window(("09:00-21:00",)),)))
    stage.cascade(HEAD + STEPS)
    here, there = (
        stage.person("here", zone="UTC"),
        stage.person("there", zone="Pacific/Auckland"),
    )  # midnight there
    for person in (here, there):
        stage.event(person, "left")
    assert stage.sent(here) == ["sms"] and stage.sent(there) == []
    stage.passes("9h")
    assert stage.sent(there) == ["sms"] and stage.at(there) == [NOON + 9 * HOUR]


def test_a_window_that_closes_on_a_queued_message_takes_it_back_and_the_engine_rests(db):
    stage = Stage(db, policy=limited(windows=(Window(("09:00-21:00",)),)), at=NOON + 8 * HOUR)
    stage.answer = lambda parcel: refused(
        parcel, stage.clock.now(), Reason.RATE_LIMITED, retry_after_ms=2 * HOUR
    )
    stage.cascade(HEAD + STEPS)
    ann = stage.person("ann")
    stage.event(ann, "left")
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.passes("5h")
    assert stage.states(ann) == {"sms": "created"} and len(stage.parcels) == 1
    stage.passes("9h")
    assert stage.sent(ann) == ["sms", "sms"]


# Caps


def test_two_runs_of_one_person_that_are_due_in_one_tick_share_the_cap_and_the_better_class_goes(db):
    stage = Stage(
        db, policy=limited(caps=(Cap(1, 1, classes=(MessageClass.SERVICE, MessageClass.ADVERTISING)),))
    )
    promo = HEAD.replace("basket", "promo").replace(
        "class: service", "class: advertising\nholdout: 0%\ntopic: t"
    )
    stage.cascade(promo + STEPS)
    stage.cascade(HEAD + STEPS)
    ann = stage.person("ann")
    stage.event(ann, "left")
    assert len(stage.parcels) == 1
    run = stage.run(ann, stage.parcels[0].run_id)
    assert stage.world.versions[run.version_id].class_code == MessageClass.SERVICE.code


def test_of_runs_of_one_class_and_priority_the_one_whose_date_is_nearest_goes_first(db):
    stage = Stage(db, policy=limited(run_gap_ms=PerClass(service=HOUR)), at=NOON)
    tip = HEAD.replace("basket", "tip").replace("left}", "left, delay: 3h}")
    stage.cascade(f"{tip}steps:\n  - {{id: tip, channel: sms, text: t, wait: 2h}}\n")
    for name, by in (("far", 5), ("near", 1)):
        date = f"at: {{before: trigger.{name}, by: {by}h}}"
        visit = HEAD.replace("basket", name)
        stage.cascade(f"{visit}steps:\n  - {{id: {name}, channel: sms, text: t, {date}}}\n")
    ann = stage.person("ann")
    stage.event(ann, "left", far=(NOON + 8 * HOUR) // 1000, near=(NOON + 4 * HOUR) // 1000)
    stage.passes("12h")  # all three are due in three hours
    assert stage.sent(ann) == ["near", "tip"]
    assert [at - NOON for at in stage.at(ann)] == [3 * HOUR, 4 * HOUR]


def test_a_message_that_never_left_is_no_touch(db):
    stage = Stage(db, policy=limited(caps=(Cap(1, 1, classes=(MessageClass.SERVICE,)),)))
    stage.answer = lambda parcel: (
        refused(parcel, stage.clock.now(), Reason.CONTENT)
        if parcel.step == 0
        else accepted(parcel, stage.clock.now())
    )
    stage.cascade(HEAD + STEPS)
    ann = stage.person("ann")
    stage.event(ann, "left")
    assert stage.sent(ann) == ["sms", "chat"]


def test_a_gap_between_two_cascades_makes_the_second_wait(db):
    stage = Stage(db, policy=limited(run_gap_ms=PerClass(service=HOUR)))
    stage.cascade(HEAD + STEPS)
    stage.cascade(HEAD.replace("basket", "other").replace("left", "gone") + STEPS)
    ann = stage.person("ann")
    stage.event(ann, "left")
    stage.passes("10m")
    stage.event(ann, "gone")
    assert len(stage.parcels) == 1
    stage.passes("50m")
    assert [at - NOON for at in stage.at(ann)] == [0, HOUR]


# Budgets


def test_a_total_budget_is_never_overspent_however_many_are_due_at_once(either):
    stage = Stage(either, account_each=PRICED)
    cascade = stage.cascade(HEAD + "budget: {total: 75 KZT}" + STEPS)
    people = [stage.person(f"p{n}") for n in range(12)]
    stage.deliver(events=[stage.told(person, "left") for person in people])
    assert len(stage.parcels) == 7
    assert stage.rows("reserved_money", id=cascade)[0][0] == 7000
    refused_ones = [person for person in people if stage.sent(person) == []]
    assert len(refused_ones) == 5 and {stage.outcome(person) for person in refused_ones} == {"unreachable"}
    assert stage.states(refused_ones[0]) == {"sms": "over_budget", "chat": "over_budget"}


def test_a_budget_for_each_contact_stops_the_step_that_would_overspend_it(db):
    stage = Stage(db, account_each=PRICED)
    stage.cascade(HEAD + "budget: {per_contact: 15 KZT}" + STEPS)
    ann = stage.person("ann")
    stage.event(ann, "left")
    stage.passes("2h")
    assert stage.states(ann) == {"sms": "sent", "chat": "over_budget"} and stage.outcome(ann) == "exhausted"


def test_a_price_in_another_currency_than_the_budget_is_never_paid(db):
    stage = Stage(db, account_each=PRICED)
    stage.account(Channel.TELEGRAM, "telegram", prices={"minor": 1, "currency": "RUB"})
    for budget in ("total", "per_contact"):
        stage.cascade(HEAD.replace("basket", budget) + f"budget: {{{budget}: 100 RUB}}" + STEPS)
        ann = stage.person(budget)
        stage.event(ann, "left")
        assert stage.states(ann) == {"sms": "over_budget", "chat": "sent"}
        told = [row[2] for row in stage.rows("decisions_of_run", contact_id=ann, run_id=stage.run(ann).id)]
        assert any("sms takes KZT, the budget is in RUB" in text for text in told)
        stage.passes("9h")


def test_what_messages_cost_beyond_their_price_counts_against_the_budget(either):
    stage = Stage(either, account_each=PRICED)
    cost = Money(3000, "KZT")
    stage.answer = lambda parcel: replace(accepted(parcel, stage.clock.now()), cost=cost)
    cascade = stage.cascade(HEAD + "budget: {total: 75 KZT}" + STEPS)
    people = [stage.person(f"p{n}") for n in range(4)]
    for person in people:
        stage.event(person, "left")
    assert len(stage.parcels) == 3, "the third begins with 60 of 75 spent, the fourth with 90"
    assert stage.rows("cascade", id=cascade)[0][5] == 9000


def test_a_cost_is_counted_once_whoever_tells_it_first(either):
    stage = Stage(either, account_each=PRICED)
    stage.answer = lambda parcel: None
    cascade = stage.cascade(HEAD + STEPS)
    ann = stage.person("ann")
    stage.event(ann, "left")
    stage.receipt(ann, Kind.DELIVERED, Kind.READ, value='{"cost": 3000}')
    answer = accepted(stage.parcels[0], stage.clock.now())
    stage.engine.take_results([replace(answer, cost=Money(3100, "KZT"))])
    stage.works()
    stage.receipt(ann, Kind.DELIVERED, value='{"cost": 3100}')
    assert stage.rows("cascade", id=cascade)[0][5] == 3100


def test_a_cost_in_another_currency_than_the_price_is_left_out(db):
    stage = Stage(db, account_each=PRICED)
    stage.answer = lambda parcel: replace(accepted(parcel, stage.clock.now()), cost=Money(900, "RUB"))
    cascade = stage.cascade(HEAD + STEPS)
    ann = stage.person("ann")
    stage.event(ann, "left")
    assert stage.rows("cascade", id=cascade)[0][5] == 0 and stage.states(ann) == {"sms": "sent"}


def test_being_refused_for_now_many_times_costs_nothing_more(db):
    stage = Stage(db, account_each=PRICED)
    stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.RATE_LIMITED)
    cascade = stage.cascade(HEAD + "budget: {total: 15 KZT, per_contact: 15 KZT}" + STEPS)
    ann = stage.person("ann")
    stage.event(ann, "left")
    stage.passes("1m")
    assert len(stage.parcels) > 3
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.passes("20m")
    assert stage.states(ann) == {"sms": "sent"}
    assert stage.rows("reserved_money", id=cascade)[0][0] == 1000


# Pause


def test_a_paused_cascade_sends_nothing_and_goes_on_after_it(either):
    stage = Stage(either)
    cascade = stage.cascade(HEAD + STEPS)
    ann = stage.person("ann")
    stage.event(ann, "left")
    stage.pause(cascade)
    stage.passes("5h")
    assert stage.sent(ann) == ["sms"] and stage.run(ann).state == RunState.PAUSED.code
    stage.pause(cascade, cascades.ACTIVE)
    stage.passes("1h")
    assert stage.sent(ann) == ["sms", "chat"]


def test_runs_that_waited_for_the_end_of_a_pause_can_be_woken_at_once(db):
    stage = Stage(db)
    cascade = stage.cascade(HEAD + STEPS)
    ann = stage.person("ann")
    stage.event(ann, "left")
    stage.pause(cascade)
    stage.passes("150m")
    stage.pause(cascade, cascades.ACTIVE)
    with db.write() as tx:
        tx.run("wake_held_runs", cascade_id=cascade, now=stage.clock.now())
    stage.works()
    assert stage.sent(ann) == ["sms", "chat"]


def test_a_message_that_was_queued_before_the_pause_does_not_go_out_in_it(db):
    stage = Stage(db)
    stage.answer = lambda parcel: refused(
        parcel, stage.clock.now(), Reason.RATE_LIMITED, retry_after_ms=MINUTE
    )
    cascade = stage.cascade(HEAD + STEPS)
    ann = stage.person("ann")
    stage.event(ann, "left")
    stage.pause(cascade)
    stage.passes("3h")
    assert len(stage.parcels) == 1
    stage.event(ann, "bought")
    assert stage.outcome(ann) == "converted" and stage.states(ann)["sms"] == "cancelled"


# Hold-out


def test_those_held_out_get_nothing_and_are_counted_to_the_end(db):
    stage = Stage(db)
    stage.cascade(HEAD + "holdout: 50%" + STEPS)
    people = [stage.person(f"p{n}") for n in range(40)]
    stage.deliver(events=[stage.told(person, "left") for person in people])
    held = [person for person in people if stage.run(person).holdout]
    assert 8 < len(held) < 32 and {p.contact_id for p in stage.parcels} == set(people) - set(held)
    stage.event(held[0], "bought")
    stage.passes("P8D")
    assert stage.outcome(held[0]) == "converted" and stage.outcome(held[1]) == "exhausted"
    assert not [p for p in stage.parcels if p.contact_id in held]


# E11: one address, several people


def shared(stage):
    number = {Channel.SMS: "+77010000001"}
    return [stage.person(name, [Channel.TELEGRAM], addresses=number) for name in ("ann", "bob")]


def test_two_people_with_one_number_get_one_sms_in_the_same_tick(either):
    stage = Stage(either)
    stage.cascade(HEAD + STEPS)
    ann, bob = shared(stage)
    stage.deliver(events=[stage.told(ann, "left"), stage.told(bob, "left")])
    assert stage.sent(ann) == ["sms"] and stage.sent(bob) == ["chat"]
    assert stage.states(bob) == {"sms": "duplicate_address", "chat": "sent"}


def test_two_people_with_one_number_get_one_sms_also_later(either):
    stage = Stage(either)
    stage.cascade(HEAD + STEPS)
    ann, bob = shared(stage)
    stage.event(ann, "left")
    stage.passes("1h")
    stage.event(bob, "left")
    assert stage.states(bob) == {"sms": "duplicate_address", "chat": "sent"}


def test_two_people_with_one_number_get_one_sms_of_a_step_also_by_two_versions(either):
    stage = Stage(either)
    stage.cascade(HEAD + STEPS)
    ann, bob = shared(stage)
    stage.event(ann, "left")
    stage.cascade(
        HEAD + STEPS.replace("steps:", "steps:\n  - {id: vk, channel: vk, text: t, wait: 1h, if: 'false'}")
    )
    stage.event(bob, "left")
    assert stage.states(bob) == {"vk": "condition_false", "sms": "duplicate_address", "chat": "sent"}
    stage.cascade(HEAD + STEPS.replace("id: sms", "id: text"))
    stage.event(stage.person("cid", [], addresses={Channel.SMS: "+77010000001"}), "left")
    assert [stage.sent(person) for person in (ann, bob)] == [["sms"], ["chat"]] and len(stage.parcels) == 3


def test_one_number_gets_one_call(db):
    stage = Stage(db)
    stage.cascade(HEAD + "steps:\n  - {id: robot, channel: robot_call, say: t, wait: 2h}\n")
    ann, bob = shared(stage)
    stage.event(ann, "left")
    stage.event(bob, "left")
    assert stage.sent(ann) == ["robot"] and stage.sent(bob) == []


# What else the message is told


def test_the_provider_is_told_how_long_the_message_is_worth_delivering(db):
    stage = Stage(db)
    stage.cascade(HEAD + STEPS)
    ann = stage.person("ann")
    stage.event(ann, "left")
    assert stage.parcels[0].outgoing.valid_for_ms == 2 * HOUR


def test_a_reminder_is_worth_nothing_after_what_it_reminds_of(db):
    stage = Stage(db)
    stage.cascade(
        HEAD
        + "steps:\n  - {id: sms, channel: sms, text: t, at: {before: trigger.starts_at, by: 30m}, wait: 2h}\n"
    )
    ann = stage.person("ann")
    stage.event(ann, "left", starts_at=(NOON + 40 * MINUTE) // 1000)
    stage.passes("10m")
    assert stage.parcels[0].outgoing.valid_for_ms == 30 * MINUTE


def test_a_person_s_own_order_of_channels_comes_before_the_cascade_s(db):
    from kaskad.store.contacts import Address, Contact, upsert

    stage = Stage(db)
    stage.cascade(HEAD + "steps:\n  - {id: chat, channel: [telegram, vk, viber], text: t, wait: 6h}\n")
    ann = stage.person("ann", [Channel.TELEGRAM])
    with db.write() as tx:
        upsert(tx, b"h" * 32, [Contact(external_id="ann", addresses=[
            Address(Channel.VIBER, "v", preferred=2), Address(Channel.VK, "k", preferred=1),
        ])], 1)  # fmt: skip
    stage.event(ann, "left")
    assert stage.parcels[0].outgoing.channel is Channel.VK


def test_a_clock_can_run_from_the_delivery(db):
    stage = Stage(db)
    clocks = "[{unless: clicked, for: 1h, from: delivered}, {unless: delivered, for: 9h}]"
    step = f"{{id: sms, channel: sms, text: t, wait: {clocks}}}"
    stage.cascade(HEAD + f"steps:\n  - {step}\n  - {{id: chat, channel: telegram, text: t}}\n")
    ann = stage.person("ann")
    stage.event(ann, "left")
    stage.passes("30m")
    stage.receipt(ann, Kind.DELIVERED)
    assert stage.run(ann).wake_at == NOON + 90 * MINUTE

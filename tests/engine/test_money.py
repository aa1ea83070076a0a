"""What messages cost: every step of an amount is kept, and all sums agree to the minor unit."""

from itertools import pairwise
from random import Random

import pytest
from msgspec.structs import replace

from kaskad.actions import measures, reports
from kaskad.actions import money as spent
from kaskad.actions.messages import money
from kaskad.actions.office import Office
from kaskad.domain.cascade import Money
from kaskad.domain.terms import Channel, Kind, Reason
from support.spent import sums_agree
from support.stage import VAULT, Stage, accepted, refused

PRICE = 1000
CASCADE = """
cascade: paid
title: Paid
class: service
trigger: {event: left}
goal: {event: bought}
steps:
  - {id: sms, channel: sms, text: "Hello", wait: 100h}
"""
CALLS = CASCADE.replace("channel: sms, text", "channel: robot_call, say")


def priced(db, charges="submit", text=CASCADE):
    stage = Stage(db)
    for channel in (Channel.SMS, Channel.ROBOT_CALL):
        prices = {"minor": PRICE, "currency": "KZT", "charges": charges}
        stage.account(channel, channel.value, prices=prices)
    return stage, stage.cascade(text)


def ledger(stage, person, step=0):
    with stage.db.read() as tx:
        return money(tx, {"contact_id": person, "run_id": stage.run(person).id, "step": step})


def steps(stage, person):
    return [(each.what, each.amount) for each in ledger(stage, person)]


def reserved(stage, cascade):
    return stage.rows("reserved_money", id=cascade)[0][0]


def test_every_amount_of_many_messages_is_the_sum_of_its_steps_and_so_is_what_the_cascade_holds(either):
    for charges in ("submit", "delivery"):
        stage, cascade = priced(either, charges, CASCADE.replace("paid", charges).replace("left", charges))
        chance, expected = Random(7), {}
        for number in range(15):
            person = stage.person(f"{charges}{number}", [Channel.SMS])
            expected[person] = _one_story(stage, person, chance, charges)
            if number % 5 == 2:
                sums_agree(either)  # and counts, so that the next stories change what was counted
        for person, amount in expected.items():
            entries = ledger(stage, person)
            assert sum(each.amount for each in entries) == (entries[-1].total if entries else 0) == amount
            for before, after in pairwise(entries):
                assert after.total == before.total + after.amount and after.at >= before.at
        assert reserved(stage, cascade) == sum(expected.values())
    sums_agree(either)


def _one_story(stage, person, chance, charges):
    """Let a message go as chance has it; return what it should have come to, by the rules alone."""
    refusals = iter([Reason.RATE_LIMITED] * chance.choice([0, 0, 1, 3]))
    end = chance.choice(["taken", "taken", "priced", "no", "silence"])
    told = chance.randrange(500, 2000)

    def answer(parcel):
        stage.clock.at += 1
        if (reason := next(refusals, None)) is not None:
            return refused(parcel, stage.clock.now(), reason)
        if end == "no":
            return refused(parcel, stage.clock.now(), Reason.INVALID_ADDRESS)
        if end == "silence":
            return None
        result = accepted(parcel, stage.clock.now())
        return replace(result, cost=Money(told, "KZT")) if end == "priced" else result

    stage.answer = answer
    stage.event(person, charges)
    stage.passes("5m")
    amount = {"taken": PRICE, "priced": told, "no": 0, "silence": PRICE}[end]
    if end == "no" and chance.random() < 0.5:  # it has arrived after all: positive evidence wins
        stage.receipt(person, Kind.DELIVERED)
        return PRICE
    if end in ("no", "silence"):
        return amount
    kinds = chance.choice([[], [Kind.DELIVERED], [Kind.FAILED], [Kind.FAILED, Kind.DELIVERED]])
    for kind in kinds:
        stage.passes("1m")
        cost = chance.choice([None, chance.randrange(2000)])
        stage.receipt(person, kind, value=None if cost is None else f'{{"cost": {cost}}}')
        if cost is not None:
            amount = cost
        elif charges == "delivery" and kind is Kind.FAILED:
            amount = 0
        elif charges == "delivery" and amount == 0:
            amount = PRICE
    return amount


def test_each_step_is_told_with_its_instant(db):
    stage, cascade = priced(db)
    ann = stage.person("ann", [Channel.SMS])
    answers = [Reason.RATE_LIMITED]
    stage.answer = lambda parcel: (
        refused(parcel, stage.clock.now(), answers.pop()) if answers else accepted(parcel, stage.clock.now())
    )
    begun = stage.clock.now()
    stage.event(ann, "left")
    stage.passes("10m")
    stage.receipt(ann, Kind.DELIVERED, value='{"cost": 1300}')
    assert steps(stage, ann) == [
        ("reserved", 1000), ("released", -1000), ("reserved", 1000), ("charged", 0), ("receipt", 300),
    ]  # fmt: skip
    assert ledger(stage, ann)[0].at == begun and ledger(stage, ann)[-1].at == stage.clock.now()
    assert reserved(stage, cascade) == 1300


def test_what_waits_for_its_next_try_was_reserved_and_released(db):
    stage, cascade = priced(db)
    ann = stage.person("ann", [Channel.SMS])
    stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.RATE_LIMITED)
    stage.event(ann, "left")
    assert stage.states(ann) == {"sms": "queued"} and reserved(stage, cascade) == 0
    assert steps(stage, ann) == [("reserved", 1000), ("released", -1000)]


@pytest.mark.parametrize("wait", ["0s", "P9D"], ids=["queued again", "taken back"])
def test_what_arrives_though_it_was_refused_and_released_is_told(either, wait):
    stage, cascade = priced(either)
    ann = stage.person("ann", [Channel.SMS])
    stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.RATE_LIMITED)
    stage.event(ann, "left")
    stage.passes(wait)
    assert reserved(stage, cascade) == ledger(stage, ann)[-1].total == 0
    stage.receipt(ann, Kind.DELIVERED, value='{"cost": 77}')
    assert reserved(stage, cascade) == ledger(stage, ann)[-1].total == 77
    assert steps(stage, ann)[-1] == ("receipt", 77)
    sums_agree(either)


def test_what_was_first_said_to_have_been_read_is_told_with_its_cost(either):
    stage, cascade = priced(either)
    ann = stage.person("ann", [Channel.SMS])
    stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.RATE_LIMITED)
    stage.event(ann, "left")
    stage.receipt(ann, Kind.READ)
    stage.receipt(ann, Kind.DELIVERED, value='{"cost": 77}')
    assert reserved(stage, cascade) == ledger(stage, ann)[-1].total == 77
    assert steps(stage, ann)[-1] == ("charged", 77)


def passed_on(stage, *answers):
    """Let a refusing account be followed by another in the same instant; return whose message that is."""
    stage.account(
        Channel.SMS, "other", prices={"minor": 700, "currency": "KZT"}
    )  # the cheaper is asked first
    told = iter(answers)

    def answer(parcel):
        reason = next(told)
        at = stage.clock.now()
        return refused(parcel, at, reason) if reason else accepted(parcel, at)

    stage.answer = answer
    ann = stage.person("ann", [Channel.SMS])
    stage.event(ann, "left")
    return ann


def test_another_account_that_takes_over_at_once_is_told_after_the_refusal(either):
    stage, cascade = priced(either)
    ann = passed_on(stage, Reason.AUTH, None)
    assert steps(stage, ann) == [
        ("reserved", 700), ("released", -700), ("reserved", PRICE), ("charged", 0),
    ]  # fmt: skip
    assert ledger(stage, ann)[-1].total == reserved(stage, cascade) == PRICE


def test_another_account_that_refuses_at_once_releases_its_own_price(either):
    stage, cascade = priced(either)
    ann = passed_on(stage, Reason.AUTH, Reason.INVALID_ADDRESS)
    assert steps(stage, ann) == [
        ("reserved", 700), ("released", -700), ("reserved", PRICE), ("released", -PRICE),
    ]  # fmt: skip
    office = Office(either, VAULT, stage.engine, stage.world.signer, "")
    changed = [(one.reason, one.count, one.minor) for one in spent.money(office, "paid").changes]
    assert changed == [("released", 2, -700 - PRICE)]
    sums_agree(either)
    stage.passes("1m")
    stage.receipt(ann, Kind.DELIVERED)
    assert ledger(stage, ann)[-1].total == reserved(stage, cascade) == PRICE


def test_a_call_that_is_made_again_costs_what_all_its_calls_cost(either):
    stage, cascade = priced(either, text=CALLS)
    ann = stage.person("ann", [Channel.SMS], addresses={Channel.SMS: "+77010000001"})
    stage.event(ann, "left")
    stage.receipt(ann, Kind.FAILED, value='{"reason": "busy", "cost": 700}')
    stage.passes("30m")
    assert len(stage.parcels) == 2
    assert reserved(stage, cascade) == 700 + PRICE
    office = Office(either, VAULT, stage.engine, stage.world.signer, "")
    changed = [(one.reason, one.count, one.minor) for one in spent.money(office, "paid").changes]
    assert changed == [("receipt", 1, -300), ("attempt", 1, 700)]  # the call before is paid on top
    sums_agree(either)
    assert steps(stage, ann) == [
        ("charged", 1000), ("receipt", -300), ("reserved", 1000), ("charged", 0),
    ]  # fmt: skip
    assert ledger(stage, ann)[-1].total == 1700
    bob = stage.person("bob", [Channel.SMS], addresses={Channel.SMS: "+77010000002"})
    stage.event(bob, "left")
    stage.receipt(bob, Kind.FAILED, value='{"reason": "busy", "cost": 500}')
    for waits in (True, False):  # for its second attempt, which nobody takes
        told = spent.money(office, "paid")
        assert told.whole.cost == reports.report(office, "paid").report.cost == {"KZT": 2200}, waits
        assert told.whole.messages == 1 and told.days[0].cost == told.steps[0].cost == {"KZT": 2200}
        assert sum(row[2] for row in stage.rows("spent_by_quarter", since=0)) == 2200
        sums_agree(either)
        stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.INVALID_ADDRESS)
        stage.passes("30m")
    assert stage.states(bob) == {"sms": "rejected"} and reserved(stage, cascade) == 2200
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    eve = stage.person("eve", [Channel.SMS], addresses={Channel.SMS: "+77010000003"})
    stage.event(eve, "left")
    stage.receipt(eve, Kind.FAILED, value='{"reason": "busy", "cost": 300}')
    stage.event(eve, "bought")  # so there is no second attempt
    stage.passes("30m")
    assert len(stage.parcels) == 5 and reserved(stage, cascade) == 2500
    told, made = spent.money(office, "paid"), reports.report(office, "paid").report
    figures = measures.told(office, "paid").measured
    assert told.whole.cost == made.cost == figures.all.cost == {"KZT": 2500}
    assert made.levels[0].cost_each == figures.money["cost_delivered"] and made.goal_cost == {"KZT": 2500}
    assert figures.money["cost_entered"] == {"KZT": 833} and figures.money["cost_goal"] == made.goal_cost

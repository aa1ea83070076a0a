"""Budgets of accounts and of the whole installation: nothing is overspent, and nobody is lost."""

import pytest
from msgspec.structs import replace

from kaskad.actions import policy
from kaskad.actions.alarms import Alarm, alarms
from kaskad.actions.money import budgets
from kaskad.actions.office import Office
from kaskad.domain.cascade import Money
from kaskad.domain.errors import Invalid
from kaskad.domain.policy import HOUR, Policy, SpendingLimit
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.engine.catalog import POLICY
from kaskad.store import settings
from support.play import NOON
from support.spent import sums_agree
from support.stage import VAULT, Stage, accepted, refused

CASCADE = """
cascade: basket
title: Basket
class: service
trigger: {event: left}
goal: {event: bought}
steps:
  - {id: sms, channel: sms, text: t, wait: 200h}
  - {id: chat, channel: telegram, text: t, wait: 2h}
"""
PRICED = {"prices": {"minor": 1000, "currency": "KZT"}}


def limited(*budgets):
    return replace(Policy.unlimited(), budgets=tuple(SpendingLimit(*each) for each in budgets))


def staged(db, *budgets):
    stage = Stage(db, account_each=PRICED, policy=limited(*budgets))
    stage.cascade(CASCADE)
    return stage


def enter(stage, count, name="p"):
    people = [stage.person(f"{name}{n}", [Channel.SMS, Channel.TELEGRAM]) for n in range(count)]
    stage.deliver(events=[stage.told(person, "left") for person in people])
    return people


def spent(stage):
    return sum(amount for _, _, amount in stage.rows("spent_since", day=0))


def test_what_a_day_allows_is_sent_and_the_rest_waits_for_the_next_day(either):
    stage = staged(either, ("75 KZT", "day"))
    people = enter(stage, 12)
    assert len(stage.parcels) == 7 and spent(stage) == 7000
    stage.passes("11h")
    assert len(stage.parcels) == 7
    stage.passes("2h")  # a day has begun: the others were not too late yet
    assert sorted(at - NOON for person in people for at in stage.at(person)) == [0] * 7 + [12 * HOUR] * 5
    assert spent(stage) == 12_000 and not any("over_budget" in stage.states(p).values() for p in people)


def test_what_an_account_refuses_takes_nothing_from_the_cascade(either):
    stage = Stage(either, account_each=PRICED, policy=limited(("25 KZT", "month", "sms")))
    stage.cascade(CASCADE.replace("steps:", "budget: {total: 45 KZT}\nsteps:"))
    people = enter(stage, 4)
    states = [stage.states(person) for person in people]
    assert [state.get("sms") for state in states] == ["sent", "sent", "over_budget", "over_budget"]
    assert [state.get("chat") for state in states] == [None, None, "sent", "sent"]


def test_who_could_not_be_in_time_is_passed_over_and_goes_on(either):
    stage = staged(either, ("25 KZT", "month", "sms"))
    people = enter(stage, 4)
    states = [stage.states(person) for person in people]
    assert [state.get("sms") for state in states] == ["sent", "sent", "over_budget", "over_budget"]
    assert [state.get("chat") for state in states] == [None, None, "sent", "sent"], (
        "another account pays that"
    )
    stage.passes("40h")
    assert len(stage.parcels) == 4


def test_a_budget_knows_what_messages_came_to_and_what_was_spent_before_it(either):
    stage = staged(either)
    enter(stage, 3, "before")
    assert stage.rows("spent_since", day=0) == [], "who has no budget keeps no sums"
    with stage.db.write() as tx:
        settings.put(tx, POLICY, limited(("65 KZT", "day")))
    stage.engine._load()
    assert spent(stage) == 3000
    answers = [Reason.INVALID_ADDRESS]
    stage.answer = lambda parcel: (
        refused(parcel, stage.clock.now(), answers.pop()) if answers
        else replace(accepted(parcel, stage.clock.now()), cost=Money(1500, "KZT"))
    )  # fmt: skip
    (first,) = enter(stage, 1, "refused")  # the SMS is refused, the chat costs 15
    assert stage.states(first) == {"sms": "rejected", "chat": "sent"} and spent(stage) == 4500
    stage.receipt(first, Kind.DELIVERED, step=1, value='{"cost": 500}')
    assert spent(stage) == 3500
    office = Office(stage.db, VAULT, stage.engine, stage.world.signer, "https://go.example.org")
    assert [(one.account, one.spent, one.minor) for one in budgets(office)] == [("", 3500, 6500)]
    assert not [one for one in alarms(office) if one.kind.startswith("budget")]
    enter(stage, 4, "after")
    assert Alarm("budget_used", "installation", "123") in alarms(office)
    with pytest.raises(Invalid, match="no account 'sms' whose price is in RUB"):
        policy.change(office, {"budgets": [{"amount": "5 RUB", "account": "sms"}]})
    with pytest.raises(Invalid, match="is not an amount"):
        policy.change(office, {"budgets": [{"amount": "much"}]})
    assert spent(stage) == 3500 + 3 * 1500, "each took its price when there was room for it"
    stage.restart()
    assert spent(stage) == 8000
    with stage.db.write() as tx:
        settings.put(tx, POLICY, limited())
    stage.engine._load()
    assert stage.rows("spent_since", day=0) == []


def test_what_a_message_cost_after_all_counts_though_its_step_was_passed_over(either):
    """Its account said no and was disabled, and nobody waited for it any more; yet it had taken it."""
    stage = staged(either, ("75 KZT", "day"))
    stage.answer = lambda parcel: (
        refused(parcel, stage.clock.now(), Reason.TRANSIENT) if parcel.step == 0 else None
    )
    (ann,) = enter(stage, 1)
    stage.account(Channel.SMS, "sms", enabled=False, **PRICED)
    stage.passes("150m")
    assert stage.states(ann)["sms"] == "provider_disabled"
    stage.receipt(ann, Kind.DELIVERED, step=0, value='{"cost": 77}')
    assert stage.states(ann)["sms"] == "delivered"
    assert spent(stage) == 1077 and stage.rows("reserved_money", id=1)[0][0] == 1077
    sums_agree(stage.db)
    assert {one[2] for one in stage.rows("held_of", cascade_id=1)} == {1000, 77}

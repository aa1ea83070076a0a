"""What other systems write where they know nothing, or by mistake, never stops the engine."""

import pytest

from kaskad.analytics.reach import report
from kaskad.cli.screens.run import _money_line
from kaskad.domain.definition import to_cascade
from kaskad.domain.event import ContactRef, EventIn
from kaskad.domain.hours import DAY
from kaskad.domain.paths import instant_at
from kaskad.domain.policy import Policy
from kaskad.store import settings
from support.play import NOON
from support.stage import Stage

HEAD = """
cascade: odd
title: Odd
class: service
trigger: {event: left, delay: P1D}
goal: {event: bought, within: P1M, value: amount}
"""
SMS = HEAD + "steps: [{id: sms, channel: sms, text: Hello, wait: 2h}]"
ANCHORED = (
    HEAD.replace(", delay: P1D", "")
    + """
steps:
  - {id: before, channel: sms, text: Hello, at: {before: trigger.starts_at, by: P1D}}
  - {id: after, channel: telegram, text: Hello, at: {after: trigger.starts_at, by: P1D}}
"""
)


@pytest.mark.parametrize("amount", [1e17, -1e30, 10**30, float("inf"), float("nan"), "12", True, None])
def test_a_goal_ends_the_run_whatever_it_says_it_is_worth(db, amount):
    stage = Stage(db)
    stage.cascade(SMS)
    ann = stage.person("ann")
    stage.event(ann, "left")
    stage.event(ann, "bought", amount=amount)
    assert stage.outcome(ann) == "converted"


@pytest.mark.parametrize(
    "date", ["0001-01-01", "9999-12-31T23:59:59Z", "tomorrow", "", 10**40, 1e300, -1e18, float("nan"), {}, []]
)
def test_an_anchor_that_is_no_date_of_this_time_is_none(db, date):
    stage = Stage(db, policy=Policy())
    stage.cascade(ANCHORED)
    ann, bob = stage.person("ann"), stage.person("bob")
    stage.event(ann, "left", starts_at=date)
    stage.event(bob, "left", starts_at=(NOON + 3 * DAY) // 1000)
    stage.passes("10d")
    assert stage.outcome(ann) == "unreachable" and stage.sent(ann) == []
    assert stage.sent(bob) == ["before", "after"]


def test_dates_from_1900_to_2200_are_anchors():
    assert instant_at("trigger.at", {"at": "1900-01-01"}, {}) == -2_208_988_800_000
    assert instant_at("trigger.at", {"at": "1899-12-31"}, {}) is None
    assert instant_at("trigger.at", {"at": "2199-12-31"}, {}) is not None
    assert instant_at("trigger.at", {"at": "2200-01-01"}, {}) is None


@pytest.mark.parametrize("at", [253_402_300_799_000, -62_135_596_800_000])
def test_an_event_told_for_another_age_counts_from_now_at_the_latest(db, at):
    stage = Stage(db)
    stage.cascade(SMS)
    ann = stage.person("ann")
    stage.deliver(events=[EventIn("e", "left", ContactRef(id=ann), at, {})])
    stage.passes("1d")
    assert stage.sent(ann) == ["sms"]


def test_what_goals_are_worth_is_never_mixed_with_another_currency(db):
    with db.write() as tx:
        settings.put(tx, "brand", {"name": "Shop", "currency": "KZT"})
    stage = Stage(db)
    cascade_id = stage.cascade(SMS)
    told = ({"amount": 12.5}, {"amount": 7, "currency": "kzt"}, {"amount": 900, "currency": "USD"}, {})
    for number, properties in enumerate(told):
        person = stage.person(f"p{number}")
        stage.event(person, "left")
        stage.event(person, "bought", **properties)
    with db.read() as tx:
        made = report(tx, cascade_id, to_cascade(SMS, name="odd"), stage.clock.now())
    assert (made.goals, made.revenue, made.revenue_each) == (4, {"KZT": 1950}, {"KZT": 488})
    shown = _money_line(made).plain
    assert shown == "Goals 4, worth ₸19.50 (returns not deducted) · ₸4.88 for each run that entered"

"""Consent: who may be sent what, and what a refusal changes (E9, 3.6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from kaskad.domain.consent import (
    ANY,
    ConsentRow,
    Effect,
    OptOut,
    Purpose,
    Scope,
    channels_of,
    effect_of_opt_out,
    may,
    paused_until,
    purpose_of,
    renewal,
    withdrawal,
)
from kaskad.domain.terms import Channel, MessageClass, Outcome, SkipReason

ADVERTISING, SERVICE = MessageClass.ADVERTISING, MessageClass.SERVICE
TRANSACTIONAL, EMERGENCY = MessageClass.TRANSACTIONAL, MessageClass.EMERGENCY
NOW = 1_800_000_000_000
EMAIL, SMS = 1 << Channel.EMAIL.code, 1 << Channel.SMS.code


def grant(
    channels=0, topic="", at=NOW - 1000, purpose=ADVERTISING.code, expires_at=None, proven=True
) -> ConsentRow:
    return ConsentRow(True, purpose, channels, topic, at, expires_at, proven)


def refusal(channels=0, topic="", at=NOW - 500, purpose=ANY) -> ConsentRow:
    return ConsentRow(False, purpose, channels, topic, at)


def ask(rows, channel=Channel.SMS, message_class=ADVERTISING, topic="news", health=0):
    return may(rows, channel, message_class, topic, NOW, health)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [grant(proven=False)],
        [grant(channels=EMAIL)],
        [grant(topic="offers")],
        [grant(purpose=SERVICE.code)],
        [grant(expires_at=NOW)],
        [grant(at=NOW + 1)],
        [grant(), refusal()],
        [refusal(), grant()],  # any order in which they are read
        [grant(at=NOW - 500), refusal()],  # at the same instant the refusal wins
    ],
)
def test_advertising_without_a_valid_grant_is_held(rows):
    assert ask(rows) is SkipReason.NO_CONSENT


@pytest.mark.parametrize(
    "rows",
    [
        [grant()],
        [grant(channels=SMS | EMAIL)],
        [grant(topic="news")],
        [grant(purpose=ANY)],
        [grant(expires_at=NOW + 1)],
        [refusal(), grant(at=NOW - 400)],
        [grant(), refusal(channels=EMAIL)],
        [grant(), refusal(topic="offers")],
        [grant(), refusal(purpose=SERVICE.code)],
        [grant(), grant(at=NOW - 10, proven=False)],  # a later import takes no proof away
        [grant(), grant(at=NOW - 10, expires_at=NOW - 5)],
    ],
)
def test_advertising_with_a_valid_grant_goes(rows):
    assert ask(rows) is None


def test_a_message_without_a_topic_needs_a_grant_for_all_topics():
    assert ask([grant(topic="news")], topic="") is SkipReason.NO_CONSENT
    assert ask([grant()], topic="") is None
    assert ask([grant(), refusal(topic="news")], topic="") is None


@pytest.mark.parametrize("message_class", [SERVICE, TRANSACTIONAL, EMERGENCY])
def test_other_classes_need_no_grant(message_class):
    assert ask([], message_class=message_class) is None


@pytest.mark.parametrize(
    ("row", "service", "transactional"),
    [
        (refusal(), SkipReason.NO_CONSENT, None),  # all non-transactional
        (refusal(channels=SMS), SkipReason.NO_CONSENT, SkipReason.NO_CONSENT),
        (refusal(channels=EMAIL), None, None),
        (refusal(topic="news"), SkipReason.NO_CONSENT, SkipReason.NO_CONSENT),
        (refusal(topic="offers"), None, None),
        (refusal(purpose=ADVERTISING.code), None, None),
    ],
)
def test_service_and_transactional_respect_what_covers_them(row, service, transactional):
    assert ask([row], message_class=SERVICE) is service
    assert ask([row], message_class=TRANSACTIONAL) is transactional
    assert ask([row], message_class=EMERGENCY) is None


def test_the_health_of_the_address_comes_first_for_every_class():
    for message_class in MessageClass:
        assert ask([grant()], message_class=message_class, health=1) is SkipReason.ADDRESS_INVALID
        assert ask([grant()], message_class=message_class, health=2) is SkipReason.SUPPRESSED


def test_a_stop_by_sms_also_stops_robot_calls_and_the_reverse():
    assert channels_of(Channel.SMS) & 1 << Channel.ROBOT_CALL.code
    assert channels_of(Channel.ROBOT_CALL) & 1 << Channel.SMS.code
    assert not channels_of(Channel.SMS) & 1 << Channel.AGENT_CALL.code
    assert channels_of(Channel.VK) == 1 << Channel.VK.code


def test_start_takes_a_stop_back_for_that_channel_only():
    rows = [
        grant(),
        withdrawal(OptOut(Scope.CHANNEL, Channel.SMS), NOW - 100),
        renewal(Channel.SMS, NOW - 50),
    ]
    assert ask(rows) is None
    assert ask(rows, channel=Channel.ROBOT_CALL) is SkipReason.NO_CONSENT
    assert ask(rows, message_class=SERVICE) is None


def test_after_stop_to_everything_start_opens_one_channel_again():
    rows = [grant(), withdrawal(OptOut(Scope.ALL, Channel.SMS), NOW - 100), renewal(Channel.SMS, NOW - 50)]
    assert ask(rows) is None and ask(rows, message_class=SERVICE) is None
    assert ask(rows, channel=Channel.EMAIL) is SkipReason.NO_CONSENT
    assert ask(rows, channel=Channel.EMAIL, message_class=SERVICE) is SkipReason.NO_CONSENT


OPTED_OUT, GOES_ON = Effect(Outcome.OPTED_OUT), Effect()
ON_SMS = Effect(channels=channels_of(Channel.SMS))


@pytest.mark.parametrize(
    ("scope", "advertising", "service", "transactional"),
    [
        (Scope.CHANNEL, OPTED_OUT, ON_SMS, ON_SMS),
        (Scope.TOPIC, OPTED_OUT, OPTED_OUT, OPTED_OUT),
        (Scope.ADVERTISING, OPTED_OUT, GOES_ON, GOES_ON),
        (Scope.ALL, OPTED_OUT, OPTED_OUT, GOES_ON),
        (Scope.COMPLAINT, Effect(Outcome.COMPLAINED), Effect(Outcome.COMPLAINED), GOES_ON),
    ],
)
def test_what_a_refusal_by_sms_does_to_live_runs(scope, advertising, service, transactional):
    said = OptOut(scope, Channel.SMS, "news")
    assert effect_of_opt_out(said, ADVERTISING, "news") == advertising
    assert effect_of_opt_out(said, SERVICE, "news") == service
    assert effect_of_opt_out(said, TRANSACTIONAL, "news") == transactional
    assert effect_of_opt_out(said, EMERGENCY, "news") == GOES_ON


def test_a_run_on_another_topic_goes_on_when_one_topic_is_left():
    assert effect_of_opt_out(OptOut(Scope.TOPIC, Channel.EMAIL, "offers"), ADVERTISING, "news") == GOES_ON


def test_leaving_the_topic_of_a_message_that_has_none_is_leaving_the_channel():
    said = OptOut(Scope.TOPIC, Channel.EMAIL)
    assert effect_of_opt_out(said, SERVICE, "") == Effect(channels=EMAIL)
    assert withdrawal(said, NOW) == withdrawal(OptOut(Scope.CHANNEL, Channel.EMAIL), NOW)


def test_the_policy_may_let_advertising_go_on_by_other_channels():
    said = OptOut(Scope.CHANNEL, Channel.SMS)
    assert effect_of_opt_out(said, ADVERTISING, "", channel_stop_ends_advertising=False) == ON_SMS


refusals = st.builds(
    OptOut, st.sampled_from(Scope), st.sampled_from(Channel), st.sampled_from(["", "news", "offers"])
)


@given(
    refusals, st.sampled_from(MessageClass), st.sampled_from(["", "news", "offers"]), st.sampled_from(Channel)
)
def test_what_ends_or_closes_a_run_is_what_consent_refuses_afterwards(said, message_class, topic, channel):
    rows = [grant(), withdrawal(said, NOW - 100)]
    effect = effect_of_opt_out(said, message_class, topic, channel_stop_ends_advertising=False)
    closed = effect.outcome is not None or bool(effect.channels & 1 << channel.code)
    assert closed == (may(rows, channel, message_class, topic, NOW) is not None)


rows_ = st.builds(
    ConsentRow,
    st.booleans(),
    st.sampled_from([ANY, 1, 2, 3]),
    st.sampled_from([0, EMAIL, SMS, EMAIL | SMS]),
    st.sampled_from(["", "news", "offers"]),
    st.integers(NOW - 5, NOW + 5),
    st.none() | st.integers(NOW - 3, NOW + 3),
    st.booleans(),
).map(lambda row: row if row.granted else structs.replace(row, expires_at=None))  # rests have a test above
asked = (
    st.sampled_from([Channel.EMAIL, Channel.SMS]),
    st.sampled_from(MessageClass),
    st.sampled_from(["", "news"]),
)


@given(st.lists(rows_, max_size=6), st.randoms(), *asked)
def test_the_order_in_which_rows_are_read_does_not_matter(rows, random, channel, message_class, topic):
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert may(shuffled, channel, message_class, topic, NOW) == may(rows, channel, message_class, topic, NOW)


@given(st.lists(rows_, max_size=6), rows_, *asked)
def test_one_refusal_more_never_allows_and_one_grant_more_never_forbids(
    rows, row, channel, message_class, topic
):
    before = may(rows, channel, message_class, topic, NOW) is None
    after = may([*rows, row], channel, message_class, topic, NOW) is None
    assert after >= before if row.granted else after <= before


def pause(until, at=NOW - 500) -> ConsentRow:
    return ConsentRow(False, ANY, 0, "", at, until)


def test_a_rest_holds_until_it_ends_and_the_newest_counts_alone():
    on = [grant(), pause(NOW + 1)]
    assert ask(on) is SkipReason.NO_CONSENT
    assert ask(on, message_class=SERVICE) is SkipReason.NO_CONSENT
    assert ask(on, message_class=TRANSACTIONAL) is None
    assert paused_until(on, NOW) == NOW + 1
    assert ask([grant(), pause(NOW)]) is None
    assert ask([grant(), pause(NOW + 9), pause(NOW - 100, at=NOW - 100)]) is None  # shortened
    assert ask([grant(), pause(NOW - 100, at=NOW - 600), pause(NOW + 9)]) is SkipReason.NO_CONSENT
    assert ask([pause(NOW + 9), grant(at=NOW - 400)]) is None  # agreed to anew
    assert ask([refusal(at=NOW - 900), pause(NOW - 1)]) is SkipReason.NO_CONSENT  # a no outlives it


def test_what_one_brand_was_told_says_nothing_of_another():
    def may_of(rows, brand):
        return may(rows, Channel.SMS, ADVERTISING, "news", NOW, brand=brand)

    ours = [structs.replace(grant(), brand="north")]
    assert may_of(ours, "north") is None
    assert may_of(ours, "south") is SkipReason.NO_CONSENT
    assert may_of(ours, "") is SkipReason.NO_CONSENT
    assert may_of([grant()], "south") is None  # given to the house
    refused = [grant(), structs.replace(refusal(), brand="north")]
    assert may_of(refused, "north") is SkipReason.NO_CONSENT
    assert may_of(refused, "south") is None
    of_north = OptOut(Scope.ALL, Channel.SMS, brand="north")
    assert effect_of_opt_out(of_north, ADVERTISING, "news", brand="south") == Effect()
    assert effect_of_opt_out(of_north, ADVERTISING, "news", brand="north").outcome is Outcome.OPTED_OUT


def test_a_consent_to_tracking_lets_no_message_go_and_its_end_stops_none():
    assert ask([grant(purpose=Purpose.TRACKING.code)]) is SkipReason.NO_CONSENT
    assert ask([grant(), refusal(purpose=Purpose.TRACKING.code)]) is None
    assert {purpose_of(purpose.code) for purpose in Purpose} == set(Purpose)

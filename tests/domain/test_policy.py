"""Policy: the defaults of domain.md C6, E15, E7, E5, and settings as JSON."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad.domain.policy import CALLS, DAY, HOUR, MINUTE, TEXTS, Cap, Counted, Days, Policy, Window
from kaskad.domain.terms import Channel, MessageClass

ADVERTISING, SERVICE = MessageClass.ADVERTISING, MessageClass.SERVICE


def hours(channel: Channel, message_class: MessageClass, country: str = "", urgent: bool = False):
    rule = Policy().rule(channel, message_class, country, urgent=urgent)
    return [(window.hours, window.days) for window in rule]


def test_every_channel_has_a_family():
    assert {Channel.EMAIL, *TEXTS, *CALLS} == set(Channel)


@pytest.mark.parametrize("channel", TEXTS)
def test_messengers_push_and_sms_go_from_9_to_21_and_advertising_not_on_holidays(channel):
    assert hours(channel, SERVICE) == [(("09:00-21:00",), Days.EVERY)]
    assert hours(channel, ADVERTISING) == [(("09:00-21:00",), Days.NOT_HOLIDAYS)]


@pytest.mark.parametrize("message_class", [SERVICE, ADVERTISING])
def test_mail_goes_from_8_to_22_on_every_day(message_class):
    assert hours(Channel.EMAIL, message_class) == [(("08:00-22:00",), Days.EVERY)]


@pytest.mark.parametrize("channel", CALLS)
@pytest.mark.parametrize("message_class", [MessageClass.TRANSACTIONAL, SERVICE, ADVERTISING])
def test_people_are_called_from_10_to_20_on_working_days(channel, message_class):
    assert hours(channel, message_class) == [(("10:00-20:00",), Days.WORKING)]


def test_transactional_texts_and_every_emergency_go_at_once():
    assert hours(Channel.SMS, MessageClass.TRANSACTIONAL, "KZ") == []
    for channel in Channel:
        for country in ("", "KZ", "US", "FR"):
            assert hours(channel, MessageClass.EMERGENCY, country) == []


def test_urgency_crosses_the_brand_s_windows_but_not_the_law_s():
    assert hours(Channel.SMS, SERVICE, "RU", urgent=True) == []
    assert hours(Channel.SMS, SERVICE, "KZ", urgent=True) == [(("09:00-21:00",), Days.WORKING)]
    assert hours(Channel.SMS, ADVERTISING, "RU", urgent=True) == hours(Channel.SMS, ADVERTISING, "RU")


def test_countries_tighten():
    assert len(hours(Channel.SMS, ADVERTISING, "KZ")) == 2
    assert (("08:00-21:00",), Days.EVERY) in hours(Channel.SMS, ADVERTISING, "US")
    assert (("10:00-13:00", "14:00-20:00"), Days.WORKING) in hours(Channel.AGENT_CALL, ADVERTISING, "FR")
    assert len(hours(Channel.AGENT_CALL, SERVICE, "FR")) == 1


def test_the_defaults_are_those_of_the_rules():
    policy = Policy()
    assert policy.min_gap_ms.of(ADVERTISING) == policy.min_gap_ms.of(SERVICE) == HOUR
    assert policy.run_gap_ms.of(ADVERTISING) == DAY and policy.run_gap_ms.of(SERVICE) == HOUR
    assert policy.holdout.of(ADVERTISING) == 1000 and policy.holdout.of(MessageClass.TRANSACTIONAL) == 0
    assert policy.max_lateness_ms == 12 * HOUR
    assert (policy.outage_skip_after_ms, policy.outage_skip_after_urgent_ms) == (2 * HOUR, 10 * MINUTE)
    assert policy.window_jitter_ms == 30 * MINUTE
    assert (policy.late_open_hold_ms, policy.suspected_click_hold_ms) == (4 * HOUR, 15 * MINUTE)
    assert policy.receipt_ttl_ms.of(Channel.SMS) == policy.receipt_ttl_ms.of(Channel.EMAIL) == 3 * DAY
    assert policy.receipt_ttl_ms.of(Channel.VIBER) == policy.receipt_ttl_ms.of(Channel.ROBOT_CALL) == DAY


def test_an_unlimited_policy_asks_for_no_wait_at_all():
    policy = Policy.unlimited()
    for channel in Channel:
        for message_class in MessageClass:
            assert policy.rule(channel, message_class, "KZ") == ()
            assert not policy.min_gap_ms.of(message_class) and not policy.run_gap_ms.of(message_class)
            assert not policy.holdout.of(message_class)
    assert not policy.caps and not policy.window_jitter_ms


@pytest.mark.parametrize("policy", [Policy(), Policy.unlimited()])
def test_a_policy_survives_json(policy):
    assert msgspec.json.decode(msgspec.json.encode(policy), type=Policy) == policy


def test_what_a_setting_leaves_out_keeps_its_default():
    text = '{"zone": "Asia/Almaty", "windows": [{"hours": ["22:00-02:00"], "channels": ["sms"]}]}'
    policy = msgspec.json.decode(text, type=Policy)
    assert policy.caps == Policy().caps and policy.zone == "Asia/Almaty"
    assert policy.windows == (Window(("22:00-02:00",), channels=(Channel.SMS,)),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"windows": [{"hours": ["9-21"]}]}', "write them like 09:00-21:00"),
        ('{"windows": [{"hours": ["09:00-24:30"]}]}', "at most 24:00"),
        ('{"windows": [{"hours": ["09:00-09:00"]}]}', "must differ"),
        ('{"windows": [{"channels": ["pigeon"]}]}', "pigeon"),
        ('{"windows": [{"hour": ["09:00-21:00"]}]}', "hour"),
        ('{"caps": [{"limit": 0, "days": 1}]}', "at least 1"),
        ('{"caps": [{"limit": 1, "days": 0, "counts": "runs"}]}', "needs days"),
        ('{"quiet": 1}', "quiet"),
    ],
)
def test_a_wrong_setting_is_refused_and_says_what(text, says):
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.json.decode(text, type=Policy)


clock = st.integers(0, 1439).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")


@given(st.lists(st.tuples(clock, clock).filter(lambda pair: pair[0] != pair[1]), max_size=4))
def test_spans_are_in_order_apart_and_hold_every_minute_of_the_hours(pairs):
    spans = Window(tuple(f"{a}-{b}" for a, b in pairs)).spans()
    flat = [edge for span in spans for edge in span]
    assert flat == sorted(set(flat))
    for minute in range(0, 1440, 7):
        now = f"{minute // 60:02}:{minute % 60:02}"
        wanted = any((a <= now < b) if a < b else (now >= a or now < b) for a, b in pairs)
        assert any(first <= minute < until for first, until in spans) == wanted


def test_a_cap_is_read_as_people_say_it():
    assert Cap(6, 7).words() == "6 touches in 7 days"
    assert Cap(1, 1, Counted.RUNS).words() == "1 runs in 1 days"
    assert Cap(4, 0, channels=CALLS).words() == "4 touches on robot_call, agent_call in one run"

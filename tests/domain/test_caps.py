"""Caps: E14 and E15, and a count by hand at every candidate instant beside the computed one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad.domain.caps import Touch, check, reach_ms
from kaskad.domain.hours import day_start, local_day, zone_info
from kaskad.domain.policy import CALLS, DAY, HOUR, MINUTE, Cap, Counted, PerClass, Policy
from kaskad.domain.terms import Channel, MessageClass

ADVERTISING, SERVICE = MessageClass.ADVERTISING, MessageClass.SERVICE
POLICY = Policy()
ALMATY = "Asia/Almaty"


def at(text: str, zone: str = ALMATY) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone_info(zone)).timestamp()) * 1000


def touch(
    when: int, run_id: int = 1, channel: Channel = Channel.EMAIL, message_class: MessageClass = ADVERTISING
) -> Touch:
    return Touch(when, run_id, channel.code, message_class.code)


def ask(
    touches, now, *, policy=POLICY, of=ADVERTISING, channel=Channel.EMAIL, run_id=1, zone=ALMATY, urgent=False
):
    return check(touches, policy, of, channel, run_id, zone, now, urgent=urgent)


NOON = at("2026-11-24 12:00")


def test_nobody_who_was_never_touched_is_capped():
    assert ask([], NOON).allowed


def test_inside_a_run_an_hour_lies_between_touches():
    verdict = ask([touch(NOON)], NOON + 20 * MINUTE)
    assert not verdict.allowed and verdict.at == NOON + HOUR and "60 min" in verdict.reason
    assert ask([touch(NOON)], NOON + HOUR).allowed
    assert ask([touch(NOON)], NOON + HOUR - 1).at == NOON + HOUR


def test_a_day_lies_between_advertising_of_different_runs_and_an_hour_between_service():
    before = [touch(at("2026-11-23 21:00"), run_id=7, message_class=SERVICE)]
    assert ask(before, NOON).at == at("2026-11-24 21:00")
    assert ask(before, at("2026-11-23 21:30"), of=SERVICE).at == at("2026-11-23 22:00")
    assert ask(before, NOON, of=SERVICE).allowed


def test_a_second_advertising_run_waits_for_the_contact_s_next_day():
    started = [touch(at("2026-11-23 00:10"), run_id=7)]
    verdict = ask(started, at("2026-11-23 23:50"), policy=Policy(run_gap_ms=PerClass()))
    assert not verdict.allowed
    assert verdict.at == at("2026-11-24 00:00")
    assert verdict.reason == "1 runs in 1 days"


def test_a_run_that_has_started_is_not_capped_as_a_start():
    touches = [touch(at("2026-11-24 08:00"), run_id=7), touch(at("2026-11-23 08:00"), run_id=1)]
    assert ask(touches, NOON, policy=Policy(run_gap_ms=PerClass())).allowed


def test_a_run_started_on_the_day_of_its_first_touch_not_of_its_last():
    touches = [touch(at("2026-11-23 08:00"), run_id=7), touch(at("2026-11-24 08:00"), run_id=7)]
    assert ask(touches, NOON, policy=Policy(run_gap_ms=PerClass())).allowed


def test_of_several_limits_the_last_to_free_up_decides():
    touches = [touch(at("2026-11-24 11:40"), 1, Channel.ROBOT_CALL), touch(at("2026-11-24 11:00"), run_id=7)]
    verdict = ask(touches, NOON, channel=Channel.ROBOT_CALL)
    assert verdict.at == at("2026-11-25 11:00") and "another run" in verdict.reason
    verdict = ask(touches[:1], NOON, channel=Channel.ROBOT_CALL)
    assert verdict.at == at("2026-11-25 00:00") and verdict.reason.startswith("1 touches")


def test_a_third_run_in_seven_days_waits_until_the_first_is_a_week_old():
    touches = [touch(at("2026-11-18 15:00"), run_id=7), touch(at("2026-11-21 15:00"), run_id=8)]
    assert ask(touches, NOON).at == at("2026-11-25 00:00")


def test_service_runs_are_no_advertising_runs():
    touches = [touch(at(f"2026-11-2{day} 08:00"), run_id=day, message_class=SERVICE) for day in (0, 1, 2, 3)]
    assert ask(touches, NOON).allowed


def test_the_fifth_touch_of_a_run_never_comes():
    touches = [touch(NOON - hours * HOUR) for hours in (50, 40, 30, 20)]
    verdict = ask(touches, NOON)
    assert not verdict.allowed and verdict.at is None and verdict.reason == "4 touches in one run"


def test_six_touches_in_seven_local_days_over_all_channels_and_classes():
    touches = [
        touch(at(f"2026-11-{day} 23:30"), day, Channel.SMS, MessageClass.TRANSACTIONAL)
        for day in range(17, 23)
    ]
    verdict = ask(touches, at("2026-11-23 23:40"))
    assert verdict.at == at("2026-11-24 00:00") and verdict.reason == "6 touches in 7 days"
    assert ask(touches[1:], at("2026-11-23 23:40")).allowed
    assert ask(touches, at("2026-11-24 00:00")).allowed


def test_one_call_a_day_whatever_other_channels_did():
    called = [touch(at("2026-11-24 10:00"), 1, Channel.ROBOT_CALL)]
    assert ask(called, at("2026-11-24 15:00"), channel=Channel.AGENT_CALL).at == at("2026-11-25 00:00")
    assert ask(called, at("2026-11-24 15:00"), channel=Channel.SMS).allowed
    mailed = [touch(at("2026-11-24 10:00"), 1, Channel.EMAIL)]
    assert ask(mailed, at("2026-11-24 15:00"), channel=Channel.AGENT_CALL).allowed


def test_scenario_16_the_day_that_counts_is_the_contact_s_own():
    started = [touch(at("2026-11-24 01:00"), run_id=7)]  # 20:00 UTC the day before
    policy = Policy(run_gap_ms=PerClass())
    now = at("2026-11-24 04:00")  # 23:00 UTC the day before: the same day in Almaty, and in UTC
    assert ask(started, now, policy=policy).at == at("2026-11-25 00:00")
    assert ask(started, now, policy=policy, zone="UTC").at == at("2026-11-24 00:00", "UTC")


@pytest.mark.parametrize("message_class", [MessageClass.TRANSACTIONAL, MessageClass.EMERGENCY])
def test_transactional_and_emergency_are_counted_but_not_capped(message_class):
    touches = [touch(NOON - minutes * MINUTE, run_id=minutes % 3) for minutes in range(20)]
    assert ask(touches, NOON, of=message_class).allowed


def test_urgency_crosses_caps_but_not_for_advertising():
    touches = [touch(NOON - MINUTE, run_id=2)]
    assert ask(touches, NOON, of=SERVICE, urgent=True).allowed
    assert not ask(touches, NOON, urgent=True).allowed


def test_an_unlimited_policy_caps_nothing():
    touches = [touch(NOON - i) for i in range(100)]
    assert ask(touches, NOON, policy=Policy.unlimited()).allowed
    assert reach_ms(Policy.unlimited()) == 0


caps = st.builds(
    Cap,
    st.integers(1, 4),
    st.integers(1, 8),
    st.sampled_from(Counted),
    st.sampled_from([(), CALLS]),
    st.sampled_from([(ADVERTISING,), (ADVERTISING, SERVICE)]),
)
zones = st.sampled_from(["UTC", ALMATY, "Europe/Berlin", "Asia/Beirut", "Pacific/Chatham"])
START = int(datetime(2026, 10, 30, 12, tzinfo=UTC).timestamp()) * 1000  # around the changes of the clock
touches_ = st.lists(
    st.builds(
        touch,
        st.integers(START - 9 * DAY, START) | st.integers(START - DAY, START),
        st.integers(1, 4),
        st.sampled_from([Channel.EMAIL, Channel.SMS, Channel.ROBOT_CALL]),
        st.sampled_from([ADVERTISING, SERVICE]),
    ),
    max_size=10,
)


def fits(touches, cap: Cap, now: int, channel: Channel, zone: str, run_id: int) -> bool:
    """Return the same for one cap, by counting."""
    if cap.channels and channel not in cap.channels:
        return True
    counted = [t for t in touches if not cap.channels or Channel.of(t.channel_code) in cap.channels]
    today = local_day(now, zone)

    def recent(instant: int) -> bool:
        return today - cap.days < local_day(instant, zone)

    if cap.counts is Counted.TOUCHES:
        return sum(recent(t.at) for t in counted) < cap.limit
    if any(t.run_id == run_id for t in counted):
        return True
    counted = [t for t in counted if MessageClass.of(t.class_code) in cap.classes]
    runs = {t.run_id for t in counted}
    return sum(recent(min(t.at for t in counted if t.run_id == run)) for run in runs) < cap.limit


@given(
    touches_,
    st.lists(caps, max_size=3).map(tuple),
    st.sampled_from([Channel.EMAIL, Channel.ROBOT_CALL]),
    zones,
    st.integers(0, 30 * HOUR),
    st.integers(0, 30 * HOUR),
)
def test_the_slot_offered_is_free_and_none_before_it_is(touches, caps_, channel, zone, own, other):
    gaps = {"min_gap_ms": PerClass(advertising=own), "run_gap_ms": PerClass(advertising=other)}
    policy = Policy(caps=caps_, **gaps)

    def free(instant: int) -> bool:
        return all(fits(touches, cap, instant, channel, zone, 1) for cap in caps_) and all(
            instant >= t.at + (own if t.run_id == 1 else other) for t in touches
        )

    verdict = ask(touches, START, policy=policy, channel=channel, zone=zone)
    assert verdict.allowed == free(START)
    if verdict.allowed:
        assert verdict.reason == ""
        return
    assert verdict.at is not None and verdict.at > START and verdict.reason
    assert free(verdict.at) and not free(verdict.at - 1)
    assert ask(touches, verdict.at, policy=policy, channel=channel, zone=zone).allowed


@given(touches_, st.lists(caps, max_size=3).map(tuple), zones, st.integers(0, 60 * HOUR))
def test_touches_of_other_runs_beyond_the_reach_change_nothing(touches, caps_, zone, gap):
    policy = Policy(caps=caps_, run_gap_ms=PerClass(advertising=gap))
    runs_in_reach = {t.run_id for t in touches if t.at > START - reach_ms(policy)}
    kept = [t for t in touches if t.run_id == 1 or t.run_id in runs_in_reach]
    assert ask(kept, START, policy=policy, zone=zone) == ask(touches, START, policy=policy, zone=zone)


@given(touches_, st.randoms())
def test_the_order_of_touches_does_not_matter(touches, random):
    shuffled = list(touches)
    random.shuffle(shuffled)
    assert ask(shuffled, START) == ask(touches, START)


def test_the_free_slot_is_the_first_instant_of_a_day_whose_midnight_does_not_exist():
    zone = "Asia/Beirut"  # 28 March 2027 begins at 01:00
    now = at("2027-03-27 20:00", zone)
    policy = Policy(run_gap_ms=PerClass())
    verdict = ask([touch(at("2027-03-27 10:00", zone), run_id=7)], now, policy=policy, zone=zone)
    assert verdict.at == day_start(local_day(now, zone) + 1, zone) == at("2027-03-28 01:00", zone)

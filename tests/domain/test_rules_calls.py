"""When a robot calls again (domain rules 6): whom it has provably not reached, in the hours for calls."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from kaskad.domain.hours import hour_of_day, local_day
from kaskad.domain.policy import DAY, HOUR, MINUTE, Days, Policy, Redial, Window
from kaskad.domain.terms import Channel, Kind, Reason
from support.play import NOON, Play

CASCADE = """
cascade: calls
class: service
trigger: {event: e}
goal: {event: g}
steps:
  - {id: call, channel: robot_call, say: t, wait: 2h}
  - {id: sms, channel: sms, text: t, wait: 2h}
"""
HOURS = replace(Policy.unlimited(), windows=(Window(("10:00-20:00",), Days.WORKING, (Channel.ROBOT_CALL,)),))


def called(text=CASCADE, at=NOON, **changes):
    return Play(text, at=at, **changes)


def gaps(play):
    return [later - sooner for sooner, later in zip(play.times, play.times[1:], strict=False)]


def test_nobody_picks_up_two_hours_later_then_on_the_next_day_at_another_hour():
    play = called().happens(Kind.FAILED, reason=Reason.NO_ANSWER)
    assert (play.state(), play.waits()) == ("created", "2h00m")
    play.passes("2h").happens(Kind.FAILED, reason=Reason.NO_ANSWER).passes("20h")
    assert play.steps == ["call"] * 3 and gaps(play)[0] == 2 * HOUR
    second, third = play.times[1:]
    assert local_day(third, "UTC") == local_day(second, "UTC") + 1
    apart = abs(hour_of_day(third, "UTC") - hour_of_day(second, "UTC"))
    assert min(apart, DAY - apart) >= 2 * HOUR
    play.happens(Kind.FAILED, reason=Reason.NO_ANSWER)
    assert play.steps[-1] == "sms"


def test_busy_is_called_again_after_a_quarter_of_an_hour_twice():
    play = called()
    for _ in range(2):
        play.happens(Kind.FAILED, reason=Reason.BUSY).passes("15m")
    assert play.steps == ["call"] * 3 and gaps(play) == [15 * MINUTE] * 2
    assert play.happens(Kind.FAILED, reason=Reason.BUSY).steps[-1] == "sms"


def test_who_is_out_of_reach_is_called_on_the_next_day():
    play = called().happens(Kind.FAILED, reason=Reason.UNREACHABLE).passes("P2D")
    assert play.steps[:2] == ["call", "call"] and DAY <= gaps(play)[0] <= DAY + 2 * HOUR


@pytest.mark.parametrize("hour", range(10, 20))
def test_a_call_on_another_day_keeps_the_window_and_another_hour(hour):
    friday = NOON + 4 * DAY + (hour - 12) * HOUR + 17 * MINUTE  # NOON is a Monday's
    play = called(at=friday, policy=HOURS)
    play.happens(Kind.FAILED, reason=Reason.UNREACHABLE).passes("P4D")
    again = play.times[1]
    assert local_day(again, "UTC") == local_day(friday, "UTC") + 3  # Monday
    assert 10 * HOUR <= hour_of_day(again, "UTC") < 20 * HOUR
    assert abs(hour_of_day(again, "UTC") - hour_of_day(friday, "UTC")) >= 2 * HOUR


def test_a_second_call_that_would_ring_in_the_evening_waits_for_the_morning():
    play = called(at=NOON + 7 * HOUR, policy=HOURS)  # 19:00
    play.happens(Kind.FAILED, reason=Reason.NO_ANSWER).passes("P1D")
    assert hour_of_day(play.times[1], "UTC") == 10 * HOUR
    assert local_day(play.times[1], "UTC") == local_day(NOON, "UTC") + 1


@pytest.mark.parametrize("reason", [Reason.OTHER, Reason.INVALID_ADDRESS, Reason.WINDOW, Reason.TRANSIENT])
def test_after_any_other_end_the_next_step_follows_at_once(reason):
    assert called().happens(Kind.FAILED, reason=reason).steps == ["call", "sms"]


@pytest.mark.parametrize("kind", [Kind.MACHINE_ANSWERED, Kind.DELIVERED, Kind.UNKNOWN, Kind.EXPIRED])
def test_a_call_that_may_have_been_taken_is_not_made_again(kind):
    play = called().happens(kind).happens(Kind.FAILED, reason=Reason.BUSY).passes("P3D")
    assert play.steps.count("call") == 1


def test_one_answered_call_ends_the_matter():
    play = called().happens(Kind.FAILED, reason=Reason.BUSY).passes("15m")
    play.happens(Kind.ANSWERED)
    assert play.outcome == "responded" and play.passes("P3D").steps == ["call", "call"]


def test_what_the_person_does_meanwhile_is_heard_before_the_next_call():
    play = called().happens(Kind.FAILED, reason=Reason.NO_ANSWER).passes("1h")
    play.happens(Kind.UNSUBSCRIBED, step=-1)
    assert play.outcome == "opted_out" and play.passes("P3D").steps == ["call"]
    assert play.state(0) == "failed"  # it is not one that waits


def test_a_call_that_cannot_be_made_again_stays_the_failed_one_that_it_is():
    play = called().happens(Kind.FAILED, reason=Reason.NO_ANSWER)
    play.addresses.pop(Channel.SMS.code)
    play.passes("2h")
    assert (play.state(0), play.outcome) == ("failed", "unreachable")
    assert play.skipped == {"sms": "no_address"}


def test_on_fail_next_and_a_policy_of_one_call_call_nobody_again():
    never = CASCADE.replace("wait: 2h}", "wait: 2h, on_fail: next}", 1)
    assert called(never).happens(Kind.FAILED, reason=Reason.BUSY).steps == ["call", "sms"]
    once = replace(Policy.unlimited(), redial=Redial(calls=1))
    assert called(policy=once).happens(Kind.FAILED, reason=Reason.BUSY).steps == ["call", "sms"]


def test_on_fail_stop_ends_the_run_after_the_last_call():
    play = called(CASCADE.replace("wait: 2h}", "wait: 2h, on_fail: stop}", 1))
    play.happens(Kind.FAILED, reason=Reason.BUSY)
    assert play.outcome == "failed"


def test_other_channels_are_not_called_again():
    play = called(CASCADE.replace("channel: robot_call, say", "channel: push, text"))
    assert play.happens(Kind.FAILED, reason=Reason.BUSY).steps == ["call", "sms"]

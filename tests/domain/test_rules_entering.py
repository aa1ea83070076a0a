"""Entering a step: whom it reaches, what holds it back, what passes it over: E1, E7, E11, E14, E15, C6–C9."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from kaskad.domain.caps import Touch
from kaskad.domain.consent import ANY, ConsentRow
from kaskad.domain.entering import share
from kaskad.domain.policy import DAY, HOUR, MINUTE, Cap, Counted, PerClass, Policy, Window
from kaskad.domain.run import Address
from kaskad.domain.terms import Channel, Kind, MessageClass, RunState
from support.play import EVERYTHING, NOON, Play

HEAD = """
cascade: basket
title: Basket
class: service
trigger: {event: left}
goal: {event: bought}
"""
TWO = """
steps:
  - {id: letter, channel: email, subject: s, text: t, wait: 4h}
  - {id: sms, channel: sms, text: t, wait: 2h}
"""
DAYTIME = replace(Policy.unlimited(), windows=(Window(("09:00-21:00",)),))


def limited(**changes):
    return replace(Policy.unlimited(), **changes)


# Whom it reaches


def test_a_step_without_an_address_is_skipped_at_once():
    play = Play(HEAD + TWO, reaches=[Channel.SMS])
    assert play.skipped == {"letter": "no_address"} and play.sent == [Channel.SMS]


def test_nobody_to_reach_is_unreachable_at_once():
    play = Play(HEAD + TWO, reaches=[])
    assert play.outcome == "unreachable" and play.skipped == {"letter": "no_address", "sms": "no_address"}


def test_a_reached_person_who_stays_silent_is_exhausted_at_the_last_deadline():
    play = Play(HEAD + TWO, reaches=[Channel.EMAIL]).passes("PT3H")
    assert play.outcome is None
    assert play.passes("1h").outcome == "exhausted"


@pytest.mark.parametrize(("health", "reason"), [(1, "address_invalid"), (2, "suppressed")])
def test_a_dead_or_suppressed_address_is_passed_over(health, reason):
    play = Play(HEAD + TWO, at=NOON)
    play.addresses[Channel.SMS.code] = Address("x", health)
    assert play.passes("4h").skipped == {"sms": reason}


def test_a_withdrawal_between_two_steps_counts_at_the_second():
    play = Play(HEAD + TWO)
    play.consents.append(ConsentRow(False, ANY, 1 << Channel.SMS.code, "", NOON + HOUR))
    assert play.passes("4h").skipped == {"sms": "no_consent"}


def test_a_withdrawal_while_the_message_is_queued_counts_when_it_is_handed_over():
    play = Play(HEAD + TWO, provider="full")
    play.consents.append(ConsentRow(False, ANY, 1 << Channel.EMAIL.code, "", NOON + 1))
    assert play.frees().skipped == {"letter": "no_consent"}


def test_advertising_needs_a_proven_consent():
    text = (HEAD + TWO).replace("class: service", "class: advertising")
    assert Play(text, contact_id=3).sent == [Channel.EMAIL]
    play = Play(text, contact_id=3, at=NOON)
    play.consents = [replace(EVERYTHING, proven=False)]
    assert play.passes("4h").skipped == {"sms": "no_consent"}


def test_the_first_channel_that_reaches_the_person_is_taken_and_their_own_choice_before_it():
    text = HEAD + "steps:\n  - {id: chat, channel: [telegram, whatsapp, vk], text: t, wait: 6h}\n"
    assert Play(text, reaches=[Channel.VK, Channel.WHATSAPP]).sent == [Channel.WHATSAPP]
    later = Play(
        "\n".join([HEAD.replace("left}", "left, delay: 1h}"), text.partition("goal: {event: bought}")[2]])
    )
    later.preferred = (Channel.VK.code,)
    assert later.passes("1h").sent == [Channel.VK]


def test_calls_go_to_the_number_that_sms_go_to():
    text = HEAD + "steps:\n  - {id: robot, channel: robot_call, say: t, wait: 2h}\n"
    assert Play(text, reaches=[Channel.SMS]).sent == [Channel.ROBOT_CALL]


def test_a_channel_whose_accounts_are_all_out_of_service_is_passed_over():
    play = Play(HEAD + TWO)
    play.accounts = {**play.accounts, Channel.SMS.code: 0}
    assert play.passes("4h").skipped == {"sms": "provider_disabled"}


def test_who_shares_an_address_that_has_got_the_step_is_passed_over():
    play = Play(HEAD + TWO)
    play.addresses[Channel.SMS.code] = Address("x", 0, 1)
    play.shared = frozenset({1})
    assert play.passes("4h").skipped == {"sms": "duplicate_address"}


# Conditions


def test_an_exit_rule_is_looked_at_before_every_step():
    play = Play(HEAD + 'exit_if: "contact.total < 10"' + TWO, attributes={"total": 50})
    play.attributes = {"total": 5}
    assert play.passes("4h").outcome == "cancelled" and play.sent == [Channel.EMAIL]


def test_a_step_s_own_condition_passes_it_over_and_an_unknown_name_counts_as_false():
    text = HEAD + TWO.replace("text: t, wait: 4h", 'text: t, wait: 4h, if: "contact.vip"')
    assert Play(text, attributes={"vip": True}).sent == [Channel.EMAIL]
    assert Play(text).skipped == {"letter": "condition_false"}


def test_a_condition_is_asked_when_the_step_is_due_and_not_when_something_woke_the_run_before():
    text = (
        HEAD
        + """
steps:
  - {id: letter, channel: email, subject: s, text: t, wait: 4h}
  - {id: sms, channel: sms, text: t, if: "not contact.quiet", wait: 2h}
  - {id: call, channel: robot_call, say: t, wait: 2h}
"""
    )
    play = Play(text, policy=DAYTIME, at=NOON + 8 * HOUR).passes("4h")  # the SMS waits for the morning
    play.attributes = {"quiet": True}
    assert play.happens(Kind.DELIVERED).skipped == {}
    play.attributes = {}
    assert play.passes("10h").sent == [Channel.EMAIL, Channel.SMS]


# Hold-outs and variants


def test_a_held_out_run_gets_nothing_and_can_still_convert():
    play = Play(HEAD + TWO, holdout=True).passes("P3D")
    assert play.sent == [] and play.outcome is None
    assert play.happens(Kind.GOAL, step=-1).outcome == "converted"
    assert Play(HEAD + TWO, holdout=True).passes("P8D").outcome == "exhausted"


def test_a_step_s_hold_out_is_its_share_of_contacts_and_always_the_same():
    text = HEAD + TWO.replace("wait: 2h", "wait: 2h, holdout: 20%")
    held = [id for id in range(1, 301) if Play(text, contact_id=id).passes("4h").skipped]
    assert 35 <= len(held) <= 85
    assert Play(text, contact_id=held[0]).passes("4h").skipped == {"sms": "step_holdout"}


def test_variants_are_shared_out_by_weight_and_stick_to_the_contact():
    text = (
        HEAD
        + """
steps:
  - id: sms
    channel: sms
    variants: [{id: a, weight: 75, text: x}, {id: b, weight: 25, text: y}]
"""
    )
    version = Play(text).version
    first = sum(share(version, id, "variant", "sms") < 7_500 for id in range(1, 2_001))
    assert 1_420 <= first <= 1_580
    play = Play(text, provider="full")
    decision = play.frees().decide()
    assert decision.send is None and play.sent == [Channel.SMS]


# Hours


def test_a_step_outside_its_window_waits_for_the_next_opening():
    play = Play(HEAD + TWO, policy=DAYTIME, at=NOON + 8 * HOUR)  # 20:00
    assert play.passes("4h").sent == [Channel.EMAIL] and play.waits() == "9h00m"
    assert play.passes("9h").sent == [Channel.EMAIL, Channel.SMS]


def test_the_backlog_of_the_night_is_spread_over_the_jitter():
    policy = replace(DAYTIME, window_jitter_ms=30 * MINUTE)
    waits = {
        Play(HEAD + TWO, policy=policy, at=NOON + 10 * HOUR, contact_id=id).run.wake_at for id in range(1, 40)
    }
    assert len(waits) > 30 and max(waits) - min(waits) <= 30 * MINUTE
    assert min(waits) >= NOON + 21 * HOUR


def test_a_window_that_never_opens_passes_the_step_over():
    policy = limited(windows=(Window(("10:00-12:00",)), Window(("13:00-14:00",))))
    assert Play(HEAD + TWO, policy=policy).skipped == dict.fromkeys(("letter", "sms"), "window_impossible")


def test_a_window_that_closes_while_the_message_is_queued_takes_it_back():
    play = Play(HEAD + TWO, policy=DAYTIME, at=NOON + 8 * HOUR, provider="full")
    play.oversleeps("90m").frees()
    assert play.sent == [] and play.state() == "created" and play.waits() == "11h30m"
    assert play.passes("12h").sent == [Channel.EMAIL]


def test_urgent_crosses_the_brand_s_hours_but_not_the_law_s():
    text = HEAD + "urgent: true" + TWO
    night = NOON + 10 * HOUR
    assert Play(text, policy=DAYTIME, at=night).sent == [Channel.EMAIL]
    legal = limited(windows=(Window(("09:00-21:00",), legal=True),))
    assert Play(text, policy=legal, at=night).sent == []


# Lateness (E7)


def test_what_is_later_than_max_lateness_is_skipped_and_the_next_step_follows_at_once():
    play = Play(HEAD + TWO).oversleeps("20h")
    assert play.skipped == {"sms": "too_late"}


def test_a_cascade_s_own_max_lateness_counts():
    assert Play(HEAD + "max_lateness: 1h" + TWO).oversleeps("6h").skipped == {"sms": "too_late"}
    assert Play(HEAD + "max_lateness: 30h" + TWO).oversleeps("30h").sent == [Channel.EMAIL, Channel.SMS]


# Caps and gaps (E14, E15)


def test_a_gap_inside_the_run_is_kept_also_when_a_step_fails_over():
    policy = limited(min_gap_ms=PerClass(service=HOUR))
    text = HEAD + TWO.replace("wait: 4h", "wait: 10m")
    play = Play(text, policy=policy).passes("10m")
    assert play.sent == [Channel.EMAIL] and play.waits() == "0h50m"


def test_what_failed_did_not_touch_the_person_and_asks_for_no_gap():
    policy = limited(min_gap_ms=PerClass(service=HOUR))
    assert Play(HEAD + TWO, policy=policy).happens(Kind.FAILED).sent == [Channel.EMAIL, Channel.SMS]


def test_a_message_that_is_tried_again_does_not_keep_a_gap_to_itself():
    policy = limited(min_gap_ms=PerClass(service=HOUR))
    play = Play(HEAD + TWO, policy=policy, provider="silent", retriable=True)
    play.passes("1m")
    passage = replace(play.passages[0], state=1)
    play.passages = {0: passage}
    assert play.frees().sent == [Channel.EMAIL, Channel.EMAIL]


def test_a_cap_that_frees_in_time_makes_the_step_wait_and_one_that_does_not_passes_it_over():
    policy = limited(caps=(Cap(1, 1, classes=(MessageClass.SERVICE,)),))
    play = Play(HEAD + TWO, policy=policy, at=NOON + 4 * HOUR).passes("4h")  # the SMS would be due at 20:00
    assert play.waits() == "4h00m" and play.passes("4h").sent == [Channel.EMAIL, Channel.SMS]
    early = Play(HEAD + TWO, policy=policy, at=NOON - 6 * HOUR).passes("4h")  # at 10:00 the day is long
    assert early.skipped == {"sms": "frequency_capped"}


def test_waiting_for_a_cap_again_and_again_does_not_renew_the_lateness():
    policy = limited(caps=(Cap(1, 1, classes=(MessageClass.SERVICE,)),))
    play = Play(HEAD + TWO, policy=policy, at=NOON + 4 * HOUR).passes("4h")
    play.others.append(
        Touch(NOON + 12 * HOUR, 99, Channel.VIBER.code, 2)
    )  # another run was quicker at midnight
    assert play.passes("4h").skipped == {"sms": "frequency_capped"}


def test_a_second_run_of_the_day_is_capped_in_advertising():
    policy = limited(caps=(Cap(1, 1, Counted.RUNS),))
    text = (HEAD + TWO).replace("class: service", "class: advertising").replace("left}", "left, delay: 1h}")
    play = Play(text, policy=policy, at=NOON - 4 * HOUR)
    play.others.append(Touch(NOON - 5 * HOUR, 99, Channel.EMAIL.code, MessageClass.ADVERTISING.code))
    assert play.passes("1h").outcome == "unreachable" and set(play.skipped.values()) == {"frequency_capped"}


# Pause


def test_while_paused_nothing_is_sent_and_nothing_is_passed_over():
    play = Play(HEAD + TWO)
    play.paused = True
    play.passes("P2D")
    assert play.sent == [Channel.EMAIL] and play.skipped == {} and play.run.state == RunState.PAUSED.code


def test_after_a_short_pause_the_step_goes_out_and_after_a_long_one_it_is_too_late():
    for span, sent in (("10h", 2), ("P2D", 1)):
        play = Play(HEAD + TWO)
        play.paused = True
        play.passes(span)
        play.paused = False
        play.passes("1h")
        assert len(play.sent) == sent and play.run.state != RunState.PAUSED.code


def test_what_wakes_a_paused_run_early_does_not_move_when_it_looks_again():
    play = Play(HEAD + TWO)
    play.paused = True
    looks_at = play.passes("10h").run.wake_at
    play.happens(Kind.DELIVERED)
    assert play.oversleeps("20m").run.wake_at == looks_at
    play.now -= 21 * MINUTE  # the clock was set back
    assert play.oversleeps("0s").run.wake_at == looks_at
    play.hold({1: False}).paused = False
    assert play.oversleeps("0s").run.wake_at == looks_at and play.passes("2h").sent == [Channel.EMAIL]


def test_a_goal_ends_a_paused_run():
    play = Play(HEAD + TWO)
    play.paused = True
    assert play.passes("5h").happens(Kind.GOAL, step=-1).outcome == "converted"


# Anchored steps (C8)

WEBINAR = (
    HEAD
    + """
steps:
  - {id: day, channel: email, subject: s, text: t, at: {before: trigger.starts_at, by: 24h}}
  - id: hours
    channel: telegram
    text: t
    at: {before: trigger.starts_at, by: 2h}
    if: "not steps.day.opened"
  - {id: minutes, channel: sms, text: t, at: {before: trigger.starts_at, by: 30m}}
  - {id: after, channel: email, subject: s, text: t, at: {after: trigger.starts_at, by: 3h}, success: none}
"""
)


def webinar(starts_in_hours, **options):
    play = Play(WEBINAR, properties={"starts_at": (NOON + int(starts_in_hours * HOUR)) // 1000}, **options)
    play.start = NOON + int(starts_in_hours * HOUR)
    return play


def times(play):
    return [(play.version.cascade.steps[step].id, (at - play.start) / HOUR)
            for (step, _), at in zip(play.sends, play.times, strict=True)]  # fmt: skip


def test_anchored_steps_go_out_at_their_times_and_also_after_the_event():
    play = webinar(100).passes("P6D")
    assert times(play) == [("day", -24), ("hours", -2), ("minutes", -0.5), ("after", 3)]


def test_a_condition_of_an_anchored_step_is_asked_when_it_is_due():
    play = webinar(100).passes("P3D").passes("5h").happens(Kind.OPENED)
    assert play.passes("P4D").steps == ["day", "minutes", "after"]
    text = WEBINAR.replace("not steps.day.opened", "steps.day.opened")
    play = (
        Play(text, properties={"starts_at": (NOON + 100 * HOUR) // 1000}).passes("P4D").happens(Kind.OPENED)
    )
    assert play.passes("P4D").steps == ["day", "hours", "minutes", "after"]


def test_an_address_that_comes_before_the_step_is_due_is_used():
    play = webinar(100, reaches=[Channel.EMAIL, Channel.SMS]).passes("P4D")
    play.addresses[Channel.TELEGRAM.code] = Address("tg")
    assert "hours" in play.passes("P3D").steps


def test_of_the_steps_missed_by_a_late_enrolment_only_the_last_is_sent():
    play = webinar(1 / 3)
    assert play.steps == ["minutes"] and play.skipped == {"day": "too_late", "hours": "too_late"}


def test_a_missed_step_is_not_sent_when_the_next_is_due_within_half_an_hour():
    play = webinar(0.9)
    assert play.steps == [] and play.skipped == {"day": "too_late", "hours": "too_late"}
    assert webinar(1.2).steps == ["hours"]


def test_a_punctual_step_is_sent_however_near_the_next_one_is():
    text = WEBINAR.replace("by: 2h", "by: 1h")
    play = Play(text, properties={"starts_at": (NOON + 50 * HOUR) // 1000}).passes("P4D")
    assert play.steps == ["day", "hours", "minutes", "after"]


def test_a_step_that_falls_into_the_night_goes_out_in_the_last_allowed_minute_of_the_evening():
    play = webinar(20 + 24, policy=DAYTIME).passes("P4D")  # at 08:00; two hours before is 06:00
    assert dict(times(play))["hours"] == pytest.approx(-11 - 1 / 60)  # 20:59
    assert dict(times(play))["after"] == 3


def test_it_is_left_out_where_the_text_would_make_no_sense_so_early():
    text = WEBINAR.replace("by: 2h}", "by: 2h, earliest_ok: 1h}")
    play = Play(text, properties={"starts_at": (NOON + 44 * HOUR) // 1000}, policy=DAYTIME).passes("P1D")
    assert (
        play.skipped == {"hours": "window_impossible"}
        or play.passes("P2D").skipped["hours"] == "window_impossible"
    )


def test_nothing_that_counts_back_is_sent_at_or_after_the_anchor():
    play = webinar(-1)
    assert set(play.skipped) == {"day", "hours", "minutes"} and play.passes("5h").steps == ["after"]


def test_all_dates_gone_by_is_expired():
    text = WEBINAR[: WEBINAR.index("  - {id: after")]
    assert Play(text, properties={"starts_at": (NOON - HOUR) // 1000}).outcome == "expired"


def test_a_moved_anchor_moves_what_is_unsent():
    play = webinar(100).passes("P3D").passes("5h")
    assert play.steps == ["day"]
    play.properties = {"starts_at": (NOON + 124 * HOUR) // 1000}
    play.oversleeps("0s")
    assert play.waits() == f"{124 - 2 - 77}h00m"


def test_a_cancelled_anchor_ends_the_run():
    assert webinar(100).happens(Kind.ANCHOR_CANCELLED, step=-1).outcome == "cancelled"


def test_a_day_of_the_run_is_counted_on_the_wall_clock_from_its_start():
    text = (
        HEAD
        + """
steps:
  - {id: first, channel: email, subject: s, text: t, wait: 1h}
  - {id: third, channel: telegram, text: t, at: {on: day 3}}
"""
    )
    play = Play(text).passes("P3D")
    assert play.times == [NOON, NOON + 2 * DAY]


@pytest.mark.parametrize(
    ("at", "starts_in"), [("{after: trigger.starts_at, by: 2h}", 7 * HOUR), ("{on: day 2}", HOUR)]
)
def test_a_night_or_a_week_end_makes_no_step_too_late_that_follows_its_date(at, starts_in):
    steps = f"steps:\n  - {{id: thanks, channel: sms, text: t, at: {at}}}\n"
    evening = NOON + 9 * HOUR if "day" in at else NOON  # due at 21:00, when the hours of SMS end
    play = Play(
        HEAD + steps, policy=Policy(), at=evening, properties={"starts_at": (NOON + starts_in) // 1000}
    )
    play.passes("P3D")
    assert play.steps == ["thanks"] and not play.skipped
    opens = play.times[0] - (21 * HOUR if "after" in at else 45 * HOUR) - NOON
    assert 0 <= opens <= 30 * MINUTE  # of its jitter


def test_a_call_that_follows_a_date_waits_for_the_working_day():
    steps = "steps:\n  - {id: call, channel: robot_call, say: t, at: {after: trigger.starts_at, by: 2h}}\n"
    friday = NOON + 4 * DAY
    play = Play(
        HEAD + steps, policy=Policy(), at=friday, properties={"starts_at": (friday + 7 * HOUR) // 1000}
    )
    assert play.passes("P4D").steps == ["call"]
    assert (play.times[0] - NOON) // DAY == 6  # Monday


def test_a_step_that_follows_its_date_is_too_late_where_nobody_looked_for_long_after_its_hour():
    steps = "steps:\n  - {id: thanks, channel: sms, text: t, at: {after: trigger.starts_at, by: 2h}}\n"
    play = Play(HEAD + steps, policy=DAYTIME, properties={"starts_at": (NOON + 7 * HOUR) // 1000})
    assert play.oversleeps("P2D").skipped == {"thanks": "too_late"}


def test_caps_hold_anchored_steps_too_but_steps_half_an_hour_apart_are_meant():
    policy = limited(caps=(Cap(2, 0, classes=(MessageClass.SERVICE,)),), min_gap_ms=PerClass(service=HOUR))
    text = WEBINAR.replace("by: 2h", "by: 1h")
    play = Play(text, properties={"starts_at": (NOON + 50 * HOUR) // 1000}, policy=policy).passes("P4D")
    assert play.steps == ["day", "hours"] and play.skipped == {
        "minutes": "frequency_capped",
        "after": "frequency_capped",
    }


@pytest.mark.parametrize(
    ("lateness", "sent", "skipped"),
    [("12h", [], {"thanks": "frequency_capped"}), ("15h", ["thanks"], {})],
)
def test_a_cap_that_ends_at_night_leaves_a_step_after_its_date_no_slot_before_it_is_too_late(
    lateness, sent, skipped
):
    step = "steps:\n  - {id: thanks, channel: sms, text: t, at: {after: trigger.starts_at, by: 1h}}\n"
    policy = replace(DAYTIME, caps=(Cap(1, 1, classes=(MessageClass.SERVICE,)),))
    text = HEAD + f"max_lateness: {lateness}\n" + step  # due at 19:00, open again at 09:00
    play = Play(text, policy=policy, properties={"starts_at": (NOON + 6 * HOUR) // 1000})
    play.others.append(Touch(NOON - HOUR, 99, Channel.EMAIL.code, MessageClass.SERVICE.code))
    assert play.passes("7h").skipped == skipped, "at once: what follows does not wait for the morning"
    assert play.passes("P1D").steps == sent
    assert play.times == [NOON + 21 * HOUR] * len(sent)


def test_a_step_after_its_date_does_not_wait_for_an_opening_that_is_too_late():
    step = "steps:\n  - {id: thanks, channel: sms, text: t, at: {after: trigger.starts_at, by: 1h}}\n"
    play = Play(HEAD + step, policy=DAYTIME, properties={"starts_at": (NOON + 6 * HOUR) // 1000})
    assert play.oversleeps("11h").skipped == {"thanks": "too_late"}  # nobody looked until 23:00


def test_a_trigger_s_delay_comes_before_the_first_step():
    play = Play(HEAD.replace("left}", "left, delay: 2h}") + TWO)
    assert play.sent == [] and play.run.state == RunState.PENDING.code
    assert play.passes("2h").sent == [Channel.EMAIL]

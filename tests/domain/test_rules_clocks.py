"""Clocks, success, branches, failures, late and doubtful reactions: design 2; rules 2.3, E2, E6, E7."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from kaskad.domain.policy import HOUR, Policy
from kaskad.domain.terms import Channel, Kind, Phase
from support.play import GUARD_MS, NOON, Play

HEAD = """
cascade: basket
title: Basket
class: service
trigger: {event: left}
goal: {event: bought, within: 7d}
"""
LETTER_THEN_SMS = f"""{HEAD}
steps:
  - id: letter
    channel: email
    subject: s
    text: t
    wait: [{{unless: opened, for: 24h}}, {{unless: clicked, for: 4h, from: opened}}]
  - {{id: sms, channel: sms, text: t, wait: 2h}}
"""
CALL = f"""{HEAD}
steps:
  - {{id: robot, channel: robot_call, say: t, keys: {{1: confirm, 2: agent, 9: opt_out}}, wait: 2h}}
  - {{id: sms, channel: sms, text: t, wait: 2h}}
  - {{id: agent, channel: agent_call, script: t}}
"""


def with_step(text, extra=""):
    return f"""{HEAD}{extra}
steps:
  - {text}
  - {{id: next, channel: sms, text: t, wait: 2h}}
"""


# Several clocks; the first that expires with its condition unmet moves on


def test_an_unopened_letter_is_followed_after_its_day():
    play = Play(LETTER_THEN_SMS)
    assert play.passes("PT23H").sent == [Channel.EMAIL]
    assert play.passes("1h").sent == [Channel.EMAIL, Channel.SMS]


def test_an_opened_letter_waits_four_hours_from_the_opening_for_the_click():
    play = Play(LETTER_THEN_SMS).passes("10h").happens(Kind.OPENED)
    assert play.waits() == "4h00m"
    assert play.passes("4h").sent == [Channel.EMAIL, Channel.SMS]


def test_the_clock_from_the_opening_runs_from_when_it_happened_not_from_when_we_heard():
    play = Play(LETTER_THEN_SMS).passes("10h").happens(Kind.OPENED, ago="1h")
    assert play.waits() == "3h00m"


def test_opening_again_does_not_start_the_clock_again():
    play = Play(LETTER_THEN_SMS).passes("10h").happens(Kind.OPENED).passes("1h").happens(Kind.OPENED)
    assert play.waits() == "3h00m"


def test_a_delivery_starts_a_clock_that_runs_from_it():
    clocks = "[{unless: clicked, for: 1h, from: delivered}, {unless: delivered, for: 9h}]"
    step = f"{{id: a, channel: sms, text: t, wait: {clocks}}}"
    play = Play(with_step(step)).passes("30m").happens(Kind.DELIVERED)
    assert play.waits() == "1h00m"


def test_when_all_conditions_are_met_a_last_clock_runs_from_the_last_reaction():
    step = "{id: a, channel: email, subject: s, text: t, wait: [{unless: opened, for: 24h}]}"
    play = Play(with_step(step)).passes("10h").happens(Kind.OPENED)
    assert play.waits() == "24h00m"
    play.passes("1h").happens(Kind.MACHINE_OPENED, Kind.UNKNOWN)
    assert play.waits() == "23h00m", "machines are no reaction"
    assert play.passes("P1D").sent == [Channel.EMAIL, Channel.SMS]


def test_a_bare_duration_always_moves_on():
    play = Play(with_step("{id: a, channel: email, subject: s, text: t, wait: 3h}")).happens(Kind.OPENED)
    assert play.waits() == "3h00m"


def test_p1d_is_the_same_wall_time_next_day_and_pt24h_is_not():
    berlin = Policy.unlimited()
    before_the_change = 1_792_836_000_000  # 24 Oct 2026 12:00 in Berlin
    for span, hours in (("P1D", 25), ("PT24H", 24)):
        step = f"{{id: a, channel: email, subject: s, text: t, wait: {span}}}"
        policy = Policy(
            **{**{f: getattr(berlin, f) for f in berlin.__struct_fields__}, "zone": "Europe/Berlin"}
        )
        play = Play(with_step(step), policy=policy, at=before_the_change)
        assert play.waits() == f"{hours}h00m"


# Success


def test_a_click_ends_the_run_at_the_letter():
    play = Play(LETTER_THEN_SMS).passes("1h").happens(Kind.CLICKED)
    assert (play.outcome, play.run.outcome_step) == ("responded", 0)
    assert play.passes("P9D").sent == [Channel.EMAIL]


@pytest.mark.parametrize("kind", [Kind.MACHINE_CLICKED, Kind.MACHINE_OPENED, Kind.OPENED, Kind.DELIVERED])
def test_what_is_less_than_a_human_click_ends_nothing(kind):
    assert Play(LETTER_THEN_SMS).passes("1h").happens(kind).outcome is None


def test_with_success_none_nothing_ends_the_run_there():
    play = Play(with_step("{id: a, channel: email, subject: s, text: t, success: none, wait: 1d}"))
    play.happens(Kind.OPENED, Kind.CLICKED, Kind.REPLIED)
    assert play.outcome is None
    assert play.passes("P1D").sent == [Channel.EMAIL, Channel.SMS]


def test_stop_on_reply_ends_a_run_whose_steps_want_nothing():
    step = "{id: a, channel: email, subject: s, text: t, success: none, wait: 1d}"
    play = Play(with_step(step, "stop_on: [reply]")).happens(Kind.CLICKED)
    assert play.outcome is None
    assert play.happens(Kind.REPLIED).outcome == "responded"


def test_reacted_means_the_best_signal_of_the_channel_that_was_used():
    step = "{id: chat, channel: [whatsapp, telegram], text: t, success: reacted, wait: 6h}"
    assert Play(with_step(step)).happens(Kind.READ).outcome == "responded"
    telegram = Play(with_step(step), reaches=(Channel.TELEGRAM, Channel.SMS)).happens(Kind.DELIVERED)
    assert telegram.outcome is None and telegram.happens(Kind.CLICKED).outcome == "responded"


def test_a_goal_ends_the_run_and_turns_a_response_into_a_conversion():
    assert Play(LETTER_THEN_SMS).happens(Kind.GOAL, step=-1).outcome == "converted"
    play = Play(LETTER_THEN_SMS).happens(Kind.CLICKED).passes("P1D").happens(Kind.GOAL, step=-1)
    assert (play.outcome, play.run.outcome_step) == ("converted", 0)


def test_a_goal_after_its_window_counts_no_more():
    play = Play(LETTER_THEN_SMS).passes("P8D").happens(Kind.GOAL, step=-1)
    assert play.outcome == "exhausted"


@pytest.mark.parametrize(("within", "hours"), [("7d", 169), ("PT168H", 168)])
def test_a_goal_counts_until_the_same_hour_of_its_last_day_by_the_brands_clock(within, hours):
    before_the_change = 1_792_836_000_000  # 24 Oct 2026 12:00 in Berlin
    text = LETTER_THEN_SMS.replace("7d", within)
    for early_ms, outcome in ((1, "converted"), (0, "exhausted")):
        policy = replace(Policy.unlimited(), zone="Europe/Berlin")
        play = Play(text, policy=policy, at=before_the_change).passes(f"{hours * HOUR - early_ms}ms")
        assert play.happens(Kind.GOAL, step=-1).outcome == outcome


# E2: late reactions


def test_a_late_click_on_the_letter_ends_the_run_at_the_letter():
    play = Play(LETTER_THEN_SMS).passes("25h").happens(Kind.CLICKED, step=0)
    assert (play.outcome, play.run.outcome_step, play.sent) == ("responded", 0, [Channel.EMAIL, Channel.SMS])


def test_a_late_opening_postpones_the_next_unsent_step_by_four_hours_from_it():
    text = LETTER_THEN_SMS + "  - {id: robot, channel: robot_call, say: t, wait: 2h}\n"
    play = Play(text).passes("25h").happens(Kind.OPENED, step=0)
    assert play.waits() == "4h00m"
    assert play.passes("PT3H").sent == [Channel.EMAIL, Channel.SMS]
    assert play.passes("1h").sent[-1] is Channel.ROBOT_CALL


def test_a_late_opening_takes_a_queued_message_back_until_then():
    play = Play(LETTER_THEN_SMS)
    play.provider = "full"
    play.passes("24h")
    assert play.state(1) == "queued"
    play.happens(Kind.OPENED, step=0)
    assert play.state(1) == "created" and play.waits() == "4h00m"
    play.provider = "accepts"
    assert play.passes("4h").sent == [Channel.EMAIL, Channel.SMS]


def test_an_opening_of_a_letter_that_wants_nothing_postpones_nothing():
    step = "{id: a, channel: email, subject: s, text: t, success: none, wait: 1h}"
    text = with_step(step) + "  - {id: last, channel: telegram, text: t}\n"
    play = Play(text).passes("90m").happens(Kind.OPENED, step=0)
    assert play.waits() == "1h30m"


def test_a_late_reaction_upgrades_the_outcome_of_a_finished_run_and_sends_nothing():
    play = Play(LETTER_THEN_SMS).passes("P3D")
    assert (play.outcome, play.run.late) == ("exhausted", 0)
    play.happens(Kind.CLICKED, step=1)
    assert (play.outcome, play.run.outcome_step, play.run.late) == ("responded", 1, 1)
    play.happens(Kind.GOAL, step=-1)
    assert (play.outcome, play.run.late) == ("converted", 1)
    assert len(play.passes("P9D").sent) == 2


def test_a_run_that_an_exit_rule_ended_is_not_called_responded_later():
    play = Play(LETTER_THEN_SMS.replace("steps:", 'exit_if: "contact.gone"\nsteps:'))
    play.attributes = {"gone": True}
    play.passes("P2D").happens(Kind.CLICKED, step=0)
    assert play.outcome == "cancelled"


# 2.3: doubtful clicks


def test_a_click_that_nobody_has_judged_holds_the_transition_for_a_quarter_of_an_hour():
    play = Play(LETTER_THEN_SMS).passes("PT23H").passes("55m").happens(Kind.SUSPECTED_CLICKED)
    assert play.waits() == "0h15m"
    assert play.passes("10m").sent == [Channel.EMAIL]
    assert play.passes("5m").sent == [Channel.EMAIL, Channel.SMS]


def test_a_doubtful_click_on_an_earlier_letter_holds_the_next_step_too():
    text = LETTER_THEN_SMS + "  - {id: robot, channel: robot_call, say: t, wait: 2h}\n"
    play = Play(text).passes("25h").passes("59m").happens(Kind.SUSPECTED_CLICKED, step=0)
    assert play.waits() == "0h15m"
    assert play.happens(Kind.MACHINE_CLICKED, step=0).waits() == "0h01m", "the verdict lets it go"


# Branches come before success


BRANCH = f"""{HEAD}
steps:
  - {{id: letter, channel: email, subject: s, text: t, wait: 24h}}
  - {{id: sms, channel: sms, text: t, wait: 2h}}
  - {{id: offer, channel: telegram, text: t, only: branch, wait: 1h}}
branches:
  - {{when: letter.clicked, unless_goal_in: 1d, go: offer}}
"""


def test_a_branch_takes_the_click_over_and_waits_for_the_goal():
    play = Play(BRANCH).passes("1h").happens(Kind.CLICKED)
    assert play.outcome is None and play.run.phase == Phase.BRANCH and play.waits() == "24h00m"
    play.passes("P1D")
    assert play.steps == ["letter", "offer"]
    assert play.passes("2h").outcome == "responded"


def test_the_goal_in_time_spares_the_branch():
    play = Play(BRANCH).happens(Kind.CLICKED).passes("20h").happens(Kind.GOAL, step=-1)
    assert play.outcome == "converted" and play.passes("P3D").steps == ["letter"]


def test_a_step_of_a_branch_is_never_entered_by_falling_through():
    assert Play(BRANCH).passes("P5D").steps == ["letter", "sms"]


def test_a_reaction_that_leads_to_a_branch_does_not_hold_the_branch_s_own_step():
    play = Play(BRANCH.replace(", unless_goal_in: 1d", ""))
    play.provider = "full"
    play.happens(Kind.CLICKED)
    assert play.state(2) == "queued"
    assert play.happens(Kind.OPENED, step=0).state(2) == "queued"
    assert play.frees().steps == ["letter", "offer"]


def test_a_branch_takes_back_what_was_queued_for_another_step():
    play = Play(BRANCH.replace(", unless_goal_in: 1d", ""))
    play.provider = "full"
    play.passes("24h")
    assert play.state(1) == "queued"
    play.happens(Kind.CLICKED, step=0)
    assert play.state(1) == "created" and play.state(2) == "queued"


def test_of_two_branches_that_match_the_first_is_followed():
    play = Play(BRANCH + "  - {when: letter.replied, go: sms}\n").happens(Kind.REPLIED).passes("P1D")
    assert play.steps == ["letter", "offer"], "a reply is more than a click"


def test_a_click_when_the_branch_s_step_has_been_passed_is_a_success():
    text = LETTER_THEN_SMS + "  - {id: robot, channel: robot_call, say: t, wait: 2h}\n"
    play = Play(
        text + "branches:\n  - {when: letter.clicked, go: sms}\n", reaches=(Channel.EMAIL, Channel.SMS)
    )
    play.passes("27h").happens(Kind.CLICKED, step=0)
    assert (play.outcome, play.steps) == ("responded", ["letter", "sms", "robot"])


# Keys of a call


def test_the_key_that_confirms_is_success():
    assert Play(CALL).happens(Kind.KEYPRESS, Kind.CLICKED).outcome == "responded"


def test_the_key_that_asks_for_a_person_leads_to_the_agent_at_once():
    play = Play(CALL).happens(Kind.KEYPRESS, Kind.ASKED_AGENT)
    assert play.steps == ["robot", "agent"]


# Failures


@pytest.mark.parametrize("kind", [Kind.FAILED, Kind.BOUNCED, Kind.EXPIRED, Kind.REJECTED])
def test_a_failure_moves_on_at_once(kind):
    assert Play(LETTER_THEN_SMS).passes("10m").happens(kind).sent == [Channel.EMAIL, Channel.SMS]


def test_a_soft_bounce_is_no_failure_yet():
    assert Play(LETTER_THEN_SMS).happens(Kind.SOFT_BOUNCED).sent == [Channel.EMAIL]


def test_on_fail_stop_ends_the_run():
    step = "{id: a, channel: email, subject: s, text: t, on_fail: stop, wait: 1d}"
    play = Play(with_step(step)).happens(Kind.FAILED)
    assert (play.outcome, play.sent) == ("failed", [Channel.EMAIL])


RETRY = with_step("{id: a, channel: sms, text: t, on_fail: retry, wait: 1d}")


def test_on_fail_retry_tries_the_same_message_again_three_times_with_growing_waits():
    play = Play(RETRY, provider="rejects").passes("P1D")
    assert play.steps[:4] == ["a"] * 4 and play.steps[4] == "next"
    waits = [later - sooner for sooner, later in zip(play.times, play.times[1:4], strict=False)]
    assert waits == sorted(waits) and 60_000 <= waits[0] < 100_000 and waits[2] >= HOUR


def test_a_retry_that_is_accepted_waits_for_its_own_clock():
    play = Play(RETRY, provider="rejects")
    play.provider = "accepts"
    play.passes("2m")
    assert play.steps == ["a", "a"] and play.state() == "sent"


@pytest.mark.parametrize("kind", [Kind.UNKNOWN, Kind.BOUNCED])
def test_nothing_is_tried_again_after_a_lost_answer_or_a_dead_address(kind):
    play = Play(RETRY).happens(kind).happens(Kind.FAILED)
    assert play.passes("2h").steps == ["a", "next"]


def test_a_failure_that_comes_before_the_answer_is_tried_again_only_after_the_answer():
    play = Play(RETRY, provider="silent").happens(Kind.FAILED)
    assert play.steps == ["a"] and play.passes("1m").steps == ["a"]
    play.provider = "accepts"
    assert play.happens(Kind.SENT).passes("2m").steps == ["a", "a"]


def test_positive_evidence_in_time_stops_a_retry():
    play = Play(RETRY).happens(Kind.FAILED)
    assert play.state() == "created"
    assert play.happens(Kind.DELIVERED, step=0).passes("3h").steps == ["a"]


# E6: the answer is lost


def test_a_lost_answer_is_never_sent_again_and_the_step_s_clock_runs_from_the_submission():
    play = Play(with_step("{id: a, channel: sms, text: t, wait: 2h}"), provider="silent")
    assert play.run.wake_at == NOON + GUARD_MS
    play.provider = "accepts"
    play.passes("2m")
    assert play.state() == "unknown" and play.sent == [Channel.SMS]
    assert play.passes("2h").steps == ["a", "next"] and play.times[1] - NOON == 2 * HOUR


def test_under_an_idempotency_key_it_is_repeated_and_then_given_up():
    play = Play(with_step("{id: a, channel: sms, text: t, wait: 2h}"), provider="silent", retriable=True)
    play.passes("1h")
    assert play.steps == ["a"] * 3 and play.state() == "unknown"


def test_a_late_receipt_of_an_unknown_message_is_believed():
    play = Play(with_step("{id: a, channel: sms, text: t, wait: 2h}"), provider="silent").passes("1h")
    assert play.happens(Kind.DELIVERED).state() == "delivered"


# The queue (E7)


def test_a_message_that_waits_for_its_account_is_looked_at_again_after_two_hours():
    play = Play(LETTER_THEN_SMS, provider="full")
    assert play.waits() == "2h00m"
    play.accounts = {**play.accounts, Channel.EMAIL.code: 0}
    play.passes("2h")
    assert play.skipped == {"letter": "provider_disabled"}


def test_the_step_s_clock_starts_when_the_message_is_sent_not_when_it_was_due():
    play = Play(LETTER_THEN_SMS, provider="full").passes("1h").frees()
    assert play.waits() == "24h00m"


def test_a_goal_cancels_what_is_queued():
    play = Play(LETTER_THEN_SMS, provider="full").happens(Kind.GOAL, step=-1)
    assert play.outcome == "converted" and play.state() == "cancelled"

"""The field's rules about events (E1–E16) and clocks (C1–C10): where each is, and a test that shows it.

A row is a rule in short, what in `src/kaskad` carries it out, and the test: both must be there. Not built:
the second person's approval of an emergency that C9 asks for, and C4's new reckoning of what waits when zones
change, which is made when a run wakes.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SOURCES = TESTS.parent / "src" / "kaskad"
RULES = [
    ("E1 last look before submission", "engine/move", "_enter",
     "domain/test_rules_entering", "a_withdrawal_while_the_message_is_queued_counts_when_it_is_handed_over"),
    ("E2 late reaction ends the run at its step", "domain/decide", "ending",
     "domain/test_rules_clocks", "a_late_click_on_the_letter_ends_the_run_at_the_letter"),
    ("E2 a weaker one postpones the next step", "domain/decide", "hold_ends_at",
     "domain/test_rules_clocks", "a_late_opening_postpones_the_next_unsent_step_by_four_hours_from_it"),
    ("E2 a message is worth as long as its step waits", "domain/clocks", "valid_for_ms",
     "engine/test_limits_of_sending", "the_provider_is_told_how_long_the_message_is_worth_delivering"),
    ("E3 receipts often and in any order", "domain/run", "state_of",
     "domain/test_decide", "facts_of_one_tick_count_the_same_in_any_order_and_however_often"),
    ("E4 a receipt before our own commit", "engine/receive", "_match",
     "engine/test_facts", "a_receipt_for_an_unknown_id_waits_for_the_answer_that_names_it"),
    ("E5 no receipt: unknown, and nobody waits", "engine/housekeeping", "_expire_receipts",
     "engine/test_facts", "silence_about_a_message_becomes_unknown_after_its_ttl_and_holds_nobody_up"),
    ("E6 the answer is lost", "domain/decide", "_unanswered",
     "engine/test_once", "a_lost_answer_is_unknown_never_sent_again_and_the_clock_carries_on"),
    ("E7 outage: the clock begins with the sending", "domain/clocks", "patience_ms",
     "engine/test_outage_s_end", "a_step_that_waits_too_long_for_its_provider_goes_on_to_the_next"),
    ("E7 after it, too late is passed over", "domain/timing", "latest",
     "engine/test_outage_s_end", "what_is_too_late_when_the_provider_works_again_is_passed_over"),
    ("E8 an address that is dead", "engine/spoil", "soften_addresses",
     "engine/test_bounces", "a_hard_bounce_ends_an_address_at_once"),
    ("E9 opt-out in every run", "domain/consent", "effect_of_opt_out",
     "engine/test_facts", "stop_closes_the_channel_and_ends_advertising"),
    ("E9 of everybody who has the number", "engine/receive", "_read_inbound",
     "engine/test_facts", "stop_to_a_number_that_several_people_have_counts_for_all_of_them"),
    ("E10 the goal ends every run, paused ones too", "engine/events", "_is_goal",
     "engine/test_enrolment", "one_goal_ends_the_runs_of_all_cascades_that_want_it"),
    ("E11 no address or consent", "domain/entering", "_refusal",
     "domain/test_rules_entering", "a_step_without_an_address_is_skipped_at_once"),
    ("E11 one touch an address and step", "engine/look", "_touched",
     "engine/test_limits_of_sending",
     "two_people_with_one_number_get_one_sms_of_a_step_also_by_two_versions"),
    ("E12 versions, and moving to another", "domain/migrating", "move",
     "engine/test_migrating", "scenario_14_runs_go_on_in_the_new_version_and_get_nothing_twice"),
    ("E13 re-entry", "engine/enrol", "_refusal",
     "engine/test_enrolment", "after_the_end_the_cooldown_counts_from_the_end"),
    ("E14 class, priority, nearest date, age", "engine/move", "_rank",
     "engine/test_limits_of_sending",
     "of_runs_of_one_class_and_priority_the_one_whose_date_is_nearest_goes_first"),
    ("E15 caps and gaps", "domain/caps", "check",
     "domain/test_caps", "six_touches_in_seven_local_days_over_all_channels_and_classes"),
    ("E16 two contacts that are one person", "domain/joining", "same",
     "engine/test_merging", "no_step_reaches_a_person_twice_and_no_refusal_is_lost"),
    ("C1 24 hours and a day differ", "domain/hours", "add",
     "domain/test_hours", "24_hours_and_one_day_differ_across_the_change_of_the_clock"),
    ("C2 gap and fold", "domain/hours", "_instant",
     "domain/test_hours", "a_wall_time_in_a_gap_moves_forward_by_the_gap"),
    ("C3 zones of half and quarter hours", "domain/hours", "_segments",
     "domain/test_hours", "lord_howe_moves_by_half_an_hour"),
    ("C4 rules of zones from the package", "domain/hours", "zone_info",
     "domain/test_hours", "zone_rules_are_those_of_the_package_and_of_2024_in_kazakhstan"),
    ("C5 open in every zone the person may be in", "domain/hours", "zones_known",
     "domain/test_hours", "scenario_18_a_seven_mobile_is_sent_only_where_all_16_zones_are_open"),
    ("C6 windows by channel, class and country", "domain/policy", "rule",
     "domain/test_hours", "scenario_19_advertising_sms_in_kazakhstan_wait_for_monday"),
    ("C7 a relative step shifts later", "domain/timing", "when",
     "domain/test_rules_entering", "the_backlog_of_the_night_is_spread_over_the_jitter"),
    ("C8 an anchored step shifts earlier", "domain/timing", "_anchored",
     "domain/test_rules_entering",
     "a_step_that_falls_into_the_night_goes_out_in_the_last_allowed_minute_of_the_evening"),
    ("C8 of those missed only the last", "domain/timing", "_missed",
     "domain/test_rules_entering", "of_the_steps_missed_by_a_late_enrolment_only_the_last_is_sent"),
    ("C9 urgent crosses hours and caps, never the law", "domain/policy", "rule",
     "domain/test_rules_entering", "urgent_crosses_the_brand_s_hours_but_not_the_law_s"),
    ("C10 timers survive, one clock", "engine/clock", "follow_database",
     "engine/test_clock", "the_clock_follows_that_of_postgresql_and_sqlite_has_none"),
]  # fmt: skip


@cache
def functions(path: Path) -> set[str]:
    """Return the names of all functions of a file, those of its classes too."""
    tree = ast.parse(path.with_suffix(".py").read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("rule", "file", "name", "test_file", "test"), RULES)
def test_each_rule_has_its_place_and_its_test(
    rule: str, file: str, name: str, test_file: str, test: str
) -> None:
    assert name in functions(SOURCES / file)
    assert f"test_{test}" in functions(TESTS / test_file)


def test_no_rule_is_left_out() -> None:
    told = {rule.partition(" ")[0] for rule, *_ in RULES}
    assert told == {f"E{n}" for n in range(1, 17)} | {f"C{n}" for n in range(1, 11)}

"""Hours: the vectors of domain.md C1-C8 and scenarios 17-20, and a slow oracle beside the fast answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random

import pytest
from holidays import country_holidays
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import parse
from phonenumbers.timezone import time_zones_for_number

from kaskad.domain import hours
from kaskad.domain.cascade import Span
from kaskad.domain.hours import Windows, add, next_allowed, subtract, zone_info
from kaskad.domain.policy import DAY, HOUR, MINUTE, Days, Policy, Window
from kaskad.domain.terms import Channel, MessageClass
from support.examples import tries

ADVERTISING, SERVICE = MessageClass.ADVERTISING, MessageClass.SERVICE
# Half and quarter hours, half-hour changes, changes at and over midnight, no change at all.
ZONES = (
    "UTC",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "Australia/Lord_Howe",
    "America/Santiago",
    "America/Havana",
    "Asia/Beirut",
    "Africa/Casablanca",
    "Pacific/Kiritimati",
    "America/St_Johns",
)
zones = st.sampled_from(ZONES)
spring_2026, spring_2028 = 1_774_000_000_000, 1_837_000_000_000
instants = st.integers(spring_2026, spring_2028)
minutes = instants.map(lambda at: at - at % MINUTE)


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone_info(zone)).timestamp()) * 1000


def there(instant: int | None, zone: str) -> datetime:
    assert instant is not None
    return datetime.fromtimestamp(instant // 1000, UTC).astimezone(zone_info(zone))


def wall(instant: int | None, zone: str) -> str:
    return there(instant, zone).strftime("%Y-%m-%d %H:%M")


def last_before(due: int, earliest: int, rule, zones: tuple[str, ...], country: str = "") -> int | None:
    return Windows(Policy()).last_before(due, earliest, (rule, zones, country))


def test_24_hours_and_one_day_differ_across_the_change_of_the_clock():
    noon = at("2026-10-24 12:00", "Europe/Berlin")
    assert wall(add(noon, Span(ms=24 * HOUR), "Europe/Berlin"), "Europe/Berlin") == "2026-10-25 11:00"
    assert wall(add(noon, Span(days=1), "Europe/Berlin"), "Europe/Berlin") == "2026-10-25 12:00"


def test_a_wall_time_in_a_gap_moves_forward_by_the_gap():
    day_before = at("2027-03-27 02:30", "Europe/Berlin")
    assert wall(add(day_before, Span(days=1), "Europe/Berlin"), "Europe/Berlin") == "2027-03-28 03:30"
    day_after = at("2027-03-29 02:30", "Europe/Berlin")
    assert wall(subtract(day_after, Span(days=1), "Europe/Berlin"), "Europe/Berlin") == "2027-03-28 03:30"


def test_a_wall_time_in_a_fold_is_its_first_occurrence():
    day_before = at("2026-10-24 02:30", "Europe/Berlin")
    assert add(day_before, Span(days=1), "Europe/Berlin") == at("2026-10-25 00:30")  # +02:00, not +01:00


def test_nothing_added_in_the_second_pass_of_a_fold_stays_there():
    second = at("2026-10-25 01:30")
    assert add(second, Span(), "Europe/Berlin") == second
    assert add(second, Span(ms=5), "Europe/Berlin") == second + 5


def test_lord_howe_moves_by_half_an_hour():
    zone = "Australia/Lord_Howe"
    night = at("2026-10-03 02:15", zone)
    assert wall(add(night, Span(days=1), zone), zone) == "2026-10-04 02:45"  # 02:00 became 02:30
    assert (
        add(at("2026-10-03 12:00", zone), Span(days=1), zone)
        == at("2026-10-03 12:00", zone) + DAY - HOUR // 2
    )


def test_months_keep_the_day_or_take_the_last_one():
    assert add(at("2027-01-31 10:00"), Span(months=1), "UTC") == at("2027-02-28 10:00")
    assert add(at("2027-12-15 10:00"), Span(months=2), "UTC") == at("2028-02-15 10:00")
    assert subtract(at("2028-03-31 10:00"), Span(months=1), "UTC") == at("2028-02-29 10:00")
    assert subtract(at("2027-01-10 10:00"), Span(months=1, days=1), "UTC") == at("2026-12-09 10:00")


def test_calendar_parts_come_before_elapsed_ones():
    friday = at("2026-10-23 23:30", "Europe/Berlin")
    span = Span(days=1, ms=4 * HOUR)  # Saturday 23:30, then over the change
    assert wall(add(friday, span, "Europe/Berlin"), "Europe/Berlin") == "2026-10-25 02:30"
    assert add(friday, span, "Europe/Berlin") == at("2026-10-25 01:30")  # the second 02:30


@given(instants, st.integers(-40, 40), zones)
def test_days_keep_the_wall_time_except_in_a_gap(instant, days, zone):
    before = there(instant, zone)
    after = add(instant, Span(days=days), zone)
    wanted = before.replace(tzinfo=None, fold=0) + timedelta(days=days)
    got = there(after, zone)
    # Milliseconds below the second are dropped by `there` on both sides.
    if got.replace(tzinfo=None) != wanted and days:
        assert (
            wanted.replace(tzinfo=zone_info(zone))
            .astimezone(UTC)
            .astimezone(zone_info(zone))
            .replace(tzinfo=None)
            != wanted
        )  # it does not exist there
        assert timedelta(0) < got.replace(tzinfo=None) - wanted <= timedelta(hours=1)
    assert after % 1000 == instant % 1000
    assert not days or got.fold == 0


@given(instants, st.integers(0, 40), st.integers(0, 10 * DAY), zones)
def test_subtracting_is_adding_the_negative(instant, days, ms, zone):
    assert subtract(instant, Span(ms, days), zone) == add(instant, Span(-ms, -days), zone)


@given(instants, zones)
def test_a_local_day_starts_when_its_number_does(instant, zone):
    day = hours.local_day(instant, zone)
    start = hours.day_start(day, zone)
    assert start <= instant < hours.day_start(day + 1, zone)
    assert hours.local_day(start, zone) == day
    assert (there(instant, zone).date() - datetime(1970, 1, 1).date()).days == day


clock = st.integers(0, 23 * 4 + 3).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
spans = st.tuples(clock, clock).filter(lambda pair: pair[0] != pair[1]).map("-".join)
windows = st.builds(
    Window, st.lists(spans, min_size=1, max_size=2).map(tuple), st.sampled_from(Days), legal=st.booleans()
)
rules = st.lists(windows, max_size=2).map(tuple)
several = st.lists(zones, min_size=1, max_size=3, unique=True).map(tuple)
countries = st.sampled_from(["", "KZ", "RU", "US", "XX"])


@cache
def calendar_of(country: str, year: int):
    try:
        return country_holidays(country, years=[year - 1, year, year + 1])
    except NotImplementedError:
        return None


def is_open(instant: int, rule, zones_, country: str) -> bool:
    """Return the same as the windows, from nothing but their definition."""
    for zone in zones_:
        local = there(instant, zone)
        now = f"{local.hour:02}:{local.minute:02}"
        calendar = calendar_of(country, local.year)
        for window in rule:
            pairs = [text.split("-") for text in window.hours]
            if not any((a <= now < b) if a < b else (now >= a or now < b) for a, b in pairs):
                return False
            if window.days is Days.NOT_HOLIDAYS and calendar is not None and local.date() in calendar:
                return False
            if window.days is Days.WORKING:
                working = (
                    calendar.is_working_day(local.date()) if calendar is not None else local.weekday() < 5
                )
                if not working:
                    return False
    return True


near_changes = st.builds(
    lambda text, shift: at(text) + shift * MINUTE,
    st.sampled_from(
        [
            "2026-10-25",
            "2027-03-28",
            "2026-10-04",
            "2027-04-04",
            "2026-11-01",
            "2027-03-14",
            "2026-09-27",
            "2027-02-14",
        ]
    ),
    st.integers(-36 * 60, 36 * 60),
)
starts = st.one_of(minutes, near_changes)


@settings(max_examples=tries(300))
@given(starts, rules, several, countries)
def test_next_allowed_agrees_with_walking_the_minutes(start, rule, zones_, country):
    got = next_allowed(start, rule, zones_, country)
    walked = next((t for t in range(start, start + DAY, MINUTE) if is_open(t, rule, zones_, country)), None)
    if walked is None:
        assert got is None or got >= start + DAY
    else:
        assert got == walked


@settings(max_examples=tries(300))
@given(starts, rules, several, countries)
def test_the_last_minute_before_agrees_with_walking_the_minutes_back(due, rule, zones_, country):
    got = last_before(due, due - DAY, rule, zones_, country)
    walked = next((t for t in range(due, due - DAY - 1, -MINUTE) if is_open(t, rule, zones_, country)), None)
    assert got == walked


@given(instants, rules, several, countries)
def test_next_allowed_is_open_in_every_zone_and_later_only_if_it_must(start, rule, zones_, country):
    got = next_allowed(start, rule, zones_, country)
    if got is not None:
        assert got >= start
        assert is_open(got, rule, zones_, country)
        assert next_allowed(got, rule, zones_, country) == got
        assert got == start or not is_open(got - 1, rule, zones_, country)


@given(instants, st.integers(0, 20 * DAY), rules, several, countries)
def test_next_allowed_is_monotone(start, later, rule, zones_, country):
    first, second = (next_allowed(t, rule, zones_, country) for t in (start, start + later))
    if first is not None and second is not None:
        assert first <= second


@given(instants, rules, several, countries, st.integers(0, HOUR))
def test_memory_changes_no_answer_and_jitter_stays_inside_the_window(start, rule, zones_, country, spread):
    memory, key = Windows(Policy()), (rule, zones_, country)
    for shift in (0, 1, 5 * HOUR, -3 * DAY, 30 * DAY):
        instant = start + shift
        assert memory.next(instant, key) == next_allowed(instant, rule, zones_, country)
        assert memory.last_before(instant, instant - DAY, key) == last_before(
            instant, instant - DAY, rule, zones_, country
        )
        spreaded = memory.next(instant, key, spread)
        if spreaded is not None:
            assert is_open(spreaded, rule, zones_, country)
            assert 0 <= spreaded - (memory.next(instant, key) or 0) <= spread


def test_jitter_never_reaches_past_a_short_window_and_uses_all_of_one_over_midnight():
    memory = Windows(Policy())
    morning, evening = at("2026-11-24 06:00"), at("2026-11-24 23:50")
    short, late = Window(("09:00-09:10",)), Window(("23:50-02:00",))
    assert memory.next(morning, ((short,), ("UTC",), ""), 30 * MINUTE - 1) == at("2026-11-24 09:10") - 1
    assert memory.next(morning, ((late,), ("UTC",), ""), 30 * MINUTE) == evening + 30 * MINUTE


def test_a_window_that_opens_in_more_than_14_days_is_none():
    both = ("UTC", "Europe/Berlin")
    shared = (Window(("12:00-13:10",)),)  # open in both only while Berlin is one hour ahead
    opens = at("2026-10-25 12:00")
    assert next_allowed(opens - 14 * DAY, shared, both) == opens
    assert next_allowed(opens - 14 * DAY - 1, shared, both) is None


def test_a_rule_without_zones_is_refused_rather_than_open():
    with pytest.raises(ValueError, match="no zone"):
        next_allowed(0, (Window(("09:00-21:00",)),), ())


def test_more_than_one_change_of_the_clock_in_a_span_is_seen():
    rule = (Window(("02:00-02:30",)),)
    first = at("2026-10-25 00:00")
    assert next_allowed(first, rule, ("Europe/Berlin",)) == first  # 02:00 summer time
    assert next_allowed(first + HOUR // 2, rule, ("Europe/Berlin",)) == first + HOUR  # 02:00 again
    assert next_allowed(first + 3 * HOUR // 2, rule, ("Europe/Berlin",)) == at("2026-10-26 01:00")


def test_zone_rules_are_those_of_the_package_and_of_2024_in_kazakhstan():
    assert wall(at("2024-02-29 17:59"), "Asia/Almaty") == "2024-02-29 23:59"
    assert wall(at("2024-02-29 18:00"), "Asia/Almaty") == "2024-02-29 23:00"
    with pytest.raises(KeyError, match="no zone"):
        zone_info("Nowhere/Land")


def test_a_window_that_the_change_of_the_clock_swallows_opens_the_next_day():
    rule = (Window(("02:00-03:00",)),)
    assert (
        wall(next_allowed(at("2027-03-28 00:00"), rule, ("Europe/Berlin",)), "Europe/Berlin")
        == "2027-03-29 02:00"
    )


def default(channel: Channel, message_class: MessageClass, country: str = "") -> tuple[Window, ...]:
    return Policy().rule(channel, message_class, country)


@pytest.mark.parametrize(
    ("due", "zone", "sent"),
    [
        (at("2027-03-27 02:30", "Europe/Berlin"), "Europe/Berlin", "2027-03-28 09:00"),
        (at("2026-10-24 02:30", "Europe/Berlin"), "Europe/Berlin", "2026-10-25 09:00"),
        (at("2026-11-20 09:00", "Asia/Kathmandu"), "Asia/Kathmandu", "2026-11-21 09:00"),
        (at("2026-10-03 02:15", "Australia/Lord_Howe"), "Australia/Lord_Howe", "2026-10-04 09:00"),
        (at("2027-04-03 01:45", "Australia/Lord_Howe"), "Australia/Lord_Howe", "2027-04-04 09:00"),
    ],
)
def test_scenario_17_a_step_due_in_a_night_of_change_is_sent_inside_the_window(due, zone, sent):
    next_day = add(due, Span(days=1), zone)
    instant = next_allowed(next_day, default(Channel.SMS, SERVICE), (zone,))
    assert wall(instant, zone) == sent
    assert instant == at(sent, zone)


def test_scenario_17_a_step_at_the_opening_minute_goes_at_once():
    nine = at("2026-11-21 09:00", "Asia/Kathmandu")
    assert next_allowed(nine, default(Channel.SMS, SERVICE), ("Asia/Kathmandu",)) == nine
    assert nine == at("2026-11-21 03:15")


def test_scenario_18_a_seven_mobile_is_sent_only_where_all_16_zones_are_open():
    candidates = hours.zones_for(None, "+79161234567", "Europe/Moscow")
    assert len(candidates) == 16
    rule = default(Channel.SMS, SERVICE, "RU")
    six_pm = at("2026-11-20 18:00", "Europe/Moscow")
    assert next_allowed(six_pm, rule, candidates, "RU") == at("2026-11-21 07:00")
    assert next_allowed(at("2026-11-21 08:59"), rule, candidates, "RU") == at("2026-11-21 08:59")
    assert next_allowed(at("2026-11-21 09:00"), rule, candidates, "RU") == at("2026-11-22 07:00")


def test_mobile_numbers_of_russia_are_all_told_the_same_as_the_tables_tell_of_each():
    draw = Random(7)
    for number in [f"+79{draw.randrange(10**9):09}" for _ in range(300)] + ["+79000000000", "+79999999999"]:
        told = {zone for zone in time_zones_for_number(parse(number)) if zone != "Etc/Unknown"}
        assert set(hours.candidate_zones(number)) == {zone for zone in told if hours.is_zone(zone)}, number
    unknown = "+79300005555"
    assert time_zones_for_number(parse(unknown)) == ("Etc/Unknown",)
    assert hours.candidate_zones(unknown) == hours.candidate_zones("+79161234567"), "not the sender's zone"
    assert hours.candidate_zones("+7916123456") == () == hours.candidate_zones("+7916"), "too short to be one"


def test_calls_to_a_number_in_16_zones_are_impossible_and_not_made_by_night():
    candidates = hours.candidate_zones("+79161234567")
    assert next_allowed(at("2026-11-20 09:00"), default(Channel.ROBOT_CALL, SERVICE), candidates) is None


@pytest.mark.parametrize(
    ("asked", "zone"), [("2026-11-21 10:00", "Asia/Almaty"), ("2026-11-22 23:00", "Asia/Aqtobe")]
)
def test_scenario_19_advertising_sms_in_kazakhstan_wait_for_monday(asked, zone):
    sent = next_allowed(at(asked, zone), default(Channel.SMS, ADVERTISING, "KZ"), (zone,), "KZ")
    assert sent == at("2026-11-23 04:00")  # 09:00 at UTC+5, in Almaty as well


def test_scenario_19_nauryz_is_kept_and_a_one_time_code_is_not_held():
    nauryz = at("2026-03-20 22:00", "Asia/Almaty")  # the holidays fill 21 to 25 March
    sent = next_allowed(nauryz, default(Channel.SMS, ADVERTISING, "KZ"), ("Asia/Almaty",), "KZ")
    assert wall(sent, "Asia/Almaty") == "2026-03-26 09:00"
    code = default(Channel.SMS, MessageClass.TRANSACTIONAL, "KZ")
    assert next_allowed(nauryz, code, ("Asia/Almaty",), "KZ") == nauryz


def test_advertising_mail_goes_on_a_holiday_but_a_messenger_waits():
    new_year = at("2027-01-01 12:00", "Europe/Moscow")
    mail, chat = default(Channel.EMAIL, ADVERTISING, "RU"), default(Channel.VK, ADVERTISING, "RU")
    assert next_allowed(new_year, mail, ("Europe/Moscow",), "RU") == new_year
    later = next_allowed(new_year, chat, ("Europe/Moscow",), "RU")
    assert later is not None and there(later, "Europe/Moscow").date() >= datetime(2027, 1, 9).date()


def test_a_moved_working_saturday_is_a_working_day():
    saturday = at("2024-04-27 11:00", "Europe/Moscow")  # worked in Russia instead of Monday, 29 April
    rule = default(Channel.AGENT_CALL, SERVICE, "RU")
    assert next_allowed(saturday, rule, ("Europe/Moscow",), "RU") == saturday
    assert next_allowed(saturday + 2 * DAY, rule, ("Europe/Moscow",), "RU") == at(
        "2024-05-02 10:00", "Europe/Moscow"
    )


def test_scenario_20_two_hours_before_an_eight_o_clock_webinar_is_the_evening_before():
    zone = "Asia/Almaty"
    due = subtract(at("2026-11-24 08:00", zone), Span(ms=2 * HOUR), zone)
    assert wall(due, zone) == "2026-11-24 06:00"
    rule = default(Channel.TELEGRAM, SERVICE)
    moved = last_before(due, due - DAY, rule, (zone,))
    assert wall(moved, zone) == "2026-11-23 20:59"
    assert last_before(due, due - 3 * HOUR, rule, (zone,)) is None
    noon = at("2026-11-24 12:00", zone)
    assert last_before(noon, noon - DAY, rule, (zone,)) == noon


def test_earliest_inside_the_last_minute_is_still_in_time():
    rule, due = (Window(("09:00-21:00",)),), at("2026-11-24 06:00")
    earliest = at("2026-11-23 20:59") + 30_000
    assert last_before(due, earliest, rule, ("UTC",)) == earliest
    assert last_before(due, earliest + 30_000, rule, ("UTC",)) is None


def test_an_own_zone_is_better_than_the_number_and_the_number_better_than_the_brand():
    assert hours.zones_for("Asia/Almaty", "+4930123456", "UTC") == ("Asia/Almaty",)
    assert hours.zones_for("Nowhere/Land Asia/Almaty", "", "UTC") == ("Asia/Almaty",)
    assert hours.zones_for(None, "+4930123456", "UTC") == ("Europe/Berlin",)
    assert hours.zones_for("", "", "Asia/Almaty") == ("Asia/Almaty",)
    assert hours.zones_for("Nowhere/Land", "no number", "Nowhere/Land") == ("UTC",)


@pytest.mark.parametrize(
    "name", ["", "Nowhere/Land", "Europe", "../etc/passwd", "/etc/passwd", "Europe/Berlin\0"]
)
def test_what_is_no_zone_is_none(name):
    assert not hours.is_zone(name)


@given(st.integers(0, 2**63), st.integers(0, 200), st.integers(0, 2 * HOUR))
def test_jitter_is_the_same_every_time_and_never_more_than_allowed(contact, step, most):
    value = hours.jitter(contact, step, most)
    assert 0 <= value <= most
    assert value == hours.jitter(contact, step, most)


def test_jitter_spreads_neighbouring_contacts_evenly():
    tenths = [0] * 10
    for contact in range(10_000):
        tenths[hours.jitter(contact, 1, 30 * MINUTE) * 10 // (30 * MINUTE + 1)] += 1
    assert min(tenths) > 880 and max(tenths) < 1120  # four standard deviations


def test_the_reason_is_in_words():
    memory = Windows(Policy())
    key = memory.key(Channel.SMS, SERVICE, ("Asia/Almaty",), "KZ")
    assert memory.why(key) == "09:00-21:00 and 09:00-21:00 on working days of KZ, in Asia/Almaty"
    assert memory.why(memory.key(Channel.SMS, MessageClass.EMERGENCY, ("UTC",))) == "at any time"


def test_where_zones_lie_is_looked_up_once(monkeypatch):
    looks, files = [], hours.resources.files
    monkeypatch.setattr(hours.resources, "files", lambda name: looks.append(name) or files(name))
    hours._zones.cache_clear()
    for name in ("Pacific/Fakaofo", "Pacific/Nauru", "Pacific/Niue"):
        hours.zone_info.cache_clear()
        assert hours.zone_info(name).key == name
    assert looks.count("tzdata.zoneinfo") == 1

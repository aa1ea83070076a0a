"""When a date begins a run: once and each year, 29 February, zones, clocks that change, lateness."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad.domain.cascade import Span
from kaskad.domain.dated import AHEAD_MS, Dated, due, wanted
from kaskad.domain.definition import load, to_cascade
from kaskad.domain.policy import HOUR

LATE = 12 * HOUR
BIRTHDAY = Dated("birthday", True, False, Span(), 600, False)
WEEK_BEFORE = Dated("ends", False, True, Span(days=7), 600, False)


def ms(*parts):
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("dated", "text", "zone", "at", "key"),
    [
        (BIRTHDAY, "1990-05-17", "UTC", ms(2027, 5, 17, 10), "birthday 2027-05-17"),
        (BIRTHDAY, "1990-05-17T23:00:00+05:00", "UTC", ms(2027, 5, 17, 10), "birthday 2027-05-17"),
        (BIRTHDAY, "1990-05-17", "Asia/Almaty", ms(2027, 5, 17, 5), "birthday 2027-05-17"),
        (BIRTHDAY, "1990-05-17", "Pacific/Kiritimati", ms(2027, 5, 16, 20), "birthday 2027-05-17"),
        (BIRTHDAY, "1992-02-29", "UTC", ms(2027, 2, 28, 10), "birthday 2027-02-28"),
        (BIRTHDAY, "1992-02-29", "UTC", ms(2028, 2, 29, 10), "birthday 2028-02-29"),
        (BIRTHDAY, "1990-01-01", "Pacific/Kiritimati", ms(2027, 12, 31, 20), "birthday 2028-01-01"),
        (WEEK_BEFORE, "2027-05-17", "UTC", ms(2027, 5, 10, 10), "ends 2027-05-17"),
        (WEEK_BEFORE, "2027-04-01", "Europe/Berlin", ms(2027, 3, 25, 9), "ends 2027-04-01"),  # before DST
        (Dated("ends", False, False, Span(months=1), 150, False), "2027-02-28", "Europe/Berlin",
         ms(2027, 3, 28, 1, 30), "ends 2027-02-28"),  # 02:30 does not exist: 03:30
        (Dated("b", True, True, Span(days=3), 600, False), "1990-01-02", "UTC",
         ms(2027, 12, 30, 10), "b 2028-01-02"),
    ],
)  # fmt: skip
def test_a_date_is_due_at_its_hour_by_the_contact_s_clock(dated, text, zone, at, key):
    for now in (at - AHEAD_MS, at, at + LATE - 1):
        found = due(dated, text, zone, now, LATE)
        assert found is not None and (found.at, found.key) == (at, key)
    assert due(dated, text, zone, at - AHEAD_MS - 1, LATE) is None
    assert due(dated, text, zone, at + LATE, LATE) is None


def test_nobody_has_a_birthday_before_they_are_born_nor_without_a_date():
    assert due(BIRTHDAY, "2027-05-17", "UTC", ms(2027, 5, 17, 10), LATE) is None
    for text in ("17.05.1990", "", "1990-13-01", "soon", "05-17"):
        assert due(BIRTHDAY, text, "UTC", ms(2027, 5, 17, 10), LATE) is None
    found = due(BIRTHDAY, "1990-05-17", "UTC", ms(2027, 5, 17, 10), LATE)
    assert found is not None and found.years == 37


dates = st.dates(datetime(1940, 1, 1).date(), datetime(2032, 12, 31).date())
kinds = st.builds(
    Dated,
    attribute=st.just("d"),
    yearly=st.booleans(),
    before=st.booleans(),
    shift=st.builds(Span, months=st.integers(0, 3), days=st.integers(0, 60)),
    minute=st.integers(0, 1439),
    anchored=st.just(False),
)
zones = st.sampled_from(
    ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Berlin", "Australia/Lord_Howe"]
)


@given(kinds, dates, zones, st.integers(ms(2026, 1, 1), ms(2029, 1, 1)))
def test_the_database_looks_for_every_date_that_is_due(dated, day, zone, now):
    text = day.isoformat()
    if due(dated, text, zone, now, LATE):
        asked = wanted(dated, now, LATE)
        part = text[asked.start - 1 :]
        assert asked.low <= part <= asked.high or asked.low2 <= part <= asked.high2


TEXT = """
cascade: day
title: Day
class: service
trigger: {date: birthday, every: year, before: 3d, at: "9:30", if: contact.vip}
steps: [{id: a, channel: sms, text: x, wait: 1d}]
"""


def test_the_definition_says_when():
    trigger = to_cascade(TEXT, name="day").trigger
    assert (trigger.date, trigger.yearly, trigger.before, trigger.shift, trigger.minute) == (
        "birthday", True, True, Span(days=3), 570,
    )  # fmt: skip
    wrong = (
        TEXT.replace("before: 3d", "before: 3h, after: 1d").replace("9:30", "25:00").replace("year", "week")
    )
    problems = [problem.text("day") for problem in load(wrong, name="day").errors]
    assert len(problems) >= 4, problems
    other = TEXT.replace("date: birthday", "event: left")
    assert len(load(other, name="day").errors) == 3

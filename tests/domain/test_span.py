"""Durations as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad.domain.cascade import Span
from kaskad.domain.span import MAX_DAYS, MAX_MONTHS, MAX_MS, approximate_ms, format_span, parse_span

HOUR = 3_600_000
spans = st.builds(
    Span, ms=st.integers(0, MAX_MS), days=st.integers(0, MAX_DAYS), months=st.integers(0, MAX_MONTHS)
)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("24h", Span(ms=24 * HOUR)),
        ("PT24H", Span(ms=24 * HOUR)),
        ("1d", Span(days=1)),
        ("P1D", Span(days=1)),
        ("2w", Span(days=14)),
        ("P2W", Span(days=14)),
        ("30m", Span(ms=HOUR // 2)),
        ("30min", Span(ms=HOUR // 2)),
        ("PT30M", Span(ms=HOUR // 2)),
        ("1mo", Span(months=1)),
        ("P1M", Span(months=1)),
        ("P1Y", Span(months=12)),
        ("1d 12h", Span(ms=12 * HOUR, days=1)),
        ("P1DT12H", Span(ms=12 * HOUR, days=1)),
        ("500ms", Span(ms=500)),
        ("PT0.5S", Span(ms=500)),
        (" 90s ", Span(ms=90_000)),
    ],
)
def test_both_spellings_mean_the_same(text, span):
    assert parse_span(text) == span


def test_a_day_of_the_calendar_is_not_24_hours():
    assert parse_span("1d") != parse_span("24h")


@given(spans)
def test_what_is_formatted_parses_to_the_same_span(span):
    assert parse_span(format_span(span)) == span


def test_short_spans_are_shown_short():
    assert [format_span(parse_span(text)) for text in ("PT24H", "P2D", "PT30M", "PT90S")] == [
        "24h",
        "2d",
        "30m",
        "90s",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "P1DT",
        "24",
        "-3h",
        "3 hours",
        "1h30",
        "h",
        "1.5h",
        "٣d",
        "P1H",
        "1dd",
        "99999d",
        "P11Y",
    ],
)
def test_what_is_no_duration_is_refused_with_a_remedy(text):
    with pytest.raises(ValueError, match=r"\w"):
        parse_span(text)


def test_a_bare_number_is_told_that_it_lacks_a_unit():
    with pytest.raises(ValueError, match="no unit; write 24h"):
        parse_span("24")


@given(st.text(max_size=60))
def test_no_text_does_more_than_raise_value_error(text):
    try:
        span = parse_span(text)
    except ValueError:
        return
    assert parse_span(format_span(span)) == span


@given(spans, spans)
def test_approximate_length_grows_with_each_part(one, other):
    both = Span(ms=one.ms + other.ms, days=one.days + other.days, months=one.months + other.months)
    assert approximate_ms(both) == approximate_ms(one) + approximate_ms(other)

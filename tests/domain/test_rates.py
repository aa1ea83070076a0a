"""Exchange rates by day: what holds on which day, and that conversion neither loses nor makes money."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad.domain.money import DIGITS
from kaskad.domain.rates import OWN, Exchange, Rate, Rates, converted, half_even, mean, whole

CODES = ("KZT", "RUB", "USD", "JPY", "KWD")  # of 2, 2, 2, 0 and 3 digits
values = st.decimals("0.000001", "100000", places=6, allow_nan=False)
days = st.integers(0, 30)
told = st.lists(
    st.builds(Rate, days, st.sampled_from(CODES), st.sampled_from(CODES), values), max_size=25
).map(lambda rows: [row for row in rows if row.base != row.quote])
minors = st.integers(-(10**15), 10**15)
exchanges = st.builds(
    Exchange, st.sampled_from(CODES), st.dictionaries(st.sampled_from((*CODES, "EUR")), values, max_size=5)
)
sums = st.dictionaries(st.sampled_from((*CODES, "EUR", "XXX")), minors, max_size=6)


@given(told, st.sampled_from(CODES), st.sampled_from(CODES), days)
def test_the_latest_rate_of_two_currencies_holds_whichever_way_it_was_told(rows, base, quote, day):
    found = Rates(rows).find(base, quote, day)
    if base == quote:
        assert found is not None and found.value == 1
        return
    last = {}  # of one day and direction the last one counts, as it is kept
    for row in rows:
        last[row.base, row.quote, row.day] = row.value
    direct = [key[2] for key in last if {*key[:2]} == {base, quote} and key[2] <= day]
    if direct:
        latest = max(direct)
        there, back = last.get((base, quote, latest)), last.get((quote, base, latest))
        assert found is not None and found.day == latest
        exact = Fraction(there) if there is not None else 1 / Fraction(back)
        assert abs(Fraction(found.value) - exact) < Fraction(1, 10**40)
    elif found is not None:  # over a third one, by rates that both hold
        assert found.day <= day
        assert any({base, between} in map(set, (key[:2] for key in last)) for between in CODES)


@given(told, st.sampled_from(CODES), st.sampled_from(CODES))
def test_what_is_followed_day_by_day_is_what_is_found(rows, base, quote):
    if base == quote:
        return
    rates = Rates(rows)
    followed = rates.followed(base, quote)
    for day in range(32):
        now = [one for one in followed if one.day <= day]
        found = rates.find(base, quote, day)
        assert (found is None) == (not now)
        if found is not None:
            assert (now[-1].value, now[-1].of_day) == (found.value, found.day)


def test_no_rate_is_told_before_the_first_day_and_none_over_two_others():
    rates = Rates([
        Rate(10, "USD", "KZT", Decimal("512.35")), Rate(10, "RUB", "KZT", Decimal("6.41")),
        Rate(12, "EUR", "RUB", Decimal("90")),
    ])  # fmt: skip
    assert rates.find("USD", "KZT", 9) is None
    assert rates.find("USD", "KZT", 99).value == Decimal("512.35")
    assert half_even(converted(100_00, "USD", "RUB", rates.find("USD", "RUB", 10).value)) == 7_992_98
    assert rates.find("EUR", "USD", 20) is None
    assert rates.find("EUR", "KZT", 20).day == 10  # as old as the older of both


@given(minors, minors, st.sampled_from(CODES), st.sampled_from(CODES), values)
def test_a_sum_converted_is_the_sum_of_what_was_converted(one, other, base, quote, value):
    together = converted(one + other, base, quote, value)
    apart = converted(one, base, quote, value) + converted(other, base, quote, value)
    exact = Fraction(one + other) * Fraction(value) * Fraction(10) ** (DIGITS[quote] - DIGITS[base])
    assert Fraction(together) == Fraction(apart) == exact


@given(minors, st.sampled_from(CODES), st.sampled_from(CODES), values)
def test_there_and_back_is_the_same_amount(minor, base, quote, value):
    rates = Rates([Rate(0, base, quote, value)]) if base != quote else Rates()
    there, back = rates.find(base, quote, 1).value, rates.find(quote, base, 1).value
    assert half_even(converted(converted(minor, base, quote, there), quote, base, back)) == minor


@given(exchanges, sums)
def test_nothing_is_dropped_and_nothing_counted_one_to_one(exchange, amounts):
    exact = exchange.exact(amounts)
    apart = {name: minor for name, minor in exact.items() if name != exchange.to}
    unknown = {name for name in amounts if name != exchange.to and name not in exchange.values}
    assert apart == {name: amounts[name] for name in unknown}
    expected = sum(
        (
            converted(minor, name, exchange.to, Decimal(1) if name == exchange.to else exchange.values[name])
            for name, minor in amounts.items() if name not in unknown
        ),
        Decimal(0),
    )  # fmt: skip
    assert exact.get(exchange.to, Decimal(0)) == expected
    told = exchange.told(amounts)
    assert all(abs(told[name] - exact[name]) <= Decimal("0.5") for name in exact)
    assert OWN.told(amounts) == amounts


@given(st.lists(st.tuples(st.integers(0, 10**12), values), min_size=1, max_size=30))
def test_a_mean_rate_makes_the_same_of_the_whole_as_each_day_by_its_own(parts):
    each = sum((Fraction(amount) * Fraction(value) for amount, value in parts), Fraction(0))
    total = sum(amount for amount, _ in parts)
    found = mean(parts)
    if total:
        assert abs(Fraction(found) * total - each) < Fraction(1, 10**20)
    else:
        assert found is None


@pytest.mark.parametrize(
    ("minor", "base", "quote", "value", "expected"),
    [
        (1, "KZT", "JPY", "50", 0),  # 0.5 yen: to the even one
        (3, "KZT", "JPY", "50", 2),
        (1, "JPY", "KWD", "0.002", 2),
        (1, "KWD", "JPY", "500", 0),
        (-3, "KZT", "JPY", "50", -2),
        (12_345, "KWD", "KZT", "1.005", 1241),  # 12.345 KWD are 12.406725 KZT
    ],
)
def test_minor_units_of_every_kind_are_rounded_half_to_even(minor, base, quote, value, expected):
    assert half_even(converted(minor, base, quote, Decimal(value))) == expected
    assert whole({quote: converted(minor, base, quote, Decimal(value))}) == {quote: expected}

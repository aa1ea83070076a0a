from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad.domain.cascade import Money
from kaskad.domain.money import (
    DIGITS,
    MAX_MINOR,
    BadMoney,
    Price,
    format_amount,
    format_fine,
    format_money,
    format_number,
    parse_money,
    price_of,
)

amounts = st.builds(Money, st.integers(0, MAX_MINOR), st.sampled_from(sorted(DIGITS)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50000 KZT", Money(5_000_000, "KZT")),
        ("0.05 RUB", Money(5, "RUB")),
        ("0,05 rub", Money(5, "RUB")),
        ("60KZT", Money(6_000, "KZT")),
        ("1 000 000.50 RUB", Money(100_000_050, "RUB")),
        ("1_000 USD", Money(100_000, "USD")),
        ("1\u00a0000 EUR", Money(100_000, "EUR")),
        ("500 JPY", Money(500, "JPY")),
        ("1.234 KWD", Money(1_234, "KWD")),
        ("1.50000 RUB", Money(150, "RUB")),
    ],
)
def test_an_amount_is_read_in_minor_units(text, expected):
    assert parse_money(text) == expected


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("50000", "a number and a currency"),
        ("KZT", "a number and a currency"),
        ("-5 KZT", "a number and a currency"),
        ("1,000.5 USD", "a number and a currency"),
        ("1e9 KZT", "a number and a currency"),
        ("٥ KZT٥", "a number and a currency"),
        ("5 XYZ", "not a currency of ISO 4217"),
        ("0.005 RUB", "the smallest amount is 0.01 RUB"),
        ("0.5 JPY", "the smallest amount is 1 JPY"),
        ("99999999999999999999 KZT", "more than can be counted"),
    ],
)
def test_an_amount_that_cannot_be_read_says_what_to_write(text, remedy):
    with pytest.raises(BadMoney, match=remedy):
        parse_money(text)


@given(amounts)
def test_what_is_written_with_a_code_is_read_again(money):
    digits = DIGITS[money.currency]
    whole, rest = divmod(money.minor, 10**digits)
    text = f"{whole}.{rest:0{digits}d} {money.currency}" if digits else f"{whole} {money.currency}"
    assert parse_money(text) == money


@pytest.mark.parametrize(
    ("money", "russian", "english"),
    [
        (Money(1_250_050, "RUB"), "12\u00a0500,50\u00a0₽", "₽12,500.50"),
        (Money(5_000_000, "KZT"), "50\u00a0000\u00a0₸", "₸50,000"),
        (Money(5, "RUB"), "0,05\u00a0₽", "₽0.05"),
        (Money(-12_345, "USD"), "-123,45\u00a0$", "-$123.45"),
        (Money(500, "JPY"), "500\u00a0¥", "¥500"),
        (Money(100_000, "CHF"), "1\u00a0000\u00a0CHF", "CHF\u00a01,000"),
        (Money(1_234, "KWD"), "1,234\u00a0KWD", "KWD\u00a01.234"),
        (
            Money(MAX_MINOR, "RUB"),
            "92\u00a0233\u00a0720\u00a0368\u00a0547\u00a0758,07\u00a0₽",
            "₽92,233,720,368,547,758.07",
        ),
    ],
)
def test_money_is_shown_as_it_is_written_in_russian_and_english(money, russian, english):
    assert format_money(money, "ru") == russian
    assert format_money(money, "ru-KZ") == russian
    assert format_money(money, "en") == english


@given(amounts, st.sampled_from(["ru", "en"]))
def test_no_digit_is_lost_when_money_is_shown(money, language):
    shown = "".join(char for char in format_money(money, language) if char.isdigit())
    digits = DIGITS[money.currency]
    full = shown if money.minor % 10**digits else shown + "0" * digits
    assert int(full) == money.minor


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (12500, "12\u00a0500\u00a0₸"),
        ("12500.5", "12\u00a0500,50\u00a0₸"),
        (0.005, "0,01\u00a0₸"),
        (-3, "-3\u00a0₸"),
        (-0.001, "0\u00a0₸"),
    ],
)
def test_an_amount_of_an_event_is_shown_in_its_currency(amount, expected):
    assert format_amount(amount, "kzt", "ru") == expected


@pytest.mark.parametrize(
    "amount", ["", "много", None, True, float("nan"), float("inf"), "1e999999999", [], 10**30]
)
def test_what_is_no_number_is_not_shown_as_money(amount):
    with pytest.raises(BadMoney):
        format_amount(amount, "KZT")
    with pytest.raises(BadMoney):
        format_number(amount)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(12500.5, "12\u00a0500,5"), (1000, "1\u00a0000"), ("7", "7"), (0.25, "0,25"), (-1234.0, "-1\u00a0234")],
)
def test_a_number_has_its_thousands_apart(number, expected):
    assert format_number(number, "ru") == expected


def test_an_sms_is_paid_by_the_part_and_a_message_is_not():
    assert price_of(Price(450, "KZT", "part"), 3) == Money(1_350, "KZT")
    assert price_of(Price(450, "KZT"), 3) == Money(450, "KZT")


def test_prices_finer_than_a_coin_are_shown_as_they_are():
    shown = [
        format_fine(amount, "USD") for amount in ("0.0001", "0.00000049", "0.05", "1.5", "12", "0.1234565")
    ]
    assert shown == ["$0.0001", "$0", "$0.05", "$1.50", "$12", "$0.123456"]
    assert (format_fine("0.012", "RUB", "ru"), format_fine("0.5", "JPY")) == ("0,012\u00a0₽", "¥0.5")

"""What a message costs by number, class, sender and day."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad.domain.prices import PriceList, PriceRow, overlaps
from kaskad.domain.terms import MessageClass

SERVICE, ADVERTISING = MessageClass.SERVICE, MessageClass.ADVERTISING
DAY = 86_400_000
ROWS = (
    PriceRow("*", 50_000_000, "part"),
    PriceRow("KZ", 14_500_000, "part"),
    PriceRow("KZ", 19_000_000, "part", message_class=ADVERTISING),
    PriceRow("+7701", 12_250_000, "part"),
    PriceRow("+7", 3_000_000, "part"),
    PriceRow("RU", 4_000_000, "part", since=10 * DAY),
    PriceRow("RU", 3_500_000, "part", until=10 * DAY),
    PriceRow("DE", 60_000_000, "message"),
    PriceRow("+4915", 55_000_000, "message"),
    PriceRow("US", 70_000_000),
    PriceRow("+77", 11_000_000, "part", sender="SHOP"),
)


@pytest.mark.parametrize(
    ("to", "message_class", "sender", "now", "micros"),
    [
        ("+77010000001", SERVICE, "", 0, 12_250_000),  # the longest prefix
        ("+77010000001", ADVERTISING, "", 0, 12_250_000),  # also before the class of a shorter one
        ("+77020000001", SERVICE, "", 0, 14_500_000),
        ("+77020000001", ADVERTISING, "", 0, 19_000_000),
        ("+77020000001", SERVICE, "SHOP", 0, 11_000_000),
        ("+79000000001", SERVICE, "SHOP", 0, 3_500_000),  # a country before its calling code
        ("+79000000001", SERVICE, "", 10 * DAY, 4_000_000),
        ("+4915112345678", SERVICE, "", 0, 55_000_000),
        ("+4930123456", SERVICE, "", 0, 60_000_000),
        ("+15550100", SERVICE, "", 0, 50_000_000),
        ("+12025550100", SERVICE, "", 0, 70_000_000),
        ("+380440000000", SERVICE, "", 0, 50_000_000),
    ],
)
def test_the_most_exact_row_counts(to, message_class, sender, now, micros):
    row = PriceList("KZT", ROWS).find(to, message_class, sender, now)
    assert row is not None and row.micros == micros


def test_where_no_row_fits_there_is_none():
    prices = PriceList("KZT", [PriceRow("+7701", 1), PriceRow("US", 1)])
    assert prices.find("+79000000001", SERVICE, "", 0) is None
    assert prices.find("anna@example.org", SERVICE, "", 0) is None
    assert PriceList("KZT", []).find("+77010000001", SERVICE, "", 0) is None


@pytest.mark.parametrize(
    ("row", "currency", "parts", "minor"),
    [
        (PriceRow("*", 14_500_000, "part"), "KZT", 2, 2900),
        (PriceRow("*", 14_500_000, "message"), "KZT", 2, 1450),
        (PriceRow("*", 7_500, "part"), "USD", 1, 1),  # a part of a cent is one
        (PriceRow("*", 7_500, "part"), "USD", 4, 3),
        (PriceRow("*", 8_000_000, "minute"), "JPY", 1, 8),
    ],
)
def test_a_part_of_a_coin_counts_as_a_whole_one(row, currency, parts, minor):
    assert row.minor(currency, parts) == minor


def test_a_thousand_in_a_row_carry_the_price_of_a_thousand_together():
    row = PriceRow("*", 105_000, "thousand")  # 0.105 USD
    for first in (0, 7, 123_456_789):
        carried = [row.minor("USD", 1, first + number) for number in range(2_000)]
        assert sum(carried) == 21 and set(carried) == {0, 1}
    assert float(row.mean("USD", 1)) == 0.0105
    assert PriceRow("*", 150_000_000, "thousand").minor("KZT", 3, 5) == 15  # 0.15 KZT each


def test_the_longest_domain_counts_and_a_category_before_a_class():
    prices = PriceList("USD", [
        PriceRow("*", 1), PriceRow("@example.org", 2), PriceRow("@mail.example.org", 3, until=5),
        PriceRow("KZ", 4, category="utility"), PriceRow("KZ", 5, message_class=SERVICE),
        PriceRow("KZ", 6, category="marketing", since=5),
    ])  # fmt: skip

    def micros(to, now=0, category=""):
        return prices.find(to, SERVICE, "", now, category).micros

    assert [micros("a@example.com"), micros("a@x.example.org"), micros("a@mail.example.org")] == [1, 2, 3]
    assert micros("a@mail.example.org", 5) == 2 and micros("a@notexample.org") == 1
    assert [micros("+77020000001", 5, each) for each in ("utility", "marketing", "")] == [4, 6, 5]
    assert prices.changes == (5,)


def test_rows_that_say_the_same_for_the_same_time_are_found():
    rows = [
        PriceRow("KZ", 1, until=5), PriceRow("KZ", 2, since=5), PriceRow("KZ", 3, since=4, until=5),
        PriceRow("KZ", 4, message_class=SERVICE), PriceRow("+7701", 5), PriceRow("+7701", 6),
    ]  # fmt: skip
    assert overlaps(rows) == [(0, 2), (4, 5)]


places = st.sampled_from(["*", "KZ", "RU", "US", "DE", "+7", "+77", "+770", "+7701", "+49", "+1202"])
rows = st.lists(
    st.builds(
        PriceRow, places, st.integers(0, 99), message_class=st.sampled_from([None, SERVICE, ADVERTISING]),
        sender=st.sampled_from(["", "SHOP"]),
        since=st.sampled_from([None, 5]), until=st.sampled_from([None, 9]),
    ),
    max_size=12,
)  # fmt: skip
CODES = {"KZ": ("+7", "KZ"), "RU": ("+7", "RU"), "US": ("+1", "US"), "DE": ("+49", "DE")}
NUMBERS = {"+77010000001": "KZ", "+79000000001": "RU", "+12025550100": "US", "+4915112345678": "DE"}


@given(rows, st.sampled_from(list(NUMBERS)), st.sampled_from([SERVICE, ADVERTISING]),
       st.sampled_from(["", "SHOP"]), st.integers(0, 10))  # fmt: skip
def test_no_row_that_fits_is_more_exact_than_the_one_found(listed, to, message_class, sender, now):
    def exactness(row):
        if row.place == "*":
            place = 0
        elif row.place.startswith("+"):
            place = 2 * len(row.place) - 2
        else:
            place = 2 * len(CODES[row.place][0]) - 1
        return place, bool(row.sender), row.message_class is not None

    def fits(row):
        here = row.place in ("*", NUMBERS[to]) or (row.place.startswith("+") and to.startswith(row.place))
        ours = row.sender in ("", sender) and row.message_class in (None, message_class)
        return here and ours and row.holds(now)

    found = PriceList("KZT", listed).find(to, message_class, sender, now)
    best = max((exactness(row) for row in listed if fits(row)), default=None)
    assert (exactness(found) if found else None) == best

from __future__ import annotations

import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from kaskad.domain.address import (
    BadAddress,
    country_of,
    normalise,
    normalise_email,
    normalise_phone,
)
from kaskad.domain.terms import Channel


@pytest.mark.parametrize(
    ("text", "country", "expected", "of"),
    [
        ("8 916 123-45-67", "KZ", "+79161234567", "RU"),  # domain rules, section 4
        ("8 701 123 45 67", "KZ", "+77011234567", "KZ"),
        ("8 (701) 123 45 67", "RU", "+77011234567", "KZ"),
        ("+7 701 123 45 67", None, "+77011234567", "KZ"),
        ("79161234567", None, "+79161234567", "RU"),
        ("79161234567", "RU", "+79161234567", "RU"),
        ("9161234567", "RU", "+79161234567", "RU"),
        ("+1 500 555 0006", None, "+15005550006", "US"),
        ("00 49 1512 3456789", "FR", "+4915123456789", "DE"),
    ],
)
def test_a_number_is_kept_in_e164_with_its_country(text, country, expected, of):
    assert normalise_phone(text, country) == expected
    if of != "US":  # 500 numbers belong to no one country
        assert country_of(expected) == of


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("004915123456789", "RU"),  # there the prefix is 810
        ("8 916 123 45 67", None),
        ("916", "RU"),
        ("", "RU"),
        ("call me", "RU"),
        ("+7 916 123 45 678", None),
        ("+999 123 456 789", None),
        ("1" * 500, "RU"),
    ],
)
def test_what_is_no_number_is_refused_with_a_remedy(text, country):
    with pytest.raises(BadAddress, match="write it with"):
        normalise_phone(text, country)


def test_a_number_of_no_country_has_none():
    assert country_of("+80012345678") is None
    assert country_of("nonsense") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  User@Example.ORG ", "user@example.org"),
        ("a.b+tag@sub.example.org", "a.b+tag@sub.example.org"),
        ("x@пример.рф", "x@xn--e1afmkfd.xn--p1ai"),
        ("x@xn--e1afmkfd.xn--p1ai", "x@xn--e1afmkfd.xn--p1ai"),
        ("Почта@пример.рф", "почта@xn--e1afmkfd.xn--p1ai"),
    ],
)
def test_a_mail_address_is_kept_in_lower_case_and_its_domain_in_ascii(text, expected):
    assert normalise_email(text) == expected
    assert normalise_email(expected) == expected


@pytest.mark.parametrize(
    "text",
    ["", "a", "a@b", "a b@example.org", "a@localhost", "a@shop.test", "a@x.local", ".a@example.org",
     "a..b@example.org", "<a@example.org>", "a@example.org, b@example.org", "a@-x.example.org",
     "a@example.org\nBcc: b@example.org", "a" * 65 + "@example.org", "a@" + "b" * 64 + ".org"],
)  # fmt: skip
def test_what_is_no_mail_address_is_refused(text):
    with pytest.raises(BadAddress, match="is no e-mail address"):
        normalise_email(text)


pieces = st.text("abz09._+-", min_size=1, max_size=8)
endings = st.sampled_from(
    ["org", "ru", "test", "local", "arpa", "c", "onion", "example", "1a", "invalid", "xn--p1ai"]
)


@given(st.builds("{}@{}.{}".format, pieces, pieces, endings) | st.text(max_size=20))
def test_a_plain_address_is_judged_as_email_validator_judges_it(text):
    try:
        checked = validate_email(text.strip().lower(), check_deliverability=False, strict=True)
    except EmailNotValidError:
        with pytest.raises(BadAddress):
            normalise_email(text)
    else:
        assert normalise_email(text) == f"{checked.local_part}@{checked.ascii_domain}".lower()


@pytest.mark.parametrize(
    ("channel", "text", "expected"),
    [
        (Channel.EMAIL, "A@Example.org", "a@example.org"),
        (Channel.SMS, "+7 916 123 45 67", "+79161234567"),
        (Channel.ROBOT_CALL, "+7 916 123 45 67", "+79161234567"),
        (Channel.AGENT_CALL, "+7 916 123 45 67", "+79161234567"),
        (Channel.WHATSAPP, "79161234567", "+79161234567"),
        (Channel.VIBER, "+7 916 123 45 67", "+79161234567"),
        (Channel.VIBER, "01234567890abcdefABCDE==", "01234567890abcdefABCDE=="),
        (Channel.TELEGRAM, " 123456789 ", "123456789"),
        (Channel.TELEGRAM, "+7 900 000-00-01", "+79000000001"),  # codes go to numbers
        (Channel.VK, "1", "1"),
        (Channel.MAX, "77", "77"),
        (Channel.FACEBOOK_MESSENGER, "24400000000000001", "24400000000000001"),
        (Channel.INSTAGRAM, "17840000000000001", "17840000000000001"),
        (Channel.PUSH, "fcm:APA91b-token_1", "fcm:APA91b-token_1"),
    ],
)
def test_each_channel_keeps_its_own_kind_of_address(channel, text, expected):
    assert normalise(channel, text) == expected


@pytest.mark.parametrize("channel", list(Channel))
@pytest.mark.parametrize("text", ["", "   ", "@user", "-100123", "a b", "\u202e1", "0"])
def test_no_channel_takes_an_address_that_is_none(channel, text):
    with pytest.raises(BadAddress):
        normalise(channel, text)


def test_a_long_wrong_address_is_cut_in_the_error():
    with pytest.raises(BadAddress) as caught:
        normalise(Channel.TELEGRAM, "x" * 5000)
    assert len(str(caught.value)) < 200


@given(st.from_regex(r"\+7[3-9]\d{9}", fullmatch=True, alphabet="+0123456789"))
def test_the_short_way_of_plain_mobiles_says_what_the_long_one_says(text):
    number = phonenumbers.parse(text)
    if phonenumbers.is_valid_number(number):
        assert normalise(Channel.SMS, text) == text
        assert country_of(text) == phonenumbers.region_code_for_number(number)
    else:
        with pytest.raises(BadAddress):
            normalise(Channel.SMS, text)

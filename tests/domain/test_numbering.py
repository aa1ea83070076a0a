"""What the numbering plans tell at a look is what phonenumbers says, however a number is written."""

import random

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from kaskad.domain.numbering import is_hopeless, plain_number

HOW_MANY = 15_000  # a million of them, with other seeds, have been compared as well
KINDS = (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE, PhoneNumberType.TOLL_FREE, PhoneNumberType.VOIP)
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
EXAMPLES = {
    region: [found for kind in KINDS if (found := phonenumbers.example_number_for_type(region, kind))]
    for region in REGIONS
}


def judged(text: str, country: str | None) -> tuple[str, str | None] | None:
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    shown = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return shown, phonenumbers.region_code_for_number(number)


def drawn(draw: random.Random) -> tuple[str, str | None]:
    """Return a number as somebody may have written it, good or bad, and where they were."""
    region = draw.choice(REGIONS) if draw.random() < 0.5 else draw.choice(["RU", "KZ"])
    if draw.random() < 0.7 and EXAMPLES[region]:
        example = draw.choice(EXAMPLES[region])
        digits = list(str(example.national_number))
        for _ in range(draw.randrange(4)):
            digits[draw.randrange(len(digits))] = draw.choice("0123456789")
        own, code = "".join(digits)[draw.random() < 0.1 :] + "5" * (draw.random() < 0.1), example.country_code
        text = draw.choice(
            ["+{1}{0}", "+{1}{0}", "8{0}", "{0}", "{1}{0}", "+{1}0{0}", "+{1}8{0}", "00{1}{0}"]
        )
        text = text.format(own, code)
    else:
        start = draw.choice(["", "+", "+7", "8", "7", "+1", "+44", "+0"])
        text = start + "".join(draw.choices("0123456789", k=draw.randrange(6, 13)))
    if draw.random() < 0.4:
        text = "".join(draw.choice(["", "", "", "-", " ", "(", ")", ". "]) + sign for sign in text)
    return text, draw.choice(["RU", "KZ", None, region])


def test_the_short_way_says_what_phonenumbers_says() -> None:
    draw, told, lost = random.Random(5), 0, 0
    for _ in range(HOW_MANY):
        text, country = drawn(draw)
        short = plain_number(text, country)
        if short is not None:
            told += 1
            assert short == judged(text, country), (text, country)
        if is_hopeless(text, country):
            lost += 1
            assert judged(text, country) is None, (text, country)
    assert min(told, lost) > HOW_MANY / 20, "too few of them go the short way to show anything"


def test_numbers_of_real_files_go_the_short_way() -> None:
    for text, country, expected in (
        ("+79000000001", None, ("+79000000001", "RU")),
        ("8 (900) 000-00-01", "RU", ("+79000000001", "RU")),
        ("8 701 000 00 01", "RU", ("+77010000001", "KZ")),
        ("7010000001", "KZ", ("+77010000001", "KZ")),
        ("79000000001", "RU", ("+79000000001", "RU")),
        ("+375 29 123-45-67", None, ("+375291234567", "BY")),
        ("+998 90 123 45 67", "RU", ("+998901234567", "UZ")),
        ("+49 1512 3456789", None, ("+4915123456789", "DE")),
    ):
        assert plain_number(text, country) == expected


def test_what_may_be_read_in_two_ways_is_left_to_phonenumbers() -> None:
    for text, country in (
        ("79000000001", "KZ"), ("+78001000000", None), ("+390612345678", None), ("8 900 000 00 01", None),
        ("0", "RU"), ("", None), ("+7 900 000-00-01 доб. 5", "RU"), ("\u0661" * 11, "RU"), ("+", None),
    ):  # fmt: skip
        assert plain_number(text, country) is None

"""The law as dated data: what it answers, when, and to whom."""

from datetime import date

import pytest

from kaskad.domain import law
from kaskad.domain.law import FLAGS, LAWS, Denials, Verdict
from kaskad.domain.policy import Policy
from kaskad.domain.terms import Channel, MessageClass

DAY = date(2026, 11, 26)
NOW = 1_795_651_200_000  # that day
ADS, SERVICE = MessageClass.ADVERTISING, MessageClass.SERVICE


def asked(country, channel, kind=ADS, day=DAY, **policy):
    return law.ask(Policy(**policy), country, channel, kind, day)


@pytest.mark.parametrize(
    ("country", "channel", "kind", "verdict"),
    [
        ("RU", Channel.ROBOT_CALL, ADS, Verdict.DENY),
        ("RU", Channel.TELEGRAM, ADS, Verdict.DENY),
        ("RU", Channel.WHATSAPP, ADS, Verdict.DENY),
        ("RU", Channel.MAX, ADS, Verdict.CONSENT),
        ("RU", Channel.VK, ADS, Verdict.CONSENT),
        ("RU", Channel.ROBOT_CALL, SERVICE, Verdict.CONSENT),
        ("RU", Channel.TELEGRAM, SERVICE, Verdict.ALLOW),
        ("KZ", Channel.SMS, ADS, Verdict.CONSENT),
        ("KZ", Channel.SMS, SERVICE, Verdict.WINDOW),
        ("KZ", Channel.SMS, MessageClass.TRANSACTIONAL, Verdict.ALLOW),
        ("US", Channel.WHATSAPP, ADS, Verdict.DENY),
        ("US", Channel.ROBOT_CALL, SERVICE, Verdict.CONSENT),
        ("FR", Channel.AGENT_CALL, ADS, Verdict.CONSENT),
        ("DE", Channel.EMAIL, ADS, Verdict.CONSENT),
        ("GB", Channel.EMAIL, SERVICE, Verdict.ALLOW),
        ("XX", Channel.EMAIL, ADS, Verdict.CONSENT),
    ],
)
def test_what_it_answers(country, channel, kind, verdict):
    assert asked(country, channel, kind).verdict is verdict


def test_the_hours_that_the_law_names_are_told():
    (window,) = asked("FR", Channel.AGENT_CALL).windows
    assert window.hours == ("10:00-13:00", "14:00-20:00")
    assert asked("FR", Channel.EMAIL).windows == ()


def test_an_emergency_is_held_back_by_nothing():
    assert asked("RU", Channel.ROBOT_CALL, MessageClass.EMERGENCY).verdict is Verdict.ALLOW


def test_a_rule_holds_from_its_day_on():
    assert asked("RU", Channel.TELEGRAM, day=date(2025, 8, 31)).verdict is Verdict.CONSENT
    assert asked("RU", Channel.TELEGRAM, day=date(2025, 9, 1)).verdict is Verdict.DENY
    denials = Denials(Policy(), ADS)
    assert denials.why(Channel.TELEGRAM, "RU", NOW) == (
        "38-FZ, art. 5 (10.7); FAS, March 2026 (ru-ads-restricted-resources)"
    )
    assert denials.why(Channel.TELEGRAM, "RU", 1_756_684_799_999) is None  # a millisecond before
    assert denials.why(Channel.TELEGRAM, "RU", 1_756_684_800_000) is not None


def test_a_bank_may_not_use_foreign_messengers_at_all():
    bank = {"tenant": ("no_foreign_messengers",)}
    assert asked("RU", Channel.VIBER, SERVICE).verdict is Verdict.ALLOW
    assert asked("RU", Channel.VIBER, SERVICE, **bank).verdict is Verdict.DENY
    assert asked("RU", Channel.MAX, SERVICE, **bank).verdict is Verdict.ALLOW
    assert asked("KZ", Channel.VIBER, SERVICE, **bank).verdict is Verdict.ALLOW


def test_a_rule_that_is_set_aside_says_nothing():
    aside = {"set_aside": ("ru-ads-restricted-resources",)}
    assert asked("RU", Channel.TELEGRAM, **aside).verdict is Verdict.CONSENT
    assert Denials(Policy(**aside), ADS).why(Channel.TELEGRAM, "RU", NOW) is None


def test_the_last_look_denies_what_the_answer_denies():
    for policy in (Policy(), Policy(tenant=tuple(FLAGS))):
        for kind in MessageClass:
            denials = Denials(policy, kind)
            for country in ("RU", "KZ", "US", "FR", "GB", ""):
                for channel in Channel:
                    denied = denials.why(channel, country, NOW) is not None
                    assert denied == (law.ask(policy, country, channel, kind, DAY).verdict is Verdict.DENY)


def test_every_rule_says_where_it_stands_and_since_when():
    assert len({one.id for one in LAWS}) == len(LAWS)
    for one in LAWS:
        assert one.article and one.says.endswith(".") and one.says_ru.endswith(".")
        assert one.since <= one.checked and (one.until is None or one.since < one.until)
        assert not one.flag or one.flag in FLAGS
        if one.verdict is Verdict.WINDOW:
            assert law.ask(Policy(), one.countries[0], one.channels[0], one.classes[-1], DAY).windows, one.id

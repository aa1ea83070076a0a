"""One sender for everybody, or one a country."""

import pytest

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Reason
from kaskad.providers.base import Account, Outgoing
from kaskad.providers.senders import check_senders, sender_for
from kaskad.providers.smsc_ru import SmscRu

BY_COUNTRY = "KZ=SHOP, RU=Магазин,*=+15550100"


def account(sender):
    return Account(1, "sms", "smsc_ru", Channel.SMS, {"sender": sender, "login": "l"}, {"password": "p"})


@pytest.mark.parametrize(
    ("sender", "to", "expected"),
    [
        ("", "+77000000001", ""),
        ("Shop", "+77000000001", "Shop"),
        (BY_COUNTRY, "+77000000001", "SHOP"),
        (BY_COUNTRY, "+79000000001", "Магазин"),
        (BY_COUNTRY, "+4915112345678", "+15550100"),
        ("KZ=SHOP, *=", "+79000000001", ""),
    ],
)
def test_the_sender_is_that_of_the_numbers_country(sender, to, expected):
    assert sender_for(account(sender), to) == expected


def test_a_country_without_a_sender_is_refused_before_anything_leaves():
    with pytest.raises(SendError, match="no sender for RU") as refused:
        sender_for(account("KZ=SHOP"), "+79000000001")
    assert refused.value.reason is Reason.WINDOW and refused.value.accepted is False


@pytest.mark.parametrize("sender", ["KZ=SHOP, Russia=Shop", "KZ=SHOP, Shop", "KZ=A, KZ=B", "kz=A"])
def test_a_setting_that_cannot_be_meant_is_told_when_it_is_saved(sender):
    assert check_senders(account(sender)) and SmscRu().check(account(sender))


def test_a_sound_setting_is_none():
    assert not any(check_senders(account(sender)) for sender in ("", "Shop", "+15550100", BY_COUNTRY))


def test_the_request_carries_it():
    outgoing = Outgoing("r", "k", Channel.SMS, "+77000000001", 0, text="Hi")
    assert SmscRu().build_request(outgoing, account(BY_COUNTRY)).fields()["sender"] == "SHOP"

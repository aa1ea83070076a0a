"""Accounts from a YAML file: read whole, or refused with every problem."""

from pathlib import Path

import pytest

from kaskad.domain.errors import Invalid
from kaskad.domain.terms import Channel
from kaskad.engine.account_file import read_accounts

ROOT = Path(__file__).resolve().parents[2]
GOOD = """
accounts:
  - name: sms-main
    provider: generic_webhook
    channel: sms
    settings: {url: "https://sms.example.org", secret: "${SMS_SECRET}"}
    price: 14,50 KZT per part
    limits: {per_second: 20}
    priority: 1
"""


def refused(text: str) -> str:
    with pytest.raises(Invalid) as problem:
        read_accounts(text, "accounts.yaml", {})
    return "\n".join(problem.value.problems)


def test_an_account_is_read_with_its_secrets_apart() -> None:
    (account,) = read_accounts(GOOD, "accounts.yaml", {"SMS_SECRET": "0123456789abcdef"})
    assert (account.name, account.provider, account.channel) == ("sms-main", "generic_webhook", Channel.SMS)
    assert account.settings == {"url": "https://sms.example.org"}
    assert account.secrets == {"secret": "0123456789abcdef"}
    assert account.prices == {"minor": 1450, "currency": "KZT", "per": "part"}
    assert account.limits["per_second"] == 20.0
    assert account.priority == 1


def test_a_file_that_leaves_out_a_key_is_refused_lest_each_run_makes_another() -> None:
    text = "accounts:\n  - {name: web, provider: webpush, settings: {contact: 'mailto:a@example.org'}}\n"
    assert "setting 'private_key' is missing: `kaskad account add` makes one" in refused(text)
    (account,) = read_accounts(text.replace("org'}", "org', private_key: %s}" % ("A" * 42 + "E")), "a", {})
    assert account.secrets["private_key"] and account.settings["public_key"]


def test_the_examples_file_can_be_read() -> None:
    accounts = read_accounts((ROOT / "examples/accounts.yaml").read_text("utf-8"), "accounts.yaml", {})
    assert {account.channel for account in accounts} == {
        Channel.EMAIL, Channel.TELEGRAM, Channel.SMS, Channel.ROBOT_CALL
    }  # fmt: skip


def test_a_provider_with_one_channel_needs_none_named() -> None:
    text = "accounts: [{name: mail, provider: smtp, settings: {host: h, sender: a@example.org}}]"
    (account,) = read_accounts(text, "accounts.yaml", {})
    assert account.channel is Channel.EMAIL
    assert account.settings["port"] == "587"


def test_a_setting_with_choices_takes_no_other_word() -> None:
    text = "accounts: [{name: chat, provider: telegram, settings: {token: '1:t', mode: pulling}}]"
    with pytest.raises(Invalid) as caught:
        read_accounts(text, "a.yaml", {})
    assert caught.value.problems == (
        "a.yaml, account 1 (chat): setting 'mode' is polling or webhook, not 'pulling'",
    )


def test_every_problem_is_told_with_its_account() -> None:
    told = refused(
        "accounts:\n"
        "  - {name: SMS, provider: generic_webhook, settings: {adress: x}, prize: 1}\n"
        "  - {name: b, provider: pigeon}\n"
        "  - {name: c, provider: smtp, settings: {host: h}, price: much, limits: {speed: 1}}\n"
        "  - just a text\n"
    )
    for words in (
        "account 1: there is no key 'prize'", "account 1: give it a name", "account 1: name its channel",
        "no setting 'adress'", "setting 'url' is missing", "account 2 (b): There is no provider 'pigeon'",
        "account 3 (c): setting 'sender' is missing", "price: 'much'", "account 3 (c): limits:",
        "account 4: write it as",
    ):  # fmt: skip
        assert words in told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "begin with `accounts:`"),
        ("accounts: []", "begin with `accounts:`"),
        ("accounts: [\n", "accounts.yaml:2"),
        (GOOD, "the variable SMS_SECRET is not set"),
        (GOOD.replace("per part", "per letter").replace("${SMS_SECRET}", "x"), "per message, per part"),
        (GOOD.replace("priority: 1", "priority: high").replace("${SMS_SECRET}", "x"), "priority"),
        (GOOD.replace("priority: 1", "weight: 0").replace("${SMS_SECRET}", "x"), "weight is a whole number"),
    ],
)
def test_a_bad_file_is_refused_in_words(text: str, said: str) -> None:
    assert said in refused(text)

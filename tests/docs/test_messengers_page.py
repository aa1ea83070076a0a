"""The accounts and steps that docs/messengers.md shows are ones that Kaskad takes."""

import re
from pathlib import Path
from textwrap import dedent

import pytest

from kaskad.domain.definition import to_cascade
from kaskad.engine.account_file import read_accounts
from kaskad.providers import provider
from kaskad.providers.base import Account

PAGE = (Path(__file__).parents[2] / "docs/messengers.md").read_text("utf-8")
BLOCKS = [dedent(block) for block in re.findall(r"(?m)(?:^    .*\n)+", PAGE)]
ACCOUNTS = [block.strip("\n") for block in BLOCKS if block.strip().startswith("- name:")]
VARIABLES = set(re.findall(r"\$\{(\w+)\}", PAGE))
STEPS = [block.strip("\n") for block in BLOCKS if block.strip().startswith("steps:")]


@pytest.mark.parametrize("text", ACCOUNTS)
def test_an_account_of_the_page_is_taken(text: str) -> None:
    listed = "accounts:\n" + "".join(f"  {line}\n" for line in text.splitlines())
    (account,) = read_accounts(listed, "messengers.md", dict.fromkeys(VARIABLES, "a-long-value-0123"))
    held = Account(1, account.name, account.provider, account.channel, account.settings, account.secrets)
    assert provider(account.provider).check(held) == []


@pytest.mark.parametrize("text", STEPS)
def test_steps_of_the_page_are_a_cascade(text: str) -> None:
    head = "cascade: x\ntitle: X\nclass: service\ntrigger: {event: a, key: code}\ngoal: {event: b}\n"
    assert to_cascade(head + text + "\n", name="messengers.md").steps


def test_the_page_has_examples() -> None:
    assert len(ACCOUNTS) >= 5 and STEPS

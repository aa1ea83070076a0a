"""Every mail service refuses a sender that is no address, before anything is sent by it."""

import pytest

from kaskad.domain.terms import Channel
from kaskad.providers import PROVIDERS
from kaskad.providers.base import Account

MAILERS = sorted(
    name
    for name, one in PROVIDERS.items()
    if Channel.EMAIL in one.channels and "sender" in {setting.name for setting in one.settings}
)


@pytest.mark.parametrize("name", MAILERS)
def test_a_sender_is_an_address(name: str) -> None:
    def problems(sender: str) -> list[str]:
        return PROVIDERS[name].check(Account(1, "mail", name, Channel.EMAIL, {"sender": sender}))

    assert problems("Магазин <shop@example.org>") == problems("shop@example.org") == []
    assert "no address" in problems("The shop")[0]

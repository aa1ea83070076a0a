"""The name or number that people see, which some countries want registered, each its own.

The setting `sender` is one for everybody (`Shop`), or one a country: `KZ=SHOP, RU=Shop, *=Shop`.
"""

from __future__ import annotations

from functools import lru_cache

from kaskad.domain.address import country_of
from kaskad.domain.errors import SendError
from kaskad.domain.terms import Reason
from kaskad.providers.base import Account

ELSEWHERE = "*"
HELP = "What people see; where countries want different ones: KZ=SHOP, RU=Shop, *=Shop"


def sender_for(account: Account, to: str) -> str:
    """Return the sender of messages to a number in E.164, "" where the account leaves it to its service.

    Raises SendError where the account has none for the number's country: the service would lose the message.
    """
    told = account["sender"]
    if "=" not in told:
        return told
    senders, country = _by_country(told), country_of(to) or ""
    sender = senders.get(country, senders.get(ELSEWHERE))
    if sender is None:
        raise SendError(
            Reason.WINDOW, f"account {account.name!r} has no sender for {country or 'this number'}"
        )
    return sender


def check_senders(account: Account) -> list[str]:
    """Return what is wrong with the setting, in sentences."""
    told = account["sender"]
    if "=" not in told:
        return []
    problems, seen = [], set[str]()
    for part in told.split(","):
        country, sign, _ = part.partition("=")
        country = country.strip()
        if not sign or not (
            country == ELSEWHERE or (len(country) == 2 and country.isascii() and country.isupper())
        ):
            problems.append(f"sender {part.strip()!r}: write such as KZ=SHOP, RU=Shop, *=Shop")
        elif country in seen:
            problems.append(f"sender: {country} stands twice")
        seen.add(country)
    return problems


@lru_cache(maxsize=256)
def _by_country(told: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in told.split(","))
    return {country.strip(): sender.strip() for country, _, sender in pairs}

"""The services behind accounts: what they tell of messages, and the currency of their prices.

Accounts that were deleted are among them: what went through them is still reported.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from kaskad.domain.terms import Kind
from kaskad.store.db import Transaction


class Service(Struct, frozen=True):
    """What an account's service tells (bits of Kind), and the currency of its prices; "": it has none."""

    tells: int = 0
    currency: str = ""

    @property
    def delivers(self) -> bool:
        """Say whether it tells of deliveries."""
        return bool(self.tells & Kind.DELIVERED.bit)

    @property
    def reads(self) -> bool:
        """Say whether it tells of reading."""
        return bool(self.tells & Kind.READ.bit)


UNKNOWN = Service()


def services(tx: Transaction) -> dict[int, Service]:
    """Return the service of each account."""
    return {row[0]: Service(row[1], _currency(row[2])) for row in tx.all("services")}


def currencies(tx: Transaction) -> dict[int, str]:
    """Return the currency of each account's prices; "" where it has none."""
    return {number: one.currency for number, one in services(tx).items()}


def _currency(prices: str) -> str:
    return str(msgspec.json.decode(prices).get("currency", ""))

"""What an account's messages cost: by its price list, else by its own price.

This is the only place where that is looked up: the engine asks it for each message as it is handed over, and
previews, forecasts, optimisation and simulation ask it for what they expect.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from kaskad.domain.cascade import Approved
from kaskad.domain.errors import SendError
from kaskad.domain.money import price_of
from kaskad.domain.prices import PriceList, PriceRow
from kaskad.domain.terms import MessageClass
from kaskad.engine.texts import Texts
from kaskad.providers.base import Account
from kaskad.providers.senders import sender_for

FREE_TEXT = "service"  # WhatsApp's category of what is no approved text


def category_of(texts: Texts, approved: Approved | None) -> str:
    """Return the service's word for the kind of text that is sent; "": an approved one that is not known."""
    if approved is None:
        return FREE_TEXT
    known = texts.get((approved.name, approved.language))
    return known.template.category if known is not None else ""


class Tariff:
    """What one account takes. An account may have its own price, and a price list in the same currency."""

    __slots__ = ("_account", "_prices")

    def __init__(self, account: Account, prices: PriceList | None) -> None:
        self._account, self._prices = account, prices

    @property
    def currency(self) -> str:
        """Return the currency of all its prices; "": nothing tells a price."""
        if self._prices is not None:
            return self._prices.currency
        return self._account.price.currency if self._account.price else ""

    @property
    def fixed(self) -> int | None:
        """Return what each message costs; None: that depends on the message."""
        price = self._account.price
        if self._prices is not None or (price is not None and price.per != "message"):
            return None
        return 0 if price is None else price.minor

    @property
    def listed(self) -> bool:
        """Say whether a message's address, class or day may change its price."""
        return self._prices is not None

    def turns(self, after: int) -> Sequence[int]:
        """Return the instants after this one from which prices may be others, in order."""
        return [at for at in self._prices.changes if at > after] if self._prices is not None else []

    def row(self, to: str, message_class: MessageClass, category: str, now: int) -> PriceRow | None:
        """Return the row of the list for a message handed over now; None: the account's own price counts."""
        prices = self._prices
        if prices is None:
            return None
        sender = ""
        if prices.by_sender:
            with suppress(SendError):  # it will not be sent
                sender = sender_for(self._account, to)
        return prices.find(to, message_class, sender, now, category)

    def minor(
        self, to: str, message_class: MessageClass, category: str, parts: int, number: int, now: int
    ) -> int:  # fmt: skip
        """Return what the message costs in minor units; 0 where nothing tells it."""
        row = self.row(to, message_class, category, now)
        if row is not None:
            return row.minor(self.currency, parts, number)
        price = self._account.price
        return price_of(price, parts, number).minor if price else 0

    def mean(
        self, to: str, message_class: MessageClass, category: str, parts: int, now: int
    ) -> float | None:  # fmt: skip
        """Return what such messages cost each on average, in minor units; None: nothing tells it."""
        row = self.row(to, message_class, category, now)
        if row is not None:
            return float(row.mean(self.currency, parts))
        price = self._account.price
        if price is None:
            return None
        return price.minor / 1000 if price.per == "thousand" else float(price_of(price, parts).minor)

"""What the engine knows of money: rates, price lists, in which currency accounts are paid, budgets."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from kaskad.domain.policy import Policy
from kaskad.domain.prices import PriceList
from kaskad.domain.rates import NO_RATES, Rates
from kaskad.engine import spending
from kaskad.engine.spending import Spending
from kaskad.providers.base import Account
from kaskad.store import prices, rates, settings
from kaskad.store.db import Transaction


class Money:
    """Read by the tick; what is long in the database is read again only where it has changed."""

    def __init__(self) -> None:
        self.currency = ""  # of the brand
        self.rates = NO_RATES  # of exchange
        self.price_lists: dict[int, PriceList] = {}  # account -> what its messages cost by number
        self.paid_in: dict[int, str] = {}  # account, deleted ones too -> the currency of its prices
        self.spending: Spending | None = None  # budgets by day or month; None: there is none
        self._rates_mark = 0  # what they were read at
        self._imported_at: dict[int, int] = {}  # account -> when its price list was brought in

    def load(self, tx: Transaction, policy: Policy, accounts: Mapping[int, Account], now: int) -> None:
        """Take over what the database says."""
        self.currency = settings.currency(tx)
        told = {row[0]: msgspec.json.decode(row[2]).get("currency", "") for row in tx.all("services")}
        self.paid_in = {number: str(currency) for number, currency in told.items() if currency}
        self._load_prices(tx)
        if self._rates_mark != (mark := rates.mark(tx)):
            self.rates, self._rates_mark = Rates(rates.all_rates(tx)), mark
        self.spending = spending.load(tx, policy.budgets, accounts.values(), policy.zone, now, self.rates)

    def _load_prices(self, tx: Transaction) -> None:
        """Read the price lists that are new, and forget those that are gone."""
        kept = prices.all_lists(tx)
        for number in self.price_lists.keys() - kept.keys():
            del self.price_lists[number], self._imported_at[number]
        for number, told in kept.items():
            if self._imported_at.get(number) != told.imported_at:
                self.price_lists[number] = PriceList(told.currency, prices.rows_of(tx, number))
                self._imported_at[number] = told.imported_at

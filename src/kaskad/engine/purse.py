"""What is held of budgets of cascades and contacts, in the budget's currency, whatever accounts are paid in.

Amounts of other currencies count at the rates of the days (of UTC) on which their messages were handed over,
else of today. Where nothing is paid in another one, `cascades.reserved` is the sum, and no day is looked at.
"""

from __future__ import annotations

from decimal import Decimal

from kaskad.domain.rates import converted
from kaskad.domain.run import Passages
from kaskad.engine.world import World
from kaskad.store.db import Transaction

DAY_MS = 86_400_000


class Purse:
    """The budgets of one tick: what is held of each is read once, and by then locked (`Sums.lock`)."""

    def __init__(self, world: World, now: int) -> None:
        self._world, self._today = world, now // DAY_MS
        self._held: dict[tuple[int, str], Decimal | None] = {}
        self._taken: dict[int, list[tuple[Decimal, str]]] = {}  # in this tick, by cascade
        self._currencies = world.money.paid_in

    def amount(self, account_id: int | None, at: int | None, minor: int, currency: str) -> Decimal | None:
        """Return what an account's amount of an instant is in a currency; None: no rate tells it."""
        day = self._today if at is None else at // DAY_MS
        return self._of_day(account_id, day, minor, currency)

    def of_contact(self, passages: Passages, currency: str) -> Decimal | None:
        """Return what is held for the messages of one run; None: no rate tells some of it."""
        total = Decimal(0)
        for passage in passages.values():
            if passage.held:
                each = self.amount(passage.account_id, passage.submitted_at, passage.held, currency)
                if each is None:
                    return None
                total += each
        return total

    def of_cascade(self, tx: Transaction, cascade_id: int, currency: str) -> Decimal | None:
        """Return what is held for a cascade; None: no rate tells some of it."""
        key = cascade_id, currency
        if key not in self._held:
            row = tx.one("reserved_money", id=cascade_id)
            self._held[key] = self.held(tx, cascade_id, row[0] if row else 0, currency)
            for amount, other in self._taken.get(cascade_id, ()):  # by another version's budget
                self._add(key, amount, other)
        return self._held[key]

    def take(self, cascade_id: int, amount: Decimal, currency: str) -> None:
        """Count so much more for a cascade, in its budget's currency."""
        self._taken.setdefault(cascade_id, []).append((amount, currency))
        for key in [key for key in self._held if key[0] == cascade_id]:
            self._add(key, amount, currency)

    def _add(self, key: tuple[int, str], amount: Decimal, currency: str) -> None:
        held, more = self._held[key], self._converted(amount, currency, self._today, key[1])
        self._held[key] = None if held is None or more is None else held + more

    def held(self, tx: Transaction, cascade_id: int, reserved: int, currency: str) -> Decimal | None:
        """Return what is held, of which `reserved` is the sum; None: no rate tells some of it."""
        if all(other == currency for other in self._currencies.values()):
            return Decimal(reserved)
        total = Decimal(0)
        for account_id, day, minor in tx.all("held_of", cascade_id=cascade_id):
            each = self._of_day(account_id, day, minor, currency)
            if each is None and minor > 0:
                return None
            total += each or 0
        return total

    def _of_day(self, account_id: int | None, day: int, minor: int, currency: str) -> Decimal | None:
        own = self._currencies.get(account_id or 0, currency)  # without a price nothing is held
        return self._converted(Decimal(minor), own, day, currency)

    def _converted(self, minor: Decimal, own: str, day: int, currency: str) -> Decimal | None:
        if own == currency:
            return minor
        rates = self._world.money.rates
        found = rates.find(own, currency, day) or rates.find(own, currency, self._today)
        return None if found is None else converted(minor, own, currency, found.value)

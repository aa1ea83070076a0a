"""Sums of money that many runs share: what is held and charged, by cascade, by account and day.

Their rows are the same for everybody, and whoever has written one keeps all other processes waiting for it
until its commit. So a tick adds up in memory, and writes them last. Where a budget is to be looked at, all
that it may write is locked first. Everybody takes them in one order, so that no two wait for each other: the
budgets of accounts, then cascades by their ids; a cascade's sums by day are written by who has its row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from kaskad.engine.spending import Spending
from kaskad.store.db import Row, Transaction

DAY_MS = 86_400_000


class Sums:
    """What a transaction adds to them; amounts are in minor units of whatever each account is paid in."""

    def __init__(self, spending: Spending | None = None) -> None:
        self._spending = spending
        self._alone = False  # nobody else spends by budgets of accounts until the transaction's end
        self._reserved: dict[int, int] = defaultdict(int)  # by cascade
        self._charged: dict[int, int] = defaultdict(int)
        self._held: dict[tuple[int, int, int], int] = defaultdict(int)  # by cascade, account and day of UTC
        self._spent: dict[tuple[int, int], int] = defaultdict(int)  # by account and day, for budgets

    def hold(self, cascade_id: int, account_id: int | None, at: int | None, amount: int) -> None:
        """Add what is held more for a message that was submitted then; less, where it is below 0."""
        self._reserved[cascade_id] += amount
        if account_id is None or at is None or not amount:
            return
        self._held[cascade_id, account_id, at // DAY_MS] += amount
        if self._spending is not None:
            self._spent[account_id, self._spending.day_of(at)] += amount

    def charge(self, cascade_id: int, amount: int) -> None:
        """Add what providers have taken."""
        self._charged[cascade_id] += amount

    def lock(self, tx: Transaction, cascade_ids: Collection[int]) -> None:
        """Write what was added, and keep others from sums of these cascades until the transaction's end.

        What is read of them from then on is true but for what is added here later, of these cascades only.
        """
        self._lock_budgets(tx)
        tx.among("lock_sums", sorted({*cascade_ids, *self._cascades()}))
        self.write(tx)

    def write(self, tx: Transaction) -> None:
        """Write what was added since the last time."""
        cascades, spent = self._cascades(), _rows(self._spent)
        if cascades or spent:
            self._lock_budgets(tx)
        for cascade_id in sorted(cascades):
            if charged := self._charged.get(cascade_id):
                tx.run("charge_money", id=cascade_id, amount=charged)
            reserved = self._reserved.get(cascade_id, 0)
            if reserved or not charged:  # 0: its days have changed, for which its row is locked
                tx.run("reserve_money", id=cascade_id, amount=reserved)
        tx.many("add_held", _rows(self._held))
        tx.many("add_spending", spent)
        self._reserved.clear()
        self._charged.clear()
        self._held.clear()
        self._spent.clear()

    def _cascades(self) -> set[int]:
        """Return those whose sums have changed."""
        changed = {place[0] for place, amount in self._held.items() if amount}
        for sums in (self._reserved, self._charged):
            changed.update(cascade_id for cascade_id, amount in sums.items() if amount)
        return changed

    def _lock_budgets(self, tx: Transaction) -> None:
        if self._spending is not None and not self._alone:
            tx.one("lock_spending")
            self._alone = True


def _rows(sums: dict[Any, int]) -> list[Row]:
    """Return what has changed, in the order of its keys."""
    return [(*place, amount) for place, amount in sorted(sums.items()) if amount]

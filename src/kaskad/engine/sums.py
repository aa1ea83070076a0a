"""Sums of money that many runs share: what is held and charged, by cascade, by account and day.

Their rows are the same for everybody, and whoever has written one keeps all other processes waiting for it
until its commit. So a tick adds up in memory, and writes them last.
"""

from __future__ import annotations

from collections import defaultdict

from kaskad.engine.spending import Spending
from kaskad.store.db import Transaction

DAY_MS = 86_400_000


class Sums:
    """What a transaction adds to them; amounts are in minor units of whatever each account is paid in."""

    def __init__(self, spending: Spending | None = None) -> None:
        self._spending = spending
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

    def write(self, tx: Transaction) -> None:
        """Write what was added since the last time, in the same order as everybody: none waits in a ring."""
        for cascade_id in sorted(self._reserved.keys() | self._charged.keys()):
            if charged := self._charged.get(cascade_id):
                tx.run("charge_money", id=cascade_id, amount=charged)
            if reserved := self._reserved.get(cascade_id):
                tx.run("reserve_money", id=cascade_id, amount=reserved)
        if self._held:
            tx.many("add_held", [(*place, amount) for place, amount in sorted(self._held.items())])
        if self._spent:
            tx.many("add_spending", [(*place, amount) for place, amount in sorted(self._spent.items())])
        self._reserved.clear()
        self._charged.clear()
        self._held.clear()
        self._spent.clear()

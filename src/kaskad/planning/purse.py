"""The money of a simulation: budgets of the cascade, of each contact, of accounts and of all."""

from __future__ import annotations

from kaskad.domain.cascade import Budget
from kaskad.planning.lives import Life
from kaskad.planning.world import World

NEVER = 0  # instead of an instant


class Purse:
    """What may still be spent. Who is played stands for more of the audience, and so does what that costs."""

    def __init__(self, budget: Budget, world: World) -> None:
        self._budget, self._scale = budget, world.scale
        self._spent = world.spent
        self._limits = world.limits
        self._left = [limit.left_at(world.start) for limit in world.limits]
        self._ends = [limit.next_turn(world.start) for limit in world.limits]
        self.costs: dict[tuple[int, str], float] = {}  # by step and currency, of those who are played

    def lacks(self, life: Life, price: float, currency: str, account_id: int, now: int) -> int | None:
        """Return None where there is money for a message; else from when on there may be some, or NEVER."""
        if not price:
            return None
        total, each = self._budget.total, self._budget.per_contact
        more = price * life.stands * self._scale
        if total is not None and total.currency == currency and self._spent + more > total.minor:
            return NEVER
        if each is not None and each.currency == currency and life.spent + price > each.minor:
            return NEVER
        self._turn(now)
        full = [
            self._ends[number] or NEVER
            for number, limit in enumerate(self._limits)
            if limit.takes(more, currency, account_id) > self._left[number]
        ]
        return max(full) if full else None

    def pay(self, life: Life, step: int, price: float, currency: str, at: int) -> None:
        """Take what a message costs that is handed over; less than nothing gives back what one cost that was
        handed over then. Of a period that is over nothing comes back."""
        key = step, currency
        self.costs[key] = self.costs.get(key, 0.0) + price
        more = price * life.stands * self._scale
        if currency == self._budget.currency:
            self._spent += more
            life.spent += price
        self._turn(at)
        for number, limit in enumerate(self._limits):
            if price > 0 or limit.next_turn(at) == self._ends[number]:
                self._left[number] -= limit.takes(more, currency, life.passages[step].account_id or 0)

    def _turn(self, now: int) -> None:
        """Begin the periods in which `now` lies."""
        for number, ends in enumerate(self._ends):
            if ends is not None and now >= ends:
                self._left[number] = self._limits[number].anew
                self._ends[number] = self._limits[number].next_turn(now)

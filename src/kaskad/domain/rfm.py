"""RFM: how recently, how often and for how much a person has bought, each as a score of 1 to 5.

The scores are fifths of all who have bought within the period: 5 is the best. Equal figures have equal
scores, so fifths differ in size where many share one. Who has bought nothing has no scores.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from kaskad.domain.condition_values import amount_of

DAY_MS = 86_400_000
BANDS = 5
PARTS = ("r", "f", "m")


class RfmRule(Struct, frozen=True):
    """Which events are purchases, which property of them is money, and how far back they count."""

    events: tuple[str, ...] = ("purchase", "order")
    property: str = "amount"
    days: int = 365


class Rfm(Struct, frozen=True):
    """The rule with the four edges of each score, as they were counted at `at`.

    `ages` are milliseconds since the last purchase, `amounts` hundredths.
    """

    at: int
    customers: int
    ages: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()
    amounts: tuple[int, ...] = ()
    rule: RfmRule = RfmRule()

    def scores(self, age: int, count: int, amount: int) -> dict[str, int]:
        """Return the scores of one who has bought."""
        return {
            "r": BANDS - bisect_left(self.ages, age),
            "f": 1 + bisect_left(self.counts, count),
            "m": 1 + bisect_left(self.amounts, amount),
        }

    def of_events(self, events: Mapping[str, Sequence[Mapping[str, object]]], now: int) -> dict[str, int]:
        """Return the scores of one person by their events; {}: they have bought nothing in the period."""
        since = now - self.rule.days * DAY_MS
        bought = [
            event
            for name in self.rule.events
            for event in events.get(name, ())
            if isinstance(at := event.get("at"), int) and since < at <= now
        ]
        if not bought:
            return {}
        last = max(int(str(event["at"])) for event in bought)
        return self.scores(now - last, len(bought), hundredths(_amounts(bought, self.rule.property)))


def hundredths(amounts: Iterable[float]) -> int:
    """Return a sum of money in hundredths: what rounding could decide is decided alike everywhere."""
    return round(sum(amounts) * 100)


def _amounts(events: Iterable[Mapping[str, object]], name: str) -> Iterable[float]:
    for event in events:
        amount = amount_of(event.get(name))
        if amount is not None and abs(amount) < 2**53:
            yield amount

"""Exchange rates by day, and what an amount of one currency comes to in another.

A rate holds from its day on until the next one of the same two currencies: banks publish none on weekends.
Two currencies that no rate joins are converted over a third, as where a bank tells all rates in its own.
Amounts in between are exact decimals; `half_even` makes whole minor units of them, where they are shown.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal

from msgspec import Struct

from kaskad.domain.money import DIGITS

EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)  # digits, of which no sum of money uses half
ONE = Decimal(1)
FINEST = 20  # digits behind the point that a rate may have


class Rate(Struct, frozen=True):
    """From `day` (days since 1970) on, one unit of `base` is worth `value` units of `quote`."""

    day: int
    base: str
    quote: str
    value: Decimal


class Found(Struct, frozen=True):
    """What one unit is worth on a day, by rates of which the oldest is of `day`."""

    value: Decimal
    day: int


class Followed(Struct, frozen=True):
    """What one unit is worth from `day` on until the next one, by a rate of `of_day`."""

    day: int
    value: Decimal
    of_day: int


class Rates:
    """Rates of any currencies, ready to be asked; never changed."""

    __slots__ = ("_beside", "_known", "_pairs")

    def __init__(self, rates: Iterable[Rate] = ()) -> None:
        told: dict[tuple[str, str], dict[int, Decimal]] = defaultdict(dict)
        for one in rates:
            told[one.base, one.quote][one.day] = one.value
        self._pairs = {
            pair: (days := sorted(values), [values[day] for day in days]) for pair, values in told.items()
        }
        self._beside: dict[str, set[str]] = defaultdict(set)
        for base, quote in self._pairs:
            self._beside[base].add(quote)
            self._beside[quote].add(base)
        self._known: dict[tuple[str, str, int], Found | None] = {}

    def __bool__(self) -> bool:
        return bool(self._pairs)

    @property
    def currencies(self) -> list[str]:
        """Return all currencies that a rate tells of."""
        return sorted(self._beside)

    def find(self, base: str, quote: str, day: int) -> Found | None:
        """Return what one unit of `base` is worth in `quote` on a day; None: no rate tells it."""
        key = base, quote, day
        if key not in self._known:
            self._known[key] = self._found(base, quote, day)
        return self._known[key]

    def followed(self, base: str, quote: str) -> list[Followed]:
        """Return what one unit of `base` is worth in `quote` from which days on, in order."""
        told: list[Followed] = []
        around = {base, quote, *(self._beside.get(base, set()) & self._beside.get(quote, set()))}
        for day in self._days_among(around):
            found = self.find(base, quote, day)
            if found is not None and (
                not told or (told[-1].value, told[-1].of_day) != (found.value, found.day)
            ):
                told.append(Followed(day, found.value, found.day))
        return told

    def _days_among(self, currencies: set[str]) -> list[int]:
        return sorted({
            day for pair, (days, _) in self._pairs.items() if set(pair) <= currencies for day in days
        })  # fmt: skip

    def _found(self, base: str, quote: str, day: int) -> Found | None:
        if base == quote:
            return Found(ONE, day)
        own = self._joined(base, quote, day)
        if own is not None:
            return own
        best: Found | None = None
        for between in sorted(self._beside.get(base, set()) & self._beside.get(quote, set())):
            first, second = self._joined(base, between, day), self._joined(between, quote, day)
            if first is None or second is None:
                continue
            oldest = min(first.day, second.day)
            if best is None or oldest > best.day:
                best = Found(EXACT.multiply(first.value, second.value), oldest)
        return best

    def _joined(self, base: str, quote: str, day: int) -> Found | None:
        """Return the latest rate of these two, told either way round; of one day the one told this way."""
        there, back = self._latest((base, quote), day), self._latest((quote, base), day)
        if back is None or (there is not None and there.day >= back.day):
            return there
        return Found(EXACT.divide(ONE, back.value), back.day)

    def _latest(self, pair: tuple[str, str], day: int) -> Found | None:
        if pair not in self._pairs:
            return None
        days, values = self._pairs[pair]
        at = bisect_right(days, day) - 1
        return Found(values[at], days[at]) if at >= 0 else None


NO_RATES = Rates()


def converted(minor: int | Decimal, base: str, quote: str, value: Decimal) -> Decimal:
    """Return an amount in minor units of `base` in those of `quote`, exactly, at such a rate."""
    shifted = EXACT.scaleb(EXACT.create_decimal(minor), DIGITS.get(quote, 2) - DIGITS.get(base, 2))
    return EXACT.multiply(shifted, value)


def half_even(amount: Decimal) -> int:
    """Return whole minor units; of two that are as near the even one, so that many sums drift nowhere."""
    return int(amount.to_integral_value(ROUND_HALF_EVEN, EXACT))


class Exchange(Struct, frozen=True):
    """What sums are told in: the currency, and what one unit of each other one is worth in it.

    Without a currency (""), and of one that no rate tells, amounts stay in their own.
    """

    to: str = ""
    values: Mapping[str, Decimal] = {}

    def exact(self, amounts: Mapping[str, int | Decimal]) -> dict[str, Decimal]:
        """Return amounts by currency, all that can be in one, in minor units that are not rounded yet."""
        told: dict[str, Decimal] = {}
        for currency, minor in amounts.items():
            name, amount = self._one(currency, minor)
            told[name] = EXACT.add(told.get(name, Decimal(0)), amount)
        return told

    def told(self, amounts: Mapping[str, int | Decimal]) -> dict[str, int]:
        """Return amounts by currency, all that can be in one, in whole minor units."""
        return whole(self.exact(amounts))

    def _one(self, currency: str, minor: int | Decimal) -> tuple[str, Decimal]:
        value = self.values.get(currency)
        if not self.to or currency == self.to or value is None:
            return currency, EXACT.create_decimal(minor)
        return self.to, converted(minor, currency, self.to, value)


OWN = Exchange()  # all in the currency in which it was paid


def whole(amounts: Mapping[str, Decimal]) -> dict[str, int]:
    """Return amounts by currency in whole minor units."""
    return {currency: half_even(minor) for currency, minor in amounts.items()}


def mean(parts: Iterable[tuple[int | Decimal, Decimal]]) -> Decimal | None:
    """Return the mean of rates by the amounts that each is for, so that sums agree; None of nothing."""
    total, weight = Decimal(0), Decimal(0)
    for amount, value in parts:
        total = EXACT.add(total, EXACT.multiply(EXACT.create_decimal(amount), value))
        weight = EXACT.add(weight, EXACT.create_decimal(amount))
    return EXACT.divide(total, weight) if weight else None


class Daily(Struct, frozen=True):
    """What one unit of other currencies is worth in the one that figures are told in, by day."""

    to: str = ""
    told: Mapping[str, Sequence[Followed]] = {}

    def value(self, currency: str, day: int) -> Decimal | None:
        """Return what one unit is worth on a day (since 1970); None: no rate tells it."""
        if currency == self.to:
            return ONE if currency else None
        days = self.told.get(currency, ())
        at = bisect_right(days, day, key=_day) - 1
        return days[at].value if at >= 0 else None

    def on(self, day: int) -> Exchange:
        """Return what sums of one day are told in."""
        return self._made({name: self.value(name, day) for name in self.told})

    def over(self, parts: Iterable[tuple[str, int, int]], day: int) -> Exchange:
        """Return what sums are told in that were spent on several days, each a currency, a day and an amount.

        Each currency is converted at the mean of its days' rates by amounts, so that a total is what it comes
        to day by day. One that has no rate for some of them stands apart; one without amounts goes by `day`.
        """
        spent: dict[str, dict[int, int]] = defaultdict(dict)
        for name, each, amount in parts:
            if amount:
                spent[name][each] = spent[name].get(each, 0) + abs(amount)
        values: dict[str, Decimal | None] = {}
        for name in self.told:
            rates = [(amount, self.value(name, each)) for each, amount in spent.get(name, {}).items()]
            known = [(amount, value) for amount, value in rates if value is not None]
            if not rates:
                values[name] = self.value(name, day)
            elif len(known) == len(rates):
                values[name] = mean(known)
        return self._made(values)

    def _made(self, values: Mapping[str, Decimal | None]) -> Exchange:
        return Exchange(self.to, {name: value for name, value in values.items() if value is not None})


def _day(one: Followed) -> int:
    return one.day

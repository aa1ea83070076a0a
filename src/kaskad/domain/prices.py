"""A price list: what a message costs by the number it goes to, its class, its sender and the day.

The most exact place wins: the longest prefix, then the country, then everywhere. Among rows of one place that
of the sender, then that of the class. Amounts are millionths of the currency's unit, since carriers' prices
are finer than its coins; what one message costs is rounded up to whole ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

from msgspec import Struct
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, country_code_for_region

from kaskad.domain.address import country_of
from kaskad.domain.money import DIGITS
from kaskad.domain.terms import MessageClass

ELSEWHERE = "*"
Per = Literal["message", "part", "minute"]
PERS: tuple[Per, ...] = ("message", "part", "minute")


class PriceRow(Struct, frozen=True, omit_defaults=True):
    """One row. `place`: a prefix (+7701), a country (KZ), or * for everywhere.

    It holds from `since` on, and no longer from `until` on; None: for ever.
    """

    place: str
    micros: int
    per: Per = "message"
    message_class: MessageClass | None = None  # None: any
    sender: str = ""  # "": any
    since: int | None = None
    until: int | None = None
    operator: str = ""  # for people only

    def holds(self, now: int) -> bool:
        """Return whether the row counts at this instant."""
        return (self.since is None or self.since <= now) and (self.until is None or now < self.until)

    def minor(self, currency: str, parts: int) -> int:
        """Return what one message of so many parts costs, in minor units, a part of one counted as whole.

        A call per minute counts as one of a minute: nobody knows before how long it will take.
        """
        amount = self.micros * (parts if self.per == "part" else 1)
        coin: int = 10 ** (6 - DIGITS.get(currency, 2))
        return -(-amount // coin)


class PriceList:
    """The rows of one account, ready to be asked for each message."""

    __slots__ = ("_by_country", "_by_prefix", "_everywhere", "_longest", "by_sender", "currency")

    def __init__(self, currency: str, rows: Iterable[PriceRow]) -> None:
        self.currency = currency
        by_prefix: dict[str, list[PriceRow]] = defaultdict(list)
        by_country: dict[str, list[PriceRow]] = defaultdict(list)
        self._everywhere: list[PriceRow] = []
        self.by_sender = False
        for row in sorted(rows, key=_exactness):
            self.by_sender = self.by_sender or bool(row.sender)
            if row.place == ELSEWHERE:
                self._everywhere.append(row)
            elif row.place.startswith("+"):
                by_prefix[row.place[1:]].append(row)
            else:
                by_country[row.place].append(row)
        for country in list(by_country):  # where a calling code is one country's alone, it says as much
            code = country_code_for_region(country)
            if COUNTRY_CODE_TO_REGION_CODE.get(code) == (country,):
                by_prefix[str(code)] = by_country.pop(country) + by_prefix.get(str(code), [])
        self._by_prefix, self._by_country = dict(by_prefix), dict(by_country)
        self._longest = max(map(len, by_prefix), default=0)

    def find(self, to: str, message_class: MessageClass, sender: str, now: int) -> PriceRow | None:
        """Return the row for a message to a number in E.164; None where none fits."""
        digits = to[1:] if to.startswith("+") else ""
        country_from = 0  # prefixes no longer than the calling code are less exact than the country
        country: str | None = None
        if self._by_country and digits:
            country = country_of(to)
            country_from = len(str(country_code_for_region(country))) if country in self._by_country else 0
        for length in range(min(self._longest, len(digits)), 0, -1):
            if length == country_from and (row := self._of_country(country, message_class, sender, now)):
                return row
            found = _first(self._by_prefix.get(digits[:length], ()), message_class, sender, now)
            if found is not None:
                return found
        if country_from > self._longest and (row := self._of_country(country, message_class, sender, now)):
            return row
        return _first(self._everywhere, message_class, sender, now)

    def _of_country(
        self, country: str | None, message_class: MessageClass, sender: str, now: int
    ) -> PriceRow | None:
        return _first(self._by_country.get(country or "", ()), message_class, sender, now)


def _exactness(row: PriceRow) -> tuple[bool, bool, int]:
    return not row.sender, row.message_class is None, -(row.since or 0)


def _first(rows: Sequence[PriceRow], message_class: MessageClass, sender: str, now: int) -> PriceRow | None:
    for row in rows:
        if row.message_class not in (None, message_class) or (row.sender and row.sender != sender):
            continue
        if row.holds(now):
            return row
    return None


def overlaps(rows: Sequence[PriceRow]) -> list[tuple[int, int]]:
    """Return which rows (by index) say what another says for the same time."""
    alike: dict[tuple[str, MessageClass | None, str], list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        alike[row.place, row.message_class, row.sender].append(number)
    found = []
    for numbers in alike.values():
        numbers.sort(key=lambda number: rows[number].since or -(1 << 62))
        for before, after in pairwise(numbers):
            ends_at = rows[before].until
            if ends_at is None or (rows[after].since or -(1 << 62)) < ends_at:
                found.append((min(before, after), max(before, after)))
    return sorted(found)

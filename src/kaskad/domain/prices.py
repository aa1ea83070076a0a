"""A price list: what a message costs by where it goes to, its category, class and sender, and the day.

The most exact place wins: the longest prefix, then the country, the longest domain of a mail address, then
everywhere. Among rows of one place that of the sender, then that of the category, then that of the class.
Amounts are millionths of the currency's unit, since carriers' prices are finer than its coins; what one
message costs is rounded up to whole ones. Of those priced by the thousand some carry the coin of the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Literal

from msgspec import Struct
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, country_code_for_region

from kaskad.domain.address import country_of
from kaskad.domain.money import DIGITS, share_of
from kaskad.domain.terms import MessageClass

ELSEWHERE = "*"
Per = Literal["message", "part", "minute", "thousand"]


class PriceRow(Struct, frozen=True, omit_defaults=True):
    """One row. `place`: a prefix (+7701), a country (KZ), a domain (@example.org), or * for everywhere.

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
    category: str = ""  # the service's word for the kind of text: marketing, utility; "": any

    def holds(self, now: int) -> bool:
        """Return whether the row counts at this instant."""
        return (self.since is None or self.since <= now) and (self.until is None or now < self.until)

    def minor(self, currency: str, parts: int, number: int = 0) -> int:
        """Return what one message of so many parts costs, in minor units, a part of one counted as whole.

        A call per minute counts as one of a minute: nobody knows before how long it will take. `number` tells
        messages by the thousand apart: of a thousand with numbers in a row all together cost the price.
        """
        coin: int = 10 ** (6 - DIGITS.get(currency, 2))
        if self.per == "thousand":
            return share_of(self.micros, 1000 * coin, number)
        amount = self.micros * (parts if self.per == "part" else 1)
        return -(-amount // coin)

    def mean(self, currency: str, parts: int) -> Decimal:
        """Return what such messages cost each on average, in minor units."""
        if self.per == "thousand":
            return Decimal(self.micros).scaleb(DIGITS.get(currency, 2) - 9)
        return Decimal(self.minor(currency, parts))


class PriceList:
    """The rows of one account, ready to be asked for each message."""

    __slots__ = (
        "_by_country", "_by_domain", "_by_prefix", "_everywhere", "_longest", "by_sender", "changes",
        "currency",
    )  # fmt: skip

    def __init__(self, currency: str, rows: Iterable[PriceRow]) -> None:
        self.currency = currency
        by_prefix: dict[str, list[PriceRow]] = defaultdict(list)
        by_country: dict[str, list[PriceRow]] = defaultdict(list)
        by_domain: dict[str, list[PriceRow]] = defaultdict(list)
        self._everywhere: list[PriceRow] = []
        self.by_sender = False
        instants: set[int] = set()
        for row in sorted(rows, key=_exactness):
            self.by_sender = self.by_sender or bool(row.sender)
            instants.update(at for at in (row.since, row.until) if at is not None)
            if row.place == ELSEWHERE:
                self._everywhere.append(row)
            elif row.place.startswith("+"):
                by_prefix[row.place[1:]].append(row)
            elif row.place.startswith("@"):
                by_domain[row.place[1:]].append(row)
            else:
                by_country[row.place].append(row)
        for country in list(by_country):  # where a calling code is one country's alone, it says as much
            code = country_code_for_region(country)
            if COUNTRY_CODE_TO_REGION_CODE.get(code) == (country,):
                by_prefix[str(code)] = by_country.pop(country) + by_prefix.get(str(code), [])
        self.changes = tuple(sorted(instants))  # when anything of it may become another
        self._by_prefix, self._by_country, self._by_domain = (
            dict(by_prefix),
            dict(by_country),
            dict(by_domain),
        )
        self._longest = max(map(len, by_prefix), default=0)

    def find(
        self, to: str, message_class: MessageClass, sender: str, now: int, category: str = ""
    ) -> PriceRow | None:
        """Return the row for a message to a number in E.164, or another address; None where none fits."""
        told = message_class, sender, now, category
        domain = to.rpartition("@")[2] if self._by_domain else ""
        while domain:
            found = _first(self._by_domain.get(domain, ()), *told)
            if found is not None:
                return found
            domain = domain.partition(".")[2]
        digits = to[1:] if to.startswith("+") else ""
        country_from = 0  # prefixes no longer than the calling code are less exact than the country
        country: str | None = None
        if self._by_country and digits:
            country = country_of(to)
            country_from = len(str(country_code_for_region(country))) if country in self._by_country else 0
        for length in range(min(self._longest, len(digits)), 0, -1):
            if length == country_from and (row := self._of_country(country, *told)):
                return row
            found = _first(self._by_prefix.get(digits[:length], ()), *told)
            if found is not None:
                return found
        if country_from > self._longest and (row := self._of_country(country, *told)):
            return row
        return _first(self._everywhere, *told)

    def _of_country(
        self, country: str | None, message_class: MessageClass, sender: str, now: int, category: str
    ) -> PriceRow | None:
        return _first(self._by_country.get(country or "", ()), message_class, sender, now, category)


def _exactness(row: PriceRow) -> tuple[bool, bool, bool, int]:
    return not row.sender, not row.category, row.message_class is None, -(row.since or 0)


def _first(
    rows: Sequence[PriceRow], message_class: MessageClass, sender: str, now: int, category: str
) -> PriceRow | None:
    for row in rows:
        if row.message_class not in (None, message_class) or (row.sender and row.sender != sender):
            continue
        if row.category and row.category != category:
            continue
        if row.holds(now):
            return row
    return None


def overlaps(rows: Sequence[PriceRow]) -> list[tuple[int, int]]:
    """Return which rows (by index) say what another says for the same time."""
    alike: dict[tuple[str, MessageClass | None, str, str], list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        alike[row.place, row.message_class, row.sender, row.category].append(number)
    found = []
    for numbers in alike.values():
        numbers.sort(key=lambda number: rows[number].since or -(1 << 62))
        for before, after in pairwise(numbers):
            ends_at = rows[before].until
            if ends_at is None or (rows[after].since or -(1 << 62)) < ends_at:
                found.append((min(before, after), max(before, after)))
    return sorted(found)

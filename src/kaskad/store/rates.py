"""Tables `rates` and `reporting_rates`: exchange rates as they were told, and in the currency of figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from kaskad.domain.rates import Followed, Rate
from kaskad.store import settings
from kaskad.store.db import Row, Transaction

MARK = "rates_mark"  # the setting that counts changes of rates
TOLD_MARK = "reporting_mark"  # the setting that counts changes of what figures are told by


def all_rates(tx: Transaction) -> list[Rate]:
    """Return all rates as they were told."""
    return [_rate(row) for row in tx.all("rates")]


def some(
    tx: Transaction, one: str = "", other: str = "", since: int = 0, until: int = 1 << 30, limit: int = 100
) -> list[Rate]:
    """Return rates of these currencies ("": any) from one day to another, the latest first."""
    rows = tx.all("rates_of_days", one=one, other=other, since=since, until=until, limit=limit)
    return [_rate(row) for row in rows]


def put(tx: Transaction, rates: Iterable[Rate]) -> None:
    """Keep rates, in place of what was told for the same currencies and day."""
    tx.many("put_rates", [(one.base, one.quote, one.day, f"{one.value:f}") for one in rates])
    settings.put(tx, MARK, mark(tx) + 1)


def delete(tx: Transaction, base: str, quote: str, since: int, until: int) -> int:
    """Forget rates of these days, the last one too; return how many there were."""
    gone = tx.run("delete_rates", base=base, quote=quote, since=since, until=until)
    settings.put(tx, MARK, mark(tx) + 1)
    return gone


def mark(tx: Transaction) -> int:
    """Return a number that is another one after each change of rates."""
    return settings.get(tx, MARK, int) or 0


def told_mark(tx: Transaction) -> int:
    """Return a number that is another one once figures are told by other rates, or in another currency."""
    return settings.get(tx, TOLD_MARK, int) or 0


def reporting(tx: Transaction, currencies: Sequence[str]) -> Mapping[str, list[Followed]]:
    """Return what one unit of these is worth in the currency of figures, by the days from which on it is."""
    found: dict[str, list[Followed]] = defaultdict(list)
    for row in tx.among_texts("reporting_rates", currencies):
        found[row[0]].append(Followed(row[1], Decimal(row[2]), row[3]))
    return found


def put_reporting(tx: Transaction, told: Mapping[str, Sequence[Followed]]) -> None:
    """Keep what one unit of each currency is worth in that of figures, in place of what was kept."""
    settings.put(tx, TOLD_MARK, told_mark(tx) + 1)
    tx.run("clear_reporting_rates")
    rows: list[Row] = []
    for currency, days in told.items():
        ends = [one.day for one in days[1:]] + [None]
        rows += [
            (currency, one.day, end, f"{one.value:f}", one.of_day)
            for one, end in zip(days, ends, strict=True)
        ]
    if rows:
        tx.many("put_reporting_rates", rows)


def _rate(row: Row) -> Rate:
    return Rate(row[2], row[0], row[1], Decimal(row[3]))

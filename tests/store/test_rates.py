"""Exchange rates in both databases: kept once a day, and as they are in the currency of figures."""

from decimal import Decimal

from kaskad.domain.rates import Followed, Rate
from kaskad.store import rates
from kaskad.store.db import Database

FINE = Decimal("0.00000000000000000001")


def test_a_rate_is_kept_once_a_day_and_to_its_last_digit(db: Database) -> None:
    told = [Rate(5, "USD", "KZT", Decimal("512.35")), Rate(4, "VND", "KWD", FINE)]
    with db.write() as tx:
        rates.put(tx, told)
        rates.put(tx, [Rate(5, "USD", "KZT", Decimal("513"))])
        assert rates.all_rates(tx) == [Rate(5, "USD", "KZT", Decimal("513")), told[1]]
        assert rates.some(tx, "KZT", since=5) == [Rate(5, "USD", "KZT", Decimal("513"))]
        before = rates.mark(tx)
        assert rates.delete(tx, "USD", "KZT", 0, 4) == 0
        assert rates.delete(tx, "USD", "KZT", 0, 5) == 1
        assert rates.mark(tx) > before
        assert rates.some(tx, "VND", "KWD") == [told[1]] and rates.some(tx, "VND", "KZT") == []


def test_what_is_told_in_figures_replaces_what_was(db: Database) -> None:
    days = [Followed(3, Decimal("512.35"), 3), Followed(7, FINE, 6)]
    with db.write() as tx:
        rates.put_reporting(tx, {"RUB": days[:1]})
        before = rates.told_mark(tx)
        rates.put_reporting(tx, {"USD": days})
        assert rates.told_mark(tx) > before  # figures that are remembered are of others
        assert rates.reporting(tx, ["USD", "RUB", "EUR"]) == {"USD": days}
        rates.put_reporting(tx, {})
        assert rates.reporting(tx, ["USD"]) == {} and rates.reporting(tx, []) == {}

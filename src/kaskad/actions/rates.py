"""Exchange rates and the currency that figures are told in: kept, shown, asked, taken away.

A rate that is changed afterwards re-tells the figures of its days: nothing that was sent or earned is kept
in another currency than its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from kaskad.actions.office import Office
from kaskad.actions.rate_file import day_of, rate_of, read_rates, written
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.money import DIGITS, parse_money
from kaskad.domain.policy import Policy
from kaskad.domain.rates import Exchange, Followed, Found, Rate, Rates, converted, half_even
from kaskad.domain.worded import worded, wording
from kaskad.engine.catalog import POLICY
from kaskad.store import rates as store
from kaskad.store import settings
from kaskad.store.db import Transaction

PIECE = 5_000  # rates that are written at once
OLD_DAYS = 7  # without a new rate, after which that is said
ALL_DAYS = 1 << 30


class Pair(Struct, frozen=True):
    """The rates of two currencies: how many, of which days (since 1970), and the last one."""

    base: str
    quote: str
    count: int
    first: int
    last: int
    value: Decimal


class Needed(Struct, frozen=True):
    """A currency that something is paid in, and what one unit is worth today; None: no rate tells it."""

    currency: str
    used_by: tuple[str, ...]
    found: Found | None
    age_days: int = 0  # of the rate

    @property
    def old(self) -> bool:
        """Say whether its rate is of long ago."""
        return self.age_days > OLD_DAYS


class Shown(Struct, frozen=True):
    """`reporting` is the currency of figures ("": none is known), `own` what was said ("": the brand's)."""

    reporting: str
    own: str
    today: int
    pairs: list[Pair]
    needed: list[Needed]


class Asked(Struct, frozen=True):
    """An amount in another currency on a day, in minor units of that; `found` tells by which rate."""

    minor: int
    currency: str
    day: int
    found: Found


def show(office: Office) -> Shown:
    """Return which rates there are, which are needed, and what figures are told in."""
    with office.read() as tx:
        told, to = store.all_rates(tx), settings.reporting(tx)
        used, today = in_use(tx), today_of(tx, office.now())
        own = settings.own_reporting(tx)
    rates = Rates(told)
    needed = []
    for currency, by in sorted(used.items()):
        if currency != to:
            found = rates.find(currency, to, today) if to else None
            needed.append(Needed(currency, tuple(by), found, today - found.day if found else 0))
    return Shown(to, own, today, _pairs(told), needed)


def listing(
    office: Office, one: str = "", other: str = "", since: str = "", until: str = "", limit: int = 100
) -> list[Rate]:
    """Return rates of these currencies and days, the latest first; raises Invalid for a day that is none."""
    first, last = _days(since, until)
    with office.read() as tx:
        return store.some(tx, one.upper(), other.upper(), first, last, limit)


def bring(office: Office, data: bytes, source: str, to: str = "") -> int:
    """Keep the rates of a file, each in place of what was told for its day; return how many.

    `to` is the currency they are told in, where no column says so; else that of figures. Raises Invalid with
    every problem, after which nothing has changed.
    """
    with office.read() as tx:
        told = read_rates(data, source, to.strip().upper() or settings.reporting(tx))
    for at in range(0, len(told), PIECE):
        piece = told[at : at + PIECE]
        office.write(partial(_put, piece))
    refresh(office)
    return len(told)


def put(office: Office, day: str, base: str, quote: str, value: str) -> Rate:
    """Keep one rate in place of what was told for its day; raises Invalid."""
    try:
        rate = rate_of(day, base, quote, value)
    except ValueError as error:
        raise Invalid([wording(error)]) from None
    office.write(lambda tx: store.put(tx, [rate]))
    refresh(office)
    return rate


def remove(office: Office, base: str, quote: str, since: str = "", until: str = "") -> int:
    """Forget rates of two currencies as they were told, of some days or all; raises NotFound, Invalid."""
    first, last = _days(since, until)
    base, quote = base.upper(), quote.upper()
    gone = office.write(lambda tx: store.delete(tx, base, quote, first, last))
    if not gone:
        raise NotFound(
            worded("There is no rate of %(base)s in %(quote)s for these days.", base=base, quote=quote)
        )
    refresh(office)
    return gone


def export(office: Office) -> str:
    """Return all rates as a CSV file."""
    with office.read() as tx:
        return written(store.all_rates(tx))


def tell_in(office: Office, currency: str) -> str:
    """Let figures be told in a currency ("": the brand's), and return which one that is; raises Invalid."""
    code = currency.strip().upper()
    if code and code not in DIGITS:
        raise Invalid(
            [worded("%(code)r is no currency known here: write such as KZT, RUB or EUR.", code=currency)]
        )
    office.write(lambda tx: settings.put(tx, settings.REPORTING, {"currency": code}))
    refresh(office)
    with office.read() as tx:
        return settings.reporting(tx)


def ask(office: Office, amount: str, to: str, day: str = "") -> Asked:
    """Return what an amount such as "12.50 USD" comes to on a day (else today); raises Invalid, NotFound."""
    code = to.strip().upper()
    try:
        money, when = parse_money(amount), day_of(day) if day else None
        if code not in DIGITS:
            raise ValueError(
                worded("%(code)r is no currency known here: write such as KZT, RUB or EUR.", code=to)
            )
    except ValueError as error:
        raise Invalid([wording(error)]) from None
    with office.read() as tx:
        rates = Rates(store.all_rates(tx))
        when = today_of(tx, office.now()) if when is None else when
    found = rates.find(money.currency, code, when)
    if found is None:
        raise NotFound(
            worded(
                "There is no rate of %(base)s in %(quote)s for these days.", base=money.currency, quote=code
            )
        )
    minor = half_even(converted(money.minor, money.currency, code, found.value))
    return Asked(minor, code, when, found)


def into(office: Office, currency: str, *others: str) -> Exchange:
    """Return what currencies of accounts, and these, are worth today in one ("": that of figures)."""
    world = office.engine.world
    with office.read() as tx:
        to, today = currency or settings.reporting(tx), today_of(tx, office.now())
    names = {one.price.currency for one in world.accounts.values() if one.price} | {*others} - {""}
    found = {name: world.money.rates.find(name, to, today) for name in names if to and name != to}
    return Exchange(to, {name: one.value for name, one in found.items() if one is not None})


def told_by(office: Office) -> int:
    """Return a number that is another one once figures are told by other rates, or in another currency."""
    with office.read() as tx:
        return store.told_mark(tx)


def refresh(office: Office) -> None:
    """Put all rates into the currency of figures again, after one of both has changed."""
    done = False
    while not done:
        with office.read() as tx:
            mark, to, told = store.mark(tx), settings.reporting(tx), store.all_rates(tx)
        rates = Rates(told)
        followed = {
            each: days
            for each in rates.currencies
            if each != to and to and (days := rates.followed(each, to))
        }

        done = office.write(partial(_put_reporting, (mark, to), followed))
    office.reload()


def _put(told: Sequence[Rate], tx: Transaction) -> None:
    store.put(tx, told)


def _put_reporting(known: tuple[int, str], told: Mapping[str, Sequence[Followed]], tx: Transaction) -> bool:
    """Keep the rates in the currency of figures; return False where somebody has changed either meanwhile."""
    if (store.mark(tx), settings.reporting(tx)) != known:
        return False
    store.put_reporting(tx, told)
    return True


def in_use(tx: Transaction) -> dict[str, list[str]]:
    """Return the currencies that something is paid in or told in, with what: accounts by name, else ""."""
    found: dict[str, list[str]] = {}
    for row in tx.all("accounts"):
        if currency := msgspec.json.decode(row[8]).get("currency", ""):
            found.setdefault(currency, []).append(str(row[1]))
    for row in tx.all("currencies_of_versions"):
        found.setdefault(row[0], [])
    if brand := settings.currency(tx):
        found.setdefault(brand, [])
    return found


def today_of(tx: Transaction, now: int) -> int:
    """Return today in days since 1970, in the installation's zone."""
    zone = ZoneInfo((settings.get(tx, POLICY, Policy) or Policy()).zone)
    return day_number(now, zone)


def day_number(at: int, zone: ZoneInfo) -> int:
    """Return the day of an instant in a zone, in days since 1970."""
    return datetime.fromtimestamp(at / 1000, zone).date().toordinal() - 719_163


def _days(since: str, until: str) -> tuple[int, int]:
    try:
        return day_of(since) if since else -ALL_DAYS, day_of(until) if until else ALL_DAYS
    except ValueError as error:
        raise Invalid([wording(error)]) from None


def _pairs(told: Sequence[Rate]) -> list[Pair]:
    found: dict[tuple[str, str], list[Rate]] = {}
    for one in told:
        found.setdefault((one.base, one.quote), []).append(one)
    return [
        Pair(base, quote, len(each), each[0].day, each[-1].day, each[-1].value)
        for (base, quote), each in sorted(found.items())
    ]

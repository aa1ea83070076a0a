"""Price lists of accounts: brought in whole, shown, asked, taken away."""

from __future__ import annotations

from msgspec import Struct

from kaskad.actions import accounts
from kaskad.actions.office import Office
from kaskad.actions.policy import show as policy_of
from kaskad.actions.price_file import read_prices, written
from kaskad.domain.address import BadAddress, normalise
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.prices import PriceList, PriceRow
from kaskad.domain.terms import MessageClass
from kaskad.domain.worded import worded
from kaskad.engine.catalog import to_send_by
from kaskad.engine.pricing import Tariff
from kaskad.store import prices as store
from kaskad.store.accounts import Account
from kaskad.store.prices import Kept


class Listed(Struct, frozen=True):
    """An account's price list; its days are of the zone."""

    kept: Kept
    rows: tuple[PriceRow, ...]
    zone: str


class Asked(Struct, frozen=True):
    """What one message to an address costs at an instant, on average, in minor units; `row` None: by the
    account's own price."""

    to: str
    minor: float
    currency: str
    row: PriceRow | None
    at: int


def bring(office: Office, name: str, data: bytes, source: str) -> Listed:
    """Keep the rows of a CSV file as the account's price list, in place of what it had.

    Raises NotFound, and Invalid with every problem, after which nothing has changed.
    """
    account = _account(office, name)
    zone = policy_of(office).zone
    rows = read_prices(data, source, str(account.prices["currency"]), account.channel, zone)
    currency = str(account.prices["currency"])
    office.write(lambda tx: store.put(tx, account.id, currency, source, rows, office.now()))
    office.reload()
    return show(office, name)


def show(office: Office, name: str) -> Listed:
    """Return the account's price list; raises NotFound where it has none."""
    account = accounts.get(office, name).account
    with office.read() as tx:
        kept = store.all_lists(tx).get(account.id)
        if kept is None:
            raise NotFound(
                worded(
                    "Account %(name)r has no price list: `kaskad account prices import` brings one.",
                    name=name,
                )
            )
        rows = store.rows_of(tx, account.id)
    return Listed(kept, rows, policy_of(office).zone)


def export(office: Office, name: str) -> str:
    """Return the account's price list as a CSV file; raises NotFound where it has none."""
    listed = show(office, name)
    return written(listed.rows, listed.kept.currency, listed.zone)


def clear(office: Office, name: str) -> None:
    """Let the account's own price count for all; raises NotFound where it has no list."""
    account = accounts.get(office, name).account
    if not office.write(lambda tx: store.delete(tx, account.id)):
        raise NotFound(worded("Account %(name)r has no price list.", name=name))
    office.reload()


def ask(
    office: Office, name: str, to: str, message_class: MessageClass, parts: int, *, category: str = "",
    at: int | None = None,
) -> Asked:  # fmt: skip
    """Return what a message to an address costs, now or at another time; raises NotFound, Invalid."""
    account = _account(office, name)
    try:
        there = normalise(account.channel, to)
    except BadAddress as error:
        raise Invalid([str(error)]) from None
    at = office.now() if at is None else at
    with office.read() as tx:
        kept, rows = store.all_lists(tx).get(account.id), store.rows_of(tx, account.id)
    tariff = Tariff(to_send_by(account), PriceList(kept.currency, rows) if kept else None)
    minor = tariff.mean(there, message_class, category, parts, at) or 0.0
    return Asked(there, minor, tariff.currency, tariff.row(there, message_class, category, at), at)


def _account(office: Office, name: str) -> Account:
    account = accounts.get(office, name).account
    if not account.prices:
        raise Invalid(
            [
                worded(
                    "Account %(name)r has no price: give it one, such as '14 KZT per part'. It names "
                    "the currency, and counts where no row fits.",
                    name=name,
                )
            ]
        )
    return account

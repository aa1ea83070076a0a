"""Price lists of accounts: brought in whole, shown, asked, taken away."""

from __future__ import annotations

from msgspec import Struct

from kaskad.actions import accounts
from kaskad.actions.office import Office
from kaskad.actions.price_file import read_prices, written
from kaskad.domain.address import BadAddress, normalise_phone
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.prices import PriceList, PriceRow
from kaskad.domain.terms import Channel, MessageClass
from kaskad.domain.worded import worded
from kaskad.engine.catalog import to_send_by
from kaskad.engine.handover import listed_price
from kaskad.store import prices as store
from kaskad.store.accounts import Account
from kaskad.store.prices import Kept

CHANNELS = (Channel.SMS, Channel.ROBOT_CALL, Channel.AGENT_CALL, Channel.WHATSAPP, Channel.VIBER)


class Listed(Struct, frozen=True):
    """An account's price list; `price` is what counts where no row fits."""

    kept: Kept
    rows: tuple[PriceRow, ...]


class Asked(Struct, frozen=True):
    """What one message to a number costs now, in minor units; `row` None: by the account's own price."""

    to: str
    minor: int
    currency: str
    row: PriceRow | None


def bring(office: Office, name: str, data: bytes, source: str) -> Listed:
    """Keep the rows of a CSV file as the account's price list, in place of what it had.

    Raises NotFound, and Invalid with every problem, after which nothing has changed.
    """
    account = _account(office, name)
    rows = read_prices(data, source, str(account.prices["currency"]))
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
        return Listed(kept, store.rows_of(tx, account.id))


def export(office: Office, name: str) -> str:
    """Return the account's price list as a CSV file; raises NotFound where it has none."""
    listed = show(office, name)
    return written(listed.rows, listed.kept.currency)


def clear(office: Office, name: str) -> None:
    """Let the account's own price count for all; raises NotFound where it has no list."""
    account = accounts.get(office, name).account
    if not office.write(lambda tx: store.delete(tx, account.id)):
        raise NotFound(worded("Account %(name)r has no price list.", name=name))
    office.reload()


def ask(office: Office, name: str, to: str, message_class: MessageClass, parts: int) -> Asked:
    """Return what a message to a number costs now; raises NotFound, Invalid."""
    account = _account(office, name)
    try:
        number = normalise_phone(to)
    except BadAddress as error:
        raise Invalid([str(error)]) from None
    with office.read() as tx:
        kept, rows = store.all_lists(tx).get(account.id), store.rows_of(tx, account.id)
    currency, sending = str(account.prices["currency"]), to_send_by(account)
    prices = PriceList(kept.currency if kept else currency, rows)
    minor, row = listed_price(prices, sending, number, message_class, parts, office.now())
    return Asked(number, minor, currency, row)


def _account(office: Office, name: str) -> Account:
    account = accounts.get(office, name).account
    if account.channel not in CHANNELS:
        raise Invalid(
            [
                worded(
                    "Account %(name)r carries %(channel)s, whose prices do not go by number.",
                    name=name,
                    channel=account.channel,
                )
            ]
        )
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

"""Table `price_lists`: what an account's messages cost by number, class and sender."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from kaskad.domain.prices import PriceRow
from kaskad.store.db import Transaction

_decode = msgspec.json.Decoder(tuple[PriceRow, ...]).decode


class Kept(Struct, frozen=True):
    """A price list without its rows; one that is brought in anew has another `imported_at`."""

    account_id: int
    imported_at: int
    currency: str
    source: str
    size: int


def all_lists(tx: Transaction) -> dict[int, Kept]:
    """Return the price lists by account."""
    return {row[0]: Kept(*row) for row in tx.all("price_lists")}


def rows_of(tx: Transaction, account_id: int) -> tuple[PriceRow, ...]:
    """Return the rows of an account's list, in the order of its file."""
    row = tx.one("prices_of", account_id=account_id)
    return _decode(row[0]) if row else ()


def put(
    tx: Transaction, account_id: int, currency: str, source: str, rows: Sequence[PriceRow], now: int
) -> None:  # fmt: skip
    """Keep a list in place of what the account had."""
    tx.run(
        "put_price_list", account_id=account_id, now=now, currency=currency, source=source, size=len(rows),
        prices=msgspec.json.encode(rows).decode(),
    )  # fmt: skip


def delete(tx: Transaction, account_id: int) -> bool:
    """Forget an account's list; return whether it had one."""
    return bool(tx.run("delete_price_list", account_id=account_id))

"""Table `settings`: what the installation has decided or made once, by name, as JSON."""

from __future__ import annotations

from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from kaskad.domain.policy import Policy
from kaskad.store.db import Transaction

T = TypeVar("T")
REPORTING = "reporting"


def get(tx: Transaction, name: str, kind: type[T]) -> T | None:
    """Return the setting as a `kind`, or None where it was never put."""
    row = tx.one("setting", name=name)
    return None if row is None else msgspec.json.decode(row[0], type=kind)


def currency(tx: Transaction) -> str:
    """Return the brand's currency; "" where nobody has said so."""
    brand = get(tx, "brand", dict[str, object]) or {}
    return str(brand.get("currency", ""))


def own_reporting(tx: Transaction) -> str:
    """Return the currency that figures were said to be told in; "": that of the brand."""
    return (get(tx, REPORTING, dict[str, str]) or {}).get("currency", "")


def reporting(tx: Transaction) -> str:
    """Return the currency that figures are told in, as far as rates tell; "" where nobody has said so."""
    return own_reporting(tx) or currency(tx)


def zone(tx: Transaction) -> ZoneInfo:
    """Return the zone of the installation's days."""
    return ZoneInfo((get(tx, "policy", Policy) or Policy()).zone)


def put(tx: Transaction, name: str, value: object) -> None:
    """Keep `value`, anything that JSON can hold, in place of what was there."""
    tx.run("put_setting", name=name, value=_json(value))


def put_first(tx: Transaction, name: str, value: T, kind: type[T]) -> T:
    """Keep `value` unless the setting is there already; return what is there now."""
    tx.run("add_setting", name=name, value=_json(value))
    kept = get(tx, name, kind)
    return value if kept is None else kept


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()

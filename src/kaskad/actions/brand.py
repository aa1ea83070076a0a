"""Who sends: the brand's name and the currency that its prices and budgets are in."""

from __future__ import annotations

from msgspec import Struct

from kaskad.actions.office import Office
from kaskad.domain.errors import Invalid
from kaskad.domain.money import DIGITS
from kaskad.domain.worded import worded
from kaskad.store import settings as setting_store

SETTING = "brand"
LONGEST = 60


class Brand(Struct, frozen=True):
    """How the sender is called, and its currency, an ISO 4217 code; "" where nobody has said so."""

    name: str = ""
    currency: str = ""


def show(office: Office) -> Brand:
    """Return the brand; an empty one until somebody has said who sends."""
    with office.read() as tx:
        return setting_store.get(tx, SETTING, Brand) or Brand()


def put(office: Office, name: str, currency: str) -> Brand:
    """Keep who sends; raises Invalid with every problem."""
    brand = Brand(" ".join(name.split()), currency.strip().upper())
    problems: list[str] = []
    pointers: list[str] = []
    if not 1 <= len(brand.name) <= LONGEST or any(sign in brand.name for sign in '<>"@\\,;'):
        problems.append(
            worded("A brand's name has 1 to %(most)s characters, none of them < > \" @ \\ , ;", most=LONGEST)
        )
        pointers.append("/name")
    if brand.currency not in DIGITS:
        problems.append(
            worded("%(code)r is no currency known here: write such as KZT, RUB or EUR.", code=brand.currency)
        )
        pointers.append("/currency")
    if problems:
        raise Invalid(problems, pointers)
    office.write(lambda tx: setting_store.put(tx, SETTING, brand))
    return brand

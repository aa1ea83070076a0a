"""Who sends: the brand's name and currency, and how its letters look and end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from kaskad.actions import rates
from kaskad.actions.office import Office
from kaskad.domain.enclosing import FILE_NAME
from kaskad.domain.errors import Invalid
from kaskad.domain.money import DIGITS
from kaskad.domain.worded import worded
from kaskad.store import files
from kaskad.store import settings as setting_store

SETTING = "brand"
LONGEST = 60
LONGEST_FOOT = 1_000  # characters of the postal address, and of the legal lines
LONGEST_URL = 500
_COLOUR = re.compile(r"#[0-9a-f]{6}")


class Brand(Struct, frozen=True):
    """How the sender is called, its currency (ISO 4217), and what its letters show; "" where it is not said.

    `logo` is a web address or the name of a saved picture; `colour` that of buttons and links, `ground` what
    lies behind a letter, both such as #0b6e4f; `address` and `legal` stand at the foot, in lines.
    """

    name: str = ""
    currency: str = ""
    site: str = ""
    logo: str = ""
    colour: str = ""
    ground: str = ""
    address: str = ""
    legal: str = ""


def show(office: Office) -> Brand:
    """Return the brand; an empty one until somebody has said who sends."""
    with office.read() as tx:
        return setting_store.get(tx, SETTING, Brand) or Brand()


def change(office: Office, told: Mapping[str, Any]) -> Brand:
    """Keep what is told of the brand, and leave the rest; raises Invalid with every problem."""
    return put(office, msgspec.convert({**msgspec.to_builtins(show(office)), **told}, Brand))


def put(office: Office, told: Brand) -> Brand:
    """Keep who sends; raises Invalid with every problem."""
    brand = checked(office, told)
    office.write(lambda tx: setting_store.put(tx, SETTING, brand))
    rates.refresh(office)  # figures may be told in its currency
    office.engine.reload()  # it values goals
    return brand


def checked(office: Office, told: Brand) -> Brand:
    """Return the brand as it is kept; raises Invalid with every problem."""
    brand = Brand(
        " ".join(told.name.split()), told.currency.strip().upper(), told.site.strip(), told.logo.strip(),
        told.colour.strip().lower(), told.ground.strip().lower(), _lines(told.address), _lines(told.legal),
    )  # fmt: skip
    problems = [*_wrong_name(brand), *_wrong_look(office, brand)]
    if problems:
        raise Invalid([text for text, _ in problems], [f"/{at}" for _, at in problems])
    return brand


def _wrong_name(brand: Brand) -> Iterator[tuple[str, str]]:
    if not 1 <= len(brand.name) <= LONGEST or any(sign in brand.name for sign in '<>"@\\,;'):
        yield (
            worded("A brand's name has 1 to %(most)s characters, none of them < > \" @ \\ , ;", most=LONGEST),
            "name",
        )
    if brand.currency not in DIGITS:
        yield (
            worded("%(code)r is no currency known here: write such as KZT, RUB or EUR.", code=brand.currency),
            "currency",
        )


def _wrong_look(office: Office, brand: Brand) -> Iterator[tuple[str, str]]:
    if brand.site and not _is_url(brand.site):
        yield worded("Write the whole address of the site, such as https://example.org."), "site"
    if brand.logo and not _is_url(brand.logo):
        with office.read() as tx:
            kept = files.find(tx, brand.logo) if FILE_NAME.fullmatch(brand.logo) else None
        if kept is None or not kept.kind.startswith("image/"):
            yield (
                worded("There is no saved picture %(name)r: bring one in, or write its https:// address.",
                       name=brand.logo[:60]),
                "logo",
            )  # fmt: skip
    for name in ("colour", "ground"):
        value = getattr(brand, name)
        if value and not _COLOUR.fullmatch(value):
            yield worded("%(value)r is no colour: write such as #0b6e4f.", value=value[:20]), name
    for name in ("address", "legal"):
        value = getattr(brand, name)
        if len(value) > LONGEST_FOOT or "{{" in value or "{%" in value:
            yield worded("Up to %(most)s characters, without {{ and {%%.", most=LONGEST_FOOT), name


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    plain = not re.search(r"[\s\"'<>{}\\]", text) and len(text) <= LONGEST_URL
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname)


def _lines(text: str) -> str:
    return "\n".join(line for each in text.splitlines() if (line := " ".join(each.split())))

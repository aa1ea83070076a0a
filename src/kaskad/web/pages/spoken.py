"""What people type into forms, as definitions have it: `7 дней` is `7d`, `500` is `500 KZT`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kaskad.domain.span import parse_span

_is_span = re.compile(
    r"goal_within|reentry_after|trigger_(delay|before|after)|wait|at_by|clock_\d+_for|branch_\d+_unless_goal_in"
).fullmatch
_AMOUNTS = ("budget_total", "budget_per_contact")
_number = re.compile(r"\d[\d \u00a0]*([.,]\d{1,2})?").fullmatch
_worded = re.compile(r"(\d{1,4})\s*([a-zа-яё]+)\.?").fullmatch
_UNITS = (  # how the word for a unit begins -> the unit
    ("week", "w"), ("нед", "w"), ("day", "d"), ("д", "d"), ("сут", "d"), ("hour", "h"), ("ч", "h"),
    ("мес", "mo"), ("month", "mo"), ("minute", "m"), ("м", "m"), ("sec", "s"), ("с", "s"),
)  # fmt: skip


def spoken(told: Mapping[str, str], currency: str) -> dict[str, str]:
    """Return the fields of a form with what they mean; what is not understood stays as it is."""
    found = dict(told)
    for name, value in told.items():
        if _is_span(name):
            found[name] = span(value)
        elif name in _AMOUNTS:
            found[name] = amount(value, currency)
        elif name == "holdout" and value.strip().isdecimal():
            found[name] = f"{value.strip()}%"
    return found


def span(value: str) -> str:
    """Return a duration that is said in words as definitions write it: `2 часа` is `2h`."""
    try:
        parse_span(value)
    except ValueError:
        said = _worded(value.strip().lower())
        units = (unit for begins, unit in _UNITS if said is not None and said[2].startswith(begins))
        unit = next(units, "")
        return f"{said[1]}{unit}" if said is not None and unit else value
    return value


def amount(value: str, currency: str) -> str:
    """Return an amount with a currency where none is written."""
    return f"{value.strip()} {currency}" if currency and _number(value.strip()) else value

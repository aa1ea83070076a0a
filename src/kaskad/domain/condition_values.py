"""Values of conditions: how a text stands for a number or a date, and which orders there are."""

from __future__ import annotations

from datetime import UTC, datetime


class Instant(int):
    """Milliseconds since 1970 that came from a date, so that a text beside it is read as a date."""


def order_of(left: object, right: object) -> int | None:
    """Return -1, 0 or 1 as left is less, the same or more, or None where the two have no order."""
    if isinstance(left, bool) or isinstance(right, bool):
        return None
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return (left > right) - (left < right)
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    return None


def align(left: object, right: object) -> tuple[object, object]:
    """Return both sides in one type where a text stands for a number or a date, as it does from CSV files."""
    if isinstance(left, str) and not isinstance(right, str):
        return _read_as(left, right), right
    if isinstance(right, str) and not isinstance(left, str):
        return left, _read_as(right, left)
    if isinstance(left, bool) != isinstance(right, bool):
        return left, (right,)  # 1 is not true
    return left, right


def _read_as(text: str, example: object) -> object:
    if isinstance(example, Instant):
        at = read_instant(text)
        return text if at is None else at
    if isinstance(example, bool):
        return {"true": True, "false": False}.get(text.strip().lower(), text)
    if isinstance(example, int | float):
        return number(text)
    return text


def number(text: str) -> object:
    if len(text) > 40:
        return text
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return value if value == value else text  # not a number is no number
    return text


def read_instant(text: str) -> int | None:
    """Return the milliseconds of an ISO 8601 date or date and time (UTC where it names no zone), or None."""
    if len(text) > 40:
        return None
    try:
        when = datetime.fromisoformat(text.strip())
        aware = when if when.tzinfo else when.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def amount_of(value: object) -> int | float | None:
    read = number(value) if isinstance(value, str) else value
    return read if isinstance(read, int | float) and not isinstance(read, bool) else None

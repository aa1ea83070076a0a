"""What a dotted path such as `trigger.starts_at` leads to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kaskad.domain.condition_values import read_instant

_EARLIEST, _LATEST = -2_208_988_800_000, 7_258_118_400_000  # 1900, 2200: 0001 and 9999 mean "none"


def look_up(path: str, scope: Mapping[str, Any]) -> Any:
    """Return what a dotted path leads to, or None."""
    value: Any = scope
    for key in path.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def meet(path: str, values: Mapping[str, Any], other: str, others: Mapping[str, Any]) -> bool:
    """Say whether two paths lead to the same; where either goes through a list, one common item is enough."""
    one, two = look_up(path, values), look_up(other, others)
    if one is not None and two is not None and not isinstance(one, list) and not isinstance(two, list):
        return bool(one == two)
    known = _all_at(other, others)
    found = _all_at(path, values)
    return any(each in known for each in found) if found or known else one == two


def _all_at(path: str, value: Any) -> list[Any]:
    """Return all that a path leads to, through each item of each list."""
    if isinstance(value, list):
        return [each for item in value for each in _all_at(path, item)]
    if not path:
        return [] if value is None else [value]
    key, _, rest = path.partition(".")
    return _all_at(rest, value[key]) if isinstance(value, Mapping) and key in value else []


def instant_at(path: str, properties: Mapping[str, Any], attributes: Mapping[str, Any]) -> int | None:
    """Return the instant (milliseconds) that an anchor's path names, or None where there is none."""
    value = look_up(path, {"trigger": properties, "contact": attributes})
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):  # seconds, as most systems write them; milliseconds past the year 5138
        at: float | None = value if value > 100_000_000_000 else value * 1000
    else:
        at = read_instant(str(value))
    return int(at) if at is not None and _EARLIEST <= at < _LATEST else None

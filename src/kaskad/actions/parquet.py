"""Rows as Parquet: columns with types, some ten thousand rows at a time, passed on as they are written.

Written by pyarrow, which is what the field's tools read it with. It takes 170 MB and so comes only where it
is asked for (`pip install 'kaskad[parquet]'`), and is imported only here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from importlib import import_module
from types import ModuleType

import msgspec

from kaskad.domain.errors import Conflict
from kaskad.domain.worded import worded

GROUP = 20_000  # rows that are written together: some megabytes of memory
_MONEY = Decimal("0.001")  # three digits, as the dinar of Kuwait has
TYPES = {  # of columns by their names; all others are text, what is nested as JSON
    "at": "instant", "created_at": "instant", "entered_at": "instant", "finished_at": "instant",
    "submitted_at": "instant", "sent_at": "instant", "expires_at": "instant", "day": "date", "price": "money",
    "cost": "money", "value": "money",
    "returned": "money", "version": "number", "attempt": "number", "seq": "number",
    "messages": "number", "granted": "truth", "tracking": "truth", "late": "truth", "holdout": "truth",
    "seed": "truth", "erased": "truth",
}  # fmt: skip


def need() -> ModuleType:
    """Return pyarrow; raises Conflict with what to do where it is not there."""
    try:
        return import_module("pyarrow")
    except ImportError:
        raise Conflict(
            worded("Parquet is written by pyarrow, which is not installed: pip install 'kaskad[parquet]'.")
        ) from None


def write(
    header: Sequence[str], rows: Iterable[Mapping[str, object]], arrow: ModuleType
) -> Iterator[bytes]:  # fmt: skip
    """Yield the file group by group; its index stands at its end, so no part is taken for the whole."""
    schema = arrow.schema([(name, _type(arrow, TYPES.get(name, ""))) for name in header])
    passing = _Passing()
    file = arrow.PythonFile(passing, mode="w")
    with import_module("pyarrow.parquet").ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _groups(rows):
            columns = [[_value(row.get(name), TYPES.get(name, "")) for row in group] for name in header]
            arrays = [arrow.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
            yield passing.taken()
    yield passing.taken()


class _Passing:
    """A file that is written once, from its beginning to its end, and keeps nothing of what was taken."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0

    def tell(self) -> int:
        return self._at

    def write(self, part: bytes) -> int:
        self._parts.append(bytes(part))
        self._at += len(part)
        return len(part)

    def flush(self) -> None: ...

    def close(self) -> None:
        self.closed = True

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        found = b"".join(self._parts)
        self._parts.clear()
        return found


def _groups(rows: Iterable[Mapping[str, object]]) -> Iterator[list[Mapping[str, object]]]:
    group: list[Mapping[str, object]] = []
    for row in rows:
        group.append(row)
        if len(group) == GROUP:
            yield group
            group = []
    if group:
        yield group


def _type(arrow: ModuleType, kind: str) -> object:
    match kind:
        case "instant":
            return arrow.timestamp("ms", tz="UTC")
        case "date":
            return arrow.date32()
        case "money":
            return arrow.decimal128(18, 3)
        case "number":
            return arrow.int64()
        case "truth":
            return arrow.bool_()
    return arrow.string()


def _value(value: object, kind: str) -> object:
    if value is None or value == "":
        return None
    match kind:
        case "money":
            return Decimal(str(value)).quantize(_MONEY)
        case "instant" | "date" | "number":
            return value
        case "truth":
            return bool(value)
    if isinstance(value, str):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    return msgspec.json.encode(value).decode() if value not in ([], {}) else None

"""What is known, as a file: CSV, JSON Lines, Parquet or a workbook, written piece by piece as it is read."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import chain
from pathlib import Path

import msgspec

from kaskad.actions import export_data as data
from kaskad.actions import parquet
from kaskad.actions.export_data import Data
from kaskad.actions.export_rows import HEADERS, Fields, Wanted, What, ids_of, looked_over, pieces
from kaskad.actions.office import Office
from kaskad.engine.columns import EXPORTED
from kaskad.engine.sheets import csv_text
from kaskad.engine.workbooks import Cell, write_workbook

__all__ = ["Data", "Form", "Wanted", "What", "export", "export_data"]

_FIRST = ("id", "zone", "language", "country", "tracking")
_BLOCK = 1 << 16


class Form(StrEnum):
    """How the file is written."""

    CSV = "csv"
    JSONL = "jsonl"
    XLSX = "xlsx"
    PARQUET = "parquet"


def export(office: Office, what: What, form: Form, wanted: Wanted) -> Iterator[bytes]:
    """Return the file piece by piece; raises NotFound and Invalid before the first."""
    found = pieces(office, what, wanted)
    if form is Form.JSONL:
        return (b"".join(msgspec.json.encode(_said(row)) + b"\n" for row in rows) for rows in found)
    if form is Form.PARQUET:
        parquet.need()
    names = HEADERS.get(what) or _header(looked_over(office, wanted))
    return _written(names, found, form)


def export_data(
    office: Office, what: Data, form: Form, wanted: Wanted, identified: bool = False
) -> Iterator[bytes]:
    """Return a set of rows for a warehouse piece by piece; raises as `export` does, before the first."""
    found = data.rows(office, what, ids_of(office, wanted), wanted.since, wanted.until, identified)
    if form is Form.JSONL:
        return (b"".join(msgspec.json.encode(_said(row)) + b"\n" for row in some) for some in found)
    if form is Form.PARQUET:
        parquet.need()
    return _written(data.header(what, identified), found, form)


def _written(names: Sequence[str], found: Iterator[list[Fields]], form: Form) -> Iterator[bytes]:
    if form is Form.PARQUET:
        return parquet.write(names, chain.from_iterable(found), parquet.need())
    return _csv(names, found) if form is Form.CSV else _workbook(names, found)


def _header(found: Iterator[list[Fields]]) -> Sequence[str]:
    """Return the columns that people need, which takes a look at everybody."""
    names: Counter[str] = Counter()
    for people in found:
        names.update(chain.from_iterable(people))
    return [*_FIRST, *sorted(names.keys() - {*_FIRST, *EXPORTED}), *EXPORTED]


def _csv(header: Sequence[str], found: Iterator[list[Fields]]) -> Iterator[bytes]:
    yield csv_text([header]).encode("utf-8-sig")  # the mark, so that a spreadsheet reads it as UTF-8
    for rows in found:
        yield csv_text([[_text(row.get(name)) for name in header] for row in rows]).encode()


def _workbook(header: Sequence[str], found: Iterator[list[Fields]]) -> Iterator[bytes]:
    with tempfile.TemporaryDirectory(prefix="kaskad-export-") as folder:
        path = Path(folder) / "export.xlsx"
        write_workbook(
            path, header, ([_cell(row.get(name)) for name in header] for row in chain.from_iterable(found))
        )
        with path.open("rb") as file:
            path.unlink()  # gone with whoever reads it
            while block := file.read(_BLOCK):
                yield block


def _said(row: Fields) -> Fields:
    return {name: value for name, value in row.items() if value is not None}


def _text(value: object) -> str:
    if value is None or value in ([], {}):
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _cell(value: object) -> Cell:
    if value is None or value in ([], {}):
        return None
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, str | int | float | bool | date):
        return value
    return msgspec.json.encode(value).decode()

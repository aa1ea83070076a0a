"""What is known, as a file: CSV, JSON Lines or a workbook, written piece by piece as it is read."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import chain
from pathlib import Path

import msgspec

from kaskad.actions.export_rows import HEADERS, Fields, Wanted, What, looked_over, pieces
from kaskad.actions.office import Office
from kaskad.engine.columns import EXPORTED
from kaskad.engine.sheets import csv_text
from kaskad.engine.workbooks import Cell, write_workbook

__all__ = ["Form", "Wanted", "What", "export"]

_FIRST = ("id", "zone", "language", "country", "tracking")
_BLOCK = 1 << 16


class Form(StrEnum):
    """How the file is written."""

    CSV = "csv"
    JSONL = "jsonl"
    XLSX = "xlsx"


def export(office: Office, what: What, form: Form, wanted: Wanted) -> Iterator[bytes]:
    """Return the file piece by piece; raises NotFound and Invalid before the first."""
    found = pieces(office, what, wanted)
    if form is Form.JSONL:
        return (b"".join(msgspec.json.encode(_said(row)) + b"\n" for row in rows) for rows in found)
    header = HEADERS.get(what) or _header(looked_over(office, wanted))
    return _csv(header, found) if form is Form.CSV else _workbook(header, found)


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
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _cell(value: object) -> Cell:
    if value is None or value in ([], {}):
        return None
    if isinstance(value, str | int | float | bool | datetime):
        return value
    return msgspec.json.encode(value).decode()

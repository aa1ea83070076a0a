"""Write a table as a workbook (XLSX), row by row, so that its size costs room on the disk only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Protocol

Cell = str | int | float | bool | date | None  # also datetime, an instant

ROWS = 1_048_576  # of a sheet: https://support.microsoft.com/en-us/office/excel-specifications-and-limits
LONGEST = 32_767  # characters of a cell
_EXACT = 10**15  # a spreadsheet keeps 15 digits of a number


class _Sheet(Protocol):
    """What is asked of a sheet of XlsxWriter, which has no types: https://xlsxwriter.readthedocs.io"""

    def write_string(self, row: int, column: int, text: str, form: object = None) -> int: ...

    def write_number(self, row: int, column: int, number: float) -> int: ...

    def write_boolean(self, row: int, column: int, boolean: bool) -> int: ...

    def write_datetime(self, row: int, column: int, at: date, form: object) -> int: ...

    def freeze_panes(self, row: int, column: int) -> None: ...


def write_workbook(path: Path, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Write rows to a new file, on further sheets where one is full.

    Texts are written as texts, also those that look like formulas: nothing in a cell is carried out. Instants
    are dates in UTC, days are days. Of a text that is too long for a cell the beginning is written.
    """
    from xlsxwriter import Workbook  # type: ignore[import-untyped]  # slow to import

    with Workbook(str(path), {"constant_memory": True, "tmpdir": str(path.parent)}) as book:
        forms = {
            kind: book.add_format({"num_format": form})
            for kind, form in ((date, "yyyy-mm-dd"), (datetime, "yyyy-mm-dd hh:mm:ss"))
        }
        bold = book.add_format({"bold": True})
        sheet, place = _sheet(book.add_worksheet(), header, bold), 1
        for row in rows:
            if place == ROWS:
                sheet, place = _sheet(book.add_worksheet(), header, bold), 1
            for column, cell in enumerate(row):
                _write(sheet, place, column, cell, forms)
            place += 1


def _sheet(sheet: _Sheet, header: Sequence[str], bold: object) -> _Sheet:
    for column, name in enumerate(header):
        sheet.write_string(0, column, name[:LONGEST], bold)
    sheet.freeze_panes(1, 0)
    return sheet


def _write(
    sheet: _Sheet, row: int, column: int, cell: Cell, forms: Mapping[type[date], object]
) -> None:  # fmt: skip
    if cell is None or cell == "":
        return
    if isinstance(cell, bool):
        sheet.write_boolean(row, column, cell)
    elif isinstance(cell, date):
        plain = cell.astimezone(UTC).replace(tzinfo=None) if isinstance(cell, datetime) else cell
        if 1900 < plain.year < 9999:
            sheet.write_datetime(row, column, plain, forms[type(plain)])
        else:
            sheet.write_string(row, column, str(plain))
    elif isinstance(cell, int | float) and abs(cell) < _EXACT:
        sheet.write_number(row, column, cell)
    else:
        text = str(cell)
        sheet.write_string(row, column, text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")

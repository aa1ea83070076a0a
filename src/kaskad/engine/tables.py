"""Read the rows of a table that somebody has sent: CSV, JSON Lines, or a workbook of a spreadsheet program.

What stands above the header, such as the title of a report, is passed over; rows are counted with it.
A file is looked through to its end before its first row is given away: what breaks off is refused whole.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from kaskad.domain.errors import Invalid
from kaskad.domain.worded import worded
from kaskad.engine.encodings import Encoded, encoded
from kaskad.engine.sheets import as_told
from kaskad.engine.unpacking import check_readable, check_unpacked

COLUMNS_AT_MOST = 500
_DELIMITERS = ",;\t|"
_GUARDED = re.compile(r"'['=@\t\r+-]").search
_LONGEST_HEADER = 65_536
_TITLES_AT_MOST = 10  # rows that are looked through for the header
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")  # XLSX, XLSB, ODS; XLS
_SPELLED = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_Cell = str | float | int | bool | time | date | datetime | timedelta


class Line(Struct, frozen=True, array_like=True):
    """A row as a spreadsheet counts it (the header is 1). `problem`: why it has no cells."""

    row: int
    cells: list[str]
    problem: str = ""


class Table(Struct, frozen=True):
    """A file of which the header has been read. `lines` gives the other rows, each time from the first on."""

    header: list[str]
    lines: Callable[[], Iterator[Line]]
    size: int
    shape: str  # in words: what it is, and how it was written
    encoding: str = ""
    delimiter: str = ""
    remark: str = ""
    guarded: bool = False  # there are cells as `sheets.harmless` makes them


def open_table(data: bytes, source: str) -> Table:
    """Return the table in a file, whatever its kind; raises Invalid where it is none, or breaks off."""
    if data.startswith(WORKBOOKS):
        table = _workbook(data, source)
    else:
        text = encoded(data, source)
        start = text.data[:4096].decode(text.codec, "ignore").lstrip()
        table = _json_lines(text, source) if start.startswith("{") else _csv(text, source)
    if not any(table.header):
        raise Invalid(
            [
                worded(
                    "%(source)s is empty: its first line must name the columns",
                    source=source,
                )
            ]
        )
    if len(table.header) > COLUMNS_AT_MOST:
        raise Invalid(
            [
                worded(
                    "%(source)s has %(n)s columns, and at most %(columns_at_most)s are read: leave "
                    "out those that no message needs",
                    source=source,
                    n=len(table.header),
                    columns_at_most=COLUMNS_AT_MOST,
                )
            ]
        )
    return table


def delimiter_of(text: str) -> str:
    """Return what separates the cells: what the header has most of, outside quotes."""
    first = text.lstrip().splitlines()[:_TITLES_AT_MOST] or [""]
    header = re.sub(r'"[^"]*"', "", first[0])
    if any(each in header for each in _DELIMITERS):
        return max(_DELIMITERS, key=header.count)
    below = (each for each in _DELIMITERS if _above_header(line.split(each) for line in first))
    return next(below, _DELIMITERS[0])


def _above_header(rows: Iterable[Sequence[str]]) -> int:
    """Return how many rows stand above the header: a title, empty rows, as in reports of other programs."""
    for number, cells in enumerate(islice(rows, _TITLES_AT_MOST)):
        named = [cell for cell in cells if cell.strip()]
        if len(named) > 1:
            return 0 if any(map(_is_value, named)) else number
    return 0


def _is_value(cell: str) -> bool:
    """Say whether a cell is no name of a column: an address, or more of digits than of letters."""
    return "@" in cell or sum(map(str.isdecimal, cell)) > sum(map(str.isalpha, cell))


def _csv(text: Encoded, source: str) -> Table:
    def wrapped() -> io.TextIOWrapper:
        return io.TextIOWrapper(io.BytesIO(text.data), text.codec, "replace", newline="")

    delimiter = delimiter_of(wrapped().read(_LONGEST_HEADER))
    above = 0
    guarded = b"'" in text.data and any(map(_GUARDED, wrapped()))
    held: list[str] = []  # lines of the row that is being read
    header: list[str] | None = None
    size = 0
    quoted = b'"' in text.data  # else a row is a line, and need not be held to be looked at
    reader = csv.reader(_holding(wrapped(), held) if quoted else wrapped(), delimiter=delimiter)
    last: list[str] = []
    try:
        above = _above_header(csv.reader(wrapped(), delimiter=delimiter))
        for cells in islice(reader, above, above + 1):
            header = [as_told(name.strip()) if guarded else name.strip() for name in cells]
            last, held[:] = held[:], []
        if not quoted:
            size = sum(1 for _ in reader)
        for _ in reader:
            size += 1
            last, held[:] = held[:], []
        _check_quotes(last, delimiter)
    except csv.Error as error:
        problem = str(error)
        if "field limit" in problem:
            problem = worded(
                "a cell has more than %(field_size_limit)s characters: is a quote in it never closed?",
                field_size_limit=csv.field_size_limit(),
            )
        raise Invalid(
            [
                worded(
                    "%(source)s, line %(line_num)s: %(problem)s",
                    source=source,
                    line_num=reader.line_num,
                    problem=problem,
                )
            ]
        ) from None

    def lines() -> Iterator[Line]:
        rows = csv.reader(wrapped(), delimiter=delimiter)
        for number, cells in enumerate(islice(rows, above + 1, None), above + 2):
            yield Line(number, cells)

    shape = f"CSV, {text.name}, {_SPELLED[delimiter]}"
    return Table(header or [], lines, size, shape, text.name, delimiter, text.remark, guarded)


def _holding(lines: Iterator[str], held: list[str]) -> Iterator[str]:
    for line in lines:
        held.append(line)
        yield line


def _check_quotes(last: Sequence[str], delimiter: str) -> None:
    """Raise csv.Error where a quote is open at the end: it would have swallowed all rows behind it."""
    if len(last) < 2:
        return
    try:
        list(csv.reader(last, delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise csv.Error(
                worded(
                    "a quote is opened %(n)s lines earlier and never closed: close it, or take it away",
                    n=len(last) - 1,
                )
            ) from None


def _json_lines(text: Encoded, source: str) -> Table:
    decoder = msgspec.json.Decoder(dict[str, Any])

    def objects() -> Iterator[tuple[int, dict[str, str], str]]:
        with io.TextIOWrapper(io.BytesIO(text.data), text.codec, "replace") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    try:
                        yield number, _flat(decoder.decode(line)), ""
                    except (msgspec.MsgspecError, RecursionError, UnicodeError, ValueError) as error:
                        yield number, {}, f"no JSON object: {error}"

    names: dict[str, None] = {}
    size = 0
    for _, found, _ in objects():
        names |= dict.fromkeys(found)
        size += 1
        if len(names) > COLUMNS_AT_MOST:
            break
    header = list(names)

    def lines() -> Iterator[Line]:
        for number, found, problem in objects():
            yield Line(number, [found.get(name, "") for name in header], problem)

    if not header:
        raise Invalid(
            [
                worded(
                    "%(source)s: no line is a JSON object with fields such as id, name, email", source=source
                )
            ]
        )
    return Table(header, lines, size, f"JSON Lines, {text.name}", text.name, "", text.remark)


def _flat(value: dict[str, Any], before: str = "") -> dict[str, str]:
    """Return the fields as texts; those of an object within get its name and a dot before theirs."""
    found: dict[str, str] = {}
    for name, each in value.items():
        if isinstance(each, dict):
            found |= _flat(each, f"{before}{name}.")
        elif each is not None:
            text = each if isinstance(each, str) else msgspec.json.encode(each).decode()
            if "\0" in text or not _is_storable(text):
                raise ValueError(worded("%(name)s holds a character that no text has", name=name))
            found[before + name.strip()] = text
    return found


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _workbook(data: bytes, source: str) -> Table:
    from python_calamine import CalamineWorkbook

    check_unpacked(data, source)
    check_readable(data, source)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        sheets = (book.get_sheet_by_name(name) for name in book.sheet_names)
        sheet = next((sheet for sheet in sheets if sheet.height), None)
        first = (
            [[_as_text(cell) for cell in row] for row in islice(sheet.iter_rows(), _TITLES_AT_MOST)]
            if sheet is not None
            else []
        )
    except BaseException as error:  # the reader panics over some files, and that is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        raise Invalid(
            [
                worded(
                    "%(source)s is no text, and no workbook that can be read (%(one_line)s): save it "
                    "as CSV in UTF-8",
                    source=source,
                    one_line=_one_line(error),
                )
            ]
        ) from None
    if sheet is None:
        raise Invalid(
            [
                worded(
                    "%(source)s is empty: no sheet in it has a cell; its first line must name the columns",
                    source=source,
                )
            ]
        )
    top, _ = sheet.start or (0, 0)
    above = _above_header(first)

    def lines() -> Iterator[Line]:
        rows = islice(sheet.iter_rows(), above + 1, None)
        for number, cells in enumerate(rows, top + above + 2):
            yield Line(number, [_as_text(cell) for cell in cells])

    header = [cell.strip() for cell in first[above]]
    return Table(header, lines, sheet.height - 1 - above, f"workbook, sheet {sheet.name!r}")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _as_text(cell: _Cell) -> str:
    """Return a cell as a person would have typed it: telephone numbers are numbers to a spreadsheet."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat()
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell)

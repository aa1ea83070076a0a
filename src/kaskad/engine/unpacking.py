"""Whether a workbook can be unpacked: a few kilobytes may stand for more cells than any memory holds."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from typing import IO

from kaskad.domain.errors import Invalid
from kaskad.domain.worded import worded

_LARGEST = 2_000_000_000  # bytes of an unpacked workbook
_DENSEST = 200  # times its packed size; spreadsheets of one word again and again come to 100
_SMALL = 20_000_000  # bytes that are unpacked in any case
_MOST_CELLS = 50_000_000  # the reader keeps the whole rectangle: 32 bytes also where there is no cell
_PLAIN_COLUMNS = 26
_MEMORY = 4_000_000_000  # bytes that reading may take
_PATIENCE_S = 300
_BLOCK = 1 << 20
_LAP = 64  # bytes of one block that are looked at again with the next
_sheet = re.compile(r"xl/worksheets/[^/]+\.xml", re.IGNORECASE).fullmatch
# As spreadsheets write them, and as XML allows as well, which takes six times as long to look for.
_rows = re.compile(rb'<row (?:[^>]*? )?r="([0-9]{1,9})"').findall
_columns = re.compile(rb' r="([A-Z]{2,3})[0-9]').findall  # beyond Z
_odd_rows = re.compile(rb"""<(?:\w+:)?row\s(?:[^>]*?\s)?r\s*=\s*["']([0-9]{1,9})["']""").findall
_odd_columns = re.compile(rb"""\sr\s*=\s*["']([A-Z]{2,3})[0-9]""").findall
_ODD = (b"r='", b":row", b"r =", b"\nr=", b"\tr=")


def check_unpacked(data: bytes, source: str) -> None:
    """Raise Invalid for a workbook that would fill the memory, or breaks off."""
    if not data.startswith(b"PK"):
        return
    try:
        book = zipfile.ZipFile(io.BytesIO(data))
        size = sum(entry.file_size for entry in book.infolist())
        if size > _LARGEST or (size > _SMALL and size > _DENSEST * len(data)):
            raise Invalid(
                [
                    worded(
                        "%(source)s unpacks from %(n)s to %(size)s bytes, more than can be read: split "
                        "it, or save it as CSV in UTF-8",
                        source=source,
                        n=f"{len(data):,}",
                        size=f"{size:,}",
                    )
                ]
            )
        for entry in book.infolist():
            if _sheet(entry.filename):
                with book.open(entry) as sheet:
                    _check_rectangle(sheet, source)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RuntimeError, EOFError):
        raise Invalid(
            [
                worded(
                    "%(source)s is no text, and as a workbook it is cut off: save it again, or as "
                    "CSV in UTF-8",
                    source=source,
                )
            ]
        ) from None


# What it does to a sheet too large is to end the process, whatever kind of workbook, and however it says so.
_TRY = f"""
import io, os, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, ({_MEMORY}, {_MEMORY}))
except ImportError:
    pass
from python_calamine import CalamineWorkbook
try:
    book = CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read()))
    any(book.get_sheet_by_name(name).height for name in book.sheet_names)
except MemoryError:
    os._exit(3)
"""


def check_readable(data: bytes, source: str) -> None:
    """Raise Invalid for a workbook that the reader does not survive, having let it try in another process.

    What it merely refuses (status 1), it refuses in this one as well, and says why.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _TRY], input=data, capture_output=True, timeout=_PATIENCE_S
        )
    except subprocess.TimeoutExpired:
        done = None
    if done is None or done.returncode not in (0, 1):
        raise Invalid(
            [
                worded(
                    "%(source)s has a sheet that reaches farther than can be read: delete what "
                    "stands away from the table (Ctrl+End leads to it), or save it as CSV in UTF-8",
                    source=source,
                )
            ]
        )


def _check_rectangle(sheet: IO[bytes], source: str) -> None:
    """Raise Invalid where one cell far from the table makes the rectangle around both too large."""
    last_row, last_column = 1, "A"
    for block in _blocks(sheet):
        odd = any(sign in block for sign in _ODD)
        last_row = max(last_row, *map(int, (_odd_rows if odd else _rows)(block)), 0)
        for column in set((_odd_columns if odd else _columns)(block)):
            last_column = max(last_column, column.decode(), key=_number)
        if last_row * max(_number(last_column), _PLAIN_COLUMNS) > _MOST_CELLS:
            raise Invalid(
                [
                    worded(
                        "%(source)s has a sheet that reaches to row %(last_row)s and column "
                        "%(last_column)s, far more than can be read: delete what stands away from the "
                        "table (Ctrl+End leads to it), or save it as CSV in UTF-8",
                        source=source,
                        last_row=f"{last_row:,}",
                        last_column=last_column,
                    )
                ]
            )


def _blocks(sheet: IO[bytes]) -> Iterator[bytes]:
    before = b""
    while block := sheet.read(_BLOCK):
        yield before + block
        before = block[-_LAP:]


def _number(column: str) -> int:
    """Return the place of a column by its letters: A is 1, AA 27."""
    number = 0
    for letter in column:
        number = number * 26 + ord(letter) - 64
    return number

"""Write tables that a spreadsheet program opens without carrying out what somebody has put into a cell."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

# A number with a sign is no formula. What begins with apostrophes by itself gets one more, and so comes back.
_acts = re.compile(r"'*(?:[=@\t\r]|[+-](?![\d\s().-]*$))").match


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """Return the rows as CSV, each ending with a line break."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([harmless(cell) for cell in row] for row in rows)
    return out.getvalue()


def harmless(cell: str) -> str:
    """Return the cell, behind an apostrophe where it would be taken for a formula.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    return f"'{cell}" if _acts(cell) else cell


def as_told(cell: str) -> str:
    """Return what `harmless` has made this cell of."""
    return cell[1:] if cell[:1] == "'" and _acts(cell) else cell

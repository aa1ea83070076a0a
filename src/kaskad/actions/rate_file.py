"""Read exchange rates from a file as national banks publish them: all of it, or every unreadable row."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation

from kaskad.domain.errors import Invalid
from kaskad.domain.money import DIGITS
from kaskad.domain.rates import EXACT, FINEST, Rate
from kaskad.domain.worded import worded, wording
from kaskad.engine.tables import Line, Table, open_table

COLUMNS: dict[str, tuple[str, ...]] = {  # what a column is: how its header may read, without spaces and signs
    "date": ("date", "day", "validfrom", "дата", "data"),
    "from": (
        "from", "currency", "code", "charcode", "base", "валюта", "из", "код", "буквкод", "буквенныйкод",
    ),
    "to": ("to", "quote", "in", "в", "валютакурса"),
    "rate": ("rate", "value", "curs", "курс", "значение"),
    "amount": (
        "amount", "nominal", "quant", "quantity", "units", "номинал", "количество", "кво", "единиц",
    ),
}  # fmt: skip
PASSED_OVER = ("cdx", "name", "title", "index", "change", "numcode", "цифркод", "название", "наименование",
               "наименованиевалюты", "изменение")  # fmt: skip
WRITTEN = ("date", "from", "to", "rate")
MAX_ROWS, SHOWN = 200_000, 100
_BY_HEADER = {header: column for column, headers in COLUMNS.items() for header in headers}
_EPOCH = date(1970, 1, 1)
_DATES = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%Y%m%d")
_TIME = re.compile("[ T]")
_THOUSANDS = re.compile(r"\+?[1-9]\d{0,2},\d{3}")  # or a decimal comma: a thousandfold apart
_MOST = Decimal(10) ** 12


def read_rates(data: bytes, source: str, to: str = "") -> list[Rate]:
    """Return the rates of a file; `to` counts where it has no such column.

    Raises Invalid with each row that cannot be read, by its number, and for two that say different things.
    """
    table = open_table(data, source)
    columns = _columns(table, source, to)
    found: dict[tuple[str, str, int], tuple[int, Rate]] = {}
    problems: list[str] = []
    for line in table.lines():
        if len(found) + len(problems) >= MAX_ROWS:
            problems.append(worded("it has more than %(most)s rows: split it", most=f"{MAX_ROWS:,}"))
            break
        try:
            rate = _read(line, columns, to)
        except ValueError as error:
            problems.append(worded("row %(number)s: %(error)s", number=line.row, error=wording(error)))
            continue
        if rate is None:
            continue
        before = found.setdefault((rate.base, rate.quote, rate.day), (line.row, rate))
        if before[1] != rate:
            problems.append(
                worded("row %(row)s tells another rate for the same day than row %(before)s", row=line.row,
                       before=before[0])
            )  # fmt: skip
    if not found and not problems:
        problems.append(worded("it has no rows"))
    if problems:
        more = len(problems) - SHOWN
        shown = problems[:SHOWN] + ([worded("and %(more)s more", more=more)] if more > 0 else [])
        raise Invalid(
            [worded("%(source)s: %(problem)s", source=source, problem=problem) for problem in shown]
        )
    return [rate for _, rate in found.values()]


def written(rates: Iterable[Rate]) -> str:
    """Return rates as a CSV file that `read_rates` reads."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(WRITTEN)
    for one in rates:
        writer.writerow([text_of_day(one.day), one.base, one.quote, f"{one.value.normalize(EXACT):f}"])
    return out.getvalue()


def rate_of(day: str, base: str, quote: str, value: str, amount: str = "") -> Rate:
    """Return the rate that these texts tell; `value` is of so many units. Raises ValueError in words."""
    base, quote = _code(base), _code(quote)
    if base == quote:
        raise ValueError(worded("both currencies are %(code)s", code=base))
    units = _number(amount) if amount else Decimal(1)
    told = EXACT.divide(_number(value), units)
    if not 0 < told < _MOST:
        raise ValueError(worded("rate %(text)r is not one: it is more than 0, such as 512.35", text=value))
    if -int(told.normalize(EXACT).as_tuple().exponent) > FINEST:
        raise ValueError(
            worded("rate %(text)r is finer than %(digits)s digits after the point", text=value, digits=FINEST)
        )
    return Rate(day_of(day), base, quote, told)


def day_of(text: str) -> int:
    """Return a day such as 2026-11-30 or 30.11.2026 in days since 1970; raises ValueError in words.

    A time of day may follow, after a space or a T.
    """
    told = _TIME.split(text.strip(), maxsplit=1)[0]
    for form in _DATES:
        try:
            return (datetime.strptime(told, form).date() - _EPOCH).days
        except ValueError:
            continue
    raise ValueError(worded("%(text)r is not a date such as 2026-11-30 or 30.11.2026", text=text))


def text_of_day(day: int) -> str:
    """Return a day as 2026-11-30."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def _columns(table: Table, source: str, to: str) -> list[str]:
    """Return what each column is, "" for those that are passed over; raises Invalid."""
    found: list[str] = []
    problems: list[str] = []
    for name in table.header:
        plain = "".join(sign for sign in name.lower() if sign.isalpha())
        column = _BY_HEADER.get(plain, "")
        if column and column in found:
            problems.append(worded("column %(name)r says again what another says", name=name.strip()))
        elif not column and plain not in PASSED_OVER and plain:
            problems.append(
                worded("column %(name)r is not known: the columns are %(known)s", name=name.strip(),
                       known="date, from, to, rate, amount")
            )  # fmt: skip
        found.append(column)
    for column in ("date", "from", "rate") if to else ("date", "from", "to", "rate"):
        if column not in found:
            problems.append(worded("there is no column `%(name)s`", name=column))
    if problems:
        raise Invalid(
            [worded("%(source)s: %(problem)s", source=source, problem=problem) for problem in problems]
        )
    return found


def _read(line: Line, columns: Sequence[str], to: str) -> Rate | None:
    if line.problem:
        raise ValueError(line.problem)
    if not any(cell.strip() for cell in line.cells):
        return None
    told: Mapping[str, str] = {
        name: cell.strip() for name, cell in zip(columns, line.cells, strict=False) if name
    }
    return rate_of(
        told.get("date", ""), told.get("from", ""), told.get("to", "") or to, told.get("rate", ""),
        told.get("amount", ""),
    )  # fmt: skip


def _code(text: str) -> str:
    code = text.strip().upper()
    if code not in DIGITS:
        raise ValueError(
            worded("%(code)r is no currency known here: write such as KZT, RUB or EUR", code=text)
        )
    return code


def _number(text: str) -> Decimal:
    told = "".join(sign for sign in text.strip() if sign not in " _\u00a0\u202f")
    plain = told.replace(",", ".")
    if _THOUSANDS.fullmatch(told):
        raise ValueError(
            worded("%(text)r may be either %(point)s or %(whole)s: write it without the comma", text=text,
                   point=plain, whole=told.replace(",", ""))
        )  # fmt: skip
    try:
        value = Decimal(plain)
    except InvalidOperation:
        raise ValueError(worded("%(text)r is not a number such as 512.35", text=text)) from None
    if not value.is_finite() or value <= 0 or value >= _MOST or value.adjusted() < -FINEST:
        raise ValueError(worded("rate %(text)r is not one: it is more than 0, such as 512.35", text=text))
    return value

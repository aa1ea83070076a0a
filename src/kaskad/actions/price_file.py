"""Read a price list from CSV: every unreadable row at once, and nothing of it where one is."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation, Overflow
from typing import get_args
from zoneinfo import ZoneInfo

from phonenumbers import country_code_for_region

from kaskad.domain.address import BadAddress, normalise_email
from kaskad.domain.errors import Invalid
from kaskad.domain.prices import ELSEWHERE, Per, PriceRow, overlaps
from kaskad.domain.terms import Channel, MessageClass
from kaskad.domain.worded import worded, wording
from kaskad.engine.encodings import encoded
from kaskad.engine.tables import WORKBOOKS, delimiter_of, open_table

COLUMNS: dict[str, tuple[str, ...]] = {  # what a column is: how its header may read, without spaces and signs
    "country": ("country", "страна", "iso"),
    "prefix": ("prefix", "code", "префикс", "код"),
    "domain": ("domain", "домен"),
    "operator": ("operator", "carrier", "network", "оператор", "сеть"),
    "class": ("class", "messageclass", "класс", "вид"),
    "category": ("category", "категория"),
    "sender": ("sender", "from", "отправитель", "имя"),
    "per": ("per", "unit", "за", "единица"),
    "price": ("price", "rate", "цена", "тариф"),
    "currency": ("currency", "валюта"),
    "since": ("validfrom", "since", "начало", "действуетс", "с"),
    "until": ("validuntil", "validto", "until", "конец", "действуетпо", "по"),
}
WRITTEN = (
    "country", "prefix", "domain", "operator", "class", "category", "sender", "per", "price", "currency",
    "valid_from", "valid_until",
)  # fmt: skip
MAX_ROWS, SHOWN, MAX_MICROS = 100_000, 100, 10**15
_BY_HEADER = {header: column for column, headers in COLUMNS.items() for header in headers}
_CLASSES = {member.value: member for member in MessageClass}
_DATES = ("%Y-%m-%d", "%d.%m.%Y")
_THOUSANDS = ("1000", "1 000", "1,000", "тысяча", "тысячу")
_PHONES = (
    Channel.SMS, Channel.ROBOT_CALL, Channel.AGENT_CALL, Channel.WHATSAPP, Channel.VIBER, Channel.TELEGRAM,
)  # fmt: skip


def read_prices(
    data: bytes, source: str, currency: str, channel: Channel, zone: str = "UTC"
) -> tuple[PriceRow, ...]:
    """Return the rows of a CSV file or a workbook; raises Invalid with each that is wrong, by its number.

    Days are those of the zone.
    """
    lines = _lines(data, source)
    if len(lines) > MAX_ROWS + 1:
        raise Invalid(
            [
                worded(
                    "%(source)s has %(n)s rows, more than %(max_rows)s: split the account",
                    source=source,
                    n=f"{len(lines) - 1:,}",
                    max_rows=f"{MAX_ROWS:,}",
                )
            ]
        )
    columns = _columns(lines[0][1] if lines else [], source, channel)
    reader = _Reader(columns, currency, channel, ZoneInfo(zone))
    found = [(number, row) for number, cells in lines[1:] if (row := reader.read(number, cells))]
    rows = [row for _, row in found]
    for first, second in overlaps(rows):
        told = worded(
            "row %(found)s says what row %(found2)s says for the same time",
            found=found[second][0],
            found2=found[first][0],
        )
        reader.problems.append(
            worded(
                "%(told)s (%(place)s): keep one, or give both dates that do not meet",
                told=told,
                place=rows[second].place,
            )
        )
    if not rows and not reader.problems:
        reader.problems.append(worded("it has no rows"))
    if reader.problems:
        more = len(reader.problems) - SHOWN
        shown = reader.problems[:SHOWN] + ([worded("and %(more)s more", more=more)] if more > 0 else [])
        raise Invalid(
            [worded("%(source)s: %(problem)s", source=source, problem=problem) for problem in shown]
        )
    return tuple(rows)


def _lines(data: bytes, source: str) -> list[tuple[int, list[str]]]:
    """Return the cells of each line with its number, the header first."""
    if data.startswith(WORKBOOKS):
        table = open_table(data, source)
        return [(1, table.header), *((line.row, line.cells) for line in table.lines())]
    written = encoded(data, source)
    text = written.data.decode(written.codec, "replace")
    try:
        found = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text[:65_536]))
        return list(enumerate(found, 1))
    except csv.Error as error:
        raise Invalid([worded("%(source)s: %(error)s", source=source, error=wording(error))]) from None


def written(rows: Sequence[PriceRow], currency: str, zone: str = "UTC") -> str:
    """Return the rows as a CSV file that `read_prices` reads in the same zone."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(WRITTEN)
    for row in rows:
        prefix = row.place if row.place.startswith("+") else ""
        domain = row.place[1:] if row.place.startswith("@") else ""
        writer.writerow([
            "" if prefix or domain else row.place, prefix, domain, row.operator, row.message_class or "",
            row.category, row.sender, row.per, amount_text(row.micros), currency,
            _date_text(row.since, ZoneInfo(zone)), _date_text(row.until, ZoneInfo(zone), before=1),
        ])  # fmt: skip
    return out.getvalue()


def amount_text(micros: int) -> str:
    """Return an amount in whole units of its currency, such as 14.5."""
    return f"{Decimal(micros).scaleb(-6).normalize():f}"


def _columns(header: Sequence[str], source: str, channel: Channel) -> list[str]:
    """Return what each column is; raises Invalid where that cannot be told."""
    found, problems = [], []
    for name in header:
        plain = "".join(sign for sign in name.lower() if sign.isalnum())
        column = _BY_HEADER.get(plain, "")
        if not column:
            problems.append(
                worded(
                    "column %(name)r is not known: the columns are %(known)s",
                    name=name.strip(),
                    known=", ".join(WRITTEN),
                )
            )
        elif column in found:
            problems.append(worded("column %(name)r says again what another says", name=name.strip()))
        found.append(column)
    if "price" not in found:
        problems.append(worded("there is no column `price`"))
    if channel in _PHONES and channel is not Channel.TELEGRAM and not {"country", "prefix"} & set(found):
        problems.append(worded("there is no column `country` or `prefix`"))
    if problems:
        raise Invalid(
            [worded("%(source)s: %(problem)s", source=source, problem=problem) for problem in problems]
        )
    return found


class _Reader:
    """Reads rows one by one and collects what is wrong with them."""

    def __init__(self, columns: Sequence[str], currency: str, channel: Channel, zone: ZoneInfo) -> None:
        self._columns, self._currency = columns, currency
        self._channel, self._zone = channel, zone
        self.problems: list[str] = []

    def read(self, number: int, cells: Sequence[str]) -> PriceRow | None:
        """Return a row, None where it is empty or wrong."""
        if not any(cell.strip() for cell in cells):
            return None
        try:
            if len(cells) > len(self._columns):
                raise ValueError(
                    worded(
                        "%(n)s cells, and the header names %(n2)s columns",
                        n=len(cells),
                        n2=len(self._columns),
                    )
                )
            told = {name: cell.strip() for name, cell in zip(self._columns, cells, strict=False)}
            return self._row(told)
        except ValueError as error:
            self.problems.append(worded("row %(number)s: %(error)s", number=number, error=wording(error)))
            return None

    def _row(self, told: Mapping[str, str]) -> PriceRow:
        since = _instant(told.get("since", ""), self._zone)
        until = _instant(told.get("until", ""), self._zone, days=1)
        if since is not None and until is not None and until <= since:
            raise ValueError(worded("it ends before it begins"))
        return PriceRow(
            place=self._place(told.get("country", ""), told.get("prefix", ""), told.get("domain", "")),
            micros=self._amount(told.get("price", ""), told.get("currency", "")),
            per=_per(told.get("per", "")),
            message_class=_class(told.get("class", "")),
            category=told.get("category", "").lower(),
            sender=told.get("sender", ""),
            since=since,
            until=until,
            operator=told.get("operator", ""),
        )

    def _place(self, country: str, prefix: str, domain: str) -> str:
        """Return whereto the row counts, as addresses of the channel can tell it."""
        if self._channel is Channel.EMAIL and not prefix and country in ("", ELSEWHERE):
            return f"@{_domain(domain)}" if domain else ELSEWHERE
        if domain or (self._channel not in _PHONES and (prefix or country not in ("", ELSEWHERE))):
            raise ValueError(
                worded(
                    "addresses of %(channel)s tell no such place: leave it empty, which is everywhere",
                    channel=self._channel.value,
                )
            )
        if not prefix and not country and self._channel not in _PHONES[:-1]:
            return ELSEWHERE
        return _number_place(country, prefix)

    def _amount(self, text: str, currency: str) -> int:
        """Return millionths of the currency's unit."""
        number, _, own = text.replace("\u00a0", " ").partition(" ")
        named = (currency or own.strip() or self._currency).upper()
        if named != self._currency:
            raise ValueError(
                worded(
                    "it is in %(named)s, and the account's price in %(currency)s: give both in one",
                    named=named,
                    currency=self._currency,
                )
            )
        try:
            micros = Decimal(number.replace(",", ".")).scaleb(6)
        except (InvalidOperation, Overflow):
            raise ValueError(worded("price %(text)r is not a number such as 14.5", text=text)) from None
        if not micros.is_finite() or micros < 0 or micros > MAX_MICROS:
            raise ValueError(worded("price %(text)r is not an amount", text=text))
        if micros != micros.to_integral_value():
            raise ValueError(worded("price %(text)r is finer than six digits after the point", text=text))
        return int(micros)


def _domain(text: str) -> str:
    try:
        return normalise_email(f"anyone@{text.removeprefix('@')}").rpartition("@")[2]
    except BadAddress:
        raise ValueError(worded("domain %(text)r is none such as example.org", text=text)) from None


def _number_place(country: str, prefix: str) -> str:
    if bool(country) == bool(prefix):
        raise ValueError(worded("it names a country or a prefix, one of them; * as country is everywhere"))
    if prefix:
        digits = prefix.removeprefix("+")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 15) or digits.startswith("0"):
            raise ValueError(
                worded("prefix %(prefix)r is not the beginning of a number such as +7701", prefix=prefix)
            )
        return f"+{digits}"
    if country != ELSEWHERE and not country_code_for_region(country.upper()):
        raise ValueError(
            worded("country %(country)r is no country's code of two letters, such as KZ", country=country)
        )
    return country.upper()


def _per(text: str) -> Per:
    if text.lower() in _THOUSANDS:
        return "thousand"
    for known in get_args(Per):
        if text.lower() in ("", known):
            per: Per = known
            return per
    raise ValueError(worded("per %(text)r: it is %(known)s", text=text, known=", ".join(get_args(Per))))


def _class(text: str) -> MessageClass | None:
    if text and text.lower() not in _CLASSES:
        raise ValueError(
            worded("class %(text)r: it is %(known)s, or empty for any", text=text, known=", ".join(_CLASSES))
        )
    return _CLASSES.get(text.lower())


def _instant(text: str, zone: ZoneInfo, days: int = 0) -> int | None:
    """Return the first instant of a day there, or so many days after it, or the instant; None for ""."""
    if not text:
        return None
    for form in _DATES:
        try:
            day = datetime.strptime(text, form).date() + timedelta(days=days)
        except (ValueError, OverflowError):
            continue
        return _midnight(day, zone)
    try:
        at = datetime.fromisoformat(text)
        return round((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError(
            worded("%(text)r is not a date such as 2026-11-30, nor 2026-11-30T18:00", text=text)
        ) from None


def _midnight(day: date, zone: ZoneInfo) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)


def _date_text(at: int | None, zone: ZoneInfo, before: int = 0) -> str:
    """Return a day where it begins there (or the one `before` it), else the instant; "" for None."""
    if at is None:
        return ""
    there = datetime.fromtimestamp(at / 1000, zone)
    if _midnight(there.date(), zone) == at:
        return (there.date() - timedelta(days=before)).isoformat()
    return there.isoformat()

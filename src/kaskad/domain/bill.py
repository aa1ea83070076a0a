"""A provider's bill, line by line: what its columns are, what a line says, and how it differs from ours.

Any provider's file will do: columns are told by their headers, in English or Russian, or named by the user.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation, Overflow
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from kaskad.domain.address import BadAddress, country_of, normalise_phone
from kaskad.domain.errors import Invalid
from kaskad.domain.money import DIGITS
from kaskad.domain.policy import MINUTE
from kaskad.domain.worded import worded

FEW_LINES = 5  # of fewer the times may agree by chance
MEANINGS: dict[str, tuple[str, ...]] = {  # what a column is: headers, letters and digits only, the best first
    "amount": (
        "amount", "total", "totalprice", "totalcost", "cost", "charge", "price", "sum", "сумма", "итого",
        "стоимость", "списано", "цена", "тариф",
    ),
    "id": (
        "messageid", "messagesid", "providerid", "smsid", "msgid", "sid", "uuid", "callid", "callsid", "id",
        "idсообщения", "idзвонка", "идентификатор", "номерсообщения",
    ),
    "reference": ("reference", "clientref", "clientreference", "clientid", "externalid", "extid", "userref"),
    "phone": (
        "to", "phone", "recipient", "destination", "msisdn", "number", "phonenumber", "called", "телефон",
        "номер", "номертелефона", "получатель", "абонент", "кому",
    ),
    "at": (
        "at", "sentat", "datesent", "senddate", "sent", "date", "datetime", "timestamp", "time", "createdat",
        "datecreated", "starttime", "датаотправки", "времяотправки", "датаивремя", "отправлено", "дата",
        "время",
    ),
    "parts": ("parts", "segments", "numsegments", "messagecount", "smscount", "units", "count", "части",
              "частей", "сегменты", "сегментов", "количество", "колво"),
    "currency": ("currency", "priceunit", "валюта"),
    "operator": ("operator", "carrier", "network", "оператор", "сеть"),
}  # fmt: skip
SKIP = "skip"
Asked = Mapping[str, str] | Sequence[str]  # what columns are: some by their headers, or all of them in order
MAX_MICROS = 10**15
_BY_HEADER = {header: name for name, headers in MEANINGS.items() for header in headers}
_NO_DIGITS = re.compile(r"[^0-9]+").sub
_FORMS = ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y")


class Line(Struct, frozen=True, gc=False):
    """A line of a bill. `micros`: millionths of the currency's unit; `at` None: it says no time."""

    row: int
    id: str
    reference: str
    phone: str
    at: int | None
    parts: int | None
    micros: int
    operator: str


Reason = Literal["price", "parts", "free", "several"]
REASONS = {
    "price": "the same message at another price",
    "parts": "the bill counts other parts than we do",
    "free": "we hold nothing for it: it was refused, or failures should be free",
    "several": "several lines are of one message",
}


def propose(header: Sequence[str], asked: Asked) -> list[str]:
    """Return what each column is, "" for one that is not read; what is `asked` comes first.

    Raises Invalid where no amount can be told, nothing says which message a line is of, or two are one thing.
    """
    return _checked(header, guess(header, asked), by_place=not isinstance(asked, Mapping))


def guess(header: Sequence[str], asked: Asked) -> list[str]:
    """Return the same, however little it says; raises Invalid where `asked` makes no sense."""
    problems = []
    if isinstance(asked, Mapping):
        told = [asked.get(name, "") for name in header]
        problems = [
            worded("there is no column %(name)r", name=name) for name in asked if name not in header
        ]  # fmt: skip
    else:
        told = list(asked)
    problems += [
        worded("a column is %(known)s or skip, not %(what)r", known=", ".join(MEANINGS), what=what)
        for what in (asked.values() if isinstance(asked, Mapping) else asked)
        if what not in MEANINGS and what != SKIP
    ]
    if problems:
        raise Invalid(problems)
    found = ["" if what == SKIP else what for what in told]
    ranks = [_rank(name) for name in header]
    for meaning in MEANINGS:
        if meaning in found:
            continue
        able = [
            (rank, place) for place, (means, rank) in enumerate(ranks)
            if not told[place] and not found[place] and means == meaning
        ]  # fmt: skip
        if able:
            found[min(able)[1]] = meaning
    return found


def _rank(name: str) -> tuple[str, int]:
    """Return what a header means, and how well it says so (0 is best)."""
    plain = "".join(sign for sign in name.lower() if sign.isalnum())
    meaning = _BY_HEADER.get(plain, "")
    return meaning, MEANINGS[meaning].index(plain) if meaning else 0


def _checked(header: Sequence[str], found: list[str], *, by_place: bool) -> list[str]:
    problems = []
    for meaning in MEANINGS:
        names = [name for name, what in zip(header, found, strict=True) if what == meaning]
        alike = not by_place and len(set(names)) == 1 and header.count(names[0]) > 1
        if alike and (len(names) > 1 or meaning == "amount"):
            problems.append(
                worded("several columns are called %(name)r: give them names of their own, or say on the "
                       "page Bills which of them is %(meaning)s", name=names[0], meaning=meaning)
            )  # fmt: skip
        elif len(names) > 1:
            problems.append(
                worded("only one column can be %(meaning)s, not all of %(names)s", meaning=meaning,
                       names=", ".join(names))
            )  # fmt: skip
    if "amount" not in found:
        problems.append(worded("no column says what a line costs: say which is the amount"))
    if not {"id", "reference"} & set(found) and not {"phone", "at"} <= set(found):
        problems.append(
            worded("no columns say which message a line is of: say which are its id, or phone and time (at)")
        )
    if problems:
        raise Invalid(problems)
    return found


class Reader:
    """Reads the lines of one bill; raises ValueError, worded, for a line that makes no sense.

    `negative`: the file writes charges as negative amounts, as Twilio does. `zone` is that of bare times.
    """

    def __init__(self, columns: Sequence[str], currency: str, country: str, zone: str) -> None:
        self._places = {name: place for place, name in enumerate(columns) if name}
        self._currency, self._country = currency, country or None
        self._zone = ZoneInfo(zone)
        self.negative = False

    def read(self, row: int, cells: Sequence[str]) -> Line:
        """Return the line."""
        have = len(cells)
        told = {name: cells[place].strip() for name, place in self._places.items() if place < have}.get
        if told("currency", "").upper() not in ("", self._currency):
            raise ValueError(worded("it is in another currency than the account"))
        micros = self.micros(cells)
        return Line(
            row, told("id", ""), told("reference", ""), _phone(told("phone", ""), self._country),
            _instant(told("at", ""), self._zone), _whole(told("parts", "")),
            -micros if self.negative else micros, told("operator", "")[:60],
        )  # fmt: skip

    def zone_of(self, at: int, shift_minutes: int) -> str:
        """Return which zone bare times are of, as +03:00, if they were so much too late as they were read.

        Empty where there is no such zone: 12 hours off may be a lost PM.
        """
        here = datetime.fromtimestamp(at / 1000, UTC).astimezone(self._zone).utcoffset() or timedelta()
        minutes = round(here.total_seconds()) // 60 + shift_minutes
        if not -12 * 60 <= minutes <= 14 * 60:
            return ""
        return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"

    def micros(self, cells: Sequence[str]) -> int:
        """Return the amount of a line as it is written, in millionths."""
        place = self._places["amount"]
        return _micros(cells[place] if place < len(cells) else "")


def shift_of(lines: Iterable[tuple[int, Collection[int]]]) -> int:
    """Return by how many minutes the times of most lines are later than messages to the same numbers.

    Told of each line are its time and those of the messages; counted is by half hours, as zones differ. 0: by
    none that most have, or there are too few lines to tell.
    """
    votes: Counter[int] = Counter()
    many = 0
    for many, (at, sent) in enumerate(lines, 1):  # noqa: B007
        votes.update({round((at - one) / (30 * MINUTE)) for one in sent})
    best, count = max(votes.items(), key=lambda one: (one[1], -abs(one[0])), default=(0, 0))
    return 30 * best if many >= FEW_LINES and 2 * count > many else 0


@lru_cache(10_000)
def _micros(text: str) -> int:
    plain = text.replace("\u00a0", "").replace(" ", "").replace(",", ".").strip()
    if not plain:
        raise ValueError(worded("it says no amount"))
    try:
        micros = Decimal(plain).scaleb(6)
    except (InvalidOperation, Overflow):
        micros = Decimal("NaN")
    if not micros.is_finite():
        raise ValueError(worded("its amount is not a number such as 14.5"))
    if abs(micros) > MAX_MICROS or micros != micros.to_integral_value():
        raise ValueError(worded("its amount is too large, or finer than six digits"))
    return int(micros)


def _phone(text: str, country: str | None) -> str:
    """Return a number as addresses have it, "" where it is none: bills write them without +."""
    digits = _NO_DIGITS("", text)
    if not 5 <= len(digits) <= 15:
        return ""
    if digits[0] != "0" and not (country == "RU" and len(digits) == 11 and digits[0] == "8"):
        return f"+{digits}"
    try:
        return normalise_phone(digits, country)
    except BadAddress:
        return ""


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else None


def _instant(text: str, zone: tzinfo) -> int | None:
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) in (10, 13):
        return int(text) * (1000 if len(text) == 10 else 1)
    at = _datetime(text.removesuffix(" UTC") + ("+00:00" if text.endswith(" UTC") else ""))
    try:
        return int((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp() * 1000)
    except (OverflowError, ValueError):
        raise ValueError(worded("its time is out of all years")) from None


def _datetime(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for form in _FORMS:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    raise ValueError(worded("its time is not one such as 2026-11-30 14:05:00 or 30.11.2026 14:05"))


@lru_cache(50_000)
def country_at(beginning: str) -> str:
    """Return the country of numbers that begin so; "" where that is not known."""
    return country_of(beginning + "0" * (12 - len(beginning))) or "" if beginning else ""


def minor_of(micros: int, currency: str) -> int:
    """Return an amount in minor units, a part of one counted as whole, as prices are."""
    coin: int = 10 ** (6 - DIGITS.get(currency, 2))
    return -(-micros // coin)


def reason_of(billed: int, held: int, lines: int, parts: int | None, ours: int | None) -> Reason | None:
    """Return why a message is billed otherwise than we hold for it; None where both are the same.

    `parts` are those of the bill, `ours` those that we have counted; None: not known.
    """
    if billed == held:
        return None
    if lines > 1 and (ours is None or lines != ours):
        return "several"
    if held == 0:
        return "free"
    return "parts" if parts is not None and ours is not None and parts != ours else "price"


def day_of(at: int) -> str:
    """Return the day of an instant, in UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).date().isoformat()

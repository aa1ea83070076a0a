"""Amounts of money: read from a definition, shown to people, and the price of a message.

Currencies and their minor units: ISO 4217, https://www.six-group.com/en/products-services/financial-information/data-standards.html
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Literal

from msgspec import Struct

from kaskad.domain.cascade import Money
from kaskad.domain.worded import worded

_CURRENCIES = {  # digits of the minor unit: codes
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    2: """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF
    CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL
    HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP
    MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD
    SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS
    VED VES WST XCD XCG YER ZAR ZMW ZWG
    """,
    3: "BHD IQD JOD KWD LYD OMR TND",
}
DIGITS = {code: digits for digits, codes in _CURRENCIES.items() for code in codes.split()}
SYMBOLS = {
    "RUB": "₽", "KZT": "₸", "USD": "$", "EUR": "€", "GBP": "£", "UAH": "₴", "TRY": "₺", "INR": "₹",
    "GEL": "₾", "AMD": "֏", "AZN": "₼", "ILS": "₪", "CNY": "¥", "JPY": "¥", "KRW": "₩", "VND": "₫",
    "PLN": "zł", "BYN": "Br",
}  # fmt: skip
MAX_MINOR = 2**63 - 1
FINE = 6  # digits behind the point of prices that are finer than coins

_AMOUNT = re.compile(r"\s*(\d[\d _\u00a0\u202f]*(?:[.,]\d+)?)\s*([A-Za-z]{3})\s*")


class BadMoney(ValueError):
    """An amount that cannot be read; the text says what to write instead."""


ON_DELIVERY = "delivery"


class Price(Struct, frozen=True):
    """What an account takes for one message, for each part of an SMS, or for a thousand messages.

    `charges`: for whatever its provider has taken (`submit`), or nothing for what was not delivered.
    """

    minor: int
    currency: str
    per: Literal["message", "part", "thousand"] = "message"
    charges: Literal["submit", "delivery"] = "submit"


class Amount(str):
    """An amount as it is shown in English, in a text that pages show in the reader's language."""

    money: Money


def amount(money: Money) -> Amount:
    """Return an amount that is part of a text."""
    made = Amount(format_money(money))
    made.money = money
    return made


def parse_money(text: str) -> Money:
    """Return the amount in `text`, such as "50000 KZT" or "0.05 RUB"; raises BadMoney."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise BadMoney(
            worded("%(text)r is not an amount: write a number and a currency, such as 50000 KZT", text=text)
        )
    currency = match[2].upper()
    digits = DIGITS.get(currency)
    if digits is None:
        raise BadMoney(
            worded(
                "%(text)r: %(match)s is not a currency of ISO 4217: write such as KZT, RUB or USD",
                text=text,
                match=match[2],
            )
        )
    number = Decimal(re.sub(r"[ _\u00a0\u202f]", "", match[1]).replace(",", "."))
    minor = number.scaleb(digits)
    if minor != minor.to_integral_value():
        least = Decimal(1).scaleb(-digits)
        raise BadMoney(
            worded(
                "%(text)r is finer than %(currency)s goes: the smallest amount is %(least)s %(currency)s",
                text=text,
                currency=currency,
                least=least,
            )
        )
    if minor > MAX_MINOR:
        raise BadMoney(worded("%(text)r is more than can be counted", text=text))
    return Money(int(minor), currency)


def charged(amount: object, currency: str) -> Money | None:
    """Return what a service took in minor units, a part of one counted as whole; None: it cannot be read.

    A `currency` of "" has two digits: the service names none.
    """
    digits = DIGITS.get(currency) if currency else 2
    try:
        value = Decimal(str(amount))
    except InvalidOperation:
        return None
    if digits is None or isinstance(amount, bool) or not value.is_finite() or not 0 <= value < 10**9:
        return None
    return Money(int(value.scaleb(digits).to_integral_value(rounding=ROUND_CEILING)), currency)


def price_of(price: Price, parts: int = 1, number: int = 0) -> Money:
    """Return the price of one message that is sent as `parts` parts, and of a thousand is the `number`th."""
    if price.per == "thousand":
        return Money(share_of(price.minor, 1000, number), price.currency)
    return Money(price.minor * parts if price.per == "part" else price.minor, price.currency)


def share_of(amount: int, many: int, number: int) -> int:
    """Return what one of `many` carries of an amount in whole coins: those in a row carry it all together."""
    return (number + 1) * amount // many - number * amount // many


def format_money(money: Money, language: str = "en") -> str:
    """Return `money` as people of `language` write it: 12 500,50 ₽ in Russian, ₽12,500.50 otherwise."""
    digits = DIGITS.get(money.currency, 2)
    return _dressed(Decimal(money.minor).scaleb(-digits), money.currency, language)


def format_amount(amount: object, currency: str, language: str = "en") -> str:
    """Return `amount`, a number or its text in whole units of `currency`, like `format_money`.

    Raises BadMoney where `amount` is no finite number.
    """
    return _dressed(decimal_of(amount), currency.upper(), language)


def format_fine(amount: object, currency: str, language: str = "en") -> str:
    """Return `amount` like `format_amount`, with up to six digits where coins are too coarse.

    So a message of 0.10 USD for a thousand costs $0.0001, and not a cent. Raises BadMoney.
    """
    value = decimal_of(amount).quantize(Decimal(1).scaleb(-FINE), ROUND_HALF_EVEN)
    digits = max(0, -int(value.normalize().as_tuple().exponent))
    return _dressed(value, currency.upper(), language, max(digits, DIGITS.get(currency.upper(), 2)))


def format_number(number: object, language: str = "en") -> str:
    """Return a number with its thousands set apart, such as 12 500 or 12,500; raises BadMoney."""
    value = decimal_of(number)
    return _grouped(value, max(0, -int(value.normalize().as_tuple().exponent)), language)


def decimal_of(amount: object) -> Decimal:
    """Return a number, or its text, as a decimal; raises BadMoney."""
    try:
        value = Decimal(str(amount).strip().replace(",", "."))
    except (InvalidOperation, ValueError):
        raise BadMoney(worded("%(amount)r is not a number", amount=str(amount)[:40])) from None
    if isinstance(amount, bool) or not value.is_finite() or not -30 <= value.adjusted() < 19:
        raise BadMoney(worded("%(amount)r is not a number that can be shown", amount=str(amount)[:40]))
    return value


def _dressed(value: Decimal, currency: str, language: str, digits: int | None = None) -> str:
    digits = DIGITS.get(currency, 2) if digits is None else digits
    rounded = value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    # Whole amounts go without their zeros: it is what a person writes, and an SMS has no room.
    number = _grouped(abs(rounded), 0 if rounded == rounded.to_integral_value() else digits, language)
    sign = "-" if rounded < 0 else ""
    symbol = SYMBOLS.get(currency)
    if not currency:
        return f"{sign}{number}"
    if language[:2].lower() in _SPACED:
        return f"{sign}{number}\u00a0{symbol or currency}"
    return f"{sign}{symbol}{number}" if symbol else f"{sign}{currency}\u00a0{number}"


_SPACED = frozenset({"ru", "kk", "uk", "be", "ky", "uz"})  # 12 500,50 with the currency behind


def _grouped(value: Decimal, digits: int, language: str) -> str:
    text = f"{value:,.{digits}f}"
    if language[:2].lower() in _SPACED:
        return text.translate({ord(","): "\u00a0", ord("."): ","})
    return text

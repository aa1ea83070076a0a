"""Filters that spell out for a robot's voice, in Russian, Kazakh and English: amounts, numbers, times, codes.

Numbers are those of num2words (its Kazakh is called `kz`); what it lacks, ordinals in Kazakh and the words of
a clock, stands here. Other languages keep their figures: a voice of that language reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TypeVar

from kaskad.domain.money import DIGITS, BadMoney, decimal_of, format_amount, format_number
from kaskad.domain.template.filters import Here, instant_of, local_date, plural
from kaskad.domain.template.problem import RenderError
from kaskad.domain.worded import worded

_NAMES = {"ru": "ru", "kk": "kz", "en": "en"}  # as num2words calls them
_MOST = 10**15
T = TypeVar("T")

# One, two, five of the unit and of its hundredth; English and Kazakh know one form for many.
_RU = {
    "KZT": (("тенге", "тенге", "тенге"), ("тиын", "тиына", "тиынов"), "mm"),
    "RUB": (("рубль", "рубля", "рублей"), ("копейка", "копейки", "копеек"), "mf"),
    "USD": (("доллар", "доллара", "долларов"), ("цент", "цента", "центов"), "mm"),
    "EUR": (("евро", "евро", "евро"), ("цент", "цента", "центов"), "nm"),
    "UAH": (("гривна", "гривны", "гривен"), ("копейка", "копейки", "копеек"), "ff"),
    "BYN": (("рубль", "рубля", "рублей"), ("копейка", "копейки", "копеек"), "mf"),
    "KGS": (("сом", "сома", "сомов"), ("тыйын", "тыйына", "тыйынов"), "mm"),
    "UZS": (("сум", "сума", "сумов"), ("тийин", "тийина", "тийинов"), "mm"),
}
_KK = {
    "KZT": ("теңге", "тиын"), "RUB": ("рубль", "тиын"), "USD": ("доллар", "цент"), "EUR": ("еуро", "цент"),
}  # fmt: skip
_EN = {
    "KZT": ("tenge", "tenge", "tiyn", "tiyn"), "RUB": ("ruble", "rubles", "kopeck", "kopecks"),
    "USD": ("dollar", "dollars", "cent", "cents"), "EUR": ("euro", "euros", "cent", "cents"),
    "GBP": ("pound", "pounds", "penny", "pence"),
}  # fmt: skip
# The last word of a number makes its ordinal: vowels in harmony, and a joining vowel after a consonant.
_KK_ORDINAL = {
    "нөл": "нөлінші", "бір": "бірінші", "екі": "екінші", "үш": "үшінші", "төрт": "төртінші", "бес": "бесінші",
    "алты": "алтыншы", "жеті": "жетінші", "сегіз": "сегізінші", "тоғыз": "тоғызыншы", "он": "оныншы",
    "жиырма": "жиырмасыншы", "отыз": "отызыншы", "қырық": "қырқыншы", "елу": "елуінші",
    "алпыс": "алпысыншы", "жетпіс": "жетпісінші", "сексен": "сексенінші", "тоқсан": "тоқсаныншы",
    "жүз": "жүзінші", "мың": "мыңыншы", "миллион": "миллионыншы",
}  # fmt: skip


def say_number(here: Here, value: object, language: object = "") -> str:
    """Return a number in words: двенадцать тысяч пятьсот."""
    told = _language(here, language)
    number = _number(value)
    if told is None or abs(number) >= _MOST:
        return format_number(value, str(language) or here.language)
    if number == number.to_integral_value():
        return _cardinal(int(number), told)
    return _words(number.normalize(), told)


def say_money(here: Here, value: object, currency: object, language: object = "") -> str:
    """Return an amount in words: двенадцать тысяч пятьсот тенге, пятьдесят тиынов."""
    told, code = _language(here, language), str(currency).upper()
    digits = DIGITS.get(code, 2)
    known = code in {"ru": _RU.keys(), "kk": _KK.keys(), "en": _EN.keys()}.get(told or "", ())
    amount = _number(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    if told is None or not known or abs(amount) >= _MOST:
        return _shown(format_amount, value, code, str(language) or here.language)
    whole, rest = divmod(int(abs(amount).scaleb(digits)), 10**digits)
    minus = {"ru": "минус ", "kk": "минус ", "en": "minus "}[told] if amount < 0 else ""
    said = _amount(told, code, whole, 0)
    return minus + said + (f", {_amount(told, code, rest, 1)}" if rest else "")


def say_date(here: Here, value: object, language: object = "") -> str:
    """Return a day as one says it, without its year, and with the time where it is an instant.

    девятое марта, восемь часов тридцать минут; тоғызыншы наурыз; March ninth, eight thirty AM.
    """
    told = _language(here, language)
    moment = instant_of(value, here.zone)
    if told is None:
        return local_date(here, value, "d MMMM HH:mm" if isinstance(moment, datetime) else "d MMMM", language)
    month = local_date(here, value, "MMMM", told).lower()
    ordinal = _ordinal(moment.day, told)
    day = f"{local_date(here, value, 'MMMM', told)} {ordinal}" if told == "en" else f"{ordinal} {month}"
    return f"{day}, {say_time(here, value, told)}" if isinstance(moment, datetime) else day


def say_time(here: Here, value: object, language: object = "") -> str:
    """Return the time of an instant: восемь часов тридцать минут; сағат сегіз отыз; eight thirty AM."""
    told = _language(here, language)
    moment = instant_of(value, here.zone)
    if not isinstance(moment, datetime):
        raise RenderError(
            worded("%(value)r has no time that could be said: it is a day", value=str(value)[:40])
        )
    hour, minute = moment.hour, moment.minute
    if told is None:
        return f"{hour}:{minute:02}"
    if told == "ru":
        said = f"{_cardinal(hour, told)} {plural(here, hour, 'час', 'часа', 'часов')}"
        if minute:
            said += f" {_cardinal(minute, told, 'f')} {plural(here, minute, 'минута', 'минуты', 'минут')}"
        return said
    if told == "kk":
        return f"сағат {_cardinal(hour, told)}" + (f" {_cardinal(minute, told)}" if minute else "")
    past = f" oh {_cardinal(minute, told)}" if 0 < minute < 10 else f" {_cardinal(minute, told)}"
    return f"{_cardinal(hour % 12 or 12, told)}{past if minute else ''} {'AM' if hour < 12 else 'PM'}"


def say_digits(here: Here, value: object, language: object = "") -> str:
    """Return a code or a number digit by digit, with a pause between: четыре, восемь, один."""
    told = _language(here, language)
    found = [letter for letter in str(value) if letter.isascii() and letter.isdigit()]
    if not found or len(found) > 40:
        raise RenderError(
            worded("%(value)r is not a code of up to 40 digits that could be said", value=str(value)[:40])
        )
    return ", ".join(_cardinal(int(digit), told) if told else digit for digit in found)


def _amount(language: str, code: str, count: int, place: int) -> str:
    """Return so many units (place 0) or hundredths (1) of a currency."""
    if language == "ru":
        *forms, genders = _RU[code]
        return f"{_cardinal(count, language, str(genders)[place])} {plural(Here(), count, *forms[place])}"
    if language == "kk":
        return f"{_cardinal(count, language)} {_KK[code][place]}"
    one, many = _EN[code][2 * place : 2 * place + 2]
    return f"{_cardinal(count, language)} {one if count == 1 else many}"


def _cardinal(number: int, language: str, gender: str = "m") -> str:
    from num2words import num2words  # type: ignore[import-untyped]

    more = {"gender": gender} if language == "ru" else {}
    return str(num2words(number, lang=_NAMES[language], **more))


def _words(number: Decimal, language: str) -> str:
    from num2words import num2words

    return str(num2words(number, lang=_NAMES[language]))


def _ordinal(number: int, language: str) -> str:
    from num2words import num2words

    if language == "ru":
        return str(num2words(number, lang="ru", to="ordinal", gender="n"))
    if language == "en":
        return str(num2words(number, lang="en", to="ordinal"))
    *first, last = _cardinal(number, language).split()
    return " ".join([*first, _KK_ORDINAL[last]])


def _number(value: object) -> Decimal:
    return _shown(decimal_of, value)


def _shown(function: Callable[..., T], *args: object) -> T:
    try:
        return function(*args)
    except BadMoney as problem:
        raise RenderError(str(problem)) from None


def _language(here: Here, language: object) -> str | None:
    told = (str(language) or here.language)[:2].lower()
    return told if told in _NAMES else None


SPOKEN: dict[str, Callable[..., str]] = {
    "say_date": say_date,
    "say_digits": say_digits,
    "say_money": say_money,
    "say_number": say_number,
    "say_time": say_time,
}

"""Telephone numbers that the numbering plans tell at a look, good or bad: as phonenumbers, much sooner.

The plans are those of phonenumbers itself. Whatever could be read in two ways is left to its own parser.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

import phonenumbers
from msgspec import Struct
from phonenumbers.phonemetadata import PhoneNumberDesc

_SIGNS = str.maketrans("", "", " -().")
_written = re.compile(r"[+(]?[0-9][0-9 ().-]*[0-9]").fullmatch
_ZONE_7 = frozenset({"RU", "KZ"})  # one plan: 8 is dialled before a number, or 7 written without its +
_ABROAD_7 = "810"  # dialled there before the code of another country
_begins = re.compile(r"[+0-9]").search
_LOCAL_7 = 10  # digits of a number there
_NEVER = "(?!)"
_FEWEST, _MOST = 8, 15  # digits of a number with its country's code


class _Region(Struct, frozen=True):
    """A country as its plan has it; `leading`: how its numbers begin, where several share a calling code."""

    name: str
    plain: re.Pattern[str]  # numbers of mobile telephones and of lines
    leading: re.Pattern[str] | None


class _Plan(Struct, frozen=True):
    """The countries of a calling code, in the order in which phonenumbers goes through them."""

    regions: tuple[_Region, ...]
    prefix: re.Pattern[str] | None  # what may be dialled at home, and is no part of the number
    adding: frozenset[str]  # countries where a number dialled at home may get more digits
    shortest: int  # digits of a number without the code
    any: re.Pattern[str]  # numbers of whatever kind, in any of the countries


def plain_number(text: str, country: str | None) -> tuple[str, str] | None:
    """Return a valid number in E.164 with its country; None where phonenumbers must be asked.

    None is no judgement: the number may be good.
    """
    if not text.isascii() or _written(text) is None:
        return None
    digits = text.translate(_SIGNS)
    if digits[0] == "+":
        return _international(digits[1:])
    if country not in _ZONE_7:
        return None
    if len(digits) == _LOCAL_7:
        return _local(digits)
    if len(digits) != _LOCAL_7 + 1 or digits[0] not in "78":
        return None
    found = _local(digits[1:])
    # A 7 without its + is understood in the number's own country only.
    return found if found is None or digits[0] == "8" or found[1] == country else None


def is_hopeless(text: str, country: str | None) -> bool:
    """Tell of a text that is surely no number: it has too few digits, or as many as a number, but other ones.

    False is no judgement: phonenumbers must be asked.
    """
    begins = _begins(text)
    if begins is None:
        return text.isascii()
    told = text[begins.start() :]
    if not text.isascii() or ";" in text:
        return False
    if told[0] != "+":
        return _is_hopeless_at_home(told, country)
    digits = told[1:].translate(_SIGNS)
    if not digits.isdecimal():
        return False
    for length in (1, 2, 3):
        if plan := _plan(digits[:length]):
            return plan.regions[0].name not in plan.adding and _is_none_of(plan, digits[length:])
    return False


def _is_hopeless_at_home(told: str, country: str | None) -> bool:
    """Tell it of what is written without a +; what begins with 0 may lead abroad."""
    code = phonenumbers.country_code_for_region(country) if country else 0
    plan = _plan(str(code)) if code else None
    if country is None or plan is None:
        return country is None
    if not plan.adding.isdisjoint((country, plan.regions[0].name)):
        return False
    if told[0] != "0" and sum(map(str.isalnum, told)) < plan.shortest:
        return True
    digits = told.translate(_SIGNS)
    if country not in _ZONE_7 or not digits.isdecimal() or digits.startswith(_ABROAD_7):
        return False
    return (len(digits) == _LOCAL_7 and _is_none_of(plan, digits)) or (
        len(digits) == _LOCAL_7 + 1 and digits[0] in "78" and _is_none_of(plan, digits[1:])
    )


def _is_none_of(plan: _Plan, number: str) -> bool:
    """Tell whether a number is too short, or as short as one may be, and none; others may have a prefix."""
    few = len(number) - plan.shortest
    return few < 0 or (few == 0 and plan.any.match(number) is None)


def _local(number: str) -> tuple[str, str] | None:
    """Return a mobile number of the zone +7: those begin with 9, or in Kazakhstan with 7."""
    return _international(f"7{number}") if number[0] in "79" else None


@lru_cache(maxsize=256)  # the same number is asked for twice: its spelling, its country
def _international(digits: str) -> tuple[str, str] | None:
    if not _FEWEST <= len(digits) <= _MOST or digits[0] == "0":
        return None
    for length in (1, 2, 3):
        if plan := _plan(digits[:length]):
            region = _of(plan, digits[length:])
            return (f"+{digits}", region) if region else None
    return None


def _of(plan: _Plan, number: str) -> str | None:
    """Return the country of a number; None also where it is of a rare kind, or has a home prefix, perhaps."""
    if number[0] == "0" or (plan.prefix is not None and plan.prefix.match(number)):
        return None
    for region in plan.regions:
        if region.leading is None or region.leading.match(number):
            return region.name if region.plain.match(number) else None
    return None


@cache
def _plan(code: str) -> _Plan | None:
    """Return the plan of a calling code; None for what is no code of a country."""
    names = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code), ())
    known = [phonenumbers.PhoneMetadata.metadata_for_region(name) for name in names]
    if not known or not all(known):
        return None
    regions = tuple(_region(each) for each in known if each is not None)
    prefixes = [each.national_prefix_for_parsing for each in known if each is not None]
    either = "|".join(f"(?:{prefix})" for prefix in prefixes if prefix)
    general = [each.general_desc for each in known if each is not None]
    lengths = [length for each in general if each for length in each.possible_length or (0,)]
    every = "|".join(f"(?:{pattern})" for each in general if (pattern := _pattern(each)))
    adding = frozenset(each.id for each in known if each is not None and each.national_prefix_transform_rule)
    prefix = re.compile(either) if either else None
    return _Plan(regions, prefix, adding, min(lengths), re.compile(every or _NEVER))


def _region(known: phonenumbers.PhoneMetadata) -> _Region:
    kinds = [pattern for each in (known.mobile, known.fixed_line) if (pattern := _pattern(each))]
    plain = f"(?={_pattern(known.general_desc) or _NEVER})(?:{'|'.join(kinds) or _NEVER})"
    leading = re.compile(known.leading_digits) if known.leading_digits else None
    return _Region(known.id, re.compile(plain), leading)


def _pattern(told: PhoneNumberDesc | None) -> str:
    """Return what whole numbers of a kind match, with how many digits they may have; "" for none."""
    if told is None or not told.national_number_pattern:
        return ""
    lengths = "|".join(rf"\d{{{length}}}\Z" for length in told.possible_length or ())
    return rf"{f'(?={lengths})' if lengths else ''}(?:{told.national_number_pattern})\Z"

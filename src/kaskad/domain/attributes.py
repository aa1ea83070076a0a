"""Declared attributes of contacts: their types and labels; a value is made to fit, or refused with a reason.

Attributes that are not declared are free: any value is taken as it comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from enum import StrEnum

from msgspec import Struct

from kaskad.domain.cascade import Cascade
from kaskad.domain.condition import Compare, Condition, Date, Exists, Items, Literal, Name, Node, Now, walk
from kaskad.domain.condition_values import number, read_instant
from kaskad.domain.money import DIGITS
from kaskad.domain.worded import worded

SETTING = "attributes"  # the table of settings has them under this name
LANGUAGES = ("ru", "en")
_ITEMS = re.compile(r"\s*[;,]\s*")
_DAY_FIRST = re.compile(r"(\d{1,2})[./](\d{1,2})[./](\d{4})").fullmatch
_YES = frozenset({"yes", "true", "1", "да", "+", "иә"})
_NO = frozenset({"no", "false", "0", "нет", "-", "жоқ"})
_LONGEST = 40  # of a value that is quoted


class Type(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"  # a number of whole units of the declared currency
    DATE = "date"  # 2026-02-14, or with a time
    YES_NO = "yes_no"
    CHOICE = "choice"  # one of a few texts
    LIST = "list"  # several texts


_WORDS = {
    Type.TEXT: worded("a text"), Type.NUMBER: worded("a number"), Type.DATE: worded("a date"),
    Type.YES_NO: worded("yes or no"), Type.LIST: worded("a list of texts"),
}  # fmt: skip


class Attribute(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is declared of one attribute."""

    type: Type
    labels: Mapping[str, str] = {}  # by language
    choices: tuple[str, ...] = ()
    currency: str = ""

    @property
    def words(self) -> str:
        """Return its type for a sentence."""
        match self.type:
            case Type.CHOICE:
                return worded("one of %(known)s", known=", ".join(self.choices))
            case Type.MONEY:
                return worded("an amount in %(currency)s", currency=self.currency)
            case _:
                return _WORDS[self.type]


Declared = Mapping[str, Attribute]


class Unfit(ValueError):
    """A value that an attribute cannot have; the text says why."""


def fit(name: str, attribute: Attribute, value: object) -> object:
    """Return the value as it is kept; raises Unfit. None, which removes the attribute, always fits."""
    found = None if value is None else _FITTING[attribute.type](attribute, value)
    if found is None and value is not None:
        raise Unfit(
            worded(
                "%(name)s: %(quoted)s is not %(words)s",
                name=name,
                quoted=_quoted(value),
                words=attribute.words,
            )
        )
    return found


def problems_of(attribute: Attribute) -> list[str]:
    """Return what is wrong with a declaration."""
    found: list[str] = []
    if (attribute.type is Type.CHOICE) != bool(attribute.choices):
        found.append(worded("Choices belong to the type choice, and that needs some."))
    if (attribute.type is Type.MONEY) != bool(attribute.currency):
        found.append(worded("A currency belongs to the type money, and that needs one."))
    elif attribute.currency and attribute.currency not in DIGITS:
        code = attribute.currency
        found.append(worded("%(code)r is no currency known here: write such as KZT, RUB or EUR.", code=code))
    unknown = [language for language in attribute.labels if language not in LANGUAGES]
    if unknown:
        found.append(
            worded(
                "Labels are in %(known)s, not in %(known2)s.",
                known=" and ".join(LANGUAGES),
                known2=", ".join(unknown),
            )
        )
    return found


def doubts(declared: Declared, cascade: Cascade) -> Iterator[tuple[str, str]]:
    """Yield where a cascade compares a declared attribute with what it cannot be, and what is wrong there."""
    places = [("trigger.if", cascade.trigger.condition), ("exit_if", cascade.exit_if)]
    places += [(f"steps[{step.number}].if", step.condition) for step in cascade.steps]
    for path, condition in places:
        for doubt in doubts_of(declared, condition):
            yield path, doubt


def doubts_of(declared: Declared, condition: Condition | None) -> Iterator[str]:
    """Yield what a condition compares that can never be, in words."""
    for node in walk(condition.tree) if condition is not None and declared else ():
        if isinstance(node, Compare):
            yield from _doubts(declared, node.left, node.operator, node.right)
            yield from _doubts(declared, node.right, node.operator, node.left)


def _doubts(declared: Declared, side: Node, operator: str, other: Node) -> Iterator[str]:
    if not isinstance(side, Name) or len(side.path) != 2 or side.path[0] != "contact":
        return
    attribute = declared.get(side.path[1])
    if attribute is None or isinstance(other, Exists):
        return
    name = ".".join(side.path)
    ordered = operator in ("<", "<=", ">", ">=")
    if ordered and attribute.type in (Type.YES_NO, Type.CHOICE, Type.LIST):
        yield worded(
            "%(name)s is %(words)s, which is never more or less than anything",
            name=name,
            words=attribute.words,
        )
    elif attribute.type is Type.LIST and operator in ("==", "!=", "in"):
        yield worded("%(name)s is a list of texts: ask whether it `contains` one", name=name)
    for value in other.nodes if isinstance(other, Items) else (other,):
        if said := _never(attribute, operator, value):
            yield worded("%(name)s is %(words)s, and %(said)s", name=name, words=attribute.words, said=said)


def _never(attribute: Attribute, operator: str, value: Node) -> str:
    """Return why a value can never stand beside the attribute; "" where it can."""
    if any(isinstance(node, Date | Now) for node in walk(value)):
        return "" if attribute.type in (Type.DATE, Type.TEXT) else worded("is compared with a date")
    if not isinstance(value, Literal) or value.value is None or operator == "contains":
        return ""
    if attribute.type in (Type.TEXT, Type.LIST):
        return ""
    if attribute.type is Type.DATE:
        fits = isinstance(value.value, str) and read_instant(value.value) is not None
    else:
        fits = _FITTING[attribute.type](attribute, value.value) is not None
    return "" if fits else worded("%(quoted)s is compared with it", quoted=_quoted(value.value))


def _text(attribute: Attribute, value: object) -> object:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _number(attribute: Attribute, value: object) -> object:
    if isinstance(value, str):
        plain = value.strip().replace("\u00a0", "").replace(" ", "").replace(",", ".")
        value = number(plain)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _date(attribute: Attribute, value: object) -> object:
    if not isinstance(value, str):
        return None
    told = value.strip()
    if found := _DAY_FIRST(told):
        day, month, year = map(int, found.groups())
        try:
            return date(year, month, day).isoformat()
        except ValueError:
            return None
    try:
        datetime.fromisoformat(told)
    except ValueError:
        return None
    return told


def _yes_no(attribute: Attribute, value: object) -> object:
    if isinstance(value, bool):
        return value
    word = str(value).strip().casefold()
    return True if word in _YES else False if word in _NO else None


def _choice(attribute: Attribute, value: object) -> object:
    word = str(value).strip().casefold()
    return next((choice for choice in attribute.choices if choice.casefold() == word), None)


def _list(attribute: Attribute, value: object) -> object:
    if isinstance(value, str):
        return [item for item in _ITEMS.split(value.strip()) if item]
    whole = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return value if whole else None


_FITTING = {
    Type.TEXT: _text, Type.NUMBER: _number, Type.MONEY: _number, Type.DATE: _date, Type.YES_NO: _yes_no,
    Type.CHOICE: _choice, Type.LIST: _list,
}  # fmt: skip


def _quoted(value: object) -> str:
    text = str(value)
    return f'"{text}"' if len(text) <= _LONGEST else f'"{text[: _LONGEST - 1]}…"'

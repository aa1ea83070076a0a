"""Which declared attributes do texts show by a filter that their values cannot go through?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kaskad.domain.attributes import Attribute, Declared, Type
from kaskad.domain.cascade import Cascade, Content
from kaskad.domain.content import Wording
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded

_SHOWN = re.compile(r"\bcontact\.(\w+)\s*((?:\|[^|}%]+)+)")
_FILTER = re.compile(r"\|\s*(\w+)(?:\s*:\s*[\"']([^\"']*)[\"'])?")
_MONEY = frozenset({"money", "say_money"})
_NUMBERS = _MONEY | {"number", "say_number", "plural", "plus", "minus", "times", "divided_by", "round"}
_DATES = frozenset({"date", "day_words", "days_until", "say_date", "say_time"})
_FIELDS = ("subject", "html", "mjml", "text", "say", "script")


def misfits(
    declared: Declared, cascade: Cascade, wordings: Iterable[Wording]
) -> Iterator[tuple[str, str, str]]:  # fmt: skip
    """Yield where a text shows an attribute as what it is declared not to be: path, message and remedy."""
    if not declared:
        return
    known = tuple(wordings)
    for step in cascade.steps:
        place = f"steps[{step.number}]"
        told = [(place, step.content)]
        told += [(f"{place}.variants[{number}]", one.content) for number, one in enumerate(step.variants)]
        for path, content in told:
            for field, message in _of_content(declared, content):
                yield f"{path}.{field}", message, _REMEDY
            for one in known:
                if one.name == content.template and Channel.of(one.channel) in step.channels:
                    for field, message in _of_content(declared, one.content):
                        words = worded(
                            "%(name)s (%(language)s), %(field)s: %(message)s",
                            name=one.name,
                            language=one.language,
                            field=field,
                            message=message,
                        )
                        yield f"{path}.template", words, _REMEDY


_REMEDY = worded("show another attribute, or declare it otherwise: `kaskad attribute declare`")


def _of_content(declared: Declared, content: Content) -> Iterator[tuple[str, str]]:
    texts = [(field, getattr(content, field)) for field in _FIELDS]
    texts += [(f"buttons[{number}].text", button.text) for number, button in enumerate(content.buttons)]
    for field, text in texts:
        for name, filters in dict.fromkeys(_SHOWN.findall(text)):
            attribute = declared.get(name)
            if attribute is not None and (message := _misfit(name, attribute, filters)):
                yield field, message


def _misfit(name: str, attribute: Attribute, filters: str) -> str:
    """Return what is wrong with the first filter that asks for a kind of value; "" where nothing is."""
    for word, told in _FILTER.findall(filters):
        if word == "default":
            continue
        if word in _NUMBERS and attribute.type not in (Type.NUMBER, Type.MONEY):
            return worded(
                "contact.%(name)s is %(words)s, and `%(word)s` takes a number",
                name=name,
                words=attribute.words,
                word=word,
            )
        if word in _DATES and attribute.type is not Type.DATE:
            return worded(
                "contact.%(name)s is %(words)s, and `%(word)s` takes a date",
                name=name,
                words=attribute.words,
                word=word,
            )
        if word in _MONEY and attribute.type is Type.MONEY and told and told.upper() != attribute.currency:
            return worded(
                "contact.%(name)s is %(words)s, and is shown in %(told)s",
                name=name,
                words=attribute.words,
                told=told.upper(),
            )
        return ""
    return ""

"""What pages say, in the reader's language: English stands in the code, all else in `locale/<language>/*.po`.

One file a page; they are read as they lie there, so there is nothing to compile.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from babel import Locale
from babel.messages.pofile import read_po
from msgspec import Struct

LANGUAGES = ("en", "ru")
SAID_AT_LEAST = 6  # letters, without which a text is not known by them
_PLACE = re.compile(r"%\((\w+)\)([rsd])")
FORMS = {"ru": ("one", "few", "many")}  # in the order of msgstr[0], [1], [2]


class Words(Struct, frozen=True):
    """The texts of one language. What it does not have stays English."""

    language: str
    single: Mapping[tuple[str, str], str]
    plural: Mapping[str, tuple[str, ...]]
    form: Callable[[int], int]
    sentences: tuple[tuple[str, str], ...] = ()  # texts with places, each behind its longest piece

    def gettext(self, message: str) -> str:
        """Return a text."""
        return self.single.get(("", message), message)

    def pgettext(self, context: str, message: str) -> str:
        """Return a text whose English has several meanings."""
        return self.single.get((context, message), message)

    def recognised(self, text: str) -> tuple[str, Mapping[str, str]] | None:
        """Return the text with places that this one was made from, and what fills them; None if none is.

        For what was kept, or put together, before it was said to somebody: an import's notes, a finding.
        """
        for piece, message in self.sentences:
            if piece in text and (found := _reader(message).fullmatch(text)):
                return message, found.groupdict()
        return None

    def ngettext(self, one: str, many: str, number: int) -> str:
        """Return the text for so many."""
        forms = self.plural.get(one)
        return forms[self.form(number)] if forms else (one if number == 1 else many)


@cache
def words(language: str) -> Words:
    """Return the texts of a language."""
    single: dict[tuple[str, str], str] = {}
    plural: dict[str, tuple[str, ...]] = {}
    for path in catalogues(language):
        with path.open("rb") as opened:
            for message in read_po(opened, locale=language):
                if isinstance(message.id, str) and message.id:
                    single[message.context or "", message.id] = str(message.string)
                elif not isinstance(message.id, str):
                    plural[message.id[0]] = tuple(message.string or ())
    return Words(language, single, plural, _form(language), _sentences(single))


def _sentences(single: Mapping[tuple[str, str], str]) -> tuple[tuple[str, str], ...]:
    """Return the texts with places, longest first, without those that say hardly anything themselves."""
    found = []
    for context, message in single:
        pieces = [piece.replace("%%", "%") for piece in _PLACE.split(message)[::3]]
        said = sum(letter.isalpha() for piece in pieces for letter in piece)
        if not context and len(pieces) > 1 and said >= SAID_AT_LEAST and all(pieces[1:-1]):
            found.append((said, max(pieces, key=len), message))
    return tuple((piece, message) for _, piece, message in sorted(found, reverse=True))


@cache
def _reader(message: str) -> re.Pattern[str]:
    """Return what finds the values in a text that was made from this one."""
    pieces, seen = _PLACE.split(message), set[str]()
    made = re.escape(pieces[0].replace("%%", "%"))
    for name, kind, piece in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        place = f"(?P={name})" if name in seen else f"(?P<{name}>.+?)"
        seen.add(name)
        made += f"['\"]{place}['\"]" if kind == "r" else place
        made += re.escape(piece.replace("%%", "%"))
    return re.compile(made, re.DOTALL)


def catalogues(language: str) -> list[Path]:
    """Return the files of a language; English has none."""
    return sorted(Path(str(files("kaskad.web") / "locale" / language)).glob("*.po"))


def _form(language: str) -> Callable[[int], int]:
    names, rule = FORMS.get(language, ("one", "other")), Locale(language).plural_form
    return lambda number: names.index(name) if (name := rule(number)) in names else len(names) - 1


def N_(message: str) -> str:  # noqa: N802 - the name that extraction knows
    """Return the text as it is: it is translated where it is shown."""
    return message

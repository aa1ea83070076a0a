"""What pages say, in the reader's language: English stands in the code, all else in `locale/<language>/*.po`.

One file a page; they are read as they lie there, so there is nothing to compile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from babel import Locale
from babel.messages.pofile import read_po
from msgspec import Struct

LANGUAGES = ("en", "ru")
FORMS = {"ru": ("one", "few", "many")}  # in the order of msgstr[0], [1], [2]


class Words(Struct, frozen=True):
    """The texts of one language. What it does not have stays English."""

    language: str
    single: Mapping[tuple[str, str], str]
    plural: Mapping[str, tuple[str, ...]]
    form: Callable[[int], int]

    def gettext(self, message: str) -> str:
        """Return a text."""
        return self.single.get(("", message), message)

    def pgettext(self, context: str, message: str) -> str:
        """Return a text whose English has several meanings."""
        return self.single.get((context, message), message)

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
    return Words(language, single, plural, _form(language))


def catalogues(language: str) -> list[Path]:
    """Return the files of a language; English has none."""
    return sorted(Path(str(files("kaskad.web") / "locale" / language)).glob("*.po"))


def _form(language: str) -> Callable[[int], int]:
    names, rule = FORMS.get(language, ("one", "other")), Locale(language).plural_form
    return lambda number: names.index(name) if (name := rule(number)) in names else len(names) - 1


def N_(message: str) -> str:  # noqa: N802 - the name that extraction knows
    """Return the text as it is: it is translated where it is shown."""
    return message

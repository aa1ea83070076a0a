"""Keeps the Russian of the pages complete: `make messages` adds to `locale/ru/*.po` what they lack.

The texts of `templates/x.html` and `pages/x.py` belong to `x.po` where that file is there, else to
`shell.po`; what the rooms below say by `worded(…)` to `problems.po`; what forms and steps of providers say to
`services.po`. What nobody says any more is taken out.
A text that another file has already is not repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from kaskad.providers import PROVIDERS

WEB = Path(__file__).parents[1] / "src" / "kaskad" / "web"
LOCALE = WEB / "locale" / "ru"
SHELL, PROBLEMS, SERVICES = "shell", "problems", "services"
OPTIONS = {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}
WORDED = {"worded": None}
BELOW = ("domain", "store", "engine", "analytics", "planning", "actions")  # pages show them by `Look.told`
KEYWORDS = {
    "worded": None,
    "_": None,
    "N_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
}

Key = tuple[str, str, str]  # context, text, plural


def said() -> dict[Key, str]:
    """Return every text that pages say, and the file that it belongs to."""
    found: dict[Key, str] = {}
    sources = [(path, "python") for path in sorted((WEB / "pages").glob("*.py"))]
    sources += [(path, "jinja2.ext.babel_extract") for path in sorted((WEB / "templates").glob("*.html"))]
    for path, method in sources:
        options = OPTIONS if path.suffix == ".html" else {}
        for _, message, _, context in extract_from_file(method, path, keywords=KEYWORDS, options=options):
            one, many = (message, "") if isinstance(message, str) else (message[0], message[1])
            found.setdefault((context or "", one, many), path.stem)
    below = (path for room in BELOW for path in (WEB.parent / room).rglob("*.py"))
    for path in sorted((*below, WEB / "soon.py")):
        for _, message, _, _ in extract_from_file("python", path, keywords=WORDED):
            found.setdefault(("", str(message), ""), PROBLEMS)
    for provider in PROVIDERS.values():
        titles = [provider.title] if provider.own else []  # others are called by their own names
        for text in (*titles, *(setting.help for setting in provider.settings), *provider.connect):
            if text:
                found.setdefault(("", text, ""), SERVICES)
    return found


def known() -> Iterator[tuple[Path, Message]]:
    """Yield every text that the catalogues have, with its file."""
    for path in sorted(LOCALE.glob("*.po")):
        with path.open("rb") as opened:
            for message in read_po(opened, locale="ru"):
                if message.id:
                    yield path, message


def key_of(message: Message) -> Key:
    """Return by what a text is found."""
    one, many = (message.id, "") if isinstance(message.id, str) else (message.id[0], message.id[1])
    return message.context or "", one, many


def renewed() -> dict[Path, bytes]:
    """Return the catalogues as they should be: complete, with nothing that is not said, in their one form."""
    wanted, files = said(), {path.stem: Catalog(locale="ru") for path in LOCALE.glob("*.po")}
    files.setdefault(SHELL, Catalog(locale="ru"))
    have = set()
    for path, message in known():
        key = key_of(message)
        if key in wanted and key not in have:
            files[path.stem].add(message.id, message.string, context=message.context)
            have.add(key)
    for (context, one, many), stem in wanted.items():
        if (context, one, many) not in have:
            home = files[stem if stem in files else SHELL]
            home.add((one, many) if many else one, context=context or None)
    return {LOCALE / f"{stem}.po": written(catalog) for stem, catalog in files.items()}


def written(catalog: Catalog) -> bytes:
    """Return a catalogue as a file holds it."""
    out = BytesIO()
    write_po(out, catalog, omit_header=True, no_location=True, width=110)
    return out.getvalue()


if __name__ == "__main__":
    for file, text in renewed().items():
        file.write_bytes(text)
    missing = [str(message.id) for _, message in known() if not message.string or "" in tuple(message.string)]
    print(f"{len(missing)} texts want their Russian:", *missing, sep="\n  ")

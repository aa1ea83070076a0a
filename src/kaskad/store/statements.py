"""Every SQL statement that Kaskad runs, by name, read from the package's `store/sql/*.sql`.

How the files are written is told in `store/sql/README.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

from msgspec import Struct

Dialect = Literal["sqlite", "postgresql"]
DIALECTS: tuple[Dialect, ...] = ("sqlite", "postgresql")

_HEADER = re.compile(r"^-- name: (\w+)(?: \((sqlite|postgresql)\))?[ \t]*$", re.MULTILINE)
_MARKED = re.compile(r"/\*\s*(sqlite|postgresql):(.*?)\*/", re.DOTALL)
# Whatever may hold a colon or a percent sign without meaning a parameter, and parameters themselves.
_TOKEN = re.compile(
    r"(?P<text>'(?:[^']|'')*'|\"[^\"]*\")|(?P<comment>--[^\n]*|/\*.*?\*/)|(?P<cast>::)"
    r"|(?<![\w:]):(?P<name>[a-z_]\w*)|(?P<percent>%)",
    re.DOTALL,
)
_COLUMN = re.compile(r":c(\d+)\s*::\s*(\w+)\s*\[\]")
_COLUMN_NAME = re.compile(r"c(\d+)")


class Statement(Struct, frozen=True):
    """One statement in the words of one database."""

    name: str
    file: str
    comment: str  # the lines below its name, without the dashes
    text: str  # ready for the driver: SQLite `:name` and `?1`, PostgreSQL `%(name)s`
    source: str  # as written, marked comments resolved, `:name` kept
    parameters: frozenset[str]
    columns: tuple[str, ...]  # PostgreSQL: the element types of the arrays :c1, :c2, …
    returns: bool  # rows

    @property
    def hot(self) -> bool:
        return re.search(r"^hot\b", self.comment, re.MULTILINE) is not None


class BadStatement(Exception):
    """A statement file is written wrongly: found by the tests, never by a user."""


@cache
def statements(dialect: Dialect) -> Mapping[str, Statement]:
    """Return the package's statements for `dialect`, by name."""
    folder = files("kaskad.store") / "sql"
    texts = {
        entry.name: entry.read_text("utf-8") for entry in folder.iterdir() if entry.name.endswith(".sql")
    }
    return read(sorted(texts.items()), dialect)


def read(texts: Iterable[tuple[str, str]], dialect: Dialect) -> dict[str, Statement]:
    """Return the statements in (file name, content) pairs; raises BadStatement for a name given twice."""
    found: dict[tuple[str, str | None], Statement] = {}
    for file, content in texts:
        marks = list(_HEADER.finditer(content))
        for mark, after in zip(marks, [*marks[1:], None], strict=True):
            body = content[mark.end() : after.start() if after else len(content)]
            key = (mark[1], mark[2])
            if key in found:
                raise BadStatement(f"{file}: {mark[1]} is already in {found[key].file}")
            found[key] = _statement(mark[1], file, body, dialect)
    return _for_dialect(found, dialect)


def resolve(text: str, dialect: Dialect) -> str:
    """Return `text` with the marked comments of `dialect` opened and those of the other removed."""
    return _MARKED.sub(lambda mark: mark[2].strip() if mark[1] == dialect else "", text)


def _for_dialect(found: dict[tuple[str, str | None], Statement], dialect: Dialect) -> dict[str, Statement]:
    for name, kind in found:
        if kind is None and any((name, own) in found for own in DIALECTS):
            raise BadStatement(f"{name} has both a common text and one of its own for a database")
        if kind is not None and not all((name, own) in found for own in DIALECTS):
            raise BadStatement(f"{name} has a text for {kind} only")
    return {name: statement for (name, kind), statement in found.items() if kind in (None, dialect)}


def _statement(name: str, file: str, body: str, dialect: Dialect) -> Statement:
    lines = body.strip().splitlines()
    start = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
    source = resolve("\n".join(lines[start:]), dialect).strip().removesuffix(";").strip()
    if not source:
        raise BadStatement(f"{file}: {name} has no text")
    parameters: set[str] = set()

    def word(token: re.Match[str]) -> str:
        if token["comment"]:
            return " "
        parameter = token["name"]
        if parameter is None:
            return token[0].replace("%", "%%") if dialect == "postgresql" else token[0]
        parameters.add(parameter)
        if dialect == "postgresql":
            return f"%({parameter})s"
        column = _COLUMN_NAME.fullmatch(parameter)
        return f"?{column[1]}" if column else token[0]

    text = _TOKEN.sub(word, source)
    if ";" in re.sub(r"'(?:[^']|'')*'", "", text):
        raise BadStatement(f"{file}: {name} is more than one statement")
    returns = (
        re.match(r"SELECT\b|WITH\b", source) is not None or re.search(r"\bRETURNING\b", source) is not None
    )
    comment = "\n".join(line.removeprefix("--").strip() for line in lines[:start])
    return Statement(
        name, file, comment, text, source, frozenset(parameters), _columns(name, source), returns
    )


def _columns(name: str, source: str) -> tuple[str, ...]:
    types = {int(number): kind for number, kind in _COLUMN.findall(source)}
    if sorted(types) != list(range(1, len(types) + 1)):
        raise BadStatement(f"{name}: the arrays are not :c1, :c2, … each with its type")
    return tuple(types[number] for number in sorted(types))

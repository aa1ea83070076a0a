"""The definition: YAML or JSON to a checked `Cascade`, all problems at once with line, column and remedy."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from msgspec import Struct

from kaskad.domain.cascade import Cascade
from kaskad.domain.definition.checks import check_whole
from kaskad.domain.definition.form import Form, Report
from kaskad.domain.definition.problem import Problem, Severity, UnreadableError
from kaskad.domain.definition.reading import read_cascade
from kaskad.domain.definition.schema import KEYS, json_schema
from kaskad.domain.definition.source import read
from kaskad.domain.errors import Invalid

__all__ = [
    "Loaded", "Problem", "Severity", "UnreadableError", "defined", "json_schema", "load", "to_cascade",
    "with_more",
]  # fmt: skip


class Loaded(Struct, frozen=True):
    """What a text holds: the cascade, None where an error forbids it, and all problems in their order."""

    name: str
    cascade: Cascade | None
    problems: tuple[Problem, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "warning")


def load(text: str, *, name: str) -> Loaded:
    """Return what the text holds; never raises, whatever the text. `name` is that of its file."""
    report = Report()
    cascade: Cascade | None = None
    try:
        top = Form(read(text), "", KEYS["cascade"], report)
        cascade = read_cascade(top)
        check_whole(cascade, report)
    except UnreadableError as unreadable:
        report.add(unreadable.problem)
    return Loaded(name, None if report.has_errors() else cascade, tuple(sorted(report.problems)))


def with_more(loaded: Loaded, text: str, more: Iterable[tuple[str, str, str, Severity]]) -> Loaded:
    """Return what `text` holds with more findings (path, message, remedy, severity), each at its place."""
    report = Report()
    try:
        read_cascade(Form(read(text), "", KEYS["cascade"], report))
    except UnreadableError:
        return loaded
    report.problems.clear()
    for path, message, remedy, severity in more:
        (report.error if severity == "error" else report.warn)(path, message, remedy)
    cascade = None if report.has_errors() else loaded.cascade
    return Loaded(loaded.name, cascade, tuple(sorted({*loaded.problems, *report.problems})))


def to_cascade(text: str, *, name: str) -> Cascade:
    """Return the cascade that the text defines; raises Invalid with every error."""
    loaded = load(text, name=name)
    if loaded.cascade is None:
        raise Invalid([problem.text(name) for problem in loaded.errors])
    return loaded.cascade


def defined(text: str, *, name: str) -> Cascade:
    """Return the same of a text that does not change, as a version's, which is read once: that takes 4 ms."""
    return _readable(text) or to_cascade(text, name=name)


@lru_cache(200)
def _readable(text: str) -> Cascade | None:
    return load(text, name="").cascade

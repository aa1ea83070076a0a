"""What a definition is told: where, what, and what to do. All of it at once."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Literal

from msgspec import Struct

from kaskad.domain.worded import worded

MAX_PROBLEMS = 100

Severity = Literal["error", "warning"]


class Problem(Struct, frozen=True, order=True):
    """One finding; line and column count from 1, `path` names the place (`steps[1].wait[0].for`)."""

    line: int
    column: int
    path: str
    message: str
    remedy: str = ""
    severity: Severity = "error"

    def text(self, name: str) -> str:
        """Return the finding as one line: `file:3:5: error: message; remedy`."""
        remedy = worded("; %(remedy)s", remedy=self.remedy) if self.remedy else ""
        return worded(
            "%(name)s:%(line)s:%(column)s: %(severity)s: %(message)s%(remedy)s",
            name=name,
            line=self.line,
            column=self.column,
            severity=self.severity,
            message=self.message,
            remedy=remedy,
        )


class UnreadableError(Exception):
    """A text in which nothing more can be read after this problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def did_you_mean(word: str, known: Iterable[str], habits: dict[str, str] | None = None) -> str:
    """Return the remedy for a word that is not known: the nearest one, or all there are."""
    choices = sorted(known)
    habit = (habits or {}).get(word.lower(), "")
    near = [habit] if habit in choices else get_close_matches(word.lower(), choices, n=1, cutoff=0.6)
    if near:
        return worded("did you mean `%(near)s`?", near=near[0])
    return worded("known here: %(known)s", known=", ".join(choices)) if choices else ""

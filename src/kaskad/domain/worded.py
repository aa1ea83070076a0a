"""Texts for people that can be said in another language: they remember their pattern and what fills it."""

from __future__ import annotations


class Worded(str):
    """An English text made from a pattern. Where people read, the pattern is looked up in their language.

    For everything else `str(…)` of it is the ordinary English text.
    """

    pattern: str
    values: dict[str, object]


def wording(error: Exception) -> str:
    """Return what an error says, still worded where it was."""
    told = error.args[0] if error.args else ""
    return told if isinstance(told, str) else str(error)


def worded(pattern: str, **values: object) -> Worded:
    """Return `pattern` with its %(names)s filled; the catalogues of `web/locale` have it as it stands."""
    made = Worded(pattern % values)
    made.pattern, made.values = pattern, values
    return made

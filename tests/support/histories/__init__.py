"""Random histories over the real engine: whatever people, services, shops and marketers do, promises hold.

    failure = failing(made(seed), database)   # None, or the least history that fails, and how

A history is a seed, by which it begins, and acts, each with a seed of its own: so it may be shortened, and
what is left does the same as before. Those from seed 1000 on draw more (`later`).
`python -m support.histories FIRST COUNT [--postgres | --two]` lives many.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from random import Random
from time import monotonic
from typing import Any
from unittest.mock import patch

from msgspec import Struct
from msgspec.structs import replace

from kaskad.engine.noting import Notes
from kaskad.store.db import Database
from support.histories.later import acts_of
from support.histories.life import FROM, Life
from support.histories.rules import check, check_over

NAMED = {act.__name__: act for act in acts_of(FROM)}
Databases = Callable[[], AbstractContextManager[tuple[Database, Database | None]]]
LENGTHS = (10, 25, 60)
SHORTENED_S = 60.0  # so long is what fails shortened


class History(Struct, frozen=True):
    """How it begins, and what happens then: the names of acts, each with its seed."""

    seed: int
    acts: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        lines = [f"    {act!r}," for act in self.acts]
        return "\n".join([f"History({self.seed}, (", *lines, "))"])


class Failure(Struct, frozen=True):
    """The shortest history that was found to fail, and by what."""

    history: History
    why: str
    trace: str

    def __str__(self) -> str:
        return f"{self.why}\n{self.history}\n{self.trace}"


def made(seed: int) -> History:
    """Return the history of a seed."""
    draw, acts = Random(seed), acts_of(seed)
    names = draw.choices([act.__name__ for act in acts], [*acts.values()], k=draw.choice(LENGTHS))
    return History(seed, tuple((name, draw.getrandbits(32)) for name in names))


def lived(seed: int, acts: Iterator[tuple[str, int]], db: Database, other: Database | None = None) -> None:
    """Live a history to its end; raise whatever does not hold."""
    life = Life(db, seed, other)
    for name, number in acts:
        life.draw = Random(number)
        NAMED[name](life)
        check(life)
    check_over(life)


def failing(history: History, databases: Databases) -> Failure | None:
    """Live a history; where it fails, return a short one that fails alike, each on an empty database."""
    failure = _tried(history, databases)
    if failure is None:
        return None
    until_s, size = monotonic() + SHORTENED_S, len(failure.history.acts)
    while size:
        place = 0
        while place < len(failure.history.acts):
            if monotonic() > until_s:
                return failure
            acts = failure.history.acts
            found = _tried(replace(history, acts=acts[:place] + acts[place + size :]), databases)
            if found is not None and _kind(found) == _kind(failure):
                failure = found
            else:
                place += size
        size //= 2
    return failure


def _raised(self: Any, run: Any, passages: Any, error: Exception) -> None:
    """Let a defect that would set one run aside end the history."""
    raise error


def _tried(history: History, databases: Databases) -> Failure | None:
    acts = iter(history.acts)
    with databases() as (db, other), patch.object(Notes, "set_aside", _raised):
        try:
            lived(history.seed, acts, db, other)
        except Exception as error:
            told = traceback.format_exc()
            begun = len(history.acts) - len([*acts])  # those that were left have no part in it
            return Failure(replace(history, acts=history.acts[:begun]), repr(error), told)
    return None


def _kind(failure: Failure) -> str:
    """Return what failed, without the numbers in it."""
    return "".join(letter for letter in failure.why.split(":")[0][:60] if not letter.isdigit())

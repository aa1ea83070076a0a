"""Random histories over the real engine: whatever people, services, shops and marketers do, promises hold.

    failure = failing(made(seed), database)   # None, or the least history that fails, and how

A history is a seed, by which it begins, and acts, each with a seed of its own: so it may be shortened, and
what is left does the same as before. `python -m support.histories FIRST COUNT [--postgres]` lives many.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from random import Random
from typing import Any
from unittest.mock import patch

from msgspec import Struct
from msgspec.structs import replace

from kaskad.engine import move
from kaskad.store.db import Database
from support.histories.acts import ACTS
from support.histories.life import Life
from support.histories.rules import check, check_over

NAMED = {act.__name__: act for act in ACTS}
Databases = Callable[[], AbstractContextManager[tuple[Database, Database | None]]]
LENGTHS = (10, 25, 60)
TRIES = 300  # of shortening one history


class History(Struct, frozen=True):
    """How it begins, and what happens then: the names of acts, each with its seed."""

    seed: int
    acts: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        lines = [f"    {act!r}," for act in self.acts]
        return "\n".join([f"History({self.seed}, (", *lines, "))"])


class Failure(Struct, frozen=True):
    """The least history that was found to fail, and by what."""

    history: History
    why: str
    trace: str

    def __str__(self) -> str:
        return f"{self.why}\n{self.history}\n{self.trace}"


def made(seed: int) -> History:
    """Return the history of a seed."""
    draw = Random(seed)
    names = draw.choices([*NAMED], [*ACTS.values()], k=draw.choice(LENGTHS))
    return History(seed, tuple((name, draw.getrandbits(32)) for name in names))


def lived(history: History, db: Database, other: Database | None = None) -> Life:
    """Live a history to its end; raise whatever does not hold."""
    life = Life(db, history.seed, other)
    for name, number in history.acts:
        life.draw = Random(number)
        NAMED[name](life)
        check(life)
    check_over(life)
    return life


def failing(history: History, databases: Databases) -> Failure | None:
    """Live a history; where it fails, return the shortest that fails alike, each on an empty database."""
    failure = _tried(history, databases)
    if failure is None:
        return None
    left, size = TRIES, len(history.acts)
    while size and left:
        place = 0
        while place < len(failure.history.acts) and left:
            acts = failure.history.acts
            shorter = replace(history, acts=acts[:place] + acts[place + size :])
            found, left = _tried(shorter, databases), left - 1
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
    with databases() as (db, other), patch.object(move._Mover, "_set_aside", _raised):
        try:
            lived(history, db, other)
        except Exception as error:
            return Failure(history, repr(error), traceback.format_exc())
    return None


def _kind(failure: Failure) -> str:
    """Return what failed, without the numbers in it."""
    return "".join(letter for letter in failure.why.split(":")[0][:60] if not letter.isdigit())

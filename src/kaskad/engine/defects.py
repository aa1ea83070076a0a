"""Which failures are a defect's, or an odd value's, and who of many is at fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from traceback import extract_tb
from typing import TypeVar

from kaskad.domain.errors import Conflict, Corrupted, Full, GivenUp, Locked, Unavailable, Unfit
from kaskad.domain.policy import HOUR

T = TypeVar("T")

DEFECT_MS = HOUR  # until what a defect has stopped is looked at again


def is_defect(error: BaseException) -> bool:
    """Return whether what was to be done may be what it has failed of: a defect of ours, an odd value, or
    what nobody waits for any more.

    All else is the database's, or another process's: it passes by itself or ends the engine, whatever is to
    be done.
    """
    if isinstance(error, Conflict):
        return isinstance(error, (Unfit, GivenUp))
    return isinstance(error, Exception) and not isinstance(error, (Locked, Unavailable, Full, Corrupted))


def by_halves(
    things: Sequence[T], attempt: Callable[[Sequence[T]], object], aside: Callable[[T, Exception], None]
) -> None:  # fmt: skip
    """Attempt all in their order, by halves where that fails; what fails alone is set `aside`.

    Raises what is no defect, and whatever `aside` raises: nothing more is attempted then.
    """
    if not things:
        return
    try:
        attempt(things)
    except Exception as error:
        if not is_defect(error):
            raise
        failure = error
    else:
        return
    if len(things) == 1:
        aside(things[0], failure)
        return
    half = len(things) // 2
    by_halves(things[:half], attempt, aside)
    by_halves(things[half:], attempt, aside)


def told(error: BaseException) -> str:
    """Return what failed by its class and place only: a text may hold what is known of a person."""
    found = [(Path(place.filename), place.lineno) for place in extract_tb(error.__traceback__)]
    file, line = next((each for each in reversed(found) if each[0].parent.name != "store"), found[-1])
    return f"{type(error).__name__} at {file.name}:{line}"

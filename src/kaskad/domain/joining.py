"""Which runs of two contacts that are one person are the same passage, and which of them goes on (E16)."""

from __future__ import annotations

from msgspec import Struct

from kaskad.domain.hours import add
from kaskad.domain.run import Run
from kaskad.domain.version import Version


class Told(Struct, frozen=True):
    """A run with its trigger key ("": none), and the last step that has left us (-1: none has)."""

    run: Run
    key: str
    sent: int


def same(version: Version, one: Told, other: Told) -> bool:
    """Say whether the re-entry rule of `version` would not have let one person have both runs (E13).

    Of two that are live the schema allows one in each slot, whatever the rule was when they began.
    """
    if one.key and one.key == other.key:
        return True
    live = one.run.outcome is None and other.run.outcome is None
    if live and one.run.slot == other.run.slot:
        return True
    match version.cascade.reentry.rule:
        case "once_ever":
            return True
        case "parallel_by_key":
            return not one.key and not other.key
        case "restart":
            return not one.key and not other.key and _overlap(version, one.run, other.run)
        case _:
            return _overlap(version, one.run, other.run)


def further(version: Version, one: Told, other: Told) -> tuple[Told, Told]:
    """Return which of two live runs goes on, and the other: first the one that has come further.

    Where another trigger restarts a person, the later run goes on.
    """
    if version.cascade.reentry.rule == "restart" and one.key and other.key and one.key != other.key:
        later = max((one, other), key=lambda told: told.run.entered_at)
        return (one, other) if later is one else (other, one)
    ahead = _progress(other) > _progress(one)
    return (other, one) if ahead else (one, other)


def _progress(told: Told) -> tuple[int, int, int]:
    return told.sent, told.run.step, told.run.phase


def _overlap(version: Version, one: Run, other: Run) -> bool:
    """Say whether the later one began before the earlier one and its cooldown were over."""
    first, second = sorted((one, other), key=lambda run: run.entered_at)
    if first.outcome is None:
        return True
    ended_at = first.finished_at or first.entered_at
    return second.entered_at < add(ended_at, version.cascade.reentry.cooldown, version.policy.zone)

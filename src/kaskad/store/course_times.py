"""When people reacted: what came too late to count for its message, and what went before an opt-out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct

from kaskad.domain.course import WINDOW_MS
from kaskad.domain.terms import Kind
from kaskad.store.db import Transaction
from kaskad.store.runs import RunKey


class Times(Struct, frozen=True):
    """What one run's times say."""

    past: tuple[tuple[int, int], ...] = ()  # step, and bits of what came after the window of its message
    left: int | None = None  # the step of the last message before an opt-out within its window


IN_TIME = Times()


def times_of(tx: Transaction, keys: Sequence[RunKey]) -> dict[RunKey, Times]:
    """Return what the times of these runs say, where it is more than nothing."""
    sent: dict[RunKey, dict[int, int]] = defaultdict(dict)
    for contact_id, run_id, step, at in tx.many("submission_times", sorted(keys)):
        sent[contact_id, run_id][step] = at
    past: dict[RunKey, dict[int, int]] = defaultdict(dict)
    left: dict[RunKey, int] = {}
    for contact_id, run_id, step, kind, at in tx.many("told_times", sorted(keys)):
        key = (contact_id, run_id)
        if kind == Kind.UNSUBSCRIBED:
            left[key] = min(left.get(key, at), at)
        begun = sent[key].get(step)
        if begun is not None and at > begun + WINDOW_MS:
            past[key][step] = past[key].get(step, 0) | 1 << kind
    found: dict[RunKey, Times] = {}
    for key in keys:
        made = Times(tuple(sorted(past[key].items())), _before(sent[key], left.get(key)))
        if made != IN_TIME:
            found[key] = made
    return found


def _before(sent: dict[int, int], at: int | None) -> int | None:
    """Return the step of the last message submitted before an instant, if that is within its window."""
    if at is None:
        return None
    touched = [(begun, step) for step, begun in sent.items() if begun <= at <= begun + WINDOW_MS]
    return max(touched)[1] if touched else None

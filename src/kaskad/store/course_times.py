"""When people reacted: what came too late to count for its message, and what went before an opt-out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct

from kaskad.domain.figures import SEEN, WINDOW_MS
from kaskad.domain.terms import Kind
from kaskad.store.db import Transaction
from kaskad.store.runs import RunKey


class Times(Struct, frozen=True):
    """What one run's times say."""

    past: tuple[tuple[int, int], ...] = ()  # step, and bits of what came after the window of its message
    left: int | None = None  # the step of the last that had arrived before an opt-out within its window
    early: tuple[tuple[int, tuple[tuple[int, int], ...]], ...] = ()  # step, and what people had done at
    # others, by step as bits, before it was submitted


IN_TIME = Times()


def times_of(tx: Transaction, keys: Sequence[RunKey]) -> dict[RunKey, Times]:
    """Return what the times of these runs say, where it is more than nothing."""
    sent: dict[RunKey, dict[int, int]] = defaultdict(dict)
    came: dict[RunKey, dict[int, int]] = defaultdict(dict)  # those of them that have arrived
    for contact_id, run_id, step, at, arrived in tx.many("submission_times", sorted(keys)):
        sent[contact_id, run_id][step] = at
        if arrived:
            came[contact_id, run_id][step] = at
    past: dict[RunKey, dict[int, int]] = defaultdict(dict)
    done: dict[RunKey, list[tuple[int, int, int]]] = defaultdict(list)
    left: dict[RunKey, int] = {}
    for contact_id, run_id, step, kind, at in tx.many("told_times", sorted(keys)):
        key = (contact_id, run_id)
        if kind == Kind.UNSUBSCRIBED:
            left[key] = min(left.get(key, at), at)
        if step >= 0 and 1 << kind & SEEN:
            done[key].append((step, kind, at))
        begun = sent[key].get(step)
        if begun is not None and at > begun + WINDOW_MS:
            past[key][step] = past[key].get(step, 0) | 1 << kind
    found: dict[RunKey, Times] = {}
    for key in keys:
        made = Times(
            tuple(sorted(past[key].items())), _before(came[key], left.get(key)), _early(sent[key], done[key])
        )
        if made != IN_TIME:
            found[key] = made
    return found


def _before(sent: dict[int, int], at: int | None) -> int | None:
    """Return the step of the last of these submitted before an instant, if that is within its window."""
    if at is None:
        return None
    touched = [(begun, step) for step, begun in sent.items() if begun <= at <= begun + WINDOW_MS]
    return max(touched)[1] if touched else None


def _early(
    sent: dict[int, int], done: Sequence[tuple[int, int, int]]
) -> tuple[tuple[int, tuple[tuple[int, int], ...]], ...]:
    """Return what people had done at other steps before a message was submitted, by its step."""
    found = []
    for step, begun in sorted(sent.items()):
        masks: dict[int, int] = {}
        for other, kind, at in done:
            if other != step and at < begun:
                masks[other] = masks.get(other, 0) | 1 << kind
        if masks:
            found.append((step, tuple(sorted(masks.items()))))
    return tuple(found)

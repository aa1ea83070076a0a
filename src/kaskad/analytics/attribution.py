"""Goals shared out among the messages before them, by rules. That is no proof of cause.

In a cascade whoever gets the second message has had the first, so "first" always names the first step, and no
rule, nor Shapley or Markov, can tell what a step adds: the groups without it never occur. What does is a lot
(`holdout` of a step): analytics/effects.py.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct, field

from kaskad.store.db import Transaction

DAY_MS = 86_400_000
HALF_LIFE_MS = 7 * DAY_MS
MOST = 10_000  # goals that are looked at, the last ones


def first(ages: Sequence[int]) -> list[float]:
    """Return all for the earliest; `ages` are milliseconds before the goal, the earliest message first."""
    return [1.0, *[0.0] * (len(ages) - 1)]


def last(ages: Sequence[int]) -> list[float]:
    """Return all for the latest."""
    return [*[0.0] * (len(ages) - 1), 1.0]


def linear(ages: Sequence[int]) -> list[float]:
    """Return the same for each."""
    return [1 / len(ages)] * len(ages)


def position(ages: Sequence[int]) -> list[float]:
    """Return 40 % for the first and the last, 20 % for those between; of two each has a half."""
    if len(ages) < 3:
        return linear(ages)
    return [0.4, *[0.2 / (len(ages) - 2)] * (len(ages) - 2), 0.4]


def decay(ages: Sequence[int]) -> list[float]:
    """Return the more for the later ones: half as much for each seven days before the goal."""
    weights = [2.0 ** (-age / HALF_LIFE_MS) for age in ages]
    total = sum(weights)
    return [weight / total for weight in weights]


RULES: dict[str, Callable[[Sequence[int]], list[float]]] = {
    "first": first, "last": last, "linear": linear, "position": position, "decay": decay,
}  # fmt: skip


class Place(Struct, frozen=True):
    """A step of a version, on a channel."""

    cascade_id: int
    version_id: int
    step: int
    channel: int


class Shared(Struct):
    """What each place got; `goals` are all that were looked at, `without` had no message before them."""

    goals: int = 0
    without: int = 0
    more: bool = False  # there were more than MOST
    touches: Counter[Place] = field(default_factory=Counter)
    credits: dict[Place, dict[str, float]] = field(default_factory=dict)


def share_out(tx: Transaction, since: int, until: int, within_ms: int) -> Shared:
    """Return the goals of a period, shared out among what had arrived in so long a time before each.

    An order that is the goal of several cascades is one goal. Seed contacts are in no figure.
    """
    rows = tx.all("goals_between", since=since, until=until, limit=MOST + 1)
    goals = {(row[0], row[1]): row[2] for row in rows[:MOST]}
    touches: dict[int, list[tuple[int, Place]]] = defaultdict(list)
    ids = sorted({contact_id for contact_id, _ in goals})
    for contact_id, at, *place in tx.among("arrived_touches", ids) if ids else ():
        touches[contact_id].append((at, Place(*place)))
    told = Shared(len(goals), more=len(rows) > MOST)
    for (contact_id, _), at in goals.items():
        before = sorted(
            (touch for touch in touches[contact_id] if at - within_ms <= touch[0] <= at), key=lambda t: t[0]
        )
        if before:
            _add(told, [at - when for when, _ in before], [place for _, place in before])
        else:
            told.without += 1
    return told


def _add(told: Shared, ages: Sequence[int], places: Iterable[Place]) -> None:
    shares = {name: rule(ages) for name, rule in RULES.items()}
    for number, place in enumerate(places):
        told.touches[place] += 1
        got = told.credits.setdefault(place, dict.fromkeys(RULES, 0.0))
        for name in RULES:
            got[name] += shares[name][number]

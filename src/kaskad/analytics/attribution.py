"""Goals shared out among the messages before them, by rules. That is no proof of cause.

In a cascade whoever gets the second message has had the first, so "first" always names the first step, and no
rule, nor Shapley or Markov, can tell what a step adds: the groups without it never occur. What does is a lot
(`holdout` of a step): analytics/effects.py.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from operator import itemgetter

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
    told = Shared(len(goals), more=len(rows) > MOST)
    people = sorted({contact_id for contact_id, _ in goals})
    places, touches = _touches(tx, people, min(goals.values(), default=0) - within_ms)
    alike: dict[tuple[int, ...], list[list[int]]] = defaultdict(list)  # ages before goals, by the places
    for (contact_id, _), at in goals.items():
        before = [touch for touch in touches.get(contact_id, ()) if at - within_ms <= touch[0] <= at]
        if before:
            alike[tuple([code for _, code in before])].append([at - when for when, _ in before])
        else:
            told.without += 1
    for codes, ages in alike.items():
        _add(told, [places[code] for code in codes], ages)
    return told


def _touches(
    tx: Transaction, people: Sequence[int], since: int
) -> tuple[list[Place], dict[int, list[tuple[int, int]]]]:
    """Return places, and by person what arrived that left us since an instant, in order: when, which place.

    Runs are read by themselves: PostgreSQL takes twice as long to look for that of each message.
    """
    runs = {(contact_id, run_id): way for contact_id, run_id, *way in tx.among("ways_of", people)}
    codes: dict[tuple[int, ...], int] = {}
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for contact_id, run_id, at, *what in tx.among("arrived_touches", people, since=since):
        place = (*runs[contact_id, run_id], *what)
        found[contact_id].append((at, codes.setdefault(place, len(codes))))
    for each in found.values():
        each.sort(key=itemgetter(0))
    return [Place(*place) for place in codes], found


def _add(told: Shared, places: Sequence[Place], ages: Sequence[Sequence[int]]) -> None:
    """Add goals that messages of the same places stood before, each with their ages."""
    shares = {name: [len(ages) * share for share in rule(ages[0])] for name, rule in RULES.items()}
    if len(places) > 1:  # the only rule that asks how old they are
        shares["decay"] = [sum(each) for each in zip(*map(decay, ages), strict=True)]
    for number, place in enumerate(places):
        told.touches[place] += len(ages)
        got = told.credits.setdefault(place, dict.fromkeys(RULES, 0.0))
        for name in RULES:
            got[name] += shares[name][number]

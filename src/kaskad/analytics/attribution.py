"""Goals shared out among the messages before them, by rules. That is no proof of cause.

In a cascade whoever gets the second message has had the first, so "first" always names the first step, and no
rule, nor Shapley or Markov, can tell what a step adds: the groups without it never occur. What does is a lot
(`holdout` of a step): analytics/effects.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TypeVar

import numpy as np
from msgspec import Struct, field

from kaskad.domain.figures import arrived
from kaskad.domain.terms import Kind
from kaskad.store import deed_columns, touch_columns
from kaskad.store.db import Row, Transaction
from kaskad.store.segment_columns import Floats, Integers

Whole = TypeVar("Whole", int, Integers)

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
    found: list[float] = _decays(np.array([ages], np.int64))[0].tolist()
    return found


def _decays(ages: Integers) -> Floats:
    """Return the same for each row of ages."""
    weights: Floats = 2.0 ** (-ages / HALF_LIFE_MS)
    shares: Floats = weights / weights.sum(axis=1, keepdims=True)
    return shares


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
    goals = tx.all("goals_between", since=since, until=until, limit=MOST + 1)
    told = Shared(min(len(goals), MOST), more=len(goals) > MOST)
    if not goals:
        return told
    contacts, _, at = zip(*goals[:MOST], strict=True)
    people, who = np.unique(np.array(contacts, np.int64), return_inverse=True)
    ends: Integers = np.array(at, np.int64)
    touches = _touches(tx, people, int(ends.min()) - within_ms)
    first_of = np.searchsorted(touches.keys, _keys(who, np.maximum(ends - within_ms, 0)))
    sizes = np.searchsorted(touches.keys, _keys(who, ends), "right") - first_of
    told.without = int(np.count_nonzero(sizes == 0))
    for size in np.unique(sizes[sizes > 0]).tolist():
        own = np.flatnonzero(sizes == size)
        chosen = first_of[own][:, None] + np.arange(size)
        _add(told, touches.places, touches.codes[chosen], ends[own][:, None] - touches.at[chosen])
    return told


class _Touches(Struct, frozen=True):
    """What arrived, by person and in order: when it left us, which place; `keys`: whose and when."""

    places: list[Place]
    keys: Integers
    at: Integers
    codes: Integers


def _touches(tx: Transaction, people: Integers, since: int) -> _Touches:
    """Return what arrived of these people, who are in order, that left us since an instant.

    Of which cascade a version is it is asked once.
    """
    cascades: dict[int, int] = dict(tx.all("version_cascades"))
    loose = deed_columns.loose(tx)
    if loose is None:
        contacts, at, which = _as_they_stand(tx, people, since)
    else:
        anew = np.isin(people, np.array(loose, np.int64))
        told = [_by_column(tx, people[~anew], since), _as_they_stand(tx, people[anew], since)]
        contacts, at, which = np.concatenate(told, axis=1)
    found, codes = np.unique(which, return_inverse=True)
    keys = _keys(np.searchsorted(people, contacts), at)
    order = np.argsort(keys, kind="stable")
    places = [
        Place(cascades[each >> 32], each >> 32, each >> 16 & 0xFFFF, each & 0xFFFF) for each in found.tolist()
    ]
    return _Touches(places, keys[order], at[order], codes[order])


def _by_column(tx: Transaction, people: Integers, since: int) -> Integers:
    """Return the same of people whom the columns tell of: whose, when, and which place as a number."""
    tells = {account_id: told & Kind.DELIVERED.bit for account_id, told, _ in tx.all("services")}

    def counts(kind: touch_columns.Touch) -> bool:
        *_, account_id, state, mask = kind
        return arrived(state, mask, tells.get(account_id, 0))

    told = touch_columns.touches(tx, people, since, counts)
    which = np.array([_which(*kind[:3]) for kind in told.kinds], np.int64)
    return np.array([told.contacts, told.at, which[told.codes]])


def _as_they_stand(tx: Transaction, people: Integers, since: int) -> Integers:
    """Return the same of others. Runs are read by themselves: PostgreSQL takes twice as long to look for that
    of each message."""
    ids: list[int] = people.tolist()
    contacts, run_ids, versions = _columns(tx.among("ways_of", ids), 3)
    runs = (np.searchsorted(people, contacts) << 32) + run_ids
    by_run = np.argsort(runs)
    contacts, run_ids, at, steps, channels = _columns(tx.among("arrived_touches", ids, since=since), 5)
    own = np.searchsorted(runs[by_run], (np.searchsorted(people, contacts) << 32) + run_ids)
    return np.array([contacts, at, _which(versions[by_run][own], steps, channels)])


def _which(version: Whole, step: Whole, channel: Whole) -> Whole:
    """Return a number for a step of a version on a channel, or of many."""
    return (version << 32) + (step << 16) + channel


def _keys(who: Integers, at: Integers) -> Integers:
    """Return numbers in the order of people, and of instants for each."""
    return (who << 43) + at  # 2^43 milliseconds are 279 years


def _columns(rows: Sequence[Row], width: int) -> Integers:
    """Return rows of whole numbers by column."""
    return np.fromiter(chain.from_iterable(rows), np.int64, width * len(rows)).reshape(-1, width).T


def _add(told: Shared, places: Sequence[Place], codes: Integers, ages: Integers) -> None:
    """Add goals that as many messages stood before: a row for each goal, of their places and ages."""
    counts = np.bincount(codes.ravel(), minlength=len(places))
    shares = {  # of all rules but one only how many there are counts
        name: _decays(ages) if rule is decay else np.broadcast_to(rule(ages[0].tolist()), ages.shape)
        for name, rule in RULES.items()
    }
    got = {name: np.bincount(codes.ravel(), each.ravel(), len(places)) for name, each in shares.items()}
    for code in np.flatnonzero(counts).tolist():
        told.touches[places[code]] += int(counts[code])
        credit = told.credits.setdefault(places[code], dict.fromkeys(RULES, 0.0))
        for name, each in got.items():
            credit[name] += float(each[code])

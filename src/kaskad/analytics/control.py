"""What all advertising together brings: everybody against the control group that gets none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeAlias

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kaskad.analytics.effects import Effect, effect
from kaskad.analytics.intervals import Interval, Share
from kaskad.analytics.samples import Money, bootstrap_difference, sample_ratio
from kaskad.analytics.uplift import BUYERS
from kaskad.domain.control import FOREVER, ROUNDS, STEP, Drawn
from kaskad.domain.money import DIGITS
from kaskad.domain.paths import look_up
from kaskad.domain.policy import ControlGroup
from kaskad.domain.returns import ALL, Back, Bought, left, order_of, whose
from kaskad.store.db import Row, Transaction

Contacts: TypeAlias = NDArray[np.uint64]  # the numbers of contacts

MOST = 200_000  # events that are looked at, the last ones
_SEED = 20_261_126
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Whole(Struct, frozen=True):
    """People with the event in the time of one share; `worth` is money for each person, in minor units of
    `currency`, less what came back of it where the group says how that is told (`deducts`). `share` is of
    10 000, of the time from `since` until before `until`."""

    share: int
    since: int
    until: int
    effect: Effect
    evenly: float | None
    currency: str
    treated: float | None
    held: float | None
    worth: Interval | None
    more: bool  # there were more events than MOST
    deducts: bool = False


def everybody(tx: Transaction, until: int) -> Contacts:
    """Return who was known before an instant, but for seed and erased contacts; 0.1 s for a million."""
    ((ids,),) = tx.all("contacts_before", until=until)
    return np.fromstring(ids or "", np.uint64, sep=",")


def measure(tx: Transaction, group: ControlGroup, drawn: Drawn, currency: str, now: int) -> Whole:
    """Return what everybody did while one share was held out, against the control group of that time."""
    until = min(drawn.until, now)
    ids = everybody(tx, until)
    held = int(held_of(ids, drawn).sum())
    rows = _events(tx, group.event, drawn.since, until)
    scale = 10 ** DIGITS.get(currency, 2)
    whose: Contacts = np.array([row[0] for row in rows[:MOST]], np.uint64)
    bought, of = np.unique(whose, return_inverse=True)
    amounts = np.zeros(len(bought), np.int64)
    np.add.at(amounts, of, [worth or 0 for worth in _worths(group.value, scale, rows[:MOST])])
    if group.returned is not None and group.value:
        back = _events(tx, group.returned.event, drawn.since, now)
        buyers = sorted({row[0] for row in back[:MOST]} & set(bought.tolist()))
        less = _returned(tx, group, buyers, drawn.since, until, scale)
        amounts[np.searchsorted(bought, np.array(list(less), np.uint64))] -= np.array(
            list(less.values()), np.int64
        )
    known = np.isin(bought, ids)  # neither seed contacts nor who is erased
    mask = held_of(bought, drawn)
    arms = {of_held: amounts[known & (mask == of_held)] for of_held in (False, True)}
    treated = len(ids) - held
    made = effect(Share(len(arms[False]), treated), Share(len(arms[True]), held))
    worth = {each: _money(values, held if each else treated) for each, values in arms.items()}
    worthy = bool(group.value)
    enough = worthy and min(made.one.hits, made.other.hits) >= BUYERS
    return Whole(
        drawn.share, drawn.since, until, made,
        sample_ratio([treated, held], [10_000 - drawn.share, drawn.share]), currency,
        worth[False].mean if worthy else None, worth[True].mean if worthy else None,
        bootstrap_difference(worth[False], worth[True], _SEED) if enough else None, len(rows) > MOST,
        group.returned is not None and worthy,
    )  # fmt: skip


def held_of(ids: NDArray[np.uint64], drawn: Drawn) -> NDArray[np.bool_]:
    """Return which of these contacts are in the group: the lot of domain/control.py, for all at once."""
    with np.errstate(over="ignore"):
        mixed = (ids ^ np.uint64(drawn.key)) + np.uint64(STEP)
        for shift, factor in ROUNDS:
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        return (mixed ^ (mixed >> np.uint64(31))) % np.uint64(10_000) < np.uint64(drawn.share)


def _events(tx: Transaction, name: str, since: int, until: int) -> list[Row]:
    """Return events of a name in a period, or the last of them: one more than MOST."""
    span = {"name": name, "since": since, "until": until, "limit": MOST + 1}
    rows = tx.all("some_events_of_all", **span)  # without their order it takes half
    return rows if len(rows) <= MOST else tx.all("last_events_of_all", **span)


def _returned(
    tx: Transaction, group: ControlGroup, contact_ids: Sequence[int], since: int, until: int, scale: int
) -> dict[int, int]:
    """Return what came back, whenever, of what these people have bought in a time (domain/returns.py)."""
    named = group.returned
    if named is None or not contact_ids:
        return {}
    found: dict[int, int] = {}
    back: dict[int, list[tuple[int, str, int | None]]] = defaultdict(list)
    rows = tx.among("events_named", contact_ids, name=named.event)
    whole = [ALL] * len(rows)
    for row, minor in zip(rows, _worths(named.value, scale, rows) if named.value else whole, strict=True):
        back[row[0]].append((row[2], order_of(named, _decode(row[3])), minor))
    bought: dict[int, list[Bought]] = defaultdict(list)
    rows = tx.among("events_named", contact_ids, name=group.event)
    for (contact_id, event, at, text), worth in zip(rows, _worths(group.value, scale, rows), strict=True):
        order = order_of(named, _decode(text))
        bought[contact_id].append(Bought(len(bought[contact_id]), event, at, order, worth or 0, FOREVER))
    for contact_id, goals in bought.items():
        told: dict[int, list[Back]] = defaultdict(list)
        for at, of, minor in back[contact_id]:
            for goal in whose(goals, at, lambda _, order=of: order):  # type: ignore[misc]
                told[goal.run_id].append(Back(at, None if minor is None else abs(minor)))
        found[contact_id] = sum(
            left(goal, told[goal.run_id]).returned for goal in goals if since <= goal.at < until
        )
    return found


def _worths(path: str, scale: int, rows: Sequence[Row]) -> list[int | None]:
    """Return the amounts in properties, with which rows end, in minor units; None where no number is."""
    read = _reader(path)
    return [
        round(amount * scale) if type(amount) in (int, float) and abs(amount) < 1e12 else None
        for amount in [read(row[-1]) for row in rows]
    ]


def _reader(path: str) -> Callable[[str], Any]:
    """Return what reads the value at a path out of properties; None where there is none."""
    if "." in path or not path:
        return lambda properties: look_up(path, _decode(properties)) if path else None
    told = msgspec.defstruct("Told", [("found", Any, None)], rename={"found": path})
    decode, found = msgspec.json.Decoder(told).decode, attrgetter("found")
    return lambda properties: found(decode(properties))  # reads nothing else


def _money(values: NDArray[np.int64], people: int) -> Money:
    amounts, often = np.unique(values, return_counts=True)
    counts = dict(zip(amounts.tolist(), often.tolist(), strict=True))
    counts[0] = counts.get(0, 0) + max(people - len(values), 0)
    return Money(_kept(counts))


def _kept(counts: Mapping[int, int]) -> Mapping[int, int]:
    return {value: count for value, count in counts.items() if count}

"""What all advertising together brings: everybody against the control group that gets none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

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
from kaskad.store.db import Transaction

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


class Known(Struct, frozen=True):
    """Everybody who is known, as the numbers of contacts, and since when; seed and erased contacts aside."""

    ids: NDArray[np.uint64]
    since: NDArray[np.int64]

    def before(self, until: int) -> NDArray[np.uint64]:
        """Return who was known before an instant."""
        return self.ids[self.since < until]


NOBODY = Known(np.empty(0, np.uint64), np.empty(0, np.int64))


def everybody(tx: Transaction, until: int) -> Known:
    """Return who was known before an instant; of a million contacts it takes long: it is asked for once."""
    rows = tx.all("contacts_before", until=until)
    count = len(rows)
    return Known(
        np.fromiter((row[0] for row in rows), np.uint64, count),
        np.fromiter((row[1] for row in rows), np.int64, count),
    )


def measure(
    tx: Transaction, people: Known, group: ControlGroup, drawn: Drawn, currency: str, now: int
) -> Whole:
    """Return what everybody did while one share was held out, against the control group of that time."""
    until = min(drawn.until, now)
    ids = people.before(until)
    held = int(held_of(ids, drawn).sum())
    span = {"since": drawn.since, "limit": MOST + 1}
    rows = tx.all("events_of_all", name=group.event, until=until, **span)
    amounts: dict[int, int] = {}
    scale = 10 ** DIGITS.get(currency, 2)
    for contact_id, properties in rows[:MOST]:
        amounts[contact_id] = amounts.get(contact_id, 0) + (_worth(group.value, properties, scale) or 0)
    if group.returned is not None and group.value:
        back = tx.all("events_of_all", name=group.returned.event, until=now, **span)
        buyers = sorted({row[0] for row in back[:MOST]} & amounts.keys())
        for contact_id, minor in _returned(tx, group, buyers, drawn.since, until, scale).items():
            amounts[contact_id] -= minor
    bought = np.array(sorted(amounts), dtype=np.uint64)
    mask = held_of(bought, drawn).tolist()
    arms: dict[bool, list[int]] = {False: [], True: []}
    for contact_id, of in zip(bought.tolist(), mask, strict=True):
        arms[of].append(amounts[contact_id])
    treated = len(ids) - held
    made = effect(Share(len(arms[False]), treated), Share(len(arms[True]), held))
    worth = {of: _money(values, held if of else treated) for of, values in arms.items()}
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


def _returned(
    tx: Transaction, group: ControlGroup, contact_ids: Sequence[int], since: int, until: int, scale: int
) -> dict[int, int]:
    """Return what came back, whenever, of what these people have bought in a time (domain/returns.py)."""
    named = group.returned
    if named is None or not contact_ids:
        return {}
    found: dict[int, int] = {}
    back: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for contact_id, _, at, properties in tx.among("events_named", contact_ids, name=named.event):
        back[contact_id].append((at, properties))
    bought: dict[int, list[Bought]] = defaultdict(list)
    for contact_id, event, at, properties in tx.among("events_named", contact_ids, name=group.event):
        worth, order = _worth(group.value, properties, scale) or 0, order_of(named, _decode(properties))
        bought[contact_id].append(Bought(len(bought[contact_id]), event, at, order, worth, FOREVER))
    for contact_id, goals in bought.items():
        told: dict[int, list[Back]] = defaultdict(list)
        for at, properties in back[contact_id]:
            order = order_of(named, _decode(properties))
            minor = _worth(named.value, properties, scale) if named.value else ALL
            for goal in whose(goals, at, lambda _, order=order: order):  # type: ignore[misc]
                told[goal.run_id].append(Back(at, None if minor is None else abs(minor)))
        found[contact_id] = sum(
            left(goal, told[goal.run_id]).returned for goal in goals if since <= goal.at < until
        )
    return found


def _worth(path: str, properties: str, scale: int) -> int | None:
    amount = look_up(path, _decode(properties)) if path else None
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not abs(amount) < 1e12:
        return None
    return round(amount * scale)


def _money(values: list[int], people: int) -> Money:
    counts: dict[int, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    counts[0] = counts.get(0, 0) + max(people - len(values), 0)
    return Money(_kept(counts))


def _kept(counts: Mapping[int, int]) -> Mapping[int, int]:
    return {value: count for value, count in counts.items() if count}

"""What all advertising together brings: everybody against the control group that gets none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
from msgspec import Struct, structs
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
    ((ids, seeds),) = tx.all("contacts_before", until=until)
    known = _numbers(ids)
    return known[~np.isin(known, _numbers(seeds))]


def measure(
    tx: Transaction, group: ControlGroup, times: Sequence[Drawn], currency: str, now: int
) -> list[Whole]:
    """Return for each of one to four times what everybody did while its share was held out, against those of
    the group. Contacts and events are read once for all of them: that is most of what one takes.
    """
    known = _known(tx, [min(one.until, now) for one in times])
    happened = _happened(tx, group.event, times, now)
    return [
        _of_time(tx, group, one, currency, now, (ids, events))
        for one, ids, events in zip(times, known, happened, strict=True)
    ]


def _of_time(
    tx: Transaction, group: ControlGroup, drawn: Drawn, currency: str, now: int,
    told: tuple[Contacts, _Events],
) -> Whole:  # fmt: skip
    (ids, events), until = told, min(drawn.until, now)
    held = int(held_of(ids, drawn).sum())
    scale = 10 ** DIGITS.get(currency, 2)
    bought, of = np.unique(events.whose, return_inverse=True)
    amounts = np.zeros(len(bought), np.int64)
    np.add.at(amounts, of, [worth or 0 for worth in _worths(group.value, scale, events.properties)])
    if group.returned is not None and group.value:
        back = _events(tx, group.returned.event, drawn.since, now)
        buyers = sorted(set(back.whose.tolist()) & set(bought.tolist()))
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
        bootstrap_difference(worth[False], worth[True], _SEED) if enough else None, events.more,
        group.returned is not None and worthy,
    )  # fmt: skip


def held_of(ids: NDArray[np.uint64], drawn: Drawn) -> NDArray[np.bool_]:
    """Return which of these contacts are in the group: the lot of domain/control.py, for all at once."""
    with np.errstate(over="ignore"):
        mixed = (ids ^ np.uint64(drawn.key)) + np.uint64(STEP)
        for shift, factor in ROUNDS:
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        return (mixed ^ (mixed >> np.uint64(31))) % np.uint64(10_000) < np.uint64(drawn.share)


class _Events(Struct, frozen=True):
    """Events of a name: whose, when, and their properties as texts. `more`: there were more than MOST."""

    whose: Contacts
    at: NDArray[np.int64]
    properties: list[str]
    more: bool

    def within(self, since: int, until: int) -> _Events:
        """Return those of a part of the time."""
        places = np.flatnonzero((self.at >= since) & (self.at < until))
        told = [self.properties[place] for place in places.tolist()]
        return _Events(self.whose[places], self.at[places], told, self.more)


def _known(tx: Transaction, untils: Sequence[int]) -> list[Contacts]:
    """Return for each of up to four instants who was known before it."""
    instants = sorted(set(untils))
    if len(instants) < 2:
        return [everybody(tx, until) for until in instants] * len(untils)
    *earlier, last = [instants[0]] * (4 - len(instants)) + instants
    first, second, third = earlier
    ((ids, seeds, told),) = tx.all("contacts_by_age", first=first, second=second, third=third, until=last)
    whole, ages = _numbers(ids), np.frombuffer((told or "").encode(), np.uint8) - ord("0")
    ages[np.isin(whole, _numbers(seeds))] = len(earlier) + 1  # of no time
    return [whole[ages <= sum(until > one for one in earlier)] for until in untils]


def _numbers(text: str | None) -> Contacts:
    return np.fromstring(text or "", np.uint64, sep=",")


def _happened(tx: Transaction, name: str, times: Sequence[Drawn], now: int) -> list[_Events]:
    """Return the events of a name in each of these times."""
    spans = [(one.since, min(one.until, now)) for one in times]
    if len(spans) > 1:
        whole = _first_events(tx, name, min(since for since, _ in spans), max(until for _, until in spans))
        if not whole.more:
            return [whole.within(*span) for span in spans]
    return [_events(tx, name, *span) for span in spans]


def _events(tx: Transaction, name: str, since: int, until: int) -> _Events:
    """Return the events of a name in a period; of more than MOST the last ones, all of an instant or none,
    unless it has more than MOST itself."""
    found = _first_events(tx, name, since, until)
    if not found.more:
        return found
    ((told,),) = tx.all("when_events_of_all", name=name, since=since, until=until)
    at = np.fromstring(told, np.int64, sep=",")
    eldest = int(np.partition(at, -MOST - 1)[-MOST - 1])  # of one more than may be read
    latest = _first_events(tx, name, min(eldest + 1, int(at.max())), until)
    return structs.replace(latest, more=True)


def _first_events(tx: Transaction, name: str, since: int, until: int) -> _Events:
    """Return events of a name in a period, at most MOST and in no order: without order it takes half."""
    rows = tx.all("events_of_all", name=name, since=since, until=until, limit=MOST + 1)
    kept = rows[:MOST]
    return _Events(
        np.array([row[0] for row in kept], np.uint64), np.array([row[1] for row in kept], np.int64),
        [row[2] for row in kept], len(rows) > MOST,
    )  # fmt: skip


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
    worths = _worths(named.value, scale, [row[3] for row in rows]) if named.value else [ALL] * len(rows)
    for row, minor in zip(rows, worths, strict=True):
        back[row[0]].append((row[2], order_of(named, _decode(row[3])), minor))
    bought: dict[int, list[Bought]] = defaultdict(list)
    rows = tx.among("events_named", contact_ids, name=group.event)
    worths = _worths(group.value, scale, [row[3] for row in rows])
    for (contact_id, event, at, text), worth in zip(rows, worths, strict=True):
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


def _worths(path: str, scale: int, properties: Sequence[str]) -> list[int | None]:
    """Return the amounts at a path of properties in minor units; None where no number is."""
    return [
        round(amount * scale) if type(amount) in (int, float) and abs(amount) < 1e12 else None
        for amount in _found(path, properties)
    ]


def _found(path: str, properties: Sequence[str]) -> list[Any]:
    """Return the values at a path of properties; None where there is none."""
    if not path:
        return [None] * len(properties)
    if not path.isidentifier():
        return [look_up(path, _decode(each)) for each in properties]
    told = msgspec.defstruct("Told", [("found", Any, None)], rename={"found": path})
    listed: list[Any] = msgspec.json.decode(f"[{','.join(properties)}]", type=list[told])  # type: ignore[valid-type]
    return [each.found for each in listed]  # nothing else was read, in half the time of one by one


def _money(values: NDArray[np.int64], people: int) -> Money:
    amounts, often = np.unique(values, return_counts=True)
    counts = dict(zip(amounts.tolist(), often.tolist(), strict=True))
    counts[0] = counts.get(0, 0) + max(people - len(values), 0)
    return Money(_kept(counts))


def _kept(counts: Mapping[int, int]) -> Mapping[int, int]:
    return {value: count for value, count in counts.items() if count}

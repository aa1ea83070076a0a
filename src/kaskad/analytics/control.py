"""What all advertising together brings: everybody against the control group that gets none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from kaskad.store import seeds, segment_blocks
from kaskad.store.db import Transaction
from kaskad.store.segment_blocks import BLOCK, Changed

Contacts: TypeAlias = NDArray[np.int64]  # the numbers of contacts

MOST = 200_000  # events that are looked at, the last ones
_SEED = 20_261_126
_EVERYBODY, _EVENTS = "everybody", "events"  # words on the shelf
_NOBODY = np.zeros(0, np.int64)
_NUMBERS = frozenset({int, float})
_LARGE = 1e12  # what is as large is no amount
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


class Everybody(Struct, frozen=True):
    """Who is there, by number of the contact: neither seed nor erased contacts. `late` are those who became
    known from the first of some instants on, each with the last instant by then. `lots` are kept by key."""

    there: NDArray[np.bool_]
    late: Contacts
    late_since: NDArray[np.int64]
    lots: dict[int, NDArray[np.uint16]]

    @property
    def nbytes(self) -> int:
        return 3 * self.there.nbytes + 2 * self.late.nbytes  # with the lots by one key

    def known(self, until: int) -> NDArray[np.bool_]:
        """Return who was known before one of the instants."""
        found = self.there.copy()
        found[self.late[self.late_since >= until]] = False
        return found

    def lot(self, key: int) -> NDArray[np.uint16]:
        """Return where everybody falls among 10 000."""
        if key not in self.lots:
            found = np.empty(len(self.there), np.uint16)
            for first in range(0, len(found), BLOCK):  # some at a time stay near the processor
                last = min(first + BLOCK, len(found))
                found[first:last] = _lots(np.arange(first, last, dtype=np.uint64), key)
            self.lots[key] = found
        return self.lots[key]


def everybody(tx: Transaction, untils: Iterable[int], changed: Changed | None = None) -> Everybody:
    """Return who is known, and who of them was before each of up to four instants, the last of which is now.

    What is read stays in memory; with what has `changed` since only that is read anew.
    """
    told = sorted(set(untils))
    if changed is None:
        return _everybody(tx, told)
    *before, now = told
    anew: list[Everybody] = []

    def read(_: Sequence[int]) -> Iterator[tuple[int, _Everybody]]:
        anew.append(whole := _everybody(tx, told))
        if not (whole.late_since >= now).any():  # else somebody will be known only later
            yield 0, _Everybody(whole, now)

    kept = tx.shelf.take((_EVERYBODY, *before), {0: changed.made}, read).get(0)
    if kept is None or kept.at > now:
        return anew[0] if anew else _everybody(tx, told)
    return _with_changes(tx, kept.whole, before, changed.contacts) if changed.contacts else kept.whole


class _Everybody(Struct, frozen=True):
    """Everybody as of an instant."""

    whole: Everybody
    at: int

    @property
    def nbytes(self) -> int:
        return self.whole.nbytes


def _with_changes(
    tx: Transaction, whole: Everybody, untils: Sequence[int], changed: Sequence[int]
) -> Everybody:  # fmt: skip
    """Return everybody, with those who have changed as they stand."""
    size = max(len(whole.there), changed[-1] + 1)
    there = np.zeros(size, np.bool_)
    there[: len(whole.there)] = whole.there
    there[changed] = False
    rows = np.array(tx.among("contacts_there", changed), np.int64).reshape(-1, 2)
    there[rows[:, 0]] = True
    instants = np.array(untils, np.int64)
    place = np.searchsorted(instants, rows[:, 1], "right") - 1  # the last instant by then
    new, stays = place >= 0, ~np.isin(whole.late, np.array(changed, np.int64))
    return Everybody(
        there, np.concatenate([whole.late[stays], rows[new, 0]]),
        np.concatenate([whole.late_since[stays], instants[place[new]]]),
        whole.lots if size == len(whole.there) else {},
    )  # fmt: skip


def _everybody(tx: Transaction, told: Sequence[int]) -> Everybody:
    """Return who is known, and who of them was before each of up to four instants, in order.

    Numbers of contacts are given one after the other and none is given back, so it is mostly enough how many
    there are.
    """
    instants = [*told, *[told[-1]] * (4 - len(told))]
    row = tx.one("last_contact")
    last = (row[0] or 0) if row else 0
    asked = dict(zip(("first", "second", "third", "fourth"), instants, strict=True))
    ((count, gone, new),) = tx.all("everybody", **asked)
    there = np.ones(last + 1, np.bool_)
    there[0] = False  # nobody's number
    if count < last:
        _leave_out(tx, there)
    there[_numbers(gone)] = False
    there[seeds.all_seeds(tx)] = False
    late = _numbers(new)
    return Everybody(there, late // 4, np.array(instants)[late % 4], {})


def _leave_out(tx: Transaction, there: NDArray[np.bool_]) -> None:
    """Leave out the numbers that were given to nobody: they are few, so most blocks are only counted."""
    for first in range(1, len(there), BLOCK):
        span = {"least": first, "most": min(first + BLOCK, len(there)) - 1}
        ((count,),) = tx.all("count_of_block", **span)
        if count <= span["most"] - span["least"]:
            there[first : span["most"] + 1] = False
            ((ids,),) = tx.all("ids_of_block", **span)
            there[_numbers(ids)] = True


def measure(
    tx: Transaction, group: ControlGroup, times: Sequence[Drawn], currency: str, now: int
) -> list[Whole]:
    """Return for each of one to four times what everybody did while its share was held out, against those of
    the group. Contacts and events are read once for all of them: that is most of what one takes.
    """
    untils = [min(one.until, now) for one in times]
    changed = segment_blocks.changed(tx) if max(untils) == now else None
    whole = everybody(tx, untils, changed)
    told = _Told(group.value, 10 ** DIGITS.get(currency, 2))
    happened = _happened(tx, group.event, told, times, now, changed)
    return [
        structs.replace(_of_time(tx, group, one, now, told, whole, events), currency=currency)
        for one, events in zip(times, happened, strict=True)
    ]


def _of_time(
    tx: Transaction, group: ControlGroup, drawn: Drawn, now: int, told: _Told, whole: Everybody,
    events: _Events,
) -> Whole:  # fmt: skip
    until = min(drawn.until, now)
    here, chosen = whole.known(until), whole.lot(drawn.key) < drawn.share
    held = int(np.count_nonzero(here & chosen))
    treated = int(np.count_nonzero(here)) - held
    bought, of = np.unique(events.whose, return_inverse=True)
    amounts = np.zeros(len(bought), np.int64)
    np.add.at(amounts, of, np.nan_to_num(events.minor).astype(np.int64))
    if group.returned is not None and group.value:
        back = _events(tx, group.returned.event, structs.replace(told, path=""), drawn.since, now)
        buyers = sorted(set(back.whose.tolist()) & set(bought.tolist()))
        less = _returned(tx, group, buyers, drawn.since, until, told)
        amounts[np.searchsorted(bought, np.array(list(less), np.int64))] -= np.array(
            list(less.values()), np.int64
        )
    known, mask = here[bought], chosen[bought]  # neither seed contacts nor who is erased
    arms = {of_held: amounts[known & (mask == of_held)] for of_held in (False, True)}
    made = effect(Share(len(arms[False]), treated), Share(len(arms[True]), held))
    worth = {each: _money(values, held if each else treated) for each, values in arms.items()}
    worthy = bool(group.value)
    enough = worthy and min(made.one.hits, made.other.hits) >= BUYERS
    return Whole(
        drawn.share, drawn.since, until, made,
        sample_ratio([treated, held], [10_000 - drawn.share, drawn.share]), "",
        worth[False].mean if worthy else None, worth[True].mean if worthy else None,
        bootstrap_difference(worth[False], worth[True], _SEED) if enough else None, events.more,
        group.returned is not None and worthy,
    )  # fmt: skip


def held_of(ids: NDArray[np.uint64], drawn: Drawn) -> NDArray[np.bool_]:
    """Return which of these contacts are in the group."""
    return _lots(ids, drawn.key) < drawn.share


def _lots(ids: NDArray[np.uint64], key: int) -> NDArray[np.uint16]:
    """Return the lots of these contacts, which domain/control.py casts for one, for all at once."""
    with np.errstate(over="ignore"):
        mixed = (ids ^ np.uint64(key)) + np.uint64(STEP)
        for shift, factor in ROUNDS:
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        return ((mixed ^ (mixed >> np.uint64(31))) % np.uint64(10_000)).astype(np.uint16)


class _Told(Struct, frozen=True):
    """Where the amount of an event stands in its properties ("": nowhere); how many minor units one is."""

    path: str
    scale: int


class _Events(Struct, frozen=True):
    """Events of a name: whose, when, and their amounts in minor units, NaN where there is none. `more`: there
    were more than MOST."""

    whose: Contacts
    at: NDArray[np.int64]
    minor: NDArray[np.float64]
    more: bool = False

    @property
    def nbytes(self) -> int:
        return 3 * self.at.nbytes

    def within(self, since: int, until: int) -> _Events:
        """Return those of a part of the time."""
        chosen = (self.at >= since) & (self.at < until)
        return _Events(self.whose[chosen], self.at[chosen], self.minor[chosen], self.more)


def _numbers(told: str | bytes | None) -> Contacts:
    """Return the numbers of a text, or of the bytes that PostgreSQL tells them by; None: none."""
    if told is None:
        return _NOBODY
    if isinstance(told, str):
        return np.fromstring(told, np.int64, sep=",")
    return np.frombuffer(told, ">i8").astype(np.int64)


def _happened(
    tx: Transaction, name: str, told: _Told, times: Sequence[Drawn], now: int, changed: Changed | None
) -> list[_Events]:
    """Return the events of a name in each of these times."""
    spans = [(one.since, min(one.until, now)) for one in times]
    if changed is not None:
        kept = _kept_events(tx, name, told, min(since for since, _ in spans), changed)
        if kept is not None:
            return [kept.within(*span) for span in spans]
    if len(spans) > 1:
        longest = min(since for since, _ in spans), max(until for _, until in spans)
        whole = _first_events(tx, name, told, *longest)
        if not whole.more:
            return [whole.within(*span) for span in spans]
    return [_events(tx, name, told, *span) for span in spans]


def _kept_events(
    tx: Transaction, name: str, told: _Told, since: int, changed: Changed
) -> _Events | None:  # fmt: skip
    """Return the events of a name from an instant on, which stay in memory; None: they are more than MOST."""

    def read(_: Sequence[int]) -> Iterator[tuple[int, _Events]]:
        found = _first_events(tx, name, told, since, FOREVER)
        if not found.more:
            yield 0, found

    kept = tx.shelf.take((_EVENTS, name, told.path, told.scale, since), {0: changed.made}, read).get(0)
    if kept is None or not changed.contacts:
        return kept
    rows = tx.among("events_named", changed.contacts, name=name)
    stays = ~np.isin(kept.whose, np.array(changed.contacts, np.int64))
    whose, at = (np.array([row[place] for row in rows], np.int64) for place in (0, 2))
    minor = np.full(len(rows), np.nan)
    if told.path and rows:
        minor = _minor(told, ",".join([row[3] for row in rows]))
    found = _Events(
        np.concatenate([kept.whose[stays], whose]), np.concatenate([kept.at[stays], at]),
        np.concatenate([kept.minor[stays], minor]),
    )  # fmt: skip
    return found if len(found.at) <= MOST else None


def _events(tx: Transaction, name: str, told: _Told, since: int, until: int) -> _Events:
    """Return the events of a name in a period; of more than MOST the last ones, all of an instant or none,
    unless it has more than MOST itself."""
    found = _first_events(tx, name, told, since, until)
    if not found.more:
        return found
    ((instants,),) = tx.all("when_events_of_all", name=name, since=since, until=until)
    at = _numbers(instants)
    eldest = int(np.partition(at, -MOST - 1)[-MOST - 1])  # of one more than may be read
    latest = _first_events(tx, name, told, min(eldest + 1, int(at.max())), until)
    return structs.replace(latest, more=True)


def _first_events(tx: Transaction, name: str, told: _Told, since: int, until: int) -> _Events:
    """Return events of a name in a period, at most MOST and in no order: without order it takes half."""
    ((people, instants, properties),) = tx.all(
        "events_of_all", name=name, since=since, until=until, limit=MOST + 1
    )
    if people is None:
        return _Events(_NOBODY, _NOBODY, np.zeros(0))
    whose = _numbers(people)
    minor = _minor(told, properties) if told.path else np.full(len(whose), np.nan)
    return _Events(whose[:MOST], _numbers(instants)[:MOST], minor[:MOST], len(whose) > MOST)


def _returned(
    tx: Transaction, group: ControlGroup, contact_ids: Sequence[int], since: int, until: int, told_in: _Told
) -> dict[int, int]:
    """Return what came back, whenever, of what these people have bought in a time (domain/returns.py)."""
    named = group.returned
    if named is None or not contact_ids:
        return {}
    found: dict[int, int] = {}
    back: dict[int, list[tuple[int, str, int | None]]] = defaultdict(list)
    rows = tx.among("events_named", contact_ids, name=named.event)
    back_in = structs.replace(told_in, path=named.value)
    worths = _worths(back_in, [row[3] for row in rows]) if named.value else [ALL] * len(rows)
    for row, minor in zip(rows, worths, strict=True):
        back[row[0]].append((row[2], order_of(named, _decode(row[3])), minor))
    bought: dict[int, list[Bought]] = defaultdict(list)
    rows = tx.among("events_named", contact_ids, name=group.event)
    worths = _worths(told_in, [row[3] for row in rows])
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


def _worths(told: _Told, properties: Sequence[str]) -> list[int | None]:
    """Return the amounts of events in minor units; None where no number is."""
    amounts = _minor(told, ",".join(properties)).tolist()
    return [None if minor != minor else int(minor) for minor in amounts]


def _minor(told: _Told, properties: str) -> NDArray[np.float64]:
    """Return the same of events whose properties stand one after the other; NaN where no number is."""
    values = _values(told.path, f"[{properties}]")
    found = [value if type(value) in _NUMBERS else np.nan for value in values]
    try:
        amounts = np.array(found, np.float64)
    except OverflowError:  # a whole number that no float can be
        amounts = np.array([value if abs(value) < _LARGE else np.nan for value in found], np.float64)
    amounts[np.abs(amounts) >= _LARGE] = np.nan
    return np.rint(amounts * told.scale)


def _values(path: str, listed: str) -> list[Any]:
    """Return what a list of objects has at a path; None where it has nothing."""
    if not path.isidentifier():
        return [look_up(path, each) for each in msgspec.json.decode(listed, type=list[dict[str, Any]])]
    found = msgspec.defstruct("Found", [("value", Any, None)], rename={"value": path})
    objects: list[Any] = msgspec.json.decode(listed, type=list[found])  # type: ignore[valid-type]
    return [each.value for each in objects]  # nothing else was read, in half the time


def _money(values: NDArray[np.int64], people: int) -> Money:
    amounts, often = np.unique(values, return_counts=True)
    counts = dict(zip(amounts.tolist(), often.tolist(), strict=True))
    counts[0] = counts.get(0, 0) + max(people - len(values), 0)
    return Money(_kept(counts))


def _kept(counts: Mapping[int, int]) -> Mapping[int, int]:
    return {value: count for value, count in counts.items() if count}

"""Table `segments`: conditions under a name, and who meets them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from kaskad.domain.condition import Condition, Event, Kept, Node, parse, walk
from kaskad.domain.condition_kept import Deed, Known
from kaskad.domain.consent import ConsentRow
from kaskad.domain.run import HUMAN
from kaskad.domain.segment import READY, Equals, names_in, names_met, of_attributes
from kaskad.domain.terms import Channel, Outcome
from kaskad.store.db import Row, Transaction
from kaskad.store.segment_sql import Question, questions

_PIECE = 5_000


class KnownSegment(Struct, frozen=True):
    """A segment as it is kept: a condition, and how it was told where it is of the simple kind."""

    id: int
    name: str
    condition: Condition
    created_at: int
    equals: tuple[Equals, ...] = ()


_kept = msgspec.json.Decoder(tuple[Equals, ...] | str).decode
_attributes = msgspec.json.Decoder(dict[str, Any]).decode


def put(tx: Transaction, name: str, told: str | tuple[Equals, ...], now: int) -> None:
    """Make the segment, or change the one of that name; `told` is a text that is a condition, or values."""
    tx.run("put_segment", name=name, conditions=msgspec.json.encode(told).decode(), now=now)


def find(tx: Transaction, name: str) -> KnownSegment | None:
    """Return the segment of that name, also a ready one, or None."""
    row = tx.one("segment_by_name", name=name)
    if row is not None:
        return _segment(row)
    return KnownSegment(0, name, parse(READY[name]), 0) if name in READY else None


def ready() -> list[KnownSegment]:
    """Return the segments that are there without being made."""
    return [KnownSegment(0, name, parse(text), 0) for name, text in sorted(READY.items())]


def is_kept(tx: Transaction, name: str) -> bool:
    """Tell whether somebody has made a segment of that name."""
    return tx.one("segment_by_name", name=name) is not None


def page(tx: Transaction, *, after: str, limit: int) -> list[KnownSegment]:
    """Return segments by name, those after a name."""
    return [_segment(row) for row in tx.all("segments", after=after, limit=limit)]


def drop(tx: Transaction, name: str) -> bool:
    """Forget a segment; return whether there was one."""
    return bool(tx.run("drop_segment", name=name))


def below(tx: Transaction, trees: Collection[Node]) -> dict[str, Condition]:
    """Return the segments that conditions name, and those that these name, as far as they are there."""
    found: dict[str, Condition] = {}
    waiting = [name for tree in trees for name in names_in(tree)]
    while waiting:
        name = waiting.pop()
        known = None if name in found else find(tx, name)
        if known is not None:
            found[name] = known.condition
            waiting += names_in(known.condition.tree)
    return found


def count(tx: Transaction, condition: Condition, now: int) -> int:
    """Return how many contacts meet a condition. Raises Invalid where it is too large."""
    named = below(tx, [condition.tree])
    asked = questions(tx.dialect, condition.tree, named, now)
    ((sure,),) = tx.ask(asked.count_sure.statement, asked.count_sure.params)
    if asked.unsure is None:
        return int(sure)
    judged = _judged(tx, asked.unsure, condition, named, now, 0)
    return int(sure) + sum(1 for _ in judged)


def count_pieces(tx: Transaction, condition: Condition, now: int) -> None:
    """Raise Invalid where a condition asks too much for one statement."""
    questions(tx.dialect, condition.tree, below(tx, [condition.tree]), now)


def matching(
    tx: Transaction, condition: Condition, now: int, *, after: int = 0, piece: int = _PIECE
) -> Iterator[int]:
    """Yield the contacts who meet a condition in the order of their ids, those after one of them.

    `piece` is how many are read at a time: the fewer are wanted, the fewer.
    """
    named = below(tx, [condition.tree])
    asked = questions(tx.dialect, condition.tree, named, now)
    if asked.unsure is not None:
        yield from _judged(tx, asked.sure_or_not, condition, named, now, after, piece)
        return
    for rows in _pages(tx, asked.sure_or_not, after, piece):
        yield from (row[0] for row in rows)


def met(tx: Transaction, names: set[str], ids: Sequence[int], now: int) -> dict[int, frozenset[str]]:
    """Return which of the named segments each contact is in; who is erased is in none."""
    named: dict[str, Condition] = {}
    for name in sorted(names):
        known = find(tx, name)
        if known is not None:
            named |= {name: known.condition, **below(tx, [known.condition.tree])}
    rows = [(row[0], row[5]) for row in tx.among("look_contacts", ids)] if named else []
    trees = [condition.tree for condition in named.values()]
    return {
        contact_id: names_met(names, named, scope, now)
        for contact_id, scope in _scopes(tx, rows, trees, now).items()
    }


def standing(
    tx: Transaction, nodes: Sequence[Node], ids: Sequence[int], now: int
) -> dict[int, dict[str, object]]:
    """Return what conditions with these nodes ask about each contact: `segments` and `kept`."""
    names = {name for node in nodes for name in names_in(node)}
    within = met(tx, names, ids, now) if names else {}
    known, nobody = known_of(tx, ids, nodes), Known()
    return {
        each: {"segments": within.get(each, frozenset()), "kept": known.get(each, nobody)} for each in ids
    }


def known_of(tx: Transaction, ids: Sequence[int], trees: Collection[Node]) -> dict[int, Known]:
    """Return what is kept about contacts, as far as the conditions ask about it."""
    asked = [node for tree in trees for node in walk(tree) if isinstance(node, Kept)]
    functions = {node.function for node in asked}
    if not functions or not ids:
        return {}
    lists: dict[int, set[str]] = defaultdict(set)
    reach: dict[int, set[str]] = defaultdict(set)
    consents: dict[int, list[ConsentRow]] = defaultdict(list)
    for contact_id, name in tx.among("lists_of", ids) if "in_list" in functions else ():
        lists[contact_id].add(name)
    for contact_id, channel in tx.among("reach_of", ids) if "reachable" in functions else ():
        reach[contact_id].add(Channel.of(channel).value)
    for row in tx.among("look_consents", ids) if "consent" in functions else ():
        told = ConsentRow(bool(row[1]), row[2], row[3], row[4], row[5], row[6], bool(row[7]), row[8])
        consents[row[0]].append(told)
    deeds = _deeds(tx, ids) if "cascade" in functions else {}
    return {
        each: Known(
            frozenset(lists.get(each, ())), frozenset(reach.get(each, ())), consents.get(each, ()),
            deeds.get(each, {}),
        )
        for each in ids
    }  # fmt: skip


def _deeds(tx: Transaction, ids: Sequence[int]) -> dict[int, Mapping[str, Sequence[Deed]]]:
    found: dict[int, dict[str, list[Deed]]] = defaultdict(lambda: defaultdict(list))
    for contact_id, slug, entered_at, finished_at, outcome in tx.among("runs_of_segments", ids):
        found[contact_id][slug].append(Deed("entered", entered_at))
        if outcome is not None and finished_at is not None:
            found[contact_id][slug].append(Deed(Outcome.of(outcome).value, finished_at))
    for contact_id, slug, at in tx.among("sends_of", ids):
        found[contact_id][slug].append(Deed("sent", at))
    for contact_id, slug, kind, at in tx.among("reactions_of", ids):
        if HUMAN >> kind & 1:
            found[contact_id][slug].append(Deed("reacted", at))
    return dict(found)


def _judged(
    tx: Transaction, question: Question, condition: Condition, named: Mapping[str, Condition], now: int,
    after: int, piece: int = _PIECE,
) -> Iterator[int]:  # fmt: skip
    """Yield those of a question whom the matcher finds in the segment."""
    wanted = names_in(condition.tree)
    trees = [condition.tree, *(each.tree for each in named.values())]
    for rows in _pages(tx, question, after, piece):
        for contact_id, scope in _scopes(tx, rows, trees, now).items():
            within = names_met(wanted, named, scope, now) if wanted else frozenset[str]()
            if condition.test({**scope, "segments": within}, now).value:
                yield contact_id


def _scopes(
    tx: Transaction, rows: Sequence[Row], trees: Collection[Node], now: int
) -> dict[int, dict[str, object]]:
    ids = [row[0] for row in rows]
    asked = [node for tree in trees for node in walk(tree) if isinstance(node, Event)]
    events: dict[int, dict[str, list[dict[str, object]]]] = defaultdict(lambda: defaultdict(list))
    if asked:
        ever = any(node.within_ms is None for node in asked)
        since = 0 if ever else max(0, now - max(node.within_ms or 0 for node in asked))
        for contact_id, name, at, properties in tx.among("events_of_contacts", ids, since=since):
            events[contact_id][name].append({**_attributes(properties), "at": at})
    known = known_of(tx, ids, trees)
    nobody = Known()
    return {
        contact_id: {
            "contact": _attributes(attributes),
            "events": events.get(contact_id, {}),
            "kept": known.get(contact_id, nobody),
        }
        for contact_id, attributes in rows
    }


def _pages(tx: Transaction, question: Question, after: int, piece: int) -> Iterator[list[Row]]:
    while True:
        rows = tx.ask(question.statement, {**question.params, "after": after, "limit": piece})
        yield rows
        if len(rows) < piece:
            return
        after = rows[-1][0]


def _segment(row: Row) -> KnownSegment:
    kept = _kept(row[2])
    if isinstance(kept, str):
        return KnownSegment(row[0], row[1], parse(kept), row[3])
    return KnownSegment(row[0], row[1], of_attributes(kept), row[3], kept)

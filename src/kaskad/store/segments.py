"""Table `segments`: conditions under a name, and who meets them."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from kaskad.domain.condition import Condition, Event, Kept, Node, Segment, parse, walk
from kaskad.domain.condition_kept import REACTIONS, Deed, Known
from kaskad.domain.consent import ConsentRow
from kaskad.domain.errors import Invalid
from kaskad.domain.rfm import DAY_MS, Rfm
from kaskad.domain.scope import contact_scope
from kaskad.domain.segment import READY, Equals, asks_rfm, names_in, names_met, of_attributes
from kaskad.domain.terms import Channel, Outcome
from kaskad.domain.worded import worded
from kaskad.store import settings
from kaskad.store.db import Database, Row, Transaction

if TYPE_CHECKING:  # numpy takes a while to load, and memory: only whoever asks about everybody needs it
    import numpy as np
    from numpy.typing import NDArray

    from kaskad.store.segment_sets import Question

Progress = Callable[[int, int], None]  # parts done, of how many

RFM = "rfm"  # the setting with the edges of scores
_MOST = 3_000  # parts of a condition, with those of the segments that it names


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
    return KnownSegment(0, name, _ready_condition(name), 0) if name in READY else None


def ready() -> list[KnownSegment]:
    """Return the segments that are there without being made."""
    return [KnownSegment(0, name, _ready_condition(name), 0) for name in sorted(READY)]


@cache
def _ready_condition(name: str) -> Condition:
    return parse(READY[name])


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


def everybody(
    tx: Transaction, condition: Condition, now: int, *, seeds: bool = False,
    progress: Progress | None = None, reach: NDArray[np.int64] | None = None,
    within: tuple[int, int] | None = None,
) -> NDArray[np.int64]:  # fmt: skip
    """Return all who meet a condition in the order of their ids; seed contacts only where they are wanted.

    Of ids not `within` (the first, the last) nothing is said: some may be among them.

    `progress` is told how many parts are done, of how many; what it raises ends the question. `reach`, of 64
    numbers, is filled by channel with how many of them can be reached.
    """
    from kaskad.store import segment_base

    return segment_base.everybody(
        tx, question(tx, condition, now), seeds, progress or segment_base.quiet, reach,
        within or segment_base.EVERYBODY,
    )  # fmt: skip


def question(tx: Transaction, condition: Condition, now: int) -> Question:
    """Return what a condition asks of everybody."""
    from kaskad.store.segment_sets import Question

    named = below(tx, [condition.tree])

    def ask(node: Node, ids: Sequence[int]) -> list[int]:
        return _judged(tx, Condition("", node), named, now, ids)

    return Question(tx, condition.tree, named, now, ask, settings.get(tx, RFM, Rfm))


def judged(tx: Transaction, condition: Condition, ids: Sequence[int], now: int) -> list[int]:
    """Return those of some people whom the matcher, which asks about one at a time, finds to meet it."""
    return _judged(tx, condition, below(tx, [condition.tree]), now, ids)


def count(tx: Transaction, condition: Condition, now: int, *, seeds: bool = False) -> int:
    """Return how many contacts meet a condition."""
    return len(everybody(tx, condition, now, seeds=seeds))


def matching(
    tx: Transaction, condition: Condition, now: int, *, after: int = 0, until: int = 1 << 62,
    seeds: bool = False,
) -> list[int]:  # fmt: skip
    """Return the contacts who meet a condition in the order of their ids: after one id, up to another."""
    met: list[int] = _between(tx, condition, now, after, until, seeds).tolist()
    return met


def many_matching(
    tx: Transaction, condition: Condition, now: int, *, after: int = 0, until: int = 1 << 62
) -> array[int]:
    """Return the same without seed contacts, in an array: a list of half a million takes 10 ms to make, and
    as long again to be read."""
    return array("q", _between(tx, condition, now, after, until, seeds=False).tobytes())


def _between(
    tx: Transaction, condition: Condition, now: int, after: int, until: int, seeds: bool
) -> NDArray[np.int64]:  # fmt: skip
    import numpy as np

    found = everybody(tx, condition, now, seeds=seeds, within=(after, until))
    return found[np.searchsorted(found, after, "right") : np.searchsorted(found, until, "right")]


class Preview(Struct, frozen=True):
    """Who meets a condition: how many, how many of them on each channel, and the first of them."""

    contacts: int
    reach: dict[str, int]  # channels on which nobody can be reached are left out
    ids: list[int]


def preview(
    tx: Transaction, condition: Condition, now: int, *, after: int = 0, limit: int, seeds: bool = False,
    progress: Progress | None = None,
) -> Preview:  # fmt: skip
    """Return how many meet a condition, on which channels they can be reached, and a page of them."""
    import numpy as np

    reach = np.zeros(64, np.int64)
    found = everybody(tx, condition, now, seeds=seeds, progress=progress, reach=reach)
    by_channel = {each.value: int(reach[each.code]) for each in Channel if reach[each.code]}
    start = int(np.searchsorted(found, after, "right"))
    return Preview(len(found), by_channel, found[start : start + limit].tolist())


def count_everybody(db: Database) -> Preview:
    """Return how many people there are, and on which channels they can be reached; seed contacts left out."""
    with db.read() as tx:
        return preview(tx, parse("true"), 0, limit=0)


def check_size(condition: Condition, named: Mapping[str, Condition]) -> None:
    """Raise Invalid where a condition asks too much with all the segments that it names."""
    sizes: dict[str, int] = {}

    def size(tree: Node) -> int:
        total = 0
        for node in walk(tree):
            total += 1
            if isinstance(node, Segment) and node.name in named:
                if node.name not in sizes:
                    sizes[node.name] = 0  # also of itself, below
                    sizes[node.name] = size(named[node.name].tree)
                total += sizes[node.name]
        return total

    if size(condition.tree) > _MOST:
        raise Invalid(
            [
                worded(
                    "The segment asks more than %(most)s things with all the segments that it names.",
                    most=_MOST,
                )
            ]
        )


def met(tx: Transaction, names: set[str], ids: Sequence[int], now: int) -> dict[int, frozenset[str]]:
    """Return which of the named segments each contact is in; who is erased is in none."""
    named: dict[str, Condition] = {}
    for name in sorted(names):
        known = find(tx, name)
        if known is not None:
            named |= {name: known.condition, **below(tx, [known.condition.tree])}
    rows = tx.among("look_contacts", ids) if named else []
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
    scores = _scores_of(tx, ids, now) if asks_rfm(nodes) else {}
    return {
        each: {
            "segments": within.get(each, frozenset()),
            "kept": known.get(each, nobody),
            "rfm": scores.get(each, {}),
        }
        for each in ids
    }


def _scores_of(tx: Transaction, ids: Sequence[int], now: int) -> dict[int, dict[str, int]]:
    """Return the scores of those who have bought, once the edges are counted."""
    edges = settings.get(tx, RFM, Rfm)
    if edges is None:
        return {}
    events: dict[int, dict[str, list[dict[str, object]]]] = defaultdict(lambda: defaultdict(list))
    since = now - edges.rule.days * DAY_MS
    for contact_id, name, at, properties in tx.among("events_of_contacts", ids, since=max(0, since)):
        if name in edges.rule.events:
            events[contact_id][name].append({**_attributes(properties), "at": at})
    return {each: edges.of_events(own, now) for each, own in events.items()}


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
        consents[row[0]].append(consent_of(row))
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
        for word, kinds in REACTIONS.items():
            if kinds >> kind & 1:
                found[contact_id][slug].append(Deed(word, at))
    return dict(found)


def _judged(
    tx: Transaction, condition: Condition, named: Mapping[str, Condition], now: int, ids: Sequence[int]
) -> list[int]:
    """Return those of some people whom the matcher finds to meet a condition."""
    wanted = names_in(condition.tree)
    trees = [condition.tree, *(each.tree for each in named.values())]
    found = []
    rows = tx.among("look_contacts", ids)
    for contact_id, scope in _scopes(tx, rows, trees, now).items():
        within = names_met(wanted, named, scope, now) if wanted else frozenset[str]()
        if condition.test({**scope, "segments": within}, now).value:
            found.append(contact_id)
    return found


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
    scores = _scores_of(tx, ids, now) if asks_rfm(trees) else {}
    nobody = Known()
    return {
        contact_id: {
            "contact": contact_scope(_attributes(attributes), zone, language, country),
            "events": events.get(contact_id, {}),
            "kept": known.get(contact_id, nobody),
            "rfm": scores.get(contact_id, {}),
        }
        for contact_id, zone, language, country, _, attributes in rows
    }


def _segment(row: Row) -> KnownSegment:
    kept = _kept(row[2])
    if isinstance(kept, str):
        return KnownSegment(row[0], row[1], parse(kept), row[3])
    return KnownSegment(row[0], row[1], of_attributes(kept), row[3], kept)


def consent_of(row: Row) -> ConsentRow:
    """Return a consent of a row of `look_consents`."""
    return ConsentRow(bool(row[1]), row[2], row[3], row[4], row[5], row[6], bool(row[7]), row[8])

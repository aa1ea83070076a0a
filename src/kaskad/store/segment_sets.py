"""Who of a block of contacts meets a condition, by arithmetic over its columns.

Whatever arithmetic does not say as the language does (see `domain/condition.py`) is asked of the matcher,
once for each value that occurs or for the people concerned: the answer is always that of the language.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kaskad.domain.condition import (
    COMPARISONS,
    All,
    Compare,
    Condition,
    Date,
    Duration,
    Event,
    Exists,
    Kept,
    Literal,
    Name,
    Node,
    Not,
    Now,
    Segment,
    Sum,
    walk,
)
from kaskad.domain.condition import Any as Either
from kaskad.domain.condition_kept import ANY, CHANNELS, OUTCOMES, REACTIONS, Known, span
from kaskad.domain.rfm import BANDS, DAY_MS, Rfm, RfmRule
from kaskad.store import deed_columns
from kaskad.store.db import Transaction
from kaskad.store.segment_blocks import BLOCK, last_block
from kaskad.store.segment_columns import EXACT, Block, Coded, Flags, Integers

Asker: TypeAlias = Callable[[Node, Sequence[int]], Sequence[int]]
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_ORDERED: dict[str, Callable[[Any, Any], Any]] = {
    "==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal,
    ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip
_THERE = "there is none"  # an attribute of nobody: what is undefined
_UNDEFINED = Name(("contact", "", _THERE))
_JSON = msgspec.json.Decoder(list[int]).decode


class Question(Struct):
    """A condition that is asked about everybody, block by block."""

    tx: Transaction
    tree: Node
    named: Mapping[str, Condition]
    now: int
    ask: Asker  # the matcher: which of these people meet a node
    rfm: Rfm | None = None  # the edges of scores; None: they are not counted yet
    held: dict[Kept, Flags] = {}
    deeds: deed_columns.Deeds | None = None

    def meets(self, block: Block, purchases: Purchases | None = None) -> Flags:
        """Return who of the block meets the condition; `purchases` are the block's, where others ask too."""
        return _Sets(self, block, purchases or Purchases(block)).meets(self.tree, ())

    def holders(self, node: Kept) -> Flags:
        """Return of which contacts, by their ids, is so what is asked of a list or a cascade."""
        if node not in self.held:
            self.deeds = self.deeds or deed_columns.Deeds(self.tx)
            self.held[node] = _holders(self.tx, self.deeds, node, self.now)
        return self.held[node]


class _Sets:
    def __init__(self, question: Question, block: Block, purchases: Purchases) -> None:
        self._question, self._block, self._purchases = question, block, purchases
        self._size = len(block.ids)

    def meets(self, node: Node, above: tuple[str, ...]) -> Flags:
        """Return who meets the node; `above` are the segments that it stands in."""
        match node:
            case All(nodes):
                found = self._everybody()
                for part in nodes:
                    if not found.any():
                        break
                    found = found & self.meets(part, above)
                return found
            case Either(nodes):
                found = self._nobody()
                for part in nodes:
                    if found.all():
                        break
                    found = found | self.meets(part, above)
                return found
            case Not(inner):
                return ~self.meets(inner, above)
            case Segment(name):
                known = self._question.named.get(name)
                return (
                    self._nobody()
                    if name in above or known is None
                    else self.meets(known.tree, (*above, name))
                )
            case Kept():
                return self._kept(node)
            case Compare():
                found_fast = self._compared(node)
                if found_fast is not None:
                    return found_fast
            case Exists(Event() as event) if event.aggregate != "sum":
                return self._count(event) > 0
            case Event(aggregate="count"):
                return self._count(node) > 0
        return self._by_value(node, above)

    def _everybody(self) -> Flags:
        return np.ones(self._size, np.bool_)

    def _nobody(self) -> Flags:
        return np.zeros(self._size, np.bool_)

    # Figures over events

    def _within(self, event: Event) -> tuple[NDArray[Any], Integers, Flags]:
        happened = self._block.events(event.name)
        now = self._question.now
        chosen = happened.at <= now
        if event.within_ms is not None:
            chosen &= happened.at > now - event.within_ms
        return happened.places, happened.at, chosen

    def _count(self, event: Event) -> Integers:
        places, _, chosen = self._within(event)
        return np.bincount(places[chosen], minlength=self._size).astype(np.int64, copy=False)

    def _edge(self, event: Event) -> tuple[Integers, Flags]:
        """Return when the first or last was, and who has any. Events are in order within a person."""
        places, at, chosen = self._within(event)
        own, when = places[chosen], at[chosen]
        has = self._nobody()
        has[own] = True
        instants = np.zeros(self._size, np.int64)
        if event.aggregate == "first":
            own, when = own[::-1], when[::-1]
        instants[own] = when  # the last that is written stays
        return instants, has

    def _compared(self, node: Compare) -> Flags | None:
        """Return who meets a comparison of a figure over events with a number; None: it is no such thing."""
        left, operator, right = node.left, node.operator, node.right
        if operator not in COMPARISONS:
            return None
        if isinstance(right, Event) and not isinstance(left, Event):
            left, operator, right = right, _MIRRORED[operator], left
        number = _constant(right, self._question.now)
        if not isinstance(left, Event) or number is None:
            return None
        order = _ORDERED[operator]
        match left.aggregate:
            case "count":
                return np.asarray(order(self._count(left), number), np.bool_)
            case "sum":
                return self._summed(left, operator, number, node)
        instants, has = self._edge(left)
        return np.asarray(order(instants, number) & has, np.bool_)

    def _summed(self, event: Event, operator: str, number: int | float, node: Compare) -> Flags:
        """Return who meets a comparison of a sum. Where rounding could decide, the matcher is asked."""
        amounts = self._block.amounts(event.name, event.property)
        if amounts is None:
            zero = bool(_ORDERED[operator](0, number))
            return np.full(self._size, zero, np.bool_)
        places, _, chosen = self._within(event)
        own, told = places[chosen], amounts[chosen]
        if isinstance(number, int) and abs(number) >= EXACT:
            return self._asked(node, np.arange(self._size))
        total = np.bincount(own, told, self._size)
        gross = np.bincount(own, np.abs(told), self._size)
        broken = np.bincount(own, told != np.rint(told), self._size)
        doubt = np.abs(total - number) <= gross * 1e-12
        unsure = ~np.isfinite(gross) | (gross >= EXACT) | (doubt & (broken > 0))
        found: Flags = np.asarray(_ORDERED[operator](total, number), np.bool_)
        for place, meets in self._judged(node, np.flatnonzero(unsure)):
            found[place] = meets
        return found

    def _is_beyond(self, event: Event) -> bool:
        """Tell whether a sum is of numbers that are no exact floats."""
        amounts = self._block.amounts(event.name, event.property) if event.aggregate == "sum" else None
        return amounts is not None and not bool(np.isfinite(amounts).all())

    def _asked(self, node: Node, places: NDArray[Any]) -> Flags:
        found = self._nobody()
        for place, meets in self._judged(node, places):
            found[place] = meets
        return found

    def _judged(self, node: Node, places: NDArray[Any]) -> list[tuple[int, bool]]:
        ids = self._block.ids[places].tolist()
        met = set(self._question.ask(node, ids)) if ids else set()
        return [(place, each in met) for place, each in zip(places.tolist(), ids, strict=True)]

    # What is kept of people

    def _kept(self, node: Kept) -> Flags:
        match node.function:
            case "reachable":
                bits = -1 if node.names[0] == ANY else 1 << CHANNELS[node.names[0]].code
                return np.asarray(self._block.reach & bits != 0, np.bool_)
            case "consent":
                column, now = self._block.consents, self._question.now
                return _of_values(column, [Known(consents=rows).has(node, now) for rows in column.values],
                                  Known().has(node, now))  # fmt: skip
        found: Flags = self._question.holders(node)[self._block.ids]
        return found

    # What is asked once for each value

    def _by_value(self, node: Node, above: tuple[str, ...]) -> Flags:
        """Return who meets a node, which the matcher is asked for each combination of values that occurs."""
        sources = list(dict.fromkeys(_sources(node)))
        if len(sources) == 1 and isinstance(sources[0], Name):
            column = self._attribute(sources[0])
            return _of_values(column, *_tests(node, sources[0], column.values, self._question.now))
        columns = [self._column(source, above) for source in sources]
        if any(isinstance(source, Event) and self._is_beyond(source) for source in sources):
            return self._asked(node, np.arange(self._size))
        if not columns:
            return self._everybody() if _holds(node, {}, self._question.now) else self._nobody()
        together, place_of = np.unique(
            np.stack([column.codes.astype(np.int64) for column in columns]), axis=1, return_inverse=True
        )
        answers = np.zeros(together.shape[1], np.bool_)
        for number, codes in enumerate(together.T.tolist()):
            told = {
                source: column.values[code - 1] if code else None
                for source, column, code in zip(sources, columns, codes, strict=True)
            }
            answers[number] = self._said(node, told, codes, sources)
        return answers[place_of.reshape(-1)]

    def _said(self, node: Node, told: dict[Node, Any], codes: list[int], sources: list[Node]) -> bool:
        scope: dict[str, dict[str, Any]] = {"contact": {}, "rfm": {}}
        put: dict[Node, Node] = {}
        for source, code in zip(sources, codes, strict=True):
            if isinstance(source, Name):
                if code:
                    scope[source.path[0]][source.path[1]] = told[source]
            elif code:
                put[source] = told[source]
            else:
                put[source] = _UNDEFINED
        return _holds(_put(node, put), scope, self._question.now)

    def _attribute(self, name: Name) -> Coded:
        if name.path[0] == "rfm":
            return self._scores(name.path[1])
        if len(name.path) < 2 or name.path[0] != "contact":
            return Coded(np.zeros(self._size, np.uint8), [])
        return self._block.attribute(name.path[1])

    def _scores(self, part: str) -> Coded:
        """Return a score of RFM; the values are 1 to 5."""
        edges = self._question.rfm
        if edges is None:
            return Coded(np.zeros(self._size, np.uint8), [])
        return Coded(self._purchases.scores(edges, part, self._question.now), list(range(1, BANDS + 1)))

    def _column(self, source: Node, above: tuple[str, ...]) -> Coded:
        """Return what a node comes to; values of all but attributes are nodes that stand for them."""
        match source:
            case Name():
                return self._attribute(source)
            case Event(aggregate="count"):
                return _coded(self._count(source), self._everybody(), Literal)
            case Event(aggregate="first" | "last"):
                return _coded(*self._edge(source), Date)
            case Event():
                return self._sums(source)
        met = self.meets(source, above)
        return Coded(met.astype(np.uint8) + np.uint8(1), [Literal(False), Literal(True)])

    def _sums(self, event: Event) -> Coded:
        """Return exact sums, added up one by one: such a comparison is rare."""
        amounts = self._block.amounts(event.name, event.property)
        sums: list[int | float] = [0] * self._size
        if amounts is not None:
            places, _, chosen = self._within(event)
            own: dict[int, list[int | float]] = {}
            for place, amount in zip(places[chosen].tolist(), amounts[chosen].tolist(), strict=True):
                own.setdefault(place, []).append(int(amount) if amount == amount // 1 else amount)
            for place, each in own.items():
                sums[place] = sum(each)
        known: dict[int | float, int] = {}
        codes = [known.setdefault(each, len(known) + 1) for each in sums]
        return Coded(np.array(codes, np.uint32), [Literal(each) for each in known])


class Purchases:
    """What people of a block have bought, added up once for all who ask."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._known: dict[tuple[RfmRule, int], tuple[Integers, Integers, Integers]] = {}
        self._scores: dict[tuple[Rfm, str, int], NDArray[np.uint8]] = {}

    def by(self, rule: RfmRule, now: int) -> tuple[Integers, Integers, Integers]:
        """Return what `purchases` does."""
        if (rule, now) not in self._known:
            self._known[rule, now] = purchases(self._block, rule, now)
        return self._known[rule, now]

    def scores(self, edges: Rfm, part: str, now: int) -> NDArray[np.uint8]:
        """Return a score by contact, 1 to 5; 0 where nothing was bought."""
        if (edges, part, now) not in self._scores:
            last, counts, amounts = self.by(edges.rule, now)
            own = np.flatnonzero(counts)  # most have bought nothing
            match part:
                case "r":
                    scores = BANDS - np.searchsorted(edges.ages, now - last[own])
                case "f":
                    scores = 1 + np.searchsorted(edges.counts, counts[own])
                case _:
                    scores = 1 + np.searchsorted(edges.amounts, amounts[own])
            found = self._scores[edges, part, now] = np.zeros(len(counts), np.uint8)
            found[own] = scores
        return self._scores[edges, part, now]


def purchases(block: Block, rule: RfmRule, now: int) -> tuple[Integers, Integers, Integers]:
    """Return by contact of a block when they last bought, how often, and for how much in hundredths."""
    size = len(block.ids)
    last, counts, amounts = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size, np.float64)
    for name in rule.events:
        told = block.amounts(name, rule.property)  # first: their events need not be read apart then
        happened = block.events(name)
        chosen = (happened.at <= now) & (happened.at > now - rule.days * DAY_MS)
        own = happened.places[chosen]
        counts += np.bincount(own, minlength=size)
        np.maximum.at(last, own, happened.at[chosen])
        if told is not None:
            amounts += np.bincount(own, np.where(np.isfinite(told), told, 0.0)[chosen], size)
    return last, counts, np.rint(amounts * 100).astype(np.int64)


def _coded(numbers: Integers, has: Flags, node: Callable[[int], Node]) -> Coded:
    values, codes = np.unique(numbers, return_inverse=True)
    marked = np.where(has, codes.reshape(-1) + 1, 0)
    return Coded(marked.astype(np.uint32), [node(each) for each in values.tolist()])


def _of_values(column: Coded, answers: Sequence[bool], without: bool) -> Flags:
    return np.array([without, *answers], np.bool_)[column.codes]


def _tests(node: Node, name: Name, values: Sequence[Any], now: int) -> tuple[list[bool], bool]:
    """Return what a node about one attribute comes to for each of its values, and for who has none."""
    root, key = name.path[0], name.path[1]
    plain = len(name.path) == 2
    match node:
        case Compare("contains", left, Literal(str() as part)) if plain and left == name:
            part = part.casefold()
            if all(type(value) is str for value in values):
                return [part in value.casefold() for value in values], False
        case Compare(operator, left, Literal(int() | float() as number)) if (
            plain and left == name and operator in COMPARISONS and not isinstance(number, bool)
        ):
            kinds = {type(value) for value in values}
            if kinds <= {int, float}:
                order = _PLAIN[operator]
                return [order(value, number) for value in values], False
    answers = [_holds(node, {root: {key: value}}, now) for value in values]
    return answers, _holds(node, {root: {}}, now)


_PLAIN: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}  # fmt: skip


def _holds(node: Node, scope: Mapping[str, Any], now: int) -> bool:
    return Condition("", node).test(scope, now).value


def _sources(node: Node) -> list[Node]:
    """Return what the node says of a person."""
    return [each for each in walk(node) if isinstance(each, Name | Event | Kept | Segment)]


def _put(node: Node, told: Mapping[Node, Node]) -> Node:
    """Return the node with others in place of some."""
    if node in told:
        return told[node]
    match node:
        case Exists(Event(aggregate="count") as event) if event in told:
            return Compare("!=", told[event], Literal(0))  # as the language has it
        case Compare(operator, left, right):
            return Compare(operator, _put(left, told), _put(right, told))
        case Sum(left, minus, right):
            return Sum(_put(left, told), minus, _put(right, told))
        case Exists(inner):
            return Exists(_put(inner, told))
        case Not(inner):
            return Not(_put(inner, told))
    if isinstance(node, All | Either) or hasattr(node, "nodes"):
        return msgspec.structs.replace(node, nodes=tuple(_put(part, told) for part in node.nodes))
    return node


def _constant(node: Node, now: int) -> int | float | None:
    """Return the number or the instant that the node is for everybody, or None."""
    match node:
        case Literal(int() | float() as value) if not isinstance(value, bool):
            return value
        case Now():
            return now
        case Date(at):
            return at
        case Sum(left, minus, Duration(ms)) if not isinstance(left, Literal):
            at_left = _constant(left, now)
            return None if at_left is None else at_left - ms if minus else at_left + ms
    return None


def _holders(tx: Transaction, deeds: deed_columns.Deeds, node: Kept, now: int) -> Flags:
    if node.function == "cascade":
        after, until, word = span(node, now)
        since = deed_columns.LONG_AGO if after is None else after
        by_column = deeds.doers(node.names[0], word, since, until)
        if by_column is not None:
            return by_column
    ids = _holders_by_tables(tx, node, now)
    found = np.zeros(max((last_block(tx) + 1) * BLOCK, int(ids.max(initial=0)) + 1), np.bool_)
    found[ids] = True
    return found


def _holders_by_tables(tx: Transaction, node: Kept, now: int) -> Integers:
    if node.function == "in_list":
        return _ids(tx.one("segment_listed", name=node.names[0]))
    after, until, word = span(node, now)
    since = deed_columns.LONG_AGO if after is None else after
    slug = node.names[0]
    match word:
        case "entered":
            return _ids(tx.one("segment_entered", slug=slug, after=since, until=until))
        case "sent":
            return _ids(tx.one("segment_sent", slug=slug, after=since, until=until))
    if word in REACTIONS:
        kinds = REACTIONS[word]
        return _ids(tx.one("segment_reacted", slug=slug, after=since, until=until, kinds=kinds))
    outcome = OUTCOMES[word].code
    return _ids(tx.one("segment_ended", slug=slug, after=since, until=until, outcome=outcome))


def _ids(row: tuple[Any, ...] | None) -> Integers:
    return np.array([] if row is None or row[0] is None else _JSON(f"[{row[0]}]"), np.int64)

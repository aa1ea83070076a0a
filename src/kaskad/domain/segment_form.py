"""A condition as a form: rows of a few kinds in groups, and back; both ways without loss.

What no kind of row can say is a row of kind `text`, which holds it as it is written. A row stands for a part
of a condition only where it makes the very same part again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from kaskad.domain.attributes import Attribute, Declared, Type
from kaskad.domain.condition import (
    AGGREGATES,
    COMPARISONS,
    All,
    Any,
    Compare,
    ConditionError,
    Date,
    Duration,
    Event,
    Exists,
    Items,
    Kept,
    Literal,
    Name,
    Node,
    Not,
    Now,
    Segment,
    Sum,
    parse,
)
from kaskad.domain.condition_kept import ARGUMENTS, CASCADE_WORDS
from kaskad.domain.condition_values import number, read_instant
from kaskad.domain.condition_written import quoted, span_of, write
from kaskad.domain.rfm import PARTS

UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
GROUPS = ("all", "any")
MISSING, NO_NUMBER, NO_DATE = "missing", "no number", "no date"  # why a row is not finished yet
OLDER, NEWER, BEFORE, SINCE = "older", "newer", "before", "since"
HAPPENED = "happened"
_AGO = {OLDER: "<", NEWER: ">"}  # than so long ago
_DATED = {BEFORE: "<", SINCE: ">="}
_SETS = {"in": False, "not in": True}
_NUMERIC = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d{1,18})?").fullmatch
_PIECES = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^,]+?)\s*(?:,|$)')


class Rule(Struct, frozen=True):
    """A row, or a group of them; `told` are the fields of a row as people fill them."""

    kind: str
    negated: bool = False
    told: Mapping[str, str] = {}
    rules: tuple[Rule, ...] = ()


class Written(Struct, frozen=True):
    """A form as a condition; what is not finished is left out: `unfinished` says where and why."""

    text: str
    unfinished: Mapping[str, str] = {}


class _UnfinishedError(Exception):
    pass


def form_of(tree: Node, declared: Declared) -> Rule:
    """Return the form of a condition: a group, of one row where there is but one."""
    made = _rule(tree, declared)
    return made if made.kind in GROUPS else Rule("all", rules=(made,))


def written(form: Rule, declared: Declared) -> Written:
    """Return the condition that a form says."""
    unfinished: dict[str, str] = {}
    node = _node(form, declared, "", unfinished)
    return Written("" if node is None else write(node), unfinished)


def leaf(rule: Rule, declared: Declared) -> Node | str:
    """Return what a row asks, or why it is not finished."""
    try:
        node = _LEAVES[rule.kind](rule.told, declared)
    except _UnfinishedError as error:
        return str(error)
    return Not(node) if rule.negated else node


def _node(rule: Rule, declared: Declared, path: str, unfinished: dict[str, str]) -> Node | None:
    if rule.kind not in GROUPS:
        found = leaf(rule, declared)
        if isinstance(found, str):
            unfinished[path] = found
            return None
        return found
    below = [
        _node(each, declared, f"{path}.{at}".lstrip("."), unfinished) for at, each in enumerate(rule.rules)
    ]
    nodes = tuple(each for each in below if each is not None)
    if not nodes:
        if path and not rule.rules:
            unfinished[path] = MISSING
        return None
    group = nodes[0] if len(nodes) == 1 else (All(nodes) if rule.kind == "all" else Any(nodes))
    return Not(group) if rule.negated else group


def _rule(node: Node, declared: Declared) -> Rule:
    inner, negated = (node.node, True) if isinstance(node, Not) else (node, False)
    if isinstance(inner, All | Any):
        rules = tuple(_rule(each, declared) for each in inner.nodes)
        return Rule("all" if isinstance(inner, All) else "any", negated, rules=rules)
    for guess, turned in ((node, False), (inner, negated)):
        for kind, told in _guesses(guess):
            made = Rule(kind, turned, told)
            if leaf(made, declared) == node:
                return made
    return Rule("text", False, {"text": write(node)})


# -- from a tree to a row -----------------------------------------------------------------------------------


def _guesses(node: Node) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield rows that may say the same."""
    match node:
        case Segment(name):
            yield "segment", {"name": name}
        case Kept("in_list", (name,)):
            yield "list", {"name": name}
        case Kept("reachable", (channel,)):
            yield "reachable", {"channel": channel}
        case Kept("consent", (purpose, channel, *topic)):
            yield "consent", {"purpose": purpose, "channel": channel, "topic": "".join(topic)}
        case Kept("cascade", (name,), word, within):
            yield "cascade", {"name": name, "word": word, **_spanned(within)}
        case Event():
            yield "event", {"name": node.name, "aggregate": HAPPENED, **_spanned(node.within_ms)}
        case Compare(operator, Event() as event, right):
            told = {"name": event.name, "aggregate": event.aggregate, "property": event.property,
                    **_spanned(event.within_ms)}  # fmt: skip
            for more in _compared(operator, right):
                yield "event", {**told, **more}
        case Compare(operator, Name(("rfm", part)), Literal(value)):
            yield "rfm", {"part": part, "op": operator, "value": str(value)}
        case Compare(operator, Name(("contact", name)), right):
            for more in _compared(operator, right):
                yield "attribute", {"name": name, **more}
        case Exists(Name(("contact", name))):
            yield "attribute", {"name": name, "op": "exists"}
        case Not(Exists(Name(("contact", name)))):
            yield "attribute", {"name": name, "op": "absent"}
        case Not(Compare("in" | "contains" as operator, Name(("contact", name)), right)):
            for more in _compared(operator, right):
                yield "attribute", {"name": name, **more, "op": f"not {operator}"}


def _compared(operator: str, right: Node) -> Iterator[dict[str, str]]:
    """Yield the fields of what is compared with."""
    match right:
        case Literal(value) if value is not None:
            plain = str(value).lower() if isinstance(value, bool) else str(value)
            yield {"op": operator, "value": plain}
            if isinstance(value, str):
                yield {"op": operator, "value": quoted(value)}
        case Items(nodes) if all(isinstance(each, Literal) and each.value is not None for each in nodes):
            values = [each.value for each in nodes if isinstance(each, Literal)]
            yield {"op": operator, "value": ", ".join(_item(each) for each in values)}
            yield {"op": operator, "value": ", ".join(str(each) for each in values)}
        case Date(_):
            dated = next((name for name, sign in _DATED.items() if sign == operator), "")
            yield {"op": dated, "value": write(right)[6:-2]}
        case Sum(Now(), True, Duration(_, text)):
            ago = next((name for name, sign in _AGO.items() if sign == operator), "")
            yield {"op": ago, "value": text[:-1], "unit": text[-1]}


def _item(value: object) -> str:
    if isinstance(value, str):
        return (
            value
            if value and not re.search(r'^\s|\s$|[,"]', value) and _free(value) == value
            else quoted(value)
        )
    return str(value).lower() if isinstance(value, bool) else str(value)


def _spanned(within: int | None) -> dict[str, str]:
    text = "" if within is None else span_of(within)
    return {"span": text[:-1], "span_unit": text[-1]} if text else {}


# -- from a row to a tree -----------------------------------------------------------------------------------


def _attribute(told: Mapping[str, str], declared: Declared) -> Node:
    name, op = _given(told, "name"), told.get("op", "") or "=="
    attribute, subject = declared.get(name), Name(("contact", name))
    if op == "exists":
        return Exists(subject)
    if op == "absent":
        return Not(Exists(subject))
    if op in _SETS:
        items = [_unquoted(each) for each in _PIECES.findall(_given(told, "value"))]
        node: Node = Compare("in", subject, Items(tuple(_literal(*each, attribute) for each in items)))
        return Not(node) if _SETS[op] else node
    if op in ("contains", "not contains"):
        text, plain = _unquoted(_given(told, "value"))
        node = Compare("contains", subject, Literal(text) if plain else _literal(text, plain, attribute))
        return Not(node) if op.startswith("not") else node
    return Compare(_sign(op), subject, _beside(op, told, attribute))


def _event(told: Mapping[str, str], declared: Declared) -> Node:
    name, aggregate = _given(told, "name"), told.get("aggregate", "") or HAPPENED
    within = _within(told)
    if aggregate == HAPPENED:
        return Event(name, "count", "", within)
    if aggregate not in AGGREGATES:
        raise _UnfinishedError(MISSING)
    about = _given(told, "property") if aggregate == "sum" else ""
    op = told.get("op", "")
    if aggregate in ("first", "last"):
        op = op if op in _AGO or op in _DATED else NEWER
        return Compare(_sign(op), Event(name, aggregate, about, within), _beside(op, told, None))
    op = op if op in COMPARISONS else ">="
    value = _amount(_given(told, "value"))
    return Compare(op, Event(name, aggregate, about, within), Literal(value))


def _cascade(told: Mapping[str, str], declared: Declared) -> Node:
    word = told.get("word", "") or "sent"
    if word not in CASCADE_WORDS:
        raise _UnfinishedError(MISSING)
    return Kept("cascade", (told.get("name", "") or "any",), word, _within(told))


def _consent(told: Mapping[str, str], declared: Declared) -> Node:
    purposes, channels = ARGUMENTS["consent"]
    purpose, channel = told.get("purpose", "") or purposes[0], told.get("channel", "") or "any"
    if purpose not in purposes or channel not in channels:
        raise _UnfinishedError(MISSING)
    topic = told.get("topic", "").strip()
    return Kept("consent", (purpose, channel, topic) if topic else (purpose, channel))


def _reachable(told: Mapping[str, str], declared: Declared) -> Node:
    channel = told.get("channel", "") or "any"
    if channel not in ARGUMENTS["reachable"][0]:
        raise _UnfinishedError(MISSING)
    return Kept("reachable", (channel,))


def _rfm(told: Mapping[str, str], declared: Declared) -> Node:
    part, op = told.get("part", "") or "r", told.get("op", "") or ">="
    if part not in PARTS or op not in COMPARISONS:
        raise _UnfinishedError(MISSING)
    return Compare(op, Name(("rfm", part)), Literal(_amount(_given(told, "value"))))


def _text(told: Mapping[str, str], declared: Declared) -> Node:
    try:
        return parse(_given(told, "text")).tree
    except ConditionError as error:
        remedy = f": {error.remedy}" if error.remedy else ""
        raise _UnfinishedError(f"{error.message}{remedy}") from None


_LEAVES = {
    "attribute": _attribute,
    "event": _event,
    "consent": _consent,
    "reachable": _reachable,
    "cascade": _cascade,
    "list": lambda told, _: Kept("in_list", (_given(told, "name"),)),
    "segment": lambda told, _: Segment(_given(told, "name")),
    "rfm": _rfm,
    "text": _text,
}
KINDS = tuple(_LEAVES)


def _given(told: Mapping[str, str], field: str) -> str:
    value = told.get(field, "")
    if not value.strip():
        raise _UnfinishedError(MISSING)
    return value


def _sign(op: str) -> str:
    found = _AGO.get(op) or _DATED.get(op) or op
    if found not in COMPARISONS:
        raise _UnfinishedError(MISSING)
    return found


def _beside(op: str, told: Mapping[str, str], attribute: Attribute | None) -> Node:
    """Return what a name is compared with."""
    value = _given(told, "value")
    if op in _AGO:
        return Sum(Now(), True, _duration(value, told.get("unit", "") or "d"))
    if op in _DATED:
        at = read_instant(value)
        if at is None:
            raise _UnfinishedError(NO_DATE)
        return Date(at)
    return _literal(*_unquoted(value), attribute)


def _duration(value: str, unit: str) -> Duration:
    if not re.fullmatch(r"[0-9]{1,9}", value.strip()) or unit not in UNITS_MS:
        raise _UnfinishedError(NO_NUMBER)
    return Duration(int(value) * UNITS_MS[unit], f"{value.strip()}{unit}")


def _within(told: Mapping[str, str]) -> int | None:
    span = told.get("span", "").strip()
    return _duration(span, told.get("span_unit", "") or "d").ms if span else None


def _amount(text: str) -> int | float:
    value = number(text.strip().replace("\u00a0", "").replace(" ", "").replace(",", "."))
    if not isinstance(value, int | float) or not _NUMERIC(str(value)):
        raise _UnfinishedError(NO_NUMBER)
    return value


def _literal(text: str, plain: bool, attribute: Attribute | None) -> Literal:
    """Return a value by the declared type, else by how it looks; what stood in quotation marks is a text."""
    kind = attribute.type if attribute else None
    if plain or kind in (Type.TEXT, Type.CHOICE, Type.LIST, Type.DATE):
        return Literal(text)
    if kind in (Type.NUMBER, Type.MONEY):
        return Literal(_amount(text))
    return Literal(_free(text))


def _free(text: str) -> str | int | float | bool:
    if text in ("true", "false"):
        return text == "true"
    if _NUMERIC(text):
        return float(text) if "." in text else int(text)
    return text


def _unquoted(text: str) -> tuple[str, bool]:
    """Return a text without its quotation marks, and whether it had some."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL), True
    return text, False

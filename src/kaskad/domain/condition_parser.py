"""The text of a condition into its tree: words, then precedence (or < and < not < comparison < sum)."""

from __future__ import annotations

import re
from difflib import get_close_matches

from msgspec import Struct

from kaskad.domain.condition import (
    AGGREGATES,
    COMPARISONS,
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_LENGTH,
    ROOTS,
    STEP_FIELDS,
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
)
from kaskad.domain.condition_kept import ARGUMENTS, CASCADE_WORDS, OPTIONAL
from kaskad.domain.condition_values import read_instant
from kaskad.domain.rfm import PARTS

UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
KEYWORDS = {
    *("and", "or", "not", "in", "contains", "exists", "now", "date", "event", "segment"),
    *ARGUMENTS,
    *CONSTANTS,
}
_NAMING = ("word", "number", "duration")  # `trigger.3d` is a name too
ESCAPES = {"n": "\n", "t": "\t"}
# What people write by habit from other languages, and what it is called here.
HABITS = {"=": "==", "&&": "and", "||": "or", "!": "not", "<>": "!=", "===": "==", "AND": "and", "OR": "or"}

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<duration>[0-9]{1,9}(?:s|m|h|d|w)\b)
      | (?P<number>[0-9]{1,18}(?:\.[0-9]{1,18})?(?![\w.]))
      | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<word>[^\W\d]\w*)
      | (?P<sign>===|<>|&&|\|\||[=!<>]=|[-+<>()\[\],.=!])
    """,
    re.VERBOSE | re.DOTALL,
)
_DAY = re.compile(
    r"(?<![\w.-])(?:(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})(?:T[0-9:.]*Z?)?"
    r"|(?P<first>[0-9]{1,2})[./](?P<second>[0-9]{1,2})[./](?P<last>[0-9]{4}))(?![\w.])"
)


class _Token(Struct, frozen=True):
    kind: str
    text: str
    offset: int


def parse_tree(text: str) -> Node:
    """Return the tree of a whole condition; raises ConditionError."""
    if len(text) > MAX_LENGTH:
        raise ConditionError(
            f"the condition has {len(text)} characters, more than {MAX_LENGTH}",
            MAX_LENGTH,
            'split it, or make a segment of it and write segment("its name")',
        )
    reader = _Reader(_tokens(text))
    if reader.peek().kind == "end":
        raise ConditionError("the condition is empty", 0, "write a comparison: trigger.total >= 1000")
    tree = reader.either()
    left_over = reader.peek()
    if left_over.kind != "end":
        raise reader.unexpected(left_over, "join two comparisons with `and` or `or`")
    return tree


def _tokens(text: str) -> list[_Token]:
    tokens, place = [], 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if (day := _DAY.match(text, place)) is not None:  # 2026-02-28 would be a subtraction
            raise ConditionError(f"`{day.group()}` is not how a date is written", place, _date_of(day))
        if found is None:
            raise _unreadable(text, place)
        if found.lastgroup and found.lastgroup != "space":
            tokens.append(_Token(found.lastgroup, found.group(), place))
        place = found.end()
    tokens.append(_Token("end", "", len(text)))
    return tokens


def _date_of(day: re.Match[str]) -> str:
    """Return what to write in place of a date."""
    parts = day.group("year", "month", "day") if day["year"] else day.group("last", "second", "first")
    year, month, number = map(int, parts)
    return f'write date("{year:04}-{month:02}-{number:02}")'


def _unreadable(text: str, place: int) -> ConditionError:
    if text[place] in "\"'":
        return ConditionError("this text has no closing quotation mark", place, f"end it with {text[place]}")
    if text[place] in "«»“”„‘’":
        return ConditionError("typographic quotation marks are not read", place, 'use plain ones: "…"')
    if text[place].isdigit():
        word = re.match(r"[\w.]+", text[place:])
        shown = word.group() if word else text[place]
        return ConditionError(
            f"`{shown[:40]}` is neither a number nor a duration", place, "write 1000, 0.5, 7d, 24h or 30m"
        )
    return ConditionError(f"the character {text[place]!r} means nothing here", place, "remove it")


class _Reader:
    """Walks the tokens once; every method reads one level of precedence."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    def peek(self, ahead: int = 0) -> _Token:
        return self._tokens[min(self._place + ahead, len(self._tokens) - 1)]

    def either(self) -> Node:
        self._deeper()
        nodes = [self._both()]
        while self._takes("or"):
            nodes.append(self._both())
        self._depth -= 1
        return nodes[0] if len(nodes) == 1 else Any(tuple(nodes))

    def unexpected(self, token: _Token, remedy: str) -> ConditionError:
        """Return the error for a token that cannot stand where it stands."""
        if token.kind == "end":
            return ConditionError("the condition ends too early", token.offset, remedy)
        if token.text in HABITS:
            meant = HABITS[token.text]
            return ConditionError(f"`{token.text}` is not used here", token.offset, f"write `{meant}`")
        return ConditionError(f"`{token.text[:40]}` cannot stand here", token.offset, remedy)

    def _both(self) -> Node:
        nodes = [self._negated()]
        while self._takes("and"):
            nodes.append(self._negated())
        return nodes[0] if len(nodes) == 1 else All(tuple(nodes))

    def _negated(self) -> Node:
        if self._takes("not"):
            self._deeper()
            inner = Not(self._negated())
            self._depth -= 1
            return inner
        if self._takes("exists"):
            return Exists(self._sum())
        return self._comparison()

    def _comparison(self) -> Node:
        left = self._sum()
        negated = self.peek().text == "not" and self.peek(1).text in ("in", "contains", "exists")
        if negated:
            self._place += 1
        token = self.peek()
        node = left
        if token.text == "exists" and token.kind == "word":
            self._place += 1
            node = Exists(left)
        elif token.text in COMPARISONS or token.text in ("in", "contains"):
            self._place += 1
            node = Compare(token.text, left, self._sum())
            if self.peek().text in COMPARISONS:
                raise self.unexpected(self.peek(), "compare two things at a time, joined with `and`")
        return Not(node) if negated else node

    def _sum(self) -> Node:
        node = self._operand()
        while self.peek().kind == "sign" and self.peek().text in "+-":
            minus = self._next().text == "-"
            self._deeper()
            node = Sum(node, minus, self._operand())
        return node

    def _operand(self) -> Node:
        token = self._next()
        match token.kind:
            case "number":
                return Literal(_number(token.text))
            case "duration":
                return Duration(int(token.text[:-1]) * UNITS_MS[token.text[-1]], token.text)
            case "string":
                return Literal(_unquote(token.text))
            case "word":
                return self._word(token)
        if token.text == "(":
            inner = self.either()
            self._expect(")")
            return inner
        if token.text == "[":
            return self._items(token)
        if token.text == "-" and self.peek().kind == "number":
            text = self._next().text
            return Literal(-_number(text))
        raise self.unexpected(token, "a name, a value or `(` is expected")

    def _word(self, token: _Token) -> Node:
        if token.text in CONSTANTS:
            return Literal(CONSTANTS[token.text])
        match token.text:
            case "now":
                return Now()
            case "date":
                return self._date()
            case "event":
                return self._event()
            case "segment":
                return Segment(self._argument("segment"))
        if token.text in ARGUMENTS:
            return self._kept(token.text)
        if token.text in KEYWORDS or token.text in HABITS:
            raise self.unexpected(token, "a name, a value or `(` is expected")
        return self._name(token)

    def _name(self, token: _Token) -> Node:
        if token.text not in ROOTS:
            raise ConditionError(f"`{token.text[:40]}` is not known", token.offset, _meant(token.text))
        path = [token.text]
        while self.peek().text in (".", "["):
            path.append(self._part(path))
            if len(path) > MAX_DEPTH:
                raise ConditionError("the name has too many parts", token.offset, f"at most {MAX_DEPTH}")
        if len(path) == 1:
            raise ConditionError(
                f"`{token.text}` alone is no value", token.offset, f"name something in it: `{token.text}.…`"
            )
        if path[0] == "rfm" and (len(path) != 2 or path[1] not in PARTS):
            raise ConditionError(
                f"`{'.'.join(path)}` is no score", token.offset, "write `rfm.r`, `rfm.f` or `rfm.m`, 1 to 5"
            )
        if path[0] == "steps" and len(path) != 3:
            raise ConditionError(
                f"`{'.'.join(path)}` is no value", token.offset, f"write `steps.{path[1]}.sent` or the like"
            )
        return Name(tuple(path))

    def _part(self, path: list[str]) -> str:
        if self._next().text == "[":
            key = self._next()
            if key.kind != "string":
                raise self.unexpected(key, 'a name in brackets is a text: contact["first name"]')
            self._expect("]")
            return _unquote(key.text)
        part = self._next()
        if part.kind not in _NAMING:
            raise self.unexpected(part, f"a name is expected after `{'.'.join(path)}.`")
        name = part.text
        # A slug of a step may hold hyphens: steps.first-letter.sent
        while path == ["steps"] and self.peek().text == "-" and self.peek(1).kind in _NAMING:
            self._place += 1
            name += "-" + self._next().text
        if path[0] == "steps" and len(path) == 2 and name not in STEP_FIELDS:
            raise ConditionError(f"a step has no `{name[:40]}`", part.offset, _of(name, STEP_FIELDS))
        return name

    def _items(self, start: _Token) -> Node:
        self._deeper()
        nodes: list[Node] = []
        while self.peek().text != "]" or self.peek().kind != "sign":
            nodes.append(self._sum())
            if len(nodes) > MAX_ITEMS:
                raise ConditionError(
                    f"the list has more than {MAX_ITEMS} items", start.offset, "make a segment of it"
                )
            if not self._takes(","):
                break
        self._expect("]")
        self._depth -= 1
        return Items(tuple(nodes))

    def _date(self) -> Node:
        place = self.peek(1).offset
        text = self._argument("date")
        at = read_instant(text)
        if at is None:
            raise ConditionError(
                f'"{text[:40]}" is not a date',
                place,
                'write date("2026-01-31") or date("2026-01-31T18:00+05:00")',
            )
        return Date(at)

    def _event(self) -> Node:
        name = self._argument("event")
        if not self._takes("."):
            return Event(name)
        token = self._next()
        if token.text not in AGGREGATES:
            message = f"events have no `{token.text[:40]}`"
            raise ConditionError(message, token.offset, _of(token.text, AGGREGATES))
        property_name, within = "", None
        if self._takes("("):
            if token.text == "sum":
                property_name = self._string("a property in quotation marks")
                self._takes(",")
            if self.peek().kind == "duration":
                span = self._operand()
                within = span.ms if isinstance(span, Duration) else None
            self._expect(")")
        if token.text == "sum" and not property_name:
            remedy = 'write event("purchase").sum("amount", 30d)'
            raise ConditionError("`sum` needs a property", token.offset, remedy)
        return Event(name, token.text, property_name, within)

    def _kept(self, function: str) -> Node:
        known = ARGUMENTS[function]
        examples = ", ".join(f'"{words[0]}"' if words else '"…"' for words in known)
        remedy = f"write {function}({examples})"
        self._expect("(", remedy)
        names: list[str] = []
        for place, words in enumerate(known):
            if place:
                self._expect(",", remedy)
            token = self.peek()
            name = self._string(remedy)
            if words and name not in words:
                raise ConditionError(f'"{name[:40]}" is not known here', token.offset, _of(name, words))
            names.append(name)
        if function in OPTIONAL and self.peek().text == ",":
            self._next()
            names.append(self._string(f"a {OPTIONAL[function]} is a text"))
        self._expect(")")
        if function != "cascade":
            return Kept(function, tuple(names))
        self._expect(".", f'write cascade("{names[0][:40]}").sent(30d)')
        token = self._next()
        if token.text not in CASCADE_WORDS:
            raise ConditionError(
                f"a cascade has no `{token.text[:40]}` here", token.offset, _of(token.text, CASCADE_WORDS)
            )
        return Kept(function, tuple(names), token.text, self._within())

    def _within(self) -> int | None:
        """Return the duration in parentheses that may follow."""
        within = None
        if self._takes("("):
            if self.peek().kind == "duration":
                span = self._operand()
                within = span.ms if isinstance(span, Duration) else None
            self._expect(")")
        return within

    def _argument(self, function: str) -> str:
        self._expect("(", f'write {function}("…")')
        text = self._string(f'write {function}("…")')
        self._expect(")")
        return text

    def _string(self, remedy: str) -> str:
        token = self._next()
        if token.kind != "string":
            raise self.unexpected(token, remedy)
        return _unquote(token.text)

    def _next(self) -> _Token:
        token = self.peek()
        self._place += 1
        return token

    def _takes(self, text: str) -> bool:
        token = self.peek()
        taken = token.text == text and token.kind in ("word", "sign")
        self._place += taken
        return taken

    def _expect(self, text: str, remedy: str = "") -> None:
        token = self._next()
        if token.text != text or token.kind != "sign":
            raise self.unexpected(token, remedy or f"`{text}` is expected here")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ConditionError(
                f"the condition is nested deeper than {MAX_DEPTH}",
                self.peek().offset,
                "make a segment of a part of it",
            )


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[1]), text[1:-1], flags=re.DOTALL)


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


def _of(word: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"did you mean `{near[0]}`?" if near else "use one of: " + ", ".join(known)


def _meant(word: str) -> str:
    near = get_close_matches(word, (*ROOTS, *KEYWORDS), n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    return f'names begin with {", ".join(ROOTS)}; a text stands in quotation marks: "{word[:40]}"'

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
from kaskad.domain.worded import worded

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
            worded(
                "the condition has %(n)s characters, more than %(max_length)s",
                n=len(text),
                max_length=MAX_LENGTH,
            ),
            MAX_LENGTH,
            worded('split it, or make a segment of it and write segment("its name")'),
        )
    reader = _Reader(_tokens(text))
    if reader.peek().kind == "end":
        raise ConditionError(
            worded("the condition is empty"), 0, worded("write a comparison: trigger.total >= 1000")
        )
    tree = reader.either()
    left_over = reader.peek()
    if left_over.kind != "end":
        raise reader.unexpected(left_over, worded("join two comparisons with `and` or `or`"))
    return tree


def _tokens(text: str) -> list[_Token]:
    tokens, place = [], 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if (day := _DAY.match(text, place)) is not None:  # 2026-02-28 would be a subtraction
            raise ConditionError(
                worded("`%(group)s` is not how a date is written", group=day.group()), place, _date_of(day)
            )
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
    return worded(
        'write date("%(year)s-%(month)s-%(number)s")',
        year=f"{year:04}",
        month=f"{month:02}",
        number=f"{number:02}",
    )


def _unreadable(text: str, place: int) -> ConditionError:
    if text[place] in "\"'":
        return ConditionError(
            worded("this text has no closing quotation mark"),
            place,
            worded("end it with %(text)s", text=text[place]),
        )
    if text[place] in "«»“”„‘’":
        return ConditionError(
            worded("typographic quotation marks are not read"), place, worded('use plain ones: "…"')
        )
    if text[place].isdigit():
        word = re.match(r"[\w.]+", text[place:])
        shown = word.group() if word else text[place]
        return ConditionError(
            worded("`%(shown)s` is neither a number nor a duration", shown=shown[:40]),
            place,
            worded("write 1000, 0.5, 7d, 24h or 30m"),
        )
    return ConditionError(
        worded("the character %(text)r means nothing here", text=text[place]), place, worded("remove it")
    )


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
            return ConditionError(worded("the condition ends too early"), token.offset, remedy)
        if token.text in HABITS:
            meant = HABITS[token.text]
            return ConditionError(
                worded("`%(text)s` is not used here", text=token.text),
                token.offset,
                worded("write `%(meant)s`", meant=meant),
            )
        return ConditionError(
            worded("`%(text)s` cannot stand here", text=token.text[:40]), token.offset, remedy
        )

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
                raise self.unexpected(self.peek(), worded("compare two things at a time, joined with `and`"))
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
        raise self.unexpected(token, worded("a name, a value or `(` is expected"))

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
            raise self.unexpected(token, worded("a name, a value or `(` is expected"))
        return self._name(token)

    def _name(self, token: _Token) -> Node:
        if token.text not in ROOTS:
            raise ConditionError(
                worded("`%(text)s` is not known", text=token.text[:40]), token.offset, _meant(token.text)
            )
        path = [token.text]
        while self.peek().text in (".", "["):
            path.append(self._part(path))
            if len(path) > MAX_DEPTH:
                raise ConditionError(
                    worded("the name has too many parts"),
                    token.offset,
                    worded("at most %(max_depth)s", max_depth=MAX_DEPTH),
                )
        if len(path) == 1:
            raise ConditionError(
                worded("`%(text)s` alone is no value", text=token.text),
                token.offset,
                worded("name something in it: `%(text)s.…`", text=token.text),
            )
        if path[0] == "rfm" and (len(path) != 2 or path[1] not in PARTS):
            raise ConditionError(
                worded("`%(known)s` is no score", known=".".join(path)),
                token.offset,
                worded("write `rfm.r`, `rfm.f` or `rfm.m`, 1 to 5"),
            )
        if path[0] == "steps" and len(path) != 3:
            raise ConditionError(
                worded("`%(known)s` is no value", known=".".join(path)),
                token.offset,
                worded("write `steps.%(path)s.sent` or the like", path=path[1]),
            )
        return Name(tuple(path))

    def _part(self, path: list[str]) -> str:
        if self._next().text == "[":
            key = self._next()
            if key.kind != "string":
                raise self.unexpected(key, worded('a name in brackets is a text: contact["first name"]'))
            self._expect("]")
            return _unquote(key.text)
        part = self._next()
        if part.kind not in _NAMING:
            raise self.unexpected(part, worded("a name is expected after `%(known)s.`", known=".".join(path)))
        name = part.text
        # A slug of a step may hold hyphens: steps.first-letter.sent
        while path == ["steps"] and self.peek().text == "-" and self.peek(1).kind in _NAMING:
            self._place += 1
            name += "-" + self._next().text
        if path[0] == "steps" and len(path) == 2 and name not in STEP_FIELDS:
            raise ConditionError(
                worded("a step has no `%(name)s`", name=name[:40]), part.offset, _of(name, STEP_FIELDS)
            )
        return name

    def _items(self, start: _Token) -> Node:
        self._deeper()
        nodes: list[Node] = []
        while self.peek().text != "]" or self.peek().kind != "sign":
            nodes.append(self._sum())
            if len(nodes) > MAX_ITEMS:
                raise ConditionError(
                    worded("the list has more than %(max_items)s items", max_items=MAX_ITEMS),
                    start.offset,
                    worded("make a segment of it"),
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
                worded('"%(text)s" is not a date', text=text[:40]),
                place,
                worded('write date("2026-01-31") or date("2026-01-31T18:00+05:00")'),
            )
        return Date(at)

    def _event(self) -> Node:
        name = self._argument("event")
        if not self._takes("."):
            return Event(name)
        token = self._next()
        if token.text not in AGGREGATES:
            message = worded("events have no `%(text)s`", text=token.text[:40])
            raise ConditionError(message, token.offset, _of(token.text, AGGREGATES))
        property_name, within = "", None
        if self._takes("("):
            if token.text == "sum":
                property_name = self._string(worded("a property in quotation marks"))
                self._takes(",")
            if self.peek().kind == "duration":
                span = self._operand()
                within = span.ms if isinstance(span, Duration) else None
            self._expect(")")
        if token.text == "sum" and not property_name:
            remedy = worded('write event("purchase").sum("amount", 30d)')
            raise ConditionError(worded("`sum` needs a property"), token.offset, remedy)
        return Event(name, token.text, property_name, within)

    def _kept(self, function: str) -> Node:
        known = ARGUMENTS[function]
        examples = ", ".join(f'"{words[0]}"' if words else '"…"' for words in known)
        remedy = worded("write %(function)s(%(examples)s)", function=function, examples=examples)
        self._expect("(", remedy)
        names: list[str] = []
        for place, words in enumerate(known):
            if place:
                self._expect(",", remedy)
            token = self.peek()
            name = self._string(remedy)
            if words and name not in words:
                raise ConditionError(
                    worded('"%(name)s" is not known here', name=name[:40]), token.offset, _of(name, words)
                )
            names.append(name)
        if function in OPTIONAL and self.peek().text == ",":
            self._next()
            names.append(self._string(worded("a %(optional)s is a text", optional=OPTIONAL[function])))
        self._expect(")")
        if function != "cascade":
            return Kept(function, tuple(names))
        self._expect(".", worded('write cascade("%(names)s").sent(30d)', names=names[0][:40]))
        token = self._next()
        if token.text not in CASCADE_WORDS:
            raise ConditionError(
                worded("a cascade has no `%(text)s` here", text=token.text[:40]),
                token.offset,
                _of(token.text, CASCADE_WORDS),
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
        self._expect("(", worded('write %(function)s("…")', function=function))
        text = self._string(worded('write %(function)s("…")', function=function))
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
            raise self.unexpected(token, remedy or worded("`%(text)s` is expected here", text=text))

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ConditionError(
                worded("the condition is nested deeper than %(max_depth)s", max_depth=MAX_DEPTH),
                self.peek().offset,
                worded("make a segment of a part of it"),
            )


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[1]), text[1:-1], flags=re.DOTALL)


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


def _of(word: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(word, known, n=1)
    return (
        worded("did you mean `%(near)s`?", near=near[0])
        if near
        else worded("use one of: %(known)s", known=", ".join(known))
    )


def _meant(word: str) -> str:
    near = get_close_matches(word, (*ROOTS, *KEYWORDS), n=1)
    if near:
        return worded("did you mean `%(near)s`?", near=near[0])
    return worded(
        'names begin with %(known)s; a text stands in quotation marks: "%(word)s"',
        known=", ".join(ROOTS),
        word=word[:40],
    )

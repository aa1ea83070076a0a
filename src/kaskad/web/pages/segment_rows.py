"""The rows of a question about contacts: read from a form, changed, and what their fields offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from kaskad.actions.offered import Offered
from kaskad.domain.attributes import Attribute, Type
from kaskad.domain.condition_kept import CASCADE_WORDS, CHANNELS, CLASSES
from kaskad.domain.errors import Invalid
from kaskad.domain.segment_form import GROUPS, HAPPENED, KINDS, Rule
from kaskad.domain.worded import worded
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look
from kaskad.web.pages.words import icon

Pairs = list[tuple[str, str]]
Path = tuple[int, ...]
DEEPEST, MOST = 8, 200  # levels and rows that a form may have
NEW = {
    "attribute": (N_("Attribute"), icon("tag")),
    "event": (N_("Event"), icon("zap")),
    "consent": (N_("Consent"), icon("shield-check")),
    "reachable": (N_("Reached by"), icon("at-sign")),
    "cascade": (N_("Cascade"), icon("workflow")),
    "list": (N_("On a list"), icon("list")),
    "segment": (N_("In a segment"), icon("filter")),
    "rfm": (N_("RFM score"), icon("star")),
    "text": (N_("As text"), icon("code")),
}
COMPARED = {
    "==": N_("is"), "!=": N_("is not"), "in": N_("is one of"), "not in": N_("is none of"),
    "contains": N_("contains"), "not contains": N_("does not contain"), ">": N_("more than"),
    ">=": N_("at least"), "<": N_("less than"), "<=": N_("at most"), "newer": N_("within the last"),
    "older": N_("longer ago than"), "since": N_("since the day"), "before": N_("before the day"),
    "exists": N_("is known"), "absent": N_("is not known"),
}  # fmt: skip
_NUMBER = ("==", "!=", ">", ">=", "<", "<=", "exists", "absent")
_DATE = ("newer", "older", "since", "before", "exists", "absent")
_WORDS = ("==", "!=", "in", "not in", "contains", "not contains", "exists", "absent")
OPS = {
    Type.TEXT: _WORDS, Type.CHOICE: _WORDS, Type.NUMBER: _NUMBER, Type.MONEY: _NUMBER, Type.DATE: _DATE,
    Type.YES_NO: ("==", "exists", "absent"), Type.LIST: ("contains", "not contains", "exists", "absent"),
}  # fmt: skip
MATCHES = {"all": N_("all of these hold"), "any": N_("any of these holds"), "none": N_("none of these holds"),
           "not_all": N_("not all of these hold")}  # fmt: skip
AGGREGATES = {HAPPENED: N_("happened"), "count": N_("number of times"), "sum": N_("sum of"),
              "first": N_("first time"), "last": N_("last time")}  # fmt: skip
UNITS = {"d": N_("days"), "h": N_("hours"), "w": N_("weeks"), "m": N_("minutes")}
CASCADE_SAYS = {
    "sent": N_("was sent a message"), "sent_before": N_("was sent one longer ago than"),
    "entered": N_("entered"), "reacted": N_("reacted"), "opened": N_("opened or read"),
    "clicked": N_("clicked"), "replied": N_("replied"),
}  # fmt: skip
SCORES = {"r": N_("recency"), "f": N_("frequency"), "m": N_("money")}


def rows_of(form: Mapping[str, str]) -> Rule | None:
    """Return the rows that a form holds, as fields `name@0.1`; None where it holds none. Raises Invalid."""
    nodes: dict[Path, dict[str, str]] = {}
    for key, value in form.items():
        field, at, told = key.partition("@")
        if not at:
            continue
        path = tuple(int(each) for each in told.split(".")) if told.replace(".", "").isdecimal() else ()
        nodes.setdefault(path, {})[field] = value.strip()
    if len(nodes) > MOST or any(len(path) > DEEPEST for path in nodes):
        raise Invalid(
            [
                worded(
                    "A form has at most %(most)s rows, %(deepest)s levels deep: write it as text.",
                    most=MOST,
                    deepest=DEEPEST,
                )
            ]
        )
    return _rule(nodes, ()) if () in nodes else None


def _rule(nodes: Mapping[Path, Mapping[str, str]], path: Path) -> Rule:
    told = nodes[path]
    match = told.get("match", "")
    if match:
        kind = "any" if match in ("any", "none") else "all"
        below = sorted(each for each in nodes if len(each) == len(path) + 1 and each[:-1] == path)
        rules = tuple(_rule(nodes, each) for each in below)
        return Rule(kind, match in ("none", "not_all"), rules=rules)
    kind = told.get("kind", "")
    fields = {name: value for name, value in told.items() if name not in ("kind", "not")}
    return Rule(kind if kind in KINDS else "text", told.get("not") == "yes", fields)


def changed(form: Rule, do: str) -> tuple[Rule, str]:
    """Return the rows after one act such as `add:event@0`, and the path that is looked at next."""
    act, _, told = do.partition("@")
    verb, _, kind = act.partition(":")
    if not told.replace(".", "").isdecimal() and told:
        return form, ""
    path = tuple(int(each) for each in told.split(".")) if told else ()
    match verb:
        case "add" if kind in KINDS:
            return _added(form, path, Rule(kind))
        case "group":
            return _added(form, path, Rule("any", rules=(Rule("attribute"),)))
        case "remove" if path:
            return _at(form, path[:-1], lambda group: _without(group, path[-1])), _text(path[:-1])
    return form, ""


def _added(form: Rule, path: Path, made: Rule) -> tuple[Rule, str]:
    at = len(_find(form, path).rules)
    new = _at(form, path, lambda group: replace(group, rules=(*group.rules, made)))
    return new, _text((*path, at) if made.kind not in GROUPS else (*path, at, 0))


def _find(rule: Rule, path: Path) -> Rule:
    for each in path:
        rule = rule.rules[each] if each < len(rule.rules) else rule
    return rule


def _at(rule: Rule, path: Path, change: Callable[[Rule], Rule]) -> Rule:
    if not path:
        return change(rule)
    rules = tuple(
        _at(each, path[1:], change) if at == path[0] else each for at, each in enumerate(rule.rules)
    )
    return replace(rule, rules=rules)


def _without(group: Rule, at: int) -> Rule:
    return replace(group, rules=tuple(each for number, each in enumerate(group.rules) if number != at))


def _text(path: Path) -> str:
    return ".".join(map(str, path))


def match_of(rule: Rule) -> str:
    """Return how a group holds, as its field says it."""
    return {("all", False): "all", ("any", False): "any", ("any", True): "none"}.get(
        (rule.kind, rule.negated), "not_all"
    )


class Choices:
    """What the fields of rows offer, as pairs of a value and its words."""

    def __init__(self, look: Look, offered: Offered) -> None:
        self.look, self.offered = look, offered
        _ = look._
        self.matches = [(name, _(text)) for name, text in MATCHES.items()]
        self.aggregates = [(name, _(text)) for name, text in AGGREGATES.items()]
        self.units = [(name, _(text)) for name, text in UNITS.items()]
        self.scores = [(name, _(text)) for name, text in SCORES.items()]
        self.kinds = [(name, _(text), sign) for name, (text, sign) in NEW.items()]
        self.channels = [
            ("any", _("any channel")),
            *((name, look.word("channel", name)) for name in CHANNELS),
        ]
        self.classes = [(name, look.word("class", name)) for name in CLASSES]
        self.cascades = [("any", _("any cascade")), *offered.cascades]
        self.says = [(name, self.said(name)) for name in CASCADE_WORDS]

    def said(self, word: str) -> str:
        """Return how a word about a cascade reads."""
        return self.look._(CASCADE_SAYS[word]) if word in CASCADE_SAYS else self.look.word("outcome", word)

    def declared(self, rule: Rule) -> Attribute | None:
        """Return what is declared of the attribute of a row."""
        return self.offered.attributes.get(rule.told.get("name", ""))

    def label(self, name: str) -> str:
        """Return how an attribute is called."""
        attribute = self.offered.attributes.get(name)
        return attribute.labels.get(self.look.language, name) if attribute else name

    def attributes(self, now: str) -> Pairs:
        """Return the attributes that can be chosen, and the one that is."""
        names = [*self.offered.attributes, *([now] if now and now not in self.offered.attributes else [])]
        return [(name, self.label(name)) for name in names]

    def ops(self, rule: Rule) -> Pairs:
        """Return how a row can compare."""
        if rule.kind == "rfm" or (rule.kind == "event" and rule.told.get("aggregate") in ("count", "sum")):
            names: tuple[str, ...] = (">=", ">", "<=", "<", "==", "!=")
        elif rule.kind == "event":
            names = ("newer", "older", "since", "before")
        else:
            attribute = self.declared(rule)
            names = OPS[attribute.type] if attribute else tuple(COMPARED)
        now = rule.told.get("op", "")
        return [(name, self.look._(COMPARED[name])) for name in (*names, *(
            [now] if now in COMPARED and now not in names else []))]  # fmt: skip

    def with_now(self, pairs: Pairs, now: str) -> Pairs:
        """Return what can be chosen, with a first entry for nothing and with what is chosen."""
        known = any(name == now for name, _ in pairs)
        return [("", "—"), *pairs, *([(now, now)] if now and not known else [])]

    def plain(self, names: list[str]) -> Pairs:
        """Return names as pairs."""
        return [(name, name) for name in names]

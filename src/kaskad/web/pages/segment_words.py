"""What a row of a question about contacts asks, as a person says it."""

from __future__ import annotations

from collections.abc import Mapping

from kaskad.domain.segment_form import HAPPENED, Rule
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look
from kaskad.web.pages.segment_rows import SCORES, Choices

SIGNS = {"==": "=", "!=": "≠", ">=": "≥", "<=": "≤"}
ASKED = {
    "==": N_("%(what)s is %(value)s"), "!=": N_("%(what)s is not %(value)s"),
    "in": N_("%(what)s is one of %(value)s"), "not in": N_("%(what)s is none of %(value)s"),
    "contains": N_("%(what)s contains %(value)s"), "not contains": N_("%(what)s does not contain %(value)s"),
    ">": N_("%(what)s is more than %(value)s"), ">=": N_("%(what)s is %(value)s or more"),
    "<": N_("%(what)s is less than %(value)s"), "<=": N_("%(what)s is %(value)s or less"),
    "newer": N_("%(what)s within the last %(value)s"), "older": N_("%(what)s longer ago than %(value)s"),
    "since": N_("%(what)s on %(value)s or later"), "before": N_("%(what)s before %(value)s"),
    "exists": N_("%(what)s is known"), "absent": N_("%(what)s is not known"),
}  # fmt: skip
EVENTS = {
    (HAPPENED, False): N_("there was %(what)s"),
    (HAPPENED, True): N_("there was %(what)s in the last %(span)s"),
    ("count", False): N_("%(what)s: number of times"),
    ("count", True): N_("%(what)s in the last %(span)s: number of times"),
    ("sum", False): N_("%(what)s: sum of %(property)s"),
    ("sum", True): N_("%(what)s in the last %(span)s: sum of %(property)s"),
    ("first", False): N_("the first %(what)s"),
    ("first", True): N_("the first %(what)s of the last %(span)s"),
    ("last", False): N_("the last %(what)s"),
    ("last", True): N_("the last %(what)s of the last %(span)s"),
}


class Phrases:
    """Says what rows ask, in the reader's language."""

    def __init__(self, look: Look, choices: Choices) -> None:
        self._look, self._choices = look, choices

    def say(self, rule: Rule) -> str:
        """Return what a row asks."""
        _ = self._look._
        if not rule.negated:
            return self._plain(rule)
        told, channels = rule.told, dict(self._choices.channels)
        match rule.kind:
            case "event" if told["aggregate"] == HAPPENED and told.get("span"):
                return _("no %(what)s in the last %(span)s", what=told["name"], span=self._span(told))
            case "event" if told["aggregate"] == HAPPENED:
                return _("never any %(what)s", what=told["name"])
            case "reachable":
                return _("is not reached by %(channel)s", channel=channels[told["channel"]])
            case "list":
                return _("is not on the list %(name)s", name=told["name"])
            case "segment":
                return _("is not in the segment %(name)s", name=told["name"])
        return _("not: %(what)s", what=self._plain(rule))

    def _plain(self, rule: Rule) -> str:
        told, look, _ = rule.told, self._look, self._look._
        match rule.kind:
            case "attribute":
                return self._compared(rule, self._choices.label(told.get("name", "…")))
            case "event":
                return self._event(rule)
            case "consent":
                purpose = look.word("class", told["purpose"])
                channel = dict(self._choices.channels)[told["channel"]]
                if told.get("topic"):
                    return _("may be sent %(what)s by %(channel)s about %(topic)s", what=purpose,
                                 channel=channel, topic=told["topic"])  # fmt: skip
                return _("may be sent %(what)s by %(channel)s", what=purpose, channel=channel)
            case "reachable":
                return _("is reached by %(channel)s", channel=dict(self._choices.channels)[told["channel"]])
            case "cascade":
                name = dict(self._choices.cascades).get(told["name"], told["name"])
                said, span = self._choices.said(told["word"]), self._span(told)
                if span and told["word"] == "sent_before":
                    return _("was sent something by %(name)s longer ago than %(span)s", name=name, span=span)
                if span:
                    return _("%(name)s in the last %(span)s: %(what)s", name=name, span=span, what=said)
                return _("%(name)s: %(what)s", name=name, what=said)
            case "list":
                return _("is on the list %(name)s", name=told["name"])
            case "segment":
                return _("is in the segment %(name)s", name=told["name"])
            case "rfm":
                return f"{_(SCORES[told['part']])} {SIGNS.get(told['op'], told['op'])} {told['value']}"
        return told.get("text", "")

    def _event(self, rule: Rule) -> str:
        told, span = rule.told, self._span(rule.told)
        pattern = EVENTS[told["aggregate"], bool(span)]
        what = self._look._(pattern, what=told["name"], span=span, property=told.get("property", ""))
        if told["aggregate"] == HAPPENED:
            return what
        if told["aggregate"] in ("first", "last"):
            return self._compared(rule, what)
        return f"{what} {SIGNS.get(told['op'], told['op'])} {self._number(told['value'])}"

    def _compared(self, rule: Rule, what: str) -> str:
        told = rule.told
        op, value = told.get("op", "=="), told.get("value", "")
        if op in ("newer", "older"):
            value = self._so_long(value, told.get("unit", "d"))
        elif op in (">", ">=", "<", "<="):
            value = self._number(value)
        elif value in ("true", "false"):
            value = self._look._("yes") if value == "true" else self._look._("no")
        return self._look._(ASKED[op], what=what, value=value)

    def _number(self, value: str) -> str:
        return self._look.n(int(value)) if value.isdecimal() and len(value) < 16 else value

    def _span(self, told: Mapping[str, str]) -> str:
        return self._so_long(told["span"], told.get("span_unit", "d")) if told.get("span") else ""

    def _so_long(self, value: str, unit: str) -> str:
        count = int(value) if value.isdecimal() else 0
        ngettext = self._look.words.ngettext
        text = {
            "m": lambda: ngettext("%(num)s minute", "%(num)s minutes", count),
            "h": lambda: ngettext("%(num)s hour", "%(num)s hours", count),
            "w": lambda: ngettext("%(num)s week", "%(num)s weeks", count),
        }.get(unit, lambda: ngettext("%(num)s day", "%(num)s days", count))()
        return text % {"num": self._look.n(count)}

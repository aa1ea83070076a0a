"""A definition as the editor draws it: cards with their words, what joins them, and what is wrong where."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from kaskad.domain.cascade import Span
from kaskad.domain.channels import CHANNELS
from kaskad.domain.definition import Problem
from kaskad.domain.definition.rewrite import Tree
from kaskad.domain.span import HOUR_MS, MINUTE_MS, SECOND_MS, parse_span
from kaskad.domain.terms import Channel, Reaction
from kaskad.web.pages.look import Look

_STEP = re.compile(r"steps\[(\d+)\]")
KNOWN = {channel.value: channel for channel in Channel}
WORDS_OF = ("text", "say", "script", "html", "mjml", "template")


class Card(Struct, frozen=True):
    """A step as it is drawn. `ends` is the reaction that ends the cascade here, "" where none does."""

    index: int
    id: str
    channels: tuple[str, ...]
    title: str
    words: str
    notes: tuple[str, ...]  # what else holds for it, in words
    waits: tuple[str, ...]  # what joins it to the next one
    fail: str
    ends: str
    branch_only: bool
    branches: tuple[str, ...]
    leads: tuple[str, ...]  # where these branches go
    problems: tuple[Problem, ...]

    @property
    def wrong(self) -> str:
        """Return how grave its worst problem is."""
        kinds = {problem.severity for problem in self.problems}
        return "error" if "error" in kinds else "warning" if kinds else ""


class Flow(Struct, frozen=True):
    """The whole drawing; `side` is what ends a run wherever it stands."""

    title: str
    trigger: str
    trigger_more: str
    side: tuple[tuple[str, str], ...]  # kind and words
    cards: tuple[Card, ...]
    problems: tuple[Problem, ...]  # of no step
    last: int = -1  # the card that silence ends at; those after it are entered by branches only

    @property
    def errors(self) -> int:
        """Return how many problems forbid activating."""
        all_of = [*self.problems, *(each for card in self.cards for each in card.problems)]
        return sum(1 for each in all_of if each.severity == "error")

    @property
    def warnings(self) -> int:
        """Return how many problems are only doubts."""
        all_of = [*self.problems, *(each for card in self.cards for each in card.problems)]
        return sum(1 for each in all_of if each.severity == "warning")


def draw(look: Look, tree: Tree, problems: Sequence[Problem], slug: str) -> Flow:
    """Return the drawing of a definition, however unfinished it is."""
    top = _map(tree)
    by_step: dict[int, list[Problem]] = {}
    others = []
    steps = _list(top.get("steps"))
    for problem in problems:
        found = _STEP.match(problem.path)
        if found and int(found[1]) < len(steps):
            by_step.setdefault(int(found[1]), []).append(problem)
        else:
            others.append(problem)
    branches = [_map(each) for each in _list(top.get("branches"))]
    lasts = [index for index, step in enumerate(steps) if _map(step).get("only") != "branch"]
    last = lasts[-1] if lasts else -1
    cards = tuple(
        _card(
            look, index, _map(step), branches, tuple(by_step.get(index, ())),
            index >= last,
        )
        for index, step in enumerate(steps)
    )  # fmt: skip
    head, more = _trigger(look, _map(top.get("trigger")))
    side = tuple(_side(look, top))
    return Flow(text(top.get("title")) or slug, head, more, side, cards, tuple(others), last)


def channels_of(step: Mapping[str, Tree]) -> tuple[str, ...]:
    """Return the channels that a step names and that there are."""
    told = step.get("channel")
    names = [told] if isinstance(told, str) else [each for each in _list(told) if isinstance(each, str)]
    return tuple(name for name in names if name in KNOWN)


def text(value: Tree) -> str:
    """Return a scalar as it stands in a field, "" for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int, float)) else ""


def span_words(look: Look, told: Tree) -> str:
    """Return a duration as one reads it: "4 h"; what is none as it stands."""
    word = text(told)
    try:
        span = parse_span(word)
    except ValueError:
        return word or "…"
    return _words_of(look, span) or word


def _words_of(look: Look, span: Span) -> str:
    parts = []
    hours, rest = divmod(span.ms, HOUR_MS)
    minutes, ms = divmod(rest, MINUTE_MS)
    if span.months:
        parts.append(look._("%(n)s mo", n=look.n(span.months)))
    if span.days:
        parts.append(look._("%(n)s d", n=look.n(span.days)))
    if hours:
        parts.append(look._("%(n)s h", n=look.n(hours)))
    if minutes:
        parts.append(look._("%(n)s min", n=look.n(minutes)))
    if ms:
        parts.append(look._("%(n)s s", n=look.n(ms / SECOND_MS)))
    return " ".join(parts)


def _card(
    look: Look, index: int, step: Mapping[str, Tree], branches: list[Mapping[str, Tree]],
    problems: tuple[Problem, ...], last: bool,
) -> Card:  # fmt: skip
    channels = channels_of(step)
    name = text(step.get("id"))
    subject = text(step.get("subject"))
    variants = [_map(each) for each in _list(step.get("variants"))]
    said = [text(step.get(key)) for key in WORDS_OF] + [
        text(one.get(key)) for one in variants for key in WORDS_OF
    ]
    words = next((re.sub(r"<[^>]+>|\s+", " ", each).strip() for each in said if each), "")
    return Card(
        index, name, channels, subject, words[:180], tuple(_notes(look, step, len(variants))),
        tuple(_waits(look, step, channels, last)), _fail(look, step, last),
        "" if _taken(step, channels, name, branches) else _ends(look, step, channels),
        step.get("only") == "branch", tuple(_branches(look, name, branches)),
        tuple(text(one.get("go")) for one in branches if _of(one, name)), problems,
    )  # fmt: skip


def _notes(look: Look, step: Mapping[str, Tree], variants: int) -> list[str]:
    found = []
    at = _map(step.get("at"))
    if "on" in at:
        named = text(at["on"]).lower().removeprefix("day").strip()
        found.append(look._("on day %(day)s of the run", day=named))
    for key in ("before", "after"):
        if key in at:
            by, path = span_words(look, at.get("by", "")), text(at[key])
            found.append(
                look._("%(span)s before %(instant)s", span=by, instant=path) if key == "before"
                else look._("%(span)s after %(instant)s", span=by, instant=path)
            )  # fmt: skip
    if step.get("send_at") == "best_hour":
        found.append(look._("at the hour at which the person reacts most"))
    if condition := text(step.get("if")):
        found.append(look._("only if %(condition)s", condition=condition))
    if variants:
        found.append(look._("%(n)s variants", n=variants))
    if holdout := text(step.get("holdout")):
        found.append(look._("%(share)s held out", share=holdout))
    return found


def _waits(look: Look, step: Mapping[str, Tree], channels: tuple[str, ...], last: bool) -> list[str]:
    told = step.get("wait")
    if isinstance(told, (str, int)) and not isinstance(told, bool):
        span = span_words(look, told)
        return [
            look._("%(span)s, then the end", span=span) if last else look._("%(span)s of silence", span=span)
        ]
    found = []
    for clock in (_map(each) for each in _list(told)):
        words = {"span": span_words(look, clock.get("for")), "what": _reaction(look, clock.get("unless"))}
        start = text(clock.get("from"))
        found.append(
            look._("%(span)s after “%(start)s” without “%(what)s”", start=_reaction(look, start), **words)
            if start else look._("%(span)s without “%(what)s”", **words)
        )  # fmt: skip
    if found or not channels:
        return found
    return [_default(look, clock.span, clock.unless, clock.start)
            for clock in CHANNELS[KNOWN[channels[0]]].default_wait]  # fmt: skip


def _default(look: Look, span: Span, unless: Reaction, start: Reaction | None) -> str:
    words = _words_of(look, span)
    if unless is Reaction.NONE:
        return look._("%(span)s of silence", span=words)
    what = look.word("waited", unless.value)
    if start is None:
        return look._("%(span)s without “%(what)s”", span=words, what=what)
    return look._("%(span)s after “%(start)s” without “%(what)s”", span=words, what=what,
                  start=look.word("waited", start.value))  # fmt: skip


def _fail(look: Look, step: Mapping[str, Tree], last: bool) -> str:
    kind = text(step.get("on_fail")) or "next"
    if kind == "stop":
        return look._("error → stop")
    if kind == "retry":
        return look._("error → try again")
    return "" if last else look._("error → at once")


def _ends(look: Look, step: Mapping[str, Tree], channels: tuple[str, ...]) -> str:
    told = text(step.get("success"))
    if told == "none":
        return ""
    if told:
        return _reaction(look, told)
    return look.word("waited", CHANNELS[KNOWN[channels[0]]].default_success.value) if channels else ""


def _reaction(look: Look, told: Tree) -> str:
    name = text(told)
    known = {reaction.value for reaction in Reaction}
    return look.word("waited", name) if name in known else name or "…"


def _of(branch: Mapping[str, Tree], name: str) -> bool:
    return bool(name) and text(branch.get("when")).rpartition(".")[0] == name


def _taken(
    step: Mapping[str, Tree], channels: tuple[str, ...], name: str, branches: list[Mapping[str, Tree]]
) -> bool:  # fmt: skip
    """Say whether a branch takes those whom the step's success would end: branches are asked first."""
    success = text(step.get("success")) or (
        CHANNELS[KNOWN[channels[0]]].default_success.value if channels else ""
    )  # fmt: skip
    return any(_of(one, name) and text(one.get("when")) == f"{name}.{success}" for one in branches)


def _branches(look: Look, name: str, branches: list[Mapping[str, Tree]]) -> list[str]:
    found = []
    for branch in branches:
        if not _of(branch, name):
            continue
        reaction = text(branch.get("when")).rpartition(".")[2]
        span, words = text(branch.get("unless_goal_in")), _reaction(look, reaction)
        go = text(branch.get("go"))
        found.append(
            look._(
                "%(what)s, no goal in %(span)s → %(step)s", what=words, span=span_words(look, span), step=go
            )
            if span else look._("%(what)s → %(step)s", what=words, step=go)
        )  # fmt: skip
    return found


def _trigger(look: Look, told: Mapping[str, Tree]) -> tuple[str, str]:
    more = []
    if event := text(told.get("event")):
        if delay := text(told.get("delay")):
            more.append(look._("%(span)s later", span=span_words(look, delay)))
        if condition := text(told.get("if")):
            more.append(look._("only if %(condition)s", condition=condition))
        return look._("Event “%(name)s”", name=event), " · ".join(more)
    if name := text(told.get("broadcast")):
        pace = text(told.get("pace"))
        who = look._("everybody") if name == "all" else name
        return look._("Launch to %(name)s", name=who), pace
    if name := text(told.get("segment")):
        return look._("Enters the segment “%(name)s”", name=name), ""
    if name := text(told.get("date")):
        for key in ("before", "after"):
            if key in told:
                span = span_words(look, told[key])
                more.append(
                    look._("%(span)s before", span=span)
                    if key == "before"
                    else look._("%(span)s after", span=span)
                )
        if "every" in told:
            more.append(look._("each year"))
        return look._("Date “%(name)s”", name=name), " · ".join(more)
    return look._("Choose what begins it"), ""


def _side(look: Look, top: Mapping[str, Tree]) -> list[tuple[str, str]]:
    found = []
    goal = _map(top.get("goal"))
    if goal:
        within = span_words(look, goal.get("within", "7d"))
        found.append(
            (
                "goal",
                look._("Goal: “%(name)s” within %(span)s", name=text(goal.get("event")) or "…", span=within),
            )
        )
    else:
        found.append(("none", look._("No goal: a reaction is all that counts")))
    if "reply" in _list(top.get("stop_on")):
        found.append(("exit", look._("A reply ends it")))
    if condition := text(top.get("exit_if")):
        found.append(("exit", look._("Ends if %(condition)s", condition=condition)))
    found.append(("always", look._("A “no”, a complaint and an erasure always end it")))
    return found


def _map(value: Tree) -> Mapping[str, Tree]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Tree) -> list[Tree]:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []

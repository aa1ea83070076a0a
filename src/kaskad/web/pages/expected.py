"""The forecast as the editor shows it: whom it is for, and words for each step and edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi import Request
from msgspec import Struct

from kaskad.actions import crowds, forecast, lists, segments
from kaskad.actions.audience import Audience
from kaskad.actions.crowds import Sampled
from kaskad.actions.forecast import Edge, Expected, StepForecast
from kaskad.actions.office import Office
from kaskad.actions.past import past
from kaskad.domain.cascade import Cascade
from kaskad.domain.definition.sketch import Sketch
from kaskad.domain.errors import Invalid, NotFound
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look

SAMPLE = 200  # contacts that are looked at with every edit
MOST_NAMES = 100
TYPICAL, EVERYBODY = "typical", "everybody"
ENDS = {"left": N_("goal, no or stop"), "waiting": N_("waits at a paused step")}
BY = {
    "entry": N_("the beginning"), "reaction": N_("a reaction"), "silence": N_("silence"),
    "other": N_("a goal, a no or a stop"), "pause": N_("a paused step"),
}  # fmt: skip
NOTES = {  # where no price is known stands in its place
    "no_prior": N_("nobody counts as reacting: nothing is known"),
    "no_account": N_("no account for it is set up: nobody would get it"),
    "price_changes": N_("its price changes meanwhile"),
    "condition": N_("its condition counts as met"),
    "paused": N_("paused: people wait here"),
    "late": N_("paused: people wait until it is too late for it"),
    "passed_over": N_("paused: people pass it over"),
}


class Outlook(Struct, frozen=True):
    """What stands above the drawing: the forecast, whom it is for, who else it could be for."""

    told: Expected
    whom: str
    asked: str  # whom the reader has chosen; "": nobody
    choices: list[tuple[str, str]]
    wordless: frozenset[int] = frozenset()  # steps of whose message nothing is known, so neither a price

    def step(self, index: int) -> StepForecast | None:
        """Return what is told of one step."""
        return self.told.steps[index] if index < len(self.told.steps) else None

    def way(self, index: int, by: str) -> Edge | None:
        """Return who leaves a step by a reaction, by silence, …; None: nobody may."""
        source = f"step:{self.told.steps[index].step}" if index < len(self.told.steps) else ""
        return next((one for one in self.told.edges if (one.source, one.by) == (source, by)), None)


class Way(Struct, frozen=True):
    """One edge of a forecast in words."""

    source: str
    target: str
    why: str
    people: str
    range: str  # "": it has no width


def outlook(
    request: Request, look: Look, office: Office, slug: str, text: str, cascade: Cascade | None, whom: str
) -> Outlook | None:  # fmt: skip
    """Return the forecast of a text, None where no step of it can be read; `cascade` is its own if it has no
    mistakes. `whom`: "", typical, everybody, `segment NAME` or `list NAME`; "" is whom the trigger names,
    else typical people."""
    try:
        drawn = Sketch(cascade) if cascade else crowds.sketched(slug, text)
    except Invalid:
        return None
    cascade = drawn.cascade
    chosen = audience(office, cascade, whom)
    people: Sampled | None = None
    if chosen is not None:
        try:
            people = _sample(request, office, cascade, chosen)
        except NotFound:
            chosen = None
    known = figures_of(request).pasts.get(slug, lambda: past(office, slug, cascade))
    told = forecast.of_people(office, cascade, people, known, what_if=False)
    return Outlook(told, str(chosen) if chosen else TYPICAL, whom, choices(look, office), drawn.wordless)


def _sample(request: Request, office: Office, cascade: Cascade, whom: Audience) -> Sampled:
    """Return people of an audience; a large one is drawn from no more often than it is cheap."""
    return figures_of(request).samples.get(
        str(whom), lambda: crowds.sampled(office, cascade, whom, SAMPLE)
    )  # fmt: skip


def audience(office: Office, cascade: Cascade, whom: str) -> Audience | None:
    kind, _, name = whom.partition(" ")
    match kind:
        case "segment":
            return Audience(segment=name)
        case "list":
            return Audience(list=name)
        case "everybody":
            return Audience(everybody=True)
        case "typical":
            return None
    return crowds.audience_of(office, cascade)


def choices(look: Look, office: Office) -> list[tuple[str, str]]:
    """Return whom figures can be for: values of a field, and words."""
    known = [("segment", one.name) for one in segments.listing(office, after="", limit=MOST_NAMES)]
    known += [("list", name) for name in lists.to_choose(office, MOST_NAMES)]
    return [
        (TYPICAL, look._("1,000 people whom each step reaches")),
        (EVERYBODY, look._("all contacts")),
        *((f"{kind} {name}", look.audience(f"{kind} {name}")) for kind, name in known),
    ]


def ways(look: Look, told: Expected, channels: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """Return where people are expected to go as js/ways.js draws it; `channels` are those of the steps."""
    coming: dict[str, int] = {"entered": 0}
    for one in told.edges:
        coming[one.target] = coming.get(one.target, 0) + one.people
    coming["entered"] = sum(one.people for one in told.edges if one.source == "entered")
    nodes = []
    for place, count in coming.items():
        kind, _, name = place.partition(":")
        paint = (channels.get(name) or ("",))[0] if kind == "step" else name or kind
        label = _place(look, place)
        nodes.append({"name": place, "label": label, "count": look.n(count), "kind": kind, "paint": paint})
    links = [
        {
            "source": one.source, "target": one.target, "value": one.people, "count": look.n(one.people),
            "range": look._("likely %(low)s to %(high)s", **_ends(look, one)),
        }
        for one in told.edges if one.people
    ]  # fmt: skip
    linked = {link[end] for link in links for end in ("source", "target")}
    return {
        "nodes": [node for node in nodes if node["name"] in linked], "links": links,
        "people": look._("people"),
    }  # fmt: skip


def ways_told(look: Look, told: Expected) -> list[Way]:
    """Return the same as the rows of a table."""
    return [
        Way(
            _place(look, one.source), _place(look, one.target), look._(BY[one.by]), look.n(one.people),
            between(look, one),
        )
        for one in told.edges
    ]  # fmt: skip


def between(look: Look, one: Edge) -> str:
    """Return the range of an edge, "" where it has no width."""
    ends = _ends(look, one)
    return "" if ends["low"] == ends["high"] else f"{ends['low']}–{ends['high']}"


def _ends(look: Look, one: Edge) -> dict[str, str]:
    return {"low": look.n(round(one.between.low)), "high": look.n(round(one.between.high))}


def _place(look: Look, place: str) -> str:
    kind, _, name = place.partition(":")
    if kind == "entered":
        return look._("Entered")
    if kind == "step":
        return name
    return look._(ENDS[name]) if name in ENDS else look.word("outcome", name)


def passed_over(look: Look, told: StepForecast) -> str:
    """Return whom a step passes over, and why."""
    reasons: Sequence[tuple[str, int]] = [(why, count) for why, count in told.passed.items() if count]
    return ", ".join(f"{look.word('skip', why)} {look.n(count)}" for why, count in reasons)


def notes(look: Look, told: StepForecast) -> str:
    """Return what is to be known of a step's figures."""
    return " · ".join(look._(NOTES[note]) for note in told.notes if note in NOTES)

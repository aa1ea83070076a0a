"""What a cascade could do better: the frontier, the proposals, the waits; a proposal becomes a draft here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Form, Request, Response
from msgspec import Struct

from kaskad.actions import cascades, editing, lists, segments
from kaskad.actions.audience import Audience
from kaskad.actions.office import Office
from kaskad.domain.cascade import Money
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.money import BadMoney, parse_money
from kaskad.domain.span import approximate_ms, parse_span
from kaskad.domain.worded import worded, wording
from kaskad.web.auth import InOffice
from kaskad.web.pages.cascades import CHOICES, WRITE, Reader, Slug, Writer
from kaskad.web.pages.expected import EVERYBODY, TYPICAL
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.flow import span_words
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, note
from kaskad.web.pages.shell import go, render

if TYPE_CHECKING:  # it brings scipy along
    from kaskad.actions.optimized import Optimized, Spot
    from kaskad.actions.proposals import Theirs

router = APIRouter(include_in_schema=False, route_class=PageRoute)
FIELDS = ("who", "reach", "value", "fades", "budget", "annoyance", "calls", "order", "by")
Field = Annotated[str, Form()]


class Wished(Struct):
    """What the address asks for, as it stands there, what it means, and what is wrong with it, by field."""

    raw: dict[str, str]
    reach: float | None = None
    calls: int | None = None
    fades_ms: int = 0
    money: dict[str, Money] = {}
    segments: list[str] = []
    problems: dict[str, str] = {}


@router.get("/cascades/{slug}/optimize")
def could_do_better(
    office: InOffice, request: Request, seen: Reader, slug: Slug, look_now: str = ""
) -> Response:  # fmt: skip
    """Show what a cascade could do better; the figures are brought by a second request."""
    look = look_of(request, seen)
    wished = _wished(look, {name: request.query_params.get(name, "").strip() for name in FIELDS})
    told, refused = None, ""
    if look_now and not wished.problems:
        try:
            told = figures_of(request).optimized.soon(
                "\0".join((slug, *wished.raw.values(), editing.sheet(office, slug).revision)),
                lambda: _found(office, slug, wished),
            )
        except (Invalid, NotFound) as error:
            refused = look.refusal(error)
    whole = cascades.find(office, slug)
    return render(
        request, look, "optimize.html", 422 if wished.problems else 200, seen=seen,
        cascade=whole.overview, told=told, refused=refused, asked=wished.raw, problems=wished.problems,
        choices=_choices(office, look), may_write=seen.may(WRITE), frontier=_frontier(look, told),
        curves=_curves(look, told), ways=_ways(told), span=lambda told: span_words(look, told),
        together=together,
    )  # fmt: skip


def together(parts: Sequence[Theirs]) -> list[list[Theirs]]:
    """Return the parts of a proposal's people, those together who go the same way."""
    found: dict[tuple[object, ...], list[Theirs]] = {}
    for part in parts:
        found.setdefault((part.order, part.changes), []).append(part)
    return list(found.values())


@router.post("/cascades/{slug}/optimize/draft")
def make_draft(
    office: InOffice, request: Request, seen: Writer, slug: Slug, revision: Field, order: Field = "",
    waits: Field = "", ways: Field = "",
) -> Response:  # fmt: skip
    """Make a proposal the cascade's draft: its steps in this order, these waits, or as JSON the ways of the
    parts of its people; nothing runs by it yet."""
    from kaskad.actions.proposals import redrawn
    from kaskad.actions.splitting import Way, split_drawn

    try:
        parts = msgspec.json.decode(ways, type=list[Way]) if ways else []
    except msgspec.MsgspecError as error:
        raise Invalid([worded("The proposal cannot be read: look at it again.")]) from error
    steps = [name for name in order.split(",") if name]
    spans = dict(pair.split("=", 1) for pair in waits.split(",") if "=" in pair)
    editing.change(
        office, slug, revision, seen.caller.name,
        lambda text: split_drawn(slug, text, parts) if parts else redrawn(slug, text, steps, spans),
    )  # fmt: skip
    note(office, seen, "POST /cascades/{slug}/optimize/draft", slug)
    look = look_of(request, seen)
    running = cascades.find(office, slug).overview.version is not None
    path = f"/cascades/{slug}/versions?old=current&new=draft" if running else f"/cascades/{slug}/edit"
    return go(path, look._("The proposal is the draft now. Nothing runs by it until it is activated."))


def _found(office: Office, slug: str, wished: Wished) -> Optimized:
    from kaskad.actions.optimize import optimize
    from kaskad.actions.optimized import Target
    from kaskad.planning.orders import Freedom

    target = Target(
        wished.reach, wished.money.get("budget"), wished.money.get("value"), wished.money.get("annoyance"),
        wished.fades_ms, wished.calls, Freedom(wished.raw["order"] or "gentle"),
    )  # fmt: skip
    who = wished.raw["who"]
    kind, _, name = who.partition(" ")
    whom = (
        Audience(everybody=True) if who == EVERYBODY
        else Audience(segment=name) if kind == "segment"
        else Audience(list=name) if kind == "list" else None
    )  # fmt: skip
    return optimize(
        office, slug, target=target, whom=whom, typical=who == TYPICAL, segments=wished.segments
    )  # fmt: skip


def _wished(look: Look, raw: dict[str, str]) -> Wished:
    told, problems = Wished(raw), dict[str, str]()
    if raw["order"] not in ("", "gentle", "free", "as-is"):
        raw["order"] = ""
    money = {}
    for name in ("value", "budget", "annoyance"):
        try:
            if raw[name]:
                money[name] = parse_money(raw[name])
        except BadMoney as error:
            problems[name] = look.told(wording(error))
    try:
        told.fades_ms = approximate_ms(parse_span(raw["fades"])) if raw["fades"] else 0
    except ValueError as error:
        problems["fades"] = look.told(wording(error))
    try:
        told.reach = _share(raw["reach"]) if raw["reach"] else None
    except ValueError:
        problems["reach"] = look._("Write a share from 1 to 100, such as 80.")
    if raw["calls"] and not raw["calls"].isdecimal():
        problems["calls"] = look._("Write a whole number, such as 200.")
    elif raw["calls"]:
        told.calls = int(raw["calls"][:9])
    told.segments = [name.strip() for name in raw["by"].split(",") if name.strip()]
    told.money, told.problems = money, problems
    return told


def _share(text: str) -> float:
    share = float(text.replace("%", "").replace(",", ".")) / 100
    if not 0 < share <= 1:
        raise ValueError(text)
    return share


def _choices(office: Office, look: Look) -> list[tuple[str, str]]:
    known = [f"segment {one.name}" for one in segments.listing(office, after="", limit=CHOICES)]
    known += [f"list {name}" for name in lists.to_choose(office, CHOICES)]
    return [
        ("", look._("whom it is for, or who has entered")),
        (TYPICAL, look._("1,000 people whom each step reaches")), (EVERYBODY, look._("all contacts")),
        *((name, look.audience(name)) for name in known),
    ]  # fmt: skip


def _ways(told: Optimized | None) -> Sequence[str]:
    """Return of each proposal how the parts of the people go, as its form takes it back."""
    return [
        msgspec.json.encode(
            [{"segment": one.segment, "order": one.order, "waits": one.waits} for one in proposal.parts]
        ).decode()
        if proposal.parts
        else ""
        for proposal in (told.proposals if told else ())
    ]


def cost_of(look: Look, told: Optimized, minor: float) -> str:
    """Return a cost for each who enters; without prices it is messages."""
    return look.rounded({told.currency: minor}) if told.currency else look.decimal(minor)


def _frontier(look: Look, told: Optimized | None) -> dict[str, Any]:
    """Return what js/optimize.js draws: dots of each kind, what each says, words."""
    if told is None:
        return {}
    proposed = {one.order for one in told.proposals if one.name == "order"}

    def dot(spot: Spot) -> list[Any]:
        words = f"{' → '.join(spot.steps)}\n{look.pct(spot.reach)} · {cost_of(look, told, spot.cost)}"
        return [spot.cost, spot.reach, words]

    kinds: dict[str, list[list[Any]]] = {"other": [], "efficient": [], "proposed": [], "today": []}
    for spot in told.spots:
        kind = "today" if spot.today else "proposed" if spot.steps in proposed else (
            "efficient" if spot.efficient else "other"
        )  # fmt: skip
        kinds[kind].append(dot(spot))
    line = [dot(spot)[:2] for spot in told.spots if spot.efficient]
    return {
        **kinds, "line": line, "currency": told.currency,
        "words": {
            "cost": look._("cost for each who enters")
            if told.currency
            else look._("messages for each who enters"),
            "reach": look._("reach"), "today": look._("today"), "proposed": look._("proposed"),
            "efficient": look._("nothing reaches more for less"), "other": look._("other steps"),
        },
    }  # fmt: skip


def _curves(look: Look, told: Optimized | None) -> Sequence[dict[str, Any]]:
    """Return the curve of each step's wait."""
    return [
        {
            "rows": [[0, 1], *([at, share] for at, share in zip(one.hours, one.silent, strict=True))],
            "band": [[0, 1, 1], *map(list, zip(one.hours, one.low, one.high, strict=True))],
            "wait": one.wait_hours, "proposed": one.proposed_hours,
            "words": {
                "silent": look._("silent still"), "hours": look._("hours after sending"),
                "wait": look._("now"), "proposed": look._("proposed"), "h": look._("h"),
            },
        }
        for one in (told.waits if told else ()) if one.reactions
    ]  # fmt: skip

"""The first run: from an empty installation to a cascade that somebody is in, step by step.

Each step is a page of its own, so the way can be left at any place and taken up again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from babel import Locale
from babel.core import get_global
from fastapi import APIRouter, Depends, Form, Request, Response
from msgspec import Struct

from kaskad.actions import (
    accounts,
    brand,
    cascades,
    contacts,
    editing,
    first_run,
    policy,
    presets,
    sandbox,
    users,
)
from kaskad.actions.cascades import Overview
from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict, Invalid, KaskadError, NotFound
from kaskad.domain.ids import contact_text
from kaskad.domain.money import DIGITS, SYMBOLS
from kaskad.domain.worded import worded
from kaskad.web.auth import InOffice
from kaskad.web.pages.contacts import title_of
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Owner = Annotated[Visitor, needs("settings:write")]
Text = Annotated[str, Form()]
Step = Literal["owner", "brand", "channels", "people", "cascade", "launch"]
NAMES = {
    "owner": N_("The owner"),
    "brand": N_("Who sends"),
    "channels": N_("Where it goes out"),
    "people": N_("The people"),
    "cascade": N_("A cascade"),
    "launch": N_("Let somebody in"),
}
CHOICES = 12
PEOPLE = 12  # that the first event may be tried with
REPLIES = "reply-"  # cascades that carry answers of the inbox
FIELD = "p:"  # before the names of an event's properties


class Stage(Struct, frozen=True):
    """A step as it is listed."""

    key: str
    name: str
    done: bool
    here: bool


@router.get("/start")
def begin(office: InOffice, seen: Owner) -> Response:
    """Lead to the first step that is not done."""
    following = first_run.progress(office).next
    return go(f"/start/{following}" if following else "/")


@router.get("/start/{step}")
def show(office: InOffice, request: Request, seen: Owner, step: Step, cascade: str = "") -> Response:
    """Show one step."""
    return _page(office, request, seen, step, chosen=cascade)


@router.post("/start/brand")
def say_brand(
    office: InOffice, request: Request, seen: Owner, name: Text = "", zone: Text = "", country: Text = "",
    currency: Text = "",
) -> Response:  # fmt: skip
    """Keep who sends, and where they are."""
    given = {"name": name, "zone": zone, "country": country, "currency": currency}
    try:
        brand.change(office, {"name": name, "currency": currency})
        policy.change(office, {"zone": zone, "country": country})
    except Invalid as error:
        look = look_of(request, seen)
        told = {where.removeprefix("/") for where in error.pointers}
        wrong = {
            "name": look._('Say how the sender is called, in at most 60 characters, without < > " @ \\ , ;'),
            "currency": look._("Choose a currency."),
        }
        problems = {key: text for key, text in wrong.items() if key in told} or {"zone": look.refusal(error)}
        return _page(office, request, seen, "brand", code=422, given=given, problems=problems)
    note(office, seen, "PUT /brand", name)
    return go("/start/channels")


@router.post("/start/sandbox")
def open_sandbox(office: InOffice, request: Request, seen: Owner, at_once: Text = "") -> Response:
    """Open the sandbox."""
    try:
        sandbox.open_up(office, hurry=at_once == "yes")
    except Conflict as error:
        return _page(
            office,
            request,
            seen,
            "channels",
            code=409,
            problems={"sandbox": look_of(request, seen).refusal(error)},
        )
    note(office, seen, "POST /sandbox/open", "")
    return go("/start/people", look_of(request, seen)._("The sandbox is open."))


@router.post("/start/people")
def bring_samples(office: InOffice, request: Request, seen: Owner) -> Response:
    """Bring in people who are nobody."""
    done = first_run.bring_samples(office)
    note(office, seen, "POST /contacts/import", done.source)
    look = look_of(request, seen)
    said = look.words.ngettext("%(num)s person is in.", "%(num)s people are in.", done.seen)
    return go("/start/cascade", said % {"num": look.n(done.seen)})


@router.post("/start/cascade")
def take_preset(office: InOffice, request: Request, seen: Owner, preset: Text = "") -> Response:
    """Make a draft from a template, or take the one that was made from it before."""
    text = presets.made(preset, look_of(request, seen).language, preset, "", brand.show(office).currency)
    if not any(each.slug == preset for each in cascades.listing(office, counted=False)):
        editing.begin(office, preset, text, seen.caller.name)
        note(office, seen, "POST /cascades/new", preset)
    return go(f"/start/launch?cascade={preset}")


@router.post("/start/activate")
def activate(office: InOffice, request: Request, seen: Owner, cascade: Text = "") -> Response:
    """Let people enter a cascade from now on."""
    try:
        cascades.activate(office, cascade)
    except (Invalid, Conflict) as error:
        problems = {"plan": look_of(request, seen).refusal(error)}
        return _page(office, request, seen, "launch", chosen=cascade, code=422, problems=problems)
    note(office, seen, "POST /cascades/{slug}/activate", cascade)
    figures_of(request).forget(cascade)
    return go(f"/start/launch?cascade={cascade}", look_of(request, seen)._("People may enter now."))


async def fields_of(request: Request) -> dict[str, str]:
    """Return the fields of the form that was sent."""
    return {name: str(value) for name, value in (await request.form()).items()}


@router.post("/start/event")
def tell(
    office: InOffice, request: Request, seen: Owner, fields: Annotated[dict[str, str], Depends(fields_of)]
) -> Response:
    """Let the event that begins a cascade happen to somebody."""
    slug, who = fields.get("cascade", ""), fields.get("who", "")
    occasion = first_run.occasion(office, slug)
    if occasion is None:
        raise NotFound(worded("No event begins %(slug)r.", slug=slug))
    given = {name.removeprefix(FIELD): text for name, text in fields.items() if name.startswith(FIELD)}
    try:
        first_run.tell(office, occasion.event, who, given)
    except KaskadError as error:
        problems = {"event": look_of(request, seen).refusal(error)}
        return _page(office, request, seen, "launch", chosen=slug, code=422, problems=problems)
    note(office, seen, "POST /events", f"{occasion.event} {who}")
    figures_of(request).forget(slug)
    look = look_of(request, seen)
    return go(f"/contacts/{who}", look._("It has happened: the card shows what follows."))


def _page(
    office: Office, request: Request, seen: Visitor, step: str, *, chosen: str = "", code: int = 200,
    given: Mapping[str, str] | None = None, problems: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    look = look_of(request, seen)
    rows = [each for each in cascades.listing(office, counted=False) if not each.slug.startswith(REPLIES)]
    done = first_run.progress(office, rows).done
    stages = [Stage(key, look._(name), done[key], key == step) for key, name in NAMES.items()]
    return render(
        request, look, "start.html", code, seen=seen, step=step, stages=stages, problems=problems or {},
        there=request.app.state.page_paths, sandbox=sandbox.show(office),
        **_values(office, look, step, rows, chosen, given or {}),
    )  # fmt: skip


def _values(
    office: Office, look: Look, step: str, rows: list[Overview], chosen: str, given: Mapping[str, str]
) -> dict[str, Any]:
    """Return what the template of one step asks for."""
    match step:
        case "owner":
            return {"anybody": users.anybody(office)}
        case "brand":
            return {
                "given": given or _known(office, look), "zones": zones(),
                "countries": countries(look.language), "currencies": currencies(look.language),
            }  # fmt: skip
        case "channels":
            return {"accounts": accounts.listing(office)}
        case "people":
            return {"people": _people(office)}
        case "cascade":
            return {"presets": presets.listing(look.language), "rows": rows}
        case _:
            return _launching(office, rows, chosen)


def _launching(office: Office, rows: list[Overview], chosen: str) -> dict[str, Any]:
    """Return the cascade that is let people into: the one chosen, else one that waits, else the first."""
    waiting = sorted(rows, key=lambda row: row.version is not None)
    row = next((each for each in waiting if chosen in ("", each.slug)), None)
    active = row is not None and row.state == "active"
    return {
        "row": row, "active": active, "people": _people(office),
        "rows": rows, "choices": [(each.slug, each.title) for each in waiting[:CHOICES]],
        "plan": cascades.plan(office, row.slug) if row and not active else None,
        "occasion": first_run.occasion(office, row.slug) if row and active else None,
    }  # fmt: skip


def _people(office: Office) -> list[tuple[str, str]]:
    """Return the first people, by id and how they are called."""
    found = contacts.search(office, "", "", after=0, limit=PEOPLE)
    return [(contact_text(each.id), title_of(each, found.addresses[each.id])) for each in found.cards]


def _known(office: Office, look: Look) -> dict[str, str]:
    """Return what is known of the brand, or else likely from where the reader is."""
    told, rules = brand.show(office), policy.show(office)
    zone = rules.zone if told.name or rules.zone != "UTC" else look.zone
    country = rules.country or get_global("zone_territories").get(zone, "")
    likely = {"RU": "RUB", "KZ": "KZT", "BY": "BYN", "UZ": "UZS", "US": "USD", "GB": "GBP"}
    return {
        "name": told.name, "zone": zone, "country": country if country != "001" else "",
        "currency": told.currency or likely.get(country, ""),
    }  # fmt: skip


@cache
def zones() -> list[tuple[str, str]]:
    """Return the time zones that places are in."""
    known = available_timezones() & set(get_global("zone_territories"))
    return [(name, name.replace("_", " ")) for name in sorted(known - {"UTC"})] + [("UTC", "UTC")]


@cache
def countries(language: str) -> list[tuple[str, str]]:
    """Return the countries by their names in a language."""
    named = [
        (code, name)
        for code, name in Locale(language).territories.items()
        if len(code) == 2 and code.isalpha() and code not in ("EU", "EZ", "UN", "XA", "XB", "ZZ", "QO")
    ]
    return [("", "—"), *sorted(named, key=lambda pair: pair[1])]


@cache
def currencies(language: str) -> list[tuple[str, str]]:
    """Return the currencies that are likely, by their names in a language."""
    names = Locale(language).currencies
    return [
        ("", "—"),
        *((code, f"{names[code]} ({code})") for code in SYMBOLS if code in DIGITS and code in names),
    ]

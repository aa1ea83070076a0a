"""The list of cascades: what runs, what it reached lately, and what can be done with each; launches."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Path, Request, Response
from msgspec import Struct

from kaskad.actions import cascades, launches, lists, segments
from kaskad.actions.audience import Audience
from kaskad.actions.canaries import wanted
from kaskad.actions.cascades import Overview
from kaskad.actions.forecast import Expected
from kaskad.actions.grounds import grounds, on_list
from kaskad.actions.launch_preview import Preview, preview
from kaskad.actions.office import Office
from kaskad.analytics.recent import Lately
from kaskad.domain.errors import Conflict, Invalid, KaskadError
from kaskad.domain.ids import launch_text, read_launch
from kaskad.web.auth import InOffice
from kaskad.web.pages.expected import ways, ways_told
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render
from kaskad.web.soon import BeingCounted

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Slug = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Text = Annotated[str, Form()]
ROWS = 50
CHOICES = 500  # segments and lists that a launch offers to choose from
READ = "cascades:read"
WRITE = "cascades:write"
Reader = Annotated[Visitor, needs(READ)]
Writer = Annotated[Visitor, needs(WRITE)]
STATES = ("active", "paused", "draft", "stopped")


class Row(Struct, frozen=True):
    """A cascade in the list, with what it did in the last seven days."""

    one: Overview
    week: Lately


@router.get("/cascades")
def listing(
    office: InOffice, request: Request, seen: Reader, q: str = "", state: str = "", cursor: str = ""
) -> Response:
    """Show the cascades in a state, or all, whose title or name holds `q`."""
    figures, wanted = figures_of(request), q.strip().lower()[:100]
    found = figures.cascades(office)
    week = figures.lately(office)
    fits = [
        row
        for row in found
        if (not state or row.state == state) and (wanted in row.title.lower() or wanted in row.slug)
    ]
    begin = next((place for place, row in enumerate(fits, 1) if row.slug == cursor), 0)
    page = [Row(row, week.get(row.slug) or Lately()) for row in fits[begin : begin + ROWS]]
    counts = {name: sum(row.state == name for row in found) for name in STATES}
    return render(
        request, look_of(request, seen), "cascades.html", seen=seen, rows=page, counts=counts, all=len(found),
        next=page[-1].one.slug if begin + ROWS < len(fits) else "", may_write=seen.may(WRITE),
        new="/cascades/new" if "/cascades/new" in request.app.state.page_paths else "",
    )  # fmt: skip


@router.post("/cascades/{slug}/pause")
def pause(office: InOffice, request: Request, seen: Writer, slug: Slug, back: Text = "") -> Response:
    """Send nothing of a cascade for the time being."""
    cascades.pause(office, slug)
    return _done(
        office, request, seen, slug, "pause", look_of(request, seen)._("The cascade is paused."), back
    )


@router.post("/cascades/{slug}/resume")
def resume(office: InOffice, request: Request, seen: Writer, slug: Slug, back: Text = "") -> Response:
    """Let a paused cascade go on."""
    cascades.resume(office, slug, by=seen.name)
    return _done(
        office, request, seen, slug, "resume", look_of(request, seen)._("The cascade goes on."), back
    )


@router.post("/cascades/{slug}/stop")
def stop(office: InOffice, request: Request, seen: Writer, slug: Slug, back: Text = "") -> Response:
    """End a cascade for good."""
    ended, look = cascades.stop(office, slug).runs, look_of(request, seen)
    said = look.words.ngettext(
        "The cascade is stopped: %(num)s person was under way.",
        "The cascade is stopped: %(num)s people were under way.", ended,
    ) % {"num": look.n(ended)}  # fmt: skip
    return _done(office, request, seen, slug, "stop", said, back)


def _done(
    office: Office, request: Request, seen: Visitor, slug: str, action: str, said: str, back: str
) -> Response:
    """Note what was done, and show the cascade again, or the list."""
    note(office, seen, f"POST /cascades/{{slug}}/{action}", slug)
    figures_of(request).forget(slug)
    return go("/cascades" if back == "list" else f"/cascades/{slug}", said)


@router.get("/cascades/{slug}/launch")
def ask(
    office: InOffice, request: Request, seen: Writer, slug: Slug, audience: str = "", pace: str = "",
    canary: str = "",
) -> Response:  # fmt: skip
    """Show whom a launch would be for, and what would be refused, before it begins."""
    return _launch_page(office, request, seen, slug, Asked(audience, pace, canary))


@router.post("/cascades/{slug}/launches")
def begin(
    office: InOffice, request: Request, seen: Writer, slug: Slug, audience: Text = "", pace: Text = "",
    canary: Text = "",
) -> Response:  # fmt: skip
    """Let the people chosen enter the cascade."""
    look, asked = look_of(request, seen), Asked(audience, pace, canary)
    try:
        first = wanted(canary, "")
        begun = launches.begin(office, slug, read_audience(audience), pace.strip(), first)
    except (Invalid, Conflict) as error:
        return _launch_page(office, request, seen, slug, asked, look.refusal(error))
    note(office, seen, "POST /cascades/{slug}/launch", f"{slug} {audience}")
    figures_of(request).forget(slug)
    said = look.words.ngettext(
        "Launched for %(num)s person.", "Launched for %(num)s people.", begun.size
    ) % {"num": look.n(begun.size)}  # fmt: skip
    return go(f"/cascades/{slug}", said)


@router.post("/cascades/{slug}/launches/{launch}/stop")
def stop_launch(office: InOffice, request: Request, seen: Writer, slug: Slug, launch: str) -> Response:
    """Let nobody enter any more by a launch."""
    found = launches.stop(office, slug, read_launch(launch) or 0)
    note(office, seen, "POST /cascades/{slug}/launches/{launch}/stop", f"{slug} {launch_text(found.id)}")
    figures_of(request).forget(slug)
    said = look_of(request, seen)._("Nobody enters by this launch any more; who has entered goes on.")
    return go(f"/cascades/{slug}", said)


def read_audience(text: str) -> Audience:
    """Return whom a form means: "everybody", "list NAME", "segment NAME"; "" is whom the trigger names."""
    kind, _, name = text.partition(" ")
    if kind == "everybody":
        return Audience(everybody=True)
    return Audience(list=name if kind == "list" else "", segment=name if kind == "segment" else "")


class Asked(Struct, frozen=True):
    """What a form of a launch says."""

    audience: str
    pace: str
    canary: str


def _launch_page(
    office: Office, request: Request, seen: Visitor, slug: str, asked: Asked, problem: str = ""
) -> Response:
    look, whole = look_of(request, seen), cascades.find(office, slug)
    shown: Preview | None = None
    foretold: Expected | None = None
    if asked.audience and not problem:
        try:
            shown, foretold = figures_of(request).soon.get(
                ("launch", slug, asked.audience, grounds(office, slug)),
                lambda: _looked(office, slug, asked.audience),
                mark=on_list(office, slug, read_audience(asked.audience)),
            )
        except BeingCounted:
            raise
        except KaskadError as error:
            problem = look.refusal(error)
    return render(
        request, look, "launch.html", 422 if problem else 200, seen=seen, cascade=whole.overview,
        choices=_choices(office, look), audience=asked.audience, pace=asked.pace, canary=asked.canary,
        preview=shown, foretold=foretold, problem=problem, **_expected_ways(look, whole.overview, foretold),
    )  # fmt: skip


def _expected_ways(look: Look, overview: Overview, foretold: Expected | None) -> dict[str, object]:
    """Return where people are expected to go, for the drawing and for the table under it."""
    if foretold is None or not foretold.edges:
        return {"ways": None}
    channels = {step.id: step.channels for step in overview.steps}
    return {"ways": ways(look, foretold, channels), "ways_told": ways_told(look, foretold)}


def _looked(office: Office, slug: str, audience: str) -> tuple[Preview, Expected | None]:
    """Return whom a launch would be for, and what is to be expected of it where that is anybody."""
    whom = read_audience(audience)
    shown = preview(office, slug, whom)
    return shown, launches.expected(office, slug, whom) if shown.size else None


def _choices(office: Office, look: Look) -> list[tuple[str, str]]:
    kept = segments.listing(office, after="", limit=CHOICES)
    found = [(f"segment {each.name}", look.audience(f"segment {each.name}")) for each in kept]
    found += [
        (f"list {each.name}", look.audience(f"list {each.name}"))
        for each in lists.listing(office, after="", limit=CHOICES)
        if not each.name.startswith(("seeds ", "canary of "))
    ]
    return [("", look._("Choose…")), *found, ("everybody", look._("Everybody in the base"))]

"""The list of cascades: what runs, what it reached lately, and what can be done with each; launches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Request, Response
from msgspec import Struct

from kaskad.actions import cascades, launch_dates, launches, lists, segments
from kaskad.actions.canaries import wanted
from kaskad.actions.cascades import Overview
from kaskad.actions.forecast import Expected
from kaskad.actions.grounds import grounds, on_list
from kaskad.actions.launch_dates import audience_of, clock_text
from kaskad.actions.launch_parts import brand_zone
from kaskad.actions.launch_preview import Preview, preview
from kaskad.actions.office import Office
from kaskad.analytics.recent import Lately
from kaskad.domain.errors import Conflict, Invalid, KaskadError
from kaskad.domain.ids import launch_text, read_launch
from kaskad.store.cascades import LaunchRow
from kaskad.store.launch_dates import BRAND, OWN
from kaskad.web.auth import InOffice
from kaskad.web.pages.expected import ways, ways_told
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.live import shown
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
    """A cascade in the list, with what it did in the last seven days and what it is to do."""

    one: Overview
    week: Lately
    launch: str  # when the next one begins that waits for its date


@router.get("/cascades")
def listing(
    office: InOffice, request: Request, seen: Reader, q: str = "", state: str = "", cursor: str = ""
) -> Response:
    """Show the cascades in a state, or all, whose title or name holds `q`."""
    figures, wanted, look = figures_of(request), q.strip().lower()[:100], look_of(request, seen)
    shows = shown(office, request, look, "cascades")
    found = figures.cascades(office)
    week = figures.lately(office)
    fits = [
        row
        for row in found
        if (not state or row.state == state) and (wanted in row.title.lower() or wanted in row.slug)
    ]
    begin = next((place for place, row in enumerate(fits, 1) if row.slug == cursor), 0)
    begins = _upcoming(office, look)
    page = [
        Row(row, week.get(row.slug) or Lately(), begins.get(row.slug, ""))
        for row in fits[begin : begin + ROWS]
    ]
    counts = {name: sum(row.state == name for row in found) for name in STATES}
    return render(
        request, look, "cascades.html", seen=seen, shows=shows, rows=page, counts=counts, all=len(found),
        next=page[-1].one.slug if begin + ROWS < len(fits) else "", may_write=seen.may(WRITE),
        new="/cascades/new" if "/cascades/new" in request.app.state.page_paths else "",
    )  # fmt: skip


def _upcoming(office: Office, look: Look) -> dict[str, str]:
    """Return by cascade when its next planned launch begins, as the list tells it."""
    found, zone = launch_dates.upcoming(office), brand_zone(office)
    return {
        slug: look._("launch %(when)s by their own clock", when=look.wall_time(date.wall_at))
        if date.clock == OWN
        else look._("launch %(when)s", when=look.time(launch_dates.due(date, zone)))
        for slug, date in found.items()
    }


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
    cascades.resume(office, slug, by=seen.caller.name)
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


class Asked(Struct, frozen=True):
    """What a form of a launch says; `launch`: the one that is given another date."""

    audience: str = ""
    pace: str = ""
    canary: str = ""
    at: str = ""
    clock: str = BRAND
    launch: str = ""

    @property
    def has_date(self) -> bool:
        """Whether it begins at a date: it must have one, too, where it goes by each person's own clock."""
        return bool(self.at or self.launch) or self.clock == OWN


def _asked_in_form(
    audience: Text = "", pace: Text = "", canary: Text = "", at: Text = "", clock: Text = BRAND,
    launch: Text = "",
) -> Asked:  # fmt: skip
    return Asked(audience, pace, canary, at, clock, launch)


@router.get("/cascades/{slug}/launch")
def ask(
    office: InOffice, request: Request, seen: Writer, slug: Slug, audience: str = "", pace: str = "",
    canary: str = "", at: str = "", clock: str = BRAND, launch: str = "",
) -> Response:  # fmt: skip
    """Show whom a launch would be for, and what would be refused, before it begins."""
    asked = Asked(audience, pace, canary, at, clock, launch)
    if launch and not audience:
        asked = _as_planned(launches.find(office, slug, read_launch(launch) or 0))
    return _launch_page(office, request, seen, slug, asked)


def _as_planned(row: LaunchRow) -> Asked:
    """Return what a form says of a launch that waits for its date."""
    at = clock_text(row.wall_at) if row.wall_at is not None else ""
    pace = f"{row.pace}/h" if row.pace else ""
    return Asked(row.audience, pace, row.canary, at, row.clock or BRAND, launch_text(row.id))


@router.post("/cascades/{slug}/launches")
def begin(
    office: InOffice, request: Request, seen: Writer, slug: Slug,
    asked: Annotated[Asked, Depends(_asked_in_form)],
) -> Response:  # fmt: skip
    """Let the people chosen enter the cascade, now or at a date."""
    look = look_of(request, seen)
    try:
        if asked.has_date:
            said = _plan(office, seen, look, slug, asked)
        else:
            said = _begin(office, seen, look, slug, asked)
    except (Invalid, Conflict) as error:
        problems = look.refusals(error) if isinstance(error, Invalid) else {"": look.refusal(error)}
        return _launch_page(office, request, seen, slug, asked, problems)
    figures_of(request).forget(slug)
    return go(f"/cascades/{slug}", said)


def _begin(office: Office, seen: Visitor, look: Look, slug: str, asked: Asked) -> str:
    first = wanted(asked.canary, "")
    begun = launches.begin(office, slug, audience_of(asked.audience), asked.pace.strip(), first)
    note(office, seen, "POST /cascades/{slug}/launch", f"{slug} {asked.audience}")
    return look.words.ngettext(
        "Launched for %(num)s person.", "Launched for %(num)s people.", begun.size
    ) % {"num": look.n(begun.size)}  # fmt: skip


def _plan(office: Office, seen: Visitor, look: Look, slug: str, asked: Asked) -> str:
    """Let a launch begin at a date, or give one another date; return what is said of it."""
    whom, number, after = audience_of(asked.audience), read_launch(asked.launch) or 0, ""
    if asked.launch and asked.canary.strip():
        after = launches.find(office, slug, number).canary_after  # which the page does not ask for
    told = launch_dates.Told(whom, asked.at, asked.clock == OWN, asked.pace.strip(), asked.canary, after)
    what = f"{slug} {asked.audience} {asked.at}"
    if asked.launch:
        made = launch_dates.change(office, slug, number, told)
        note(office, seen, "PUT /cascades/{slug}/launches/{launch}", what)
    else:
        made = launch_dates.plan(office, slug, told)
        note(office, seen, "POST /cascades/{slug}/launch", what)
    if made.clock == OWN:
        return look._("Planned: everybody enters when it is %(when)s by their own clock.",
                      when=look.wall_time(made.wall_at or 0))  # fmt: skip
    return look._("Planned: it begins %(when)s by your clock.", when=look.time(made.started_at))


@router.post("/cascades/{slug}/launches/{launch}/stop")
def stop_launch(office: InOffice, request: Request, seen: Writer, slug: Slug, launch: str) -> Response:
    """Let nobody enter any more by a launch."""
    found = launches.stop(office, slug, read_launch(launch) or 0)
    note(office, seen, "POST /cascades/{slug}/launches/{launch}/stop", f"{slug} {launch_text(found.id)}")
    figures_of(request).forget(slug)
    said = look_of(request, seen)._("Nobody enters by this launch any more; who has entered goes on.")
    return go(f"/cascades/{slug}", said)


def _launch_page(
    office: Office, request: Request, seen: Visitor, slug: str, asked: Asked,
    problems: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    look, whole = look_of(request, seen), cascades.find(office, slug)
    shown: Preview | None = None
    foretold: Expected | None = None
    if asked.audience and not problems:
        try:
            shown, foretold = figures_of(request).soon.get(
                ("launch", slug, asked.audience, grounds(office, slug)),
                lambda: _looked(office, slug, asked.audience),
                mark=on_list(office, slug, audience_of(asked.audience)),
            )
        except BeingCounted:
            raise
        except KaskadError as error:
            problems = {"": look.refusal(error)}
    return render(
        request, look, "launch.html", 422 if problems else 200, seen=seen, cascade=whole.overview,
        choices=_choices(office, look), asked=asked, clocks=_clocks(office, look), preview=shown,
        foretold=foretold, problems=problems or {}, **_expected_ways(look, whole.overview, foretold),
    )  # fmt: skip


def _clocks(office: Office, look: Look) -> list[tuple[str, str]]:
    """Return by whose clock a launch may begin."""
    zone = brand_zone(office)
    return [(BRAND, look._("The brand's: %(zone)s", zone=zone)), (OWN, look._("Each person's own"))]


def _expected_ways(look: Look, overview: Overview, foretold: Expected | None) -> dict[str, object]:
    """Return where people are expected to go, for the drawing and for the table under it."""
    if foretold is None or not foretold.edges:
        return {"ways": None}
    channels = {step.id: step.channels for step in overview.steps}
    return {"ways": ways(look, foretold, channels), "ways_told": ways_told(look, foretold)}


def _looked(office: Office, slug: str, audience: str) -> tuple[Preview, Expected | None]:
    """Return whom a launch would be for, and what is to be expected of it where that is anybody."""
    whom = audience_of(audience)
    shown = preview(office, slug, whom)
    return shown, launches.expected(office, slug, whom) if shown.size else None


def _choices(office: Office, look: Look) -> list[tuple[str, str]]:
    kept = segments.listing(office, after="", limit=CHOICES)
    found = [(f"segment {each.name}", look.audience(f"segment {each.name}")) for each in kept]
    names = lists.to_choose(office, CHOICES)
    found += [(f"list {name}", look.audience(f"list {name}")) for name in names]
    return [("", look._("Choose…")), *found, ("everybody", look._("Everybody in the base"))]

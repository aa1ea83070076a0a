"""Guardrails of a cascade: its figures against their bounds, what was stopped, first parts of launches."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from kaskad.actions import cascades, guards, launches, step_holds, version_canaries
from kaskad.actions.office import Office
from kaskad.actions.step_holds import HeldStep
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.guard import WHOLE, Figure
from kaskad.domain.ids import launch_text, read_launch
from kaskad.domain.worded import worded
from kaskad.web.auth import InOffice
from kaskad.web.pages.cascades import WRITE, Reader, Slug
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Writer = Annotated[Visitor, needs(WRITE)]
Text = Annotated[str, Form(max_length=20)]
Name = Annotated[str, Form(max_length=64)]

PLACE = "/cascades/{slug}/guard"
SHOWN = 20  # first parts of launches
MOST_LAUNCHES = 500  # that are looked through for whom these are of
_COUNT = re.compile(rf"({'|'.join(Figure)}) (\d+)/(\d+)")  # as `actions/canaries` keeps it


@router.get(PLACE)
def show(office: InOffice, request: Request, seen: Reader, slug: Slug) -> Response:
    """Show the guardrails of a cascade."""
    return _page(office, request, seen, slug)


@router.post(PLACE)
def change(
    office: InOffice, request: Request, seen: Writer, slug: Slug, complaints: Text = "", opt_outs: Text = "",
    bounces: Text = "", failures: Text = "",
) -> Response:  # fmt: skip
    """Give the current version bounds of its own."""
    given = dict(zip(Figure, (complaints, opt_outs, bounces, failures), strict=True))
    try:
        guards.raise_bounds(office, slug, {figure: _bound(text) for figure, text in given.items()})
    except Invalid as error:
        return _page(office, request, seen, slug, look_of(request, seen).refusal(error), given)
    note(office, seen, "PATCH /cascades/{slug}/guard", slug)
    return _done(request, slug, look_of(request, seen)._("The bounds are changed."))


@router.post(PLACE + "/look")
def look_at(office: InOffice, request: Request, seen: Writer, slug: Slug) -> Response:
    """Watch it anew: a person has looked."""
    guards.looked(office, slug, seen.caller.name)
    note(office, seen, "POST /cascades/{slug}/guard/look", slug)
    return _done(request, slug, look_of(request, seen)._("It is watched anew from here."))


@router.post(PLACE + "/launches/{launch}/go")
def let_go(office: InOffice, request: Request, seen: Writer, slug: Slug, launch: str) -> Response:
    """Let the rest of a launch go without its canary."""
    launches.go(office, slug, read_launch(launch) or 0)
    note(office, seen, "POST /cascades/{slug}/launches/{launch}/go", f"{slug} {launch}")
    return _done(request, slug, look_of(request, seen)._("The rest of its people enter now."))


@router.post(PLACE + "/steps/pause")
def pause_step(
    office: InOffice, request: Request, seen: Writer, slug: Slug, step: Name, skip: Text = ""
) -> Response:
    """Pause a step, while the rest goes on."""
    try:
        step_holds.pause(office, slug, step, skip=bool(skip), by=seen.caller.name)
    except Conflict as error:
        return _page(office, request, seen, slug, look_of(request, seen).refusal(error))
    note(office, seen, "POST /cascades/{slug}/steps/{step}/pause", f"{slug} {step}")
    return _done(request, slug, look_of(request, seen)._("The step is paused, the rest goes on."))


@router.post(PLACE + "/steps/resume")
def resume_step(office: InOffice, request: Request, seen: Writer, slug: Slug, step: Name) -> Response:
    """Let a paused step go on."""
    done = step_holds.resume(office, slug, step, by=seen.caller.name)
    note(office, seen, "POST /cascades/{slug}/steps/{step}/resume", f"{slug} {step}")
    look = look_of(request, seen)
    said = look._("The step goes on. People who waited at it: %(n)s.", n=look.n(done.runs))
    return _done(request, slug, said)


@router.post(PLACE + "/canary/pass")
def pass_canary(office: InOffice, request: Request, seen: Writer, slug: Slug) -> Response:
    """Let everybody get the version that a share tries."""
    version_canaries.let_pass(office, slug, by=seen.caller.name)
    note(office, seen, "POST /cascades/{slug}/canaries/pass", slug)
    return _done(request, slug, look_of(request, seen)._("Everybody who enters gets it now."))


@router.post(PLACE + "/canary/stop")
def stop_canary(office: InOffice, request: Request, seen: Writer, slug: Slug) -> Response:
    """Let nobody get the version that a share tries."""
    version_canaries.stop(office, slug, by=seen.caller.name)
    note(office, seen, "POST /cascades/{slug}/canaries/stop", slug)
    return _done(request, slug, look_of(request, seen)._("Everybody enters the version before again."))


def _done(request: Request, slug: str, said: str) -> Response:
    figures_of(request).forget(slug)
    return go(PLACE.format(slug=slug), said)


def _page(
    office: Office, request: Request, seen: Visitor, slug: str, problem: str = "",
    given: dict[Figure, str] | None = None,
) -> Response:  # fmt: skip
    look, whole = look_of(request, seen), cascades.find(office, slug).overview
    try:
        told = guards.status(office, slug)
    except Conflict:
        told = None
    bounds = {figure: told.guard.bound(figure) for figure in Figure} if told else {}
    firsts, names = launches.canaries_of(office, slug), _names(look)
    whose = {one.id: one for one in launches.listing(office, slug, before=1 << 62, limit=MOST_LAUNCHES)}
    return render(
        request, look, "guard.html", 422 if problem else 200, seen=seen, cascade=whole, problem=problem,
        told=told, names=names, may_write=seen.may(WRITE), whole=WHOLE,
        given=given or {figure: _percent(look, bound) for figure, bound in bounds.items()},
        paused=_paused(office, slug), step_choices=[(each.id, each.id) for each in whole.steps],
        tried=version_canaries.listing(office, slug),
        canaries=[
            (launch_text(number), whose.get(number), one)
            for number, one in sorted(firsts.items(), reverse=True)[:SHOWN]
        ],
        showed=lambda why: _showed(look, why, names),
        steps={step: outline.id for step, outline in enumerate(whole.steps)},
    )  # fmt: skip


def _paused(office: Office, slug: str) -> dict[str, list[HeldStep]]:
    """Return the paused steps by name, each with the versions in which it is."""
    found: dict[str, list[HeldStep]] = {}
    for one in step_holds.listing(office, slug):
        found.setdefault(one.step, []).append(one)
    return found


def _showed(look: Look, why: str, names: Mapping[str, tuple[str, str]]) -> str:
    """Return what the figures of a first part were, in the reader's words."""
    counts = [_COUNT.fullmatch(part) for part in why.split(", ")]
    if not all(counts):
        return look.told(why)
    return ", ".join(
        f"{names[one[1]][0].lower()} {look.n(int(one[2]))} / {look.n(int(one[3]))}" for one in counts if one
    )


def _percent(look: Look, bound: int) -> str:
    """Return a share of 10 000 as people write it in percent, with a comma in Russian."""
    return f"{bound / 100:g}".replace(".", "," if look.language == "ru" else ".")


def _bound(text: str) -> int:
    """Return a share in percent, as people write it, of 10 000; raises Invalid."""
    try:
        return round(float(text.strip().removesuffix("%").strip().replace(",", ".") or "0") * 100)
    except (ValueError, OverflowError):
        raise Invalid([worded("A bound is a share in percent, for example 0.5.")]) from None


def _names(look: Look) -> dict[str, tuple[str, str]]:
    """Return how each figure is called, and what is bad there."""
    return {
        Figure.COMPLAINTS: (
            look._("Complaints"),
            look._("marked as spam within seven days, of what is not known to have failed"),
        ),
        Figure.OPT_OUTS: (
            look._("Opt-outs"),
            look._("the last before an opt-out within seven days, of what is not known to have failed"),
        ),
        Figure.BOUNCES: (
            look._("Bounces"), look._("mails refused or sent back because of their address")
        ),
        Figure.FAILURES: (
            look._("Failures"), look._("refused or undelivered by no fault of the person's")
        ),
    }  # fmt: skip

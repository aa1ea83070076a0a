"""Trials of a cascade: which versions some of those who enter get, how they do, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from msgspec import Struct

from kaskad.actions import cascade_texts, cascades, learning, trials, winners
from kaskad.actions.office import Office
from kaskad.actions.trials import NEXT, ArmTold, TrialTold
from kaskad.analytics.trials import COMPARED
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.trials import Rule
from kaskad.web.auth import InOffice
from kaskad.web.pages.cascades import WRITE, Reader, Slug
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Writer = Annotated[Visitor, needs(WRITE)]
Text = Annotated[str, Form(max_length=200)]
Number = Annotated[int, Form(ge=0, le=2**31 - 1)]

USUAL = Rule()
PLACE = "/cascades/{slug}/trials"


class Row(Struct, frozen=True):
    """A version of a trial: shares of who entered."""

    arm: ArmTold
    rates: Mapping[str, float]  # in percent, by measure


@router.get(PLACE)
def show(office: InOffice, request: Request, seen: Reader, slug: Slug) -> Response:
    """Show the trials of a cascade."""
    return _page(office, request, seen, slug)


@router.post(PLACE)
def start(
    office: InOffice, request: Request, seen: Writer, slug: Slug, version: Number = NEXT, share: Text = "",
    by: Text = "", after: Number = USUAL.after, opt_out: Text = "", promote: Text = "",
) -> Response:  # fmt: skip
    """Begin a trial, or add a version to the one under way; `by` empty: people decide."""
    margin = _share(opt_out, -1) if opt_out.strip() else None
    rule = Rule(by, after, USUAL.confidence, margin, bool(promote)) if by else None
    try:
        begun = trials.start(office, slug, {version: _share(share)}, rule=rule, by=seen.caller.name)
    except (Invalid, Conflict) as error:
        return _page(office, request, seen, slug, look_of(request, seen).refusal(error))
    look = look_of(request, seen)
    paused = [look.told(one.words) for steps in begun.paused.values() for one in steps]
    return _done(office, request, seen, slug, "", " ".join([look._("The trial is under way."), *paused]))


@router.post(PLACE + "/share")
def share(
    office: InOffice, request: Request, seen: Writer, slug: Slug, version: Number, share: Text = ""
) -> Response:
    """Change a version's share."""
    try:
        trials.share(office, slug, {version: _share(share)})
    except (Invalid, Conflict) as error:
        return _page(office, request, seen, slug, look_of(request, seen).refusal(error))
    said = look_of(request, seen)._("The share is changed; figures begin anew.")
    return _done(office, request, seen, slug, "/share", said)


@router.post(PLACE + "/promote")
def promote(
    office: InOffice, request: Request, seen: Writer, slug: Slug, version: Number, why: Text = ""
) -> Response:
    """Let everybody enter a version that was on trial."""
    trials.promote(office, slug, version, by=seen.caller.name, why=why)
    said = look_of(request, seen)._("Everybody enters version %(n)s now.", n=version)
    return _done(office, request, seen, slug, "/promote", said)


@router.post(PLACE + "/end")
def end(office: InOffice, request: Request, seen: Writer, slug: Slug, why: Text = "") -> Response:
    """End a trial without a promotion."""
    trials.end(office, slug, by=seen.caller.name, why=why)
    said = look_of(request, seen)._("The trial is over; everybody enters the version that ran before.")
    return _done(office, request, seen, slug, "/end", said)


@router.post("/cascades/{slug}/winners/undo")
def undo(
    office: InOffice, request: Request, seen: Writer, slug: Slug, version: Number, step: Text
) -> Response:  # fmt: skip
    """Let the variants of a step weigh what its version says, as before one has won."""
    winners.undo(office, slug, version, step)
    said = look_of(request, seen)._("The variants share step %(step)s out as before.", step=step)
    note(office, seen, "POST /cascades/{slug}/winners/undo", f"{slug} {step}")
    figures_of(request).forget(slug)
    return go(PLACE.format(slug=slug), said)


def _done(office: Office, request: Request, seen: Visitor, slug: str, act: str, said: str) -> Response:
    note(office, seen, f"POST /cascades/{{slug}}/trials{act}", slug)
    figures_of(request).forget(slug)
    return go(PLACE.format(slug=slug), said)


def _page(office: Office, request: Request, seen: Visitor, slug: str, problem: str = "") -> Response:
    look, whole = look_of(request, seen), cascades.find(office, slug).overview
    known = trials.listing(office, slug)
    running = next((trial for trial in known if trial.state == "running"), None)
    return render(
        request, look, "trials.html", 422 if problem else 200, seen=seen, cascade=whole, problem=problem,
        running=running, rows=_rows(running) if running else [],
        over=[(trial, _rows(trial)) for trial in known if trial is not running],
        learnt=learning.listing(office, slug), won=winners.listing(office, slug), may_write=seen.may(WRITE),
        choices=_choices(office, look, whole, running), usual=USUAL,
        deciders=[
            ("", look._("a person decides")), ("goal", look._("by the goal")),
            ("reacted", look._("by reactions")),
        ],
        counted={"goal": look._("Goal"), "reacted": look._("Reacted")},
        measures=[
            ("delivered", look._("Delivered")), ("seen", look._("Seen")), ("reacted", look._("Reacted")),
            ("goal", look._("Goal")), ("opted_out", look._("Opted out")),
        ],
    )  # fmt: skip


def _choices(
    office: Office, look: Look, whole: cascades.Overview, running: TrialTold | None
) -> list[tuple[int, str]]:
    """Return what could be tried: the draft, and versions that neither run nor are tried already."""
    taken = {whole.version, *((arm.version for arm in running.arms) if running else ())}
    found = [(NEXT, look._("the draft, as the next version"))] if whole.drafted else []
    numbers = [row.number for row in cascade_texts.versions(office, whole.slug) if row.number not in taken]
    return found + [(number, look._("version %(n)s", n=number)) for number in numbers]


def _rows(trial: TrialTold) -> list[Row]:
    return [
        Row(arm, {name: 100 * arm.found.of(name) / arm.found.entered for name in COMPARED})
        if arm.found.entered else Row(arm, {})
        for arm in trial.arms
    ]  # fmt: skip


def _share(text: str, none: int = 0) -> int:
    """Return a share of 10 000; `none`, which is refused, where the text is none."""
    try:
        return round(float(text.strip().removesuffix("%").replace(",", ".")) * 100)
    except ValueError:
        return none

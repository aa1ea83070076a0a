"""The overview of what runs, and the report of one cascade."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from msgspec import Struct

from kaskad.actions import accounts, cascades, launches, reports, status
from kaskad.actions.cascades import Overview
from kaskad.actions.office import Office
from kaskad.actions.reports import Told
from kaskad.actions.status import Status
from kaskad.analytics.reach import Amounts, Level, Line, Report
from kaskad.web.api.views import LARGEST
from kaskad.web.auth import InOffice
from kaskad.web.pages.remembered import Remembered
from kaskad.web.pages.session import PageRoute, SignedIn, look_of, needs, note
from kaskad.web.pages.shell import Visitor, entries, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Slug = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
REACHED = "seen_or_sms_delivered"
LAUNCHES_SHOWN = 5
READ = "cascades:read"
WRITE = "cascades:write"
Reader = Annotated[Visitor, needs(READ)]
Writer = Annotated[Visitor, needs(WRITE)]


class Figures:
    """What pages show, counted no more often than it is cheap."""

    def __init__(self) -> None:
        self.overviews: Remembered[list[Overview]] = Remembered()
        self.reports: Remembered[Told] = Remembered()
        self.status: Remembered[Status] = Remembered()


class Card(Struct, frozen=True):
    """A cascade on the overview; shares are percentages of those who entered."""

    overview: Overview
    reached: int
    share: float
    cost: Amounts
    bar: tuple[float, float]  # reached; then those under way who are not


class StepRow(Struct, frozen=True):
    """A step of the report with its lines; `skips` and `failures` in the order of their numbers."""

    number: int
    id: str
    channels: tuple[str, ...]
    lines: list[Line]
    skips: Mapping[str, int]
    failures: Mapping[str, int]
    words: Mapping[str, Mapping[str, int]]


@router.get("/")
def overview(office: InOffice, request: Request, seen: SignedIn) -> Response:
    """Show what runs: cascades, what was sent in the last hour, engine and accounts.

    Whoever may not see that is led to the first place that is theirs.
    """
    look = look_of(request, seen)
    if not seen.may(READ):
        places = entries(request, seen)
        return go(places[0].place.path if places else "/account")
    figures = _figures(request)
    rows = figures.overviews.get("", lambda: cascades.listing(office))
    cards = [_card(office, figures, row) for row in sorted(rows, key=_place)]
    now = figures.status.get("", lambda: status.status(office))
    return render(
        request, look, "overview.html", seen=seen, cards=cards, status=now, accounts=accounts.listing(office)
    )


@router.get("/cascades/{slug}")
def cascade(office: InOffice, request: Request, seen: Reader, slug: Slug) -> Response:
    """Show the report of a cascade, which keeps up while it is under way."""
    look, figures = look_of(request, seen), _figures(request)
    whole = cascades.find(office, slug)
    if whole.overview.version is None:
        return render(request, look, "draft.html", seen=seen, cascade=whole.overview)
    report = figures.reports.get(slug, lambda: reports.report(office, slug)).report
    return render(
        request, look, "cascade.html", seen=seen, cascade=whole.overview, report=report,
        steps=_steps(whole.overview, report), reached=_level(report, REACHED), levels=report.levels,
        launches=launches.listing(office, slug, before=LARGEST, limit=LAUNCHES_SHOWN),
        may_write=seen.may(WRITE), shares=_shares(report),
    )  # fmt: skip


@router.post("/cascades/{slug}/{action}")
def control(
    office: InOffice, request: Request, seen: Writer, slug: Slug,
    action: Annotated[str, Path(pattern="^(pause|resume)$")],
) -> Response:  # fmt: skip
    """Pause a cascade or let it go on, then show it again."""
    look = look_of(request, seen)
    if action == "pause":
        cascades.pause(office, slug)
        said = look._("The cascade is paused.")
    else:
        cascades.resume(office, slug)
        said = look._("The cascade goes on.")
    note(office, seen, f"POST /cascades/{{slug}}/{action}", slug)
    figures = _figures(request)
    figures.reports.forget(slug)
    figures.overviews.forget("")
    return go(f"/cascades/{slug}", said)


def _figures(request: Request) -> Figures:
    figures: Figures = request.app.state.figures
    return figures


def _place(row: Overview) -> tuple[int, str]:
    """Return where a cascade stands on the overview: what runs first, what is over last."""
    return ("active", "paused", "draft", "stopped").index(row.state), row.title


def _card(office: Office, figures: Figures, row: Overview) -> Card:
    if row.version is None or not row.entered:
        return Card(row, 0, 0.0, {}, (0.0, 0.0))
    report = figures.reports.get(row.slug, lambda: reports.report(office, row.slug)).report
    level = _level(report, REACHED)
    reached = 100 * level.share
    moving = min(100 - reached, 100 * report.under_way / report.entered if report.entered else 0.0)
    return Card(row, level.contacts, level.share, report.cost, (reached, moving))


def _level(report: Report, name: str) -> Level:
    return next(level for level in report.levels if level.name == name)


def _steps(overview: Overview, report: Report) -> list[StepRow]:
    """Return the steps of the current version, then those that only older versions had."""
    known = {step.id: step.channels for step in overview.steps}
    others = {line.id: (line.channel,) for line in report.lines if line.id not in known}
    return [
        StepRow(
            number, name, channels, [line for line in report.lines if line.id == name],
            report.skips.get(name, {}), report.failures.get(name, {}), report.failure_words.get(name, {}),
        )
        for number, (name, channels) in enumerate({**known, **others}.items(), 1)
    ]  # fmt: skip


def _shares(report: Report) -> Mapping[str, float]:
    """Return outcomes, and those under way, as percentages of those who entered."""
    counts = {**report.outcomes, "under_way": report.under_way}
    return {name: 100 * count / report.entered if report.entered else 0.0 for name, count in counts.items()}

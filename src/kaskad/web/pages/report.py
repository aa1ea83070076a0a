"""The report of a cascade: ways, funnel, table, the people behind each figure, and the table as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from msgspec import Struct

from kaskad.actions import cascades, launches, reports, step_holds
from kaskad.actions.cascades import Overview
from kaskad.actions.office import Office
from kaskad.actions.reports import Told
from kaskad.analytics.paths import Variant
from kaskad.analytics.reach import Amounts, Level, Line, Report
from kaskad.analytics.who import START
from kaskad.domain.ids import read_run, run_text
from kaskad.web.api.views import LARGEST
from kaskad.web.auth import InOffice
from kaskad.web.pages.cascades import WRITE, Reader, Slug
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.filters import Filters, named, number_of, offered
from kaskad.web.pages.live import shown
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import HEADERS, Visitor, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
REACHED = "seen_or_sms_delivered"
LAUNCHES_SHOWN = 5
FORETOLD = 2  # launches whose forecast is held against what happened
PEOPLE = "contacts:read"
Contacts = Annotated[Visitor, needs(PEOPLE)]
TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class StepRow(Struct, frozen=True):
    """A step of the report with its lines; `skips` and `failures` in the order of their numbers."""

    number: int
    id: str
    channels: tuple[str, ...]
    lines: list[Line]
    variants: list[Variant]
    skips: Mapping[str, int]
    failures: Mapping[str, int]
    words: Mapping[str, Mapping[str, int]]


@router.get("/cascades/{slug}")
def report(
    office: InOffice, request: Request, seen: Reader, slug: Slug, segment: str = "", version: str = "",
    since: str = "", until: str = "",
) -> Response:  # fmt: skip
    """Show the report of a cascade, which keeps up while it is under way."""
    look = look_of(request, seen)
    whole = cascades.find(office, slug)
    if whole.overview.version is None:
        return render(
            request, look, "draft.html", seen=seen, cascade=whole.overview, edit=_edit(request, slug)
        )
    asked = Filters(segment, number_of(version), since, until)
    problems = asked.problems(look)
    foretold = figures_of(request).hindsight_lately(office, slug, FORETOLD)
    shows, told = _told(office, request, look, slug, asked)
    made = told.report
    return render(
        request, look, "cascade.html", 422 if problems else 200, seen=seen, problems=problems,
        shows=shows, cascade=whole.overview, report=made,
        steps=_steps(whole.overview, told), reached=_level(made, REACHED), levels=made.levels,
        launches=launches.listing(office, slug, before=LARGEST, limit=LAUNCHES_SHOWN),
        foretold=foretold(), held={one.step: one.hold.skip for one in step_holds.listing(office, slug)},
        uneven=[look.told(one) for one in told.uneven], may_write=seen.may(WRITE),
        may_look=seen.may(PEOPLE), shares=_shares(made),
        **offered(office, slug),
        ways=_ways(look, whole.overview, told), funnel=_funnel(look, made),
        touches=_touches(made), rates=told.rates, edit=_edit(request, slug), asked=asked.query,
    )  # fmt: skip


@router.get("/cascades/{slug}/people")
def people(
    office: InOffice, request: Request, seen: Contacts, slug: Slug, figure: str = "entered", step: str = "",
    channel: str = "", reason: str = "", segment: str = "", version: str = "", since: str = "",
    until: str = "", cursor: str = "",
) -> Response:  # fmt: skip
    """Show the people behind a figure of the report."""
    look = look_of(request, seen)
    asked = Filters(segment, number_of(version), since, until)
    asked.refuse(look)
    among = asked.among(look)
    found = figures_of(request).people.soon(
        named(office, slug, among, figure, step, channel, reason, cursor),
        lambda: reports.people(
            office, slug, figure, step=step, channel=channel, reason=reason, among=among,
            after=read_run(cursor) or START,
        ),
    )  # fmt: skip
    note(office, seen, "GET /cascades/{slug}/report/people", f"{slug} {figure}")
    return render(
        request, look, "report_people.html", seen=seen, cascade=cascades.find(office, slug).overview,
        people=found.people, next=run_text(*found.next) if found.next else "", figure=figure, step=step,
        channel=channel, reason=reason,
    )  # fmt: skip


@router.get("/cascades/{slug}/report.{form}")
def download(
    office: InOffice, request: Request, seen: Reader, slug: Slug, form: Literal["csv", "xlsx"],
    segment: str = "", version: str = "", since: str = "", until: str = "",
) -> Response:  # fmt: skip
    """Give the report's table as a file."""
    look, asked = look_of(request, seen), Filters(segment, number_of(version), since, until)
    asked.refuse(look)
    _, told = _told(office, request, look, slug, asked)
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{slug}.{form}"'}
    return StreamingResponse(reports.export(told, form), media_type=TYPES[form], headers=headers)


def _told(office: Office, request: Request, look: Look, slug: str, asked: Filters) -> tuple[str, Told]:
    """Return the report with what was known of the cascade's topic as it was made.

    Of what is filtered every question is counted, and remembered, by itself.
    """
    among = asked.among(look)

    def made() -> tuple[str, Told]:
        return shown(office, request, look, "cascade", slug), reports.report(office, slug, among)

    return figures_of(request).reports.soon(named(office, slug, among), made)


def _edit(request: Request, slug: str) -> str:
    there: frozenset[str] = request.app.state.page_paths
    return f"/cascades/{slug}/edit" if "/cascades/{slug}/edit" in there else ""


def _level(report: Report, name: str) -> Level:
    return next(level for level in report.levels if level.name == name)


def _touches(report: Report) -> float:
    """Return how many messages there were for each person who entered."""
    return sum(line.sent for line in report.lines) / report.entered if report.entered else 0.0


def _steps(overview: Overview, told: Told) -> list[StepRow]:
    """Return the steps of the current version, then those that only older versions had."""
    report = told.report
    known = {step.id: step.channels for step in overview.steps}
    others = {line.id: (line.channel,) for line in report.lines if line.id not in known}
    return [
        StepRow(
            number, name, channels, [line for line in report.lines if line.id == name],
            [one for one in told.variants if one.step == name],
            report.skips.get(name, {}), report.failures.get(name, {}), report.failure_words.get(name, {}),
        )
        for number, (name, channels) in enumerate({**known, **others}.items(), 1)
    ]  # fmt: skip


def _ways(look: Look, overview: Overview, told: Told) -> str:
    """Return the Sankey as JSON for js/report.js: nodes with their names and colours, links with people."""
    channels = {step.id: step.channels for step in overview.steps}
    for line in told.report.lines:
        channels.setdefault(line.id, (line.channel,))
    counts: Amounts = {}
    for flow in told.flows:
        counts[flow.target] = counts.get(flow.target, 0) + flow.runs
    counts["entered"] = told.report.entered
    nodes = []
    for place, count in counts.items():
        kind, _, name = place.partition(":")
        if kind == "entered":
            label, paint = look._("Entered"), "entered"
        elif kind == "step":
            label, paint = name, (channels.get(name) or ("",))[0]
        else:
            label = look._("Under way") if name == "under_way" else look.word("outcome", name)
            paint = name
        nodes.append({"name": place, "label": label, "count": look.n(count), "kind": kind, "paint": paint})
    links = [
        {"source": each.source, "target": each.target, "value": each.runs, "count": look.n(each.runs)}
        for each in told.flows
    ]
    return json.dumps({"nodes": nodes, "links": links, "people": look._("people")}, ensure_ascii=False)


def _funnel(look: Look, report: Report) -> list[dict[str, object]]:
    """Return the funnel for js/report.js: how many people came how far, in words and as a share."""
    stages = [("entered", look._("Entered"), report.entered)]
    stages += [
        (name, look.word("funnel", name), _level(report, name).contacts)
        for name in ("delivered", "seen", "reacted")
    ]
    if report.goals:
        stages.append(("goals", look.word("funnel", "goals"), report.goals))
    paints = {
        "entered": "--faint",
        "delivered": "--moving",
        "seen": "--accent",
        "reacted": "--good-soft",
        "goals": "--good",
    }
    return [
        {
            "name": label, "value": count, "paint": paints[name],
            "label": f"{look.n(count)} · {look.pct(count / report.entered if report.entered else 0)}",
        }
        for name, label, count in stages
    ]  # fmt: skip


def _shares(report: Report) -> Mapping[str, float]:
    """Return outcomes, and those under way, as percentages of those who entered."""
    counts = {**report.outcomes, "under_way": report.under_way}
    return {name: 100 * count / report.entered if report.entered else 0.0 for name, count in counts.items()}

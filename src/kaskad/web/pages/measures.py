"""All measures of a cascade: of its messages, its runs and its money, each with what it counts."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from msgspec import structs

from kaskad.actions import cascades, measures
from kaskad.actions.cascades import Overview
from kaskad.actions.measures import Told
from kaskad.actions.office import Office
from kaskad.analytics.intervals import Share, shown
from kaskad.analytics.measures import Chosen
from kaskad.domain.measures import OF_MESSAGES, OF_MONEY, OF_RUNS
from kaskad.web.auth import InOffice
from kaskad.web.pages.cascades import Reader, Slug
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.filters import Filters, named, number_of, offered
from kaskad.web.pages.look import Look
from kaskad.web.pages.report import TYPES
from kaskad.web.pages.session import PageRoute, look_of
from kaskad.web.pages.shell import HEADERS, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
SHOWN = (
    "delivery_rate",
    "open_rate",
    "read_rate",
    "ctr",
    "ctor",
    "goal_rate",
    "unsubscribe_rate",
    "complaint_rate",
)


@router.get("/cascades/{slug}/figures")
def show(
    office: InOffice, request: Request, seen: Reader, slug: Slug, segment: str = "", version: str = "",
    since: str = "", until: str = "", step: str = "", channel: str = "", variant: str = "",
) -> Response:  # fmt: skip
    """Show all measures of a cascade, of the runs and messages that are chosen."""
    look = look_of(request, seen)
    whole = cascades.find(office, slug)
    told: Told | None = None
    filters = Filters(segment, number_of(version), since, until)
    problems = filters.problems(look)
    if whole.overview.version is not None:
        told = _told(office, request, look, whole.overview, filters, Chosen(step, channel, variant))
    rows = told.measured.rows if told else []
    arms = [told.measured.rates[each] for each in ("cr_entered", "cr_holdout")] if told else []
    asked = {"step": step, "channel": channel, "variant": variant, "segment": segment, "version": version,
             "since": since, "until": until}  # fmt: skip
    return render(
        request, look, "measures.html", 422 if problems else 200, seen=seen, problems=problems,
        cascade=whole.overview, told=told,
        steps=[(each.id, each.id) for each in whole.overview.steps],
        channels=[(each, look.word("channel", each)) for each in _channels(whole.overview)],
        asked=f"?{urlencode({name: value for name, value in asked.items() if value})}",
        gain_shown=bool(arms) and shown(*(Share(each.part, each.whole) for each in arms)),
        of_messages=OF_MESSAGES, of_runs=OF_RUNS, of_money=OF_MONEY, rows=rows,
        columns=[name for name in SHOWN if told and told.measured.all.rates[name].whole],
        **offered(office, slug),
    )  # fmt: skip


@router.get("/cascades/{slug}/figures.{form}")
def download(
    office: InOffice, request: Request, seen: Reader, slug: Slug, form: Literal["csv", "xlsx"],
    segment: str = "", version: str = "", since: str = "", until: str = "", step: str = "",
    channel: str = "", variant: str = "",
) -> Response:  # fmt: skip
    """Give the measures that the page shows as a file."""
    look, overview = look_of(request, seen), cascades.find(office, slug).overview
    filters = Filters(segment, number_of(version), since, until)
    filters.refuse(look)
    told = _told(office, request, look, overview, filters, Chosen(step, channel, variant))
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{slug}-figures.{form}"'}
    return StreamingResponse(measures.export(told, form), media_type=TYPES[form], headers=headers)


def _told(
    office: Office, request: Request, look: Look, cascade: Overview, filters: Filters, asked: Chosen
) -> Told:
    """Return the measures; of a step or channel that the cascade does not have those of all."""
    among = filters.among(look)
    step = asked.step if asked.step in [each.id for each in cascade.steps] else ""
    chosen = Chosen(step, asked.channel if asked.channel in _channels(cascade) else "", asked.variant)
    return figures_of(request).measured.soon(
        named(office, cascade.slug, among, *structs.astuple(chosen)),
        lambda: measures.told(office, cascade.slug, among, chosen),
    )


def _channels(cascade: Overview) -> list[str]:
    return sorted({one for each in cascade.steps for one in each.channels})

"""All measures of a cascade: of its messages, its runs and its money, each with what it counts."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from kaskad.actions import cascades, measures
from kaskad.actions.measures import Told
from kaskad.analytics.intervals import Share, shown
from kaskad.analytics.measures import Chosen
from kaskad.domain.measures import OF_MESSAGES, OF_MONEY, OF_RUNS
from kaskad.web.auth import InOffice
from kaskad.web.pages.cascades import Reader, Slug
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.filters import Filters, named, number_of, offered
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
    steps: list[str] = [each.id for each in whole.overview.steps]
    channels = sorted({one for each in whole.overview.steps for one in each.channels})
    if whole.overview.version is not None:
        among = Filters(segment, number_of(version), since, until).among(look)
        chosen = Chosen(step if step in steps else "", channel if channel in channels else "", variant)
        name = named(office, slug, among, step, channel, variant)
        told = figures_of(request).measured.soon(name, lambda: measures.told(office, slug, among, chosen))
    rows = told.measured.rows if told else []
    arms = [told.measured.rates[each] for each in ("cr_entered", "cr_holdout")] if told else []
    asked = {"step": step, "channel": channel, "variant": variant, "segment": segment, "version": version,
             "since": since, "until": until}  # fmt: skip
    return render(
        request, look, "measures.html", seen=seen, cascade=whole.overview, told=told,
        steps=[(each, each) for each in steps],
        channels=[(each, look.word("channel", each)) for each in channels],
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
    """Give the measures as a file."""
    among = Filters(segment, number_of(version), since, until).among(look_of(request, seen))
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{slug}-figures.{form}"'}
    content = measures.export(office, slug, form, among, Chosen(step, channel, variant))
    return StreamingResponse(content, media_type=TYPES[form], headers=headers)

"""The people behind the figures of a report, its table as a file, and what a launch would do."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from kaskad.actions import reports
from kaskad.actions.audience import Audience
from kaskad.actions.export import Form
from kaskad.actions.grounds import grounds, on_list
from kaskad.actions.launch_preview import SAMPLE, preview
from kaskad.analytics.who import OF_RUNS, START, Person
from kaskad.domain.errors import Invalid
from kaskad.domain.figures import OF_STEPS
from kaskad.domain.ids import contact_text, read_run, run_text
from kaskad.web.api.cascades import READ, Slug
from kaskad.web.api.counted import COUNTING, Counted
from kaskad.web.api.exports import FILE, KINDS
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.launches import AmongQuery, Money, NewLaunch
from kaskad.web.api.views import Page, View, instant
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/cascades/{slug}", tags=["cascades"], route_class=IdempotentRoute)
FIGURES = f"With a step: {', '.join(OF_STEPS)}; without: {', '.join(OF_RUNS)}."


class PersonView(View):
    """One run behind a figure; `state`, `channel`, `sent_at` are of its message, where one is meant."""

    contact: str
    run: str
    external_id: str
    name: str
    outcome: Annotated[str, Field(description="Empty while under way.")]
    entered_at: datetime
    holdout: bool
    state: str
    channel: str
    reason: str
    sent_at: datetime | None
    cost: Money

    @classmethod
    def of(cls, one: Person) -> PersonView:
        return cls(
            contact=contact_text(one.contact_id),
            run=run_text(one.contact_id, one.run_id),
            external_id=one.external_id,
            name=one.name,
            outcome=one.outcome,
            entered_at=instant(one.entered_at),
            holdout=one.holdout,
            state=one.state,
            channel=one.channel,
            reason=one.reason,
            sent_at=None if one.sent_at is None else instant(one.sent_at),
            cost=one.cost,
        )


class StepPreviewView(View):
    """What a step would do now with those of the sample who would enter; `skips` by reason."""

    step: str
    send: int
    wait: int
    skips: dict[str, int]


class PreviewView(View):
    """A launch before it begins; all but `size` is of the sample."""

    audience: str
    size: int
    sample: int
    holdouts: int
    kept_out: Annotated[dict[str, int], Field(description="Why somebody would not enter, how many.")]
    steps: list[StepPreviewView]


@router.get("/report/people", dependencies=[may("contacts:read")], responses=COUNTING)
def list_people_of_report(
    office: InOffice,
    slug: Slug,
    counted: Counted,
    among: Annotated[AmongQuery, Depends()],
    figure: Annotated[str, Query(max_length=20, description=FIGURES)],
    step: Annotated[str, Query(max_length=64)] = "",
    channel: Annotated[str, Query(max_length=30)] = "",
    reason: Annotated[str, Query(max_length=30, description="Of `skipped`, `failed`; of `ended`.")] = "",
    limit: Annotated[int, Query(ge=1, le=1000, description="Items in a page.")] = 100,
    cursor: Annotated[str, Query(max_length=50, description="`next` of the page before.")] = "",
) -> Page[PersonView]:
    """List the people whom a figure counts; a page may be short, or empty, though more follow."""
    after = read_run(cursor) if cursor else START
    if after is None:
        raise Invalid([f"cursor: {cursor!r} is none: take `next` of the page before."])
    found = counted.soon(lambda: reports.people(
        office, slug, figure, step=step, channel=channel, reason=reason, among=among.told, after=after,
        limit=limit,
    ))  # fmt: skip
    following = run_text(*found.next) if found.next else None
    return Page(items=[PersonView.of(one) for one in found.people], next=following)


@router.get(
    "/report/export", dependencies=[may(READ)], responses={**FILE, **COUNTING},
    response_class=StreamingResponse,
)  # fmt: skip
def export_report(
    office: InOffice, slug: Slug, counted: Counted, among: Annotated[AmongQuery, Depends()],
    form: reports.Table = "csv",
) -> StreamingResponse:  # fmt: skip
    """Return the report's table: a row for each step and channel, and for each variant.

    In CSV, cells that a spreadsheet would carry out stand behind an apostrophe.
    """
    headers = {"Content-Disposition": f'attachment; filename="{slug}.{form}"', "Cache-Control": "no-store"}
    content = reports.export(counted.soon(lambda: reports.report(office, slug, among.told)), form)
    return StreamingResponse(content, media_type=KINDS[Form(form)], headers=headers)


@router.post("/launch/preview", dependencies=[may(READ)], responses=COUNTING)
def preview_launch(office: InOffice, counted: Counted, slug: Slug, told: NewLaunch) -> PreviewView:
    """Tell what a launch would do: how many it is for, who would not enter, what each step would pass over.

    Asked of a sample of the audience, by what decides it before every message. Nothing is changed.
    """
    audience = Audience(told.list or "", told.segment or "", told.everybody)
    found = counted.soon(
        lambda: preview(office, slug, audience, SAMPLE), told, grounds(office, slug),
        mark=on_list(office, slug, audience),
    )  # fmt: skip
    return PreviewView.model_validate(found, from_attributes=True)

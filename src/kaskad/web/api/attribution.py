"""Goals shared out among messages by rules: not causal."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from kaskad.actions import attribution
from kaskad.analytics.attribution import RULES
from kaskad.web.api.cascades import READ
from kaskad.web.api.counted import COUNTING, Counted
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import View, instant
from kaskad.web.api.when import Since30, Until, moment
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1", tags=["cascades"], route_class=IdempotentRoute)


class AttributedView(View):
    """A step on a channel, and its share of the goals by each rule."""

    cascade: str
    step: str
    channel: str
    touches: Annotated[int, Field(description="Messages that had arrived before a goal.")]
    goals: Annotated[dict[str, float], Field(description=f"By rule: {', '.join(RULES)}.")]


class AttributionView(View):
    """Rule-based, not causal: whoever gets a later step has had the earlier ones."""

    since: datetime
    until: datetime
    within_days: int
    goals: Annotated[int, Field(description="Each once, however many cascades have it as theirs.")]
    without: Annotated[int, Field(description="No message had arrived before them.")]
    more: Annotated[bool, Field(description="There were over 10 000: only the last ones were looked at.")]
    lines: list[AttributedView]


@router.get("/attribution", dependencies=[may(READ)], responses=COUNTING)
def show_attribution(
    office: InOffice,
    counted: Counted,
    since: Since30 = None,
    until: Until = None,
    within_days: Annotated[int, Query(ge=1, le=90, description="How long before a goal messages count.")] = 7,
) -> AttributionView:
    """Share out the goals of a period among the messages before them, by five rules; no proof of cause."""
    first, last = moment(office, since), moment(office, until)
    told = counted.soon(
        lambda: attribution.attribute(office, since=first, until=last, within_days=within_days)
    )
    return AttributionView(
        since=instant(told.since), until=instant(told.until), within_days=told.within_days, goals=told.goals,
        without=told.without, more=told.more,
        lines=[AttributedView.model_validate(line, from_attributes=True) for line in told.lines],
    )  # fmt: skip

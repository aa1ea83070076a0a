"""All measures of a cascade, each with what it says; complaints by account and day."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from kaskad.actions import measures
from kaskad.actions.export import Form
from kaskad.actions.reports import Table
from kaskad.analytics.measures import Chosen
from kaskad.domain.measures import OF_ACCOUNTS, OF_MESSAGES, OF_MONEY, OF_RUNS, Measure
from kaskad.web.api.cascades import READ, Slug
from kaskad.web.api.counted import COUNTING, Counted
from kaskad.web.api.exports import FILE, KINDS
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.launches import AmongQuery, Money
from kaskad.web.api.views import View, instant
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1", tags=["cascades"], route_class=IdempotentRoute)


def _described(table: dict[str, Measure]) -> str:
    return " ".join(f"`{name}`: {each.says}" for name, each in table.items())


class RateView(View):
    """So many of so many; `share` is null of nothing."""

    part: int
    whole: int
    share: float | None


class RowView(View):
    """Messages of a step, a channel and a variant; "" is of all."""

    step: str
    channel: str
    variant: str
    sent: int
    arrived: Annotated[
        int,
        Field(description="Delivered; over services that do not tell, sent and not known to have failed."),
    ]
    cost: Money
    revenue: Annotated[Money, Field(description="Of runs with such a message; in every row of the run.")]
    rates: Annotated[dict[str, RateView], Field(description=_described(OF_MESSAGES))]


class GainView(View):
    """`revenue_gain` in one currency, in minor units, with its 95 % interval: null where too few have bought.

    `shown` is false where the interval holds zero: then it may be chance.
    """

    each: float
    low: float | None
    high: float | None
    shown: bool


class MeasuresView(View):
    """The measures of a cascade; `rates` and `money` are of whole runs, however messages are chosen."""

    cascade: str
    title: str
    as_of: datetime
    uncounted: int
    entered: int
    holdouts: int
    rows: list[RowView]
    all: RowView
    rates: Annotated[dict[str, RateView], Field(description=_described(OF_RUNS))]
    goal_gain: Annotated[float | None, Field(description=OF_RUNS["goal_gain"].says)]
    money: Annotated[dict[str, Money], Field(description=_described(OF_MONEY))]
    gains: Annotated[dict[str, GainView], Field(description="`revenue_gain` with its interval, by currency.")]

    @classmethod
    def of(cls, told: measures.Told) -> MeasuresView:
        made = told.measured
        return cls(
            cascade=told.cascade,
            title=told.title,
            as_of=instant(told.as_of),
            uncounted=made.uncounted,
            entered=made.entered,
            holdouts=made.holdouts,
            rows=[RowView.model_validate(row, from_attributes=True) for row in made.rows],
            all=RowView.model_validate(made.all, from_attributes=True),
            rates={
                name: RateView.model_validate(each, from_attributes=True) for name, each in made.rates.items()
            },
            goal_gain=made.goal_gain,
            money=made.money,
            gains={
                name: GainView.model_validate(each, from_attributes=True) for name, each in made.gains.items()
            },
        )


class ComplaintsView(View):
    """One account's mails of one day (UTC), and those that were reported as spam."""

    day: datetime
    account: str
    provider: str
    complaints: RateView


class ComplaintsPage(View):
    """Complaints by account and day, the latest day first."""

    items: list[ComplaintsView]


class ChosenQuery:
    """Which messages measures are of."""

    def __init__(
        self,
        step: Annotated[str, Query(max_length=64)] = "",
        channel: Annotated[str, Query(max_length=30)] = "",
        variant: Annotated[str, Query(max_length=64)] = "",
    ) -> None:
        self.told = Chosen(step, channel, variant)


@router.get("/cascades/{slug}/figures", dependencies=[may(READ)], responses=COUNTING)
def show_figures(
    office: InOffice,
    slug: Slug,
    among: Annotated[AmongQuery, Depends()],
    chosen: Annotated[ChosenQuery, Depends()],
    counted: Counted,
) -> MeasuresView:
    """Tell all measures: delivery, opens, clicks, goals, reach, costs, opt-outs, complaints, revenue.

    `segment`, `version`, `since` and `until` choose the runs, `step`, `channel` and `variant` the messages.
    """
    return MeasuresView.of(counted.soon(lambda: measures.told(office, slug, among.told, chosen.told)))


@router.get("/cascades/{slug}/figures/export", dependencies=[may(READ)], responses={**FILE, **COUNTING},
            response_class=StreamingResponse)  # fmt: skip
def export_figures(
    office: InOffice,
    slug: Slug,
    among: Annotated[AmongQuery, Depends()],
    chosen: Annotated[ChosenQuery, Depends()],
    counted: Counted,
    form: Table = "csv",
) -> StreamingResponse:
    """Return the same as a file: a row for each measure."""
    headers = {
        "Content-Disposition": f'attachment; filename="{slug}-figures.{form}"',
        "Cache-Control": "no-store",
    }
    found = counted.soon(lambda: measures.told(office, slug, among.told, chosen.told))
    content = measures.export(found, form)
    return StreamingResponse(content, media_type=KINDS[Form(form)], headers=headers)


@router.get("/complaints", dependencies=[may(READ)], responses=COUNTING,
            description=OF_ACCOUNTS["complaints_by_day"].says)  # fmt: skip
def list_complaints(
    office: InOffice, counted: Counted,
    days: Annotated[int, Query(ge=1, le=400, description="Today and days before.")] = 30,
) -> ComplaintsPage:  # fmt: skip
    """Tell the share of complaints by account and day."""
    found = counted.soon(lambda: measures.complaints(office, days))
    return ComplaintsPage(
        items=[
            ComplaintsView(
                day=instant(one.day),
                account=one.account,
                provider=one.provider,
                complaints=RateView.model_validate(one.complaints, from_attributes=True),
            )
            for one in found
        ]
    )

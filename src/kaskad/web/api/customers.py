"""Retention, cohorts and worth of customers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from kaskad.actions import customers
from kaskad.actions.customers import MOST_SEGMENTS, Asked
from kaskad.domain.measures import OF_CUSTOMERS
from kaskad.web.api.cascades import READ
from kaskad.web.api.counted import COUNTING, Counted
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import View, instant
from kaskad.web.api.when import Since, Until, moment
from kaskad.web.auth import InOffice, may

if TYPE_CHECKING:
    from kaskad.analytics.customers import Customers

router = APIRouter(prefix="/api/v1/customers", tags=["cascades"], route_class=IdempotentRoute)
Names = Annotated[list[str] | None, Query(max_length=20, description="Event names; else those of RFM.")]


class PeriodView(View):
    """One period that is over."""

    begins_at: datetime
    at_start: int
    kept: int
    new: int
    won_back: int
    buyers: int
    amount: float
    retention: Annotated[float | None, Field(description=OF_CUSTOMERS["retention"].says)]


class CohortView(View):
    """Those who first bought in a period, and how many of them bought in it and each period after."""

    begins_at: datetime
    size: int
    active: list[int]
    shares: Annotated[list[float], Field(description=OF_CUSTOMERS["cohort"].says)]


class LaterView(View):
    """Of all cohorts that are so many periods old, who bought in that period; 95 % interval (Wilson)."""

    after: int
    active: int
    of: int
    share: float
    low: float
    high: float


class CellView(View):
    """Customers with these scores of recency and frequency; for how much they bought in the days of RFM."""

    r: int
    f: int
    customers: int
    amount: float


class WorthView(View):
    """What customers are worth, in the brand's currency; what is not known is null."""

    currency: str
    customers: int
    revenue: float
    revenue_each: float | None
    retention: float | None
    churn: float | None
    ltv: Annotated[float | None, Field(description=OF_CUSTOMERS["ltv"].says)]
    ltv_predicted: Annotated[float | None, Field(description=OF_CUSTOMERS["ltv_predicted"].says)]


class SegmentView(WorthView):
    """The same of who is in a segment now."""

    segment: str


class CustomersView(WorthView):
    """Customers over time, by cohort, by segments that were asked for, and by scores."""

    as_of: datetime
    periods: list[PeriodView]
    cohorts: list[CohortView]
    curve: list[LaterView]
    segments: list[SegmentView]
    rfm: list[CellView]


@router.get("", dependencies=[may(READ)], responses=COUNTING)
def show_customers(
    office: InOffice,
    counted: Counted,
    event: Names = None,
    amount: Annotated[str, Query(max_length=100, description="Property with the amount; else RFM's.")] = "",
    returned: Annotated[
        list[str] | None, Query(max_length=20, description="Events that give money back.")
    ] = None,
    unit: Annotated[str, Query(max_length=10, description="month or week, of UTC.")] = "month",
    keep: Annotated[int, Query(description="Periods for which a purchase makes a customer.")] = 1,
    margin: Annotated[float | None, Query(description="Share of the revenue that is margin.")] = None,
    discount: Annotated[float, Query(description="What a period's delay takes from money.")] = 0.0,
    since: Since = None,
    until: Until = None,
    segment: Annotated[
        list[str] | None, Query(max_length=MOST_SEGMENTS, description="Told of apart.")
    ] = None,
) -> CustomersView:
    """Tell who stays a customer, by period and cohort, and what one is worth to date and as predicted."""
    asked = Asked(
        tuple(event or ()), amount, tuple(returned or ()), unit, keep, margin, discount,
        moment(office, since), moment(office, until), tuple(segment or ()),
    )  # fmt: skip
    found = counted.soon(lambda: customers.customers(office, asked))
    return CustomersView(
        **_worth(found.all).model_dump(),
        as_of=instant(found.all.as_of),
        periods=[
            PeriodView(
                begins_at=instant(one.begins_at), at_start=one.at_start, kept=one.kept, new=one.new,
                won_back=one.won_back, buyers=one.buyers, amount=one.amount, retention=one.retention,
            )
            for one in found.all.periods
        ],
        cohorts=[
            CohortView(
                begins_at=instant(one.begins_at), size=one.size, active=one.active, shares=one.shares
            )
            for one in found.all.cohorts
        ],
        curve=[LaterView.model_validate(one, from_attributes=True) for one in found.all.curve],
        segments=[SegmentView(segment=name, **_worth(one).model_dump()) for name, one in found.segments],
        rfm=[CellView.model_validate(one, from_attributes=True) for one in found.grid],
    )  # fmt: skip


def _worth(of: Customers) -> WorthView:
    return WorthView.model_validate(of, from_attributes=True)

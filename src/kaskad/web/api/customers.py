"""Retention, cohorts and worth of customers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from kaskad.actions import customers
from kaskad.actions.customers import Asked
from kaskad.domain.measures import OF_CUSTOMERS
from kaskad.web.api.cascades import READ
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import View, instant
from kaskad.web.auth import InOffice, may

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


class CustomersView(View):
    """Customers over time, in the brand's currency; what is not known is null."""

    as_of: datetime
    currency: str
    customers: int
    revenue: float
    revenue_each: float | None
    retention: float | None
    churn: float | None
    ltv: Annotated[float | None, Field(description=OF_CUSTOMERS["ltv"].says)]
    ltv_predicted: Annotated[float | None, Field(description=OF_CUSTOMERS["ltv_predicted"].says)]
    periods: list[PeriodView]
    cohorts: list[CohortView]


@router.get("", dependencies=[may(READ)])
def show_customers(
    office: InOffice,
    event: Names = None,
    amount: Annotated[str, Query(max_length=100, description="Property with the amount; else RFM's.")] = "",
    returned: Annotated[
        list[str] | None, Query(max_length=20, description="Events that give money back.")
    ] = None,
    unit: Annotated[str, Query(max_length=10, description="month or week, of UTC.")] = "month",
    keep: Annotated[int, Query(description="Periods for which a purchase makes a customer.")] = 1,
    margin: Annotated[float | None, Query(description="Share of the revenue that is margin.")] = None,
    discount: Annotated[float, Query(description="What a period's delay takes from money.")] = 0.0,
) -> CustomersView:
    """Tell who stays a customer, by period and cohort, and what one is worth to date and as predicted."""
    asked = Asked(tuple(event or ()), amount, tuple(returned or ()), unit, keep, margin, discount)
    found = customers.customers(office, asked)
    return CustomersView(
        as_of=instant(found.as_of),
        currency=found.currency,
        customers=found.customers,
        revenue=found.revenue,
        revenue_each=found.revenue_each,
        retention=found.retention,
        churn=found.churn,
        ltv=found.ltv,
        ltv_predicted=found.ltv_predicted,
        periods=[
            PeriodView(
                begins_at=instant(one.begins_at), at_start=one.at_start, kept=one.kept, new=one.new,
                won_back=one.won_back, buyers=one.buyers, amount=one.amount, retention=one.retention,
            )
            for one in found.periods
        ],
        cohorts=[
            CohortView(
                begins_at=instant(one.begins_at), size=one.size, active=one.active, shares=one.shares
            )
            for one in found.cohorts
        ],
    )  # fmt: skip

"""RFM: which events are purchases, and the edges of the scores."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from kaskad.actions import scores
from kaskad.domain.rfm import DAY_MS, Rfm, RfmRule
from kaskad.web.api.contacts import READ, WRITE
from kaskad.web.api.fields import Text
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Told, View, instant
from kaskad.web.auth import InOffice

router = APIRouter(prefix="/api/v1/rfm", tags=["lists and segments"], route_class=IdempotentRoute)


class Rule(Told):
    """Which events are purchases, which property of them is money, and how many days back they count."""

    events: Annotated[list[Text], Field(min_length=1, max_length=20)]
    property: Text = "amount"
    days: Annotated[int, Field(ge=1, le=3_650)] = 365


class RfmView(View):
    """The rule, how many have bought, and the edges between the scores 1 to 5, as counted at `counted_at`.

    `days_since` are from the best score down, `purchases` and `money` from the worst up.
    """

    events: list[str]
    property: str
    days: int
    customers: int
    counted_at: datetime
    days_since: list[float]
    purchases: list[int]
    money: list[float]

    @classmethod
    def of(cls, known: Rfm) -> RfmView:
        return cls(
            events=list(known.rule.events), property=known.rule.property, days=known.rule.days,
            customers=known.customers, counted_at=instant(known.at),
            days_since=[round(age / DAY_MS, 1) for age in known.ages], purchases=list(known.counts),
            money=[amount / 100 for amount in known.amounts],
        )  # fmt: skip


@router.get("", dependencies=[READ])
def show_rfm(office: InOffice) -> RfmView:
    """Show what the scores of RFM are counted from, and their edges."""
    return RfmView.of(scores.show(office))


@router.put("", dependencies=[WRITE])
def put_rfm(office: InOffice, told: Rule) -> RfmView:
    """Say what the scores of RFM are counted from, and count their edges now."""
    return RfmView.of(scores.count(office, RfmRule(tuple(told.events), told.property, told.days)))

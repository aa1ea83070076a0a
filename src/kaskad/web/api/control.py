"""The control group of all advertising: what all of it together brings."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from kaskad.actions import control
from kaskad.analytics.control import Whole
from kaskad.web.api.cascades import READ
from kaskad.web.api.counted import COUNTING, Counted
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.uplift import Between, EffectView, P, between_of
from kaskad.web.api.views import View, instant
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1", tags=["policy and law"], route_class=IdempotentRoute)


class MeasuredView(View):
    """Everybody (`treated`) against the control group, in people with the event, in the time of one share."""

    share: Annotated[float, Field(description="That was held out, of all contacts.")]
    since: Annotated[datetime | None, Field(description="Null: from the beginning.")]
    until: datetime
    effect: EffectView
    evenly: P
    currency: str
    treated: Annotated[float | None, Field(description="Worth for each person, minor units.")]
    control: float | None
    worth: Annotated[Between, Field(description="Of the difference: bootstrap over people, zeros too.")]
    deducts: Annotated[
        bool, Field(description="What came back is deducted: `control.returned` names its event.")
    ]
    more: Annotated[bool, Field(description="There were over 200 000 events: only the last were looked at.")]

    @classmethod
    def of(cls, told: Whole) -> MeasuredView:
        return cls(
            share=told.share / 10_000, since=instant(told.since) if told.since else None,
            until=instant(told.until), effect=EffectView.of(told.effect), evenly=told.evenly,
            currency=told.currency, treated=told.treated, control=told.held, worth=between_of(told.worth),
            more=told.more, deducts=told.deducts,
        )  # fmt: skip


class ControlView(View):
    """The group, and what it shows; change it by `control` of the policy."""

    share: Annotated[float, Field(description="Of all contacts; 0: there is no such group.")]
    event: str
    as_of: datetime
    measured: Annotated[MeasuredView | None, Field(description="Null: no group, or no event is named.")]
    earlier: Annotated[
        list[MeasuredView],
        Field(description="The times before, of other shares or another lot, the latest first."),
    ]


@router.get("/control", dependencies=[may(READ)], responses=COUNTING)
def show_control(office: InOffice, counted: Counted) -> ControlView:
    """Measure what all advertising together brings, against the contacts who get none of it."""
    told = counted.soon(lambda: control.show(office))
    return ControlView(
        share=told.group.share / 10_000, event=told.group.event, as_of=instant(told.as_of),
        measured=None if told.told is None else MeasuredView.of(told.told),
        earlier=[MeasuredView.of(one) for one in told.earlier],
    )  # fmt: skip

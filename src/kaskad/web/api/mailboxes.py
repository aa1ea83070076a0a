"""Complaints, bounces and opt-outs of mail, by who keeps the mailboxes and day, and by domain."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from kaskad.actions import mailboxes
from kaskad.analytics.mailboxes import Mails
from kaskad.domain.measures import OF_ACCOUNTS
from kaskad.web.api.cascades import READ
from kaskad.web.api.counted import COUNTING, Counted
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import View, instant
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/complaints", tags=["cascades"], route_class=IdempotentRoute)


class MailsView(View):
    """So many mails that left or were refused; of them arrived, bounced, called spam, and left by."""

    sent: int
    arrived: int
    bounced: int
    complaints: int
    opt_outs: int
    complaint_rate: Annotated[
        float | None,
        Field(description="Complaints by what arrived; null where nothing did or they tell of none."),
    ]

    @classmethod
    def of(cls, mails: Mails, tells: bool = True) -> MailsView:
        return cls(
            sent=mails.sent, arrived=mails.arrived, bounced=mails.bounced, complaints=mails.complaints,
            opt_outs=mails.opt_outs,
            complaint_rate=mails.complaints / mails.arrived if mails.arrived and tells else None,
        )  # fmt: skip


class DayView(MailsView):
    """Mails of one day (UTC)."""

    day: datetime


class ServiceView(MailsView):
    """Who keeps mailboxes; `tells`: whether they say which mails were called spam."""

    service: str
    tells: bool
    days: list[DayView]


class DomainView(MailsView):
    """Mails to addresses of one domain."""

    domain: str


class MailboxesView(View):
    """Services in a set order, the domains with most mails first."""

    as_of: datetime
    services: list[ServiceView]
    domains: list[DomainView]
    more: Annotated[int, Field(description="Domains that are not told of.")]


@router.get("/mailboxes", dependencies=[may(READ)], responses=COUNTING,
            description=OF_ACCOUNTS["complaints_by_mailbox"].says)  # fmt: skip
def list_by_mailbox(
    office: InOffice, counted: Counted,
    days: Annotated[int, Query(ge=1, le=90, description="Today and days before.")] = 30,
) -> MailboxesView:  # fmt: skip
    """Tell complaints, bounces and opt-outs by who keeps the mailboxes and day, and by domain."""
    told = counted.soon(lambda: mailboxes.told(office, days))
    return MailboxesView(
        as_of=instant(told.as_of),
        services=[
            ServiceView(
                service=one.name, tells=one.tells, **MailsView.of(one.whole, one.tells).model_dump(),
                days=[
                    DayView(day=instant(day), **MailsView.of(mails, one.tells).model_dump())
                    for day, mails in zip(told.days, one.days, strict=True)
                    if mails.sent
                ],
            )
            for one in told.services
        ],
        domains=[DomainView(domain=name, **MailsView.of(one).model_dump()) for name, one in told.domains],
        more=told.more,
    )  # fmt: skip

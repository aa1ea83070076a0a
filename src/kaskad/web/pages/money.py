"""The money of a cascade: what was spent by day, account and step, and what of it need not have been."""

from __future__ import annotations

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response

from kaskad.actions import cascades, money
from kaskad.analytics.waste import KINDS
from kaskad.domain.errors import Conflict
from kaskad.web.auth import InOffice
from kaskad.web.pages.cascades import Reader, Slug
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.filters import Filters, named
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of
from kaskad.web.pages.shell import render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
CHANGES = {
    "answer": N_("The service named another amount as it took the message."),
    "receipt": N_("The service named another amount later."),
    "bill": N_("A bill was taken over."),
    "released": N_("The service refused the message: nothing is paid."),
    "free": N_("The message failed, and failures are free."),
    "attempt": N_("The call was made again; the one before is paid too."),
    "restored": N_("What had failed has arrived after all."),
}


@router.get("/cascades/{slug}/money")
def of_cascade(
    office: InOffice, request: Request, seen: Reader, slug: Slug, since: str = "", until: str = ""
) -> Response:
    """Show what a cascade has cost, how that came about, and what could be spared."""
    look = look_of(request, seen)
    overview = cascades.find(office, slug).overview
    days = Filters(since=since, until=until)
    days.refuse(look)
    asked = days.among(look)
    told = None
    if overview.version is not None:
        try:
            told = figures_of(request).money.soon(
                named(office, slug, asked),
                lambda: money.money(office, slug, asked.since, asked.until),
            )
        except Conflict:  # it was never activated
            told = None
    return render(
        request, look, "money.html", seen=seen, cascade=overview, told=told, changes=CHANGES, kinds=KINDS,
        dates={one.name: _day(look, one.name) for one in told.days} if told else {},
    )  # fmt: skip


def _day(look: Look, iso: str) -> str:
    """Return a day as the reader writes it."""
    noon = datetime.combine(date.fromisoformat(iso), time(12), ZoneInfo(look.zone))
    return look.day(int(noon.timestamp() * 1000))

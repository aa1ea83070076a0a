"""Complaints of mail by who keeps the mailboxes and day; beside them bounces and opt-outs by domain."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from kaskad.actions import mailboxes
from kaskad.actions.mailboxes import Told
from kaskad.domain.mailboxes import TOO_MANY, WARY
from kaskad.domain.measures import OF_ACCOUNTS
from kaskad.web.auth import InOffice
from kaskad.web.pages.cascades import Reader
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of
from kaskad.web.pages.shell import render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
NAMES = {
    "gmail": N_("Gmail"), "mail.ru": N_("Mail.ru"), "yandex": N_("Yandex"), "outlook": N_("Outlook"),
    "yahoo": N_("Yahoo"), "icloud": N_("iCloud"), "rambler": N_("Rambler"), "others": N_("other domains"),
}  # fmt: skip
SPANS = ("7", "30", "90")
LEAST = 3  # complaints, below which a high share is somebody's bad day


@router.get("/channels/complaints")
def show(office: InOffice, request: Request, seen: Reader, days: str = "30", look_now: str = "") -> Response:
    """Show complaints; at first what is being counted, then, asked again, the figures."""
    look = look_of(request, seen)
    days = days if days in SPANS else "30"
    told = None
    if look_now:
        told = figures_of(request).mailboxes.soon(days, lambda: mailboxes.told(office, int(days)))
    days_of = look.words.ngettext
    return render(
        request, look, "mailboxes.html", seen=seen, told=told, days=days,
        spans=[(each, days_of("%(num)s day", "%(num)s days", int(each)) % {"num": each}) for each in SPANS],
        names={name: look._(text) for name, text in NAMES.items()}, says=OF_ACCOUNTS["complaints_by_mailbox"],
        chart=_chart(look, told) if told else {}, wary=WARY, too_many=TOO_MANY, least=LEAST,
    )  # fmt: skip


def _chart(look: Look, told: Told) -> dict[str, Any]:
    """Return a line for each service that tells: by day complaints and what arrived."""
    lines = [
        {
            "name": look._(NAMES[one.name]),
            "days": [[mails.complaints, mails.arrived] for mails in one.days],
        }
        for one in told.services
        if one.tells and one.whole.arrived
    ]
    return {
        "days": [look.utc_day(day) for day in told.days], "lines": lines, "wary": WARY, "tooMany": TOO_MANY,
        "words": {"of": look._("of"), "wary": look._("care"), "tooMany": look._("alarm")},
    }  # fmt: skip

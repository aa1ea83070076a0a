"""Opt-in links over the API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from kaskad.actions import opt_ins
from kaskad.domain.terms import MessageClass
from kaskad.web.api.fields import PLAIN, Text, WhoInPath, Words
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Told, View, instant
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/contacts", tags=["contacts"], route_class=IdempotentRoute)


class LinkIn(Told):
    """What a link is for; what is left out does not narrow the consent."""

    account: Annotated[Text, Field(description="Name of the account whose chat it opens.")]
    topic: Annotated[str, Field(max_length=100, pattern=PLAIN)] = ""
    consent: Annotated[Words, Field(description="What the person reads beside the link: the proof.")] = ""
    purpose: MessageClass | None = None
    confirm: bool = Field(True, description="Ask for the last digits of the phone, where one is known.")
    days: Annotated[int, Field(ge=1, le=365, description="How long it can be used.")] = 30


class LinkView(View):
    """A link that can be used once."""

    url: str
    expires_at: datetime


@router.post("/{contact}/opt-in-links", status_code=201, dependencies=[may("contacts:write")])
def make_opt_in_link(office: InOffice, contact: WhoInPath, told: LinkIn) -> LinkView:
    """Make a link by which this contact starts a chat: it becomes an address, and the consent is kept."""
    wanted = opt_ins.Wanted(
        told.account, told.topic, told.consent, told.purpose, confirm=told.confirm, days=told.days
    )
    link = opt_ins.make(office, contact, wanted)
    return LinkView(url=link.url, expires_at=instant(link.expires_at))

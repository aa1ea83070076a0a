"""Seed and test contacts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from kaskad.actions import seeds
from kaskad.web.api.contact_views import ContactView
from kaskad.web.api.contacts import READ, WRITE
from kaskad.web.api.fields import Name, Text
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, Told, View
from kaskad.web.auth import InOffice

router = APIRouter(prefix="/api/v1/seeds", tags=["lists and segments"], route_class=IdempotentRoute)


Contacts = Annotated[list[Text], Field(max_length=10_000, default_factory=list)]


class Marked(Told):
    """Contacts by id (`con_…`), external id, e-mail address, or phone number with +; everybody on a list."""

    contacts: Contacts
    list: Name | None = None


class Changed(View):
    """How many were not before."""

    changed: int


@router.get("", dependencies=[READ])
def list_seeds(office: InOffice) -> Page[ContactView]:
    """List the seed contacts: they get what others get, and are in no figure."""
    found = seeds.listing(office)
    return Page(items=[ContactView.of(card, found.addresses[card.id]) for card in found.cards])


@router.post("", dependencies=[WRITE])
def add_seeds(office: InOffice, told: Marked) -> Changed:
    """Make contacts seeds."""
    return Changed(changed=seeds.mark(office, told.contacts, told.list or "", True))


@router.post("/remove", dependencies=[WRITE])
def remove_seeds(office: InOffice, told: Marked) -> Changed:
    """Make seeds people again."""
    return Changed(changed=seeds.mark(office, told.contacts, told.list or "", False))

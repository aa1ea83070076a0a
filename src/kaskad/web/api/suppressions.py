"""The stop-list: addresses and mail domains, kept as hashes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field

from kaskad.actions import suppressions
from kaskad.domain.terms import Channel, Suppressed
from kaskad.web.api.contacts import READ, WRITE, AddressIn, MarkedView, Why, told_addresses
from kaskad.web.api.fields import PLAIN
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Told, View, when
from kaskad.web.auth import InOffice

router = APIRouter(prefix="/api/v1/suppressions", tags=["contacts"], route_class=IdempotentRoute)

Domain = Annotated[str, Field(min_length=1, max_length=255, pattern=PLAIN)]
Domains = Annotated[
    list[Domain],
    Field(
        max_length=100,
        description="example.org: all its addresses; *.example.org: also of domains below it.",
    ),
]


class PlacesIn(Told):
    """Addresses, and mail domains whose every address is meant."""

    addresses: Annotated[list[AddressIn], Field(max_length=1000)] = Field(default_factory=list)
    domains: Domains = Field(default_factory=list)


class StopIn(PlacesIn):
    """What is never written to again, and why."""

    reason: Why = Suppressed.MANUAL


class LiftIn(Told):
    """Mail domains, or single addresses with the reason, that may be written to again."""

    domains: Domains = Field(default_factory=list)
    addresses: Annotated[list[AddressIn], Field(max_length=100)] = Field(default_factory=list)
    why: Annotated[
        str, Field(max_length=200, description="Why the addresses come off the list: kept in the audit.")
    ] = ""


class EntryView(View):
    """What the list says: `reason` null where it is not there, `channel` null of a mail domain."""

    channel: Channel | None
    value: str
    reason: str | None
    at: datetime | None


class EntriesView(View):
    items: list[EntryView]


@router.post("", dependencies=[WRITE])
def add_suppressions(office: InOffice, told: StopIn) -> MarkedView:
    """Never write to these addresses again, nor to any at these mail domains, whoever has them."""
    named = told_addresses(told.addresses)
    return MarkedView(addresses=suppressions.add(office, named, told.domains, told.reason))


@router.post("/check", dependencies=[READ])
def check_suppressions(office: InOffice, told: PlacesIn) -> EntriesView:
    """Tell whether addresses or mail domains are on the stop-list, why and since when."""
    found = suppressions.look(office, told_addresses(told.addresses), told.domains)
    return EntriesView(items=[
        EntryView(channel=each.channel, value=each.value, reason=each.reason or None, at=when(each.at))
        for each in found
    ])  # fmt: skip


@router.post("/lift", dependencies=[WRITE])
def lift_suppressions(office: InOffice, request: Request, told: LiftIn) -> MarkedView:
    """Take mail domains off the stop-list (addresses that are on it for themselves stay there), or addresses.

    An address that has complained or was erased stays; one that has unsubscribed until its owner agrees anew.
    """
    free = 0
    if told.addresses or not told.domains:
        lifted = suppressions.lift_addresses(office, told_addresses(told.addresses), told.why)
        free, request.state.about = lifted.free, suppressions.noted(lifted, told.why)
    if told.domains:
        free += suppressions.lift(office, told.domains)
    return MarkedView(addresses=free)

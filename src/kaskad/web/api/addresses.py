"""The addresses of one contact."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from kaskad.actions import addresses
from kaskad.actions.addresses import Deed
from kaskad.domain.terms import Channel
from kaskad.web.api.contact_views import AddressView
from kaskad.web.api.fields import PLAIN, WhoInPath
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, Told, View, when
from kaskad.web.auth import Caller, InOffice, may

router = APIRouter(prefix="/api/v1/contacts", tags=["contacts"], route_class=IdempotentRoute)

READ, WRITE = may("contacts:read"), may("contacts:write")
Value = Annotated[str, Field(min_length=1, max_length=2_000, pattern=PLAIN)]


class PlaceIn(Told):
    """An address of the contact, as people write it."""

    channel: Channel
    value: Value


class NewPlaceIn(PlaceIn):
    """An address to add; `primary`: before all others of its channel."""

    primary: bool = False


class KeptPlace(View):
    """An address as it is kept."""

    channel: Channel
    value: str


class RankedView(AddressView):
    """An address; `used`: the next message on its channel goes there, if anything may be sent at all."""

    used: bool
    reacted_at: datetime | None = Field(
        description="When the last message went there to which the person has reacted."
    )


@router.get("/{contact}/addresses", dependencies=[READ])
def list_addresses(office: InOffice, contact: WhoInPath) -> Page[RankedView]:
    """List the addresses of a contact by channel, those that are used first."""
    found = addresses.listing(office, contact)
    plain = [AddressView.of(each.address).model_dump() for each in found]
    views = [
        RankedView(**fields, used=each.used, reacted_at=when(each.reacted_at))
        for fields, each in zip(plain, found, strict=True)
    ]
    return Page(items=views)


@router.post("/{contact}/addresses")
def add_address(
    office: InOffice, contact: WhoInPath, told: NewPlaceIn, caller: Annotated[Caller, WRITE]
) -> KeptPlace:  # fmt: skip
    """Give a contact one more address."""
    kept = addresses.add(office, contact, told.channel, told.value, caller.name, primary=told.primary)
    return KeptPlace(channel=told.channel, value=kept)


@router.post("/{contact}/addresses/{deed}", status_code=204)
def mark_address(
    office: InOffice, contact: WhoInPath, deed: Deed, told: PlaceIn, caller: Annotated[Caller, WRITE]
) -> Response:  # fmt: skip
    """Make an address the `primary` one of its channel, or say that it is `invalid`, or `valid` after all."""
    addresses.mark(office, contact, told.channel, told.value, deed, caller.name)
    return Response(status_code=204)


@router.delete("/{contact}/addresses", status_code=204)
def remove_address(
    office: InOffice, contact: WhoInPath, channel: Channel,
    value: Annotated[str, Query(min_length=1, max_length=2_000, pattern=PLAIN)],
    caller: Annotated[Caller, WRITE],
) -> Response:  # fmt: skip
    """Take an address from a contact."""
    addresses.remove(office, contact, channel, value, caller.name)
    return Response(status_code=204)

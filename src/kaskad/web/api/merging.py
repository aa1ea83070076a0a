"""Contacts that may be one person, and what was changed of a contact."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from kaskad.actions import merging
from kaskad.domain.ids import contact_text
from kaskad.domain.terms import Channel
from kaskad.store.cards import Card
from kaskad.web.api.fields import Text, WhoInPath
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, Slice, Told, View, instant, number
from kaskad.web.auth import Caller, InOffice, may

router = APIRouter(prefix="/api/v1/contacts", tags=["contacts"], route_class=IdempotentRoute)

READ, WRITE = may("contacts:read"), may("contacts:write")


class MergeIn(Told):
    """Whom to merge into the contact of the path: an id (`con_…`), external id, e-mail, or phone with +."""

    other: Text


class MergedView(View):
    """`conflicts`: what the other contact said differently, which is in the history now."""

    id: str
    merged: str
    runs: Annotated[int, Field(description="Runs of the other contact that are this one's now.")]
    ended: Annotated[int, Field(description="Live runs whose place a run of the other contact has taken.")]
    conflicts: dict[str, Any]


class ShortContact(View):
    id: str
    external_id: str | None
    name: str

    @classmethod
    def of(cls, card: Card) -> ShortContact:
        names = [str(card.attributes[key]) for key in ("name", "first_name", "last_name")
                 if card.attributes.get(key)]  # fmt: skip
        return cls(id=contact_text(card.id), external_id=card.external_id, name=" ".join(names))


class SharedView(View):
    channel: Channel
    value: str


class OtherView(View):
    """A contact that has some of the same addresses."""

    contact: ShortContact
    same: list[SharedView]


class DuplicatesView(View):
    """A contact and those that may be the same person: a family may share a phone, so people decide."""

    contact: ShortContact
    others: list[OtherView]

    @classmethod
    def of(cls, found: merging.Likely) -> DuplicatesView:
        others = [
            OtherView(contact=ShortContact.of(card),
                      same=[SharedView(channel=each.channel, value=each.value) for each in same])
            for card, same in found.others
        ]  # fmt: skip
        return cls(contact=ShortContact.of(found.card), others=others)


class ChangeView(View):
    """What was changed, when, and by what (`api NAME`, `import imp_3`, `form`, `crm NAME`)."""

    at: datetime
    what: str
    by: str
    details: dict[str, Any]


@router.get("/duplicates", dependencies=[READ])
def list_duplicates(office: InOffice, part: Annotated[Slice, Depends()]) -> Page[DuplicatesView]:
    """List contacts that share an address with later ones: perhaps one person."""
    found = merging.duplicates(office, after=part.after, limit=part.limit + 1)
    return part.page([DuplicatesView.of(one) for one in found], [one.card.id for one in found])


@router.post("/{contact}/merge")
def merge_contacts(
    office: InOffice, contact: WhoInPath, told: MergeIn, caller: Annotated[Caller, WRITE]
) -> MergedView:  # fmt: skip
    """Make two contacts one: this one is kept, and what led to the other leads here from now on. For good."""
    done = merging.merge(office, contact, told.other, caller.name)
    return MergedView(id=contact_text(done.contact_id), merged=contact_text(done.merged), runs=done.runs,
                      ended=done.ended, conflicts=dict(done.conflicts))  # fmt: skip


@router.get("/{contact}/history", dependencies=[READ])
def list_changes(
    office: InOffice, contact: WhoInPath,
    limit: Annotated[int, Query(ge=1, le=200, description="Items in a page.")] = 50,
    cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
) -> Page[ChangeView]:  # fmt: skip
    """List what was changed of a contact and by what, the newest first; the last 200 changes are kept."""
    before = None if cursor is None else number(cursor)
    found = merging.history(office, contact, before=before, limit=limit + 1)
    views = [
        ChangeView(at=instant(each.at), what=each.what, by=each.who, details=each.detail) for each in found
    ]
    if len(found) <= limit:
        return Page(items=views)
    return Page(items=views[:limit], next=str(found[limit - 1].id))

"""A person's rights: everything that is known, for that person; erasure, and the acts that remain of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from kaskad.actions import erasure, person_file
from kaskad.domain.errors import NotFound
from kaskad.domain.ids import contact_text, erasure_text, read_erasure
from kaskad.store import searches
from kaskad.store.erasures import Act
from kaskad.web.api.contact_views import ConsentView
from kaskad.web.api.fields import PLAIN, InPath, WhoInPath
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, Slice, View, instant
from kaskad.web.auth import Caller, InOffice, may

router = APIRouter(prefix="/api/v1", tags=["contacts"], route_class=IdempotentRoute)

READ, WRITE = may("contacts:read"), may("contacts:write")

FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A file to hand over.",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "application/zip": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


class ErasureView(View):
    """That a person was erased. `hashes` are those of the addresses, which stay suppressed.

    `searching` is what was kept whole and is still being looked through for the person; [] is nothing.
    """

    id: str
    contact: str
    at: datetime
    by: Annotated[str, Field(description="Name of the key that asked for it.")]
    deleted: Annotated[dict[str, int], Field(description="How many of each kind were deleted or emptied.")]
    hashes: list[str]
    searching: list[str]

    @classmethod
    def of(cls, act: Act) -> ErasureView:
        return cls(
            id=erasure_text(act.id), contact=contact_text(act.contact_id), at=instant(act.at), by=act.who,
            deleted=act.counts, hashes=act.hashes, searching=searches.left(act.stage),
        )  # fmt: skip


class WholeErasure(ErasureView):
    """An act with the consents that are kept as proof."""

    consents: list[ConsentView]


@router.get("/contacts/{contact}/export", dependencies=[READ], response_class=Response, responses=FILE)
def export_contact(
    office: InOffice,
    contact: WhoInPath,
    form: Annotated[
        Literal["json", "csv"], Query(alias="format", description="csv: a ZIP with a CSV file of each kind.")
    ] = "json",
) -> Response:
    """Return everything that is known of a person: attributes, addresses, consents, lists, events, runs,
    messages with their texts and what became of them, requests to links, calls, decisions in words."""
    found = person_file.gather(office, contact)
    if form == "csv":
        return _file(found.zip(), "application/zip", f"{found.contact}.zip")
    return _file(found.json(), "application/json", f"{found.contact}.json")


@router.delete("/contacts/{contact}")
def erase_contact(office: InOffice, contact: WhoInPath, caller: Annotated[Caller, WRITE]) -> ErasureView:
    """Erase a person: runs end; identity, addresses, texts, and what came from services about them are
    deleted; the addresses are never written to again. What is answered is the act that remains."""
    return ErasureView.of(erasure.erase(office, contact, caller.name))


@router.get("/erasures", dependencies=[READ])
def list_erasures(
    office: InOffice,
    part: Annotated[Slice, Depends()],
    address: Annotated[
        str,
        Query(max_length=320, pattern=PLAIN, description="Who had this e-mail address, or number with +."),
    ] = "",
) -> Page[ErasureView]:
    """List the acts of erasure, the oldest first."""
    found = erasure.listing(office, address=address, after=part.after, limit=part.limit + 1)
    return part.page([ErasureView.of(act) for act in found], [act.id for act in found])


@router.get("/erasures/{erasure_id}", dependencies=[READ])
def show_erasure(office: InOffice, erasure_id: InPath) -> WholeErasure:
    """Show an act (`era_…`), and the consents that are kept as proof."""
    number = read_erasure(erasure_id)
    if number is None:
        raise NotFound(f"{erasure_id!r} is no act of erasure: their ids begin with era_.")
    kept = erasure.show(office, number)
    return WholeErasure(
        **dict(ErasureView.of(kept.act)), consents=[ConsentView.of(each) for each in kept.consents]
    )


def _file(content: bytes, kind: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, media_type=kind, headers=headers)

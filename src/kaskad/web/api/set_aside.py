"""What has arrived and could not be applied, because of a defect."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from kaskad.actions import set_aside
from kaskad.domain.ids import contact_text, run_text
from kaskad.store.set_aside import Entry
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import LARGEST, Page, Slice, Told, View, instant
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/set-aside", tags=["alarms"], route_class=IdempotentRoute)
ALLOWED = may("settings:write")

Number = Annotated[int, Path(ge=1, le=LARGEST, description="Its number.")]


class EntryView(View):
    """Something told to us that waits: what it says (`kind`, `event`, `value`), and the `defect`."""

    id: int
    contact: str
    run: str | None
    kind: str
    event: str
    at: datetime
    value: str
    set_aside_at: datetime
    defect: str

    @classmethod
    def of(cls, entry: Entry) -> EntryView:
        return cls(
            id=entry.id, contact=contact_text(entry.contact_id),
            run=run_text(entry.contact_id, entry.run_id) if entry.run_id else None,
            kind=entry.word, event=entry.event, at=instant(entry.at), value=entry.value or "",
            set_aside_at=instant(entry.set_aside_at), defect=entry.defect,
        )  # fmt: skip


class RetryIn(Told):
    """Which entry is applied again; without one, all."""

    id: int | None = None


class RetriedView(View):
    """How many entries are applied again; those that fail again come back."""

    count: int


@router.get("", dependencies=[ALLOWED])
def list_set_aside(office: InOffice, part: Annotated[Slice, Depends()]) -> Page[EntryView]:
    """List what has arrived and could not be applied, the oldest first."""
    found = set_aside.listing(office, after=part.after, limit=part.limit + 1)
    return part.page([EntryView.of(each) for each in found], [each.id for each in found])


@router.post("/retry", dependencies=[ALLOWED])
def retry_set_aside(office: InOffice, told: RetryIn) -> RetriedView:
    """Apply one of them again, or all: after an upgrade, or once its cause is gone."""
    return RetriedView(count=set_aside.retry(office, told.id or 0))


@router.delete("/{entry}", status_code=204, dependencies=[ALLOWED])
def drop_set_aside(office: InOffice, entry: Number) -> None:
    """Leave one out for good: its contact is written to again as if it had not come."""
    set_aside.drop(office, entry)

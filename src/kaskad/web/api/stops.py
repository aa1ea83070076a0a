"""Stops in free text, for a person to look at."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from kaskad.actions import stops
from kaskad.domain.ids import contact_text
from kaskad.domain.terms import Channel
from kaskad.store.stops import Stop, Verdict
from kaskad.web.api.contacts import READ, WRITE
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, Slice, Told, View, instant, when
from kaskad.web.auth import Caller, InOffice

router = APIRouter(prefix="/api/v1/stops", tags=["contacts"], route_class=IdempotentRoute)

Word = Literal["open", "stands", "undone"]
WORDS: tuple[Word, ...] = ("open", "stands", "undone")


class VerdictIn(Told):
    """What a person has found: it was a stop, or it meant something else."""

    verdict: Literal["stands", "undone"]


class StopView(View):
    """What a person wrote that was taken as a stop, the channels that it closed, and what was found."""

    id: int
    contact: str
    at: datetime
    said: str
    channels: list[Channel]
    verdict: Word
    looked_at: datetime | None
    looked_by: str

    @classmethod
    def of(cls, stop: Stop) -> StopView:
        return cls(
            id=stop.id, contact=contact_text(stop.contact_id), at=instant(stop.at), said=stop.said,
            channels=[each for each in Channel if stop.channels & 1 << each.code],
            verdict=WORDS[stop.verdict], looked_at=when(stop.looked_at), looked_by=stop.looked_by,
        )  # fmt: skip


@router.get("", dependencies=[READ])
def list_stops(
    office: InOffice,
    part: Annotated[Slice, Depends()],
    everything: Annotated[bool, Query(alias="all", description="Also those that were looked at.")] = False,
) -> Page[StopView]:
    """List stops in free text that nobody has looked at yet, the oldest first."""
    found = stops.listing(office, after=part.after, limit=part.limit + 1, everything=everything)
    return part.page([StopView.of(each) for each in found], [each.id for each in found])


@router.post("/{stop}")
def judge_stop(office: InOffice, stop: int, told: VerdictIn, caller: Annotated[Caller, WRITE]) -> StopView:
    """Leave a stop standing, or undo it: then what was allowed before is again, on the channels it closed."""
    return StopView.of(stops.judge(office, stop, Verdict[told.verdict.upper()], caller.name))

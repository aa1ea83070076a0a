"""Alarms: what wants a look, what did, and who is told of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from kaskad.actions import alarm_book
from kaskad.actions.alarm_book import Book, Way
from kaskad.actions.alarms import alarms
from kaskad.web.api.fields import Name, Words
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import LARGEST, Page, Slice, Told, View, instant, when
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/alarms", tags=["alarms"], route_class=IdempotentRoute)

READ, WRITE = may("settings:read"), may("settings:write")


class AlarmView(View):
    """Something that wants a look now: `name` is what it is about."""

    kind: str
    name: str
    detail: str


class TellingView(View):
    """One who was, or is to be, told of an alarm; `due_at` null: that is over."""

    occasion: str
    account: str
    to: str
    due_at: datetime | None
    attempts: int
    answer: str


class RaisedView(View):
    """An alarm that was raised; `over_at` null: it stands."""

    id: int
    kind: str
    name: str
    detail: str
    began_at: datetime
    over_at: datetime | None
    told: list[TellingView]

    @classmethod
    def of(cls, book: Book) -> RaisedView:
        row = book.alarm
        told = [
            TellingView(occasion=one.occasion, account=one.account, to=one.person, due_at=when(one.due_at),
                        attempts=one.attempts, answer=one.answer)
            for one in book.told
        ]  # fmt: skip
        return cls(id=row.id, kind=row.kind, name=row.name, detail=row.detail, began_at=instant(row.began_at),
                   over_at=when(row.over_at), told=told)  # fmt: skip


class WayTold(Told):
    """One who is told: through which account, at which address there; of which kinds, of all where empty."""

    account: Name
    to: Annotated[Words, Field(min_length=1, max_length=320)]
    kinds: Annotated[tuple[str, ...], Field(max_length=50)] = ()


class WayView(View):
    """One who is told of alarms."""

    account: str
    to: str
    kinds: list[str]

    @classmethod
    def of(cls, way: Way) -> WayView:
        return cls(account=way.account, to=way.to, kinds=list(way.kinds))


class WaysTold(Told):
    """All who are told, in place of those before."""

    ways: Annotated[list[WayTold], Field(max_length=100)]


class WaysView(View):
    """All who are told of alarms."""

    ways: list[WayView]


@router.get("", dependencies=[READ])
def list_alarms(office: InOffice) -> Page[AlarmView]:
    """List what wants a look now, the worst first."""
    return Page(items=[AlarmView.model_validate(each, from_attributes=True) for each in alarms(office)])


@router.get("/history", dependencies=[READ])
def list_raised(office: InOffice, part: Annotated[Slice, Depends()]) -> Page[RaisedView]:
    """List the alarms that were raised, the latest first, with who was told."""
    found = alarm_book.listing(office, before=part.after or LARGEST, limit=part.limit + 1)
    return part.page([RaisedView.of(book) for book in found], [book.alarm.id for book in found])


@router.get("/ways", dependencies=[READ])
def show_ways(office: InOffice) -> WaysView:
    """Show who is told of alarms."""
    return WaysView(ways=[WayView.of(way) for way in alarm_book.ways(office)])


@router.put("/ways", dependencies=[WRITE])
def put_ways(office: InOffice, told: WaysTold) -> WaysView:
    """Say who is told of alarms from now on."""
    wanted = [Way(one.account, one.to, one.kinds) for one in told.ways]
    return WaysView(ways=[WayView.of(way) for way in alarm_book.put_ways(office, wanted)])

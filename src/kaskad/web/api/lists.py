"""Lists of contacts, and segments: conditions under a name."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AfterValidator, Field

from kaskad.actions import lists, segments
from kaskad.domain.condition import MAX_LENGTH
from kaskad.domain.errors import Invalid
from kaskad.domain.segment import Equals
from kaskad.store.lists import KnownList
from kaskad.store.segments import KnownSegment
from kaskad.web.api.contact_views import ContactView, card_page
from kaskad.web.api.contacts import READ, WRITE
from kaskad.web.api.fields import NAMED, Name, NameInPath, Text, storable
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, Slice, Told, View, instant
from kaskad.web.auth import InOffice

router = APIRouter(prefix="/api/v1/lists", tags=["lists and segments"], route_class=IdempotentRoute)
segment_router = APIRouter(
    prefix="/api/v1/segments", tags=["lists and segments"], route_class=IdempotentRoute
)

T = TypeVar("T")
Value = Annotated[bool | int | float | Text, AfterValidator(storable)]


class NameSlice:
    """Which page of a list by name is asked for; a cursor is the last name before it."""

    def __init__(
        self,
        limit: Annotated[int, Query(ge=1, le=1000, description="Items in a page.")] = 100,
        cursor: Annotated[
            str, Query(max_length=100, pattern=f"^$|{NAMED}", description="`next` of the page before.")
        ] = "",
    ) -> None:
        self.limit, self.after = limit, cursor

    def page(self, items: list[T], names: list[str]) -> Page[T]:
        """Return the page of `items`, read with one more than `limit`."""
        if len(items) <= self.limit:
            return Page(items=items)
        return Page(items=items[: self.limit], next=names[self.limit - 1])


class NewList(Told):
    name: Name


class Members(Told):
    """Contacts by id (`con_…`), external id, e-mail address, or phone number with +."""

    contacts: Annotated[list[Text], Field(min_length=1, max_length=10_000)]


class ListView(View):
    """A list; `members` is how many are on it."""

    name: str
    members: int

    @classmethod
    def of(cls, known: KnownList) -> ListView:
        return cls(name=known.name, members=known.members)


class Added(View):
    """How many were not on the list before."""

    added: int


class Removed(View):
    """How many were on the list before."""

    removed: int


class Condition(Told):
    """The contact's attribute has this value: a text as it is written, a number, true or false."""

    attribute: Text
    equals: Value


class Conditions(Told):
    """Who has all of these attributes."""

    all: Annotated[list[Condition], Field(min_length=1, max_length=20)]


SegmentText = Annotated[
    str,
    Field(
        min_length=1, max_length=MAX_LENGTH, examples=['contact.vip and event("purchase").count(90d) >= 2']
    ),
    AfterValidator(storable),
]


class Asked(Told):
    """A condition in the language of `if`."""

    text: SegmentText


class Rule(Told):
    """Whom a segment is for: `text`, a condition in the language of `if`; or `all`, values of attributes."""

    text: SegmentText | None = None
    all: Annotated[list[Condition], Field(min_length=1, max_length=20)] | None = None

    def told(self) -> segments.Told:
        """Return one of the two; raises Invalid."""
        return _told(self.text, self.all)


class NewSegment(Told):
    """A name, and either `text`, a condition in the language of `if`, or values of attributes."""

    name: Name
    text: SegmentText | None = None
    conditions: Conditions | None = None

    def told(self) -> segments.Told:
        """Return one of the two; raises Invalid."""
        return _told(self.text, self.conditions.all if self.conditions else None)


def _told(text: str | None, values: list[Condition] | None) -> segments.Told:
    if (text is None) == (values is None):
        raise Invalid(["Say whom the segment is for either by `text` or by values of attributes."])
    if text is not None:
        return text
    return tuple(Equals(each.attribute, each.equals) for each in values or ())


class SegmentView(View):
    """A segment; `text` is its condition, `conditions` are the same where it asks for values only.

    `created_at` is null for one that is there without being made.
    """

    name: str
    text: str
    conditions: Conditions | None
    created_at: datetime | None
    used_by: list[str] | None = None  # where one is shown

    @classmethod
    def of(cls, known: KnownSegment, used_by: list[str] | None = None) -> SegmentView:
        told = [Condition(attribute=each.attribute, equals=each.equals) for each in known.equals]
        return cls(
            name=known.name,
            text=known.condition.text,
            conditions=Conditions(all=told) if told else None,
            created_at=instant(known.created_at) if known.id else None,
            used_by=used_by,
        )


class Count(View):
    """How many contacts are in it now."""

    contacts: int


Seeds = Annotated[bool, Query(description="Seed contacts too.")]


@router.get("", dependencies=[READ])
def list_lists(office: InOffice, part: Annotated[NameSlice, Depends()]) -> Page[ListView]:
    """List the lists, by name."""
    found = lists.listing(office, after=part.after, limit=part.limit + 1)
    return part.page([ListView.of(each) for each in found], [each.name for each in found])


@router.post("", status_code=201, dependencies=[WRITE])
def create_list(office: InOffice, told: NewList) -> ListView:
    """Make an empty list."""
    return ListView.of(lists.create(office, told.name))


@router.get("/{name}", dependencies=[READ])
def show_list(office: InOffice, name: NameInPath) -> ListView:
    """Show a list."""
    return ListView.of(lists.show(office, name))


@router.delete("/{name}", status_code=204, dependencies=[WRITE])
def delete_list(office: InOffice, name: NameInPath) -> Response:
    """Forget a list, not its people."""
    lists.delete(office, name)
    return Response(status_code=204)


@router.get("/{name}/members", dependencies=[READ])
def list_members(office: InOffice, name: NameInPath, part: Annotated[Slice, Depends()]) -> Page[ContactView]:
    """List who is on a list."""
    return card_page(lists.members(office, name, after=part.after, limit=part.limit + 1), part)


@router.post("/{name}/members", dependencies=[WRITE])
def add_members(office: InOffice, name: NameInPath, told: Members) -> Added:
    """Put contacts on a list; where one of them is unknown, nobody is."""
    return Added(added=lists.add(office, name, told.contacts))


@router.post("/{name}/members/remove", dependencies=[WRITE])
def remove_members(office: InOffice, name: NameInPath, told: Members) -> Removed:
    """Take contacts off a list."""
    return Removed(removed=lists.remove(office, name, told.contacts))


@segment_router.get("", dependencies=[READ])
def list_segments(
    office: InOffice,
    part: Annotated[NameSlice, Depends()],
    ready: Annotated[
        bool, Query(description="Those that are there without being made, all at once.")
    ] = False,
) -> Page[SegmentView]:
    """List the segments that were made, by name; or those that are ready."""
    if ready:
        return Page(items=[SegmentView.of(each) for each in segments.ready(office)])
    found = segments.listing(office, after=part.after, limit=part.limit + 1)
    return part.page([SegmentView.of(each) for each in found], [each.name for each in found])


@segment_router.post("", status_code=201, dependencies=[WRITE])
def create_segment(office: InOffice, told: NewSegment) -> SegmentView:
    """Make a segment."""
    return SegmentView.of(segments.create(office, told.name, told.told()))


@segment_router.post("/count", dependencies=[READ])
def count_text(office: InOffice, told: Asked, seeds: Seeds = False) -> Count:
    """Count who meets a condition now, without keeping it."""
    return Count(contacts=segments.count_text(office, told.text, seeds=seeds))


@segment_router.post("/preview", dependencies=[READ])
def preview_text(
    office: InOffice, told: Asked, part: Annotated[Slice, Depends()], seeds: Seeds = False
) -> Page[ContactView]:
    """List who meets a condition now, without keeping it."""
    found = segments.preview_text(office, told.text, after=part.after, limit=part.limit + 1, seeds=seeds)
    return card_page(found, part)


@segment_router.get("/{name}", dependencies=[READ])
def show_segment(office: InOffice, name: NameInPath) -> SegmentView:
    """Show a segment, and which segments and cascades name it."""
    used = [each.words for each in segments.uses(office, name)]
    return SegmentView.of(segments.show(office, name), used)


@segment_router.put("/{name}", dependencies=[WRITE])
def put_segment(office: InOffice, name: NameInPath, told: Rule) -> SegmentView:
    """Make a segment, or change what it asks; launches that have begun stay as they are."""
    return SegmentView.of(segments.put(office, name, told.told()))


@segment_router.delete("/{name}", status_code=204, dependencies=[WRITE])
def delete_segment(office: InOffice, name: NameInPath) -> Response:
    """Forget a segment."""
    segments.delete(office, name)
    return Response(status_code=204)


@segment_router.get("/{name}/count", dependencies=[READ])
def count_segment(office: InOffice, name: NameInPath, seeds: Seeds = False) -> Count:
    """Count who is in a segment now."""
    return Count(contacts=segments.count(office, name, seeds=seeds))


@segment_router.get("/{name}/preview", dependencies=[READ])
def preview_segment(
    office: InOffice, name: NameInPath, part: Annotated[Slice, Depends()], seeds: Seeds = False
) -> Page[ContactView]:
    """List who is in a segment now."""
    found = segments.preview(office, name, after=part.after, limit=part.limit + 1, seeds=seeds)
    return card_page(found, part)

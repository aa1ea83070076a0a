"""Shapes that several families of routes share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from kaskad.domain.errors import Invalid

T = TypeVar("T")

LARGEST = 2**63 - 1
_SAME = 100_000  # more entries of one millisecond than any contact has


class View(BaseModel):
    """What is answered."""

    model_config = ConfigDict(frozen=True)


class Told(BaseModel):
    """What is sent to us: unknown fields are problems."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Page(View, Generic[T]):
    """One page of a list; `next` is the cursor of the following one, null at the end."""

    items: list[T]
    next: str | None = None


class Slice:
    """Which page is asked for. A cursor is the integer key of the last item before it."""

    def __init__(
        self,
        limit: Annotated[int, Query(ge=1, le=1000, description="Items in a page.")] = 100,
        cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
    ) -> None:
        self.limit = limit
        self.after = 0 if cursor is None else number(cursor)

    def page(self, items: list[T], keys: list[int]) -> Page[T]:
        """Return the page of `items`, read with one more than `limit`; `keys` are those of the items."""
        if len(items) <= self.limit:
            return Page(items=items)
        return Page(items=items[: self.limit], next=str(keys[self.limit - 1]))


class Newest:
    """Which page of what has happened is asked for, the newest first.

    A cursor is the instant of the last entry before it, and how many entries of that instant were shown.
    """

    def __init__(
        self,
        limit: Annotated[int, Query(ge=1, le=1000, description="Items in a page.")] = 100,
        cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
    ) -> None:
        whole = number(cursor) if cursor is not None else LARGEST
        self.limit = limit
        self.until, self.shown = (whole, 0) if cursor is None else divmod(whole, _SAME)

    @property
    def reach(self) -> int:
        """Return how many entries at `until` and before must be read for the page."""
        return self.limit + self.shown + 1

    def page(self, items: list[T], instants: list[int]) -> Page[T]:
        """Return the page of `items`, the first `reach` at `until` or before, which have these instants."""
        part, at = items[self.shown : self.shown + self.limit], instants[: self.shown + self.limit]
        if len(items) < self.reach or not at:
            return Page(items=part)
        return Page(items=part, next=str(at[-1] * _SAME + at.count(at[-1])))


def number(cursor: str) -> int:
    """Return the integer that a cursor is; raises Invalid."""
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 20 and int(cursor) <= LARGEST):
        raise Invalid([f"{cursor!r} is no cursor: send `next` of the page before as it was."])
    return int(cursor)


def when(at: int | None) -> datetime | None:
    """Return an instant in milliseconds as the API writes it."""
    return None if at is None else datetime.fromtimestamp(at / 1000, UTC)


def instant(at: int) -> datetime:
    """Return an instant in milliseconds as the API writes it."""
    return datetime.fromtimestamp(at / 1000, UTC)


class Problem(View):
    """One thing that is wrong, and where: a JSON pointer into what was sent."""

    detail: str
    pointer: str = ""


class ProblemBody(View):
    """`application/problem+json` (RFC 9457), with all problems at once."""

    title: str
    status: int
    detail: str = ""
    problems: list[Problem] = Field(default_factory=list)


def problem_schema() -> dict[str, Any]:
    """Return the schema of a failure in one piece: within a route's description nothing else can be named."""
    schema = ProblemBody.model_json_schema()
    schema["properties"]["problems"]["items"] = schema.pop("$defs")["Problem"]
    return schema

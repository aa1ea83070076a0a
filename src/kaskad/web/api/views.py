"""Shapes that several families of routes share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from kaskad.domain.errors import Invalid

T = TypeVar("T")

LARGEST = 2**63 - 1


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
        if cursor is not None and not (cursor.isascii() and cursor.isdigit() and int(cursor) <= LARGEST):
            raise Invalid([f"{cursor!r} is no cursor: send `next` of the page before as it was."])
        self.limit = limit
        self.after = int(cursor or 0)

    def page(self, items: list[T], keys: list[int]) -> Page[T]:
        """Return the page of `items`, read with one more than `limit`; `keys` are those of the items."""
        if len(items) <= self.limit:
            return Page(items=items)
        return Page(items=items[: self.limit], next=str(keys[self.limit - 1]))


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

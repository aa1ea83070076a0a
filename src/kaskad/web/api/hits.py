"""What machines are told by, and judging again, over the API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import Field

from kaskad.actions import machines
from kaskad.domain.errors import Invalid
from kaskad.store.runs import MessageKey
from kaskad.store.sites import RangeList
from kaskad.web.api.fields import NAMED, PLAIN
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.imports import FORM, Upload, uploaded
from kaskad.web.api.views import Page, Told, View, when
from kaskad.web.api.when import When, moment
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/hits", tags=["hits"], route_class=IdempotentRoute)

Name = Annotated[str, Path(min_length=1, max_length=100, pattern=NAMED)]
LIST: dict[str, Any] = {"schema": {"type": "string"}, "example": "192.0.2.0/24\n2001:db8::/32\n"}
BODY = {"requestBody": {"required": True, "content": {"text/plain": LIST, "multipart/form-data": FORM}}}


class RangesView(View):
    """A list of addresses that machines come from; `changed_at` null: it comes with Kaskad."""

    name: str
    kind: Annotated[str, Field(description="relay, cloud or scanner.")]
    source: str
    as_of: Annotated[str, Field(description="The day that the list is of.")]
    size: Annotated[int, Field(description="Networks.")]
    changed_at: datetime | None

    @classmethod
    def of(cls, one: RangeList) -> RangesView:
        return cls(
            name=one.name, kind=one.kind, source=one.source, as_of=one.as_of, size=one.size,
            changed_at=when(one.changed_at or None),
        )  # fmt: skip


class ReclassifyTold(Told):
    """What is judged again; `after` goes on where an answer's `next` says."""

    since: When | None = None
    dry_run: bool = False
    after: Annotated[str, Field(max_length=60, pattern=r"^(\d+ \d+ \d+)?$")] = ""


class ReclassifiedView(View):
    """What judging one stretch again has changed, or would; with `next` there is more to judge."""

    messages: int
    hits: int
    changed: Annotated[dict[str, int], Field(description="Such as “human -> machine”: how many hits.")]
    facts: Annotated[int, Field(description="Taken back or added.")]
    outcomes: Annotated[dict[str, int], Field(description="Such as “responded -> exhausted”: how many runs.")]
    next: str | None


@router.get("/ranges", dependencies=[may("settings:read")])
def list_ranges(office: InOffice) -> Page[RangesView]:
    """List the lists of addresses that machines come from."""
    return Page(items=[RangesView.of(one) for one in machines.ranges(office)])


@router.put("/ranges/{name}", dependencies=[may("settings:write")], openapi_extra=BODY)
def put_ranges(
    office: InOffice,
    name: Name,
    file: Annotated[Upload, Depends(uploaded)],
    kind: Annotated[str, Query(max_length=20, description="relay, cloud or scanner.")],
    source: Annotated[str, Query(max_length=300, pattern=PLAIN, description="Where it is published.")],
    as_of: Annotated[str, Query(max_length=10, description="The day that it is of, such as 2026-11-26.")],
) -> RangesView:
    """Bring in a list in place of the one of that name, as Apple, Google, Amazon or Microsoft publish it."""
    return RangesView.of(machines.bring(office, name, kind, source, as_of, file.data))


@router.delete("/ranges/{name}", status_code=204, dependencies=[may("settings:write")])
def delete_ranges(office: InOffice, name: Name) -> Response:
    """Forget a list."""
    machines.drop(office, name)
    return Response(status_code=204)


@router.post("/reclassify", dependencies=[may("settings:write")])
def reclassify(office: InOffice, told: ReclassifyTold) -> ReclassifiedView:
    """Judge what was opened and clicked again, by what is known now; what was sent stays."""
    after = _key(told.after)
    found = machines.reclassify(
        office, since=moment(office, told.since) or 0, after=after, dry_run=told.dry_run
    )
    return ReclassifiedView(
        messages=found.told.messages, hits=found.told.hits, changed=found.told.changed,
        facts=found.told.facts, outcomes=found.told.outcomes,
        next=None if found.next is None else "{} {} {}".format(*found.next),
    )  # fmt: skip


def _key(text: str) -> MessageKey:
    if not text:
        return machines.START
    contact_id, run_id, step = map(int, text.split())
    if max(contact_id, run_id, step) >= 2**63:
        raise Invalid(["`after` is what an answer gave as `next`."])
    return contact_id, run_id, step

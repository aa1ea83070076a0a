"""Canaries of versions: the next version for a share of those who enter, before all get it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from kaskad.actions import version_canaries
from kaskad.actions.version_canaries import CanaryTold
from kaskad.web.api.cascades import READ, WRITE, Slug
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, View, instant, when
from kaskad.web.auth import Caller, InOffice, may

router = APIRouter(prefix="/api/v1/cascades/{slug}/canaries", tags=["cascades"], route_class=IdempotentRoute)
Writer = Annotated[Caller, may(WRITE)]


class VersionCanaryView(View):
    """A canary of a version: `running`, `passed` (everybody enters `version` since) or `stopped` (`before`).

    `ended_by` is empty where its figures have decided.
    """

    version: int
    before: Annotated[int, Field(description="What the others enter, and everybody once it is stopped.")]
    share: Annotated[float, Field(description="In percent of those who enter.")]
    people: Annotated[int, Field(description="So many must have entered before it is judged.")]
    entered: int
    through: Annotated[int, Field(description="Of these were written to, or have ended.")]
    mature_s: Annotated[int, Field(description="It is judged so long after enough people have entered.")]
    state: str
    started_at: datetime
    started_by: str
    due_at: Annotated[datetime | None, Field(description="When it is judged; null: too few have entered.")]
    ended_at: datetime | None
    ended_by: str
    why: str

    @classmethod
    def of(cls, told: CanaryTold) -> VersionCanaryView:
        row = told.row
        return cls(
            version=told.version, before=told.base, share=row.share / 100, people=row.people,
            entered=told.entered, through=told.through, mature_s=row.mature_ms // 1000, state=row.state,
            started_at=instant(row.started_at), started_by=row.started_by, due_at=when(row.due_at),
            ended_at=when(row.ended_at), ended_by=row.ended_by, why=row.why,
        )  # fmt: skip


@router.get("", dependencies=[may(READ)])
def list_canaries(office: InOffice, slug: Slug) -> Page[VersionCanaryView]:
    """List the last canaries of a cascade's versions, the latest first; `activate` begins one."""
    return Page(items=[VersionCanaryView.of(told) for told in version_canaries.listing(office, slug)])


@router.post("/pass")
def pass_canary(office: InOffice, slug: Slug, caller: Writer) -> VersionCanaryView:
    """Let everybody enter the canary's version from now on, whatever its figures say."""
    return VersionCanaryView.of(version_canaries.let_pass(office, slug, by=caller.name))


@router.post("/stop")
def stop_canary(office: InOffice, slug: Slug, caller: Writer) -> VersionCanaryView:
    """End the canary under way: everybody enters the version that ran before; runs keep theirs."""
    return VersionCanaryView.of(version_canaries.stop(office, slug, by=caller.name))

"""The audit: who changed what, and who looked at whom."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from kaskad.actions import audit
from kaskad.store.audit import Noted
from kaskad.web.api.fields import PLAIN
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, Slice, View, instant
from kaskad.web.api.when import Since, moment
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/audit", tags=["audit"], route_class=IdempotentRoute)


class NotedView(View):
    """That somebody did something."""

    at: datetime
    by: Annotated[str, Field(description="Name of the key; `local` is a command on the server's machine.")]
    action: Annotated[str, Field(description="Method and route, such as DELETE /contacts/{contact}.")]
    object: Annotated[str, Field(description="What the route names, or what it has made; contacts by con_….")]

    @classmethod
    def of(cls, noted: Noted) -> NotedView:
        return cls(at=instant(noted.at), by=noted.who, action=noted.action, object=noted.object)


@router.get("", dependencies=[may("audit:read")])
def list_audit(
    office: InOffice,
    part: Annotated[Slice, Depends()],
    by: Annotated[str, Query(max_length=200, pattern=PLAIN, description="Name of a key.")] = "",
    what: Annotated[
        str, Query(alias="object", max_length=320, pattern=PLAIN, description="An id or a name.")
    ] = "",
    since: Since = None,
) -> Page[NotedView]:
    """List who changed what and who looked at whom, the newest first."""
    found = audit.listing(
        office, before=part.after or audit.LATEST, since=moment(office, since) or 0, who=by, what=what,
        limit=part.limit + 1,
    )  # fmt: skip
    return part.page([NotedView.of(each) for each in found], [each.id for each in found])

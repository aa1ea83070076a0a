"""Settings: what is wrong with the installation, and what to do about it; and how its backups are made."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response

from kaskad.actions.doctor import Finding, examine
from kaskad.config import Settings
from kaskad.web.auth import InOffice
from kaskad.web.local import database_file
from kaskad.web.pages.session import PageRoute, look_of, needs
from kaskad.web.pages.shell import Visitor, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Manager = Annotated[Visitor, needs("settings:write")]
LEVELS = ("problem", "warn", "ok")


@router.get("/settings/health")
def health(office: InOffice, request: Request, seen: Manager, look: str = "") -> Response:
    """Show the page at once; with ?look=now also what was found, which may take seconds."""
    settings: Settings = request.app.state.settings
    found: list[Finding] | None = None
    if look == "now":
        found = sorted(examine(settings, database_file(settings)), key=lambda each: LEVELS.index(each.level))
    return render(
        request, look_of(request, seen), "health.html", seen=seen, found=found, settings=settings,
        sqlite=database_file(settings) is not None, now=office.now(),
        problems=sum(each.level != "ok" for each in found or []),
    )  # fmt: skip

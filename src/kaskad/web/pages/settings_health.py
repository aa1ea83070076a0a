"""Settings: what is wrong with the installation, and what to do about it; and how its backups are made."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from kaskad.actions import set_aside
from kaskad.actions.doctor import Finding, examine
from kaskad.config import Settings
from kaskad.web.auth import InOffice
from kaskad.web.local import database_file
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render
from kaskad.web.pages.words import HAPPENED, RESTING

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Manager = Annotated[Visitor, needs("settings:write")]
LEVELS = ("problem", "warn", "ok")
ROWS = 50


@router.get("/settings/health")
def health(office: InOffice, request: Request, seen: Manager, look: str = "") -> Response:
    """Show the page at once; with ?look=now also what was found, which may take seconds."""
    settings: Settings = request.app.state.settings
    found: list[Finding] | None = None
    if look == "now":
        found = sorted(examine(settings, database_file(settings)), key=lambda each: LEVELS.index(each.level))
    told = look_of(request, seen)
    return render(
        request, told, "health.html", seen=seen, found=found, settings=settings,
        sqlite=database_file(settings) is not None, now=office.now(),
        problems=sum(each.level != "ok" for each in found or []),
        aside=set_aside.listing(office, limit=ROWS), aside_count=set_aside.count(office),
        resting=set_aside.resting(office, ROWS),
        rests={word: told._(said) for word, said in RESTING.items()},
        kinds={word: told._(said) for word, said in HAPPENED.items()},
    )  # fmt: skip


@router.post("/settings/health/set-aside")
def again(
    office: InOffice, request: Request, seen: Manager, entry: Annotated[int, Form(ge=0)] = 0,
    do: Annotated[str, Form(max_length=10)] = "retry",
) -> Response:  # fmt: skip
    """Apply one entry again, or all (0), or leave one out for good."""
    look = look_of(request, seen)
    if do == "drop":
        set_aside.drop(office, entry)
        note(office, seen, "DELETE /set-aside/{entry}", str(entry))
        return go("/settings/health", look._("It is left out."))
    set_aside.retry(office, entry)
    note(office, seen, "POST /set-aside/retry", str(entry or ""))
    return go("/settings/health", look._("It is applied again; what fails again is listed again."))

"""What of the requests to the API goes into the audit: every change, and every look at one person."""

from __future__ import annotations

import json

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from kaskad.actions import audit
from kaskad.actions.office import Office
from kaskad.domain.errors import KaskadError
from kaskad.log import get_logger
from kaskad.web.auth import caller_of

PREFIX = "/api/v1"
PERSON = "contact"  # what routes call the path's part that names a person
_PERSONAL = (f"/{{{PERSON}}}", f"{PREFIX}/messages/{{run}}", f"{PREFIX}/exports/")

log = get_logger(__name__)


def is_noted(route: APIRoute, method: str) -> bool:
    """Return whether a request to that route is noted when it has succeeded."""
    return method not in ("GET", "HEAD") or any(part in route.path for part in _PERSONAL)


async def person(request: Request) -> str:
    """Return the id of the contact that the request names; "" for none."""
    who = request.path_params.get(PERSON)
    if who is None:
        return ""
    return await run_in_threadpool(audit.named, request.app.state.office, who)


async def note(request: Request, response: Response, route: APIRoute, contact: str) -> None:
    """Keep who has done what, after it was done."""
    office: Office = request.app.state.office
    caller = caller_of(request)
    about: str | None = getattr(request.state, "about", "")  # None: the route says that it changed nothing
    if caller is None or response.status_code >= 400 or about is None:
        return
    contact = contact or await person(request)  # it is new
    names = {name: contact if name == PERSON else value for name, value in request.path_params.items()}
    what = " ".join(str(value) for value in names.values()) or about or _made(response)
    action = f"{request.method} {route.path.removeprefix(PREFIX)}"
    try:
        await run_in_threadpool(audit.note, office, caller.name, action, what)
    except KaskadError as error:  # it was done all the same, so that is what is answered
        log.error("not in the audit", by=caller.name, action=action, what=what, why=str(error))


def _made(response: Response) -> str:
    """Return the id, or else the name, that the answer tells of what was made."""
    try:
        told = json.loads(bytes(response.body))
    except (ValueError, AttributeError):
        return ""
    found = told.get("id") or told.get("name") if isinstance(told, dict) else None
    return found if isinstance(found, str) else ""

"""Settings: the keys by which programs call the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from kaskad.actions import keys
from kaskad.actions.keys import ALL, SCOPES, NewKey
from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict, Invalid
from kaskad.web.auth import InOffice, Keys
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Manager = Annotated[Visitor, needs("keys:write")]
Text = Annotated[str, Form()]
LONGEST = 100


@router.get("/settings/keys")
def listing(office: InOffice, request: Request, seen: Manager) -> Response:
    """Show which keys open what."""
    return _page(office, request, seen)


@router.post("/settings/keys")
def create(
    office: InOffice, request: Request, seen: Manager, name: Text = "",
    scopes: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
) -> Response:  # fmt: skip
    """Make a key, and show it this once."""
    called = name.strip()
    try:
        if not called or len(called) > LONGEST or not called.isprintable():
            raise Invalid([look_of(request, seen)._("Give it a name of up to 100 characters.")], ["/name"])
        made = keys.create(office, called, scopes, seen.caller.scopes)
    except (Conflict, Invalid) as error:
        at_name = isinstance(error, Conflict) or "/name" in error.pointers
        problems = {"name" if at_name else "scopes": look_of(request, seen).refusal(error)}
        return _page(office, request, seen, given={"name": name}, chosen=scopes, problems=problems)
    note(office, seen, "POST /keys", called)
    return _page(office, request, seen, made=made)


@router.post("/settings/keys/{name}/revoke")
def revoke(office: InOffice, request: Request, seen: Manager, name: str) -> Response:
    """End a key at once."""
    keys.revoke(office, name)
    known: Keys = request.app.state.keys
    known.forget()
    note(office, seen, "DELETE /keys/{name}", name)
    told = look_of(request, seen)._("The key %(name)s opens nothing any more.", name=name)
    return go("/settings/keys", told)


def _page(
    office: Office, request: Request, seen: Visitor, *, given: Mapping[str, str] | None = None,
    chosen: list[str] | None = None, problems: Mapping[str, str] | None = None, made: NewKey | None = None,
) -> Response:  # fmt: skip
    look = look_of(request, seen)
    grantable = [(scope, look.told(words)) for scope, words in SCOPES.items() if seen.may(scope)]
    return render(
        request, look, "keys.html", 422 if problems else 200, seen=seen, keys=keys.listing(office),
        given=given or {}, chosen=chosen or [], problems=problems or {}, made=made, scopes=grantable,
        words={scope: look.told(words) for scope, words in SCOPES.items()}, all=ALL,
    )  # fmt: skip

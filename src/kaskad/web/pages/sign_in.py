"""Signing in by an API key or a link of one use, and out again; the stylesheet, which needs neither."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from starlette.responses import RedirectResponse

from kaskad.actions import sign_in
from kaskad.store import keys as key_store
from kaskad.web.auth import InOffice, Keys, Unknown
from kaskad.web.pages import session
from kaskad.web.pages.look import HEADERS, Look, render, stylesheet

router = APIRouter(include_in_schema=False, route_class=session.PageRoute)
LONGEST = 200


@router.get("/sign-in")
def ask(office: InOffice, request: Request, token: str = "", next: str = "/") -> Response:
    """Show the form; with a valid token of one use, sign in at once."""
    look = Look.of(request)
    if not token:
        return render(look, "sign_in.html", next=_local(next), problem="")
    if len(token) <= LONGEST and sign_in.redeem(office, token):
        response = RedirectResponse("/", 303, HEADERS)
        session.begin(response, office, 0, "link")
        return response
    return render(look, "sign_in.html", 403, next="/", problem=look.t("used_link"))


@router.post("/sign-in")
def enter(
    office: InOffice, request: Request, key: Annotated[str, Form()] = "", next: Annotated[str, Form()] = "/"
) -> Response:
    """Sign in by a key."""
    session.same_site(request)
    look, given = Look.of(request), key.strip()
    keys: Keys = request.app.state.keys
    try:
        caller = keys.caller(f"Bearer {given}")
    except Unknown:
        return render(look, "sign_in.html", 401, next=_local(next), problem=look.t("bad_key"))
    if not caller.may(session.READ):
        return render(look, "sign_in.html", 403, next=_local(next), problem=look.t("weak_key"))
    response = RedirectResponse(_local(next), 303, HEADERS)
    session.begin(response, office, _id_of(office, given), caller.name)
    return response


@router.post("/sign-out")
def leave(request: Request) -> Response:
    """Sign out."""
    session.same_site(request)
    response = RedirectResponse("/sign-in", 303, HEADERS)
    response.delete_cookie(session.COOKIE)
    return response


@router.get("/static/style.css")
def style() -> Response:
    """Return the stylesheet; its address changes with it."""
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(stylesheet(), 200, headers, "text/css; charset=utf-8")


def _id_of(office: InOffice, key: str) -> int:
    """Return the key's id, by which its end ends the session; 0 for the installation's own."""
    with office.read() as tx:
        kept = key_store.find(tx, key)
    return 0 if kept is None else kept.id


def _local(path: str) -> str:
    """Return a path of ours; whatever else was given becomes the overview."""
    ours = path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path
    return path if ours and len(path) <= LONGEST else "/"

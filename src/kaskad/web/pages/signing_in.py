"""Signing in by a password, a key or a link; the first owner; invitations; signing out."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Form, Request, Response
from msgspec import Struct

from kaskad.actions import sessions, sign_in, users
from kaskad.actions.office import Office
from kaskad.actions.sessions import TooOften
from kaskad.domain.errors import Conflict, Invalid, NotFound
from kaskad.domain.tokens import BadToken
from kaskad.engine.clock import wall_ms
from kaskad.store import keys as key_store
from kaskad.store.users import User
from kaskad.web.auth import SESSION_COOKIE, InOffice, Keys, Unknown
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, SignedIn, begin, unguarded, who
from kaskad.web.pages.shell import NAVIGATION, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
public = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[unguarded()])
LONGEST = 400
CODE_LIFE_MS = 5 * 60_000
Text = Annotated[str, Form()]


class Half(Struct, frozen=True):
    """Who has given the right password and is asked for a code; signed, in a hidden field."""

    user_id: int
    until: int


@public.get("/sign-in")
def ask(office: InOffice, request: Request, token: str = "", next: str = "") -> Response:
    """Show the form; with a valid token of one use, sign in at once."""
    look = Look.of(request)
    if not token:
        return _form(office, request, look, next=next)
    if len(token) <= LONGEST and sign_in.redeem(office, token):
        response = go(local(next) if next else "/" if users.anybody(office) else "/welcome")
        begin(response, office, request, name="link")
        return response
    told = look._("This link has been used or has expired. Sign in by password, or take a new link.")
    return _form(office, request, look, 403, problem=told)


@public.post("/sign-in")
def enter(
    office: InOffice,
    request: Request,
    email: Text = "",
    password: Text = "",
    key: Text = "",
    next: Text = "/",
) -> Response:
    """Sign in by a password, or by a key."""
    look = Look.of(request)
    if key:
        return _by_key(office, request, look, key.strip(), next)
    try:
        found = sessions.sign_in(office, email, password, who(request))
    except TooOften as error:
        return _form(office, request, look, 429, next=next, email=email, problem=_too_often(look, error))
    if found is None:
        told = look._("This email and password do not belong together.")
        return _form(office, request, look, 401, next=next, email=email, problem=told)
    user_id, asks_code = found
    if asks_code:
        half = office.signer.session(msgspec.json.encode(Half(user_id, wall_ms() + CODE_LIFE_MS)))
        return render(request, look, "code.html", next=local(next), half=half, problem="")
    return _let_in(office, request, user_id, next)


@public.post("/sign-in/code")
def enter_code(
    office: InOffice, request: Request, half: Text = "", code: Text = "", next: Text = "/"
) -> Response:
    """Sign in by the second factor, after the password."""
    look = Look.of(request)
    try:
        told = msgspec.json.decode(office.signer.read_session(half), type=Half)
        if told.until < wall_ms():
            raise BadToken
        if sessions.second_factor(office, told.user_id, code, who(request)):
            return _let_in(office, request, told.user_id, next)
        problem, status = look._("This code is not right, or has been used."), 401
    except TooOften as error:
        problem, status = _too_often(look, error), 429
    except (BadToken, NotFound, msgspec.MsgspecError):
        return _form(office, request, look, 401, next=next, problem=look._("That took too long: begin anew."))
    return render(request, look, "code.html", status, next=local(next), half=half, problem=problem)


@public.get("/invitation")
def look_at_invitation(office: InOffice, request: Request, token: str = "") -> Response:
    """Show whom the link invites, and ask for a password."""
    return _invitation(request, Look.of(request), users.invited(office, token[:LONGEST]), token)


@public.post("/invitation")
def accept(
    office: InOffice, request: Request, token: Text = "", name: Text = "", password: Text = ""
) -> Response:
    """Keep the password and sign in."""
    look = Look.of(request)
    try:
        user = users.accept(office, token[:LONGEST], password, name)
    except Invalid as error:
        invited = users.invited(office, token[:LONGEST])
        return _invitation(request, look, invited, token, look.refusal(error))
    except NotFound:
        return _invitation(request, look, None, token)
    return _let_in(office, request, user.id, "/")


@router.get("/welcome")
def welcome(office: InOffice, request: Request, seen: SignedIn) -> Response:
    """Ask who the first owner is, where there is none yet."""
    if users.anybody(office):
        return go("/")
    return render(request, Look.of(request), "welcome.html", seen=seen, given={}, problems={})


@router.post("/welcome")
def found(
    office: InOffice, request: Request, seen: SignedIn, email: Text = "", name: Text = "", password: Text = ""
) -> Response:
    """Make the first owner and sign them in; who came by the command line's link may, and nobody else."""
    look = Look.of(request)
    if seen.session.key_id is not None or seen.session.user_id is not None:
        raise Conflict(look._("The first owner is made by the link that `kaskad serve` prints."))
    try:
        user = users.found(office, email, name, password)
    except Invalid as error:
        problems = look.refusals(error)
        given = {"email": email, "name": name}
        return render(request, look, "welcome.html", 422, seen=seen, given=given, problems=problems)
    sessions.end(office, seen.session.id)
    return _let_in(office, request, user.id, "/start")


@router.post("/sign-out")
def leave(office: InOffice, seen: SignedIn) -> Response:
    """Sign out: the session ends, here and on the server."""
    sessions.end(office, seen.session.id)
    response = go("/sign-in")
    response.delete_cookie(SESSION_COOKIE)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


def _by_key(office: Office, request: Request, look: Look, key: str, next: str) -> Response:
    keys: Keys = request.app.state.keys
    try:
        caller = keys.caller(f"Bearer {key}")
    except Unknown:
        told = look._("This key opens nothing here. Check that it was copied whole and not revoked.")
        return _form(office, request, look, 401, next=next, problem=told, by_key=True)
    if not any(caller.may(place.scope) for place in NAVIGATION):
        told = look._("This key opens no page: it is for programs.")
        return _form(office, request, look, 403, next=next, problem=told, by_key=True)
    with office.read() as tx:
        kept = key_store.find(tx, key)  # None: the installation's own, which ends with the process
    response = go(local(next))
    begin(response, office, request, name=caller.name, key_id=None if kept is None else kept.id)
    return response


def _let_in(office: Office, request: Request, user_id: int, next: str) -> Response:
    response = go(local(next))
    begin(response, office, request, name="", user_id=user_id)
    return response


def _form(
    office: Office, request: Request, look: Look, code: int = 200, *, next: str = "/", email: str = "",
    problem: str = "", by_key: bool = False,
) -> Response:  # fmt: skip
    by_key = by_key or not users.anybody(office)
    return render(
        request, look, "sign_in.html", code, next=local(next), email=email, problem=problem, by_key=by_key
    )


def _invitation(request: Request, look: Look, user: User | None, token: str, problem: str = "") -> Response:
    status = 404 if user is None else 422 if problem else 200
    return render(request, look, "invitation.html", status, user=user, token=token, problem=problem)


def _too_often(look: Look, error: TooOften) -> str:
    minutes = max(1, round(error.wait_s / 60))
    told = look.words.ngettext(
        "Too many wrong attempts. Wait %(n)s minute, then try again.",
        "Too many wrong attempts. Wait %(n)s minutes, then try again.",
        minutes,
    )
    return told % {"n": minutes}


def local(path: str) -> str:
    """Return a path of ours; whatever else was given becomes the overview."""
    ours = path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path
    return path if ours and len(path) <= LONGEST else "/"

"""One's own account: name, password, the code from a phone, where one is signed in; language and colours."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Annotated

import segno
from fastapi import APIRouter, Form, Request, Response
from markupsafe import Markup
from msgspec import Struct

from kaskad.actions import sessions, users
from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict, Invalid, StoreError
from kaskad.domain.worded import worded
from kaskad.store.sessions import Place
from kaskad.store.users import User
from kaskad.web.auth import InOffice
from kaskad.web.pages.i18n import LANGUAGES
from kaskad.web.pages.look import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, YEAR_S
from kaskad.web.pages.session import PageRoute, SignedIn, look_of
from kaskad.web.pages.shell import Visitor, go, render
from kaskad.web.pages.signing_in import local

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Text = Annotated[str, Form()]
_BROWSERS = (("Edg/", "Edge"), ("YaBrowser", "Yandex"), ("OPR/", "Opera"), ("Firefox/", "Firefox"),
             ("Chrome/", "Chrome"), ("Safari/", "Safari"))  # fmt: skip
_SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"),
            ("Mac OS", "macOS"), ("Linux", "Linux"))  # fmt: skip


class Shown(Struct, frozen=True):
    """A session in the list."""

    place: Place
    browser: str
    here: bool


class Totp(Struct, frozen=True):
    """A secret that is offered; `kept` is the same, encrypted, for the form to bring back."""

    secret: str
    kept: str


@router.get("/account")
def account(office: InOffice, request: Request, seen: SignedIn, code: str = "") -> Response:
    """Show one's account; with ?code=new offer a secret for an app of codes."""
    return _page(office, request, seen, offer=code == "new")


@router.post("/account/name")
def rename(office: InOffice, request: Request, seen: SignedIn, name: Text = "") -> Response:
    """Change how one is called."""
    users.set_name(office, _own(seen), name)
    return go("/account", look_of(request, seen)._("Saved."))


@router.post("/account/password")
def password(office: InOffice, request: Request, seen: SignedIn, old: Text = "", new: Text = "") -> Response:
    """Change the password; other sessions end."""
    try:
        users.change_password(office, _own(seen), old, new, seen.session.id)
    except Invalid as error:
        return _page(office, request, seen, problems=look_of(request, seen).refusals(error))
    return go(
        "/account", look_of(request, seen)._("The password is changed; your other sessions have ended.")
    )


@router.post("/account/code")
def switch_on(
    office: InOffice, request: Request, seen: SignedIn, kept: Text = "", code: Text = ""
) -> Response:
    """Ask for codes from now on, and show the recovery codes this once."""
    try:
        secret = office.vault.decrypt(kept.encode(), str)
        codes = users.set_totp(office, _own(seen), secret, code)
    except StoreError:
        return go("/account")
    except Invalid as error:
        return _page(
            office, request, seen, problems=look_of(request, seen).refusals(error), totp=Totp(secret, kept)
        )
    return _page(office, request, seen, codes=codes)


@router.post("/account/code/end")
def switch_off(office: InOffice, request: Request, seen: SignedIn, password: Text = "") -> Response:
    """Ask for no codes any more."""
    try:
        users.end_totp(office, _own(seen), password)
    except Invalid as error:
        return _page(office, request, seen, problems={"end": look_of(request, seen).refusal(error)})
    return go("/account", look_of(request, seen)._("No code is asked for any more."))


@router.post("/account/sessions/{session_id}/end")
def end_session(office: InOffice, request: Request, seen: SignedIn, session_id: int) -> Response:
    """Sign another of one's browsers out."""
    sessions.end_one(office, _own(seen), session_id)
    return go("/account#sessions", look_of(request, seen)._("That browser is signed out."))


@router.post("/preferences")
def prefer(
    office: InOffice, seen: SignedIn, next: Text = "/", language: Text = "", theme: Text = ""
) -> Response:
    """Keep language or colours: in the account, and for this browser."""
    response = go(local(next))
    shade = theme if theme in THEMES else ""
    if language in LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, language, YEAR_S, samesite="lax", httponly=True)
    if theme:
        response.set_cookie(THEME_COOKIE, shade, YEAR_S, samesite="lax", httponly=True)
    if seen.session.user_id is not None:
        spoken = language if language in LANGUAGES else seen.session.language
        users.set_manner(office, seen.session.user_id, spoken, shade if theme else seen.session.theme)
    return response


def _own(seen: Visitor) -> int:
    """Return the reader's id as a user; raises Conflict for one who has come by a key or a link."""
    if seen.session.user_id is None:
        raise Conflict(worded("You are signed in with a key or a link: there is no account to change."))
    return seen.session.user_id


def _page(
    office: Office, request: Request, seen: Visitor, *, problems: Mapping[str, str] | None = None,
    totp: Totp | None = None, codes: tuple[str, ...] = (), offer: bool = False,
) -> Response:  # fmt: skip
    user, shown = None, list[Shown]()
    if seen.session.user_id is not None:
        user = users.by_id(office, seen.session.user_id)
        shown = [
            Shown(each, browser_of(each.agent), each.id == seen.session.id)
            for each in sessions.listing(office, user.id)
        ]
    if user is not None and offer and not user.has_totp:
        secret = users.begin_totp()
        totp = Totp(secret, office.vault.encrypt(secret).decode())
    look = look_of(request, seen)
    return render(
        request, look, "account.html", 422 if problems else 200, seen=seen, user=user, places_of=shown,
        anybody=users.anybody(office), codes=codes, totp=totp, qr=_qr(user, totp),
        problems=problems or {},
    )  # fmt: skip


def _qr(user: User | None, totp: Totp | None) -> Markup:
    """Return the address for an app of codes as a picture."""
    if user is None or totp is None:
        return Markup("")
    out = io.BytesIO()
    made = segno.make(users.totp_address(totp.secret, user.email), micro=False, error="m")
    made.save(out, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=3, light="#fff", dark="#000")
    return Markup(re.sub(r"\s(class|style)=\"[^\"]*\"", "", out.getvalue().decode()))


def browser_of(agent: str) -> str:
    """Return the browser and its system as people call them; what is strange as it calls itself."""
    browser = next((name for sign, name in _BROWSERS if sign in agent), "")
    system = next((name for sign, name in _SYSTEMS if sign in agent), "")
    return " · ".join(part for part in (browser, system) if part) or agent[:60] or "?"

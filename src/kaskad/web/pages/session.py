"""Who looks at pages: a signed cookie that an API key or a link from the command line was given for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import msgspec
from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from msgspec import Struct
from starlette.responses import RedirectResponse, Response

from kaskad.actions.keys import ALL
from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict, KaskadError, NotFound
from kaskad.domain.tokens import BadToken
from kaskad.engine.clock import wall_ms
from kaskad.store import keys as key_store
from kaskad.web.auth import Caller, Forbidden, Unknown, office_of
from kaskad.web.pages.look import Look, render

COOKIE = "kaskad_session"
LIFE_S = 12 * 3_600
READ = "cascades:read"


class Session(Struct, frozen=True):
    """What the cookie tells: which API key was given (0: the installation's own, or a link)."""

    key_id: int
    name: str
    until: int


def begin(response: Response, office: Office, key_id: int, name: str) -> None:
    """Let the browser that gets this response be signed in for half a day."""
    told = msgspec.json.encode(Session(key_id, name, wall_ms() + LIFE_S * 1000))
    secure = office.base_url.startswith("https:")
    token = office.signer.session(told)
    response.set_cookie(COOKIE, token, LIFE_S, httponly=True, samesite="lax", secure=secure)


def visitor(office: Office, request: Request) -> Caller | None:
    """Return who is signed in, or None; a session ends with its key."""
    try:
        told = office.signer.read_session(request.cookies.get(COOKIE, ""))
        session = msgspec.json.decode(told, type=Session)
    except (BadToken, msgspec.MsgspecError):
        return None
    if session.until <= wall_ms():
        return None
    if not session.key_id:
        return Caller(session.name, frozenset({ALL}))
    with office.read() as tx:
        key = key_store.by_id(tx, session.key_id)
    return None if key is None else Caller(key.name, key.scopes)


def _signed_in(request: Request) -> Caller:
    caller = visitor(office_of(request), request)
    if caller is None:
        raise Unknown("Sign in first.")
    if not caller.may(READ):
        raise Forbidden(f"This key does not open pages: it needs the scope {READ}.")
    return caller


SignedIn = Annotated[Caller, Depends(_signed_in)]


def same_site(request: Request) -> None:
    """Refuse a form that another site's page has sent; raises Forbidden."""
    where = request.headers.get("sec-fetch-site", "")
    origin = request.headers.get("origin", "")
    strange = bool(origin) and urlsplit(origin).netloc != request.headers.get("host", "")
    if where not in ("", "same-origin", "none") or strange:
        raise Forbidden(Look.of(request).t("elsewhere"))


class PageRoute(APIRoute):
    """A route whose failures are pages too; who is not signed in is sent to do so."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with failures worded for people."""
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            look = Look.of(request)
            try:
                return await inner(request)
            except Unknown:
                path = request.url.path if request.method == "GET" else "/"
                return RedirectResponse(f"/sign-in?next={quote(path, safe='/')}", 303)
            except RequestValidationError:
                return render(look, "failure.html", 404, title=look.t("not_found"), detail="")
            except KaskadError as error:
                kinds = {NotFound: 404, Conflict: 409, Forbidden: 403}
                status = next((code for kind, code in kinds.items() if isinstance(error, kind)), 503)
                title = look.t("not_found" if status == 404 else "trouble")
                return render(look, "failure.html", status, title=title, detail=str(error))

        return handler

"""Who looks at a page and what they may do: one place that lets in, checks forms, and words failures."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response

from kaskad.actions import audit, sessions
from kaskad.actions.office import Office
from kaskad.actions.sessions import Who
from kaskad.domain.errors import Conflict, Invalid, KaskadError, NotFound
from kaskad.domain.worded import worded, wording
from kaskad.web.auth import SESSION_COOKIE, Forbidden, Unknown, caller_in, csrf_of, office_of
from kaskad.web.pages.look import Look
from kaskad.web.pages.shell import HEADERS, Visitor, render
from kaskad.web.problems import RETRY_AFTER, on_defect, on_http_error
from kaskad.web.slashes import read_names
from kaskad.web.soon import RETRY_S, BeingCounted, Busy

SIGNED_IN = "signed in"  # a need that every session meets
OPEN = "open"  # a route that nobody signs in for
FORM_TOKEN = "csrf"
TOKEN_HEADER = "x-csrf-token"
COUNTING_HEADER = "x-counting"  # by which what waits looks whether it may go on: a PAGE, or a part by its id
PAGE = "page"
_UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class StrangeForm(Forbidden):
    """A form is not of a page that is open now: no right is missing."""


def begin(
    response: Response, office: Office, request: Request, *, name: str, user_id: int | None = None,
    key_id: int | None = None,
) -> None:  # fmt: skip
    """Let the browser that gets this response be signed in."""
    token = sessions.begin(office, who(request), user_id=user_id, key_id=key_id, name=name)
    secure = office.base_url.startswith("https:")
    life_s = sessions.LIFE_MS // 1000
    response.set_cookie(SESSION_COOKIE, token, life_s, httponly=True, samesite="lax", secure=secure)


def who(request: Request) -> Who:
    """Return which browser this is."""
    address = request.client.host if request.client else ""
    return Who(address, request.headers.get("user-agent", ""))


def visitor(request: Request) -> Visitor | None:
    """Return who is signed in, or None."""
    token = request.cookies.get(SESSION_COOKIE, "")
    office = office_of(request)
    session = sessions.find(office, token)
    caller = None if session is None else caller_in(office, session)
    if session is None or caller is None:
        return None
    return Visitor(caller, session, csrf_of(token))


def needs(scope: str) -> Any:
    """Return the dependency of a page that only holders of `scope` may see: the reader as a `Visitor`.

    A form that is posted must hold the page's token. Raises Unknown, Forbidden.
    """

    async def check(request: Request) -> Visitor:
        found = await run_in_threadpool(visitor, request)
        if found is None:
            raise Unknown("Sign in first.")
        request.state.visitor = found
        if request.method in _UNSAFE:
            await _same_page(request, found.csrf)
        if scope != SIGNED_IN and not found.caller.may(scope):
            raise Forbidden(
                worded("Your role does not open this: it needs the right %(scope)s.", scope=scope)
            )
        return found

    check.need = scope  # type: ignore[attr-defined]
    return Depends(check)


def unguarded() -> Any:
    """Return the dependency of a page that is there before one signs in; a form comes from this site only."""

    def check(request: Request) -> None:
        if request.method in _UNSAFE:
            same_site(request)

    check.need = OPEN  # type: ignore[attr-defined]
    return Depends(check)


def need_of(route: APIRoute) -> str | None:
    """Return which right a page's route asks for; None where it forgot to."""
    found = [getattr(each.call, "need", None) for each in route.dependant.dependencies]
    return next((need for need in found if need is not None), None)


SignedIn = Annotated[Visitor, needs(SIGNED_IN)]


def same_site(request: Request) -> None:
    """Refuse a form that another site's page has sent; raises StrangeForm."""
    where = request.headers.get("sec-fetch-site", "")
    origin = request.headers.get("origin", "")
    strange = bool(origin) and urlsplit(origin).netloc != request.headers.get("host", "")
    if where not in ("", "same-origin", "none") or strange:
        raise StrangeForm(
            Look.of(request)._("The form was sent from another site. Open this page anew and try again.")
        )


async def _same_page(request: Request, token: str) -> None:
    same_site(request)
    given = request.headers.get(TOKEN_HEADER, "")
    if not given and "form" in request.headers.get("content-type", ""):
        given = str((await request.form()).get(FORM_TOKEN, ""))
    if not hmac.compare_digest(given.encode(), token.encode()):
        raise StrangeForm(Look.of(request)._("This page has become too old. Open it anew and try again."))


def note(office: Office, seen: Visitor, action: str, what: str) -> None:
    """Keep in the audit who has done what."""
    audit.note(office, seen.caller.name, action, what)


class PageRoute(APIRoute):
    """A route whose failures are pages too; who is not signed in is sent to do so."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with failures worded for people."""
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            read_names(request.scope)
            try:
                response = await _answered(inner, request)
            except BeingCounted as error:
                return await run_in_threadpool(counting, request, error)
            except Unknown:
                return _to_sign_in(request)
            except (RequestValidationError, KaskadError) as error:
                if _waits_whole(request):
                    return _whole_page()
                seen = await run_in_threadpool(_seen, request)
                return failure(request, error, seen)
            except (HTTPException, ClientDisconnect):
                raise
            except Exception as error:
                on_defect(request, error)
                if _waits_whole(request):
                    return _whole_page()
                return failure(request, error, getattr(request.state, "visitor", None))
            if not _waits_whole(request):
                return response
            if response.headers.get("content-disposition", "").startswith("attachment"):
                return await run_in_threadpool(_file_there, request)
            return _whole_page()

        return handler


async def _answered(inner: Callable[[Request], Coroutine[Any, Any, Response]], request: Request) -> Response:
    """Answer; what waits for its figures already is held for a moment, and answered once they are there."""
    try:
        return await inner(request)
    except BeingCounted as error:
        if request.method != "GET" or COUNTING_HEADER not in request.headers:
            raise
        if not await run_in_threadpool(error.comes):
            raise
    return await inner(request)


def _waits_whole(request: Request) -> bool:
    return request.headers.get(COUNTING_HEADER) == PAGE


def _whole_page() -> Response:
    """Let the page that waits be loaded anew: its figures are there, or what went wrong with them."""
    return Response(status_code=204, headers={**HEADERS, "HX-Refresh": "true"})


def _file_there(request: Request) -> Response:
    """Let the page that waits for a file offer it: loaded anew it would stay as it is, and ask again."""
    seen = _seen(request)
    response = render(request, look_of(request, seen), "part_file.html", seen=seen, address=_address(request))
    response.headers["HX-Reswap"] = "outerHTML"
    return response


def counting(request: Request, error: BeingCounted) -> Response:
    """Return the page that waits for what is being counted; a part of a page stays as it is."""
    headers = {"Retry-After": str(RETRY_S)}
    if request.headers.get("hx-request"):
        return Response(status_code=204, headers={**HEADERS, **headers})
    seen = _seen(request)
    look = look_of(request, seen)
    response = render(
        request, look, "counting.html", 202, seen=seen, for_s=int(error.for_s), asks={COUNTING_HEADER: PAGE},
        address=_address(request),
    )  # fmt: skip
    response.headers.update(headers)
    return response


def failure(request: Request, error: Exception, seen: Visitor | None) -> Response:
    """Return the page, or for a part of one the toast, that says what is wrong; a part that waits for its
    figures tells it in their place, and asks no more."""
    look = look_of(request, seen)
    kinds = {NotFound: 404, Conflict: 409, Forbidden: 403, Invalid: 422, RequestValidationError: 404}
    others = 503 if isinstance(error, KaskadError) else 500
    status = next((code for kind, code in kinds.items() if isinstance(error, kind)), others)
    closed = status == 403 and not isinstance(error, StrangeForm)
    title = look._("Not found") if status == 404 else look._("That did not work")
    title = look._("Not open to you") if closed else title
    detail = _detail(look, error) if isinstance(error, KaskadError) else ""
    if closed:
        detail += " " + look._("An owner gives roles, under Settings and People.")
    if status == 500:
        detail = look._("A defect in Kaskad. The server's log has it: report what it shows.")
    part = request.headers.get(COUNTING_HEADER, "")
    template = "failure.html"
    if request.headers.get("hx-request"):
        template = "part_awaited.html" if part else "part_failure.html"
    response = render(
        request, look, template, status, seen=seen, title=title, detail=detail, part=part,
        address=_address(request),
    )  # fmt: skip
    if isinstance(error, Busy):
        response.headers.update(RETRY_AFTER)
    if template == "part_failure.html":
        response.headers["HX-Retarget"] = "#toasts"
        response.headers["HX-Reswap"] = "beforeend"
    return response


def lost(request: Request, error: Exception) -> Response:
    """Answer for an address that leads nowhere: with a page, where a person's browser has asked for one."""
    asked = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if not asked or request.url.path.startswith(("/api/", "/static/")):
        return on_http_error(request, error)
    seen = _seen(request)
    look = look_of(request, seen)
    detail = look._("There is no such page. Perhaps the address was cut, or what it showed was removed.")
    return render(request, look, "failure.html", 404, seen=seen, title=look._("Not found"), detail=detail)


def _detail(look: Look, error: Exception) -> str:
    problems = error.worded if isinstance(error, Invalid) else (wording(error),)
    return "\n".join(look.told(problem) for problem in problems)


def look_of(request: Request, seen: Visitor | None) -> Look:
    """Return how the reader wants pages."""
    if seen is None:
        return Look.of(request)
    return Look.of(request, seen.session.language, seen.session.theme)


def _seen(request: Request) -> Visitor | None:
    found: Visitor | None = getattr(request.state, "visitor", None)
    return found or visitor(request)


def _address(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _to_sign_in(request: Request) -> Response:
    """Send the reader to sign in and back; a part of a page has the whole page sent."""
    path = _address(request)
    here = path if request.method == "GET" and not request.headers.get("hx-request") else "/"
    where = f"/sign-in?next={quote(here, safe='/')}"
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={**HEADERS, "HX-Redirect": "/sign-in"})
    return RedirectResponse(where, 303, HEADERS)

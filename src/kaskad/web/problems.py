"""Failures as `application/problem+json` (RFC 9457), worded once for every route."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi.exceptions import RequestValidationError
from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Scope

from kaskad.domain.errors import BadSignature, Conflict, Invalid, KaskadError, NotFound, StoreError, Uncertain
from kaskad.domain.worded import wording
from kaskad.log import get_logger
from kaskad.web.api.fields import COUNTRY, NAMED, PLAIN
from kaskad.web.auth import TOKEN_HEADER, Forbidden, Unknown
from kaskad.web.pages.look import Look
from kaskad.web.soon import RETRY_S, BeingCounted, Busy

log = get_logger(__name__)

RETRY_AFTER = {"Retry-After": "5"}
WHO = {"WWW-Authenticate": "Bearer"}


_PATTERNS = {  # in words, since a regular expression tells few people what to change
    NAMED: "A name has no / and no control character in it, and no space at its ends",
    PLAIN: "It holds the character U+0000, which cannot be stored",
    COUNTRY: "Write the two letters of a country, such as KZ",
    "^[A-Z]{2}$": "Write the two letters of a country, such as KZ",
    "^([A-Z]{2})?$": "Write the two letters of a country, such as KZ",
    "^[A-Za-z]{3}$": "Write the three letters of a currency, such as KZT",
    "^([A-Za-z]{3})?$": "Write the three letters of a currency, such as KZT",
    "^([A-Z]{3})?$": "Write the three letters of a currency, such as KZT",
    "^[a-z0-9][a-z0-9_-]{0,63}$": "Write small Latin letters, digits, - and _, at most 64",
    "^[0-9a-f]{20}$": "This is no id of a text: they have twenty digits and letters from a to f",
    r"^(|draft|current|[1-9][0-9]{0,8})$": "Write the number of a version, current or draft",
}
_INSTANTS = frozenset({"datetime_parsing", "datetime_from_date_parsing", "datetime_type", "timezone_aware"})
_DAYS = frozenset({"date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact", "date_type"})
INSTANT = "Write an instant with its zone, such as 2026-11-26T00:00:00Z"
DAY = "Write a day such as 2026-11-26"
EITHER = "Write a day such as 2026-11-26, or an instant with its zone such as 2026-11-26T00:00:00Z"


class Problem(Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong, and where: a JSON pointer (RFC 6901) into what was sent."""

    detail: str
    pointer: str = ""


class Body(Struct, frozen=True, omit_defaults=True):
    title: str
    status: int
    detail: str = ""
    problems: tuple[Problem, ...] = ()


def problem(
    status: int,
    detail: str = "",
    problems: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return an answer that says what is wrong."""
    body = Body(HTTPStatus(status).phrase, status, detail, tuple(problems))
    return Response(msgspec.json.encode(body), status, headers, "application/problem+json")


def on_http_error(_: Request, error: Exception) -> Response:
    """Answer for an unknown path, a wrong method and the like."""
    assert isinstance(error, HTTPException)
    detail = "" if error.detail == HTTPStatus(error.status_code).phrase else error.detail
    return problem(error.status_code, detail, headers=error.headers)


def on_kaskad_error(request: Request, error: Exception) -> Response:
    """Answer for a failure that a person can understand; a page's script in the reader's language."""
    say = _said_to(request)
    match error:
        case BeingCounted():
            return being_counted(error)
        case Busy():
            return problem(503, say(wording(error)), headers=RETRY_AFTER)
        case Invalid():
            pairs = zip(error.worded, error.pointers, strict=True)
            return problem(422, problems=[Problem(say(text), pointer) for text, pointer in pairs])
        case NotFound():
            return problem(404, say(wording(error)))
        case Conflict():
            return problem(409, say(wording(error)))
        case BadSignature():
            return problem(401, str(error))
        case Unknown():
            return problem(401, str(error), headers=WHO)
        case Forbidden():
            return problem(403, str(error))
        case StoreError() if request.method in ("GET", "HEAD"):
            log.error("not read", error=type(error).__name__, detail=str(error))
            return problem(503, "The database cannot be asked now; try again.", headers=RETRY_AFTER)
        case Uncertain():
            log.error("perhaps not stored", detail=str(error))
            return problem(503, "Whether it was stored is unknown; look before you send it again.")
        case StoreError():
            log.error("not stored", error=type(error).__name__, detail=str(error))
            return problem(503, "Nothing was stored; send it again.", headers=RETRY_AFTER)
    return problem(400, str(error))


def being_counted(error: BeingCounted) -> Response:
    """Answer that figures are not there yet: the same request, made again, gets them."""
    body = {"state": "counting", "seconds": int(error.for_s), "detail": str(error)}
    return Response(msgspec.json.encode(body), 202, {"Retry-After": str(RETRY_S)}, "application/json")


def _said_to(request: Request) -> Callable[[str], str]:
    """Return how a text is told: to a page of ours in its reader's language, to programs in English."""
    return Look.of(request).told if TOKEN_HEADER in request.headers else str


def on_wrong_shape(_: Request, error: Exception) -> Response:
    """Answer for a body or parameters of the wrong shape, with every problem."""
    assert isinstance(error, RequestValidationError)
    told = (
        _shape_problem(found) for found in error.errors()
    )  # where either fits, each says that it does not
    return problem(422, problems=list(dict.fromkeys(told)))


def _shape_problem(found: Mapping[str, Any]) -> Problem:
    where = [str(part) for part in found["loc"]]
    if found["type"] == "json_invalid":
        return Problem(f"The body is not JSON that can be read: {found.get('ctx', {}).get('error', '')}")
    said = _PATTERNS.get(found.get("ctx", {}).get("pattern", ""), found["msg"])
    if found["type"] in _INSTANTS | _DAYS:
        said = INSTANT if found["type"] in _INSTANTS else DAY
        if where[-1] in ("datetime", "date", "function-after[check_tz()"):
            said = EITHER
            where.pop()
    elif found["type"] in ("literal_error", "enum"):
        said = f"It is one of {found['ctx']['expected']}"
    elif found["type"] == "extra_forbidden":
        said = "Nothing is called so here"
    source, *rest = where
    if source == "body":
        return Problem(f"{said}.", "".join(f"/{escape(part)}" for part in rest))
    return Problem(f"{source} parameter {'.'.join(rest)}: {said}.")


def escape(name: str) -> str:
    """Return a member's name as a JSON pointer writes it."""
    return name.replace("~", "~0").replace("/", "~1")


def on_disconnect(_: Request, __: Exception) -> Response:
    """Answer to nobody: the caller has gone before it said everything."""
    return Response(status_code=400)


def on_defect(request: Request, error: Exception) -> Response:
    """Answer for a defect of ours; what it was stands in the log only."""
    log.error("defect", path=request.url.path.split("/")[1], exc_info=error)
    return problem(500, "A defect in kaskad; its log says more.")


HANDLERS = {
    RequestValidationError: on_wrong_shape,
    HTTPException: on_http_error,
    KaskadError: on_kaskad_error,
    ClientDisconnect: on_disconnect,
    Exception: on_defect,
}


def answer(scope: Scope, error: Exception) -> Response:
    """Return the answer for a failure outside of Starlette's own handling."""
    for kind, handler in HANDLERS.items():
        if isinstance(error, kind):
            return handler(Request(scope), error)
    raise error

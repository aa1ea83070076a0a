"""`/site/…`: the script for a shop's pages, and what those pages tell under their public key.

Everybody can read a public key, so it opens little: a page says that a click has arrived, by the click's
own token; and what a visitor does, who is named by an id that the shop's server has signed. The names of the
events that a site may send are listed with it. What is worth money is told by the shop's server.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from importlib.resources import files
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from kaskad.domain.errors import StoreError
from kaskad.domain.event import ContactRef, EventIn
from kaskad.domain.site import Site, is_identity
from kaskad.domain.tokens import BEACON, FORM, BadToken, Signer
from kaskad.engine.ingest import Visitor
from kaskad.log import get_logger
from kaskad.web.body import read_body
from kaskad.web.intake import Durable, Intake

log = get_logger(__name__)

LIMIT = 64_000  # bytes; browsers let no more go at the end of a page
AT_ONCE = 50
PROPERTIES = 4_000  # bytes of one event's
AGENT_LIMIT = 500
OLDEST_MS = 86_400_000  # what an offline page tells later than this counts from when it is told
REMEMBERED = 20_000  # addresses whose requests are counted
_FILE = re.compile(r"[0-9]+\.js").fullmatch
_LINE = re.compile(r"\n\s*(?://[^\n]*)?")  # what a browser needs not: indentation and comments
SCRIPT = {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "public, max-age=31536000, immutable",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}
ASKED = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "Content-Type",
    "Access-Control-Max-Age": "86400",
}

Text = Annotated[str, Meta(min_length=1, max_length=200)]
Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,64}$")]


class _Who(Struct, forbid_unknown_fields=True):
    id: Text
    signature: Annotated[str, Meta(max_length=200)]


class _Event(Struct, forbid_unknown_fields=True):
    id: Id
    kind: Literal["page", "form", "identify", "track"]
    at: int = 0
    name: Annotated[str, Meta(max_length=200)] = ""
    properties: dict[str, Any] = {}


class _Told(Struct, forbid_unknown_fields=True):
    """What a page posts. `sent` and `at` are by the visitor's clock: only their difference is believed."""

    events: Annotated[list[msgspec.Raw], Meta(max_length=AT_ONCE)]  # one that is wrong is refused alone
    sent: int = 0
    click: Annotated[str, Meta(max_length=200)] = ""
    who: _Who | None = None
    zone: Annotated[str, Meta(max_length=64)] = ""
    language: Annotated[str, Meta(max_length=35)] = ""


_decode = msgspec.json.Decoder(_Told).decode
_event = msgspec.json.Decoder(_Event).decode


class SitePages:
    """`/site/{version}.js`, and `/site/{key}/events`."""

    def __init__(self, intake: Intake, durable: Durable, signer: Signer, clock: Callable[[], int]) -> None:
        self._intake, self._durable, self._signer, self._clock = intake, durable, signer, clock
        self._asked: OrderedDict[tuple[int, str], tuple[int, int]] = OrderedDict()

    async def script(self, request: Request) -> Response:
        """Return one version of the script, which never changes."""
        name = request.path_params["file"]
        source = script_source(name) if _FILE(name) else None
        if source is None:
            return Response(status_code=404)
        return Response(source, 200, SCRIPT, "text/javascript")

    async def allowed(self, request: Request) -> Response:
        """Tell a browser whether its page may post here."""
        site = self._intake.site(request.path_params["key"])
        origin = request.headers.get("origin", "")
        if site is None or not site.allows(origin):
            return Response(status_code=403)
        return Response(status_code=204, headers={**_open(origin), **ASKED})

    async def receive(self, request: Request) -> Response:
        """Keep what a page tells; 202 says how much of it counts."""
        site = self._intake.site(request.path_params["key"])
        origin = request.headers.get("origin", "")
        if site is None:
            return _answer(404, "There is no site with this key.", "*")
        if not site.allows(origin):
            return _answer(403, "This key may not be used on this page: add its origin to the site.", "*")
        ip = request.client.host if request.client else ""
        now = self._clock()
        if not self._may_ask(site, ip, now):
            return _answer(429, "Too many requests from this address.", origin, {"Retry-After": "60"})
        body = await read_body(request.scope, request.receive, LIMIT)
        try:
            told = _decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            return _answer(422, str(error), origin)
        agent = request.headers.get("user-agent", "")[:AGENT_LIMIT].replace("\0", "")
        return await self._take(site, told, origin, ip, agent, now)

    async def _take(self, site: Site, told: _Told, origin: str, ip: str, agent: str, now: int) -> Response:
        message = self._message(told, now)
        visitor = self._visitor(site, told)
        done, refused = _read(told.events)
        marks = [BEACON if one.kind == "page" else FORM for one in done if one.kind in ("page", "form")]
        events, others = _events(site, told, done, visitor, now)
        refused += others
        if told.who is not None and visitor is None:
            refused.append("who: the signature is not that of this id under this site's secret")
        if marks and message is None:
            refused.append("click: the token is not ours, or too old")
        hits = [(*message, mark, now, "POST", ip, agent) for mark in dict.fromkeys(marks)] if message else []
        try:
            answers = await self._durable.wait(self._intake.visited(hits, events, visitor))
        except StoreError as error:
            log.error("a page's events not stored", error=type(error).__name__, detail=str(error))
            return _answer(503, "Not kept; try again.", origin)
        kept = sum(answer is None for answer in answers)
        refused += [f"{one.name}: {answer}" for one, answer in zip(events, answers, strict=True) if answer]
        return JSONResponse({"accepted": kept + len(hits), "refused": refused}, 202, _open(origin))

    def _message(self, told: _Told, now: int) -> tuple[int, int, int] | None:
        try:
            return self._signer.read_page(told.click, now) if told.click else None
        except BadToken:
            return None

    def _visitor(self, site: Site, told: _Told) -> Visitor | None:
        if told.who is None or not is_identity(site.secret, told.who.id, told.who.signature):
            return None
        return Visitor(told.who.id, told.zone, told.language)

    def _may_ask(self, site: Site, ip: str, now: int) -> bool:
        """Count the address's request in this minute; return whether it is within the site's limit."""
        minute, key = now // 60_000, (site.id, ip)
        since, count = self._asked.pop(key, (minute, 0))
        count = count + 1 if since == minute else 1
        self._asked[key] = (minute, count)
        if len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)
        return count <= site.per_minute


def script_source(name: str) -> str | None:
    """Return a version of the script as it is served; None where there is no such version."""
    file = files("kaskad.web").joinpath(f"static/site-{name}")
    if not file.is_file():
        return None
    return _LINE.sub("\n", "\n" + file.read_text("utf-8")).lstrip()


def _read(told: list[msgspec.Raw]) -> tuple[list[_Event], list[str]]:
    """Return the events that can be read, and what is wrong with the others."""
    read, refused = [], []
    for number, raw in enumerate(told, 1):
        try:
            read.append(_event(raw))
        except (msgspec.DecodeError, RecursionError) as error:
            refused.append(f"event {number}: {error}")
    return read, refused


def _events(
    site: Site, told: _Told, done: list[_Event], visitor: Visitor | None, now: int
) -> tuple[list[EventIn], list[str]]:
    """Return the events that count, and why others do not."""
    events, refused = [], []
    for one in done:
        if one.kind != "track":
            continue
        if one.name not in site.events:
            refused.append(
                f"{one.name}: this site may not send it; its events: {', '.join(site.events) or 'none'}"
            )
        elif visitor is None:
            refused.append(f"{one.name}: nobody is named: identify the visitor first")
        elif len(text := msgspec.json.encode(one.properties)) > PROPERTIES or b"\\u0000" in text:
            refused.append(f"{one.name}: its properties are too long, or hold U+0000")
        else:
            ago = told.sent - one.at
            at = now - ago if 0 <= ago <= OLDEST_MS and one.at else now
            ref = ContactRef(external_id=visitor.external_id)
            events.append(EventIn(f"site {site.id} {one.id}", one.name, ref, at, one.properties))
    return events, refused


def _open(origin: str) -> dict[str, str]:
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin", "Cache-Control": "no-store"}


def _answer(status: int, detail: str, origin: str, more: dict[str, str] | None = None) -> Response:
    return JSONResponse({"detail": detail}, status, {**_open(origin), **(more or {})})

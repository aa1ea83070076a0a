"""Open pixels, tracked links and unsubscribing: what the links of a message lead to.

A token that is unknown, changed or expired gets the neutral page and leaves no trace in the reports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qs, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from kaskad.domain.errors import StoreError
from kaskad.domain.tokens import HONEYPOT, PIXEL, SHORT, BadToken, Signer
from kaskad.engine.trial import NOBODY
from kaskad.log import get_logger
from kaskad.web.body import read_body
from kaskad.web.intake import SCOPES, TRACKING, Durable, Intake
from kaskad.web.page import page
from kaskad.web.person_page import language_for
from kaskad.web.preferences_page import SAVE, preferences_page, read_choice

log = get_logger(__name__)

GIF = (  # 43 bytes: one transparent pixel
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00"
    b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
PIXEL_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
LINK_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
FORM_LIMIT = 16_384
AGENT_LIMIT = 500


class Tracking:
    """`/o/{token}`, `/l/{token}`, `/s/{code}` and `/u/{token}`."""

    def __init__(self, intake: Intake, durable: Durable, signer: Signer, clock: Callable[[], int]) -> None:
        self._intake = intake
        self._durable = durable
        self._signer = signer
        self._clock = clock

    async def open_pixel(self, request: Request) -> Response:
        """Return the pixel, always; the hit is kept where the token is ours."""
        try:
            message = self._signer.read_pixel(request.path_params["token"])
        except BadToken:
            pass
        else:
            await self._keep(self._hit(request, message, PIXEL))
        return Response(GIF, 200, PIXEL_HEADERS, "image/gif")

    async def follow_link(self, request: Request) -> Response:
        """Keep the hit, then redirect to where the frozen message says."""
        try:
            told = self._signer.read_link(request.path_params["token"], self._clock())
        except BadToken:
            return page(request, "missing", status=404)
        return await self._follow(request, *told)

    async def follow_short(self, request: Request) -> Response:
        """Do the same for a short link."""
        code = request.path_params["code"]
        told = None
        if len(code) == SHORT and code.isascii() and code.isalnum():
            told = await run_in_threadpool(self._intake.short_link, code)
        if told is None:
            return page(request, "missing", status=404)
        return await self._follow(request, *told)

    async def _follow(self, request: Request, contact_id: int, run_id: int, step: int, link: int) -> Response:
        if link == HONEYPOT:
            await self._keep(self._hit(request, (contact_id, run_id, step), link))
            return page(request, "missing", status=404)
        url = await run_in_threadpool(self._intake.destination, contact_id, run_id, step, link)
        if url is None or urlsplit(url).scheme not in ("http", "https"):
            return page(request, "missing", status=404)
        arrival = self._intake.arrival(url, (contact_id, run_id, step))
        await self._keep(self._hit(request, (contact_id, run_id, step), link, awaited=arrival != url))
        return RedirectResponse(arrival, 302, LINK_HEADERS)

    async def ask_unsubscribe(self, request: Request) -> Response:
        """Show the page where a person leaves or chooses; scanners call this, so it changes nothing."""
        try:
            message = self._signer.read_unsubscribe(request.path_params["token"])
        except BadToken:
            return page(request, "missing", status=404)
        if message == NOBODY:
            return page(request, "tested")
        now = await run_in_threadpool(self._intake.preferences, message)
        if now is None:
            return page(request, "ask", (*SCOPES, TRACKING))
        return preferences_page(language_for(request, now.language), now)

    async def unsubscribe(self, request: Request) -> Response:
        """Unsubscribe or keep a choice, then say so: a button of the page, or the mail program's one click
        (RFC 8058)."""
        try:
            message = self._signer.read_unsubscribe(request.path_params["token"])
        except BadToken:
            return page(request, "missing", status=404)
        if message == NOBODY:
            return page(request, "tested")
        body = await read_body(request.scope, request.receive, FORM_LIMIT)
        fields = form_lists(request.headers.get("content-type", ""), body)
        if fields.get("act") == [SAVE]:
            return await self._choose(request, message, fields)
        wanted = fields.get("scope", [""])[-1]
        scope = wanted if wanted in (*SCOPES, TRACKING) else SCOPES[0]
        evidence = evidence_of(request)
        try:
            if scope == TRACKING:
                await self._durable.wait(self._intake.untrack(message[0], evidence))
            else:
                await self._durable.wait(self._intake.unsubscribe(*message, scope, evidence))
        except StoreError as error:
            log.error("unsubscribe not stored", error=type(error).__name__, detail=str(error))
            return page(request, "trouble", (scope,), status=503)
        now = await run_in_threadpool(self._intake.preferences, message) if wanted else None
        if now is not None:
            return preferences_page(language_for(request, now.language), now, left=scope)
        if scope == "topic":
            return page(request, "done", ("all",))
        return page(request, f"done_{scope}", () if scope == "all" else ("all",))

    async def _choose(
        self, request: Request, message: tuple[int, int, int], fields: Mapping[str, list[str]]
    ) -> Response:  # fmt: skip
        """Keep what the person has chosen on the page, then show it anew."""
        before = await run_in_threadpool(self._intake.preferences, message)
        if before is None:
            return page(request, "missing", status=404)
        choice = read_choice(fields, before)
        try:
            await self._durable.wait(self._intake.choose(message, choice, evidence_of(request)))
        except StoreError as error:
            log.error("choice not stored", error=type(error).__name__, detail=str(error))
            return preferences_page(language_for(request, before.language), before, trouble=True)
        now = await run_in_threadpool(self._intake.preferences, message) or before
        return preferences_page(language_for(request, now.language), now, saved=True)

    def _hit(
        self, request: Request, message: tuple[int, int, int], link: int, *, awaited: bool = False
    ) -> Future[None]:
        ip = request.client.host if request.client else ""
        agent = request.headers.get("user-agent", "")[:AGENT_LIMIT]
        return self._intake.hit(message, link, request.method, ip, agent, awaited=awaited)

    async def _keep(self, hit: Future[None]) -> None:
        """Wait for a hit; a person who clicks gets the page also while the database is in trouble."""
        try:
            await self._durable.wait(hit)
        except StoreError as error:
            log.error("hit not stored", error=type(error).__name__, detail=str(error))


def evidence_of(request: Request) -> dict[str, str]:
    """Return what shows, beside a consent or refusal, by whom it was said."""
    told = {
        "ip": request.client.host if request.client else "",
        "agent": request.headers.get("user-agent", "")[:AGENT_LIMIT],
    }
    return {name: value.replace("\0", "") for name, value in told.items() if value}


def form_lists(content_type: str, body: bytes) -> dict[str, list[str]]:
    """Return the fields of a form, urlencoded or multipart, each with all its values; {} for none."""
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        try:
            return parse_qs(body.decode("ascii", "replace"), max_num_fields=1_000)
        except ValueError:
            return {}
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    fields: dict[str, list[str]] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            fields.setdefault(name, []).append(payload.decode("utf-8", "replace").strip())
    return fields

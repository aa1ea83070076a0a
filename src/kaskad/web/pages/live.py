"""Live updates: one stream of server-sent events a page, of the topics that it names.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from threading import Event
from time import monotonic

import msgspec
from fastapi import APIRouter, Request, Response
from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from kaskad.actions.office import Office
from kaskad.domain.errors import KaskadError, NotFound
from kaskad.domain.worded import worded
from kaskad.log import get_logger
from kaskad.web.auth import Forbidden, InOffice
from kaskad.web.pages.look import Look
from kaskad.web.pages.remembered import Remembered
from kaskad.web.pages.session import PageRoute, SignedIn, look_of, visitor
from kaskad.web.pages.shell import HEADERS, Visitor
from kaskad.web.pages.topics import TOPICS, Sight, Told, Topic

router = APIRouter(include_in_schema=False, route_class=PageRoute)
log = get_logger(__name__)
MOST_TOPICS = 12
MOST_STREAMS = 500  # of a process; who comes later asks again
EVERY_S = 1.0
LOOK_AGAIN_S = 5.0  # how soon a stream ends after its session
QUIET_S = 15.0  # then a comment is sent, so that what lies between does not close the connection
_SHORT_S = 0.2
STREAM = {**HEADERS, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Wanted(Struct, frozen=True):
    """One topic as a page named it."""

    text: str
    topic: Topic
    argument: str


class Lines:
    """The streams of one process, and what topics tell, asked no oftener than once a second."""

    def __init__(self) -> None:
        self.told: Remembered[Told] = Remembered()
        self.open = 0
        self.closing = Event()

    def close(self) -> None:
        """End every stream."""
        self.closing.set()


@router.get("/live")
async def live(
    office: InOffice, request: Request, seen: SignedIn, topics: str = "", since: str = ""
) -> Response:
    """Stream what is new of the topics, from where the reader was (`Last-Event-ID`, or since=)."""
    lines: Lines = request.app.state.lines
    wanted = [_wanted(text, seen) for text in topics.split(",")[:MOST_TOPICS] if text]
    if not wanted or lines.closing.is_set() or lines.open >= MOST_STREAMS:
        return Response(status_code=204 if not wanted else 503, headers={**STREAM, "Retry-After": "5"})
    last = request.headers.get("last-event-id", "") or since
    stream = _stream(request, lines, _sight(office, request, look_of(request, seen)), wanted, last)
    return StreamingResponse(stream, 200, STREAM, "text/event-stream")


def _wanted(text: str, seen: Visitor) -> Wanted:
    name, _, argument = text.partition(":")
    topic = TOPICS.get(name)
    if topic is None:
        raise NotFound(worded("There is no topic %(name)r.", name=name))
    if not seen.may(topic.scope):
        raise Forbidden(
            worded("Your role does not open this: it needs the right %(scope)s.", scope=topic.scope)
        )
    return Wanted(text, topic, argument)


async def _stream(
    request: Request, lines: Lines, sight: Sight, wanted: list[Wanted], last: str
) -> AsyncIterator[bytes]:
    known = last.split(".") if last.count(".") == len(wanted) - 1 else [""] * len(wanted)
    looked = said = monotonic()
    lines.open += 1
    try:
        yield b"retry: 2000\n\n"
        while not lines.closing.is_set():
            for at, each in enumerate(wanted):
                told, digest = await run_in_threadpool(_now, lines, sight, each)
                if digest != known[at]:
                    known[at] = digest
                    yield _event(".".join(known), digest, each.text, told)
                    said = monotonic()
            if monotonic() - said > QUIET_S:
                yield b": still here\n\n"
                said = monotonic()
            if monotonic() - looked > LOOK_AGAIN_S:
                looked = monotonic()
                if await run_in_threadpool(visitor, request) is None:
                    yield b"event: over\ndata: -\n\n"
                    return
            await _pause(lines)
    finally:
        lines.open -= 1


async def _pause(lines: Lines) -> None:
    until = monotonic() + EVERY_S
    while monotonic() < until and not lines.closing.is_set():
        await asyncio.sleep(_SHORT_S)


def _now(lines: Lines, sight: Sight, wanted: Wanted) -> tuple[Told, str]:
    """Return what a topic tells now, and its digest; nothing where it cannot be told."""

    def tell() -> Told:
        return wanted.topic.tell(sight, wanted.argument)

    try:
        told = lines.told.get(f"{sight.look.language} {wanted.text}", tell)
    except KaskadError as error:
        log.info("nothing to tell", topic=wanted.topic.name, why=type(error).__name__)
        told = {}
    return told, _digest(told)


def shown(office: Office, request: Request, look: Look, name: str, argument: str = "") -> str:
    """Return what a part is to have as `data-shown`: asked before the part is read, so that the stream, which
    begins some time later, knows whether something has happened in between."""
    return _digest(TOPICS[name].tell(_sight(office, request, look), argument))


def _sight(office: Office, request: Request, look: Look) -> Sight:
    return Sight(office, request.app.state.figures, look)


def _digest(told: Told) -> str:
    return sha256(msgspec.json.encode(told)).hexdigest()[:8]


def _event(event_id: str, digest: str, topic: str, told: Told) -> bytes:
    """Return one event; by the digest a part knows whether it shows as much."""
    data = msgspec.json.encode({"topic": topic, "told": told, "digest": digest})
    return b"id: " + event_id.encode() + b"\nevent: news\ndata: " + data + b"\n\n"

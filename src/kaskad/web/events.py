"""Events of CRM and site over HTTP: triggers, goals and plain ones, single or many at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from kaskad.domain.event import ContactRef, EventIn
from kaskad.domain.hours import is_zone
from kaskad.domain.ids import read_contact
from kaskad.engine.standard_webhooks import problem_of
from kaskad.web.auth import Keys
from kaskad.web.body import read_body
from kaskad.web.intake import Durable, Intake
from kaskad.web.problems import INSTANT, Problem, escape, problem

LIMIT = 5_000_000
AT_ONCE = 10_000
TOLD = 1_000  # problems of one request: nobody reads more, and looking for them takes time

Text = Annotated[str, Meta(min_length=1, max_length=200)]
Number = Annotated[int, Meta(ge=1, le=2**63 - 1)]
ContactId = Annotated[str, Meta(pattern=r"^con_\d{1,18}$")]


class Contact(Struct, frozen=True, forbid_unknown_fields=True):
    id: Number | ContactId | None = None
    external_id: Text | None = None
    email: Text | None = None
    phone: Text | None = None


class Event(Struct, frozen=True, forbid_unknown_fields=True):
    """An event as JSON; `at` is RFC 3339 with an offset, and now where it is missing."""

    id: Text
    name: Text
    contact: Contact
    at: Annotated[datetime, Meta(tz=True)] | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    zone: Text | None = None  # in which the person's browser or app is


class Refused(Struct, frozen=True):
    index: int
    id: str
    detail: str


class Taken(Struct, frozen=True, omit_defaults=True):
    accepted: int
    refused: tuple[Refused, ...] = ()


_decode_many = msgspec.json.Decoder(list[Event]).decode
_decode_one = msgspec.json.Decoder(Event).decode
_decode_any = msgspec.json.Decoder().decode


class Events:
    """`POST /api/v1/events`, and `/site/{key}/webhook`."""

    def __init__(
        self, intake: Intake, durable: Durable, clock: Callable[[], int], keys: Keys,
        wall: Callable[[], int] | None = None,
    ) -> None:  # fmt: skip
        self._wall = wall or clock
        self._intake = intake
        self._durable = durable
        self._clock = clock
        self._keys = keys

    async def receive(self, request: Request) -> Response:
        """Answer 202 after the commit that keeps the events, with those that were refused.

        Where the shape of any event is wrong, none is taken, and every problem is told.
        """
        self._keys.check(request.headers.get("authorization", ""), "events:write")
        return await self._take(await read_body(request.scope, request.receive, LIMIT))

    async def receive_signed(self, request: Request) -> Response:
        """Do the same for a shop's server that signs what it tells by Standard Webhooks instead of a key."""
        site = self._intake.site(request.path_params["key"])
        body = await read_body(request.scope, request.receive, LIMIT)
        if site is None:
            return problem(404, "There is no site with this key: `kaskad site list` shows them.")
        wrong = problem_of(site.webhook_secret, request.headers, body, self._wall() // 1000)
        if wrong is not None:
            return problem(401, wrong)
        return await self._take(body)

    async def _take(self, body: bytes) -> Response:
        try:
            events = read_events(body)
        except msgspec.ValidationError as error:
            found = await run_in_threadpool(
                find_problems, body
            )  # may take a while; others are not kept waiting
            return problem(422, problems=found or [Problem(str(error))])
        except (msgspec.DecodeError, RecursionError) as error:
            return problem(400, f"The body is not JSON that can be read: {error}")
        if len(events) > AT_ONCE:
            return problem(422, f"At most {AT_ONCE:,} events are taken at once.")
        if problems := _problems_of(events, b"\\u0000" in body):
            return problem(422, problems=problems)
        if not events:
            return Response(msgspec.json.encode(Taken(0)), 202, media_type="application/json")
        now = self._clock()
        answers = await self._durable.wait(self._intake.events([_event_in(event, now) for event in events]))
        refused = tuple(
            Refused(index, event.id, answer)
            for index, (event, answer) in enumerate(zip(events, answers, strict=True))
            if answer is not None
        )
        if refused and len(refused) == len(events):
            where = [Problem(told.detail, _pointer(body, told.index)) for told in refused]
            return problem(422, problems=where)
        taken = Taken(len(events) - len(refused), refused)
        return Response(msgspec.json.encode(taken), 202, media_type="application/json")


def read_events(body: bytes) -> list[Event]:
    """Return the events of a body that holds one or an array; raises msgspec.DecodeError."""
    return _decode_many(body) if _is_array(body) else [_decode_one(body)]


def find_problems(body: bytes) -> list[Problem]:
    """Return what is wrong with the shape of a body that is no events, in its order, up to TOLD and a few."""
    try:
        value = _decode_any(body)
    except (msgspec.DecodeError, RecursionError) as error:
        return [Problem(f"The body is not JSON that can be read: {error}")]
    if not isinstance(value, list):
        return _find_in(value, Event, "")
    found: list[Problem] = []
    for index, item in enumerate(value):
        found += _find_in(item, Event, f"/{index}")
        if len(found) >= TOLD:
            break
    return found


def _find_in(value: object, struct: type[Struct], pointer: str) -> list[Problem]:
    """Return the problems of one JSON value that should be a `struct`, each field looked at by itself."""
    if not isinstance(value, dict):
        return [Problem(f"Expected an object, got {_kind_of(value)}.", pointer)]
    found = []
    known = {spec.name: spec for spec in msgspec.structs.fields(struct)}
    for name, spec in known.items():
        if name not in value:
            if spec.required:
                found.append(Problem("This is missing.", f"{pointer}/{name}"))
        elif isinstance(spec.type, type) and issubclass(spec.type, Struct):
            found += _find_in(value[name], spec.type, f"{pointer}/{name}")
        else:
            try:
                msgspec.convert(value[name], spec.type)
            except msgspec.ValidationError as error:
                said = f"{INSTANT}." if "RFC3339" in str(error) else str(error)
                found.append(Problem(said, f"{pointer}/{name}"))
    for name in value.keys() - known.keys():
        told = f"There is no such field; the fields are {', '.join(known)}."
        found.append(Problem(told, f"{pointer}/{escape(str(name))}"))
    return found


def _problems_of(events: list[Event], suspicious: bool) -> list[Problem]:
    """Return what is wrong with events of the right shape; `suspicious`: there may be NUL characters."""
    found = []
    many = len(events) != 1
    for index, event in enumerate(events):
        at = f"/{index}" if many else ""
        if event.contact == Contact():
            found.append(Problem("Name the contact: id, external_id, email or phone.", f"{at}/contact"))
        if suspicious and _holds_nul(msgspec.to_builtins(event)):
            found.append(Problem("A text holds the character U+0000, which cannot be stored.", at))
    return found


def _holds_nul(value: Any) -> bool:
    """Tell whether a text of a JSON value, keys included, holds U+0000."""
    rest = [value]
    while rest:
        match rest.pop():
            case str() as text:
                if "\0" in text:
                    return True
            case dict() as pairs:
                rest += [*pairs.keys(), *pairs.values()]
            case list() as items:
                rest += items
    return False


def _event_in(event: Event, now: int) -> EventIn:
    contact = event.contact
    return EventIn(
        id=event.id,
        name=event.name,
        contact=ContactRef(
            _number(contact.id), contact.external_id or "", contact.email or "", contact.phone or ""
        ),
        at=now if event.at is None else round(event.at.timestamp() * 1000),
        properties=event.properties,
        zone=event.zone if event.zone and is_zone(event.zone) else "",
    )


def _number(contact_id: int | str | None) -> int | None:
    return read_contact(contact_id) if isinstance(contact_id, str) else contact_id


def _is_array(body: bytes) -> bool:
    return body.lstrip()[:1] == b"["


def _pointer(body: bytes, index: int) -> str:
    return f"/{index}" if _is_array(body) else ""


def _kind_of(value: object) -> str:
    names = {dict: "an object", list: "an array", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")

"""amoCRM: leads, contacts, notes and tasks of its API v4, and webhooks.

https://www.amocrm.ru/developers/content/crm_platform/. Leads are made by
`POST /amocrm/leads {"person": …, "fields": {…}}`; `GET /amocrm/ledger` shows what was written here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.providers.crm import branch
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import Phone
from kaskad.sandbox.server import Place, Server, Site
from kaskad.sandbox.servers.crm import Deal, Ledger, json_of, nested_form, object_of, person_of
from kaskad.sandbox.wire import Outgoing

LIMIT = 250  # of contacts on a page


class Keys(Struct, frozen=True):
    """Of the one account. They protect nothing: all is on this machine."""

    token: str = "only-for-the-sandbox"
    webhook_secret: str = "only-for-the-sandbox"


class AmoCrm(Server):
    """`/api/v4/leads`, `contacts`, `tasks` and the notes of the first two."""

    name = "amocrm"
    channels = ("agent_call",)
    provider = "amocrm"
    account = "amocrm"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)
        self.ledger = Ledger()

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        return {"base_url": cls.url(place), "token": keys.token, "webhook_secret": keys.webhook_secret,
                "responsible_id": "2"}  # fmt: skip

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/api/v4/leads/{number:int}", self.lead, methods=["GET"]),
            Route("/api/v4/contacts", self.contacts, methods=["GET"]),
            Route("/api/v4/contacts/{number:int}", self.contact, methods=["GET"]),
            Route("/api/v4/{entity}/{number:int}/notes", self.note, methods=["POST"]),
            Route("/api/v4/tasks", self.task, methods=["POST"]),
            Route("/leads", self.make_lead, methods=["POST"]),
            Route("/ledger", self.show, methods=["GET"]),
        ]

    async def lead(self, request: Request) -> Response:
        """Show a lead, with its contacts where that is asked for."""

        async def take() -> Response:
            deal = self.ledger.deals.get(request.path_params["number"])
            return JSONResponse(_lead(deal)) if deal else Response(status_code=204)

        return await self._guarded(request, take)

    async def contact(self, request: Request) -> Response:
        """Show a contact."""

        async def take() -> Response:
            phone = self.world.phones.get(request.path_params["number"])
            return JSONResponse(_contact(phone)) if phone else Response(status_code=204)

        return await self._guarded(request, take)

    async def contacts(self, request: Request) -> Response:
        """Show a page of contacts; an empty one is 204."""
        page, limit = int(request.query_params.get("page", "1")), int(request.query_params.get("limit", "50"))

        async def take() -> Response:
            if not 0 < limit <= LIMIT:
                return _problem(400)
            numbers = sorted(self.world.phones)[(page - 1) * limit : page * limit]
            found = [_contact(self.world.phones[number]) for number in numbers]
            return JSONResponse({"_embedded": {"contacts": found}}) if found else Response(status_code=204)

        return await self._guarded(request, take)

    async def note(self, request: Request) -> Response:
        """Keep notes of a lead or contact."""
        place, body = request.path_params, await request.body()

        async def take() -> Response:
            notes = _array(body)
            if place["entity"] not in ("leads", "contacts") or not all(_is_note(note) for note in notes):
                return _problem(400)
            about = {"entity": place["entity"], "id": place["number"]}
            made = [
                {"id": self.ledger.keep(self.ledger.entries, {**about, "text": note["params"]["text"]})}
                for note in notes
            ]
            return JSONResponse({"_embedded": {"notes": made}})

        return await self._guarded(request, take)

    async def task(self, request: Request) -> Response:
        """Keep tasks of users."""
        body = await request.body()

        async def take() -> Response:
            tasks = _array(body)
            if not all(isinstance(one.get("complete_till"), int) and one.get("text") for one in tasks):
                return _problem(400)
            made = [
                {"id": self.ledger.keep(self.ledger.tasks, one), "request_id": one.get("request_id", "0")}
                for one in tasks
            ]
            return JSONResponse({"_embedded": {"tasks": made}})

        return await self._guarded(request, take)

    async def make_lead(self, request: Request) -> Response:
        """Make a lead, as a form of the shop would, and tell Kaskad of it."""
        told = object_of(await request.body())
        phone = person_of(self.world, str(told.get("person", "")))
        if phone is None:
            return JSONResponse({"error": "there is no such person"}, 404)
        deal = self.ledger.add(phone, branch(told, "fields"))
        item = {"id": deal.number, "updated_at": self.world.pace.now() // 1000, **deal.fields}
        self.report(lambda good: self._hook({"leads": {"add": {"0": item}}}, good))
        return JSONResponse({"id": deal.number})

    async def show(self, request: Request) -> Response:
        """Show the notes and the tasks."""
        return JSONResponse(self.ledger.shown())

    async def _guarded(self, request: Request, take: Callable[[], Awaitable[Response]]) -> Response:
        if request.headers.get("authorization") != f"Bearer {self._keys.token}":
            return _problem(401)
        return await self.befall(take, _refusal)

    def _hook(self, told: dict[str, Any], good: bool) -> Outgoing:
        secret = self._keys.webhook_secret if good else "another"
        return nested_form(
            f"{self.hook}?key={secret}", {**told, "account": {"id": "1", "subdomain": "sandbox"}}
        )


def _lead(deal: Deal) -> dict[str, Any]:
    known = {"id": deal.number, "name": f"Lead {deal.number}", "price": 0, "status_id": 1}
    return {**known, **deal.fields, "_embedded": {"contacts": [{"id": deal.phone.id, "is_main": True}]}}


def _contact(phone: Phone) -> dict[str, Any]:
    values = {"PHONE": phone.person.phone, "EMAIL": phone.person.email}
    fields = [
        {"field_code": code, "values": [{"value": value, "enum_code": "WORK"}]}
        for code, value in values.items()
        if value
    ]
    return {"id": phone.id, "name": phone.person.name, "custom_fields_values": fields}


def _is_note(note: dict[str, Any]) -> bool:
    params = note.get("params")
    return note.get("note_type") == "common" and isinstance(params, dict) and bool(params.get("text"))


def _array(body: bytes) -> list[dict[str, Any]]:
    told = json_of(body)
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else [{}]


def _refusal(fault: Fault) -> Response:
    return _problem({"throttle": 429, "error": 500}.get(fault.kind, 400))


def _problem(status: int) -> Response:
    return JSONResponse({"title": "…", "status": status}, status, media_type="application/problem+json")

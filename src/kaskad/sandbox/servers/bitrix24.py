"""Bitrix24: the REST methods that Kaskad calls, events, and its message provider.

https://apidocs.bitrix24.com. Deals are made by `POST /bitrix24/deals {"person": …, "fields": {…}}`, texts of
a manager by `POST /bitrix24/texts {"person": …, "text": …}`; `GET /bitrix24/ledger` shows what was written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.providers.crm import branch, php_form
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import Phone
from kaskad.sandbox.server import Place, Server, Site
from kaskad.sandbox.servers.crm import Deal, Ledger, nested_form, object_of, person_of
from kaskad.sandbox.wire import Outgoing

METHODS = frozenset(
    {
        "crm.contact.list",
        "crm.deal.get",
        "crm.lead.get",
        "crm.contact.get",
        "crm.timeline.comment.add",
        "tasks.task.add",
    }
)
BATCH = 50  # methods at once
STATUSES = frozenset({"queued", "sent", "delivered", "undelivered", "failed"})


class Keys(Struct, frozen=True):
    """Of the one portal. They protect nothing: all is on this machine."""

    secret: str = "only-for-the-sandbox"
    application_token: str = "51856fefc120afa4b628cc82d3935cce"
    client_id: str = "local.sandbox"
    client_secret: str = "only-for-the-sandbox"
    refresh_token: str = "first-refresh-token"


class Trouble(Exception):
    """An error of the portal: HTTP status and its word."""

    def __init__(self, status: int, error: str, words: str = "") -> None:
        super().__init__(error)
        self.status, self.error, self.words = status, error, words


class Bitrix24(Server):
    """`/rest/1/<secret>/<method>.json`, `/rest/messageservice…` and `/oauth/token/`."""

    name = "bitrix24"
    channels = ("agent_call",)
    provider = "bitrix24"
    account = "bitrix24"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)
        self.ledger = Ledger()
        self._refresh = self._keys.refresh_token  # the one that is taken; each use replaces it
        self._access = ""
        self._tokens = 0

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys, url = place.keys(Keys), cls.url(place)
        return {
            "webhook_url": f"{url}/rest/1/{keys.secret}/", "application_token": keys.application_token,
            "responsible_id": "1", "code": "kaskad", "client_id": keys.client_id,
            "client_secret": keys.client_secret, "refresh_token": keys.refresh_token,
            "token_url": f"{url}/oauth/token/",
        }  # fmt: skip

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/rest/1/{secret}/{method}", self.call, methods=["POST"]),
            Route("/rest/messageservice.message.status.update.json", self.report_status, methods=["POST"]),
            Route("/oauth/token/", self.token, methods=["GET"]),
            Route("/deals", self.make_deal, methods=["POST"]),
            Route("/texts", self.make_text, methods=["POST"]),
            Route("/ledger", self.show, methods=["GET"]),
        ]

    async def call(self, request: Request) -> Response:
        """Carry out a REST method; `.json` after its name may be left out."""
        body = await request.body()
        method = request.path_params["method"].removesuffix(".json")

        async def take() -> Response:
            if request.path_params["secret"] != self._keys.secret:
                return _error(Trouble(401, "INVALID_CREDENTIALS"))
            return self._answered(lambda: self._result(method, object_of(body)))

        return await self.befall(take, _refusal)

    async def report_status(self, request: Request) -> Response:
        """Take what became of a message that this portal gave to be sent."""
        told = object_of(await request.body())

        def take() -> bool:
            if not self._access or told.get("auth") != self._access:
                raise Trouble(401, "expired_token")
            if (
                told.get("CODE") != "kaskad"
                or told.get("STATUS") not in STATUSES
                or not told.get("MESSAGE_ID")
            ):
                raise Trouble(400, "ERROR_CORE", "wrong CODE, STATUS or MESSAGE_ID")
            self.ledger.keep(self.ledger.reports, {"id": told["MESSAGE_ID"], "status": told["STATUS"]})
            return True

        return self._answered(take)

    async def token(self, request: Request) -> Response:
        """Give the application an access token for its refresh token, which is replaced."""
        asked, keys = request.query_params, self._keys
        right = (keys.client_secret, self._refresh)
        if (asked.get("client_secret"), asked.get("refresh_token")) != right:
            return _error(Trouble(400, "invalid_grant"))
        self._tokens += 1
        self._access, self._refresh = f"access-{self._tokens}", f"refresh-{self._tokens}"
        return JSONResponse(
            {"access_token": self._access, "expires_in": 3600, "refresh_token": self._refresh}
        )

    async def make_deal(self, request: Request) -> Response:
        """Make a deal, as a manager would, and tell Kaskad of it."""
        told = object_of(await request.body())
        phone = person_of(self.world, str(told.get("person", "")))
        if phone is None:
            return JSONResponse({"error": "there is no such person"}, 404)
        deal = self.ledger.add(phone, branch(told.get("fields")))
        self._tell("ONCRMDEALADD", deal.number)
        return JSONResponse({"id": deal.number})

    async def make_text(self, request: Request) -> Response:
        """Send a manager's text from a card, through Kaskad."""
        told = object_of(await request.body())
        phone = person_of(self.world, str(told.get("person", "")))
        if phone is None:
            return JSONResponse({"error": "there is no such person"}, 404)
        number = f"{self.world.pace.now()}{phone.id}"
        message = {
            "module_id": "crm", "type": "SMS", "code": "kaskad", "message_id": number,
            "message_to": phone.person.phone, "message_body": str(told.get("text", "")),
            "bindings": {"0": {"OWNER_TYPE_ID": "3", "OWNER_ID": str(phone.id)}},
        }  # fmt: skip
        self.report(lambda good: self._hook(message, good))
        return JSONResponse({"id": number})

    async def show(self, request: Request) -> Response:
        """Show the journal, the tasks, and the reports on messages."""
        return JSONResponse(self.ledger.shown())

    def _tell(self, event: str, number: int) -> None:
        told = {"event": event, "event_handler_id": "1", "data": {"FIELDS": {"ID": str(number)}}}
        self.report(lambda good: self._hook(told, good))

    def _hook(self, told: Mapping[str, Any], good: bool) -> Outgoing:
        token = self._keys.application_token if good else "another"
        host = urlsplit(self.place.http_url).netloc
        auth = {"domain": host, "member_id": "sandbox", "application_token": token}
        return nested_form(self.hook, {**told, "ts": str(self.world.pace.now() // 1000), "auth": auth})

    def _answered(self, take: Callable[[], object]) -> Response:
        try:
            return JSONResponse({"result": take(), "time": {"duration": 0.01}})
        except Trouble as trouble:
            return _error(trouble)

    def _batch(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out up to 50 methods, written as `method?name=value`; each has a result or an error."""
        told: dict[str, dict[str, Any]] = {"result": {}, "result_error": {}}
        commands = given.get("cmd")
        named = commands if isinstance(commands, dict) else dict(enumerate(commands or ()))
        for name, command in list(named.items())[:BATCH]:
            method, _, query = str(command).partition("?")
            try:
                told["result"][str(name)] = self._result(method, php_form(query.encode()))
            except Trouble as trouble:
                told["result_error"][str(name)] = {"error": trouble.error, "error_description": trouble.words}
        return told

    def _result(self, method: str, given: Mapping[str, Any]) -> object:
        if method == "batch":
            return self._batch(given)
        if method not in METHODS:
            raise Trouble(404, "ERROR_METHOD_NOT_FOUND")
        fields = branch(given.get("fields"))
        match method:
            case "crm.timeline.comment.add":
                if not {"ENTITY_ID", "ENTITY_TYPE", "COMMENT"} <= fields.keys():
                    raise Trouble(400, "ERROR_CORE", "ENTITY_ID, ENTITY_TYPE and COMMENT are wanted")
                return self.ledger.keep(self.ledger.entries, fields)
            case "tasks.task.add":
                if not fields.get("TITLE") or not fields.get("RESPONSIBLE_ID"):
                    raise Trouble(400, "ERROR_CORE", "TITLE and RESPONSIBLE_ID are wanted")
                return {"task": {"id": str(self.ledger.keep(self.ledger.tasks, fields))}}
            case "crm.contact.list":
                return self._contacts(given)
            case "crm.contact.get":
                return _contact(self._phone(given))
        number = _number(given)
        deal = self.ledger.deals.get(int(number)) if number.isdigit() else None
        if deal is None:
            raise Trouble(400, "ERROR_CORE", "Not found")
        return _deal(deal) if method == "crm.deal.get" else {**_contact(deal.phone), **_deal(deal)}

    def _contacts(self, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the next 50 by their ids; only so, without a count, are long lists read."""
        after = str(branch(given.get("filter")).get(">ID", ""))
        if given.get("start") != -1 or branch(given.get("order")) != {"ID": "ASC"} or not after.isdigit():
            raise Trouble(400, "ERROR_CORE", "order by ID, filter by >ID and start -1 are understood")
        numbers = [number for number in sorted(self.world.phones) if number > int(after)]
        wanted = set(given.get("select") or ())
        found = [_contact(self.world.phones[number]) for number in numbers[:BATCH]]
        return [{name: value for name, value in one.items() if name in wanted} for one in found]

    def _phone(self, given: Mapping[str, Any]) -> Phone:
        number = _number(given)
        phone = self.world.phones.get(int(number)) if number.isdigit() else None
        if phone is None:
            raise Trouble(400, "ERROR_CORE", "Not found")
        return phone


def _number(given: Mapping[str, Any]) -> str:
    """Return the id that is asked for; its name may be written either way."""
    return str(given.get("id", given.get("ID", "")))


def _deal(deal: Deal) -> dict[str, Any]:
    number, contact = str(deal.number), str(deal.phone.id)
    known = {"ID": number, "TITLE": f"Deal {number}", "STAGE_ID": "NEW", "CONTACT_ID": contact}
    return {**known, **deal.fields}


def _contact(phone: Phone) -> dict[str, Any]:
    person = phone.person
    first, _, last = person.name.partition(" ")
    return {
        "ID": str(phone.id), "NAME": first, "LAST_NAME": last,
        "PHONE": [{"ID": "1", "VALUE": person.phone, "VALUE_TYPE": "WORK"}] if person.phone else [],
        "EMAIL": [{"ID": "2", "VALUE": person.email, "VALUE_TYPE": "WORK"}] if person.email else [],
    }  # fmt: skip


def _refusal(fault: Fault) -> Response:
    if fault.kind == "throttle":
        return _error(Trouble(503, "QUERY_LIMIT_EXCEEDED", "Too many requests"))
    return _error(
        Trouble(500, "INTERNAL_SERVER_ERROR") if fault.kind == "error" else Trouble(400, "ERROR_CORE")
    )


def _error(trouble: Trouble) -> Response:
    return JSONResponse({"error": trouble.error, "error_description": trouble.words}, trouble.status)

"""A server on a real socket over a small fake of the engine."""

import http.client
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import pytest
from msgspec import Struct, json

from kaskad.config import Settings
from kaskad.domain.errors import BadSignature
from kaskad.domain.event import EventIn
from kaskad.domain.terms import Channel, Kind
from kaskad.domain.tokens import Signer
from kaskad.providers.base import Account, Inbound, Provider, Receipt, Request
from kaskad.web.app import build_app
from kaskad.web.server import Server

NOW = 1_790_000_000_000
API_KEY = "a-key-of-twenty-characters"


class Doubtful(Provider):
    """A provider whose webhooks are believed when they bring the account's secret."""

    name = "doubtful"

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        if hook.headers.get("x-secret") != account["secret"] or now != NOW:
            raise BadSignature("wrong secret")

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        return [Receipt(kind=Kind.DELIVERED, reference=item["ref"], name=hook.url) for item in hook.json()]

    def answer_webhook(self, hook: Request, account: Account) -> tuple[str, bytes]:
        return ("text/xml", b"<Response/>") if b"words" in hook.body else ("", b"")


class FakeIntake:
    """Keeps what it is told; another thread ends its futures, with `error` where one is set."""

    def __init__(self) -> None:
        self.provider = Doubtful()
        self.main = Account(1, "main", "doubtful", Channel.SMS, secrets={"secret": "s3cret"})
        self.told: list[tuple[Any, ...]] = []
        self.links = {(7, 9, 0, 0): "https://shop.example.org/корзина?a=1&b=%20"}
        self.refusals: dict[str, str] = {}
        self.error: Exception | None = None
        self.held: list[Future[Any]] | None = None  # a list: futures are put there and not ended
        self.trouble: str | None = None

    def account(self, name: str) -> tuple[Account, Provider] | None:
        return (self.main, self.provider) if name == "main" else None

    def receipts(
        self,
        account: Account,
        receipts: Sequence[Receipt | Inbound],
        headers: Mapping[str, str],
        body: bytes,
        problem: str | None,
    ) -> Future[None]:
        return self._note(("receipts", account.name, list(receipts), dict(headers), body, problem), None)

    def arrival(self, url: str, message: tuple[int, int, int]) -> str:
        return url

    def hit(
        self,
        message: tuple[int, int, int],
        link: int,
        method: str,
        ip: str,
        agent: str,
        *,
        awaited: bool = False,
    ) -> Future[None]:
        assert not awaited
        return self._note(("hit", message, link, method, ip, agent), None)

    def destination(self, contact_id: int, run_id: int, step: int, link: int) -> str | None:
        return self.links.get((contact_id, run_id, step, link))

    def short_link(self, code: str) -> tuple[int, int, int, int] | None:
        return (7, 9, 0, 0) if code == "0aZ45678901" else None

    def unsubscribe(
        self, contact_id: int, run_id: int, step: int, scope: str, evidence: Mapping[str, str]
    ) -> Future[None]:
        return self._note(("unsubscribe", contact_id, run_id, step, scope), None)

    def preferences(self, message: tuple[int, int, int]) -> None:
        """Nobody is known here: the page is the one without a choice."""

    def untrack(self, contact_id: int, evidence: Mapping[str, str]) -> Future[None]:
        return self._note(("untrack", contact_id), None)

    def events(self, events: list[EventIn]) -> Future[list[str | None]]:
        return self._note(("events", events), [self.refusals.get(event.id) for event in events])

    def problem(self) -> str | None:
        return self.trouble

    def _note(self, what: tuple[Any, ...], result: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if self.held is not None:
            self.held.append(future)
        elif self.error is not None:
            threading.Timer(0.001, future.set_exception, (self.error,)).start()
            return future
        else:
            threading.Timer(0.001, future.set_result, (result,)).start()
        self.told.append(what)
        return future


class Answer(Struct):
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.decode(self.body)


class Site:
    """The running server, called over a socket of its own for each request."""

    def __init__(self, server: Server, intake: FakeIntake, signer: Signer) -> None:
        self.server, self.intake, self.signer = server, intake, signer

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection(*self.server.address, timeout=10)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, fields, response.read())
        finally:
            connection.close()


@pytest.fixture(scope="session")
def _running() -> Iterator[tuple[Server, list[FakeIntake]]]:
    current = [FakeIntake()]

    class Current:
        def __getattr__(self, name: str) -> Any:
            return getattr(current[0], name)

    settings = Settings(
        base_url="https://go.example.org/", link_domain="https://s.example.org/", listen="127.0.0.1:0",
        api_key=API_KEY,
    )  # fmt: skip
    signer = Signer([(1, b"k" * 32)])
    server = Server(build_app(Current(), signer, lambda: NOW, settings), settings)  # type: ignore[arg-type]
    server.start()
    yield server, current
    server.stop()


@pytest.fixture
def site(_running: tuple[Server, list[FakeIntake]]) -> Site:
    """Return the server with a fresh intake that has been told nothing yet."""
    server, current = _running
    current[0] = FakeIntake()
    return Site(server, current[0], Signer([(1, b"k" * 32)]))

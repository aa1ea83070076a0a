"""Errands: one after the other, under a token where the service wants one, and gone with the end."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from kaskad import log
from kaskad.domain.terms import Channel
from kaskad.engine.clerk import Clerk
from kaskad.engine.errands import Errands
from kaskad.engine.herald import Herald
from kaskad.providers import PROVIDERS
from kaskad.providers.base import Account, Provider, Request, Response
from support.faults import FaultServer, Peer, free_port, serving, until


class Guarded(Provider):
    """A service that gives tokens and takes errands that carry one."""

    name = "guarded"
    channels = frozenset({Channel.VK})

    def needs_token(self, account: Account) -> bool:
        return True

    def auth_request(self, account: Account, now: int) -> Request:
        return Request("POST", account["base_url"].replace("/send", "/token"))

    def read_auth(self, response: Response) -> tuple[str, int]:
        return str(json.loads(response.body)["token"]), 3_600_000


class Service:
    """Gives t1, t2, … and takes what carries the last one that it gave."""

    def __init__(self) -> None:
        self.given = 0
        self.seen: list[tuple[str, bool]] = []
        self.refuse = 0

    def __call__(self, peer: Peer) -> None:
        while request := peer.request():
            if b" /token " in request:
                self.given += 1
                body = json.dumps({"token": f"t{self.given}"}).encode()
                peer.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                continue
            taken = b"Authorization: Bearer t%d\r\n" % self.given in request and not self.refuse
            self.refuse = max(0, self.refuse - 1)
            self.seen.append((request.rpartition(b"\r\n\r\n")[2].decode(), taken))
            peer.socket.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % (200 if taken else 401))


@pytest.fixture
def errands(monkeypatch: pytest.MonkeyPatch) -> Iterator[Errands]:
    monkeypatch.setitem(PROVIDERS, "guarded", Guarded())
    made = Errands()
    made.start()
    yield made
    made.stop()


def account(server: FaultServer | None = None) -> Account:
    url = server.url if server else f"http://127.0.0.1:{free_port()}/send"
    return Account(1, "own", "guarded", Channel.VK, {"base_url": url})


def test_errands_are_done_in_their_order_under_one_token(errands: Errands) -> None:
    service = Service()
    with serving(service) as server:
        errands.send(account(server), [Request("POST", server.url, {}, b"%d" % n) for n in range(3)])
        until(lambda: len(service.seen) == 3, 30)
    assert service.seen == [("0", True), ("1", True), ("2", True)] and service.given == 1


def test_a_token_that_is_refused_is_not_used_again(errands: Errands) -> None:
    service = Service()
    service.refuse = 1
    with serving(service) as server:
        errands.send(account(server), [Request("POST", server.url, {}, b"%d" % n) for n in range(2)])
        until(lambda: len(service.seen) == 2, 30)
    assert service.seen == [("0", False), ("1", True)] and service.given == 2


def test_what_fails_is_told_without_its_address(errands: Errands, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "json")
    errands.send(account(), [Request("POST", "http://127.0.0.1:9/bot1:t/x")])
    seen: list[str] = []
    until(lambda: bool(seen.append(capsys.readouterr().err)) or "errand failed" in "".join(seen), 30)
    assert "bot1:t" not in "".join(seen)


class Slow:
    """An engine that has not come to its writes yet."""

    def __init__(self) -> None:
        self.asked: Future[None] = Future()

    def write(self, change: object) -> Future[None]:
        return self.asked


@pytest.mark.parametrize("kind", [Clerk, Herald])
def test_who_gives_up_waiting_leaves_the_write_to_the_engine(kind: Any) -> None:
    """A future that its waiter has cancelled would end the thread that owns it."""
    engine = Slow()
    waiter = kind.__new__(kind)
    waiter._engine = engine

    async def gives_up() -> None:
        task = asyncio.get_running_loop().create_task(waiter._write(lambda tx: None))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(gives_up())
    engine.asked.set_result(None)
    assert engine.asked.done() and not engine.asked.cancelled()

"""What a service tells only when it is asked: prices of messages, and what a lost report would have told."""

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import pytest
from msgspec import structs

from kaskad.domain.errors import Unavailable
from kaskad.domain.event import ContactRef, EventIn
from kaskad.domain.policy import Policy
from kaskad.domain.run import Run
from kaskad.domain.terms import Channel, Kind
from kaskad.domain.tokens import Signer
from kaskad.engine import look_ups as asking
from kaskad.engine.catalog import POLICY
from kaskad.engine.clock import SystemClock, wall_ms
from kaskad.engine.dispatch import Dispatcher
from kaskad.engine.engine import Engine
from kaskad.engine.errands import Errands
from kaskad.engine.ingest import Ingest
from kaskad.engine.look_ups import LookUps
from kaskad.engine.world import Options, World
from kaskad.providers.smsc_ru import SmscRu
from kaskad.providers.twilio import Twilio
from kaskad.store import accounts, cascades, contacts, look_ups, settings
from kaskad.store.db import Database
from support.faults import until as until_soon
from support.stage import HASH_KEY, KEYS, VAULT

until = partial(until_soon, timeout_s=30)  # with a machine that is busy with other things
CASCADE = """
cascade: hi
title: Hi
class: service
topic: news
trigger: {event: joined, key: id}
steps:
  - {id: sms, channel: sms, text: Hello, wait: 6h}
"""
Answer = tuple[int, dict[str, Any]]


class Service:
    """Twilio's messages on a socket: takes every one, and says of each what `state` returns."""

    def __init__(self) -> None:
        self.sent: list[dict[str, str]] = []
        self.asked = 0
        self.state: Callable[[int], Answer] = lambda time: (200, {"status": "queued"})
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                service.sent.append(dict(parse_qsl(body)))
                self._say(201, {"sid": f"SM{len(service.sent)}", "status": "queued"})

            def do_GET(self) -> None:
                service.asked += 1
                self._say(*service.state(service.asked))

            def _say(self, status: int, told: dict[str, Any]) -> None:
                words = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(words)))
                self.end_headers()
                self.wfile.write(words)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Desk:
    """One process of Kaskad without its web server."""

    def __init__(self, db: Database, service: Service) -> None:
        self.db, self.service = db, service
        self.world = World(SystemClock(), Signer(KEYS), Options())
        self.engine = Engine(db, VAULT, self.world, self._dispatcher)
        self.errands = Errands()
        self.ingest = Ingest(self.engine, db, errands=self.errands.send)
        self.asking = LookUps(self.errands, self.ingest, self.engine, db)

    def _dispatcher(self, engine: Engine) -> Dispatcher:
        return Dispatcher(self.world.accounts, self.world.clock.now, engine.take_results)

    def sends(self) -> None:
        contact = contacts.Contact(external_id="ann", addresses=[contacts.Address(Channel.SMS, "+15550101")])
        self.engine.write(lambda tx: contacts.upsert(tx, HASH_KEY, [contact], 1)).result(30)
        event = EventIn("e1", "joined", ContactRef(external_id="ann"), self.world.clock.now(), {"id": 1})
        assert self.ingest.events([event]).result(30) == [None]
        until(lambda: len(self.service.sent) == 1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LOOK_S", 0.02)
    monkeypatch.setattr(asking, "LEAST_MS", 0)
    monkeypatch.setattr(asking, "AGAIN_MS", 0)
    often = structs.replace(Twilio.capabilities, look_ups=(0, 0, 0, 0))
    monkeypatch.setattr(Twilio, "capabilities", often)


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture
def desk(db: Database, service: Service) -> Iterator[Desk]:
    with db.write() as tx:
        settings.put(tx, POLICY, Policy.unlimited())
        row = cascades.save_version(tx, "hi", CASCADE, 1)
        cascades.set_state(tx, row.cascade_id, cascades.ACTIVE, 1)
    one = Desk(db, service)
    one.engine.start()
    one.errands.start()
    account = accounts.Account(
        name="sms",
        provider="twilio",
        channel=Channel.SMS,
        settings={"account_sid": "AC1", "sender": "+15550100", "base_url": service.url},
        secrets={"auth_token": "12345"},
        prices={"minor": 2, "currency": "USD"},
    )
    one.engine.write(lambda tx: accounts.save(tx, VAULT, account)).result(30)
    one.engine.reload()
    try:
        yield one
    finally:
        one.errands.stop()
        one.engine.stop(5)


def run_id(desk: Desk) -> int:
    with desk.db.read() as tx:
        ((*_, found),) = [row[:2] for row in tx.among("runs_of_contacts", [1])]
    return int(found)


def facts(desk: Desk) -> list[str]:
    with desk.db.read() as tx:
        rows = tx.all("facts_of_run", contact_id=1, run_id=run_id(desk))
    return sorted(Kind(row[1]).name for row in rows)


def cost(desk: Desk) -> int | None:
    run = run_id(desk)
    with desk.db.write() as tx:
        (row,) = tx.many("load_messages", [(1, run, 0)])
    return None if row[6] is None else int(row[6])


def spent(desk: Desk) -> int:
    with desk.db.write() as tx:
        row = tx.one("reserved_money", id=1)
    assert row is not None
    return int(row[0])


def left(desk: Desk) -> int | None:
    return look_ups.first_due(desk.db)


def test_the_price_that_is_told_later_corrects_the_cost(desk: Desk, service: Service) -> None:
    delivered = {"status": "delivered", "price": None, "price_unit": "USD"}
    service.state = lambda time: (200, delivered if time == 1 else {**delivered, "price": "-0.05000"})
    desk.sends()
    until(lambda: left(desk) is not None)
    assert (cost(desk), spent(desk)) == (None, 2)  # reserved by the account's price
    desk.asking.start()
    until(lambda: left(desk) is None)
    assert service.asked == 2
    assert (cost(desk), spent(desk)) == (5, 5)


def test_a_report_that_was_lost_is_asked_for_and_one_that_came_counts_once(
    desk: Desk, service: Service
) -> None:
    service.state = lambda time: (200, {"status": "delivered", "price": "-0.02", "price_unit": "USD"})
    desk.sends()
    until(lambda: left(desk) is not None)
    hook = service.sent[0]
    assert "StatusCallback" not in hook  # this installation has no public address
    desk.asking.start()
    until(lambda: facts(desk) == ["DELIVERED"])


def test_what_is_never_told_is_asked_a_few_times_only(desk: Desk, service: Service) -> None:
    desk.sends()
    until(lambda: left(desk) is not None)
    desk.asking.start()
    until(lambda: left(desk) is None)
    assert service.asked == 4 and facts(desk) == []


def test_a_service_that_fails_is_asked_again(desk: Desk, service: Service) -> None:
    told = {"status": "undelivered", "error_code": 30003, "price": None}
    service.state = lambda time: (503, {}) if time < 4 else (200, told)
    desk.sends()
    until(lambda: left(desk) is not None)
    desk.asking.start()
    until(lambda: left(desk) is None)
    assert service.asked == 4 and facts(desk) == ["FAILED"]


def test_a_deleted_account_is_not_asked(desk: Desk, service: Service) -> None:
    desk.sends()
    until(lambda: left(desk) is not None)
    desk.engine.write(lambda tx: accounts.delete(tx, VAULT, "sms", wall_ms())).result(30)
    desk.engine.reload()
    desk.world.accounts.capabilities[2] = Twilio.capabilities  # another account keeps the asking alive
    desk.asking.start()
    until(lambda: left(desk) is None)
    assert service.asked == 0


def test_what_cannot_be_kept_is_asked_about_again(
    desk: Desk, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store fails, not the service: the price must not be lost for that."""
    monkeypatch.setattr(asking, "LEASE_MS", 0)
    desk.sends()
    until(lambda: left(desk) is not None)
    kept, failures = desk.ingest.receipts, []

    def failing(*given: Any) -> Any:
        if not failures:
            failures.append(given)
            raise Unavailable("the disk is full")
        return kept(*given)

    monkeypatch.setattr(desk.ingest, "receipts", failing)
    desk.asking.start()
    until(lambda: service.asked > 1)
    assert failures


# An answer that was lost


class Silent(Service):
    """SMSC on a socket: takes every message without an answer, and says its status by our id."""

    def __init__(self, status: int) -> None:
        super().__init__()
        service = self

        class Handler(self.server.RequestHandlerClass):  # type: ignore[name-defined, misc]
            def do_POST(self) -> None:  # noqa: N802
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                told = dict(parse_qsl(body))
                if self.path == "/sys/send.php":
                    service.sent.append(told)
                    self.connection.shutdown(2)
                    return
                service.asked += 1
                (one,) = service.sent
                assert (told["id"], told["phone"], told["apikey"]) == (one["id"], one["phones"], "k")
                self._say(200, {"status": status, "err": 0, "last_timestamp": 1790000000})

        self.server.RequestHandlerClass = Handler


@pytest.mark.parametrize(
    ("status", "expected", "outcome"),
    [(1, ["DELIVERED"], False), (0, ["SENT"], False), (22, ["FAILED"], True), (-3, ["UNKNOWN"], False)],
)
def test_a_lost_answer_is_asked_for_by_our_own_id_and_nothing_is_sent_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, status: int, expected: list[str], outcome: bool
) -> None:
    monkeypatch.setattr(SmscRu, "capabilities", structs.replace(SmscRu.capabilities, finds=(0, 0, 0)))
    desk.world.options = structs.replace(desk.world.options, submit_guard_ms=1_500)
    service = Silent(status)
    account = accounts.Account(
        name="sms", provider="smsc_ru", channel=Channel.SMS, secrets={"api_key": "k"},
        settings={"base_url": service.url}, limits={"per_second": 50.0},
    )  # fmt: skip
    desk.engine.write(lambda tx: accounts.save(tx, VAULT, account)).result(30)
    desk.engine.reload()
    desk.service = service
    desk.asking.start()
    desk.sends()
    until(lambda: facts(desk) == expected)
    if status == -3:
        until(lambda: left(desk) is None)
    assert service.asked >= 1 and len(service.sent) == 1
    until(lambda: (_run(desk).outcome is not None) is outcome)
    service.server.shutdown()
    service.server.server_close()


def _run(desk: Desk) -> Run:
    with desk.db.read() as tx:
        return Run(*tx.among("runs_of_contacts", [1])[0])

"""Thousands of reports in one webhook, over a real socket: timers go on meanwhile, and all counts once."""

import json
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from kaskad.bench import ingest as bench
from kaskad.bench.client import split_address, webhook
from kaskad.bench.fates import Fates
from kaskad.bench.place import open_place
from kaskad.bench.target import target
from kaskad.config import Settings
from kaskad.domain.policy import HOUR
from kaskad.domain.terms import Channel, Kind
from kaskad.engine.ingest import Ingest
from kaskad.web.app import build_app
from kaskad.web.portions import AHEAD, PORTION
from kaskad.web.server import Server
from kaskad.web.service import serving
from support.faults import until
from support.plain import LETTER_AND_SMS
from support.stage import Stage

MANY = 20_000
SECRET = "a secret of sixteen signs and more"
KEY = "a-key-of-a-benchmarks-database-of-no-worth"  # that of `bench/server`


def wall() -> int:
    return time.time_ns() // 1_000_000


def post(address: tuple[str, int], data: bytes) -> bytes:
    """Return the first line of the answer; nothing where the connection ends without one."""
    with socket.create_connection(address, timeout=60) as line:
        line.sendall(data)
        try:
            return line.recv(65_536).partition(b"\r\n")[0]
        except ConnectionError:
            return b""


class Watched(Ingest):
    """Notes at each portion how many messages have left by then."""

    def receipts(self, *told):
        self.left = [*getattr(self, "left", ()), len(self._engine._dispatch.parcels)]
        return super().receipts(*told)


def test_timers_go_on_while_thousands_of_reports_are_kept_that_came_at_once(either):
    stage = Stage(either)
    number = stage.account(Channel.EMAIL, "email", secrets={"secret": SECRET})
    stage.cascade(LETTER_AND_SMS)
    people = [stage.person(f"p{n}") for n in range(40)]
    stage.deliver(events=[stage.told(who, "joined") for who in people])
    known = [(number, f"m{who}", who, stage.run(who).id, 0) for who in people]
    with either.write() as tx:
        tx.many("put_provider_ids", known)
    events = [
        {"id": f"e{n}", "name": "delivered", "message_id": f"m{people[n % len(people)]}"} for n in range(MANY)
    ]
    settings = Settings(listen="127.0.0.1:0")
    ingest = Watched(stage.engine, either)
    server = Server(build_app(ingest, stage.world.signer, wall, settings), settings)
    server.start()
    try:
        stage.clock.at += 25 * HOUR  # the next step is due for all
        ticks = stage.engine.ticks
        stage.engine.start()
        body = json.dumps(events).encode()
        answer = post(server.address, webhook("go.example.org", "/hooks/email", SECRET, wall(), body))
        ticks = stage.engine.ticks - ticks
    finally:
        server.stop()
        stage.engine.stop()
    assert answer == b"HTTP/1.1 200 OK"
    assert len(ingest.left) == MANY // PORTION and ticks >= len(ingest.left) // AHEAD
    assert ingest.left[-1] == 2 * len(people), "whoever was due has been written to before the last portion"
    with either.read() as tx:
        facts = [fact for who, run_id in ((row[2], row[3]) for row in known)
                 for fact in tx.all("facts_of_run", contact_id=who, run_id=run_id)]  # fmt: skip
    assert sum(fact[1] == Kind.DELIVERED for fact in facts) == MANY


def test_a_server_that_is_killed_within_a_long_webhook_has_not_answered_it_and_is_told_all_again():
    people = 150
    with open_place("") as place, target(Fates(people, 1, (0, 0)).failing) as (receiver, _):
        with bench._server(place.url, bench.Work(webhooks=people), receiver) as (pid, url, messages):
            told = [(messages[n % len(messages)], Kind.DELIVERED, f"e{n}") for n in range(MANY)]
            data = bench._post(url, told).request
            with ThreadPoolExecutor(1) as pool:
                asked = pool.submit(post, split_address(url), data)
                until(lambda: kept(place) > PORTION)
                os.kill(pid, signal.SIGKILL)
                assert asked.result(60) == b""
        before = kept(place)
        assert PORTION < before < MANY
        settings = Settings(database=f"sqlite:{place.url}", listen="127.0.0.1:0", secret_key=KEY)
        with serving(settings, "a test") as service:
            assert post(split_address(service.base_url), data) == b"HTTP/1.1 200 OK"
        assert kept(place) == MANY
        ((raw,),) = place.ask("SELECT count(*) FROM raw_webhooks")
        assert raw == 2


def kept(place):
    """Return how many of the reports are facts."""
    return place.ask(f"SELECT count(*) FROM facts WHERE kind = {Kind.DELIVERED.value}")[0][0]

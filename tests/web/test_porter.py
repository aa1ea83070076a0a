"""Webhooks in a process of their own: what it takes, what comes back, and that nothing answered is lost."""

import os
import signal
import socket
import time
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import msgspec
import pytest

from kaskad.bench import ingest
from kaskad.bench.client import Pool, split_address, webhook
from kaskad.bench.fates import Fates
from kaskad.bench.place import open_place
from kaskad.bench.target import target
from kaskad.config import Settings
from kaskad.domain.errors import Full
from kaskad.domain.terms import Channel, Kind
from kaskad.domain.tokens import Signer
from kaskad.engine.process import new_loop
from kaskad.engine.reports import ENOUGH, Report
from kaskad.providers import provider
from kaskad.providers.base import Account, Inbound
from kaskad.web.app import build_app
from kaskad.web.door import STAYS
from kaskad.web.porter import porter as porter_module
from kaskad.web.porter.line import Head, read_head
from kaskad.web.porter.porter import WORKS, Porter
from kaskad.web.portions import PORTION
from kaskad.web.server import Server
from support.faults import until

pytestmark = pytest.mark.skipif(not WORKS, reason="connections are handed over on Linux only")

SECRET = "a secret of sixteen signs and more"
SIGNER = Signer([(1, b"k" * 32)])


class Intake:
    """Keeps what it is told; its futures end at once, with `error` where one is set."""

    def __init__(self) -> None:
        self.accounts = {1: account_with(SECRET)}
        self.told = []
        self.error = None
        self.held = None  # a list: futures are put there and not ended

    def account(self, name):
        return next(((a, provider(a.provider)) for a in self.accounts.values() if a.name == name), None)

    def receipts(self, account, told, headers, body, problem) -> Future[None]:
        return self._note(("receipts", account.name, list(told), dict(headers), body, problem))

    def reports(self, reports: list[Report]) -> Future[None]:
        return self._note(("reports", list(reports)))

    def problem(self) -> None:
        return None

    def _note(self, what) -> Future[None]:
        future = Future()
        if self.held is not None:
            self.held.append(future)
        elif self.error is not None:
            future.set_exception(self.error)
            return future
        else:
            future.set_result(None)
        self.told.append(what)
        return future


def account_with(secret: str) -> Account:
    return Account(1, "own", "generic_webhook", Channel.VIBER, secrets={"secret": secret})


@pytest.fixture(scope="module")
def house():
    """Yield a server whose porter has its process, over an intake that is renewed for each test."""
    current = [Intake()]

    class Current:
        def __getattr__(self, name):
            return getattr(current[0], name)

    settings = Settings(
        base_url="https://go.example.org/", link_domain="https://s.example.org/", listen="127.0.0.1:0"
    )
    world = SimpleNamespace(signer=SIGNER, link_hosts=frozenset({b"s.example.org"}), accounts={})
    app = build_app(Current(), SIGNER, wall, settings)
    porter = Porter(Current(), world, app.hooks, settings)
    server = Server(app, settings, porter=porter)
    world.accounts = current[0].accounts
    server.start()
    start(server, porter)
    yield SimpleNamespace(server=server, porter=porter, world=world, current=current, app=app)
    server.stop()
    assert not porter.ready


def start(server: Server, porter: Porter) -> None:
    """Let webhooks come until the porter's process takes them."""
    with mock.patch.object(porter_module, "MANY", 3):  # in a second, which a busy machine may need for a few
        while not porter.ready:
            post(line_to(server), told("none"), secret="not the one")


@pytest.fixture
def at(house):
    """Return the house with an intake that has been told nothing."""
    house.current[0] = house.intake = Intake()
    house.world.accounts = house.intake.accounts
    while not any(what == "reports" for what, *_ in house.intake.told):  # it knows the account from then on
        assert post(line_to(house.server), told("first")) == 200
    house.intake.told.clear()
    return house


def wall() -> int:
    return time.time_ns() // 1_000_000


def told(event: str, **more) -> bytes:
    reference = SIGNER.reference(7, 9, 0, 1)
    return msgspec.json.encode({"id": event, "name": "delivered", "reference": reference, **more})


def line_to(server) -> socket.socket:
    return socket.create_connection(server.address, timeout=10)


def request(body: bytes, secret: str = SECRET) -> bytes:
    return webhook("go.example.org", "/hooks/own?a=%2F", secret, wall(), body)


def answer(line: socket.socket) -> tuple[int, str]:
    """Return the status of one answer, and its head and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = line.recv(65536)
        assert more, "the connection ended"
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < size:
        body += line.recv(65536)
    return int(head.split()[1]), (head + b"\n\n" + body).decode()


def answer_alone(line: socket.socket) -> int:
    """Return the status of an answer, and leave what follows it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        more = line.recv(1)
        assert more, "the connection ended"
        head += more
    size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    assert not size or len(line.recv(size, socket.MSG_WAITALL)) == size
    return int(head.split()[1])


def send_slowly(line: socket.socket, whole: bytes) -> None:
    """Send what is long in pieces, as it comes from afar: the first one goes with its connection."""
    for first in range(0, len(whole), 30_000):
        line.sendall(whole[first : first + 30_000])
        time.sleep(0.01)


def post(line: socket.socket, body: bytes, secret: str = SECRET) -> int:
    with line:
        line.sendall(request(body, secret))
        return answer(line)[0]


def test_webhooks_are_answered_by_the_process_once_they_are_durable(at):
    at.intake.held = []
    before = at.app.hooks.taken["own"]
    with line_to(at.server) as line:
        line.sendall(request(told("e1", occurred_at=5)))
        until(lambda: at.intake.told)
        line.settimeout(0.05)
        with pytest.raises(TimeoutError):
            line.recv(1)
        line.settimeout(10)
        at.intake.held[0].set_result(None)
        status, words = answer(line)
    assert status == 200 and "date: " in words
    ((what, (report,)),) = at.intake.told
    assert what == "reports" and report.body == told("e1", occurred_at=5)
    (arrival,) = report.arrivals
    assert (arrival.contact_id, arrival.run_id, arrival.step, arrival.kind) == (7, 9, 0, Kind.DELIVERED.value)
    assert (arrival.event, arrival.at) == ("e1", 5)
    assert msgspec.json.decode(report.headers)["host"] == "go.example.org"
    until(lambda: at.app.hooks.taken["own"] == before + 1)


def stop(pid: int) -> None:
    """Stop a process, and wait until it is: it goes on for a moment after the signal."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(") ", 1)[1].startswith("T"))


def test_what_comes_at_once_is_handed_on_in_parts_so_that_one_is_kept_while_the_next_is_read(at):
    lines = [line_to(at.server) for _ in range(ENOUGH + 8)]
    for number, line in enumerate(lines):  # so that the process has them all
        line.sendall(request(told(f"before-{number}")))
        assert answer(line)[0] == 200
    at.intake.told.clear()
    stop(at.porter.pid)
    for number, line in enumerate(lines):
        line.sendall(request(told(f"then-{number}")))
    os.kill(at.porter.pid, signal.SIGCONT)
    for line in lines:
        assert answer(line)[0] == 200
        line.close()
    assert [len(reports) for _, reports in at.intake.told] == [ENOUGH, 8]


def many(count: int, odd: int = -1) -> bytes:
    """Return a long webhook: of each report its event; one may be of no message."""
    reports = [msgspec.json.decode(told(f"e{number}")) for number in range(count)]
    if odd >= 0:
        reports[odd] = {"id": "e", "name": "replied", "channel": "viber", "recipient": "77", "text": "yes"}
    return msgspec.json.encode(reports)


def test_a_long_webhook_is_handed_on_in_portions_and_answered_once_all_are_durable(at):
    body, before = many(2 * PORTION + 3), at.app.hooks.taken["own"]
    at.intake.held = []
    with line_to(at.server) as line:
        send_slowly(line, request(body))
        for number in range(3):
            until(lambda number=number: len(at.intake.held) > number)
            line.settimeout(0.05)
            with pytest.raises(TimeoutError):
                line.recv(1)
            at.intake.held[number].set_result(None)
        line.settimeout(10)
        assert answer(line)[0] == 200
    assert [what for what, _ in at.intake.told] == ["reports"] * 3
    reports = [one for _, (one,) in at.intake.told]
    assert [len(one.arrivals) for one in reports] == [PORTION, PORTION, 3]
    assert [one.event for each in reports for one in each.arrivals] == [
        f"e{n}" for n in range(2 * PORTION + 3)
    ]
    assert [one.body for one in reports] == [body, None, None]
    until(lambda: at.app.hooks.taken["own"] == before + 1)


def test_a_long_webhook_that_tells_of_more_than_messages_is_taken_by_the_server(at):
    body = many(2 * PORTION + 3, odd=PORTION + 1)
    with line_to(at.server) as line:
        send_slowly(line, request(body))
        assert answer(line)[0] == 200
        line.sendall(request(told("e")))
        assert answer(line)[0] == 200
    said = [sum(isinstance(one, Inbound) for one in told) for what, _, told, *_ in at.intake.told[1:-1]]
    assert [what for what, *_ in at.intake.told[:2]] == ["reports", "receipts"] and said == [0, 1, 0]
    assert at.intake.told[1][4] == body, "all of it again, as what was kept before counts once"


def test_one_connection_carries_many_webhooks_also_sent_before_the_answer_and_in_pieces(at):
    with line_to(at.server) as line:
        line.sendall(request(told("e1")) + request(told("e2")))
        assert [answer_alone(line), answer_alone(line)] == [200, 200]
        send_slowly(line, request(told("e3", text="ф" * 50_000)))
        assert answer(line)[0] == 200
    events = [one.arrivals[0].event for _, reports in at.intake.told for one in reports]
    assert events == ["e1", "e2", "e3"]


def test_a_body_that_goes_on_while_its_connection_is_handed_over_stays_in_order(at):
    for number in range(20):
        with line_to(at.server) as line:
            whole = request(told(f"e{number}", text="x" * 3_000))
            for first in range(0, len(whole), 500):
                line.sendall(whole[first : first + 500])
                time.sleep(0.0003)
            assert answer(line)[0] == 200


@pytest.mark.parametrize("before", [b"", b"GET /healthz HTTP/1.1\r\nHost: go.example.org\r\n\r\n"])
def test_what_looks_like_a_webhook_within_a_head_or_a_body_is_no_webhook(at, before):
    hook = request(told("e1"))
    with line_to(at.server) as line:
        line.sendall(before)
        assert not before or answer(line)[0] == 200
        head = b"GET /healthz HTTP/1.1\r\nHost: go.example.org\r\nContent-Length: %d\r\nX-A: " % len(hook)
        for piece in (head, hook.partition(b"\r\n")[0] + b"\r\n", b"\r\n", hook):
            line.sendall(piece)
            time.sleep(0.02)
        assert answer(line)[0] == 200
        line.sendall(b"GET /readyz HTTP/1.1\r\nHost: go.example.org\r\n\r\n")
        assert answer(line)[0] == 200
    assert at.intake.told == []


def test_what_belongs_to_no_message_is_read_where_the_engine_is(at):
    reply = {"id": "e", "name": "replied", "channel": "viber", "recipient": "77", "text": "yes"}
    body = msgspec.json.encode(reply)
    assert post(line_to(at.server), body) == 200
    ((what, name, (inbound,), headers, kept, trouble),) = at.intake.told
    assert (what, name, kept, trouble) == ("receipts", "own", body, None)
    assert (inbound.address, inbound.text) == ("77", "yes")
    assert "x-cascade-signature" in headers


def test_a_connection_comes_back_with_whatever_else_is_on_it_and_stays(at):
    with line_to(at.server) as line:
        line.sendall(request(told("e1")))
        assert answer(line)[0] == 200 and at.intake.told[0][0] == "reports"
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: go.example.org\r\n\r\n")
        assert answer(line)[0] == 200
        for number in range(STAYS):
            line.sendall(request(told(f"e{number}")))
            assert answer(line)[0] == 200
    assert [what for what, *_ in at.intake.told] == ["reports", *["receipts"] * (STAYS - 1), "reports"]


def test_what_was_answered_reaches_who_reads_late_before_the_connection_comes_back(at):
    with line_to(at.server) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(request(told("e1")) * 3 + b"GET /healthz HTTP/1.1\r\nHost: go.example.org\r\n\r\n")
        assert [answer_alone(line) for _ in range(4)] == [200] * 4


@pytest.mark.parametrize("change", [
    (b"HTTP/1.1", b"HTTP/1.0"), (b"Content-Type", b"Connection: close\r\nContent-Type"),
])  # fmt: skip
def test_a_connection_is_closed_after_the_answer_where_that_was_asked(at, change):
    with line_to(at.server) as line:
        line.sendall(request(told("e1")).replace(*change))
        assert answer(line)[0] == 200 and line.recv(1) == b""
    assert at.intake.told[0][0] == "reports"


def test_what_is_refused_is_refused_by_the_server_in_its_words(at):
    with line_to(at.server) as line:
        line.sendall(request(told("e1"), secret="not the one"))
        status, words = answer(line)
        assert status == 401 and "application/problem+json" in words
        line.sendall(request(b"{"))  # signed, but no JSON
        assert answer(line)[0] == 200
    (kept,) = at.intake.told
    assert kept[0] == "receipts" and kept[-1] is not None


def test_what_cannot_be_kept_is_told_as_the_server_tells_it(at):
    at.intake.error = Full("the disk is full")
    with line_to(at.server) as line:
        line.sendall(request(told("e1")))
        status, words = answer(line)
    assert status == 503 and "Nothing was stored" in words


def test_the_host_of_short_links_takes_no_webhooks(at):
    with line_to(at.server) as line:
        line.sendall(request(told("e1")).replace(b"Host: go.example.org", b"Host: s.example.org"))
        assert answer(line)[0] == 404
    assert at.intake.told == []


def test_a_body_in_chunks_and_one_without_end_are_left_to_the_server(at):
    body = told("e1")
    head = (
        request(body)
        .partition(b"\r\n\r\n")[0]
        .replace(b"Content-Length: %d" % len(body), b"Transfer-Encoding: chunked")
    )
    with line_to(at.server) as line:
        line.sendall(head + b"\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        assert answer(line)[0] == 200
    assert at.intake.told[0][0] == "receipts"
    with line_to(at.server) as line:
        line.sendall(request(body).replace(b"Content-Length: %d" % len(body), b"Content-Length: 6000000"))
        assert answer(line)[0] == 413


@pytest.mark.parametrize("begun", [b"GET /", b"GET / HTTP/1.1\r\nX: ", b"POST /hooks/own HTTP/1.1\r\nX: "])
def test_a_head_without_end_is_refused_before_it_fills_the_memory(at, begun):
    with line_to(at.server) as line:
        line.sendall(begun + b"a" * 65_000)
        line.sendall(b"a" * 1_000)
        assert line.recv(12) == b"HTTP/1.1 400"
    with line_to(at.server) as line:
        line.sendall(b"GET /nowhere HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 50_000 + b"\r\n\r\n")
        assert answer(line)[0] == 404


def test_a_changed_secret_counts_at_once(at):
    with line_to(at.server) as line:
        line.sendall(request(told("e1")))
        assert answer(line)[0] == 200
        at.intake.accounts[1] = account_with("another secret of sixteen signs")
        line.sendall(request(told("e2")))
        assert answer(line)[0] == 401
    assert post(line_to(at.server), told("e3"), "another secret of sixteen signs") == 200
    assert at.intake.told[0][0] == "reports" and len(at.intake.told) == 2


def test_when_the_process_dies_the_server_takes_webhooks_itself(at):
    at.intake.held = []
    with line_to(at.server) as line:
        line.sendall(request(told("e1")))
        until(lambda: at.intake.told)
        os.kill(at.porter.pid, signal.SIGKILL)
        assert line.recv(1) == b""  # unanswered: it will be told again
    until(lambda: not at.porter.ready)
    at.intake.held = None
    assert post(line_to(at.server), told("e1")) == 200
    assert at.intake.told[-1][0] == "receipts"
    start(at.server, at.porter)
    assert post(line_to(at.server), told("e2")) == 200 and at.intake.told[-1][0] == "reports"


def test_a_process_that_hangs_is_noticed_and_ended(at):
    stop(at.porter.pid)
    lines = []
    with mock.patch.object(porter_module, "HUNG_S", 0.05):
        ends = time.monotonic() + 20
        while at.porter.ready:
            assert time.monotonic() < ends
            lines.append(line_to(at.server))
            lines[-1].sendall(request(told("e", text="x" * 30_000)))
            time.sleep(0.005)
    for line in lines:
        line.close()
    start(at.server, at.porter)


GOOD = b"POST /hooks/own HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"


def test_a_plain_head_is_read():
    head = read_head(GOOD.replace(b"own", b"own?x=%2F&y") + b"X-A:  b c \r\n")
    headers = {"host": "h", "content-length": "2", "x-a": "b c"}
    assert head == Head("own", "/hooks/own?x=%2F&y", headers, 2, True)


@pytest.mark.parametrize("odd", [
    GOOD.replace(b"POST", b"PUT"), GOOD.replace(b"own", b"o%2Fwn"), GOOD.replace(b"own", b"own/more"),
    GOOD.replace(b"1.1", b"2.0"), GOOD.replace(b"Host: h", b"Host : h"), GOOD.replace(b"Host: h", b" folded"),
    GOOD.replace(b"Host: h", b"Host: h\x00"), GOOD.replace(b"\r\nContent", b"\nContent"),
    GOOD.replace(b"Length: 2", b"Length: +2"), GOOD.replace(b"Length: 2", b"Length: 2, 2"),
    GOOD + b"Content-Length: 3\r\n", GOOD + b"Transfer-Encoding: chunked\r\n",
    GOOD + b"Expect: 100-continue\r\n", GOOD + b"Upgrade: h2c\r\n", GOOD + b"Connection: upgrade\r\n",
    GOOD.replace(b"Length: 2", b"Length: 5000001"),
])  # fmt: skip
def test_any_other_head_is_left_to_the_server(odd):
    assert read_head(odd) is None


def test_nothing_that_was_answered_is_lost_when_the_server_is_killed():
    work = ingest.Work(webhooks=150)
    with open_place("") as place, target(Fates(150, 1, (0, 0)).failing) as (receiver, _):
        with ingest._server(place.url, work, receiver) as (pid, url, messages):
            told = [(one, Kind.DELIVERED, f"e{turn}") for turn in range(30) for one in messages]
            answered = bombard(url, [ingest._post(url, [one]) for one in told], kill=pid)
        assert len(told) // 2 <= len(answered) < len(told)
        assert ingest._lost(place, answered) == 0


def bombard(url: str, posts, kill: int):
    """Post all, and kill the server once half of them are answered; return what was answered 2xx."""
    answered = []

    def note(tag, status, seconds):
        if status == 200:
            answered.extend(posts[tag].keys)
            if len(answered) == len(posts) // 2:
                os.kill(kill, signal.SIGKILL)

    async def go():
        pool = Pool(*split_address(url), 32, note)
        await pool.connect()
        for number, one in enumerate(posts):
            pool.post(one.request, number)
        await pool.drained()

    loop = new_loop()
    loop.run_until_complete(go())
    loop.close()
    return answered

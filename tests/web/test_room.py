"""What does not come whole is not waited for without end, nor kept without measure; over real sockets."""

import select
import socket
import time
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest
from msgspec import structs

from kaskad.config import Settings
from kaskad.web.app import build_app
from kaskad.web.porter.porter import Porter
from kaskad.web.server import Server
from support.faults import until
from web.test_porter import SIGNER, Intake, answer, line_to, request, start, told, wall

PATIENCE_S = 2.0
SETTINGS = Settings(
    base_url="https://go.example.org/", listen="127.0.0.1:0", request_seconds=str(PATIENCE_S), unread_mb="1"
)
HEAD = b"POST /hooks/own HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


@contextmanager
def serving(kind, settings):
    """Run a server with little room; its webhooks it takes itself, or a process of its own."""
    intake = Intake()
    intake.site = lambda key: None
    world = SimpleNamespace(signer=SIGNER, link_hosts=frozenset(), accounts=intake.accounts)
    app = build_app(intake, SIGNER, wall, settings)
    porter = Porter(intake, world, app.hooks, settings) if kind == "porter" else None
    server = Server(app, settings, porter=porter, long=frozenset({b"/long"}))
    server.start()
    if porter:
        start(server, porter)
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["server", "porter"])
def at(request):
    with serving(request.param, SETTINGS) as server:
        yield server


@pytest.fixture(params=["server", "porter"])
def patient(request):
    """Yield a server that refuses nothing for the time it takes, however busy the machine is."""
    with serving(request.param, structs.replace(SETTINGS, request_seconds="60")) as server:
        yield server


def status_of(line: socket.socket) -> tuple[int, bytes]:
    """Return the status and the head of what is answered before the connection is closed; 0: nothing is."""
    said = b""
    try:
        while data := line.recv(65_536):
            said += data
    except ConnectionError:
        pass
    return int(said[9:12] or 0), said


def whole(body: bytes, room: int) -> bytes:
    """Return a webhook with so many bytes of nothing around what it says."""
    return request(body + b" " * (room - len(body)))


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"POST /hooks/own HTTP/1.1\r\nHost",
        HEAD % 500 + b"{",
        HEAD.replace(b"/hooks/own", b"/site/x/webhook") % 500,
    ],
    ids=["nothing", "a head", "a webhook", "a body"],
)
def test_what_does_not_come_whole_is_refused_after_a_time_also_where_it_goes_on(at, begun):
    began = time.monotonic()
    with line_to(at) as line:
        line.settimeout(0.2)
        line.sendall(begun)
        said = b""
        while not said and time.monotonic() - began < 20:
            try:
                said = line.recv(100) or b"nothing"
            except TimeoutError:
                line.sendall(b"a" if begun else b"")
        assert said.startswith(b"HTTP/1.1 408"), said
    assert time.monotonic() - began >= PATIENCE_S * 0.9


def test_what_is_long_has_the_longer_the_more_of_it_comes(at):
    sent = whole(told("long"), 200_000)
    with line_to(at) as line:
        for begin in range(0, len(sent), 50_000):
            line.sendall(sent[begin : begin + 50_000])
            time.sleep(PATIENCE_S / 2)
        assert answer(line)[0] == 200


def test_beyond_what_may_be_kept_of_all_that_is_not_whole_it_is_refused_and_short_ones_are_not(patient):
    sent = whole(told("big"), 400_000)
    with line_to(patient) as first, line_to(patient) as second, line_to(patient) as third:
        lines = [first, second, third]
        for line in lines:
            with suppress(ConnectionError):
                line.sendall(sent[:360_000])
        [refused], _, _ = select.select(lines, [], [], 20)
        status, said = status_of(refused)
        assert status == 503 and b"retry-after: 5" in said
        with line_to(patient) as small:
            small.sendall(request(told("small"))[:-5])
            time.sleep(0.1)
            small.sendall(request(told("small"))[-5:])
            assert answer(small)[0] == 200
        for line in lines:
            if line is not refused:
                line.sendall(sent[360_000:])
                assert answer(line)[0] == 200

    def goes():
        with line_to(patient) as again:
            again.sendall(sent[:380_000])
            time.sleep(0.05)
            again.sendall(sent[380_000:])
            return status_of_kept(again) == 200

    until(goes)


def status_of_kept(line: socket.socket) -> int:
    return int(line.recv(100)[9:12] or 0)


def test_what_is_not_kept_in_memory_needs_no_room(at):
    with line_to(at) as line:
        line.sendall(b"POST /long HTTP/1.1\r\nHost: x\r\nContent-Length: 1500000\r\n\r\n" + b"a" * 1_200_000)
        time.sleep(0.2)
        line.sendall(b"a" * 300_000)
        assert status_of_kept(line) == 404


@pytest.mark.parametrize("between", [b"\r\nX-More: ", b""], ids=["many headers", "one header"])
def test_what_follows_a_body_needs_room_also_where_the_body_needs_none(at, between):
    with line_to(at) as line:
        line.settimeout(5)
        line.sendall(b"POST /long HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        line.sendall(b"1\r\na\r\n0\r\nX-More: ")
        assert status_of_kept(line) == 404
        with suppress(ConnectionError):
            for _ in range(1_500):
                line.sendall(b"a" * 1_000 + between)
            while line.recv(65_536):
                pass  # until it is closed

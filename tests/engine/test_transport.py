"""The HTTP transport against real sockets that do what networks do."""

import asyncio

import msgspec
import pytest

from kaskad.domain.errors import SendError
from kaskad.domain.inside import NOTHING
from kaskad.domain.terms import Reason
from kaskad.engine.process import new_loop
from kaskad.engine.transport import http as transport
from kaskad.engine.transport.http import Http
from kaskad.providers.base import Response
from support.certificates import certificate
from support.faults import OK, Peer, free_port, post, serving


def sent(*requests, pause_s: float = 0.0, timeout_s: float = 3.0, **options):
    """Send requests one after the other over one pool; an error stands in the place of its answer."""

    async def run():
        http = Http(**options)
        ends: list[Response | SendError] = []
        for request in requests:
            try:
                ends.append(await http.post(request, timeout_s))
            except SendError as error:
                ends.append(error)
            await asyncio.sleep(pause_s)
        http.close()
        return ends

    with asyncio.Runner(loop_factory=new_loop) as runner:
        ends = runner.run(run())
    return ends[0] if len(ends) == 1 else ends


def test_an_answer_comes_back_with_status_headers_and_body():
    made = b"HTTP/1.1 201 Made\r\nX-Id: 7\r\nContent-Length: 2\r\n\r\nhi"
    with serving(lambda peer: peer.answer(made)) as server:
        answer = sent(post(server.url + "?a=1", b"body", Name="value"))
    assert (answer.status, answer.body) == (201, b"hi")
    assert answer.headers["x-id"] == answer.headers["X-ID"] == "7"
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /send?a=1 HTTP/1.1\r\nHost: localhost:") and b"\r\nName: value\r\n" in head
    assert body == b"body"


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "raw, body",
    {
        "chunked": (CHUNKED, b"hello"),
        "interim": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi"),
        "empty": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    }.values(),
    ids=["chunked", "interim", "empty"],
)
def test_every_framing_is_read_and_the_connection_used_again(raw, body):
    with serving(lambda peer: peer.answer(raw)) as server:
        first, second = sent(post(server.url), post(server.url))
    assert first.body == second.body == body
    assert server.connections == 1


def test_an_answer_that_trickles_in_is_read_whole():
    def trickle(peer: Peer) -> None:
        peer.request()
        for byte in OK:
            peer.socket.sendall(bytes([byte]))

    with serving(trickle) as server:
        assert sent(post(server.url)).body == b"OK"


def test_an_answer_without_length_ends_with_the_connection():
    def speak(peer: Peer) -> None:
        peer.request()
        peer.socket.sendall(b"HTTP/1.0 200 OK\r\n\r\nthe whole")

    with serving(speak) as server:
        assert sent(post(server.url)).body == b"the whole"


def test_a_connection_is_not_used_again_when_the_server_says_so():
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nOK"
    with serving(lambda peer: peer.answer(closing)) as server:
        first, second = sent(post(server.url), post(server.url))
    assert first.status == second.status == 200 and server.connections == 2


@pytest.mark.parametrize("surplus", [OK, b"x"], ids=["second answer", "garbage"])
def test_a_connection_that_says_more_than_asked_is_not_used_again(surplus):
    with serving(lambda peer: peer.answer(OK + surplus)) as server:
        first, second = sent(post(server.url), post(server.url), pause_s=0.05)
    assert first.body == second.body == b"OK" and server.connections == 2


def test_an_idle_connection_is_dropped_before_servers_usually_do(monkeypatch):
    monkeypatch.setattr(transport, "IDLE_S", 0.05)
    with serving(lambda peer: peer.answer(OK)) as server:
        sent(post(server.url), post(server.url), pause_s=0.2)
    assert server.connections == 2


def test_redirects_are_returned_and_not_followed():
    moved = b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"
    with serving(lambda peer: peer.answer(moved)) as server:
        assert sent(post(server.url)).status == 302
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "raw", [b"HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"]
)
def test_refusals_are_answers_for_the_provider_to_read(raw):
    with serving(lambda peer: peer.answer(raw)) as server:
        assert sent(post(server.url)).status == int(raw.split()[1])


def nothing_left(error, words):
    assert isinstance(error, SendError) and error.accepted is False and error.reason is Reason.TRANSIENT
    assert words in error.detail


def test_a_refused_connection_proves_that_nothing_was_accepted():
    nothing_left(sent(post(f"http://127.0.0.1:{free_port()}/")), "could not connect")


def test_an_unknown_name_proves_that_nothing_was_accepted():
    nothing_left(sent(post("http://nobody.invalid/")), "could not connect")


def test_a_failed_tls_handshake_proves_that_nothing_was_accepted(tmp_path):
    server_tls, _ = certificate(tmp_path)
    with serving(lambda peer: peer.answer(OK), server_tls) as server:
        nothing_left(sent(post(server.url)), "self-signed certificate")
    with serving(lambda peer: peer.answer(OK)) as plain:
        error = sent(post(plain.url.replace("http:", "https:")), timeout_s=0.5)
        nothing_left(error, "connect")
    assert not server.requests and not plain.requests


def test_a_trusted_certificate_lets_the_request_through(tmp_path):
    server_tls, client_tls = certificate(tmp_path)
    with serving(lambda peer: peer.answer(OK), server_tls) as server:
        first, second = sent(post(server.url, b"x" * 300_000), post(server.url), tls=client_tls)
    assert first.body == second.body == b"OK" and server.connections == 1


def test_a_request_may_bring_roots_of_its_own_and_shares_no_connection_with_others(tmp_path):
    server_tls, _ = certificate(tmp_path)
    roots = str(tmp_path / "server.pem")
    with serving(lambda peer: peer.answer(OK), server_tls) as server:
        trusting = msgspec.structs.replace(post(server.url), roots=roots)
        first, second, other = sent(trusting, trusting, post(server.url))
    assert first.body == second.body == b"OK"
    nothing_left(other, "self-signed certificate")


def test_roots_that_cannot_be_read_are_a_mistake_of_the_account(tmp_path):
    for roots in (tmp_path / "none.pem", tmp_path / "empty.pem"):
        (tmp_path / "empty.pem").write_text("no certificate")
        error = sent(msgspec.structs.replace(post("https://127.0.0.1:1/"), roots=str(roots)))
        assert isinstance(error, SendError) and (error.reason, error.accepted) == (Reason.AUTH, False)
        assert "cannot be read" in error.detail


def read_and_close(peer: Peer) -> None:
    peer.request()


def read_and_reset(peer: Peer) -> None:
    peer.request()
    peer.reset()


def half_an_answer(peer: Peer) -> None:
    peer.request()
    peer.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


def reset_within_the_body(peer: Peer) -> None:
    half_an_answer(peer)
    peer.reset()


def slow_body(peer: Peer) -> None:
    half_an_answer(peer)
    peer.hang()


def garbage(peer: Peer) -> None:
    peer.request()
    peer.socket.sendall(b"\x00\x01 what is this\r\n\r\n" * 10)
    peer.hang()


def upgrade(peer: Peer) -> None:
    peer.answer(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")


def endless(peer: Peer) -> None:
    peer.request()
    peer.socket.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        peer.socket.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")


def endless_head(peer: Peer) -> None:
    peer.request()
    peer.socket.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        peer.socket.sendall(b"X-Name: value\r\n" * 1000)


FAULTS = [
    read_and_close, read_and_reset, half_an_answer, reset_within_the_body, slow_body, garbage, upgrade,
    endless, endless_head, Peer.hang,
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_once_a_byte_has_left_a_missing_answer_means_unknown(fault):
    with serving(fault) as server:
        error = sent(post(server.url), timeout_s=0.8 if fault in (Peer.hang, slow_body) else 10.0)
    assert isinstance(error, SendError)
    assert error.accepted is None and error.reason is Reason.AMBIGUOUS


def test_a_reused_connection_that_breaks_means_unknown_too():
    def once(peer: Peer) -> None:
        peer.request()
        peer.socket.sendall(OK)
        peer.request()
        peer.reset()

    with serving(once) as server:
        first, second, third = sent(post(server.url), post(server.url), post(server.url))
    assert first.status == 200 and second.accepted is None and third.status == 200
    assert (server.connections, len(server.requests)) == (2, 3)


def test_an_error_tells_neither_url_nor_body():
    with serving(read_and_reset) as server:
        error = sent(post(server.url + "/token-123", b"marked body"))
    assert "token-123" not in str(error) and "marked" not in str(error)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "привет"])
def test_a_header_can_not_break_out_of_its_line(value):
    with serving(lambda peer: peer.answer(OK)) as server:
        error = sent(post(server.url, Name=value))
    assert error.accepted is False and not server.requests


@pytest.mark.parametrize(
    "url",
    ["", "ftp://example.org/", "http://", "http://exa mple.org/", "http://example.org/\r\nX: 1", "http://a@b/",
     "http://example.org:99999/", "http://[::1/"],
)  # fmt: skip
def test_what_is_no_http_url_is_a_fault_of_the_settings(url):
    error = sent(post(url))
    assert error.reason is Reason.AUTH and error.accepted is False


def test_private_addresses_are_refused_where_the_settings_say_so():
    with serving(lambda peer: peer.answer(OK)) as server:
        error = sent(post(server.url), inside=NOTHING)
    assert error.accepted is False and "private" in error.detail and server.connections == 0


def test_closing_ends_what_is_under_way_as_unknown():
    async def run(url):
        http = Http()
        asyncio.get_running_loop().call_later(0.2, http.close)
        with pytest.raises(SendError) as caught:
            await http.post(post(url), 10)
        return caught.value

    with serving(Peer.hang) as server, asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(run(server.url)).accepted is None


def test_a_host_is_asked_about_once_at_a_time_however_many_wait_and_keeps_no_other_waiting(monkeypatch):
    """The threads that ask are few: a name server that does not answer about one host would stop all."""

    async def run():
        http, asked = Http(), []
        answer = http.loop.create_future()

        async def look_up(host, port, **_):
            asked.append(host)
            return await answer if host == "slow.example.org" else [(0, 0, 0, "", ("127.0.0.1", port))]

        monkeypatch.setattr(http, "loop", Loop(http.loop, look_up))
        waiting = [asyncio.create_task(http._resolve("slow.example.org", 1)) for _ in range(8)]
        await asyncio.sleep(0)
        waiting[0].cancel()  # whoever began to ask may give up before the others
        assert await http._resolve("other.example.org", 1) == ["127.0.0.1"]
        answer.set_result([(0, 0, 0, "", ("192.0.2.7", 1))])
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert ends[1:] == [["192.0.2.7"]] * 7 and asked == ["slow.example.org", "other.example.org"]

    asyncio.run(run())


def test_while_the_name_server_is_away_a_host_is_called_where_it_was(monkeypatch):
    async def run():
        http, found = Http(), [[(0, 0, 0, "", ("127.0.0.1", 1))]]

        async def look_up(host, port, **_):
            if not found:
                raise OSError("no answer")
            return found.pop()

        monkeypatch.setattr(http, "loop", Loop(http.loop, look_up))
        monkeypatch.setattr(transport, "ADDRESS_S", -1)
        assert [await http._resolve("a.example.org", 1) for _ in range(3)] == [["127.0.0.1"]] * 3
        with pytest.raises(OSError):
            await http._resolve("b.example.org", 1)

    asyncio.run(run())


class Loop:
    """A loop that asks about names in its own way."""

    def __init__(self, loop, look_up):
        self.getaddrinfo, self.time, self.create_task = look_up, loop.time, loop.create_task

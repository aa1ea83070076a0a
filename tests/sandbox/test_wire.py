"""The small HTTP client: connections used again, bodies of every kind, and what never answers."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kaskad.sandbox.wire import NOTHING, Answer, Client, Outgoing


@contextmanager
def server(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Answer the requests of one connection after the other with these bytes; an empty one closes."""
    listener = socket.create_server(("127.0.0.1", 0))
    heard: list[bytes] = []

    def serve() -> None:
        left = list(answers)
        while left:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while left:
                    data = connection.recv(65_536)
                    if not data:
                        break
                    heard.append(data)
                    answer = left.pop(0)
                    if not answer:
                        break
                    connection.sendall(answer)
                    if b"Connection: close" in answer:
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
    finally:
        listener.close()
        thread.join(2)


def ask(*requests: Outgoing, timeout_s: float = 5) -> list[Answer]:
    async def run() -> list[Answer]:
        client = Client(timeout_s)
        try:
            return [await client.send(request) for request in requests]
        finally:
            client.close()

    return asyncio.run(run())


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_requests_go_out_whole_and_a_connection_is_used_again() -> None:
    with server(OK, OK) as (url, heard):
        post = Outgoing("POST", f"{url}/a?b=1&c=д", {"X-One": "1"}, b"x=1")
        assert ask(post, Outgoing("GET", url)) == [Answer(200, b"ok")] * 2
    first = heard[0].decode()
    assert first.startswith("POST /a?b=1&c=%D0%B4 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert "X-One: 1\r\n" in first and first.endswith("Content-Length: 3\r\n\r\nx=1")
    assert heard[1].startswith(b"GET / HTTP/1.1\r\n") and b"Content-Length" not in heard[1]


@pytest.mark.parametrize(
    ("answer", "method", "read"),
    [
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "GET",
            Answer(200, b"ok"),
        ),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end", "GET", Answer(200, b"to the end")),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "GET", Answer(302, b"", "/x")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "HEAD", Answer(200)),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "POST", Answer(204)),
        (b"", "GET", NOTHING),
        (b"SMTP ready\r\n", "GET", NOTHING),
    ],
)
def test_every_kind_of_answer_is_read(answer: bytes, method: str, read: Answer) -> None:
    with server(answer) as (url, _):
        assert ask(Outgoing(method, url)) == [read]


def test_a_kept_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    with server(OK, b"", OK) as (url, heard):
        assert ask(Outgoing("GET", url), Outgoing("GET", url)) == [Answer(200, b"ok")] * 2
    assert len(heard) == 3


def test_what_never_answers_is_given_up() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert ask(Outgoing("GET", url), timeout_s=0.2) == [NOTHING]
    assert ask(Outgoing("GET", url), Outgoing("GET", "ftp://x"), Outgoing("GET", "http://[")) == [NOTHING] * 3


def test_a_line_break_in_a_header_is_not_sent() -> None:
    with server(OK) as (url, heard):
        assert ask(Outgoing("GET", url, {"X": "1\r\nEvil: 1"})) == [NOTHING]
    assert heard == []

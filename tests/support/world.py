"""People for the sandbox's tests, and a stand-in for Kaskad that keeps what it is sent."""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

from kaskad.sandbox.person import Person
from kaskad.sandbox.profile import Profile, read_profile
from support.faults import PATIENCE_S, pause


def _ids(number: int) -> dict[str, str]:
    """Return a person's ids where neither a mail address nor a number is one."""
    channels = ("vk", "max", "facebook_messenger", "instagram")
    ids = {channel: str(1000 * place + number) for place, channel in enumerate(channels, 2)}
    return {**ids, "push": f"push-token-{number:012}"}


ANN = Person("ann", "Ann Smith", "ann@example.org", "+79000000001", "1001", "en", "Europe/Moscow", _ids(1))
BOB = Person("bob", "Борис", "bob@example.org", "+77000000002", "1002", "ru", "Asia/Almaty", _ids(2))
NOBODY_REACTS = """
mail: {open: {median: 1}, click: {median: 1}}
chat: {react: {median: 1}}
sms: {deliver: {median: 1}, react: {median: 1}}
call: {pick_up: {median: 1}, think: {median: 1}, no_answer: 1}
"""


class Arrival(Struct):
    """One request that the stand-in took."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    believed: bool = False  # its signature has been checked

    @property
    def form(self) -> dict[str, str]:
        query = urlsplit(self.path).query if self.method == "GET" else self.body.decode()
        return dict(parse_qsl(query, keep_blank_values=True))


class Receiver:
    """A web server that keeps what comes; `answers` gives what a path is answered with (status, body)."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.answers: dict[str, Callable[[Arrival], tuple[int, str]]] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def take(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                arrival = Arrival(self.command, self.path, headers, body)
                receiver.arrivals.append(arrival)
                answer = receiver.answers.get(urlsplit(self.path).path, lambda _: (200, ""))
                status, text = answer(arrival)
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", text)
                    text = ""
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(text.encode())

            do_GET = do_POST = do_HEAD = take  # noqa: N815

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def at(self, path: str) -> list[Arrival]:
        return [one for one in self.arrivals if urlsplit(one.path).path == path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def wait_for(what: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """Return the first answer that is not empty; fails where none comes."""
    until = time.monotonic() + patience_s
    while True:
        began = time.monotonic()
        if found := what():
            return found
        assert began < until, "waited in vain"
        time.sleep(pause(began))


def profile(**changes: str) -> Profile:
    """Return a profile in which nobody does anything, but for whole sections that are given in YAML."""
    lines = dict(line.split(": ", 1) for line in NOBODY_REACTS.strip().splitlines())
    return read_profile("\n".join(f"{name}: {told}" for name, told in {**lines, **changes}.items()), "test")

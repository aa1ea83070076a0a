"""HTTP servers that misbehave on purpose, on real sockets: what they do is a function of the connection."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator

from kaskad.domain.terms import Channel
from kaskad.providers.base import Account, Limits, Outgoing, Request

PATIENCE_S = 60  # with a machine that is busy with other things
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
Behaviour = Callable[["Peer"], None]


class Peer:
    """The server's end of one connection."""

    def __init__(self, server: FaultServer, connection: socket.socket) -> None:
        self.server = server
        self.socket = connection
        self._rest = b""

    def request(self) -> bytes:
        """Return the next whole request; b"" where the client has gone."""
        while b"\r\n\r\n" not in self._rest:
            if not self._more():
                return b""
        head, _, _ = self._rest.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        size = len(head) + 4 + (int(lengths[0].split(b":")[1]) if lengths else 0)
        while len(self._rest) < size:
            if not self._more():
                return b""
        whole, self._rest = self._rest[:size], self._rest[size:]
        self.server.requests.append(whole)
        return whole

    def answer(self, data: bytes) -> None:
        """Answer every request of the connection with the same bytes."""
        while self.request():
            self.socket.sendall(data)

    def reset(self) -> None:
        """Break the connection with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def hang(self) -> None:
        """Say nothing until the client gives up."""
        self.socket.settimeout(5)
        with contextlib.suppress(OSError):
            while self.socket.recv(65536):
                pass

    def _more(self) -> bool:
        data = self.socket.recv(65536)
        self._rest += data
        return bool(data)


class FaultServer:
    """A server on loopback that counts connections and keeps requests."""

    def __init__(self, behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self.behaviour = behaviour
        self.requests: list[bytes] = []
        self.connections = 0
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://localhost:{self.port}/send"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self.connections += 1
        with contextlib.suppress(OSError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self.behaviour(Peer(self, connection))
        with contextlib.suppress(OSError):
            connection.close()

    def close(self) -> None:
        self._listener.close()


@contextlib.contextmanager
def serving(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[FaultServer]:
    """A running server that does `behaviour` with every connection."""
    server = FaultServer(behaviour, tls)
    try:
        yield server
    finally:
        server.close()


_kept: list[socket.socket] = []  # by whom ports are kept, until the process ends


def free_port() -> int:
    """Return a port on which nobody listens, and which stays the caller's, also between two of its servers.

    Else it may be the near end of anybody's connection a moment later. A bound socket keeps the system from
    giving it to others; whoever listens on it says SO_REUSEADDR, as servers do.
    """
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    _kept.append(kept)
    return int(kept.getsockname()[1])


def until(condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Wait until `condition` holds; fails where it does not in time."""
    end = time.monotonic() + timeout_s
    while True:
        began = time.monotonic()
        if condition():
            return
        assert began < end, "it did not happen in time"
        time.sleep(pause(began))


def pause(began: float) -> float:
    """Return how long to wait before another look, so that looking takes a fifth of the time at most."""
    return min(0.25, max(0.005, 4 * (time.monotonic() - began)))


def webhook_account(url: str, id: int = 1, concurrency: int = 8) -> Account:
    """Return an account of the generic webhook."""
    secrets = {"secret": "marked-secret-0123456789"}
    limits = Limits(concurrency=concurrency)
    return Account(id, f"hook-{id}", "generic_webhook", Channel.SMS, {"url": url}, secrets, limits=limits)


def message(number: int = 1, **fields: object) -> Outgoing:
    """Return a message to a reserved number."""
    given = {"to": "+15550100", "text": "marked body", "at": 1_700_000_000_000, **fields}
    channel = given.pop("channel", Channel.SMS)
    return Outgoing(f"ref-{number}", f"key-{number}", channel, **given)  # type: ignore[arg-type]


def post(url: str, body: bytes = b"{}", **headers: str) -> Request:
    return Request("POST", url, headers, body)


def interruptible() -> None:
    """Let SIGINT be heard: what a shell starts in the background does not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)

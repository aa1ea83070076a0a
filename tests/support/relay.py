"""What stands between Kaskad and a PostgreSQL server, and cuts connections at the worst moment."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

from psycopg import connect

_COMMITTED = b"COMMIT\x00"  # as the server says that a transaction is kept


class Relay:
    """Passes on what both ends say. `cut_commits`: how many of the next answers to a commit never arrive;
    `away`: no connection is to be had."""

    def __init__(self, url: str) -> None:
        with connect(url) as own:
            self._host, self._port = own.info.host, own.info.port
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        parts = urlsplit(url)
        who = f"{parts.username or 'postgres'}@127.0.0.1:{port}"
        self.url = urlunsplit(parts._replace(netloc=who, query="sslmode=disable&gssencmode=disable"))
        self.cut_commits = 0
        self.away = False
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break all connections that there are."""
        for pair in self._pairs:
            _shut(*pair)
        self._pairs.clear()

    def close(self) -> None:
        """Take no more, and break what there is."""
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.away:
                    client.close()
                    continue
                server = self._reach()
                self._pairs.append((client, server))
                threading.Thread(target=self._pass, args=(client, server), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _reach(self) -> socket.socket:
        if not self._host.startswith("/"):
            return socket.create_connection((self._host, self._port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{self._host}/.s.PGSQL.{self._port}")
        return server

    def _pass(self, one: socket.socket, other: socket.socket, answers: bool = False) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                if answers and self.cut_commits and _COMMITTED in data:
                    self.cut_commits -= 1
                    break
                other.sendall(data)
        _shut(one, other)


def _shut(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def relayed(url: str) -> Iterator[Relay]:
    """Yield a relay before a server."""
    relay = Relay(url)
    try:
        yield relay
    finally:
        relay.close()

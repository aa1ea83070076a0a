"""The HTTP server: uvicorn in a thread of this process."""

from __future__ import annotations

import socket
import threading

import uvicorn
from starlette.types import ASGIApp

from kaskad.config import Settings
from kaskad.domain.errors import Conflict
from kaskad.log import get_logger
from kaskad.web.door import door_of
from kaskad.web.porter.porter import Porter
from kaskad.web.room import room_of

log = get_logger(__name__)

GRACE_S = 10  # for requests under way when the server stops
OPEN_AT_ONCE = 10_000  # connections; more are answered 503
KEEP_ALIVE_S = (
    75  # longer than a proxy in front keeps an idle connection, so that it never meets a closed one
)


class Server:
    """Listens from `start` on until `stop`; on `listener` where the caller has one already.

    `porter` takes the connections of webhooks, where they come in numbers. What comes to the paths of
    `long` the application does not keep in memory.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, listener: socket.socket | None = None,
        porter: Porter | None = None, long: frozenset[bytes] = frozenset(),
    ) -> None:  # fmt: skip
        self._settings, self._porter = settings, porter
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                loop="auto",
                http=door_of(porter, room_of(settings), long),
                ws="none",
                lifespan="off",
                interface="asgi3",
                access_log=False,
                log_config=None,
                log_level="critical",  # what goes wrong in a request is logged by problems.py
                server_header=False,
                proxy_headers=True,
                forwarded_allow_ips=settings.proxies,
                limit_concurrency=OPEN_AT_ONCE,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._thread: threading.Thread | None = None
        self._socket = listener

    @property
    def address(self) -> tuple[str, int]:
        """Return the address and port that it really listens on, also where port 0 was asked for."""
        if self._socket is None:
            return self._settings.host, self._settings.port
        host, port = self._socket.getsockname()[:2]
        return host, port

    def start(self) -> None:
        """Listen; raises Conflict where the address is taken. Returns when connections are accepted."""
        self._socket = self._socket or listen(self._settings.host, self._settings.port)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="http", daemon=True
        )
        self._thread.start()
        log.info("listening", host=self.address[0], port=self.address[1])

    def stop(self, timeout_s: float = 15.0) -> None:
        """Take no more connections, let requests under way end, and close. May be called twice."""
        self._server.should_exit = True
        if self._porter is not None:
            self._porter.stop(GRACE_S)
        if self._thread is not None:
            self._thread.join(timeout_s)
        if self._socket is not None:
            self._socket.close()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that connections can already be made to."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise Conflict(
            f"Cannot listen on {host}:{port}: {error.strerror}. See the setting `listen`."
        ) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise Conflict(
            f"Cannot listen on {host}:{port}: {error.strerror}. Stop whoever does, or choose another port: "
            "by --listen or --port of the command, or the setting `listen`."
        ) from None
    return listener

"""A small receiver of outgoing webhooks that verifies what it gets with the standard's own library."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from support.faults import until


class Receiver:
    """What came: (webhook-id, verified body or None). `answer` gives the status for a request's number."""

    def __init__(self) -> None:
        self.secret = ""
        self.got: list[tuple[str, dict[str, Any] | None]] = []
        self.headers: list[dict[str, str]] = []
        self.answer: Callable[[int], int] = lambda number: 204
        self.url = ""

    def take(self, headers: dict[str, str], body: bytes) -> int:
        try:
            told = Webhook(self.secret).verify(body, headers)
        except WebhookVerificationError:
            told = None
        self.headers.append(headers)
        self.got.append((headers["webhook-id"], told))
        return self.answer(len(self.got))

    def waits_for(self, count: int) -> list[tuple[str, dict[str, Any] | None]]:
        """Return what came once that is `count` requests or more."""
        until(lambda: len(self.got) >= count)
        return self.got

    def types(self) -> list[str]:
        return [body["type"] if body else "?" for _, body in self.got]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Listen until the end of the block."""
    told = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(told.take({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_port}/hook"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()

"""What a running installation needs before anything can be sent: accounts, people, and who takes messages."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kaskad.domain.consent import ANY
from kaskad.domain.policy import Policy
from kaskad.domain.terms import Channel
from kaskad.store import accounts, cascades, contacts, settings, suppressions
from kaskad.store.db import Transaction
from kaskad.web.service import Service

SECRET = "only-for-trying-it-out"


class Taker:
    """A provider that takes every message; `refusing` addresses are answered 422."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.refusing: set[str] = set()
        self.url = ""


@contextmanager
def taking() -> Iterator[Taker]:
    """Run a provider on a real socket until the end of the block."""
    taker = Taker()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["content-length"])))
            taker.messages.append(message)
            refused = message["to"] in taker.refusing
            told = {"error_class": "permanent_recipient", "code": "E404"} if refused else {"id": "m"}
            body = json.dumps(told).encode()
            self.send_response(422 if refused else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    taker.url = f"http://127.0.0.1:{server.server_port}/"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield taker
    finally:
        server.shutdown()
        server.server_close()


def equip(service: Service, url: str, *channels: Channel, price: int = 1500) -> None:
    """Give the installation an account for each channel, and no quiet hours."""

    def change(tx: Transaction) -> None:
        settings.put(tx, "policy", Policy.unlimited())
        for channel in channels:
            accounts.save(tx, service.vault, accounts.Account(
                name=channel.value, provider="generic_webhook", channel=channel, settings={"url": url},
                secrets={"secret": SECRET},
                prices={"minor": price, "currency": "KZT", "per": "message"},
            ))  # fmt: skip

    service.office.write(change)
    service.office.reload()


def people(service: Service, *names: str, listed: str = "") -> list[int]:
    """Make contacts who can be reached on every channel and have allowed everything; put them on a list."""

    def change(tx: Transaction) -> list[int]:
        told = [
            contacts.Contact(
                external_id=name, zone="UTC", attributes={"name": name.title()},
                addresses=[
                    contacts.Address(channel, f"{name}@{channel.value}.example.org")
                    for channel in (Channel.EMAIL, Channel.TELEGRAM, Channel.SMS)
                ],
                consents=[contacts.Consent(granted=True, at=1, purpose=ANY, proof="{}")],
            )
            for name in names
        ]  # fmt: skip
        key = suppressions.hash_key(tx, service.vault)
        ids = contacts.upsert(tx, key, told, service.office.now())
        if listed:
            cascades.add_members(tx, cascades.save_list(tx, listed), ids)
        return ids

    return service.office.write(change)

"""The page of one's own gateway tells what is POSTed, and the gateway that it shows works."""

import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from kaskad.domain.terms import Channel, Kind
from kaskad.providers import provider
from kaskad.providers.base import Account, Outgoing, Request, Response
from kaskad.providers.generic_webhook import Posted

PAGE = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text("utf-8")
ADAPTER = provider("generic_webhook")


def fields_after(title):
    """Return the names in the first column of the table in this section that tells of fields."""
    table = PAGE.split(f"## {title}", 1)[1].split("| field | |", 1)[1].split("\n\n", 1)[0]
    cells = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


def test_every_field_that_is_posted_is_told():
    sent = [field.encode_name for field in msgspec.structs.fields(Posted)]
    assert sorted(fields_after("What comes")) == sorted(["type", *sent])


def test_every_field_of_a_report_that_is_told_is_read():
    told = dict.fromkeys(fields_after("What you report"), "1")
    told |= {
        "name": "replied",
        "channel": "sms",
        "recipient": "+77000000001",
        "occurred_at": 1_795_602_000_000,
    }
    account = Account(1, "own", ADAPTER.name, Channel.SMS)
    for names in (told.keys() - {"channel", "recipient"} | {"reference"}, told.keys()):
        body = json.dumps({name: told.get(name, "r") for name in names}).encode()
        (read,) = ADAPTER.read_webhook(Request("POST", "", {}, body), account)
        assert read.kind is Kind.REPLIED and read.event == "1" and read.at == told["occurred_at"]


@contextmanager
def served(handler):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def post(request):
    """Return how a gateway answers, over a real socket."""
    asked = urllib.request.Request(request.url, request.body, dict(request.headers), method="POST")
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return Response(answer.status, dict(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        return Response(error.code, dict(error.headers), error.read())


@pytest.fixture
def shown(monkeypatch):
    """Return the module that the page shows, silent."""
    (text,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    module = {"__name__": "gateway", "print": lambda *words, **more: None}
    exec(compile(text, "docs/gateway.md", "exec"), module)
    module["Gateway"].log_message = lambda *words: None
    return module


def test_the_gateway_that_is_shown_takes_a_message_once_and_reports_it(shown):
    hooks = deque()

    class Hooks(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            hooks.append(Request("POST", self.path, headers, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *words):
            pass

    with served(shown["Gateway"]) as gateway, served(Hooks) as ours:
        account = Account(1, "own", ADAPTER.name, Channel.SMS, {"url": gateway},
                          {"secret": shown["SECRET"].decode()})  # fmt: skip
        message = Outgoing("ref", "1:1:0", Channel.SMS, "+77000000001", time.time_ns() // 1_000_000,
                           text="Hello", status_url=f"{ours}/hooks/own")  # fmt: skip
        request = ADAPTER.build_request(message, account)
        first, again = (ADAPTER.read_response(post(request)) for _ in range(2))
        assert first.provider_id == again.provider_id == "my-1"
        forged = Request(
            "POST", request.url, {**request.headers, "X-Cascade-Signature": "v1=00"}, request.body
        )
        assert post(forged).status == 401
        until = time.monotonic() + 20
        while not hooks and time.monotonic() < until:
            time.sleep(0.05)
        (hook,) = hooks
        ADAPTER.verify_webhook(hook, account, time.time_ns() // 1_000_000)
        (receipt,) = ADAPTER.read_webhook(hook, account)
        assert (receipt.kind, receipt.reference) == (Kind.DELIVERED, "ref")
        assert len(shown["taken"]) == 1

"""Test messages: to testers only, by the live account, with all that goes with the words, in no figure."""

import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest
from aiosmtpd.controller import Controller

from kaskad.cli.root import run
from support.faults import free_port

SECRET = "swordfish-swordfish"
CASCADE = """cascade: reminders
title: Reminders
class: advertising
topic: news
trigger: {event: booked}
utm: {source: kaskad}
steps:
  - id: letter
    channel: email
    subject: "{{ contact.name }}, tomorrow"
    html: '<p>See <a href="https://example.org/a">it</a><img src="cid:logo" alt="Logo">
      <a href="{{ unsubscribe_url }}">leave</a> <a href="{{ files.prices }}">prices</a></p>'
    attach: [{file: prices, name: "Prices for {{ contact.name }}.txt"}]
    calendar: {title: Visit, starts: trigger.at, lasts: 1h}
  - {id: note, channel: sms, text: "{{ contact.name }}: {{ trigger.at }} {{ link('https://example.org/a') }}"}
"""
AT = {"at": "2026-12-01T08:00:00Z"}


class Mails:
    """What a mail server got."""

    def __init__(self) -> None:
        self.got: list[tuple[list[str], bytes]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.got.append((envelope.rcpt_tos, envelope.content))
        return "250 OK"


@pytest.fixture(scope="module")
def outside(api) -> Iterator[tuple[list[dict[str, Any]], Mails]]:
    """Return what two services got: one of SMS, one of mail; the installation's people are three."""
    texts: list[dict[str, Any]] = []
    mails = Mails()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = msgspec.json.decode(self.rfile.read(int(self.headers["content-length"])))
            texts.append(told)
            bad = "0000007" in str(told)
            words = b'{"error": "permanent_recipient"}' if bad else b'{"id": "m-1"}'
            self.send_response(422 if bad else 202)
            self.send_header("Content-Length", str(len(words)))
            self.end_headers()
            self.wfile.write(words)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = free_port()
    mail = Controller(mails, "127.0.0.1", port)
    mail.start()
    api.put("/accounts/texts", {
        "provider": "generic_webhook", "channel": "sms", "secrets": {"secret": SECRET},
        "settings": {"url": f"http://127.0.0.1:{server.server_port}/"}, "price": "5 RUB per part",
    })  # fmt: skip
    api.put("/accounts/mail", {
        "provider": "smtp", "settings": {
            "host": "127.0.0.1", "port": str(port), "security": "none", "sender": "shop@example.org",
        },
    })  # fmt: skip
    for name, address in (("anna", "79000000001"), ("bert", "79000000002"), ("cora", "79000000003")):
        api.post("/contacts", {
            "external_id": name, "attributes": {"name": name.title()}, "language": "ru",
            "addresses": [{"channel": "sms", "value": f"+{address}"},
                          {"channel": "email", "value": f"{name}@example.org"}],
        })  # fmt: skip
    api.put("/templates/hello", {"channel": "sms", "language": "ru", "text": "Привет, {{ contact.name }}!"})
    yaml = {"Content-Type": "application/yaml"}
    assert api.put("/cascades/reminders", content=CASCADE.encode(), headers=yaml)["ok"]
    for name, body in (("prices.txt", b"cheap"), ("logo.png", b"\x89PNG\r\n\x1a\n" + b"0" * 40)):
        api.put(f"/files/{name[:-4]}?title={name}", content=body)
    yield texts, mails
    server.shutdown()
    server.server_close()
    mail.stop()


def refused(api: Any, path: str, told: dict[str, Any]) -> str:
    answer = api.call("POST", path, told)
    assert answer.status_code == 422, answer.text
    return answer.text


def test_a_test_goes_to_testers_only_and_says_what_the_service_said(api, outside, capsys):
    texts, _ = outside
    path, told = "/templates/hello/test", {"to": "+7 900 000-00-09"}
    assert "make a seed" in refused(api, path, told)
    told["contact"] = "bert"
    assert "neither a test address nor" in refused(api, path, told)
    assert "is no telephone number" in refused(api, path, {**told, "to": "12"})
    assert not texts
    wrong = api.call("PATCH", "/policy", {"test_addresses": ["8 (900) 000-00-09"]})
    assert wrong.status_code == 422 and "00-09' is no e-mail" in wrong.text
    api.call("PATCH", "/policy", {"test_addresses": ["qa@example.org", "+7 900 000-00-09"]})
    sent = api.post(path, told)
    assert (sent["to"], sent["account"], sent["outcome"]["accepted"]) == ("+79000000009", "texts", True)
    assert texts.pop()["text"] == "Привет, Bert!" and sent["message"]["price"] == 500
    api.post("/seeds", {"contacts": ["anna"]})
    sent = api.post(path, {"to": "+79000000001"})  # a seed contact's own number, and so their words
    assert texts.pop()["text"] == "Привет, Anna!"
    assert "neither" in refused(api, path, {"to": "+79000000003"})
    assert api.post(path, {"to": "+79000000003", "anyone": True})["outcome"]["accepted"]
    api.post("/contacts/cora/consents", {"granted": False, "channels": ["sms"]})
    assert "has refused such messages" in refused(api, path, {"to": "+79000000003", "anyone": True})
    api.post(
        "/suppressions", {"addresses": [{"channel": "sms", "value": "+79000000001"}], "reason": "manual"}
    )
    assert "on the stop-list" in refused(api, path, {"to": "+79000000001"})
    assert "no enabled account 'nobody'" in refused(api, path, {**told, "account": "nobody"})
    arguments = ["template", "test", "hello", "--db", api.service.db.name]
    assert run([*arguments, "--to", "+79000000009"]) == 0
    assert "texts has taken the message for +79000000009" in capsys.readouterr().out
    assert run([*arguments, "--to", "+79000000077", "--anyone"]) == 1
    assert "texts did not take it (content" in capsys.readouterr().err


def test_a_letter_goes_with_its_files_links_and_appointment_and_is_marked(api, outside):
    _, mails = outside
    api.call("PATCH", "/policy", {"test_addresses": ["qa@example.org"]})
    told = {"to": "QA@example.org", "contact": "bert", "trigger": AT}
    sent = api.post("/cascades/reminders/steps/letter/test", told)
    assert sent["outcome"]["accepted"], sent
    (to,), raw = mails.got.pop()
    letter = message_from_bytes(raw, policy=policy.default)
    assert to == "qa@example.org" and letter["Subject"] == "[Проверка] Bert, tomorrow"
    names = [part.get_filename() for part in letter.walk() if part.get_filename()]
    assert "Prices for Bert.txt" in names
    assert any(part.get_content_type() == "text/calendar" for part in letter.walk())
    html = letter.get_body(("html",)).get_content()
    assert "https://example.org/a?utm_source=kaskad" in html and "/l/" not in html and "/o/" not in html
    leave = html.split('href="', 2)[2].split('"')[0]
    assert leave in letter["List-Unsubscribe"]
    path = leave.removeprefix(api.service.office.base_url)
    for method in ("GET", "POST"):
        assert "test message" in api.raw(method, path).text
    prices = html.split('href="', 3)[3].split('"')[0].removeprefix(api.service.office.base_url)
    assert api.raw("GET", prices).content == b"cheap"
    assert api.get("/runs")["items"] == [], "figures, caps and costs are made of runs and their messages"

"""Texts that a service approves: asked for over HTTP; no cascade that names them in vain is activated."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kaskad.actions import doctor
from kaskad.domain.terms import TemplateState
from kaskad.engine import approved
from kaskad.providers import PROVIDERS
from kaskad.providers.approval import ServiceTemplate
from kaskad.providers.base import Request, status_error
from kaskad.providers.generic_webhook import GenericWebhook
from support.faults import until

DAY_MS = 86_400_000
YAML = {"Content-Type": "application/yaml"}
ORDER = """cascade: order
class: service
trigger: {event: ready}
goal: {event: bought}
steps:
  - id: chat
    channel: whatsapp
    approved: {name: order_ready, language: ru, parameters: ["{{ contact.name }}", "{{ trigger.total }}"]}
    wait: 2h
"""


class Listed(GenericWebhook):
    """A service whose list of texts is read page by page, of an account that names a business."""

    name = "listed"
    capabilities = type(GenericWebhook.capabilities)(window_ms=DAY_MS, approved=True)

    def templates_request(self, account, cursor):
        return Request("GET", f"{account['url']}?after={cursor}") if account["url"] else None

    def read_templates(self, response):
        if not response.ok:
            raise status_error(response)
        page = response.json()
        found = [
            ServiceTemplate(
                name=one["name"], language="ru", state=TemplateState(one["state"]), category="utility",
                body="{{1}}, {{2}}", parameters=tuple("12"[: one["places"]]),
            )
            for one in page["items"]
        ]  # fmt: skip
        return found, page["next"]


class Service:
    def __init__(self) -> None:
        self.texts = [("order_ready", "approved", 2), ("old", "disabled", 0)]
        self.broken = False


@pytest.fixture(scope="module")
def service(api) -> Iterator[Service]:
    told = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place = int(self.path.partition("after=")[2] or 0)
            name, state, places = told.texts[place]
            more = str(place + 1) if place + 1 < len(told.texts) else ""
            body = {"items": [{"name": name, "state": state, "places": places}], "next": more}
            words = json.dumps(body).encode()
            self.send_response(500 if told.broken else 200)
            self.send_header("Content-Length", str(len(words)))
            self.end_headers()
            self.wfile.write(words)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    PROVIDERS["listed"] = Listed()
    url = f"http://127.0.0.1:{server.server_port}/texts"
    account = {"provider": "listed", "channel": "whatsapp", "settings": {"url": url}}
    api.put("/accounts/wa", {**account, "secrets": {"secret": "swordfish-swordfish"}})
    yield told
    api.delete("/accounts/wa?force=true")
    del PROVIDERS["listed"]
    server.shutdown()
    server.server_close()


def texts(api):
    return {one["name"]: one["state"] for one in api.get("/accounts/wa/templates")["items"]}


def refusal(api, text):
    api.put("/cascades/order", content=text, headers=YAML)
    answer = api.call("POST", "/cascades/order/activate")
    return "" if answer.status_code == 200 else answer.text


def test_the_errand_brings_the_texts_of_a_new_account_and_a_call_brings_them_anew(api, service):
    until(lambda: texts(api) == {"order_ready": "approved", "old": "disabled"})
    service.texts.append(("new", "pending", 1))
    synced = api.post("/accounts/wa/templates/sync")["items"]
    assert [(one["name"], one["state"], one["parameters"]) for one in synced] == [
        ("new", "pending", ["1"]), ("old", "disabled", []), ("order_ready", "approved", ["1", "2"]),
    ]  # fmt: skip
    service.texts.pop()
    api.post("/accounts/wa/templates/sync")
    assert "new" not in texts(api)


def test_a_service_that_does_not_answer_is_told_and_nothing_is_forgotten(api, service):
    service.broken = True
    answer = api.call("POST", "/accounts/wa/templates/sync")
    assert answer.status_code == 409 and "does not tell its texts" in answer.text
    service.broken = False
    assert texts(api)


def test_activation_refuses_a_text_that_cannot_be_sent(api, service):
    api.post("/accounts/wa/templates/sync")
    assert "does not know" in refusal(api, ORDER.replace("order_ready", "no_such"))
    assert "--sync" in refusal(api, ORDER.replace("language: ru", "language: en_US"))
    assert "is disabled" in refusal(api, ORDER.replace("order_ready", "old"))
    assert "2 places, and 1 `parameters`" in refusal(api, ORDER.replace(', "{{ trigger.total }}"', ""))
    assert "buttons" in refusal(api, ORDER.replace('}}"]}', '}}"], buttons: [a]}'))
    assert "head is fixed" in refusal(api, ORDER.replace('}}"]}', '}}"], header: a}'))
    assert refusal(api, ORDER) == ""


def test_other_accounts_say_what_they_take(api, service):
    assert api.call("GET", "/accounts/no-such/templates").status_code == 404
    api.put("/accounts/plain", {
        "provider": "generic_webhook", "channel": "vk", "settings": {"url": "http://127.0.0.1:1/"},
        "secrets": {"secret": "swordfish-swordfish"},
    })  # fmt: skip
    answer = api.call("GET", "/accounts/plain/templates")
    assert answer.status_code == 422 and "approves no texts" in answer.text
    assert "takes none" in refusal(api, ORDER.replace("channel: whatsapp", "channel: vk"))


def test_the_doctor_tells_of_a_text_that_is_paused_meanwhile(api, service):
    api.post("/accounts/wa/templates/sync")
    assert refusal(api, ORDER) == ""
    office = api.service.office
    account = office.engine.world.accounts.by_name["wa"]
    paused = ServiceTemplate(
        name="order_ready", language="ru", state=TemplateState.PAUSED, parameters=("1", "2")
    )
    office.write(lambda tx: approved.keep(tx, office.engine.world, account, [paused]))
    found = list(doctor._of_texts(api.service.db, [account]))
    assert [one.level for one in found] == ["problem"] and "is paused" in found[0].detail

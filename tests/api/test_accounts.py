"""Accounts: their forms come from the providers, secrets go in and never out, a test message really goes."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from kaskad.domain.terms import Channel
from kaskad.store import accounts as account_store
from support.bot_api import TOKEN, bot_api
from support.faults import until

SECRET = "swordfish-swordfish"


class Service:
    """What a provider's server got, and what it answers."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.answer = (202, b'{"id": "m-1", "cost": {"amount": "14.50", "currency": "KZT"}}')


@pytest.fixture
def service() -> Iterator[tuple[Service, str]]:
    told = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            told.got.append(msgspec.json.decode(body))
            status, words = told.answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(words)))
            self.end_headers()
            self.wfile.write(words)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield told, f"http://127.0.0.1:{server.server_port}/send"
    server.shutdown()
    server.server_close()


def sms(url: str = "https://sms.example.org/send", **changes: Any) -> dict[str, Any]:
    return {
        "provider": "generic_webhook", "channel": "sms", "settings": {"url": url},
        "secrets": {"secret": SECRET}, "price": "14.5 KZT per part", "limits": {"per_second": 20},
    } | changes  # fmt: skip


def kept(api: Any) -> dict[str, account_store.Account]:
    with api.service.db.read() as tx:
        return {one.name: one for one in account_store.all_accounts(tx, api.service.vault)}


def test_providers_tell_what_their_accounts_need(api):
    found = {one["name"]: one for one in api.get("/providers")["items"]}
    settings = {one["name"]: one for one in found["smtp"]["settings"]}
    assert settings["password"]["secret"] and not settings["password"]["required"]
    assert settings["port"]["default"] == "587"
    assert found["smtp"]["channels"] == ["email"]
    assert "delivered" in found["generic_webhook"]["capabilities"]["receipts"]


def test_a_service_that_cannot_be_polled_is_told(api):
    with bot_api() as bot:
        chat = {"provider": "telegram", "settings": {"base_url": bot.url}, "secrets": {"token": "1:wrong"}}
        api.put("/accounts/chat", chat)
        until(lambda: api.get("/accounts/chat")["doing"]["trouble"] == "Unauthorized", 30)
        api.put("/accounts/chat", {**chat, "secrets": {"token": TOKEN}})
        until(lambda: bool(bot.asked("getUpdates")) and not api.get("/accounts/chat")["doing"]["trouble"], 30)
    api.delete("/accounts/chat")


def test_a_secret_goes_in_and_never_out_and_stays_where_it_is_left_out(api):
    saved = api.put("/accounts/sms", sms())
    assert saved["price"] == "14.50 KZT per part"
    assert saved["limits"]["per_second"] == 20.0
    assert saved["limits_in_force"]["concurrency"] == 32
    assert saved["webhook_url"] == f"{api.service.base_url}/hooks/sms"
    assert saved["doing"] == {
        "queued": 0, "in_flight": 0, "breaker": "closed", "open_until": None, "trouble": "",
        "held_at": None, "held_why": "",
        "failed": 0, "last_failure": None,
    }  # fmt: skip
    again = api.put("/accounts/sms", {**sms(), "secrets": {}, "enabled": False})
    assert again["secrets"] == ["secret"] and again["enabled"] is False
    assert kept(api)["sms"].secrets == {"secret": SECRET}
    answers = [api.call("GET", "/accounts"), api.call("GET", "/accounts/sms")]
    assert all(answer.status_code == 200 and SECRET not in answer.text for answer in answers)
    gone = api.call("PUT", "/accounts/sms", {**sms(), "secrets": {"secret": None}})
    assert gone.status_code == 422 and "'secret' is missing" in gone.text
    other = api.call("PUT", "/accounts/sms", {**sms(), "provider": "smtp", "channel": None, "secrets": {}})
    assert other.status_code == 422 and SECRET not in other.text


def test_secrets_do_not_follow_an_account_to_another_server(api):
    api.put("/accounts/moving", sms())
    moved = sms("https://elsewhere.example.org/send", secrets={})
    refused = api.call("PUT", "/accounts/moving", moved)
    assert refused.status_code == 422
    assert "its address changes: tell its secrets again, secret" in refused.text
    assert kept(api)["moving"].settings["url"] == "https://sms.example.org/send"
    api.put("/accounts/moving", {**moved, "secrets": {"secret": SECRET}})
    api.delete("/accounts/moving")


@pytest.mark.parametrize(
    "url", ["gopher://sms.example.org", "sms.example.org", "https://", "http://[", "http://a:0"]
)
def test_an_address_that_leads_nowhere_is_refused(api, url):
    answer = api.call("PUT", "/accounts/lost", sms(url))
    assert answer.status_code == 422 and "write an address such as" in answer.text


@pytest.mark.parametrize("port", ["0", "65536", "99999999999999999999", "smtp", "-1"])
def test_a_port_that_is_none_is_refused(api, port):
    settings = {"host": "mail.example.org", "sender": "shop@example.org", "port": port}
    answer = api.call("PUT", "/accounts/lost", {"provider": "smtp", "settings": settings})
    assert answer.status_code == 422 and "a port is a number" in answer.text


def test_every_problem_is_told_at_once_and_nothing_is_kept(api):
    told = {
        "provider": "generic_webhook", "channel": "pigeon", "settings": {"adress": "x"},
        "price": "much", "priority": 7, "limits": {"per_second": 1},
    }  # fmt: skip
    answer = api.call("PUT", "/accounts/Wrong!", told)
    assert answer.status_code == 422
    words = "\n".join(problem["detail"] for problem in answer.json()["problems"])
    for part in ("give it a name", "name its channel", "no setting 'adress'", "'url' is missing", "price"):
        assert part in words
    assert "Wrong!" not in kept(api)
    shape = api.call("PUT", "/accounts/x", {"provider": 1, "limits": {"burst": -1}, "prize": "1 KZT"})
    assert {p["pointer"] for p in shape.json()["problems"]} == {"/provider", "/limits/burst", "/prize"}


def test_a_test_message_really_goes_and_its_answer_is_told(api, service):
    told, url = service
    api.put("/accounts/try", sms(url, enabled=False))
    answer = api.post("/accounts/try/test", {"to": "+7 900 000-00-01", "text": "Hello"})
    assert (answer["accepted"], answer["provider_id"], answer["cost"]) == (True, "m-1", "14.50 KZT")
    assert (told.got[0]["to"], told.got[0]["text"]) == ("+79000000001", "Hello")
    told.answer = (422, b'{"error_class": "permanent_recipient", "code": "77", "detail": "no such number"}')
    answer = api.post("/accounts/try/test", {"to": "+79000000001"})
    assert answer["accepted"] is False
    assert (answer["reason"], answer["code"]) == ("invalid_address", "77")
    assert "no such number" in answer["detail"]
    told.answer = (500, b"")
    assert api.post("/accounts/try/test", {"to": "+79000000001"})["accepted"] is None
    assert "is no telephone number" in api.call("POST", "/accounts/try/test", {"to": "12"}).text
    assert api.call("POST", "/accounts/nobody/test", {"to": "+79000000001"}).status_code == 404
    with api.service.db.read() as tx:
        assert not any(account_store.queue_lengths(tx).values())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sender": "The shop"}, "sender"),
        ({"sender": "a@example.org", "bounces": "nobody"}, "bounces"),
        ({"sender": "a@example.org", "bounce_domain": "b.example.org"}, "bounce_secret"),
    ],
)
def test_addresses_of_a_mail_account_that_are_none_are_refused_before_they_are_saved(api, settings, said):
    told = {"provider": "smtp", "settings": {"host": "127.0.0.1"} | settings}
    refused = api.call("PUT", "/accounts/mail", told)
    assert refused.status_code == 422
    (problem,) = refused.json()["problems"]
    assert said in problem["detail"]
    assert "mail" not in kept(api)


def test_a_deleted_account_is_gone_but_its_id_is_never_another_ones(api):
    api.put("/accounts/old", sms())
    number = kept(api)["old"].id
    api.delete("/accounts/old")
    assert api.call("GET", "/accounts/old").status_code == 404
    assert api.call("DELETE", "/accounts/old").status_code == 404
    assert api.raw("POST", "/hooks/old").status_code == 404
    with api.service.db.read() as tx:
        row = next(row for row in tx.all("accounts") if row[0] == number)
    assert api.service.vault.decrypt(row[5], dict) == {}
    api.put("/accounts/old", sms())
    assert kept(api)["old"].id > number


def test_an_account_that_a_step_names_is_not_deleted(api):
    api.put("/accounts/named", sms())
    text = (
        "cascade: named\ntitle: Named\nclass: service\ntrigger: {event: e}\ngoal: {event: g}\n"
        "steps: [{id: one, channel: sms, account: named, text: Hi, wait: 1d}]\n"
    )
    from kaskad.store import cascades

    def change(tx):
        row = cascades.save_version(tx, "named", text, 1)
        cascades.set_state(tx, row.cascade_id, cascades.ACTIVE, 1)
        return row.cascade_id

    cascade_id = api.service.engine.write(change).result()
    api.service.engine.reload()
    answer = api.call("DELETE", "/accounts/named")
    assert answer.status_code == 409 and "step 'one' of cascade 'named'" in answer.json()["detail"]
    api.service.engine.write(lambda tx: cascades.set_state(tx, cascade_id, cascades.STOPPED, 2)).result()
    api.service.engine.reload()
    api.delete("/accounts/named")


def test_seeing_accounts_needs_one_scope_and_changing_them_another(api):
    key = api.post("/keys", {"name": "viewer", "scopes": ["accounts:read"]})["key"]
    assert api.call("GET", "/accounts", key=key).status_code == 200
    assert api.call("GET", "/providers", key=key).status_code == 200
    assert api.call("PUT", "/accounts/x", sms(), key=key).status_code == 403
    assert api.call("POST", "/accounts/x/test", {"to": "1"}, key=key).status_code == 403
    assert api.call("DELETE", "/accounts/x", key=key).status_code == 403


def test_accounts_come_in_the_order_in_which_they_are_asked(api):
    api.put("/accounts/backup", sms(priority=5))
    api.put("/accounts/first", sms(priority=-5))
    names = [one["name"] for one in api.get("/accounts")["items"] if one["channel"] == Channel.SMS]
    assert names.index("first") < names.index("backup")


def test_secrets_do_not_follow_to_another_server_for_tokens(api):
    crm = {
        "provider": "bitrix24",
        "settings": {"responsible_id": "1", "client_id": "app.1"},
        "secrets": {"webhook_url": "https://shop.bitrix24.ru/rest/1/abc/", "application_token": "t" * 12,
                    "client_secret": SECRET, "refresh_token": "r" * 12},
    }  # fmt: skip
    api.put("/accounts/crm", crm)
    moved = crm | {
        "settings": crm["settings"] | {"token_url": "https://elsewhere.example.org/"},
        "secrets": {},
    }
    refused = api.call("PUT", "/accounts/crm", moved)
    assert refused.status_code == 422 and "its address changes: tell its secrets again" in refused.text
    api.delete("/accounts/crm")

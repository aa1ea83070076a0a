"""CRMs of the sandbox and a whole installation: deals begin cascades, touches stand in the journal."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest
from fast_bitrix24 import Bitrix
from fast_bitrix24.server_response import ErrorInServerResponseException

from kaskad.actions import pulls
from kaskad.config import Settings
from kaskad.domain.policy import Policy
from kaskad.engine import clerk
from kaskad.providers import amocrm
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.serve import Sandbox, SandboxConfig, running
from kaskad.sandbox.servers import bitrix24 as bitrix24_server
from kaskad.store import settings as setting_store
from kaskad.web.service import serving
from support.api import Api
from support.world import ANN, BOB, profile, wait_for

DEALS = """
cascade: deals
title: Сделки
class: service
trigger: {event: bitrix24_deal, key: id, if: "trigger.stage_id == 'NEW'"}
reentry: parallel_by_key
steps:
  - {id: sms, channel: sms, text: "{{ contact.name }}: {{ trigger.title }}", wait: 24h}
"""
CALLS = """
cascade: calls
title: Calls
class: service
trigger: {event: bitrix24_deal, key: id}
steps:
  - {id: call, channel: agent_call, script: "Hello", wait: 1d}
"""
TEXTS = """
cascade: texts
title: Тексты
class: service
trigger: {event: bitrix24_message, key: message_id}
reentry: parallel_by_key
steps:
  - {id: sms, channel: sms, text: "{{ trigger.text }}", wait: 24h}
"""
LEADS = """
cascade: leads
title: Leads
class: service
trigger: {event: amocrm_lead, key: id}
reentry: parallel_by_key
steps:
  - {id: chat, channel: whatsapp, text: "{{ trigger.name }}", success: replied, wait: 24h}
"""


class Place:
    """An installation and the sandbox around it."""

    def __init__(self, api: Api, sandbox: Sandbox) -> None:
        self.api, self.sandbox = api, sandbox

    def crm(self, method: str, path: str, value: Any = None) -> Any:
        return httpx2.request(method, f"{self.sandbox.http_url}/{path}", json=value).json()

    def ledger(self, crm: str) -> Any:
        return self.crm("GET", f"{crm}/ledger")

    def cascade(self, text: str) -> None:
        name = text.split("cascade: ")[1].split()[0]
        self.api.put(f"/cascades/{name}", content=text.encode(), headers={"Content-Type": "application/yaml"})
        self.api.post(f"/cascades/{name}/activate", {})


@pytest.fixture
def place(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Place]]:
    monkeypatch.setattr(clerk, "LOOK_S", 0.05)
    monkeypatch.setattr(clerk, "SCHEDULE_MS", (200,) * 6)
    with ExitStack() as stack:

        def begin(*servers: str) -> Place:
            own = Settings(
                database=f"sqlite:{tmp_path / 'k.db'}", listen="127.0.0.1:0", private_webhooks="yes"
            )
            service = stack.enter_context(serving(own, "the tests"))
            service.office.write(lambda tx: setting_store.put(tx, "policy", Policy.unlimited()))
            service.office.reload()
            told = {"people": (ANN, BOB), "kaskad_url": service.url, "profile": profile(), "servers": servers}
            sandbox = stack.enter_context(running(SandboxConfig(**told)))
            found = Place(Api(service), sandbox)
            for account in sandbox.accounts():
                name = account.pop("name")
                found.api.put(f"/accounts/{name}", account)
            return found

        yield begin


def comments(place: Place, crm: str = "bitrix24") -> list[str]:
    return [one.get("COMMENT") or one["text"] for one in place.ledger(crm)["entries"]]


def test_a_deal_begins_a_cascade_and_its_timeline_tells_what_was_done(place):
    here = place("smsc", "bitrix24")
    here.cascade(DEALS)
    here.crm("POST", "bitrix24/deals", {"person": "ann", "fields": {"TITLE": "Окна"}})
    texts = here.sandbox.phones[0].texts
    assert wait_for(lambda: texts)[0].text == "Ann Smith: Окна"
    assert wait_for(lambda: comments(here)) == ["Каскад «Сделки». SMS: отправлено"]
    (entry,) = here.ledger("bitrix24")["entries"]
    assert (entry["ENTITY_TYPE"], entry["ENTITY_ID"]) == ("deal", "1")
    contact = here.api.get("/contacts/bitrix24:contact:1")
    assert contact["attributes"]["name"] == "Ann Smith"
    here.crm("POST", "bitrix24/deals", {"person": "bob", "fields": {"STAGE_ID": "WON"}})
    here.sandbox.do(lambda deeds: deeds.send_sms(here.sandbox.phones[0], "Спасибо"))
    assert "Каскад «Сделки». SMS: ответ: Спасибо" in wait_for(lambda: comments(here)[2:] and comments(here))
    assert here.sandbox.phones[1].texts == []  # that stage begins nothing


def test_the_limits_faults_and_repetitions_of_a_portal_lose_nothing_and_double_nothing(place):
    here = place("smsc", "bitrix24")
    here.cascade(DEALS)
    here.sandbox.set_faults(
        Fault("bitrix24", "throttle", left=2), Fault("bitrix24", "error", left=1),
        Fault("bitrix24", "duplicate", left=1), Fault("bitrix24", "bad_signature", left=1),
    )  # fmt: skip
    for number in range(3):
        here.crm("POST", "bitrix24/deals", {"person": "ann", "fields": {"TITLE": str(number)}})
    texts = here.sandbox.phones[0].texts
    wait_for(lambda: len(texts) == 3)
    wait_for(lambda: len(comments(here)) == 3)
    time.sleep(1)
    assert sorted(one.text for one in texts) == [f"Ann Smith: {number}" for number in range(3)]
    assert len(comments(here)) == 3


def test_a_text_of_a_manager_goes_through_a_cascade_and_its_fate_is_reported(place):
    here = place("smsc", "bitrix24")
    here.cascade(TEXTS)
    number = here.crm("POST", "bitrix24/texts", {"person": "ann", "text": "Заказ готов"})["id"]
    texts = here.sandbox.phones[0].texts
    assert wait_for(lambda: texts)[0].text == "Заказ готов"
    assert wait_for(lambda: here.ledger("bitrix24")["reports"]) == [{"id": number, "status": "sent"}]
    here.sandbox.do(lambda deeds: deeds.send_sms(here.sandbox.phones[0], "Иду"))
    wait_for(lambda: {"id": number, "status": "delivered"} in here.ledger("bitrix24")["reports"])


def test_a_call_by_a_person_is_a_task_of_the_crm(place):
    here = place("bitrix24")
    here.cascade(CALLS)
    here.crm("POST", "bitrix24/deals", {"person": "ann"})
    (task,) = wait_for(lambda: here.ledger("bitrix24")["tasks"])
    assert (
        task["RESPONSIBLE_ID"] == "1" and ANN.phone in task["DESCRIPTION"] and "Hello" in task["DESCRIPTION"]
    )


def test_a_lead_of_amocrm_is_answered_over_umnico_and_noted(place):
    here = place("umnico", "amocrm")
    here.cascade(LEADS)
    address = {"channel": "whatsapp", "value": BOB.phone}  # a number alone says nothing of WhatsApp
    here.api.put("/contacts/amocrm:contact:2", {"addresses": [address]})
    here.crm("POST", "amocrm/leads", {"person": "bob", "fields": {"name": "Заявка"}})
    bob = here.sandbox.phones[1]
    chat = bob.chats["whatsapp"]
    assert wait_for(lambda: chat.bubbles)[0].text == "Заявка"
    wait_for(lambda: comments(here, "amocrm") == ["Каскад «Leads». WhatsApp: отправлено"])
    here.sandbox.do(lambda deeds: deeds.write(bob, "whatsapp", "Да"))
    wait_for(lambda: "Каскад «Leads». отреагировал" in comments(here, "amocrm"))
    assert {one["entity"] for one in here.ledger("amocrm")["entries"]} == {"leads"}


def test_a_client_library_of_bitrix24_speaks_with_the_portal(place):
    """fast_bitrix24 reads answers, batches and errors by itself."""
    here = place("bitrix24")
    url = next(one["settings"]["webhook_url"] for one in here.sandbox.accounts())
    portal = Bitrix(url, verbose=False, requests_per_second=50.0)
    here.crm("POST", "bitrix24/deals", {"person": "ann", "fields": {"TITLE": "Окна"}})
    assert portal.call("crm.deal.get", {"id": 1}, raw=True)["result"]["TITLE"] == "Окна"
    people = portal.get_by_ID("crm.contact.get", [1, 2])
    assert people["1"]["PHONE"][0]["VALUE"] == ANN.phone and people["2"]["NAME"] == BOB.name
    comment = {"ENTITY_TYPE": "deal", "ENTITY_ID": 1, "COMMENT": "Позвонить"}
    assert portal.call("crm.timeline.comment.add", {"fields": comment}) == 1
    with pytest.raises(ErrorInServerResponseException):
        portal.get_by_ID("crm.deal.get", [99])
    assert comments(here) == ["Позвонить"]


def ended(place: Place, number: str) -> Any:
    """Return an import that has ended."""
    return wait_for(lambda: (told := place.api.get(f"/imports/{number}"))["state"] != "running" and told)


@pytest.mark.parametrize("crm", ["bitrix24", "amocrm"])
def test_people_of_a_crm_are_brought_in_as_a_file_would_be(place, crm, monkeypatch):
    monkeypatch.setattr(bitrix24_server, "BATCH", 1)
    monkeypatch.setattr(amocrm, "PAGE", 1)
    here = place(crm)
    phones = here.sandbox.phones
    mails = {phone.person.email for phone in phones}
    path = f"/contacts/pull/{crm}"
    here.sandbox.set_faults(Fault(crm, "error", left=1), Fault(crm, "throttle", left=1, seconds=0))
    monkeypatch.setattr(pulls, "WAIT_MS", 20)
    first = here.api.post(f"{path}?dry_run=true&wait_s=0")
    assert not here.sandbox.world.faults.active, "an outage is waited for"
    assert first == {"people": 1, "found": None}, "one page, and it goes on from there"
    dry = first
    while dry["found"] is None:
        dry = here.api.post(f"{path}?dry_run=true&wait_s=5")
    assert (dry["people"], dry["found"]["new"], dry["found"]["dry_run"]) == (2, 2, True)
    told = here.api.post(f"{path}?wait_s=0&list=from+crm&consent=contracts")
    told["found"] = ended(here, told["found"]["id"])
    assert (told["found"]["state"], told["found"]["new"], told["found"]["source"]) == ("done", 2, crm)
    found = here.api.get("/lists/from%20crm/members")["items"]
    assert {a["value"] for one in found for a in one["addresses"]} >= mails
    card = here.api.get(f"/contacts/{crm}:contact:{phones[0].id}")
    assert card["attributes"]["name"] == phones[0].person.name and card["consents"][0]["proof"]["basis"]
    with here.api.service.db.read() as tx:
        assert tx.all("old_pulls", before=2**62) == [], "nothing that was fetched is left"
    again = here.api.post(f"{path}?wait_s=10")
    assert (again["found"]["new"], again["found"]["changed"]) == (0, 2)
    assert here.api.call("POST", "/contacts/pull/nothing").status_code == 404


def test_what_a_crm_refuses_is_told_and_what_cannot_be_asked(place, monkeypatch):
    here = place("bitrix24", "smsc")
    other = next(one["name"] for one in here.api.get("/accounts")["items"] if one["name"] != "bitrix24")
    answer = here.api.call("POST", f"/contacts/pull/{other}")
    assert answer.status_code == 422 and "amoCRM, Kommo, Bitrix24" in answer.text
    account = here.api.get("/accounts/bitrix24")
    url = f"{here.sandbox.http_url}/bitrix24/rest/1/wrong/"
    secrets = dict.fromkeys(("application_token", "client_secret", "refresh_token"), "x" * 20)
    told = {"provider": account["provider"], "channel": account["channel"]}
    own = {"webhook_url": url, "responsible_id": "1", **secrets}
    here.api.put("/accounts/bitrix24", {**told, "settings": own})
    answer = here.api.call("POST", "/contacts/pull/bitrix24")
    assert answer.status_code == 409 and "HTTP 401" in answer.text
    assert "Ask again" in answer.text

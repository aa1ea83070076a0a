"""Calls by people over the API, from the hand-over to the end of the run; nothing is stood in for."""

import time

import pytest

from kaskad.domain.policy import Policy
from kaskad.engine.catalog import POLICY
from kaskad.store import settings as setting_store
from support.world import wait_for

CASCADE = """
cascade: {slug}
title: Cart
class: service
trigger: {{event: {slug}, key: cart}}
goal: {{event: bought, match: {{cart: trigger.cart}}, within: 7d}}
steps:
  - {{id: agent, channel: agent_call, script: "Ask {{{{ contact.name }}}} about {{{{ trigger.cart }}}}"}}
"""
DESK = {"provider": "desk", "channel": "agent_call", "settings": {"agents": "5"}, "price": "400 KZT"}


@pytest.fixture(scope="module")
def furnished(api):
    """An installation with a call desk that may call at any hour."""
    api.service.office.write(lambda tx: setting_store.put(tx, POLICY, Policy.unlimited()))
    api.service.office.reload()
    api.put("/accounts/desk", DESK)
    return api


@pytest.fixture
def desk(furnished):
    """The installation, with nobody left to be called afterwards."""
    yield furnished
    for task in furnished.get("/tasks", params={"limit": 1000})["items"]:
        furnished.call("POST", f"/runs/{task['run']}/cancel")


def opened(desk, slug, number, **more):
    """Let somebody enter a cascade of their own, and return their task."""
    desk.call("PUT", f"/cascades/{slug}", content=CASCADE.format(slug=slug)).raise_for_status()
    desk.post(f"/cascades/{slug}/activate")
    contact = desk.post(
        "/contacts", {"phone": number, "external_id": slug, "attributes": {"name": slug.title()}}
    )
    event = {"id": slug, "name": slug, "contact": {"external_id": slug}, "properties": {"cart": 7, **more}}
    desk.post("/events", event)
    return wait_for(lambda: desk.get("/tasks", params={"contact": contact["id"]})["items"])[0]


def test_a_task_from_the_list_to_the_end_of_its_run(desk):
    task = opened(desk, "anna", "+77010000101", total=90_000)
    assert (task["state"], task["name"], task["price"], task["currency"]) == ("open", "Anna", 40_000, "KZT")
    assert "+77010000101" not in str(task)
    whole = desk.get(f"/tasks/{task['id']}")
    assert whole["script"] == "Ask Anna about 7" and whole["trigger"] == {"cart": 7, "total": 90_000}
    assert {"channel": "sms", "masked": "+7•••01"} in whole["addresses"]
    assert "+77010000101" not in str(whole) and whole["basis"] == "none needed: service"
    assert {entry["what"] for entry in whole["history"]} >= {"run", "message"}
    mine = desk.post("/tasks/next", {"agent": "eva"})["task"]
    assert mine["id"] == task["id"] and mine["agent"] == "eva" and mine["state"] == "claimed"
    assert desk.call("POST", f"/tasks/{task['id']}/dial", {"agent": "max"}).status_code == 409
    early = desk.call("POST", f"/tasks/{task['id']}/close", {"agent": "eva", "disposition": "no_answer"})
    assert early.status_code == 409 and "was not dialled" in early.text
    assert desk.post(f"/tasks/{task['id']}/dial", {"agent": "eva"})["number"] == "+77010000101"
    told = {"agent": "eva", "disposition": "reached_agreed", "note": "will come on Monday"}
    done = desk.post(f"/tasks/{task['id']}/close", told)
    assert done["state"] == "done" and "will come on Monday" in done["notes"]
    run = desk.get(f"/runs/{task['run']}")
    assert (run["outcome"], run["outcome_step"]) == ("responded", "agent")
    message = desk.get("/messages", params={"run": task["run"]})["items"][0]
    assert message["cost"] == 40_000 and set(message["facts"]) >= {"answered", "replied"}


def test_a_purchase_withdraws_the_task_while_an_agent_has_it(desk):
    task = opened(desk, "berta", "+77010000102")
    desk.post(f"/tasks/{task['id']}/claim", {"agent": "eva"})
    event = {"id": "b2", "name": "bought", "contact": {"external_id": "berta"}, "properties": {"cart": 7}}
    desk.post("/events", event)
    gone = desk.get(f"/tasks/{task['id']}")
    assert (gone["state"], gone["ended"]) == ("withdrawn", "converted")
    answer = desk.call("POST", f"/tasks/{task['id']}/dial", {"agent": "eva"})
    assert answer.status_code == 409 and "withdrawn (converted)" in answer.text
    assert desk.get(f"/messages/{task['run']}/agent")["price"] == 0


def test_a_call_back_is_promised_for_an_instant_that_lies_ahead(desk):
    task = opened(desk, "clara", "+77010000103")
    place = f"/tasks/{task['id']}"
    desk.post(f"{place}/claim", {})
    assert desk.get(place)["agent"] == "local", "the name of the key"
    desk.post(f"{place}/dial", {})
    for told in (
        {"disposition": "callback_at"},
        {"disposition": "callback_at", "call_back_at": "2020-01-01T10:00:00Z"},
        {"disposition": "no_answer", "call_back_at": "2035-01-01T10:00:00Z"},
    ):
        answer = desk.call("POST", f"{place}/close", told)
        assert answer.status_code == 422 and "call_back_at" in answer.text
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400))
    later = desk.post(f"{place}/close", {"disposition": "callback_at", "call_back_at": at})
    assert later["state"] == "open" and later["call_back_at"] == later["not_before"] == at
    assert desk.post("/tasks/next", {})["task"] is None
    noted = [each["object"] for each in desk.get("/audit")["items"] if each["action"] == "POST /tasks/next"]
    assert "" not in noted  # asking in vain is no change


def test_lists_by_pages_and_filters(desk):
    for number in range(3):
        opened(desk, f"dora{number}", f"+7701000020{number}")
    pages, cursor = [], None
    while True:
        page = desk.get("/tasks", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        pages += page["items"]
        if (cursor := page["next"]) is None:
            break
    assert len({task["id"] for task in pages}) == len(pages) >= 3
    assert [task["due_at"] for task in pages] == sorted(task["due_at"] for task in pages)
    assert {task["state"] for task in desk.get("/tasks", params={"state": "open"})["items"]} == {"open"}
    assert desk.get("/tasks", params={"state": "expired"})["items"] == []
    assert desk.get("/tasks", params={"lane": "advertising"})["items"] == []
    assert desk.get("/tasks", params={"account": "desk", "due_before": "2020-01-01T00:00:00Z"})["items"] == []
    assert desk.call("GET", "/tasks", params={"account": "nobody"}).status_code == 404
    assert desk.call("GET", "/tasks", params={"cursor": "x"}).status_code == 422
    assert desk.call("GET", "/tasks/task_1_2_3_4").status_code == 404
    assert desk.call("GET", "/tasks/none").status_code == 404


def test_keys_open_the_queue_by_scope(desk):
    read = desk.post("/keys", {"name": "look", "scopes": ["tasks:read"]})["key"]
    assert desk.call("GET", "/tasks", key=read).status_code == 200
    assert desk.call("POST", "/tasks/next", {}, key=read).status_code == 403


def test_notes_release_and_the_figures_of_prometheus(desk):
    task = opened(desk, "emma", "+77010000104")
    place = f"/tasks/{task['id']}"
    desk.post(f"{place}/claim", {"agent": "eva"})
    assert "calls at noon" in desk.post(f"{place}/notes", {"text": "calls at noon", "agent": "eva"})["notes"]
    assert desk.post(f"{place}/release", {"agent": "eva"})["state"] == "open"
    text = desk.raw("GET", "/metrics", headers={"Authorization": f"Bearer {desk.key}"}).text
    assert (
        'kaskad_tasks{account="desk",state="open",urgent="no"}' in text and "kaskad_task_due_seconds" in text
    )


def test_the_account_shows_how_many_tasks_may_be_open_and_how_many_are(desk):
    opened(desk, "frida", "+77010000105")
    shown = desk.get("/accounts/desk")
    assert shown["limits_in_force"]["concurrency"] == 5 * 24 * 6, "five people, six calls an hour, a day"
    live = len(desk.get("/tasks", params={"limit": 1000})["items"])
    assert wait_for(lambda: desk.get("/accounts/desk")["doing"]["in_flight"] == live)


def test_an_own_desk_has_nothing_to_send_a_test_to(desk):
    answer = desk.call("POST", "/accounts/desk/test", {"to": "+77010000109"})
    assert answer.status_code == 422 and "nothing to test" in answer.text


@pytest.mark.parametrize(
    "settings", [{"agents": "0"}, {"hours": "25:00-26:00"}, {"zone": "Mars/Base"}, {"days": "never"}]
)
def test_settings_that_cannot_work_are_refused(desk, settings):
    answer = desk.call("PUT", "/accounts/bad", {**DESK, "settings": settings})
    assert answer.status_code == 422 and next(iter(settings)) in answer.text


def test_scenario_25_erasure_from_the_export_of_every_touch_to_the_import_next_week(desk):
    task = opened(desk, "zara", "+77010000125")
    touches = desk.get("/contacts/zara/export")
    assert [message["step"] for message in touches["messages"]] == ["agent"], "every touch was listed before"
    assert "+77010000125" in str(touches)
    desk.delete("/contacts/zara")
    assert task["id"] not in str(desk.get("/tasks", params={"limit": 1000}))
    assert desk.call("POST", f"/tasks/{task['id']}/dial", {"agent": "eva"}).status_code in (404, 409)
    assert desk.get(f"/runs/{task['run']}")["outcome"] == "cancelled"
    assert desk.call("GET", "/contacts/zara").status_code == 404
    told = {"content": b"id,phone\nzara-2,+77010000125\n", "headers": {"Content-Type": "text/csv"}}
    assert desk.post("/contacts/import", **told)["counts"]["suppressed"] == 1
    assert [a["health"] for a in desk.get("/contacts/zara-2")["addresses"]] == ["suppressed"]

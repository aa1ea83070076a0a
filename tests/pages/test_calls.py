"""The agents' desk, by keyboard and by mouse: from the queue to what the run makes of the call."""

from datetime import UTC, datetime

import pytest

from support.faults import until

CASCADE = """
cascade: carts
title: Carts
class: service
trigger: {event: left, key: cart}
goal: {event: bought, match: {cart: trigger.cart}, within: 7d}
steps:
  - {id: agent, channel: agent_call, script: "Ask {{ contact.name }} about {{ trigger.cart }}"}
"""
DESK = {"provider": "desk", "channel": "agent_call", "settings": {"agents": "9"}, "price": "400 KZT"}


@pytest.fixture(scope="module")
def numbers(site):
    """Give the installation a call desk; return the ends of numbers that nobody has."""
    site.api.put("/accounts/desk", DESK)
    site.api.call("PUT", "/cascades/carts", content=CASCADE).raise_for_status()
    site.api.post("/cascades/carts/activate")
    return iter(range(110, 199))


@pytest.fixture
def desk(site, numbers):
    """Return what lets somebody wait to be called: `desk(name)`; nobody waits any more afterwards."""

    def wait(name):
        phone = f"+77000000{next(numbers)}"
        told = {
            "phone": phone,
            "external_id": name.lower(),
            "zone": "Asia/Tokyo",
            "attributes": {"name": name},
        }
        contact = site.api.post("/contacts", told)
        event = {
            "id": name,
            "name": "left",
            "contact": {"external_id": name.lower()},
            "properties": {"cart": 7},
        }
        site.api.post("/events", event)
        until(lambda: tasks_of(site, contact))
        return contact, phone

    yield wait
    for task in site.api.get("/tasks", params={"limit": 1000})["items"]:
        site.api.call("POST", f"/runs/{task['run']}/cancel")


def tasks_of(site, contact, state="live"):
    return site.api.get("/tasks", params={"contact": contact["id"], "state": state})["items"]


def test_a_call_from_the_queue_to_its_end_by_keyboard(desk, site, visit):
    contact, phone = desk("Anna")
    opened = visit("agent", language="ru")
    page = opened.goto("/calls")
    page.get_by_role("link", name="Anna").wait_for()
    page.locator("a[href='/calls'] .count", has_text="1").wait_for()
    assert opened.axe() == [] and not opened.overflows()
    opened.shoot("calls-ru-light")
    page.keyboard.press("n")
    page.get_by_text("Ask Anna about 7").wait_for()
    page.wait_for_load_state()  # before, keys and clicks are nobody's
    assert phone not in page.content(), "the number is told by dialling only"
    page.keyboard.press("d")
    page.get_by_role("link", name=phone).wait_for()
    page.wait_for_load_state()
    opened.shoot("call-ru-light")
    assert opened.axe() == [] and not opened.overflows()
    opened.resize("phone")
    opened.shoot("call-phone-ru-light")
    assert not opened.overflows()
    assert "поставлен в список на обзвон" in page.inner_text(".happened"), "nobody has sent it anywhere"
    page.keyboard.press("n")
    page.keyboard.type("Придёт в 3 в понедельник")
    page.keyboard.press("Escape")
    page.keyboard.press("3")  # wants a time first
    assert page.evaluate("document.activeElement.id") == "f-at"
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    page.get_by_text("Записано: Дозвонились, согласие.").wait_for()
    (task,) = tasks_of(site, contact, "done")
    assert task["disposition"] == "reached_agreed" and "Придёт в 3 в понедельник" in task["notes"]
    assert task["agent"] == "agent@example.org"
    until(lambda: site.api.get(f"/runs/{task['run']}")["outcome"] == "responded")


def test_a_refusal_is_put_down_only_once_it_is_confirmed(desk, site, visit):
    contact, phone = desk("Ida")
    (task,) = tasks_of(site, contact)
    opened = visit("agent", language="ru")
    page = opened.goto(f"/calls/{task['id']}")
    for key, there in (("t", "Позвонить"), ("d", phone)):
        page.keyboard.press(key)
        page.get_by_text(there).first.wait_for()
        page.wait_for_load_state()
    page.keyboard.press("n")
    page.keyboard.type("Просит не звонить")
    page.keyboard.press("Escape")
    page.keyboard.press("6")  # for 5, say
    asked = page.get_by_role("dialog", name="Больше никогда не звонить?")
    asked.wait_for()
    opened.shoot("call-refusal-ru-light")
    assert opened.axe() == []
    page.keyboard.press("Escape")
    asked.wait_for(state="hidden")
    (still,) = tasks_of(site, contact)
    assert still["disposition"] is None
    page.keyboard.press("6")
    asked.wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("Записано: Больше не звонить.").wait_for()
    (done,) = tasks_of(site, contact, "done")
    assert done["disposition"] == "do_not_call" and "Просит не звонить" in done["notes"]


def test_what_is_not_wanted_any_more_leaves_the_screen_at_once_with_its_reason(desk, site, visit):
    berta, _ = desk("Berta")
    opened = visit("agent", theme="dark", width="phone")
    page = opened.goto("/calls")
    opened.shoot("calls-phone-en-dark")
    bought = {"id": "b", "name": "bought", "contact": {"external_id": "berta"}, "properties": {"cart": 7}}
    showed = []

    def meanwhile(route):  # after the page was made, and before its stream begins
        showed.append("Ask Berta about 7" in page.content())
        site.api.post("/events", bought)
        until(lambda: not tasks_of(site, berta), 10)
        route.continue_()

    page.route("**/live?*call%3A*", meanwhile, times=1)
    page.get_by_role("button", name="Take Berta").click()
    page.get_by_text("Do not call: this call was withdrawn (reached the goal).").wait_for()
    assert showed == [True] and page.get_by_role("button", name="Dial").count() == 0
    assert "Ask Berta" not in page.content()
    opened.shoot("call-withdrawn-phone-en-dark")
    assert opened.axe() == []
    contact, _ = desk("Carla")
    page.goto(f"{site.url}/calls")
    page.get_by_role("button", name="Take the next call").click()
    page.get_by_text("Ask Carla about 7").wait_for()
    site.api.call("DELETE", f"/contacts/{contact['id']}").raise_for_status()
    page.get_by_text("Do not call: this call was withdrawn (cancelled).").wait_for()
    assert "Carla" not in page.locator("main").inner_text()


def test_a_call_back_is_promised_by_the_clock_of_the_person_and_two_agents_never_get_one(desk, site, visit):
    contact, _ = desk("Doris")
    (task,) = tasks_of(site, contact)
    page = visit("agent", script=False).goto(f"/calls/{task['id']}")
    page.get_by_role("button", name="Take this call").click()
    with site.client("marketer") as client:
        shown = client.get(f"/calls/{task['id']}").text
        assert "This call is with agent@example.org" in shown and ">Dial" not in shown
    page.get_by_role("button", name="Dial").click()
    page.get_by_role("button", name="Call back later").click()
    page.get_by_text("Say when to call back.").wait_for()
    page.get_by_label("Call back, by the clock").fill("2020-01-01T10:00")
    page.get_by_role("button", name="Call back later").click()
    page.get_by_text("lies ahead").wait_for()
    visit.visits[-1].wrong.clear()  # Chromium tells of every 422
    day = site.service.office.now() // 86_400_000 * 86_400_000 + 3 * 86_400_000
    page.get_by_label("Call back, by the clock").fill(f"{iso(day)}T10:00")
    page.get_by_label("Call back, by the clock").press("Enter")  # and not that they have agreed
    page.get_by_text("Noted: Call back later.").wait_for()
    (task,) = tasks_of(site, contact)
    assert task["call_back_at"].startswith(f"{iso(day)}T01:00")  # ten o'clock in Tokyo
    with site.client("viewer") as client:
        assert "Take the next" not in client.get("/calls").text
    assert site.times_ms("agent", "/calls", 20)[10] < 100


def test_a_consent_without_a_day_is_not_of_1970(desk, site):
    contact, _ = desk("Egor")
    file = {"content": b"id,consent\negor,yes\n", "headers": {"Content-Type": "text/csv"}}
    site.api.call("POST", "/contacts/import", **file).raise_for_status()
    (task,) = tasks_of(site, contact)
    with site.client("agent", headers={"Accept-Language": "ru"}) as client:
        shown = client.get(f"/calls/{task['id']}").text
    assert "День неизвестен" in shown and "согласие есть, день неизвестен" in shown and "1970" not in shown
    assert "<dt>Имя</dt>" in shown
    assert site.api.get(f"/tasks/{task['id']}")["basis"] == "consent, day unknown"


def iso(ms):
    return datetime.fromtimestamp(ms / 1000, UTC).date().isoformat()

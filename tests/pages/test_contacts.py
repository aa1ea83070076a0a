"""The list of contacts, the card of one, and files of people, as people use them."""

from datetime import UTC, datetime

from msgspec.structs import replace
from playwright.sync_api import expect

from kaskad.cli.root import run
from kaskad.domain.policy import Window
from kaskad.domain.rhythm import Curves
from kaskad.engine.catalog import POLICY
from kaskad.store import rhythms, settings


def test_contacts_are_found_chosen_and_put_on_a_list_by_keyboard(visit, site):
    opened = visit("marketer", language="ru", theme="light")
    page = opened.goto("/contacts?reachable=telegram")
    expect(page.get_by_role("row")).to_have_count(2)
    page.goto(f"{site.url}/contacts")
    opened.shoot("contacts wide ru light")
    assert opened.axe() == [] and not opened.overflows()
    page.keyboard.press("/")
    page.keyboard.type("an")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row")).to_have_count(2)
    page.wait_for_load_state()  # before, keys and clicks are nobody's
    page.get_by_label("Выбрать Ann", exact=True).focus()
    page.keyboard.press("Space")
    opened.shoot("contacts chosen ru")
    page.get_by_role("button", name="Добавить в список").press("Enter")
    page.get_by_label("или новый").focus()
    page.keyboard.type("зимний")
    opened.shoot("contacts to list ru")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("1 контакт теперь в списке зимний.")
    members = site.api.get("/lists/зимний/members")["items"]
    assert [each["external_id"] for each in members] == ["ann"]


def test_contacts_show_on_a_phone_in_the_dark(visit, site):
    opened = visit("viewer", language="en", theme="dark", width="phone")
    page = opened.goto("/contacts")
    opened.shoot("contacts phone en dark")
    assert opened.axe() == [] and not opened.overflows()
    assert page.get_by_role("link", name="Import", exact=True).count() == 0
    page.goto(f"{site.url}/contacts?q=nobody")
    expect(page.get_by_role("heading", name="Nobody like that")).to_be_visible()


def test_the_card_tells_everything_and_why(visit, site):
    opened = visit("marketer", language="ru", theme="light")
    page = opened.goto("/contacts/bob?cascade=news")
    opened.shoot("contact wide ru light")
    assert opened.axe() == [] and not opened.overflows()
    opened.resize("phone")
    opened.shoot("contact phone ru light")
    assert not opened.overflows()
    opened.resize("wide")
    page.locator("a[data-peek]").first.press("Enter")
    expect(page.get_by_role("dialog", name="Сообщение")).to_contain_text("Hello")
    opened.shoot("contact message ru")


def test_a_contact_with_a_slash_in_its_external_id_has_a_page_by_it(site):
    made = site.api.post("/contacts", {"external_id": "crm/17", "attributes": {"name": "Slash"}})
    with site.client("marketer") as client:
        page = client.get("/contacts/crm%2F17")
        assert page.status_code == 200 and f'"/contacts/{made["id"]}/' in page.text
        assert client.get("/contacts/crm%2F18").status_code == 404


def test_the_hour_at_which_somebody_reacts_is_told_before_a_step_waits_for_it(site, capsys):
    api, office = site.api, site.service.office
    text = (
        "cascade: hour\ntitle: Hour\nclass: service\ntrigger: {event: left}\nsteps:\n"
        "  - {id: chat, channel: telegram, text: Hello, wait: 1h, send_at: best_hour}\n"
    )
    api.put("/cascades/hour", content=text)
    panel = "/cascades/hour/edit?panel=step&at=0&lang="
    person = int(api.get("/contacts/bob")["id"].removeprefix("con_"))
    with site.client("marketer") as client:
        assert api.get("/contacts/bob")["best_hour"] is None
        assert "Reacts most" not in client.get("/contacts/bob?lang=en").text
        assert "Nothing is counted yet" in client.get(panel + "en").text
        everyone = tuple(3.0 if hour % 24 == 20 else 0.3 for hour in range(168))

        def count(tx) -> None:
            settings.put(tx, rhythms.CURVES, Curves(everyone, {}, office.now()))
            rhythms.put(tx, person - 1, person, {person: ({7: 9.0}, 9)})

        office.write(count)
        office.reload()
        told = api.get("/contacts/bob")["best_hour"]
        assert told.pop("counted_at")[:10] == f"{datetime.fromtimestamp(office.now() / 1000, UTC):%Y-%m-%d}"
        assert told == {"hour": 7, "whose": "person", "reactions": 9, "sends": []}
        page = client.get("/contacts/bob?lang=ru").text
        assert "около 07:00" in page and "по 9 собственным реакциям, посчитано" in page
        shown = client.get(panel + "en").text
        assert "react most about 20:00" in shown and "Within the sending hours" not in shown
        late = tuple(3.0 if hour % 24 == 23 else 0.5 if hour % 24 == 18 else 0.3 for hour in range(168))
        kept = office.engine.world.policy
        until_nine = replace(kept, windows=(Window(("09:00-21:00",)),))

        def late_at_night(tx) -> None:
            settings.put(tx, rhythms.CURVES, Curves(late, {}, office.now()))
            settings.put(tx, POLICY, until_nine)

        office.write(late_at_night)
        office.reload()
        shown = client.get(panel + "en").text
        office.write(lambda tx: settings.put(tx, POLICY, kept))
        assert "react most about 23:00" in shown and "it mostly goes at: Telegram 18:00." in shown
    assert run(["contact", "show", "bob", "--db", str(office.db.name)]) == 0
    assert "reacts most about 07:00 (by their own reactions, counted 20" in capsys.readouterr().out
    office.write(lambda tx: (settings.put(tx, rhythms.CURVES, Curves()), rhythms.put(tx, 0, person, {})))
    office.reload()


def test_a_file_is_rehearsed_and_brought_in(visit, site):
    opened = visit("marketer", language="ru", theme="light")
    page = opened.goto("/imports/new")
    text = "Имя;Почта;Город\nВера;vera@import.example.org;Омск\nИван;нет;Тула\n".encode("cp1251")
    page.set_input_files("#file", {"name": "люди.csv", "mimeType": "text/csv", "buffer": text})
    expect(page.locator('[data-figure="new"]')).to_have_text("1")
    expect(page.locator(".found tbody tr").first).to_contain_text("в ней ничто не называет человека")
    expect(page.get_by_label("Почта").locator("option").first).to_have_text("распознано: почта")
    opened.shoot("import wizard ru")
    assert opened.axe() == [] and not opened.overflows()
    assert site.api.get("/contacts?q=vera@import")["items"] == []
    page.get_by_label("Где они согласились").fill("анкета")
    page.get_by_role("button", name="Загрузить контакты").click()
    page.wait_for_url("**/imports/imp_*")
    expect(page.get_by_text("завершён").first).to_be_visible()
    opened.shoot("import report ru")
    assert opened.axe() == [] and not opened.overflows()
    (made,) = site.api.get("/contacts?q=vera@import")["items"]
    whole = site.api.get(f"/contacts/{made['id']}")
    assert whole["attributes"]["Город"] == "Омск" and whole["consents"][0]["proof"]["basis"] == "анкета"

"""Templates: written beside what a person gets, held against contacts, brought back, sent as a test."""

import re

from playwright.sync_api import expect

from kaskad.actions import template_list

LETTER = (
    "<mjml><mj-body>{% include 'brand-head' %}<mj-section><mj-column><mj-text>"
    "Hi {{ contact.name }}, {{ trigger.count }} wait</mj-text></mj-column></mj-section></mj-body></mjml>"
)
HEAD = "<mj-section><mj-column><mj-text>The Shop</mj-text></mj-column></mj-section>"


def idle(page):
    page.wait_for_selector('#template[data-state="idle"]')


def test_a_letter_is_written_beside_what_a_person_gets(visit, site):
    site.api.put("/templates/brand-head", {"channel": "part", "text": HEAD})
    opened = visit("marketer", language="ru")
    page = opened.goto("/templates")
    page.get_by_role("button", name="Новый шаблон").first.click()
    page.get_by_label("Имя").fill("cart")
    page.keyboard.press("Enter")
    page.wait_for_url("**/templates/of/cart?*")
    page.get_by_label("Тема").fill("Корзина ждёт, {{ contact.name }}")
    page.get_by_label("Письмо в MJML").fill(LETTER)
    expect(page.locator(".mail-head b")).to_have_text("Корзина ждёт, Ann", timeout=20_000)
    expect(page.frame_locator("#look iframe").locator("body")).to_contain_text("The Shop")
    expect(page.locator("#look")).to_contain_text("trigger.count")
    page.locator("#look").get_by_text("Ночью").click()
    opened.shoot("template letter dark ru light wide")
    page.locator("#look").get_by_text("Днём").click()
    page.get_by_role("button", name="Проверить").click()
    expect(page.locator("#check")).to_contain_text("Получат")
    opened.shoot("template letter ru light wide")
    assert opened.axe() == [] and not opened.overflows()
    page.get_by_role("button", name="Сохранить").press("Enter")
    expect(page.locator(".toast")).to_contain_text("Сохранено")
    (kept,) = site.api.get("/templates/cart")["items"]
    assert kept["mjml"] == LETTER and kept["language"] == "ru"


def test_files_by_rule_and_an_appointment_are_edited(site):
    def put(name):
        params = {"title": f"{name}.pdf"}
        site.api.call("PUT", f"/files/{name}", params=params, content=b"%PDF-1.7 prices")

    put("prices")
    put("map")
    for name in ("zebra-one", "zebra-two"):
        site.api.put(f"/templates/{name}", {"channel": "sms", "language": "en", "text": "Words"})
    with site.client("marketer") as client:
        rest = client.get("/templates", params={"cursor": "zebra-one"}).text
        assert "zebra-two" in rest and "zebra-one" not in rest.replace("cursor=zebra-one", "")
    (one,) = template_list.page(site.service.office, parts=False, after="zebra", limit=1)
    assert (one.name, one.versions[0].channel) == ("zebra-one", "sms")
    words = {"channel": "email", "language": "en", "subject": "Come", "text": "Come to the webinar"}
    site.api.put("/templates/webinar", {**words, "attach": [{"file": "prices", "if": "contact.vip == true"}]})
    at = "/templates/of/webinar?channel=email&language=en"
    with site.client("marketer") as client:
        page = client.get(at).text
        assert 'value="prices" selected' in page and 'value="contact.vip == true"' in page
        form = form_of(client, at, subject="Come", text="Come to the webinar", who="ann", format="")
        form |= {
            "attach-0": "prices",
            "attach-name-0": "",
            "attach-if-0": "contact.vip == true",
            "attach-1": "map",
            "attach-name-1": "Map for {{ contact.name }}.pdf",
            "attach-if-1": "",
        }
        form |= {f"cal-{name}": "" for name in ("title", "starts", "ends", "lasts", "place", "about", "uid")}
        wrong = {**form, "attach-if-0": "contact.vip ==", "cal-title": "Webinar", "cal-lasts": "long"}
        told = client.post("/templates/of/webinar/save", data=wrong)
        assert told.status_code == 422 and 'value="long"' in told.text, "what was typed stays"
        assert re.search(r'id="f-calendar-problem" role="alert">[^<]', told.text)
        told = client.post("/templates/of/webinar/save", data={**wrong, "cal-title": "", "cal-lasts": ""})
        assert told.status_code == 422 and re.search(r'id="f-attach-problem" role="alert">[^<]', told.text)
        good = {**form, "cal-title": "Webinar", "cal-starts": "trigger.starts_at", "cal-lasts": "90m"}
        assert client.post("/templates/of/webinar/save", data=good).status_code == 303
        shown = client.post("/templates/of/webinar/draw", data=good).text
        look = shown[shown.index('id="look"') :]
        assert "Webinar" in look and "<code>trigger.starts_at</code>" in look, "the instant is made up"
        page = client.get(at).text
        assert 'value="90m"' in page and "Map for {{ contact.name }}.pdf" in page
        (kept,) = site.api.get("/templates/webinar")["items"]
        assert (kept["attach"], kept["calendar"]) == (["prices", "map"], "Webinar")
        form = {**form_of(client, at), **form, "attach-0": "", "attach-if-0": "", "attach-1": ""}
        form |= {"attach-name-1": "", "saved_at": form_of(client, at)["saved_at"]}
        assert client.post("/templates/of/webinar/save", data=form).status_code == 303
        (kept,) = site.api.get("/templates/webinar")["items"]
        assert (kept["attach"], kept["calendar"]) == ([], "")


def form_of(client, path, **more):
    """Return what a browser would send of the sheet at a path."""
    page = client.get(path).text
    names = "csrf|revision|saved_at|channel|language"
    hidden = re.findall(rf'<input type="hidden" name="({names})" value="([^"]*)"', page)
    return {**dict(reversed(hidden)), **more}


def test_a_text_is_checked_saved_brought_back_and_sent_as_a_test(site):
    place = {"channel": "telegram", "value": "70000001"}
    site.api.post("/contacts", {"external_id": "nameless", "addresses": [place]})
    site.api.put("/policy", {"test_addresses": ["70000002"]})
    at = "/templates/of/bye?channel=telegram&language=en"
    with site.client("marketer") as client:
        form = form_of(client, at, text="Bye, {{ contact.name }}", who="ann", **{"button-0": "Stay"})
        form["button-reply-0"] = "stay"
        shown = client.post("/templates/of/bye/draw", data={**form, "do": "check"}).text
        assert "Bye, Ann" in shown and 'bubble-button">Stay' in shown
        beside = shown[shown.index('id="f-text-lack"') :][:400]
        assert "contact.name" in beside and "1 gets no message" in beside
        broken = client.post("/templates/of/bye/save", data={**form, "text": "{% if %}"})
        assert broken.status_code == 422 and "f-text-problem" in broken.text
        assert client.post("/templates/of/bye/save", data=form).status_code == 303
        (kept,) = site.api.get("/templates/bye")["items"]
        assert kept["buttons"] == [{"text": "Stay", "url": "", "reply": "stay"}] and kept["fallback"]
        overtaken = client.post("/templates/of/bye/save", data={**form, "text": "Mine"})
        assert overtaken.status_code == 409 and ">Mine</textarea>" in overtaken.text.replace("\n", "")
        form = form_of(client, at, text="Good bye, {{ contact.name }}")
        assert client.post("/templates/of/bye/save", data=form).status_code == 303
        told = client.get("/templates/of/bye/history").text
        assert 'class="less">-text: Bye' in told and 'class="more">+text: Good bye' in told
        back = {**form, "number": "1"}
        assert client.post("/templates/of/bye/restore", data=back).status_code == 303
        assert site.api.get("/templates/bye")["items"][0]["text"] == "Bye, {{ contact.name }}"
        tested = client.post("/templates/of/bye/test", data={**form, "to": "70000002",
                                                             "contact": "ann"})  # fmt: skip
        assert "has taken it for" in tested.text, tested.text
        refused = client.post("/templates/of/bye/test", data={**form, "to": "70000003", "contact": "ann"})
        assert refused.status_code == 422 and "test address" in refused.text
        site.api.put("/templates/head", {"channel": "part", "text": "THE SHOP"})
        site.api.put("/templates/note", {"channel": "email", "language": "en", "subject": "A",
                                         "text": "{% include 'head' %} writes"})  # fmt: skip
        part = form_of(client, "/templates/of/head?channel=part", text="SHOP II", who="ann")
        shown = client.post("/templates/of/head/draw", data=part).text
        assert "SHOP II writes" in shown and "within note" in shown
        draft = {"draft": {"channel": "sms", "text": "ц" * 80}, "contact": "ann"}
        assert site.api.post("/templates/new/draft/preview", draft)["parts"] == 2
        listed = client.get("/templates").text
        assert 'href="/templates/of/bye"' in listed and "THE SHOP" not in listed
        assert 'href="/templates/of/note"' in client.get("/templates?kind=part").text
        assert client.post("/templates/of/bye/remove", data=form).status_code == 303
        assert site.api.call("GET", "/templates/bye").status_code == 404
        assert "No account whose service approves texts" in client.get("/templates/approved").text


def test_a_text_is_approved_by_who_has_not_written_it(site):
    site.api.put("/policy", {"approval": "required"})
    at = "/templates/of/offer?channel=sms&language=en"
    with site.client("marketer") as client:
        form = form_of(client, at, text="An offer")
        assert client.post("/templates/of/offer/save", data=form).status_code == 303
        assert "you have written it" in client.get(at).text
    with site.client("owner") as client:
        page = client.get(at).text
        assert "waits for an approval" in page and "not saved yet" not in page
        told = form_of(client, at, text=re.findall(r'name="text" value="([^"]+)"', page)[0])
        assert client.post("/templates/of/offer/approve", data=told).status_code == 303
        assert "approved by" in client.get(at).text
        assert site.api.get("/templates/offer/approvals")["texts"][0]["approved_by"]
        told["do"] = "take_back"
        assert client.post("/templates/of/offer/approve", data=told).status_code == 303
        assert "waits for an approval" in client.get(at).text
    with site.client("marketer") as client:
        drawn = form_of(client, "/cascades/draft/edit", do="step", at="0", channel="telegram", text="Hi, you")
        assert client.post("/cascades/draft/edit", data=drawn).status_code == 303
        authors = {one["author"] for one in site.api.get("/cascades/draft/approvals")["texts"]}
        assert authors == {"marketer@example.org"}  # as who approves is called, over the API too
        # The button to activate cannot be pressed: it says why.
        plan = client.get("/cascades/draft/edit?panel=plan&lang=en").text
    assert "2 texts wait for an approval" in plan and 'href="/approvals/draft"' in plan
    site.api.put("/policy", {"approval": "none"})

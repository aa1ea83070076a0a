"""Segments: built as rows and as text, counted while one builds; static lists."""

import re
from threading import Event

from playwright.sync_api import expect

from kaskad.store import segments as store
from support.faults import until


def idle(page):
    page.wait_for_selector('#segment[data-state="idle"]')


def test_a_segment_is_built_as_rows_and_as_text(visit, site):
    site.api.put(
        "/attributes/city", {"type": "choice", "choices": ["Omsk", "Tula"], "labels": {"ru": "город"}}
    )
    site.api.post(
        "/contacts", {"external_id": "zoe", "email": "zoe@example.org", "attributes": {"city": "Omsk"}}
    )
    opened = visit("marketer", language="ru")
    page = opened.goto("/segments")
    opened.shoot("segments ru light wide")
    page.get_by_role("link", name="Новый сегмент").first.press("Enter")
    expect(page.get_by_label("Имя")).to_be_focused()
    page.wait_for_load_state()  # before, keys and clicks are nobody's
    page.keyboard.type("из Омска")
    page.locator("#more-top > summary").press("Enter")
    page.get_by_role("button", name="Атрибут").press("Enter")
    expect(page.locator("#name-0")).to_be_focused()
    page.keyboard.type("city")
    page.keyboard.press("Tab")
    idle(page)
    page.locator("#value-0").select_option("Omsk")
    expect(page.locator("#answer [data-count]")).to_have_text("1")
    idle(page)
    page.locator("#more-top > summary").click()
    page.get_by_role("button", name="Событие").click()
    page.locator("#name-1").fill("purchase")
    page.locator('[name="not@1"]').check(force=True)
    idle(page)
    text = page.locator("#f-text")
    expect(text).to_have_value('contact.city == "Omsk" and not event("purchase").count')
    expect(page.locator("#in-words")).to_contain_text("город")
    opened.shoot("segment new ru light wide")
    text.fill('contact.city in ["Omsk", "Tula"] and (reachable("email") or contact.a + 1 > 2)')
    expect(page.locator("#rows .ask-row")).to_have_count(3)
    expect(page.locator("#answer [data-count]")).to_have_text("1")
    expect(page.locator('[name="text@1.1"]')).to_have_value("contact.a + 1 > 2")
    opened.shoot("segment text ru light wide")
    assert opened.axe() == [] and not opened.overflows()
    page.get_by_role("button", name="Сохранить").click()
    page.wait_for_url("**/segments/of/*")
    kept = site.api.get("/segments/из Омска")
    assert kept["text"] == 'contact.city in ["Omsk", "Tula"] and (reachable("email") or contact.a + 1 > 2)'


def form_of(page, **more):
    """Return what a browser would send of the builder that a page shows."""
    token = re.findall(r'name="csrf" value="([0-9a-f]+)"', page.text)[0]
    return {"csrf": token, "match@": "all", "from": "rows", **more}


def test_forms_work_without_a_script_and_refuse_what_cannot_be_kept(site):
    with site.client("marketer") as client:
        page = client.get("/segments/new?basis=unreachable")
        assert 'name="channel@0"' in page.text and "not reachable(&#34;any&#34;)" in page.text
        row = {"kind@0": "event", "name@0": "purchase", "aggregate@0": "count", "op@0": ">=", "value@0": ""}
        page = client.post("/segments/draw", data=form_of(page, do="add:list@", **row))
        assert 'name="name@1"' in page.text and "Fill this in" in page.text
        row |= {"value@0": "2", "span@0": "90", "span_unit@0": "d"}
        counted = client.post("/segments/draw", data=form_of(page, do="count", **row))
        assert 'data-count="0"' in counted.text and "Nobody meets this now." in counted.text
        unnamed = client.post("/segments/save", data=form_of(page, **row))
        assert unnamed.status_code == 422 and "Give it a name" in unnamed.text
        unfinished = client.post(
            "/segments/save", data=form_of(page, name="buyers", **row, **{"kind@1": "list"})
        )
        assert unfinished.status_code == 422
        assert client.post("/segments/save", data=form_of(page, name="buyers", **row)).status_code == 303
        asked = 'event("purchase").count(90d) >= 2'
        assert site.api.get("/segments/buyers")["text"] == asked
        asks = form_of(page, text='in_list("nobody")')
        assert "note warn" in client.post("/segments/ask", data=asks).text  # there is no such list
        taken = client.post("/segments/save", data=form_of(page, name="vip", **row))
        assert taken.status_code == 422 and "is a list" in taken.text
        site.api.put("/segments/both", {"text": 'segment("buyers") and in_list("vip")'})
        shown = client.get("/segments/of/buyers").text
        assert '<a href="/segments/of/both">both</a>' in shown and "cannot be removed" in shown
        assert client.post("/segments/of/buyers/remove", data=form_of(page)).status_code == 409
        assert ">0</a>" in client.get("/segments/size?name=buyers").text
        late = form_of(page, old="buyers", was="contact.x", text="contact.y", **{"from": "text"})
        assert "meanwhile" in client.post("/segments/save", data=late).text
        written = client.post("/segments/draw", data=form_of(page, text="contact.", **{"from": "text"}))
        assert "a name is expected" in written.text
        for name in ("both", "buyers"):
            assert client.post(f"/segments/of/{name}/remove", data=form_of(page)).status_code == 303
    with site.client("viewer") as client:
        page = client.get("/segments/of/champions").text
        assert "/segments/save" not in page and "rfm.r" in page


def test_a_count_shows_how_far_it_is_and_is_stopped(site, monkeypatch):
    begun, go_on = Event(), Event()

    def slow(tx, condition, now, *, progress, **more):
        progress(3, 3)
        begun.set()
        go_on.wait(30)
        progress(10, 10)
        raise AssertionError("it was not given up")

    monkeypatch.setattr(store, "preview", slow)
    with site.client("viewer") as client:
        page = client.get("/segments/of/lost")
        running = client.post("/segments/ask", data=form_of(page, text="contact.vip"))
        assert begun.wait(30)
        again = re.findall(r'data-again="([^"]+)"', running.text)[0]
        assert 'value="3" max="3"' in client.get(again).text
        stopped = client.post(again.partition("?")[0] + "/stop", data=form_of(page))
        assert stopped.status_code == 200
        go_on.set()
        until(lambda: "was stopped" in client.get(again).text)


def test_a_list_is_made_filled_and_let_go(visit, site):
    opened = visit("marketer", language="en", theme="dark", width="phone")
    page = opened.goto("/segments/lists")
    page.get_by_role("button", name="New list").first.click()
    page.keyboard.type("testers")
    page.keyboard.press("Enter")
    page.wait_for_url("**/segments/lists/of/testers")
    with site.client("marketer") as client:
        form = form_of(client.get("/segments/lists/of/testers"), who="ann; nobody@example.org")
        refused = client.post("/segments/lists/of/testers/add", data=form)
        assert refused.status_code == 422 and "nobody@example.org" in refused.text
    page.get_by_label("E-mails, phones or ids").fill("ann\nbob")
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".toast")).to_contain_text("2 contacts are on the list testers now.")
    opened.shoot("list phone en dark")
    assert opened.axe() == [] and not opened.overflows()
    page.get_by_label("Choose Bob", exact=True).check()
    page.get_by_role("button", name="Take off the list").click()
    expect(page.locator(".toast")).to_contain_text("1 contact is taken off the list.")
    page.wait_for_load_state()  # before, keys and clicks are nobody's
    assert [each["external_id"] for each in site.api.get("/lists/testers/members")["items"]] == ["ann"]
    page.get_by_role("button", name="Remove").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    page.wait_for_url("**/segments/lists")
    assert site.api.call("GET", "/lists/testers").status_code == 404


def test_a_question_is_read_from_yaml_too(site):
    with site.client("marketer") as client:
        token = re.findall(r'name="csrf" value="([0-9a-f]+)"', client.get("/account").text)[0]
        form = {"csrf": token, "old": "", "name": "from yaml", "do": "yaml"}
        told = client.post("/segments/draw", data={**form, "yaml": "any:\n- contact.vip\n- rfm.r >= 4"}).text
        assert "contact.vip or rfm.r &gt;= 4</textarea>" in told.replace("\n", ""), "the text follows"
        assert "- rfm.r &gt;= 4" in told and 'data-problem="yaml" role="alert"></p>' in told
        wrong = client.post("/segments/draw", data={**form, "yaml": "any:\n- contact.vip and"}).text
        assert "Line 2" in wrong and "- contact.vip and" in wrong, "what was typed stays"

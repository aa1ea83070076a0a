"""The editor: a cascade is drawn by mouse and by keyboard, and means what was drawn."""

from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from kaskad.actions import migrations
from kaskad.domain.definition import edit, load
from kaskad.domain.terms import Channel
from kaskad.web.pages import flow
from kaskad.web.pages.figures import Figures
from kaskad.web.pages.look import Look
from kaskad.web.pages.topics import TOPICS, Sight
from support.faults import until
from support.shop import equip

EXAMPLE = (Path(__file__).parents[2] / "examples" / "abandoned-cart.yaml").read_text("utf-8")
WANTED = edit.tree_of(EXAMPLE)


NEWS = """cascade: news
title: News
class: service
goal: {event: purchase}
trigger: {broadcast: all}
steps:
  - {id: chat, channel: telegram, text: "Hello", wait: 1h}
  - {id: letter, channel: email, subject: News, text: "Hello", wait: 1h}
"""


def settled(page):
    """Wait until what was typed is saved."""
    page.wait_for_selector('#editor[data-state="idle"]')


def draft(site, slug):
    return site.api.get(f"/cascades/{slug}")["draft"]["source"]


def ids_of(site, slug):
    return [step["id"] for step in edit.tree_of(draft(site, slug))["steps"]]


def fill(page, **fields):
    """Fill fields of the panel and wait until they are saved."""
    for name, value in fields.items():
        page.locator(f'#step-form [name="{name}"]').fill(value)
    settled(page)


def choose(page, name, value):
    page.locator(f'#step-form select[name="{name}"]').select_option(value)
    settled(page)


def test_the_cart_cascade_is_drawn_by_mouse_and_keyboard(visit, site):
    opened = visit("marketer")
    page = opened.goto("/cascades/new")
    page.get_by_label("Title").fill("Abandoned cart")
    page.get_by_role("button", name="Begin empty").click()
    page.wait_for_url("**/abandoned-cart/edit")
    page.locator("#card-top").click()
    page.wait_for_selector("#step-form")
    fill(page, trigger_event="cart_abandoned", trigger_key="cart_id", trigger_delay="1h",
         goal_event="purchase", goal_within="7d", goal_value="amount", match_key="cart_id",
         match_path="trigger.cart_id",
         exit_if="trigger.total < 1000", topic="cart-reminders", budget_total="50000 KZT",
         budget_per_contact="60 KZT")  # fmt: skip
    page.get_by_text("A reply on any channel ends it").click()
    choose(page, "reentry", "after")
    letter, chat, sms, robot = WANTED["steps"]
    # The SMS by mouse; the letter is put above it by keyboard, the rest below.
    page.locator("#plus-0 > summary").click()
    offered = page.locator("#plus-0")
    assert offered.locator("[value=sms] small").inner_text() == "no account"
    assert not offered.locator("[value=email] small").count()
    offered.get_by_text("SMS").click()
    page.wait_for_selector("#step-form [name=text]")
    assert "has nothing to say" in page.locator("#card-0").inner_text()
    assert "1,000" in page.locator("#card-0 .step-cost").inner_text()  # it is estimated with its mistakes
    fill(page, text=sms["text"])
    page.wait_for_selector("#preview .bubble:has-text('your cart goes tomorrow')", timeout=60_000)
    choose(page, "wait_mode", "bare")
    assert "2 h" in page.locator("#wait-0").inner_text()
    page.locator("#plus-0 > summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # email is the first of the channels
    page.wait_for_selector("#step-form [name=subject]")
    fill(page, subject=letter["subject"], html=letter["html"], text=letter["text"])
    choose(page, "success", "clicked")
    choose(page, "wait_mode", "clocks")
    page.locator('[name="clock_0_unless"]').select_option("opened")
    settled(page)
    fill(page, clock_0_for="24h")
    page.locator('[name="clock_1_unless"]').select_option("clicked")
    settled(page)
    page.locator('[name="clock_1_from"]').select_option("opened")
    settled(page)
    fill(page, clock_1_for="4h")
    # The robot, then the chat, in the wrong order: the chat goes up by Alt and arrow, twice.
    for place, word in ((2, "robot call"), (3, "Telegram")):
        page.locator(f"#plus-{place} > summary").click()
        page.locator(f"#plus-{place}").get_by_text(word).click()
        page.wait_for_selector(f"#step-form input[name=at][value='{place}']", state="attached")
        if place == 2:
            fill(page, say=robot["say"])
            choose(page, "wait_mode", "bare")
            page.get_by_text("Keys of the phone").click()
            for key, press in robot["keys"].items():
                choose(page, f"key_{key}", press)
        else:
            fill(page, text=chat["text"])
            choose(page, "wait_mode", "clocks")
            page.locator('[name="clock_0_unless"]').select_option("reacted")
            fill(page, clock_0_for="6h")
    page.locator("#card-3").focus()
    for place in (2, 1):
        page.keyboard.press("Alt+ArrowUp")
        page.wait_for_selector(f"#card-{place}:focus")
    settled(page)
    # Dragged to the top and taken back.
    ids = ["letter", "chat", "sms", "robot"]
    drawn = partial(ids_of, site, "abandoned-cart")
    assert drawn() == ids
    page.locator("#card-3").drag_to(page.locator("#card-2"), target_position={"x": 60, "y": 4})
    page.wait_for_selector("#card-2 code:text('robot')")
    settled(page)
    assert drawn() == ["letter", "chat", "robot", "sms"]
    page.locator("#undo").click()
    settled(page)
    assert drawn() == ids
    loaded, example = load(draft(site, "abandoned-cart"), name="drawn"), load(EXAMPLE, name="example")
    assert loaded.cascade == example.cascade, draft(site, "abandoned-cart")
    opened.shoot("drawn")
    page.locator("#to-plan").click()
    page.wait_for_selector("#activate")
    assert page.locator("#activate").is_disabled() and "account" in page.locator("#panel").inner_text()
    equip(site.service, "http://127.0.0.1:9", Channel.SMS, Channel.ROBOT_CALL)
    page.reload()
    page.locator("#activate").click()
    page.wait_for_selector(".toast.good")
    assert site.api.get("/cascades/abandoned-cart")["version"] == 1
    assert replace(loaded.cascade, title="x") == replace(example.cascade, title="x")

    # The next version for a share of those who enter.
    source = site.api.get("/cascades/abandoned-cart")["source"]
    site.api.put("/cascades/abandoned-cart", content=source + "# new\n")
    page = opened.goto("/cascades/abandoned-cart/edit?panel=plan")
    page.get_by_text("For a share of those who enter first").click()
    page.locator("#f-canary").fill("a tenth")
    opened.shoot("canary")
    with site.client("marketer") as client:
        there = "/cascades/abandoned-cart/activate?lang=en"
        plan = client.get("/cascades/abandoned-cart/edit?panel=plan").text
        token = plan.partition('name="csrf" value="')[2].partition('"')[0]
        told = {"csrf": token, "canary": "a tenth", "canary_people": "30"}
        refused = client.post(there, data=told)
        assert refused.status_code == 422 and "for example 1%" in refused.text and "a tenth" in refused.text
        done = client.post(there, data={**told, "canary": "10 %"})
        assert done.headers["location"] == "/cascades/abandoned-cart/guard"
        shown = client.get("/cascades/abandoned-cart/guard?lang=en").text
        assert "0 / 30" in shown and "instead of 1" in shown and "until enough have entered" in shown
        opened.goto("/cascades/abandoned-cart/guard")
        assert opened.axe() == [] and not opened.overflows()
        opened.shoot("canary guard")
        for act, said in (("stop", 303), ("pass", 409)):
            at = f"/cascades/abandoned-cart/guard/canary/{act}"
            assert client.post(at, data=told).status_code == said
    assert site.api.get("/cascades/abandoned-cart")["version"] == 1


LONG = """cascade: priced
class: service
trigger: {event: cart}
steps:
  - id: sms
    channel: sms
    if: %s
    variants: [{id: a, text: "%s {{ contact.name }}"}, {id: b, text: "%s"}]
"""


def test_a_price_is_told_where_what_is_sent_is_known(site):
    equip(site.service, "http://127.0.0.1:9", Channel.SMS)
    with site.client("marketer") as client:

        def shown(condition, words):
            site.api.put("/cascades/priced", content=LONG % (condition, words, words))
            return client.get("/cascades/priced/edit?panel=step&at=0").text

        told = shown('contact.city == "Omsk"', "long " * 50)
        assert "₸15 each" in told and "costs about ₸15" in told
        assert "₸15 each" in shown("contact.city ==", "long " * 50), "what it sends has no mistake"
        broken = shown("contact.city ==", "{{ contact.")
        assert "price not known" in broken and "each" not in broken.split('class="step-cost"')[1][:900]
        assert "One message costs about" not in broken


def test_text_and_drawing_are_one_and_two_people_do_not_overwrite_each_other(visit, site):
    site.api.put("/cascades/cart", content=EXAMPLE.replace("cascade: abandoned-cart", "cascade: cart"))
    opened = visit("marketer", language="ru", theme="dark")
    page = opened.goto("/cascades/cart/edit?panel=text")
    text = page.locator("#f-source").input_value()
    assert "# A cart left behind" in text
    page.locator("#f-source").fill(text.replace("unless: opened, for: 24h", "unless: opened, for: 3q"))
    settled(page)
    assert (
        "3q" in page.locator("#text-problems").inner_text() and page.locator("#card-0 .card-problem").count()
    )
    page.locator("#f-source").fill(text.replace("for: 24h", "for: 30h"))
    settled(page)
    assert "30 ч" in page.locator("#wait-0").inner_text()
    page.locator("#card-2").click()
    page.wait_for_selector("#step-form")
    theirs = draft(site, "cart").replace("for: 30h", "for: 31h")
    site.api.put("/cascades/cart", content=theirs)
    page.locator("#step-form [name=text]").fill("{{ contact.name }}, hello")
    page.wait_for_selector("#conflict")
    assert draft(site, "cart") == theirs
    assert opened.axe() == []
    opened.shoot("conflict")
    opened.wrong[:] = [each for each in opened.wrong if "409" not in each]  # the browser logs that answer
    page.locator("#keep-copy button").click()
    page.wait_for_url("**/cart-2/edit")
    assert "for: 30h" in draft(site, "cart-2") and "cascade: cart-2" in draft(site, "cart-2")
    assert "# Each next step" in draft(site, "cart-2")


def test_the_editor_works_without_a_script_and_tells_what_is_wrong(site):
    with site.client("marketer", follow_redirects=True) as client:
        shown = client.get("/cascades/draft/edit?panel=step&at=0").text
        token = shown.partition('name="csrf" value="')[2][:64].partition('"')[0]
        revision = shown.partition('data-revision="')[2].partition('"')[0]
        form = {"csrf": token, "revision": revision, "do": "step", "at": "0", "channel": "sms", "text": "Hi"}
        assert client.post("/cascades/draft/edit", data=form).status_code == 200
        assert edit.tree_of(draft(site, "draft"))["steps"][0]["channel"] == "sms"
        assert client.post("/cascades/draft/edit", data=form).status_code == 409
        headers = {"X-CSRF-Token": token, "If-Match": revision}
        put = client.put("/api/v1/cascades/draft", content=b"cascade: draft", headers=headers)
        assert put.status_code == 409 and "marketer@example.org" in put.json()["detail"]
        taken = client.post("/cascades/new", data={"csrf": token, "slug": "draft", "title": "x"})
        made = client.post("/api/v1/lists", json={"name": "nobody"}, headers={"X-CSRF-Token": token})
        assert made.status_code < 300, made.text
        of_none = client.get("/cascades/draft/edit?for=list+nobody").text
        assert "Nobody is in it now." in of_none and "<b>—</b>" in of_none  # no share of nobody
        named = client.post("/cascades/new", data={"csrf": token, "preset": "birthday"})
        assert named.url.path == "/cascades/birthday/edit"  # a preset brings its own name
        assert taken.status_code == 409


def test_a_draft_with_mistakes_is_looked_at_estimated_and_sent_to_testers(site):
    wrong = EXAMPLE.replace("cascade: abandoned-cart", "cascade: looked").replace("wait: 2h", "wait: 3q")
    wrong = wrong.replace("- id: chat\n", "- id: chat\n    if: trigger.total > 5\n")
    site.api.put("/cascades/looked", content=wrong)
    site.api.call("PATCH", "/policy", {"test_addresses": ["tester@example.org"]})
    contact, step = {"contact": "ann", "complete": True}, {"step": "letter"}
    shown = site.api.post("/cascades/looked/preview", {**contact, **step})
    assert shown["stand_ins"] == ["trigger.cart_url"] and "your cart is waiting" in shown["subject"]
    unsaved = wrong.replace("your cart is waiting", "not saved")
    shown = site.api.post("/cascades/looked/preview", {**contact, **step, "definition": unsaved})
    assert "not saved" in shown["subject"]
    broken = wrong.replace("{{ contact.name }}, your cart goes", "{{ contact.name, your cart goes")
    told = site.api.call(
        "POST", "/cascades/looked/preview", {**contact, "step": "sms", "definition": broken}
    )  # fmt: skip
    assert told.status_code == 422 and "wait" not in str(told.json()["problems"][0])
    with site.client("marketer") as client:
        page = client.get("/cascades/looked/edit?panel=step&at=0&for=everybody").text
        assert 'value="everybody" selected' in page and "passes over" in page
        assert "its condition counts as met" in page
        token = page.partition('name="csrf" value="')[2].partition('"')[0]
        shown = client.get("/cascades/looked/preview?step=letter&who=ann").text
        assert "Made up" in shown and "preview/letter?step=letter" in shown
        letter = client.get("/cascades/looked/preview/letter?step=letter&who=ann")
        assert "sandbox" in letter.headers["Content-Security-Policy"] and "<p>" in letter.text
        assert "tester@example.org" in page and 'value="bob"' in client.get(
            "/cascades/looked/preview/people?q=bob"
        ).text  # fmt: skip
        form = {"csrf": token, "step": "letter", "who": "ann", "to": "stranger@example.org"}
        refused = client.post("/cascades/looked/preview/test", data=form)
        assert refused.status_code == 422 and "neither a test address" in refused.text
        sent = client.post("/cascades/looked/preview/test", data={**form, "to": "tester@example.org"})
        assert sent.status_code == 200 and "It counts in no figure." in sent.text
    with site.client("viewer") as client:
        assert client.post("/cascades/looked/preview/test", data=form).status_code == 403


def test_what_is_wrong_is_said_in_russian_and_versions_are_drawn(site):
    wrong = EXAMPLE.replace("cascade: abandoned-cart", "cascade: said").replace("for: 6h", "for: 3q")
    site.api.put(
        "/cascades/said", content=wrong.replace("wait: 2h\n  - id: robot", "success: read\n  - id: robot")
    )
    with site.client("marketer", headers={"Accept-Language": "ru"}) as client:
        shown = client.get("/cascades/said/edit?panel=text").text
        assert "«3q» — не срок" in shown and "SMS не сообщает <code>read</code>" in shown
        step = client.get("/cascades/said/edit?panel=step&at=2").text
        assert "Часы отправки" in step and "data-example" in step
        changed = NEWS.replace("wait: 1h}\n", "wait: 2h}\n", 1).replace("id: letter", "id: post")
        site.api.put("/cascades/news", content=changed)
        drawn = client.get("/cascades/news/versions?old=1&new=draft").text
        column = drawn.partition('class="diff-column"')[2].partition("</ol>")[0]
        for kind in ("changed", "removed", "added"):
            assert f'<li class="{kind} ' in column


def test_people_under_way_are_moved_after_an_activation(site):
    text = """cascade: moved
class: service
goal: {event: purchase}
holdout: 0%
trigger: {broadcast: all}
steps:
  - {id: chat, channel: telegram, text: "Hello", wait: 5d}
  - {id: letter, channel: email, subject: News, text: "Hello", wait: 1h}
"""
    api = site.api
    api.put("/cascades/moved", content=text)
    api.post("/cascades/moved/activate")
    api.post("/cascades/moved/launch", {"list": "vip"})
    until(lambda: api.get("/cascades/moved/report")["lines"][0]["sent"], 30)
    with site.client("marketer") as client:
        api.put("/cascades/moved", content=text.replace("wait: 5d", "wait: 6d"))
        page = client.get("/cascades/moved/edit?panel=plan").text
        token = page.partition('name="csrf" value="')[2].partition('"')[0]
        done = client.post("/cascades/moved/activate", data={"csrf": token})
        assert done.headers["location"] == "/cascades/moved/edit?panel=move"
        page = client.get(done.headers["location"]).text
        assert "Move them to version 2" in page and "<code>chat</code> → <code>chat</code>" in page
        until(lambda: "disabled" not in _button(client.get("/cascades/moved/edit?panel=move").text), 30)
        moved = client.post("/cascades/moved/move", data={"csrf": token})
        assert moved.headers["location"] == "/cascades/moved/edit?panel=move"
        last = migrations.latest(site.service.office, "moved")
        until(lambda: last.state == "done", 30)
        assert last.moved == last.seen == last.total > 0
        sight = Sight(site.service.office, Figures(), Look("en", "/"))
        told = TOPICS["migration"].tell(sight, f"moved:{last.id}")
        assert (told["over"], told["done"]) == (True, last.total)
        left = {each["version"] for each in api.post("/cascades/moved/plan")["in_flight"]}
        assert left == {2}
        page = client.get("/cascades/moved/edit?panel=move").text
        assert "in the current version" in page and "go on in version 2." in page.replace("goes", "go")


def _button(page):
    return page.partition('id="move"')[2].partition(">")[0]


LOOKED_AT = (  # one after the other by axe in one of the looks, the first in both
    "/cascades/fits/edit", "/cascades/new", "/cascades/fits/edit?panel=top",
    "/cascades/fits/edit?panel=step&at=0", "/cascades/fits/edit?panel=step&at=3",
    "/cascades/fits/edit?panel=text", "/cascades/fits/edit?panel=plan", "/cascades/news/versions",
    "/cascades/fits/preview?step=letter&who=nobody",
)  # fmt: skip


@pytest.mark.parametrize(
    "turn, language, theme, width", [(0, "ru", "light", "wide"), (1, "en", "dark", "phone")]
)
def test_the_editor_is_accessible_and_fits(visit, site, turn, language, theme, width):
    site.api.put("/cascades/fits", content=EXAMPLE.replace("cascade: abandoned-cart", "cascade: fits"))
    opened = visit("marketer", language=language, theme=theme, width=width)
    for number, path in enumerate(LOOKED_AT):
        opened.goto(path)
        opened.shoot(f"{path} {width} {language} {theme}")
        assert not opened.overflows(), path
        if number == 0 or number % 2 == turn:
            assert opened.axe() == [], path


def test_a_card_says_on_which_day_and_at_which_hour_its_step_goes():
    step = {"at": {"on": "day 3"}, "send_at": "best_hour", "if": "contact.vip"}
    assert flow._notes(Look("ru", ""), step, 0) == [
        "в 3-й день прохождения", "в час, когда человек отвечает чаще всего", "только если contact.vip",
    ]  # fmt: skip
    assert flow._notes(Look("en", ""), step, 2)[:2] == [
        "on day 3 of the run", "at the hour at which the person reacts most",
    ]  # fmt: skip

"""The inbox: people write on every channel, are answered once, and it keeps up by itself."""

import time
from concurrent.futures import Future

import pytest
from playwright.sync_api import expect

from kaskad.domain.terms import Channel, Kind
from kaskad.engine.receive import Delivery, InboundIn
from kaskad.web.pages.live import EVERY_S
from support.faults import until


@pytest.fixture(scope="module")
def writes(site):
    """Return what lets somebody write to us; ann and bob are people of the installation."""
    numbers = iter(range(1, 99))

    def say(name, text, channel=Channel.TELEGRAM):
        office, number = site.service.office, next(numbers)
        address = f"{name}@{channel.value}.example.org"
        one = InboundIn(channel, address, Kind.REPLIED, f"in{number}", office.now(), text)
        office.engine.deliver(Delivery(Future(), inbound=[one])).result(30)

    return say


def thread_of(site, name):
    return site.api.get(f"/threads/{name}")


def test_a_conversation_is_read_answered_and_closed(site, visit, writes):
    opened = visit("agent", language="ru")
    page = opened.goto("/inbox")
    threads = site.api.get("/threads")["items"]  # of other tests
    others = sum(thread["unread"] > 0 for thread in threads)
    if not threads:
        page.get_by_text("Никто не писал").wait_for()
    writes("ann", "Здравствуйте! Есть ли пальто в красном цвете?")
    page.get_by_role("link", name="Ann").wait_for()  # without a reload
    expect(page.locator("a[href='/inbox'] .count")).to_have_text(str(others + 1))
    opened.shoot("inbox-list-ru-light")
    page.get_by_role("link", name="Ann").click()
    until(lambda: thread_of(site, "ann")["unread"] == 0)
    writes("ann", "И какая цена?", Channel.SMS)
    page.get_by_text("И какая цена?").last.wait_for()

    def meanwhile(route):
        writes("ann", "А размер?")
        until(lambda: thread_of(site, "ann")["texts"][-1]["text"] == "А размер?")
        time.sleep(1.5 * EVERY_S)  # until what streams were told before is forgotten
        route.continue_()

    page.route("**/live?*", meanwhile, times=1)
    page.reload()
    page.locator("#talk").get_by_text(
        "А размер?"
    ).wait_for()  # it came after the page was made, and before its stream
    page.get_by_label("Ваш ответ").fill("Есть, 25 000 ₸. Отложить?")
    page.locator("select[name=channel]").select_option("telegram")
    page.get_by_label("Ваш ответ").press("Control+Enter")
    page.locator(".bubble.out").filter(has_text="Отложить?").wait_for()
    until(lambda: thread_of(site, "ann")["texts"][-1]["state"] == "sent")
    page.get_by_text("отправлено").last.wait_for()
    told = thread_of(site, "ann")
    assert [each["author"] for each in told["texts"]][-4:] == ["", "", "", "agent@example.org"]
    assert told["assignee"] == "agent@example.org" and told["texts"][-1]["channel"] == "telegram"
    assert opened.axe() == [] and not opened.overflows()
    opened.shoot("inbox-talk-ru-light")
    opened.resize("tablet")
    opened.shoot("inbox-talk-tablet-ru-light")
    assert not opened.overflows()
    page.locator("h1").click()
    page.keyboard.press("e")
    page.get_by_text("Диалог закрыт").wait_for()
    assert thread_of(site, "ann")["state"] == "closed"


def test_a_stop_in_other_words_is_looked_at_and_what_is_erased_leaves_the_screen(site, visit, writes):
    writes("bob", "Не пишите мне после девяти, пожалуйста", Channel.SMS)
    opened = visit("marketer", theme="dark", width="phone")
    page = opened.goto("/inbox?show=unread")
    opened.shoot("inbox-list-phone-en-dark")
    page.get_by_role("link", name="Bob").click()
    page.get_by_text("was taken as a stop").wait_for()
    opened.shoot("inbox-talk-phone-en-dark")
    assert opened.axe() == [] and not opened.overflows()
    page.get_by_role("button", name="It was not").click()
    page.get_by_text("What was allowed before is so again.").wait_for()
    assert thread_of(site, "bob")["stops"] == []
    page.locator(".live, #talk").first.wait_for()
    site.api.call("DELETE", "/contacts/bob").raise_for_status()
    page.get_by_text("This conversation is gone").wait_for()
    assert "девяти" not in page.locator("#talk").inner_text()


def test_the_inbox_works_without_a_script_and_for_those_who_may(site, visit, writes):
    writes("ann", "Anybody there?")
    page = visit("agent", script=False).goto("/inbox?q=anybody")
    page.get_by_role("link", name="Ann").click()
    page.get_by_label("Your answer").fill("Yes")
    page.get_by_role("button", name="Send").click()
    page.locator(".bubble.out").filter(has_text="Yes").wait_for()
    with site.client("viewer") as client:
        shown = client.get(f"/inbox/{thread_of(site, 'ann')['contact']}").text
        assert "Anybody there?" in shown and "<textarea" not in shown
    assert site.times_ms("agent", "/inbox", 20)[10] < 100

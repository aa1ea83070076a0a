"""The whole path of somebody new: from an empty folder to the report, in a browser, against real sockets."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from support.faults import until
from support.served import Served, served
from support.site import Visit

PATIENCE_MS = 60_000  # for one thing that the server, the engine or the sandbox does
PEOPLE = """Имя;Почта;Телефон;telegram
Анна;anna@example.org;+79000000001;700001
Борис;boris@example.org;+79000000002;700002
Вера;vera@example.org;+79000000003;700003
"""
LETTER = "Your cart is waiting: {{ link(trigger.cart_url) }}"
STEPS = ("email", "Telegram", "SMS", "robot call")


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    with served(tmp_path_factory.mktemp("path")) as started:
        yield started


class Owner(Visit):
    """The owner's browser. Phones of the sandbox are opened in tabs of their own."""

    def __init__(self, browser: Browser, started: Served) -> None:
        context = browser.new_context(
            locale="en-GB", timezone_id="Europe/Moscow", viewport={"width": 1440, "height": 900},
            reduced_motion="reduce",
        )  # fmt: skip
        context.set_default_timeout(PATIENCE_MS)
        super().__init__(context.new_page(), started)

    def api(self, method: str, path: str, value: object = None) -> dict[str, object]:
        """Ask the API as the owner."""
        ask = """async ([method, path, value]) => {
            const { ask } = await import(document.querySelector('script[src*="app."]').src);
            return ask(method, path, value ?? undefined);
        }"""
        return self.page.evaluate(ask, [method, f"/api/v1{path}", value])

    def phone(self, contact: str) -> Page:
        """Open a contact's phone and take it over."""
        with self.page.context.expect_page() as opened:
            card = self.page.locator(".phones .card", has_text=contact)
            card.get_by_role("link", name="Open the phone").click()
        opened.value.locator(".acts button").click()
        return opened.value


def settled(page):
    """Wait until what was typed is saved."""
    page.wait_for_selector('#editor[data-state="idle"]')


class Mouse:
    """Draws by clicks."""

    def __init__(self, page):
        self.page = page

    def press(self, where):
        where.click()

    def fill(self, name, value):
        self.page.locator(f'#step-form [name="{name}"]').click()
        self.page.locator(f'#step-form [name="{name}"]').fill(value)

    def choose(self, name, value):
        self.page.locator(f'#step-form select[name="{name}"]').select_option(value)
        settled(self.page)


class Keyboard(Mouse):
    """Draws without a mouse: by Enter on what is focused, by typing, by arrows in lists."""

    def press(self, where):
        where.focus()
        self.page.keyboard.press("Enter")

    def fill(self, name, value):
        self.page.locator(f'#step-form [name="{name}"]').focus()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(value)

    def choose(self, name, value):
        field = self.page.locator(f'#step-form select[name="{name}"]')
        values = field.locator("option").evaluate_all("all => all.map(each => each.value)")
        field.focus()
        self.page.keyboard.press("Home")
        for _ in range(values.index(value)):
            self.page.keyboard.press("ArrowDown")
        settled(self.page)
        assert self.page.locator(f'#step-form select[name="{name}"]').input_value() == value


def draw(hand, title, event):
    """Draw the cascade of a left cart, and activate it."""
    page = hand.page
    page.get_by_label("Title").focus()
    page.keyboard.insert_text(title)
    hand.press(page.get_by_role("button", name="Begin empty"))
    page.wait_for_url("**/edit")
    hand.press(page.locator("#card-top"))
    page.wait_for_selector("#step-form [name=trigger_event]")
    for name, value in (("trigger_event", event), ("goal_event", "purchase"), ("goal_within", "7d"),
                        ("goal_value", "amount")):  # fmt: skip
        hand.fill(name, value)
    settled(page)
    for place, channel in enumerate(STEPS):
        hand.press(page.locator(f"#plus-{place} > summary"))
        hand.press(page.locator(f"#plus-{place}").get_by_role("button", name=channel, exact=True))
        page.wait_for_selector(f'#step-form input[name=at][value="{place}"]', state="attached")
        if channel == "email":
            hand.fill("subject", "Your cart")
        if channel == "robot call":
            hand.fill("say", "Press 1 and we keep your cart.")
            settled(page)
            hand.press(page.get_by_text("Keys of the phone"))
            hand.choose("key_1", "confirm")
        else:
            hand.fill("text", LETTER)
            hand.choose("wait_mode", "bare")
            hand.fill("wait", "4s")
        settled(page)
    hand.press(page.locator("#to-plan"))
    hand.press(page.locator("#activate"))
    page.wait_for_selector(".toast.good")


@pytest.mark.long
def test_from_an_empty_folder_to_the_report(browser, installation):
    owner = Owner(browser, installation)
    page = owner.page
    # The first owner, by the link that `kaskad serve` prints.
    page.goto(installation.sign_in)
    page.get_by_label("Email").fill("owner@example.org")
    page.get_by_label("Name", exact=True).fill("Olga")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Become the owner").click()
    # The wizard: who sends, where it goes out.
    page.wait_for_url("**/start/brand")
    page.get_by_label("Name of the brand").fill("Polka")
    expect(page.get_by_label("Time zone")).to_have_value("Europe/Moscow")
    expect(page.get_by_label("Country")).to_have_value("RU")
    page.get_by_label("Currency").select_option("RUB")
    owner.shoot("path brand")
    page.get_by_role("button", name="Save and go on").click()
    page.wait_for_url("**/start/channels")
    owner.shoot("path channels")
    page.get_by_role("button", name="Open the sandbox").click()
    page.wait_for_url("**/start/people")
    owner.shoot("path people")
    # It is left, and the overview shows what is missing.
    page.goto(f"{installation.url}/")
    assert page.locator(".todo.done").count() == 3
    owner.shoot("path overview")
    page.locator(".todo", has_text="Bring in your people").get_by_role("link").click()
    page.get_by_role("link", name="Import a file").click()
    page.set_input_files("#file", {"name": "people.csv", "mimeType": "text/csv", "buffer": PEOPLE.encode()})
    expect(page.locator('[data-figure="new"]')).to_have_text("3")
    page.get_by_label("Where they have agreed").fill("at the till")
    page.get_by_role("button", name="Bring them in").click()
    page.wait_for_url("**/imports/imp_*")
    # Drawn by mouse, and again by keyboard.
    page.goto(f"{installation.url}/start/cascade")
    owner.shoot("path templates")
    page.get_by_role("link", name="Draw it yourself").click()
    draw(Mouse(page), "Cart", "cart_left")
    page.goto(f"{installation.url}/cascades/new")
    draw(Keyboard(page), "Cart by keyboard", "cart_left_again")
    sources = [
        owner.api("GET", f"/cascades/{slug}/versions/1")["source"] for slug in ("cart", "cart-by-keyboard")
    ]
    assert sources[0].split("steps:")[1] == sources[1].split("steps:")[1]
    owner.shoot("path drawn")
    # Three recipients, whose phones are taken over before anything is sent.
    page.goto(f"{installation.url}/phones")
    owner.shoot("path phones")
    anna, boris, vera = (owner.phone(name) for name in ("Анна", "Борис", "Вера"))
    cards = page.locator(".phones .card")
    ids = {card.locator("h2").inner_text(): card.locator("[href^='/phones/']").get_attribute("href")[8:]
           for card in cards.all()}  # fmt: skip
    for name, slug in (("Анна", "cart"), ("Борис", "cart-by-keyboard"), ("Вера", "cart")):
        page.goto(f"{installation.url}/start/launch?cascade={slug}")
        page.get_by_label("To whom").select_option(ids[name])
        expect(page.get_by_label("cart_url")).to_have_value(re.compile("^https://"))
        page.get_by_role("button", name="Let it happen").click()
        page.wait_for_url("**/contacts/con_*")
    # Boris reads his letter and follows the link; the shop tells what he bought.
    boris.locator("[id^=mail]").first.click()
    boris.locator("footer form button[title*='/l/']").first.click()
    installation.tell({"id": "order 1", "name": "purchase", "contact": {"email": "boris@example.org"},
                       "properties": {"amount": "4500 RUB"}})  # fmt: skip
    # Vera writes STOP to the SMS; Anna is silent until the telephone rings.
    # By the page itself, at once: what comes in draws it anew.
    vera.locator("#h-sms").evaluate("heading => heading.scrollIntoView()")
    vera.locator("section[aria-labelledby=h-sms] .bubble").first.wait_for()
    vera.locator("#sms").fill("STOP")
    vera.locator("section[aria-labelledby=h-sms] form.line button").click()
    anna.locator(".ringing .good").click()
    anna.locator(".pad").get_by_role("button", name="1", exact=True).click()
    # The card tells all of it, the report counts it, and the money.
    page.goto(f"{installation.url}/contacts/{ids['Анна']}")
    page.get_by_text("Pressed a key").first.wait_for()  # the card follows by itself
    expect(page.locator("#happened").get_by_text("₽37.50")).to_have_count(1)
    owner.shoot("path card")
    page.goto(f"{installation.url}/cascades/cart-by-keyboard")
    page.locator("#figures").get_by_text("reached the goal").first.wait_for()
    page.goto(f"{installation.url}/cascades/cart")
    until(lambda: owner.api("GET", "/cascades/cart/report")["under_way"] == 0, PATIENCE_MS / 1000)
    page.reload()
    report = owner.api("GET", "/cascades/cart/report")
    assert [line["sent"] for line in report["lines"]][:3] == [2, 2, 2]
    assert report["outcomes"] == {"responded": 1, "opted_out": 1}, report
    spent = page.locator(".tile", has_text="Spent")
    expect(spent.get_by_text("₽67.60")).to_have_count(1)  # two letters, two SMS, a call
    owner.shoot("path report")
    page.goto(f"{installation.url}/")
    assert page.get_by_text("First steps").count() == 0
    owner.shoot("path overview at the end")
    page.context.close()
    assert [each for each in owner.wrong if "asked another host" not in each] == []

"""Make the guide's pictures: walk its path in a browser, in both languages, through a running Kaskad.

python docs/guide/make.py [LANGUAGE...]

Controls are found by their labels in that language: a picture is made only where the guide's words are true.
"""

import base64
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import BrowserContext, Page

from kaskad.web.pages.i18n import words
from support.served import Served, served
from support.site import chromium

HERE = Path(__file__).parent
WIDE, HIGH = 1200, 760
LARGEST, QUALITIES = 58_000, (70, 55, 40, 25)
PATIENCE_MS = 120_000
PEOPLE = """Имя;Почта;Телефон;telegram
Анна Смирнова;anna@example.org;+79000000001;700001
Борис Ким;boris@example.org;+79000000002;700002
Вера Орлова;vera@example.org;+79000000003;700003
"""
TEXTS = {
    "ru": ("Полка", "Брошенная корзина", "Ваша корзина ждёт", "{{ contact.name }}, корзина ждёт: ",
           "Здравствуйте! Нажмите 1, и мы сохраним корзину.", "анкета на кассе"),
    "en": ("Polka", "Abandoned cart", "Your cart is waiting", "{{ contact.name }}, your cart is waiting: ",
           "Hello! Press 1 and we keep your cart.", "form at the till"),
}  # fmt: skip
CHANNELS = ("email", "telegram", "sms", "robot_call")


class Guide:
    """One walk in one language."""

    def __init__(self, context: BrowserContext, started: Served, language: str) -> None:
        context.set_default_timeout(PATIENCE_MS)
        self.page = context.new_page()
        self.started = started
        self.language = language
        self.words = words(language)

    def say(self, english: str) -> str:
        """Return a text of the pages in this language."""
        return self.words.gettext(english)

    def press(self, label: str) -> None:
        """Press a button or a link by its label."""
        name = self.say(label)
        self.page.get_by_role("button", name=name).or_(self.page.get_by_role("link", name=name)).first.click()

    def fill(self, label: str, text: str) -> None:
        """Fill in a field by its label."""
        self.page.get_by_label(self.say(label), exact=True).first.fill(text)

    def shoot(self, name: str, page: Page | None = None, wide: int = WIDE, high: int = HIGH) -> None:
        """Keep what a window of that size shows."""
        shown = page or self.page
        shown.set_viewport_size({"width": wide, "height": high})
        shown.wait_for_timeout(500)
        session = shown.context.new_cdp_session(shown)
        for quality in QUALITIES:
            told = {"format": "webp", "quality": quality}
            data = base64.b64decode(session.send("Page.captureScreenshot", told)["data"])
            if len(data) <= LARGEST:
                break
        (HERE / "pictures" / f"{name}-{self.language}.webp").write_bytes(data)
        shown.set_viewport_size({"width": WIDE, "height": HIGH})

    def settled(self) -> None:
        """Wait until the editor has saved."""
        self.page.wait_for_selector('#editor[data-state="idle"]')

    def put(self, name: str, text: str) -> None:
        """Fill in a field of the editor."""
        self.page.locator(f'#step-form [name="{name}"]').fill(text)
        self.settled()

    def walk(self) -> None:
        """Go the guide's way."""
        brand, title, subject, text, spoken, agreed = TEXTS[self.language]
        self.page.goto(self.started.sign_in)
        self.fill("Email", "owner@example.org")
        self.fill("Name", "Ольга" if self.language == "ru" else "Olga")
        self.page.get_by_label(self.say("Password")).fill("correct horse battery")
        self.press("Become the owner")
        self.page.wait_for_url("**/start/brand")
        self.fill("Name of the brand", brand)
        self.shoot("brand")
        self.press("Save and go on")
        self.page.wait_for_url("**/start/channels")
        self.shoot("sandbox")
        self.press("Open the sandbox")
        self.page.wait_for_url("**/start/people")
        self.press("Import a file")
        self.page.set_input_files(
            "#file", {"name": "people.csv", "mimeType": "text/csv", "buffer": PEOPLE.encode()}
        )
        self.page.locator('[data-figure="new"]').get_by_text("3").wait_for()
        self.fill("Where they have agreed", agreed)
        self.press("Bring them in")
        self.page.wait_for_url("**/imports/imp_*")
        self.draw(title, subject, text, spoken)
        self.receive()

    def draw(self, title: str, subject: str, text: str, spoken: str) -> None:
        """Draw the cascade and activate it."""
        page = self.page
        page.goto(f"{self.started.url}/start/cascade")
        self.press("Draw it yourself")
        self.fill("Title", title)
        page.get_by_label(self.say("Name in addresses and files")).fill("cart")
        self.press("Begin empty")
        page.wait_for_url("**/edit")
        page.locator("#card-top").click()
        page.wait_for_selector("#step-form [name=trigger_event]")
        for name, value in (("trigger_event", "cart_left"), ("goal_event", "purchase"), ("goal_within", "7d"),
                            ("goal_value", "amount")):  # fmt: skip
            self.put(name, value)
        for place, channel in enumerate(CHANNELS):
            page.locator(f"#plus-{place} > summary").click()
            page.locator(f"#plus-{place} button[value={channel}]").click()
            page.wait_for_selector(f'#step-form input[name=at][value="{place}"]', state="attached")
            if channel == "robot_call":
                self.put("say", spoken)
                continue
            if channel == "email":
                self.put("subject", subject)
            self.put("text", text + "{{ link(trigger.cart_url) }}")
            page.locator("#step-form select[name=wait_mode]").select_option("bare")
            self.settled()
            self.put("wait", "5s")
        page.locator("#card-0").click()
        self.settled()
        page.wait_for_selector("#step-form [name=subject]")
        page.evaluate("scrollTo(0, 0)")
        self.shoot("editor", wide=1400, high=1240)
        page.locator("#to-plan").click()
        page.locator("#activate").click()
        page.wait_for_selector(".toast.good")

    def receive(self) -> None:
        """Let the event happen, be the recipient, and look at what came of it."""
        page = self.page
        page.goto(f"{self.started.url}/phones")
        with page.context.expect_page() as opened:
            page.locator("a[href='/phones/con_1']").click()
        phone = opened.value
        phone.locator(".acts button").click()
        for who in ("con_1", "con_2"):
            page.goto(f"{self.started.url}/start/launch?cascade=cart")
            page.get_by_label(self.say("To whom")).select_option(who)
            self.press("Let it happen")
            page.wait_for_url("**/contacts/con_*")
        phone.locator(".ringing .good").wait_for()
        self.shoot("phone", phone, wide=1440)
        phone.locator("[id^=mail]").first.click()
        phone.locator("footer form button[title*='/l/']").first.click()
        self.started.tell({"id": "order", "name": "purchase", "contact": {"email": "anna@example.org"},
                           "properties": {"amount": "4500 RUB"}})  # fmt: skip
        page.goto(f"{self.started.url}/contacts/con_1")
        page.get_by_text(self.words.gettext("Clicked")).first.wait_for()
        self.shoot("card", high=1000)
        page.goto(f"{self.started.url}/cascades/cart")
        self.shoot("report")


def main(languages: list[str]) -> None:
    """Write the pictures of these languages beside the guide."""
    (HERE / "pictures").mkdir(exist_ok=True)
    with chromium() as browser:
        for language in languages:
            with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as started:
                context = browser.new_context(
                    locale={"ru": "ru-RU", "en": "en-GB"}[language], timezone_id="Europe/Moscow",
                    viewport={"width": WIDE, "height": HIGH}, reduced_motion="reduce",
                )  # fmt: skip
                Guide(context, started, language).walk()
                context.close()


if __name__ == "__main__":
    main(sys.argv[1:] or ["ru", "en"])

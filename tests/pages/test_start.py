"""The first run, the sandbox inside of the server, and a message by hand, without a browser."""

import re

import httpx2
import pytest

from kaskad.actions import accounts, at_once, policy, sandbox
from kaskad.domain.errors import Conflict
from support.faults import until
from support.site import installed


@pytest.fixture
def fresh(tmp_path):
    """Return an installation in which nothing is yet, but people who may sign in."""
    with installed(tmp_path) as made:
        yield made


@pytest.fixture
def opened(fresh):
    """Return an installation whose owner opened the sandbox, in haste, and took the sample people."""
    with fresh.client("owner") as client:
        owner = Walk(client)
        owner.send("/start/channels", "/start/sandbox", at_once="yes")
        owner.send("/start/people", "/start/people")
    return fresh


class Walk:
    """Somebody who fills in forms."""

    def __init__(self, client):
        self.client = client

    def see(self, path, status=200):
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    def send(self, page, to, status=303, **fields):
        token = re.search(r'name="csrf" value="([^"]+)"', self.see(page))[1]
        answer = self.client.post(to, data={"csrf": token, **fields})
        assert answer.status_code == status, re.findall('class="note bad.*', answer.text) or answer.text
        return answer.headers.get("location") or answer.text


def test_an_installation_is_led_to_its_first_message(fresh):
    with fresh.client("owner") as client:
        owner = Walk(client)
        assert client.get("/start").headers["location"] == "/start/brand"
        told = {"zone": "Asia/Almaty", "country": "KZ", "currency": "RUB"}
        assert "Say how the sender is called" in owner.send(
            "/start/brand", "/start/brand", 422, name="<", **told
        )
        assert owner.send("/start/brand", "/start/brand", name="Polka", **told) == "/start/channels"
        brand = fresh.api.get("/brand")
        assert (brand["name"], brand["currency"]) == ("Polka", "RUB")
        rules = policy.show(fresh.service.office)
        assert (rules.zone, rules.country) == ("Asia/Almaty", "KZ")
        # Sample people are the sandbox's; nothing of it is there before it is open.
        assert "sample" not in owner.see("/start/people") and "is closed" in owner.see("/phones")
        assert owner.send("/start/channels", "/start/sandbox", at_once="yes") == "/start/people"
        state = fresh.api.get("/sandbox")
        assert state["open"] and state["accounts"] == ["mail", "telegram", "sms", "robot-call"]
        assert state["at_once"] and not policy.show(fresh.service.office).windows
        mail = accounts.get(fresh.service.office, "mail").account
        assert mail.settings["sender"].startswith("Polka <") and mail.prices["currency"] == "RUB"
        assert owner.send("/start/people", "/start/people") == "/start/cascade"
        assert owner.send("/start/cascade", "/start/cascade", preset="abandoned-cart").endswith(
            "abandoned-cart"
        )
        assert "50000 RUB" in fresh.api.get("/cascades/abandoned-cart")["draft"]["source"]
        draft = fresh.api.get("/cascades/abandoned-cart")["draft"]["source"].replace("delay: 1h", "delay: 1s")
        fresh.api.put("/cascades/abandoned-cart", content=draft)
        launch = "/start/launch?cascade=abandoned-cart"
        owner.send(launch, "/start/activate", cascade="abandoned-cart")
        shown = owner.see(launch)
        assert 'value="https://example.org/cart"' in shown and 'name="p:cart_id"' in shown
        given = {"p:cart_id": "1001", "p:total": "25000", "p:cart_url": "https://example.org/cart"}
        card = owner.send(launch, "/start/event", cascade="abandoned-cart", who="con_1", **given)
        assert card == "/contacts/con_1"
        # One person is one phone, whatever comes to it; who was not written to has one as well.
        where = client.get("/phones/con_1").headers["location"]
        until(lambda: "your cart is waiting" in httpx2.get(where).text, 30)
        assert "+79000000001" in httpx2.get(where).text
        assert client.get("/phones/con_2").headers["location"] != where
        assert client.get("/phones/con_1").headers["location"] == where
        assert "done" in owner.see("/") and client.get("/start").headers["location"] == "/"


def test_first_steps_are_shown_to_who_may_take_them(fresh):
    for role, shown in (("owner", True), ("marketer", True), ("approver", False), ("viewer", False)):
        with fresh.client(role) as client:
            assert ("First steps" in Walk(client).see("/")) == shown, role


def test_an_overview_without_accounts_leads_to_where_one_is_added(fresh):
    for role, shown in (("owner", True), ("viewer", False)):
        with fresh.client(role) as client:
            page = Walk(client).see("/")
            assert ('href="/channels/providers"' in page) == shown, role
            assert "nothing can be sent" in page and "kaskad account" not in page


def test_a_message_by_hand_is_an_ordinary_run(opened):
    with opened.client("marketer") as client:
        marketer = Walk(client)
        card = "/contacts/con_2"
        wrong = marketer.send(card, f"{card}/message", 422, channel="email", text="Hello", subject="")
        assert "needs a subject" in wrong and ">Hello</textarea>" in wrong
        told = {"channel": "email", "text": "Hello, Boris", "subject": "About you", "key": "k1"}
        for _ in range(2):  # the same form sent twice is one message
            marketer.send(card, f"{card}/message", **told)
        report = "/cascades/single-service-email/report"
        until(lambda: opened.api.get(report)["lines"][0]["sent"] == 1, 30)
        assert opened.api.get(report)["entered"] == 1
        where = client.get("/phones/con_2").headers["location"]
        until(lambda: "About you" in httpx2.get(where).text, 30)
        answer = opened.api.post(
            "/contacts/con_2/messages", {"channel": "sms", "text": "Hi", "class": "transactional"}
        )
        assert answer == {"cascade": "single-transactional-sms"}
        client.get(card)
        opened.api.put("/contacts/con_2", {"attributes": {"city": "Omsk"}})
        assert "History of changes" in marketer.see(card) and "Omsk" in marketer.see(card)
    with opened.client("viewer") as client:
        assert "Send a message" not in client.get("/contacts/con_2").text
        assert client.get("/start/brand").status_code == 403


def test_a_sandbox_ends_its_haste_and_leaves_nothing(opened):
    office = opened.service.office
    sandbox.resume(office)  # as after a restart: what is open stays open
    accounts.save(office, "people", {"provider": "desk", "channel": "agent_call", "price": "1 RUB"})
    assert at_once.is_on(office), "a desk of one's own leads nobody out of the sandbox"
    sandbox.open_up(office, hurry=True)
    assert at_once.is_on(office)
    hooked = {"provider": "generic_webhook", "channel": "sms", "settings": {"url": "https://sms.example.org/"},
              "secrets": {"secret": "a secret that is long"}, "price": "1 RUB"}  # fmt: skip
    accounts.save(office, "real", hooked)
    assert not at_once.is_on(office) and policy.show(office).windows
    with opened.client("owner") as client:
        owner = Walk(client)
        owner.send("/phones", "/phones/close")
        assert opened.api.get("/sandbox") == {
            "open": False, "url": "", "accounts": [], "at_once": False, "possible": True
        }  # fmt: skip
        assert [each.account.name for each in accounts.listing(office)] == ["real", "people"]
        someone = opened.api.put("/contacts/someone", {"email": "someone@example.org"})["id"]
        assert client.get(f"/phones/{someone}").status_code == 409
    accounts.save(office, "mail", hooked)
    with pytest.raises(Conflict, match="accounts named mail"):
        sandbox.open_up(office)

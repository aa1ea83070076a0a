"""A real Chromium on our page: it asks, subscribes, shows what comes, and reports it.

Debian's Chromium has no push service to reach, so `PushManager.subscribe` is answered by a browser of
`support/browser.py`; its keys decrypt what Kaskad posts to a local push service, and the plain text enters
the real service worker by the DevTools protocol (`ServiceWorker.deliverPushMessage`).
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

from kaskad.config import Settings
from kaskad.web.service import serving
from support.api import Api
from support.browser import Browser
from support.site import CHROMIUM, chromium
from support.world import wait_for

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
LOCALES = {"en": ("en-GB", "Allow notifications", "Notifications are on"),
           "ru": ("ru-RU", "Разрешить уведомления", "Уведомления включены")}  # fmt: skip
CASCADE = """
cascade: ready
title: Ready
class: transactional
topic: orders
urgent: true
trigger: {event: ordered, key: order}
steps:
  - id: push
    channel: push
    subject: Order {{ trigger.order }}
    text: It is ready
    buttons: [{text: Open, url: "https://shop.example.org/orders"}, {text: Later, reply: later}]
    wait: 1h
"""
# What a browser without a push service lacks; all else is its own.
DOUBLE = """
const made = %s;
const end = async () => { held = null; return true; };
const keys = {...made, toJSON: () => made, unsubscribe: end};
let held = sessionStorage.held ? keys : null;
PushManager.prototype.subscribe = async function (options) {
  if (options.userVisibleOnly !== true) throw new Error("not visible");
  sessionStorage.key = options.applicationServerKey;
  sessionStorage.held = "yes";
  return (held = keys);
};
PushManager.prototype.getSubscription = async () => held;
"""


class PushService:
    """Keeps what is posted to it, and answers 201."""

    def __init__(self):
        self.posted = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.posted.append((self.path, dict(self.headers), body))
                self.send_response(201)
                self.send_header("Location", f"/m/{len(service.posted)}")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def service():
    service = PushService()
    yield service
    service.close()


@pytest.fixture(scope="module")
def api(tmp_path_factory, service):
    folder = tmp_path_factory.mktemp("push")
    settings = Settings(database=f"sqlite:{folder / 'kaskad.db'}", listen="127.0.0.1:0")
    with serving(settings, "the tests") as running:
        api = Api(running)
        own = {"contact": "mailto:push@example.org", "title": "Лавка", "services": service.url}
        api.put("/accounts/web", {"provider": "webpush", "settings": own})
        yield api


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


def opened(browser, api, keys, url, locale="en-GB", **more):
    """Return a page at `url` whose browser has these keys and may notify."""
    context = browser.new_context(locale=locale, **more)
    context.grant_permissions(["notifications"], origin=api.service.url)
    context.add_init_script(DOUBLE % json.dumps(keys.subscription))
    page = context.new_page()
    page.goto(url)
    return page


def link(api, who, **more):
    return api.post(f"/contacts/{who}/opt-in-links", {"account": "web", **more})["url"]


def registration(page):
    """Return a DevTools session, and the id of the page's service worker there."""
    session, found = page.context.new_cdp_session(page), []
    session.on("ServiceWorker.workerRegistrationUpdated", lambda told: found.extend(told["registrations"]))
    session.send("ServiceWorker.enable")
    for _ in range(100):
        if live := [one for one in found if not one["isDeleted"]]:
            return session, live[-1]["registrationId"]
        page.wait_for_timeout(50)
    raise AssertionError("there is no service worker")


def messages(api, who):
    return api.get("/messages", params={"contact": who})["items"]


@pytest.mark.parametrize("language", LOCALES)
def test_a_person_allows_notifications_and_switches_them_off(api, browser, service, language):
    locale, allow, on = LOCALES[language]
    api.put(f"/contacts/allows-{language}", {"email": f"{language}@example.org"})
    keys = Browser(f"{service.url}/push/{language}")
    page = opened(browser, api, keys, link(api, f"allows-{language}"), locale)
    page.get_by_role("button", name=allow).click()
    expect(page.get_by_role("heading", name=on)).to_be_visible()
    told = api.get(f"/contacts/allows-{language}")["addresses"]
    assert [one["value"] for one in told if one["channel"] == "push"] == [keys.address]
    assert page.evaluate("sessionStorage.key") == api.get("/accounts/web")["settings"]["public_key"]
    page.goto(f"{api.service.url}/push/web")  # without a link: this browser is known here
    page.get_by_role("button").click()
    expect(page.locator("[data-state=off] h1")).to_be_visible()
    told = api.get(f"/contacts/allows-{language}")["addresses"]
    assert [one["health"] for one in told if one["channel"] == "push"] == ["invalid"]
    page.context.close()


def test_a_forwarded_link_asks_for_digits(api, browser, service):
    api.put("/contacts/digits", {"phone": "+77010001234"})
    page = opened(browser, api, Browser(f"{service.url}/push/digits"), link(api, "digits"))
    page.get_by_role("button", name="Allow notifications").click()
    page.get_by_label("Last four digits").fill("9999")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Last four digits").fill("1234")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Notifications are on")).to_be_visible()
    page.context.close()


def test_a_wrong_link_and_a_blocked_browser_are_told(api, browser, service):
    keys = Browser(f"{service.url}/push/wrong")
    page = opened(browser, api, keys, f"{api.service.url}/push/web#kaskad=wrong")
    page.get_by_role("button", name="Allow notifications").click()
    expect(page.get_by_role("heading", name="We do not know this link")).to_be_visible()
    page.context.clear_permissions()
    page.reload()
    expect(page.locator("section:visible")).to_have_count(1)
    page.context.close()


def test_a_message_is_shown_tapped_and_reported(api, browser, service):
    """From the event of the shop to the notification in Chromium, and back to the run."""
    api.put("/cascades/ready", content=CASCADE, headers={"Content-Type": "application/yaml"})
    api.post("/cascades/ready/activate")
    api.put("/contacts/buyer", {"email": "buyer@example.org"})
    keys = Browser(f"{service.url}/push/buyer")
    page = opened(browser, api, keys, link(api, "buyer"))
    page.get_by_role("button", name="Allow notifications").click()
    expect(page.get_by_role("heading", name="Notifications are on")).to_be_visible()
    session, worker = registration(page)

    event = {
        "name": "ordered",
        "contact": {"external_id": "buyer"},
        "id": "o-1",
        "properties": {"order": "17"},
    }
    api.post("/events", event)
    _, headers, body = wait_for(lambda: next((p for p in service.posted if p[0] == "/push/buyer"), None))
    assert headers["Authorization"].startswith("vapid ") and headers["Content-Encoding"] == "aes128gcm"
    payload = keys.reads(body)

    session.send(
        "ServiceWorker.deliverPushMessage",
        {"origin": api.service.url, "registrationId": worker, "data": json.dumps(payload)},
    )
    (running,) = page.context.service_workers
    shown = wait_for(lambda: running.evaluate(
        "registration.getNotifications().then(all => all.map(({title, body, tag}) => ({title, body, tag})))"
    ))  # fmt: skip
    assert shown == [{"title": "Order 17", "body": "It is ready", "tag": payload["tag"]}]
    wait_for(lambda: messages(api, "buyer")[0]["state"] == "delivered")

    # A tap itself cannot be made from outside, and without one Chromium opens no window: the event is ours.
    running.evaluate("""async () => {
      const [notification] = await registration.getNotifications();
      Clients.prototype.openWindow = async (url) => { self.went = url; };
      dispatchEvent(new NotificationEvent("notificationclick", {notification}));
    }""")
    wait_for(lambda: api.get("/runs", params={"contact": "buyer"})["items"][0]["outcome"] == "responded")
    assert running.evaluate("self.went") == payload["url"]
    assert payload["url"].startswith(f"{api.service.base_url}/l/")
    assert running.evaluate("registration.getNotifications().then(all => all.length)") == 0
    page.context.close()


def test_a_page_of_the_shop_subscribes_with_our_script(api, browser, service):
    """Another origin, with its own worker that has ours by importScripts."""
    shop = Shop(api.service.url)
    api.put("/contacts/shopper", {"email": "shopper@example.org"})
    token = link(api, "shopper").partition("#kaskad=")[2]
    keys = Browser(f"{service.url}/push/shopper")
    context = browser.new_context()
    context.grant_permissions(["notifications"], origin=shop.url)
    context.add_init_script(DOUBLE % json.dumps(keys.subscription))
    page = context.new_page()
    page.goto(shop.url)
    assert page.evaluate("token => kaskadPush.subscribe({token})", token) == "done"
    told = api.get("/contacts/shopper")["addresses"]
    assert [one["value"] for one in told if one["channel"] == "push"] == [keys.address]
    proof = [one["proof"] for one in api.get("/contacts/shopper")["consents"] if one["channels"] == ["push"]]
    assert proof[-1]["page"] == shop.url
    session, worker = registration(page)
    session.send("ServiceWorker.deliverPushMessage", {
        "origin": shop.url, "registrationId": worker, "data": json.dumps({"tag": "1", "body": "Hello"}),
    })  # fmt: skip
    (running,) = context.service_workers
    titles = "registration.getNotifications().then(all => all.map(one => one.title))"
    assert wait_for(lambda: running.evaluate(titles)) == ["127.0.0.1"]
    assert page.evaluate("kaskadPush.state()") == "on"
    context.close()
    shop.close()


def test_a_subscription_that_the_browser_renews_stays_the_contacts(api, browser, service):
    """The event is made by hand: no browser here renews by itself. All else is the worker."""
    api.put("/contacts/renews", {"email": "renews@example.org"})
    old, new = Browser(f"{service.url}/push/old"), Browser(f"{service.url}/push/new")
    page = opened(browser, api, old, link(api, "renews"))
    page.get_by_role("button", name="Allow notifications").click()
    expect(page.get_by_role("heading", name="Notifications are on")).to_be_visible()
    (running,) = page.context.service_workers
    running.evaluate(
        """made => {
      PushManager.prototype.subscribe = async () => made;
      dispatchEvent(new ExtendableEvent("pushsubscriptionchange"));
    }""",
        new.subscription,
    )

    def health():
        told = api.get("/contacts/renews")["addresses"]
        return {one["value"]: one["health"] for one in told if one["channel"] == "push"}

    wait_for(lambda: health() == {old.address: "invalid", new.address: "good"})
    page.context.close()


class Shop:
    """The site of a shop, with the two lines that docs/push.md asks for."""

    def __init__(self, kaskad):
        files = {
            "/": ("text/html", f'<!doctype html><script src="{kaskad}/push/web/subscribe.js"></script>'),
            "/kaskad-worker.js": ("text/javascript", f'importScripts("{kaskad}/push/web/worker.js");'),
        }

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                kind, text = files.get(self.path, ("text/plain", ""))
                self.send_response(200 if text else 404)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

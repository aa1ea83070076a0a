"""The script on a shop's page in a real Chromium, under a strict policy, from another origin."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kaskad.config import Settings
from kaskad.domain.site import identity
from kaskad.domain.tokens import BEACON, FORM
from kaskad.web.service import serving
from support.api import Api
from support.site import CHROMIUM, chromium
from support.world import wait_for

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


class Shop:
    """A page with the line that `kaskad site add` shows, and calls made before the script was there."""

    def __init__(self):
        shop, self.tag, self.policy = self, "", ""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                early = self.path.startswith("/early.js")
                text = 'window.kaskad = [["track", "viewed", {sku: "A-1"}]];' if early else shop.page
                self.send_response(200)
                self.send_header("Content-Type", "text/javascript" if early else "text/html")
                self.send_header("Content-Security-Policy", shop.policy)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def page(self):
        form = '<form action="/sent"><input name="a"><button>Send</button></form>'
        twice = self.tag * 2  # by a template, and by a manager of tags
        return f'<!doctype html><script src="/early.js"></script>{twice}{form}'

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def test_a_click_arrives_a_visitor_is_known_and_nothing_is_kept_in_the_browser(tmp_path):
    shop = Shop()
    settings = Settings(database=f"sqlite:{tmp_path / 'kaskad.db'}", listen="127.0.0.1:0")
    with serving(settings, "the tests") as running, chromium() as browser:
        api = Api(running)
        api.put("/contacts/ann", {"email": "ann@example.org"})
        site = api.put("/sites/shop", {"origins": [shop.url], "events": ["viewed"]})
        shop.tag = site["tag"]
        own = running.url
        shop.policy = f"default-src 'none'; script-src 'self' {own}; connect-src {own}; form-action 'self'"
        page = browser.new_context(timezone_id="Asia/Almaty", locale="kk-KZ").new_page()
        problems = []
        page.on("console", lambda told: problems.append(told.text) if told.type == "error" else None)
        contact_id = int(api.get("/contacts/ann")["id"].removeprefix("con_"))
        token = running.office.signer.page(contact_id, 7, 0, running.office.now() + 60_000)

        def hits():
            with running.db.read() as tx:
                return [row[3] for row in tx.all("hits_of_message", contact_id=contact_id, run_id=7, step=0)]

        page.goto(f"{shop.url}/cart?a=1#ksk={token}")
        wait_for(lambda: hits() == [BEACON])
        assert page.url == f"{shop.url}/cart?a=1"
        kept = "JSON.stringify([document.cookie, localStorage.length, sessionStorage.length])"
        assert json.loads(page.evaluate(kept)) == ["", 0, 0]

        # What is told before it is known of whom waits for that
        signature = identity(api.get("/sites/shop/secret")["secret"], "ann")
        page.evaluate("([who, sign]) => kaskad.identify(who, sign)", ["ann", signature])
        loop = "const loop = {}; loop.loop = loop; kaskad.track('viewed', loop); kaskad.track(7, 'wrong')"
        page.evaluate(loop)
        page.evaluate("kaskad.track('viewed', {sku: 'A-2'})")
        events = lambda: [  # noqa: E731
            one["details"] for one in api.get("/contacts/ann/timeline")["items"] if one["kind"] == "event"
        ]
        wait_for(lambda: [sku in events() for sku in ({"sku": "A-1"}, {"sku": "A-2"})] == [True, True])
        assert api.get("/contacts/ann")["zone"] is None, "without consent"
        page.evaluate("kaskad.consent(true)")
        page.context.set_offline(True)
        page.evaluate("kaskad.track('viewed', {sku: 'A-3'})")
        long = "for (let i = 0; i < 20; i++) kaskad.track('viewed', {i, text: 'я'.repeat(1900)})"
        page.evaluate(long)  # more than one request may carry
        page.wait_for_timeout(1200)
        assert {"sku": "A-3"} not in events()
        page.context.set_offline(False)
        wait_for(lambda: {"sku": "A-3"} in events())
        sent = "/contacts/ann/events?limit=100"
        wait_for(lambda: len([one for one in api.get(sent)["items"] if "i" in one["properties"]]) == 20)
        wait_for(lambda: api.get("/contacts/ann")["zone"] == "Asia/Almaty")

        page.get_by_role("button", name="Send").click()  # leaves the page
        wait_for(lambda: hits() == [BEACON, FORM])
        assert problems == []
    shop.close()

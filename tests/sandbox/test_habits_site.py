"""People who follow a link send the form of the page that it leads to, as often as the profile says."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from msgspec.structs import replace

from kaskad.sandbox.person import Person
from kaskad.sandbox.profile import Delay, SiteHabits, SmsHabits, default_profile
from kaskad.sandbox.serve import SandboxConfig, running
from kaskad.sandbox.servers.smsc import Keys
from support.faults import until

BUYER = Person(key="buyer", name="Buyer", phone="+77000000001")
SOON = Delay(0.05)


@pytest.fixture
def site():
    """Return the address of a link that leads to a page with a form, and what is asked for there."""
    asked: list[str] = []

    class Site(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(f"GET {self.path}")
            self.send_response(302 if self.path == "/l" else 200)
            self.send_header("Location", f"http://{self.headers['Host']}/cart")
            self.end_headers()
            self.wfile.write(b'<form method="post"></form>' if self.path == "/cart" else b"")

        def do_POST(self):
            asked.append(f"POST {self.path}")
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()


@pytest.mark.parametrize("sends", [1.0, 0.0])
def test_who_follows_a_link_may_send_the_form_behind_it(site, sends):
    url, asked = site
    sms = SmsHabits(deliver=SOON, react=SOON, reacts=1.0)
    profile = replace(default_profile(), sms=sms, site=SiteHabits(SOON, sends))
    with running(SandboxConfig(people=[BUYER], profile=profile)) as sandbox:
        keys = Keys()
        query = {"login": keys.login, "psw": keys.password, "phones": BUYER.phone,
                 "mes": f"{url}/l", "fmt": "3", "charset": "utf-8"}  # fmt: skip
        httpx2.get(f"{sandbox.http_url}/smsc/sys/send.php", params=query, trust_env=False).raise_for_status()
        until(lambda: len(asked) >= (3 if sends else 1))
        time.sleep(0.3)
    assert asked == (["GET /l", "GET /cart", "POST /cart"] if sends else ["GET /l"])

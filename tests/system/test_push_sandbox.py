"""Push from a mail's link to the tap, through the real engine, pages and adapters against the sandbox."""

import time

import pytest

from kaskad.config import Settings
from kaskad.sandbox.person import Person
from kaskad.sandbox.profile import read_profile
from kaskad.sandbox.serve import SandboxConfig, running
from kaskad.sandbox.servers.fcm import Fcm
from kaskad.sandbox.servers.webpush import WebPush
from kaskad.web.service import serving
from support.api import Api
from support.world import wait_for

PEOPLE = (
    Person("ann", "Ann", "ann@example.org", "+79000000001", ids={"push": "app-token-of-ann-1"}),
    Person("bob", "Bob", "bob@example.org", "+79000000002"),
    Person("dan", "Dan", "dan@example.org", "+79000000003"),
)
QUIET = """
mail: {open: {median: 1}, click: {median: 1}}
chat: {react: {median: 1}}
sms: {deliver: {median: 1}, react: {median: 1}}
call: {pick_up: {median: 1}, think: {median: 1}, no_answer: 1}
"""
CASCADE = """
cascade: {slug}
title: Ready
class: transactional
topic: orders
urgent: true
trigger: {{event: {slug}, key: order}}
steps:
  - id: push
    channel: push
    account: {account}
    subject: "Order {{{{ trigger.order }}}}"
    text: "{{{{ contact.name }}}}, it is ready"
    buttons: [{{text: Open, url: "http://127.0.0.1:9/orders"}}]
    wait: 1h
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return an installation, and the sandbox that it uses."""
    folder = tmp_path_factory.mktemp("push")
    settings = Settings(database=f"sqlite:{folder / 'kaskad.db'}", listen="127.0.0.1:0")
    with serving(settings, "the tests") as service:
        api = Api(service)
        config = SandboxConfig(
            servers=("smtp", "fcm", "webpush"), people=PEOPLE, kaskad_url=service.url,
            profile=read_profile(QUIET, "test"),
        )  # fmt: skip
        with running(config) as sandbox:
            for kind in (Fcm, WebPush):
                (told,) = kind.accounts(sandbox.place)
                api.put(f"/accounts/{told['name']}", {k: v for k, v in told.items() if k != "name"})
            for slug, account in (("ready_app", "app"), ("ready_web", "web")):
                text = CASCADE.format(slug=slug, account=account)
                api.put(f"/cascades/{slug}", content=text, headers={"Content-Type": "application/yaml"})
                api.post(f"/cascades/{slug}/activate")
            yield api, sandbox


def ordered(api, who, name):
    event = {
        "name": name,
        "id": f"{who} {name}",
        "contact": {"external_id": who},
        "properties": {"order": "17"},
    }
    api.post("/events", event)


def run_of(api, who, slug):
    return next(iter(api.get(f"/cascades/{slug}/runs", params={"contact": who})["items"]), None)


def message_of(api, who):
    return next((one for one in api.get("/messages", params={"contact": who})["items"]), {"state": ""})


def bound(api, sandbox, who, number):
    """Make a contact, let the browser of phone `number` follow the link, and return the address it got."""
    told = {
        "attributes": {"name": who.title()},
        "email": f"{who}@example.org",
        "phone": f"+7900000000{number}",
    }
    api.put(f"/contacts/{who}", told)
    url = api.post(f"/contacts/{who}/opt-in-links", {"account": "web"})["url"]
    server = sandbox.server(WebPush)
    phone = sandbox.world.phones[number]
    sandbox.do(lambda deeds: deeds.start(phone, "push", server.start_of(url), server))  # digits are asked for
    pushes = lambda: [a for a in api.get(f"/contacts/{who}")["addresses"] if a["channel"] == "push"]  # noqa: E731
    (address,) = wait_for(pushes)
    return address["value"]


def test_an_app_shows_a_message_and_a_tap_ends_the_run(place):
    api, sandbox = place
    push = {"channel": "push", "value": "app-token-of-ann-1"}
    consent = {"granted": True, "channels": ["push"], "proof": {"source": "app", "text": "in the app"}}
    api.put("/contacts/ann", {"attributes": {"name": "Ann"}, "addresses": [push], "consents": [consent]})
    ordered(api, "ann", "ready_app")
    phone = sandbox.world.phones[1]
    (notice,) = wait_for(lambda: list(phone.notices))
    assert (notice.title, notice.text) == ("Order 17", "Ann, it is ready")
    assert notice.link.startswith(f"{api.service.base_url}/l/")
    wait_for(lambda: message_of(api, "ann")["state"] == "delivered")
    sandbox.do(lambda deeds: deeds.tap(phone, notice))
    wait_for(lambda: (run_of(api, "ann", "ready_app") or {}).get("outcome") == "responded")


def test_a_browser_is_bound_by_the_link_and_then_shows_a_message(place):
    api, sandbox = place
    phone = sandbox.world.phones[2]
    assert bound(api, sandbox, "bob", 2).startswith(f"{sandbox.http_url}/webpush/b/2#")
    ordered(api, "bob", "ready_web")
    (notice,) = wait_for(lambda: list(phone.notices))
    assert (notice.title, notice.text) == ("Order 17", "Bob, it is ready")
    wait_for(lambda: message_of(api, "bob")["state"] == "delivered")
    sandbox.do(lambda deeds: deeds.dismiss(phone, notice))
    time.sleep(0.3)
    assert run_of(api, "bob", "ready_web")["outcome"] is None  # wiped away is no answer
    sandbox.do(lambda deeds: deeds.tap(phone, notice))
    wait_for(lambda: (run_of(api, "bob", "ready_web") or {}).get("outcome") == "responded")


def test_a_browser_that_is_gone_is_marked_and_the_run_goes_on(place):
    api, sandbox = place
    api.put("/contacts/cid", {"attributes": {"name": "Cid"}, "email": "cid@example.org"})
    value = bound(api, sandbox, "dan", 3).replace("/b/3#", "/b/77#")
    consent = {"granted": True, "channels": ["push"], "proof": {"source": "page", "text": "on the page"}}
    api.put("/contacts/cid", {"addresses": [{"channel": "push", "value": value}], "consents": [consent]})
    ordered(api, "cid", "ready_web")
    wait_for(lambda: (run_of(api, "cid", "ready_web") or {}).get("outcome") == "unreachable")
    assert [a["health"] for a in api.get("/contacts/cid")["addresses"] if a["channel"] == "push"] == [
        "invalid"
    ]

"""Browsers subscribe, renew and end over HTTP: to whom they belong, with what proof, and who is refused."""

import json
import re

import pytest

from kaskad.domain.terms import Channel
from support.browser import Browser

SERVICE = "https://fcm.googleapis.com/fcm/send"
ACCOUNT = {"provider": "webpush", "settings": {"contact": "mailto:push@example.org", "title": "Лавка <&>"}}
CHROME = {"User-Agent": "Chrome/150", "Origin": "https://shop.example.org"}


@pytest.fixture(scope="module")
def ready(api):
    saved = api.put("/accounts/web", ACCOUNT)
    assert len(saved["settings"]["public_key"]) == 87 and saved["secrets"] == ["private_key"]
    mail = {"host": "h.example.org", "sender": "a@example.org"}
    api.put("/accounts/mail", {"provider": "smtp", "settings": mail})
    return api


@pytest.fixture
def person(ready, request):
    """Return a new contact without a phone."""
    name = re.sub(r"\W+", "-", request.node.name)
    ready.put(f"/contacts/{name}", {"email": f"{name}@example.org"[-60:].lstrip("-")})
    return name


def link(api, person, **more):
    """Return the token of a personal link."""
    made = api.post(f"/contacts/{person}/opt-in-links", {"account": "web", **more})
    page, _, token = made["url"].partition("#kaskad=")
    assert page == f"{api.service.base_url}/push/web"
    return token


def posts(api, told, path="/push/web/subscriptions"):
    answer = api.raw("POST", path, content=json.dumps(told), headers={**CHROME, "Content-Type": "text/plain"})
    assert answer.headers["access-control-allow-origin"] == "*"
    return answer.json()["state"]


def pushes(api, person):
    """Return the push addresses of a contact with their health."""
    told = api.get(f"/contacts/{person}")["addresses"]
    return {one["value"]: one["health"] for one in told if one["channel"] == "push"}


def consents(api, person):
    return [one for one in api.get(f"/contacts/{person}")["consents"] if one["channels"] in ([], ["push"])]


def test_a_browser_is_bound_by_a_personal_link_with_the_proof(ready, person):
    browser = Browser(f"{SERVICE}/one")
    token = link(ready, person, topic="news", consent="I agree to notifications")
    assert posts(ready, {"token": token, "subscription": browser.subscription}) == "done"
    assert list(pushes(ready, person)) == [browser.address]
    (consent,) = [one for one in consents(ready, person) if one["topic"] == "news"]
    assert consent["granted"] and consent["channels"] == ["push"]
    proof = consent["proof"]
    assert proof["text"] == "I agree to notifications" and proof["agent"] == "Chrome/150"
    assert proof["page"] == "https://shop.example.org" and proof["act"].startswith("notifications allowed")


def test_the_same_again_is_answered_and_another_browser_is_not_bound(ready, person):
    browser, other = Browser(f"{SERVICE}/two"), Browser(f"{SERVICE}/three")
    token = link(ready, person)
    said = [
        posts(ready, {"token": token, "subscription": each.subscription})
        for each in (browser, browser, other)
    ]
    assert said == ["done", "again", "used"]
    assert list(pushes(ready, person)) == [browser.address]


def test_a_forwarded_link_is_asked_for_digits(ready):
    ready.put("/contacts/with-phone", {"phone": "+77010001234"})
    browser, token = Browser(f"{SERVICE}/digits"), link(ready, "with-phone")
    told = {"token": token, "subscription": browser.subscription}
    assert posts(ready, told) == "digits"
    assert posts(ready, {**told, "digits": "9999"}) == "wrong"
    assert pushes(ready, "with-phone") == {}
    assert posts(ready, {**told, "digits": "1234"}) == "done"
    assert list(pushes(ready, "with-phone")) == [browser.address]


def test_a_renewed_subscription_takes_the_place_of_the_old_one(ready, person):
    old, new = Browser(f"{SERVICE}/old"), Browser(f"{SERVICE}/new")
    posts(ready, {"token": link(ready, person), "subscription": old.subscription})
    stranger = {"endpoint": f"{SERVICE}/old", "keys": new.subscription["keys"]}
    assert posts(ready, {"old": stranger, "subscription": new.subscription}) == "unknown"  # not its secret
    assert posts(ready, {"old": old.subscription, "subscription": new.subscription}) == "done"
    health = pushes(ready, person)
    assert health[new.address] == "good" and health[old.address] == "invalid"


def test_switching_off_withdraws_the_channel_and_a_new_link_brings_it_back(ready, person):
    browser = Browser(f"{SERVICE}/off")
    posts(ready, {"token": link(ready, person), "subscription": browser.subscription})
    assert posts(ready, {"subscription": browser.subscription}, "/push/web/subscriptions/end") == "off"
    assert pushes(ready, person) == {browser.address: "invalid"}
    last = max(consents(ready, person), key=lambda one: one["at"])
    assert not last["granted"] and last["channels"] == ["push"]
    assert posts(ready, {"token": link(ready, person), "subscription": browser.subscription}) == "done"
    assert pushes(ready, person) == {browser.address: "good"}


GOOD = Browser(f"{SERVICE}/x").subscription


@pytest.mark.parametrize(
    "told, status, state",
    [
        ({"token": "x" * 32, "subscription": GOOD}, 200, "unknown"),
        ({"subscription": GOOD}, 404, "unknown"),
        ({"digits": "1234", "subscription": GOOD}, 200, "unknown"),
        (
            {"token": "x", "subscription": {**GOOD, "endpoint": "https://intranet.example.org/"}},
            422,
            "unsupported",
        ),
        ({"token": "x", "subscription": {**GOOD, "endpoint": "http://127.0.0.1:22/"}}, 422, "unsupported"),
        ({"token": "x", "subscription": {"endpoint": "https://x"}}, 422, "trouble"),
        ({"token": 5, "subscription": GOOD}, 422, "trouble"),
        ({"old": "x", "subscription": GOOD}, 422, "unknown"),
        ([], 422, "trouble"),
    ],
)
def test_what_cannot_be_is_refused(ready, told, status, state):
    answer = ready.raw("POST", "/push/web/subscriptions", content=json.dumps(told))
    assert (answer.status_code, answer.json()["state"]) == (status, state)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[" * 16_000, b"{" * 16_000, b" " * 20_000])
def test_any_body_is_answered(ready, body):
    answer = ready.raw("POST", "/push/web/subscriptions", content=body)
    assert answer.status_code in (413, 422)


@pytest.mark.parametrize("path", ["/push/mail", "/push/nobody", "/push/web/other.js", "/push/mail/worker.js"])
def test_other_accounts_have_no_such_pages(ready, path):
    assert ready.raw("GET", path).status_code == 404


def test_other_accounts_take_no_subscriptions(ready):
    told = json.dumps({"subscription": GOOD})
    assert ready.raw("POST", "/push/mail/subscriptions", content=told).status_code == 404


def test_any_page_may_post(ready):
    answer = ready.raw("OPTIONS", "/push/web/subscriptions", headers={"Origin": "https://shop.example.org"})
    assert answer.status_code == 204 and answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("language, word", [("ru", "Разрешить уведомления?"), ("en", "Allow notifications?")])
def test_the_page_speaks_the_readers_language_and_runs_nothing_inline(ready, language, word):
    answer = ready.raw("GET", "/push/web", headers={"Accept-Language": language})
    assert word in answer.text and "Лавка &lt;&amp;&gt;" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy
    assert not re.search(r"<script>|<script [^>]*>[^<]|\son\w+=|\sstyle=", answer.text)


def test_the_script_is_small_and_knows_the_key(ready):
    key = ready.get("/accounts/web")["settings"]["public_key"]
    script = ready.raw("GET", "/push/web/subscribe.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert len(script.content) < 3_000 and key in script.text
    worker = ready.raw("GET", "/push/web/worker.js").text
    assert key in worker and f"{ready.service.base_url}/push/web" in worker
    private = ready.service.engine.world.accounts.by_name["web"].secrets["private_key"]
    assert private not in script.text and private not in worker


def test_push_is_a_channel_of_the_account(ready):
    assert ready.get("/accounts/web")["channel"] == Channel.PUSH.value

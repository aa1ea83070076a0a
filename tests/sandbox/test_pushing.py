"""FCM and web push of the sandbox: Kaskad's real transport, notifications on the phone, reports, faults."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import http_ece
import httpx2
import pytest
import pywebpush
from msgspec.structs import replace

from kaskad.domain.address import normalise
from kaskad.domain.terms import Channel, Kind, MessageClass, Reason
from kaskad.engine.account_form import AccountForm
from kaskad.engine.catalog import to_send_by
from kaskad.engine.dispatch import Dispatcher, Parcel
from kaskad.providers import provider
from kaskad.providers.base import Outgoing, Request
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.servers.apprise import AppriseTarget
from kaskad.sandbox.servers.fcm import Fcm
from kaskad.sandbox.servers.webpush import Keys, WebPush
from support.world import ANN, wait_for

ACCOUNTS = Path(__file__).parents[1] / "providers/accounts.json"


@pytest.fixture
def sandbox(start):
    return start(servers=("smtp", "fcm", "webpush", "apprise"), time_factor=50)


def account(sandbox, kind):
    """Return the account that the sandbox prints for this server, as Kaskad reads it."""
    (told,) = kind.accounts(sandbox.place)
    form = AccountForm()
    made = form.read({**told, "channel": "push"})
    assert form.problems == []
    return to_send_by(made)


def browser_of(sandbox, person):
    answer = httpx2.post(f"{sandbox.http_url}/webpush/subscribe", params={"person": person}, trust_env=False)
    return answer.json()


def sent(account, to, text="Ready http://127.0.0.1:9/l/1", **more):
    """Return the result of one message over the real transport."""
    results = []
    dispatcher = Dispatcher({account.id: account}, lambda: 1_767_261_600_000, results.extend, timeout_s=3)
    told = {"subject": "Order 17", "message_class": MessageClass.SERVICE, **more}
    outgoing = Outgoing("ref-1", "1:2:0", Channel.PUSH, to, 1_767_261_600_000, text=text, **told)
    dispatcher.submit([Parcel(1, 2, 0, 1, account.id, outgoing)])
    wait_for(lambda: results)
    dispatcher.close(1)
    return results[0]


@pytest.fixture(params=["fcm", "webpush"])
def push(request, sandbox):
    """Return an account, and Ann's address with it."""
    if request.param == "fcm":
        return account(sandbox, Fcm), ANN.ids["push"]
    return account(sandbox, WebPush), normalise(Channel.PUSH, json.dumps(browser_of(sandbox, "ann")))


def notices(sandbox, number=1):
    return sandbox.world.phones[number].notices


def test_a_message_is_shown_and_reported_by_the_device(push, sandbox, receiver):
    own, to = push
    result = sent(own, to, status_url=f"{receiver.url}/hooks/push")
    assert result.reason is None and result.accepted and result.provider_id
    (notice,) = notices(sandbox)
    assert (notice.title, notice.text, notice.link) == ("Order 17", "Ready", "http://127.0.0.1:9/l/1")
    arrival = wait_for(lambda: receiver.at("/hooks/push"))[0]
    hook = Request("POST", f"{receiver.url}/hooks/push", arrival.headers, arrival.body)
    carrying = provider(own.provider)
    carrying.verify_webhook(hook, own, 0)
    (told,) = carrying.read_webhook(hook, own)
    assert (told.kind, told.reference) == (Kind.DELIVERED, "ref-1")


def test_a_tap_and_a_wipe_are_reported(push, sandbox, receiver):
    own, to = push
    for _ in range(2):
        sent(own, to, status_url=f"{receiver.url}/hooks/push")
    httpx2.post(f"{sandbox.http_url}/people/1/notices/1/tap", trust_env=False)
    httpx2.post(f"{sandbox.http_url}/people/1/notices/2/dismiss", trust_env=False)
    wait_for(lambda: len(receiver.at("/hooks/push")) == 4)
    events = sorted(json.loads(arrival.body)["event"] for arrival in receiver.at("/hooks/push"))
    assert events == ["clicked", "delivered", "delivered", "dismissed"]


@pytest.mark.parametrize(
    "kind, reason, accepted",
    [("throttle", Reason.RATE_LIMITED, False), ("error", Reason.AMBIGUOUS, None),
     ("reject", Reason.INVALID_ADDRESS, False), ("hang", Reason.AMBIGUOUS, None)],
)  # fmt: skip
def test_faults_are_told_as_the_services_tell_them(push, sandbox, kind, reason, accepted):
    own, to = push
    sandbox.set_faults(Fault("push", kind, left=1, seconds=3))
    result = sent(own, to)
    assert (result.reason, result.accepted) == (reason, accepted)
    if kind == "throttle":
        assert result.retry_after_ms == 3_000
    assert len(notices(sandbox)) == (1 if kind == "hang" else 0)


def test_a_report_that_is_signed_wrongly_is_refused(push, sandbox, receiver):
    own, to = push
    sandbox.set_faults(Fault("push", "bad_signature", left=1))
    sent(own, to, status_url=f"{receiver.url}/hooks/push")
    wrong, right = wait_for(lambda: len(receiver.at("/hooks/push")) == 2 and receiver.at("/hooks/push"))
    acks = [json.loads(arrival.body)["ack"] for arrival in (wrong, right)]
    assert acks[0] == "0" * 64 and acks[1] != acks[0]


def test_who_is_not_there_is_unregistered(sandbox):
    assert sent(account(sandbox, Fcm), "nobody-has-this-token").code == "UNREGISTERED"
    to = normalise(Channel.PUSH, json.dumps(browser_of(sandbox, "ann"))).replace("/b/1#", "/b/99#")
    assert sent(account(sandbox, WebPush), to).reason is Reason.INVALID_ADDRESS


def test_fcm_wants_the_right_account(sandbox):
    own = account(sandbox, Fcm)
    strange = json.loads(ACCOUNTS.read_text())["fcm"]["one"]["secrets"]["service_account"]
    mine = json.loads(own["service_account"])
    other = json.dumps({**mine, "private_key": json.loads(strange)["private_key"]})
    result = sent(replace(own, secrets={"service_account": other}), ANN.ids["push"])
    assert (result.reason, result.accepted) == (Reason.AUTH, False) and "JWT" in result.detail


@pytest.mark.parametrize(
    "message, word",
    [({"token": "x" * 20, "notfication": {}}, "notfication"), ({"token": "x" * 20, "data": {"n": 1}}, "str"),
     ({"token": "short"}, "registration token"), ({"token": "x" * 20, "data": {"a": "x" * 5000}}, "too big"),
     ({"token": "x" * 20, "android": {"ttl": "9999999s"}}, "TTL"),
     ({"token": "x" * 20, "data": {"google.x": "1"}}, "payload key"),
     ({"token": "x" * 20, "webpush": {"fcmOptions": {"link": "http://x"}}}, "HTTPS")],
)  # fmt: skip
def test_fcm_refuses_what_the_real_one_would(sandbox, message, word):
    own = account(sandbox, Fcm)
    asked = provider("fcm").auth_request(own, 1_767_261_600_000)
    got = httpx2.post(asked.url, content=asked.body, headers=dict(asked.headers), trust_env=False).json()
    url = f"{own['base_url']}/v1/projects/sandbox-only/messages:send"
    head = {"Authorization": f"Bearer {got['access_token']}"}
    answer = httpx2.post(url, json={"message": message}, headers=head, trust_env=False)
    assert answer.status_code == 400 and word in answer.json()["error"]["message"]
    assert httpx2.post(url, json={"message": message}, trust_env=False).status_code == 401


def test_a_library_that_is_not_ours_sends_to_the_browser(sandbox):
    """pywebpush encrypts and signs; the sandbox's browser reads it."""
    pywebpush.webpush(
        browser_of(sandbox, "bob"), json.dumps({"tag": "1", "title": "Hi", "body": "from elsewhere"}),
        vapid_private_key=Keys().private_key, vapid_claims={"sub": "mailto:a@example.org"}, ttl=60,
    )  # fmt: skip
    (notice,) = notices(sandbox, 2)
    assert (notice.title, notice.text) == ("Hi", "from elsewhere")


def test_what_another_browser_could_read_is_not_shown(sandbox):
    ann, bob = browser_of(sandbox, "ann"), browser_of(sandbox, "bob")
    swapped = {**ann, "keys": bob["keys"]}
    result = sent(account(sandbox, WebPush), normalise(Channel.PUSH, json.dumps(swapped)))
    assert result.reason is Reason.OTHER and "not encrypted for this browser" in result.detail
    assert notices(sandbox) == []


def test_another_key_than_the_subscribed_one_is_refused(sandbox):
    own = account(sandbox, WebPush)
    to = normalise(Channel.PUSH, json.dumps(browser_of(sandbox, "ann")))
    assert sent(own, to).accepted
    again = AccountForm().read({
        "name": "web2", "provider": "webpush", "settings": {"contact": "mailto:a@example.org",
        "services": sandbox.http_url},
    })  # fmt: skip
    assert sent(to_send_by(again), to).detail.startswith("HTTP 403")


def test_a_person_who_follows_the_link_allows_notifications(start, receiver):
    """As the page's own script would: the browser's subscription with the token, then digits where asked."""
    sandbox = start(servers=("smtp", "webpush"), time_factor=50)
    receiver.answers["/push/web/subscriptions"] = lambda arrival: (
        200, '{"state":"done"}' if b'"digits":"0001"' in arrival.body else '{"state":"digits"}'
    )  # fmt: skip
    mail = f"{receiver.url}/push/web#kaskad=tok-1"
    receiver.answers["/l/1"] = lambda _: (302, mail)
    own = account(sandbox, WebPush)
    to = normalise(Channel.PUSH, json.dumps(browser_of(sandbox, "ann")))
    sent(own, to, text=f"Allow {receiver.url}/l/1")
    httpx2.post(f"{sandbox.http_url}/people/1/notices/1/tap", trust_env=False)
    first, second = wait_for(
        lambda: len(receiver.at("/push/web/subscriptions")) == 2 and receiver.at("/push/web/subscriptions")
    )
    told = json.loads(first.body)
    assert told["token"] == "tok-1" and urlsplit(told["subscription"]["endpoint"]).path == "/webpush/b/1"
    assert json.loads(second.body)["digits"] == "0001"


def test_the_browser_of_the_sandbox_reads_as_another_library_does(sandbox):
    browser = sandbox.server(WebPush).browser(sandbox.world.phones[1])
    told = {**browser.subscription, "keys": dict(browser.subscription["keys"])}
    body = pywebpush.WebPusher(told).encode(b"hello", content_encoding="aes128gcm")["body"]
    theirs = http_ece.decrypt(
        body, private_key=browser.private, auth_secret=browser.auth, version="aes128gcm"
    )
    assert browser.read(body) == theirs == b"hello"


def test_apprise_reaches_the_tray_and_tells_no_more_than_no(sandbox):
    own = account(sandbox, AppriseTarget)
    assert sent(own, ANN.ids["push"]).accepted
    (notice,) = notices(sandbox)
    assert (notice.title, notice.text, notice.link) == ("Order 17", "Ready", "http://127.0.0.1:9/l/1")
    sandbox.set_faults(Fault("apprise", "throttle", left=1))
    for to in (ANN.ids["push"], "nobody/has this"):
        result = sent(own, to)
        assert (result.reason, result.accepted) == (Reason.AMBIGUOUS, None)
    assert len(notices(sandbox)) == 1

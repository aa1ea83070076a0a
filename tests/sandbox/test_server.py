"""The shape of a server, with one of a service that does not exist: a messenger with push that tells all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from hmac import new as hmac
from typing import Any

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.domain.errors import Invalid
from kaskad.sandbox import servers
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import Bubble, Button, Chat, Mail, Notice, Person, Phone, Sms
from kaskad.sandbox.serve import Sandbox, SandboxConfig, running
from kaskad.sandbox.server import Place, Server
from kaskad.sandbox.servers import SERVERS, USUAL, chosen
from kaskad.sandbox.wire import Outgoing
from support.world import ANN, BOB, Receiver, profile, wait_for

SECRET = b"only-for-the-test"
YES = Button("Yes", data="yes")


class Pigeon(Server):
    """Carries letters to chats and papers to the tray; every deed is posted, signed."""

    name = "pigeon"
    channels = ("vk", "push")
    provider = "pigeon"
    account = "birds"

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        return {"base_url": cls.url(place)}

    def routes(self) -> Sequence[BaseRoute]:
        return [Route("/send", self.send, methods=["POST"]), Route("/push", self.push, methods=["POST"])]

    async def send(self, request: Request) -> Response:
        told = await request.json()

        async def take() -> Response:
            phone = self.world.find("vk", told["to"])
            if phone is None or not phone.chats["vk"].started or phone.chats["vk"].blocked:
                return JSONResponse({"error": "nobody"}, 404)
            bubble = self.bring(phone, phone.chats["vk"], told["text"], ref=told["id"], buttons=((YES,),))
            self._post(kind="delivered", id=bubble.ref)
            return JSONResponse({"id": told["id"]})

        def refuse(fault: Fault) -> Response:
            status = {"throttle": 429, "error": 500, "reject": 400}[fault.kind]
            return JSONResponse({"error": fault.kind}, status)

        return await self.befall(take, refuse, "vk")

    async def push(self, request: Request) -> Response:
        told = await request.json()
        phone = self.world.find("push", told["to"])
        assert phone is not None
        self.notify(phone, told["title"], told["text"], link=told["link"], ref=told["id"])
        return JSONResponse({})

    def _post(self, **told: str) -> None:
        body = json.dumps(told).encode()

        def build(good: bool) -> Outgoing:
            signature = hmac(SECRET if good else b"another", body, sha256).hexdigest()
            return Outgoing("POST", self.hook, {"X-Signature": signature}, body)

        self.report(build, channel="vk")

    def start_of(self, url: str) -> str | None:
        head, found, payload = url.partition("https://pigeon.example.org/to?ref=")
        return payload if found and not head else None

    def on_start(self, phone: Phone, payload: str) -> str:
        self._post(kind="started", ref=payload)
        return ""

    def on_read(self, phone: Phone, bubble: Bubble) -> None:
        self._post(kind="read", id=bubble.ref)

    def on_press(self, phone: Phone, bubble: Bubble, button: Button) -> None:
        self._post(kind="pressed", id=bubble.ref, data=button.data)

    def on_message(self, phone: Phone, bubble: Bubble, quoted: Bubble | None) -> None:
        self._post(kind="said", text=bubble.text)

    def on_block(self, phone: Phone, chat: Chat) -> None:
        self._post(kind="blocked", who=chat.address)

    def on_unblock(self, phone: Phone, chat: Chat) -> None:
        self._post(kind="let in", who=chat.address)

    def on_click(self, phone: Phone, thing: Mail | Bubble | Notice | Sms, url: str) -> None:
        self._post(kind="clicked", id=thing.ref)

    def on_dismiss(self, phone: Phone, notice: Notice) -> None:
        self._post(kind="dismissed", id=notice.ref)


@pytest.fixture(autouse=True)
def _listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "SERVERS", (*SERVERS, Pigeon))


@pytest.fixture
def sandbox(start: Callable[..., Sandbox]) -> Iterator[Sandbox]:
    yield start(servers=("smtp", "pigeon"), time_factor=100)


def send(sandbox: Sandbox, id: str = "m1", to: str = ANN.ids["vk"], **more: Any) -> httpx2.Response:
    told = {"to": to, "text": "Ready? http://127.0.0.1:9/l/1", "id": id}
    return httpx2.post(f"{sandbox.http_url}/pigeon/send", json=told, **more)


def push(sandbox: Sandbox, link: str) -> Notice:
    told = {"to": ANN.ids["push"], "title": "Cart", "text": "It waits", "link": link, "id": "n1"}
    httpx2.post(f"{sandbox.http_url}/pigeon/push", json=told).raise_for_status()
    return sandbox.phones[0].notices[-1]


def told(receiver: Receiver) -> list[dict[str, str]]:
    return [json.loads(one.body) for one in receiver.at("/hooks/birds")]


def genuine(receiver: Receiver) -> list[bool]:
    arrivals = receiver.at("/hooks/birds")
    return [hmac(SECRET, one.body, sha256).hexdigest() == one.headers["x-signature"] for one in arrivals]


def test_only_what_is_asked_for_is_there(sandbox: Sandbox) -> None:
    assert sandbox.world.channels == ("email", "vk", "push")
    assert [account["name"] for account in sandbox.accounts()] == ["mail", "birds"]
    assert httpx2.get(f"{sandbox.http_url}/smsc/sys/balance.php").status_code == 404
    with pytest.raises(Invalid, match=r"There is no server 'fax': choose .*smsc"):
        chosen(["fax"])


def test_every_deed_in_a_chat_is_told_by_the_server_that_brought_the_message(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    ann = sandbox.phones[0]
    assert send(sandbox).json() == {"id": "m1"}
    bubble = ann.chats["vk"].bubbles[0]
    sandbox.do(lambda deeds: deeds.read(ann, bubble))
    sandbox.do(lambda deeds: deeds.read(ann, bubble))  # told once
    sandbox.do(lambda deeds: deeds.press(ann, bubble, bubble.buttons[0][0]))
    sandbox.do(lambda deeds: deeds.follow(ann, bubble, bubble.links[0].url))
    sandbox.do(lambda deeds: deeds.write(ann, "vk", "Yes"))
    sandbox.do(lambda deeds: deeds.block(ann, "vk"))
    assert send(sandbox, "m2").status_code == 404
    sandbox.do(lambda deeds: deeds.write(ann, "vk", "STOP"))  # lets the company in again
    wait_for(lambda: len(told(receiver)) == 8)
    kinds = sorted(one["kind"] for one in told(receiver))
    assert kinds == sorted(["delivered", "read", "pressed", "clicked", "said", "blocked", "let in", "said"])
    assert all(genuine(receiver))
    counts = sandbox.counts()["vk"]
    assert (counts.received, counts.reacted, counts.stopped) == (1, 1, 1)
    assert ann.chats["vk"].said_at > 0


def test_a_reaction_shows_that_it_was_read(sandbox: Sandbox, receiver: Receiver) -> None:
    ann = sandbox.phones[0]
    send(sandbox)
    sandbox.do(lambda deeds: deeds.write(ann, "vk", "Yes"))
    wait_for(lambda: {one["kind"] for one in told(receiver)} == {"delivered", "read", "said"})
    assert ann.chats["vk"].bubbles[0].notes == ["replied"]


def test_who_has_no_id_is_written_to_only_after_they_came_by_a_link(
    start: Callable[..., Sandbox], receiver: Receiver
) -> None:
    sandbox = start(servers=("smtp", "pigeon"), people=[Person("eve", "Eve", "eve@example.org")])
    eve = sandbox.phones[0]
    chat = eve.chats["vk"]
    assert send(sandbox, to=chat.address).status_code == 404
    mail = Mail(1, 0, "", "", "", "", (), (), "", False, "", "", "", b"", by="smtp")
    sandbox.do(lambda deeds: deeds.follow(eve, mail, "https://pigeon.example.org/to?ref=tok"))
    wait_for(lambda: {"kind": "started", "ref": "tok"} in told(receiver))
    assert send(sandbox, to=chat.address).status_code == 200


def test_a_notification_is_tapped_or_wiped_away(sandbox: Sandbox, receiver: Receiver) -> None:
    ann = sandbox.phones[0]
    first = push(sandbox, f"{receiver.url}/l/cart")
    sandbox.do(lambda deeds: deeds.tap(ann, first))
    assert receiver.at("/l/cart") and first.reacted and first.dismissed
    second = push(sandbox, "")
    sandbox.do(lambda deeds: deeds.dismiss(ann, second))
    wait_for(lambda: [one["kind"] for one in told(receiver)] == ["clicked", "dismissed"])
    assert sandbox.counts()["push"].reacted == 1


@pytest.mark.parametrize(("kind", "status"), [("throttle", 429), ("error", 500), ("reject", 400)])
def test_a_fault_is_that_of_a_server_or_of_its_channel(sandbox: Sandbox, kind: str, status: int) -> None:
    sandbox.set_faults(Fault("pigeon", kind, left=1), Fault("vk", kind, left=1))
    assert [send(sandbox).status_code for _ in range(3)] == [status, status, 200]
    assert sandbox.faults.happened == {f"pigeon.{kind}": 1, f"vk.{kind}": 1}


def test_a_message_is_taken_and_never_answered_or_late(sandbox: Sandbox) -> None:
    sandbox.set_faults(Fault("pigeon", "slow", left=1, seconds=1))
    assert send(sandbox, timeout=5).status_code == 200
    sandbox.set_faults(Fault("pigeon", "hang", left=1))
    with pytest.raises(httpx2.ReadTimeout):
        send(sandbox, "m2", timeout=0.3)
    assert [bubble.ref for bubble in sandbox.phones[0].chats["vk"].bubbles] == ["m1", "m2"]


@pytest.mark.parametrize(
    ("kind", "ids", "signed"),
    [
        ("lost", ["m2"], [True]),
        ("duplicate", ["m1", "m1", "m2"], [True, True, True]),
        ("bad_signature", ["m1", "m1", "m2"], [False, True, True]),
        ("reorder", ["m2", "m1"], [True, True]),
        ("late", ["m2", "m1"], [True, True]),
    ],
)
def test_what_befalls_a_receipt(
    sandbox: Sandbox, receiver: Receiver, kind: str, ids: list[str], signed: list[bool]
) -> None:
    sandbox.set_faults(Fault("vk", kind, left=1, seconds=50))
    send(sandbox, "m1")
    wait_for(lambda: sandbox.faults.happened)
    if kind in ("duplicate", "bad_signature"):
        wait_for(lambda: len(told(receiver)) == 2)
    send(sandbox, "m2")
    wait_for(lambda: len(told(receiver)) == len(ids))
    assert [one["id"] for one in told(receiver)] == ids
    assert genuine(receiver) == signed


def test_a_fault_that_nothing_here_has_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(Invalid, match="'late' is not for smtp: choose error"):
        sandbox.set_faults(Fault("smtp", "late"))
    with pytest.raises(Invalid, match="'sms' is none of"):
        sandbox.set_faults(Fault("sms", "late"))


def test_readers_read_and_tappers_tap(start: Callable[..., Sandbox], receiver: Receiver) -> None:
    reads = profile(chat="{react: {median: 1}, reads: 1}", push="{react: {median: 1}, clicks: 1}")
    sandbox = start(servers=("smtp", "pigeon"), profile=reads, time_factor=10)
    send(sandbox)
    push(sandbox, "")
    wait_for(lambda: {one["kind"] for one in told(receiver)} == {"delivered", "read", "clicked"})
    assert sandbox.counts()["vk"].reacted == 0


def test_the_phone_shows_each_chat_by_its_app_and_acts_on_it(sandbox: Sandbox, receiver: Receiver) -> None:
    send(sandbox)
    push(sandbox, f"{receiver.url}/l/cart")
    languages = {"en": ("Notifications", "VK", "Read it"), "ru": ("Уведомления", "ВКонтакте", "Прочитать")}
    with httpx2.Client(base_url=sandbox.http_url, follow_redirects=True) as browser:
        browser.post("/people/1/take")
        for language, words in languages.items():
            page = browser.get("/people/1", headers={"Accept-Language": language}).text
            assert all(word in page for word in words) and "Telegram" not in page
        assert "tab=push" in str(browser.post("/people/1/notices/1/tap").url)
        assert "tab=vk" in str(browser.post("/people/1/chats/vk/read/1").url)
        assert browser.post("/people/1/chats/vk/write", data={"text": "Hello"}).status_code == 200
        assert browser.post("/people/1/chats/telegram/block").status_code == 404
        assert browser.post("/people/1/notices/9/tap").status_code == 404
        assert "Cart" in browser.get("/").text
    assert receiver.at("/l/cart")
    wait_for(lambda: {one["kind"] for one in told(receiver)} >= {"read", "said"})


def test_all_servers_start_at_once() -> None:
    everything = SandboxConfig(people=(ANN, BOB), servers=("all",))
    with running(everything) as sandbox:
        names = [str(account["name"]) for account in sandbox.accounts()]
        assert len(names) == len(set(names)) >= len(USUAL)
        assert httpx2.get(f"{sandbox.http_url}/people/1").status_code == 200
        settings = [account["settings"] for account in sandbox.accounts()]
        urls = [str(told["base_url"]) for told in settings if isinstance(told, dict) and "base_url" in told]
        assert all(url.startswith(sandbox.http_url) for url in urls)

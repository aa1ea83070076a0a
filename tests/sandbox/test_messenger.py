"""Messenger and Instagram: fbmessenger as their client, the 24 hours, reading by watermark or by message."""

from collections.abc import Callable
from typing import Any

import fbmessenger
import httpx
import pytest
from fbmessenger import attachments, elements, quick_replies

from kaskad.domain.terms import Channel, Kind
from kaskad.providers import PROVIDERS
from kaskad.providers.base import Account, Receipt, Request, Response, UpTo
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import Phone
from kaskad.sandbox.serve import Sandbox
from kaskad.sandbox.server import Server
from kaskad.sandbox.servers.messenger import Instagram, Messenger
from support.world import Receiver, wait_for

SERVERS: list[type[Server]] = [Messenger, Instagram]
WINDOW = {"messenger": 2018278, "instagram": 2534022}


@pytest.fixture
def world(start: Callable[..., Sandbox]) -> Sandbox:
    return start(servers=["messenger", "instagram"], time_factor=50)


def account(world: Sandbox, kind: type[Server]) -> Account:
    """Return Kaskad's account of a server, as the sandbox gives it."""
    settings = {name: str(value) for name, value in kind.settings(world.place).items()}
    return Account(1, kind.account, kind.provider, Channel(kind.channels[0]), settings)


def ann(world: Sandbox) -> Phone:
    return world.phones[0]


def ann_at(world: Sandbox, kind: type[Server]) -> str:
    return ann(world).chats[kind.channels[0]].address


def client(world: Sandbox, kind: type[Server]) -> fbmessenger.MessengerClient:
    made = fbmessenger.MessengerClient("only-for-the-sandbox")
    made.graph_url = f"{world.http_url}/{kind.name}/v25.0"
    return made


def writes(world: Sandbox, kind: type[Server], text: str = "Привет") -> None:
    world.do(lambda deeds: deeds.write(ann(world), kind.channels[0], text))


def told(receiver: Receiver, world: Sandbox, kind: type[Server]) -> list[Any]:
    """Return what Kaskad's own adapter reads in the webhooks that have come."""
    found: list[Any] = []
    mine = account(world, kind)
    for arrival in receiver.at(f"/hooks/{kind.account}"):
        hook = Request("POST", "", arrival.headers, arrival.body)
        PROVIDERS[kind.provider].verify_webhook(hook, mine, 0)
        found += PROVIDERS[kind.provider].read_webhook(hook, mine)
    return found


@pytest.mark.parametrize("kind", SERVERS)
def test_within_24_hours_fbmessenger_sends_texts_files_and_answers(
    world: Sandbox, kind: type[Server]
) -> None:
    writes(world, kind)
    page, to = client(world, kind), ann_at(world, kind)
    assert page.send(elements.Text("Готово").to_dict(), to)["message_id"].startswith("m_")
    page.send(attachments.Image("https://shop.example.org/1.jpg").to_dict(), to, "UPDATE")
    replies = quick_replies.QuickReplies([quick_replies.QuickReply(title="Да", payload="yes")])
    page.send(elements.Text("Оформить?", replies).to_dict(), to)
    shown = [bubble for bubble in ann(world).chats[kind.channels[0]].bubbles if not bubble.mine]
    assert [bubble.text for bubble in shown] == ["Готово", "", "Оформить?"]
    assert shown[1].media == (("image", "https://shop.example.org/1.jpg"),)
    assert shown[2].buttons[0][0].data == "yes"


@pytest.mark.parametrize("kind", SERVERS)
def test_outside_of_24_hours_nothing_is_taken(world: Sandbox, kind: type[Server]) -> None:
    page, to = client(world, kind), ann_at(world, kind)
    refused = page.send(elements.Text("Готово").to_dict(), to)["error"]
    assert (refused["code"], refused["error_subcode"]) == (10, WINDOW[kind.name])
    writes(world, kind)
    chat = ann(world).chats[kind.channels[0]]
    world.call(lambda: setattr(chat, "said_at", chat.said_at - 24 * 3_600_000))
    assert "error" in page.send(elements.Text("Готово").to_dict(), to)


def test_messenger_tells_delivery_and_reading_until_an_instant(world: Sandbox, receiver: Receiver) -> None:
    writes(world, Messenger)
    sent = client(world, Messenger).send(elements.Text("Готово").to_dict(), ann_at(world, Messenger))
    bubble = ann(world).chats["facebook_messenger"].bubbles[-1]
    world.do(lambda deeds: deeds.read(ann(world), bubble))
    found = wait_for(lambda: (all_ := told(receiver, world, Messenger)) and len(all_) == 3 and all_)
    delivered = next(one for one in found if isinstance(one, Receipt))
    read = next(one for one in found if isinstance(one, UpTo))
    assert (delivered.kind, delivered.provider_id) == (Kind.DELIVERED, sent["message_id"])
    assert (read.kind, read.address) == (Kind.READ, ann_at(world, Messenger)) and read.until >= bubble.at


def test_instagram_tells_reading_by_message_and_no_delivery(world: Sandbox, receiver: Receiver) -> None:
    writes(world, Instagram)
    sent = client(world, Instagram).send(elements.Text("Готово").to_dict(), ann_at(world, Instagram))
    bubble = ann(world).chats["instagram"].bubbles[-1]
    world.do(lambda deeds: deeds.read(ann(world), bubble))
    found = wait_for(lambda: (all_ := told(receiver, world, Instagram)) and len(all_) == 2 and all_)
    seen = next(one for one in found if isinstance(one, Receipt))
    assert (seen.kind, seen.provider_id) == (Kind.READ, sent["message_id"])


@pytest.mark.parametrize("kind", SERVERS)
def test_presses_come_with_what_the_button_carries(
    world: Sandbox, receiver: Receiver, kind: type[Server]
) -> None:
    writes(world, kind)
    page, to, reference = client(world, kind), ann_at(world, kind), "ref" * 6
    button = elements.Button("postback", title="Да", payload=f"{reference}:yes").to_dict()
    payload = {"template_type": "button", "text": "Оформить?", "buttons": [button]}
    page.send({"attachment": {"type": "template", "payload": payload}}, to)
    quick = quick_replies.QuickReply(title="Нет", payload=f"{reference}:no")
    page.send(elements.Text("Точно?", quick_replies.QuickReplies([quick])).to_dict(), to)
    for bubble in list(ann(world).chats[kind.channels[0]].bubbles[-2:]):
        world.do(lambda deeds, one=bubble: deeds.press(ann(world), one, one.buttons[0][0]))

    def presses() -> list[Any]:
        return [one for one in told(receiver, world, kind) if getattr(one, "kind", 0) is Kind.CLICKED]

    wait_for(lambda: len(presses()) == 2)
    assert {(one.reference, one.key) for one in presses()} == {(reference, "yes"), (reference, "no")}


@pytest.mark.parametrize("kind", SERVERS)
def test_an_opt_in_link_starts_the_chat_with_its_token_and_opens_it(
    world: Sandbox, receiver: Receiver, kind: type[Server]
) -> None:
    mine, carrying = account(world, kind), PROVIDERS[kind.provider]
    for request in carrying.setup_requests(mine, ""):
        answer = httpx.post(request.url, content=request.body, headers=dict(request.headers))
        carrying.read_setup(Response(answer.status_code, {}, answer.content))
    link = carrying.opt_in_link(mine, "a" * 32)
    server = world.server(kind)
    assert server.start_of(link) == "a" * 32 and server.start_of("https://m.me/another?ref=x") is None
    world.do(lambda deeds: deeds.start(ann(world), kind.channels[0], "a" * 32, server))
    (started,) = wait_for(lambda: told(receiver, world, kind))
    assert (started.kind, started.text, started.address) == (Kind.STARTED, "a" * 32, ann_at(world, kind))
    assert "message_id" in client(world, kind).send(elements.Text("Готово").to_dict(), ann_at(world, kind))


@pytest.mark.parametrize("kind", SERVERS)
def test_refusals_are_those_of_the_service(world: Sandbox, kind: type[Server]) -> None:
    writes(world, kind)
    page, to = client(world, kind), ann_at(world, kind)
    long = "я" * (2_001 if kind is Messenger else 501)
    for message in (elements.Text(long).to_dict(), {"text": "a", "attachment": {"type": "image"}}, {}):
        assert page.send(message, to)["error"]["code"] == 100
    assert page.send({"text": "a"}, to, "MESSAGE_TAG", tag="ACCOUNT_UPDATE")["error"]["code"] == 100
    assert page.send({"text": "a"}, "7")["error"]["message"].endswith("No matching user found")
    page.page_access_token = "another"
    del page._auth_args
    assert page.send({"text": "a"}, to)["error"]["code"] == 190
    world.do(lambda deeds: deeds.block(ann(world), kind.channels[0]))
    assert client(world, kind).send({"text": "a"}, to)["error"]["code"] == 551


@pytest.mark.parametrize(("fault", "code"), [("throttle", 613), ("error", 2), ("reject", 100)])
def test_faults_answer_in_the_services_words(world: Sandbox, fault: str, code: int) -> None:
    writes(world, Messenger)
    world.set_faults(Fault("messenger", fault, left=1))
    page, to = client(world, Messenger), ann_at(world, Messenger)
    assert page.send({"text": "a"}, to)["error"]["code"] == code
    assert "message_id" in page.send({"text": "a"}, to)

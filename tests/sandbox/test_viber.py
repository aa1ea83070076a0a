"""Viber's Bot API and Telegram's Gateway: their libraries as clients, and the real adapters over sockets."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import httpx2
import pytest
import viberbot.api.api
from tgateway import TelegramGateway
from tgateway.exceptions import PhoneNumberNotFoundError
from viberbot import Api
from viberbot.api.bot_configuration import BotConfiguration
from viberbot.api.messages import TextMessage
from yarl import URL

from kaskad.domain.terms import Channel, Kind
from kaskad.providers.base import Outgoing
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import Person
from kaskad.sandbox.serve import Sandbox
from kaskad.sandbox.servers import telegram_gateway, viber
from support.carried import account_of, carry, heard
from support.world import Receiver, wait_for

TOKEN = viber.Keys().token
ID = "01234567890123456789A="
CARL = Person("carl", "Carl", phone="+79000000003", language="en", ids={"viber": ID})
DORA = Person("dora", "Dora", phone="+79000000004", language="ru")  # has not come to the bot yet
HOOK = "/hooks/viber"
KEYBOARD = {"Type": "keyboard", "Buttons": [
    {"ActionType": "reply", "ActionBody": "yes", "Text": "Да", "Columns": 6, "Rows": 1},
    {"ActionType": "open-url", "ActionBody": "https://shop.example.org", "Text": "Shop", "Columns": 6,
     "Rows": 1},
]}  # fmt: skip


@pytest.fixture
def sandbox(start: Callable[..., Sandbox]) -> Sandbox:
    return start(servers=("viber", "telegram_gateway"), people=(CARL, DORA))


@pytest.fixture
def bot(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setattr(viberbot.api.api, "VIBER_BOT_API_URL", f"{sandbox.http_url}/viber")
    return Api(BotConfiguration(auth_token=TOKEN, name="Shop", avatar="https://shop.example.org/a.png"))


def events(receiver: Receiver, bot: Api) -> list[Any]:
    """Return what viberbot reads of the webhooks that it believes."""
    return [
        bot.parse_request(each.body)
        for each in receiver.at(HOOK)
        if bot.verify_signature(each.body, each.headers["x-viber-content-signature"])
    ]


def kinds(receiver: Receiver, bot: Api) -> list[str]:
    return [event.event_type for event in events(receiver, bot)]


def call(sandbox: Sandbox, method: str, told: dict[str, Any]) -> dict[str, Any]:
    headers = {"X-Viber-Auth-Token": TOKEN}
    return httpx2.post(f"{sandbox.http_url}/viber/{method}", json=told, headers=headers).json()


def test_viberbot_sends_and_hears_of_delivery_sight_press_and_end(
    sandbox: Sandbox, bot: Api, receiver: Receiver
) -> None:
    carl = sandbox.phones[0]
    wanted = bot.set_webhook(receiver.url + HOOK, ["delivered", "seen", "unsubscribed", "subscribed"])
    assert "seen" in wanted
    (token,) = bot.send_messages(ID, [TextMessage("{}", keyboard=KEYBOARD, text="Готово?")])
    wait_for(lambda: "delivered" in kinds(receiver, bot))
    bubble = carl.chats["viber"].bubbles[0]
    assert (bubble.text, bubble.ref) == ("Готово?", str(token)) and token > 1 << 53
    sandbox.do(lambda deeds: deeds.press(carl, bubble, bubble.buttons[0][0]))
    sandbox.do(lambda deeds: deeds.block(carl, "viber"))
    wait_for(
        lambda: sorted(kinds(receiver, bot)) == ["delivered", "message", "seen", "unsubscribed", "webhook"]
    )
    (said,) = [event for event in events(receiver, bot) if event.event_type == "message"]
    assert (said.message.text, said.message.tracking_data, said.sender.id) == ("yes", "{}", ID)
    with pytest.raises(Exception, match="notSubscribed"):
        bot.send_messages(ID, [TextMessage(text="x")])


@pytest.mark.parametrize("told, status", [
    ({"receiver": ID}, 4), ({"receiver": "nobody"}, 5), ({"receiver": "N" * 22 + "=="}, 5),
    ({"text": "x" * 7001}, 3), ({"keyboard": {"Buttons": [{"Text": "x"}]}}, 3),
    ({"sender": {"name": "x" * 29}}, 3), ({}, 0),
])  # fmt: skip
def test_what_the_service_refuses_is_refused(
    sandbox: Sandbox, receiver: Receiver, told: dict[str, Any], status: int
) -> None:
    whole = {"receiver": ID, "sender": {"name": "Shop"}, "type": "text", "text": "x"}
    assert call(sandbox, "send_message", whole)["status"] == 10
    call(sandbox, "set_webhook", {"url": receiver.url + HOOK})
    given = told if status == 4 else {**whole, **told}
    assert call(sandbox, "send_message", given)["status"] == status


def test_a_webhook_must_answer_before_it_is_set(sandbox: Sandbox, receiver: Receiver) -> None:
    receiver.answers[HOOK] = lambda _: (500, "")
    assert call(sandbox, "set_webhook", {"url": receiver.url + HOOK})["status"] == 1


def test_who_only_opens_the_chat_gets_one_welcome_and_subscribes_by_words(
    sandbox: Sandbox, bot: Api, receiver: Receiver
) -> None:
    dora = sandbox.phones[1]
    welcome = {
        "sender": {"name": "Shop"},
        "type": "text",
        "text": "Hi",
        "tracking_data": "T",
        "keyboard": KEYBOARD,
    }
    receiver.answers[HOOK] = lambda arrival: (
        200, json.dumps(welcome) if b"conversation_started" in arrival.body else ""
    )  # fmt: skip
    bot.set_webhook(receiver.url + HOOK)
    sandbox.do(lambda deeds: deeds.start(dora, "viber", "Tok"))
    wait_for(lambda: dora.chats["viber"].bubbles)
    (opened,) = [event for event in events(receiver, bot) if event.event_type == "conversation_started"]
    assert (opened.context, opened.subscribed) == ("Tok", False)
    with pytest.raises(Exception, match="notSubscribed"):
        bot.send_messages(opened.user.id, [TextMessage(text="x")])
    bubble = dora.chats["viber"].bubbles[0]
    sandbox.do(lambda deeds: deeds.press(dora, bubble, bubble.buttons[0][0]))
    wait_for(lambda: "message" in kinds(receiver, bot))
    (said,) = [event for event in events(receiver, bot) if event.event_type == "message"]
    assert said.message.tracking_data == "T"
    assert bot.send_messages(said.sender.id, [TextMessage(text="Готово")])


@pytest.mark.parametrize("kind, status", [("throttle", 429), ("error", 500), ("reject", 200)])
def test_faults_are_told_in_the_services_words(
    sandbox: Sandbox, receiver: Receiver, kind: str, status: int
) -> None:
    call(sandbox, "set_webhook", {"url": receiver.url + HOOK})
    sandbox.set_faults(Fault("viber", kind, left=1))
    whole = {"receiver": ID, "sender": {"name": "Shop"}, "type": "text", "text": "x"}
    answer = httpx2.post(f"{sandbox.http_url}/viber/send_message", json=whole,
                         headers={"X-Viber-Auth-Token": TOKEN})  # fmt: skip
    assert answer.status_code == status
    assert status != 200 or answer.json()["status"] == 3


# The Gateway


def test_tgateway_sends_a_code_and_knows_the_refusals(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"{sandbox.http_url}/telegram_gateway"
    monkeypatch.setattr(aiohttp.ClientSession, "_build_url", lambda _, url: URL(f"{place}{url}"))

    async def play() -> None:
        async with TelegramGateway(telegram_gateway.Keys().token) as gateway:
            sent = await gateway.send_verification_message("+79000000003", code="004217", payload="ref")
            assert (sent.payload, str(sent.request_cost), str(sent.remaining_balance)) == (
                "ref",
                "0.01",
                "99.99",
            )
            with pytest.raises(PhoneNumberNotFoundError):
                await gateway.send_verification_message("+79000000099", code="1234")

    asyncio.run(play())
    assert sandbox.phones[0].chats["telegram"].bubbles[0].text == "Code: 004217"


def test_the_real_adapter_sends_a_code_and_hears_of_its_reading(sandbox: Sandbox, receiver: Receiver) -> None:
    account = account_of(sandbox, "telegram_gateway")
    code = Outgoing("ref-of-the-message", "k", Channel.TELEGRAM, "+79000000003", 0, text="1234",
                    status_url=f"{receiver.url}/hooks/telegram_gateway", valid_for_ms=120_000)  # fmt: skip
    (result,) = carry(sandbox, account, code)
    assert result.reason is None and result.provider_id
    carl = sandbox.phones[0]
    sandbox.do(lambda deeds: deeds.read(carl, carl.chats["telegram"].bubbles[0]))
    told = wait_for(lambda: len(heard(sandbox, receiver, account)) == 2 and heard(sandbox, receiver, account))
    assert {one.kind for one in told} == {Kind.DELIVERED, Kind.READ}
    assert {one.reference for one in told} == {"ref-of-the-message"}


def test_the_real_viber_adapter_is_understood(sandbox: Sandbox, bot: Api, receiver: Receiver) -> None:
    bot.set_webhook(receiver.url + HOOK)
    account = account_of(sandbox, "viber")
    (result,) = carry(sandbox, account, Outgoing("r" * 26, "k", Channel.VIBER, ID, 0, text="Готово"))
    assert result.reason is None and result.provider_id == sandbox.phones[0].chats["viber"].bubbles[0].ref
    told = wait_for(lambda: [one for one in heard(sandbox, receiver, account) if one.kind is Kind.DELIVERED])
    assert told[0].provider_id == result.provider_id

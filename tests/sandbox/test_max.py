"""MAX's Bot API: `maxapi` as its client, polled and by webhook."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from maxapi import Bot
from maxapi.exceptions.max import InvalidToken, MaxApiError
from maxapi.types import CallbackButton, LinkButton
from maxapi.types.updates import UpdateUnionAdapter
from maxapi.utils.inline_keyboard import InlineKeyboardBuilder

from kaskad.sandbox.faults import Fault
from kaskad.sandbox.serve import Sandbox
from kaskad.sandbox.servers.max import Keys
from support.world import Receiver, wait_for

TOKEN = Keys().token
HEADERS = {"Authorization": TOKEN}


@pytest.fixture
def sandbox(start: Callable[..., Sandbox]) -> Sandbox:
    return start(servers=("max",))


def with_bot(sandbox: Sandbox, work: Callable[[Bot], Awaitable[Any]], token: str = TOKEN) -> Any:
    async def play() -> Any:
        bot = Bot(token)
        bot.set_api_url(f"{sandbox.http_url}/max")
        try:
            return await work(bot)
        finally:
            await bot.close_session()

    return asyncio.run(play())


def call(sandbox: Sandbox, method: str, path: str, told: Any = None, **query: Any) -> httpx2.Response:
    url = f"{sandbox.http_url}/max{path}"
    return httpx2.request(method, url, params=query, json=told, headers=HEADERS, timeout=30)


def updates(sandbox: Sandbox, **query: Any) -> dict[str, Any]:
    return call(sandbox, "GET", "/updates", timeout=0, **query).json()


def test_maxapi_sends_a_message_with_buttons_and_answers_a_press(sandbox: Sandbox) -> None:
    ann = sandbox.phones[0]
    keyboard = InlineKeyboardBuilder()
    keyboard.row(CallbackButton(text="Да", payload="yes:1"))
    keyboard.row(LinkButton(text="Открыть", url="https://shop.example.org/17"))

    async def send(bot: Bot) -> Any:
        assert (await bot.get_me()).username == "kaskad_sandbox_bot"
        return await bot.send_message(user_id=3001, text="Готово?", attachments=[keyboard.as_markup()])

    sent = with_bot(sandbox, send)
    bubble = ann.chats["max"].bubbles[0]
    assert (sent.message.body.mid, bubble.text) == (bubble.ref, "Готово?")
    sandbox.do(lambda deeds: deeds.press(ann, bubble, bubble.buttons[0][0]))
    told = wait_for(lambda: updates(sandbox)["updates"])
    press = UpdateUnionAdapter.validate_python(told[0])
    assert (press.callback.payload, press.message.body.mid) == ("yes:1", bubble.ref)
    with_bot(sandbox, lambda bot: bot.send_callback(press.callback.callback_id, notification="Принято"))
    assert bubble.toast == "Принято"


def test_everything_that_people_do_is_an_update_that_maxapi_reads(sandbox: Sandbox) -> None:
    ann = sandbox.phones[0]
    sandbox.do(lambda deeds: deeds.write(ann, "max", "Привет"))
    sandbox.do(lambda deeds: deeds.block(ann, "max"))
    sandbox.do(lambda deeds: deeds.start(ann, "max", "Tok-1"))
    told = wait_for(lambda: len(updates(sandbox)["updates"]) == 3 and updates(sandbox))
    read = [UpdateUnionAdapter.validate_python(one) for one in told["updates"]]
    assert sorted(one.update_type.value for one in read) == ["bot_started", "bot_stopped", "message_created"]
    (started,) = [one for one in told["updates"] if one["update_type"] == "bot_started"]
    assert (started["payload"], started["user"]["user_id"]) == ("Tok-1", 3001)
    assert updates(sandbox, marker=told["marker"])["updates"] == []
    assert updates(sandbox)["updates"] == []  # they are committed


def test_nobody_is_written_to_who_has_not_come_or_has_left(sandbox: Sandbox) -> None:
    ann = sandbox.phones[0]
    sandbox.do(lambda deeds: deeds.block(ann, "max"))

    async def send(bot: Bot, to: int = 3001) -> None:
        await bot.send_message(user_id=to, text="x")

    with pytest.raises(MaxApiError) as caught:
        with_bot(sandbox, send)
    assert (caught.value.code, caught.value.raw["code"]) == (403, "chat.denied")
    with pytest.raises(MaxApiError) as caught:
        with_bot(sandbox, lambda bot: send(bot, 4))
    assert caught.value.code == 404
    with pytest.raises(InvalidToken):
        with_bot(sandbox, send, "other")


@pytest.mark.parametrize("told", [
    {"text": "x" * 4001}, {"text": ""}, {"text": "x", "attachments": [{"type": "file", "payload": {}}]},
    {"text": "x", "attachments": [{"type": "inline_keyboard", "payload": {"buttons": []}}]},
    {"text": "x", "attachments": [{"type": "inline_keyboard", "payload": {"buttons": [[{"type": "callback",
                                                                                        "text": "x"}]]}}]},
])  # fmt: skip
def test_what_the_service_refuses_is_refused(sandbox: Sandbox, told: dict[str, Any]) -> None:
    answer = call(sandbox, "POST", "/messages", told, user_id=3001)
    assert (answer.status_code, answer.json()["code"]) == (400, "proto.payload")


@pytest.mark.parametrize("kind, status", [("throttle", 429), ("error", 500), ("reject", 400)])
def test_faults_are_told_in_the_services_words(sandbox: Sandbox, kind: str, status: int) -> None:
    sandbox.set_faults(Fault("max", kind, left=1))
    assert call(sandbox, "POST", "/messages", {"text": "x"}, user_id=3001).status_code == status
    assert call(sandbox, "POST", "/messages", {"text": "x"}, user_id=3001).status_code == 200


def test_a_webhook_gets_updates_with_its_secret_and_ends_polling(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    url = f"{receiver.url}/hooks/max"
    told = {"url": url, "secret": "s3cret", "update_types": ["message_created"]}
    assert call(sandbox, "POST", "/subscriptions", told).json() == {"success": True}
    assert call(sandbox, "GET", "/updates").status_code == 405
    sandbox.set_faults(Fault("max", "bad_signature", left=1))
    ann = sandbox.phones[0]
    sandbox.do(lambda deeds: deeds.write(ann, "max", "Привет"))
    posts = wait_for(lambda: len(receiver.at("/hooks/max")) == 2 and receiver.at("/hooks/max"))
    assert [post.headers["x-max-bot-api-secret"] for post in posts] == ["another-secret", "s3cret"]
    assert json.loads(posts[1].body)["message"]["body"]["text"] == "Привет"
    assert call(sandbox, "DELETE", "/subscriptions", url=url).json()["success"]
    assert updates(sandbox)["updates"] == []

"""The Bot API: `aiogram` as its client, and the words of its refusals."""

import asyncio
import json
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import httpx2
import pytest

from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import Phone
from kaskad.sandbox.serve import Sandbox
from kaskad.sandbox.servers.telegram import Keys
from support.world import Receiver, wait_for

TOKEN = Keys().token


@pytest.fixture
def bot_of(aiogram: ModuleType) -> Callable[..., Any]:
    """Return what makes a bot of aiogram that talks to a sandbox."""

    def made(sandbox: Sandbox, token: str = TOKEN) -> Any:
        server = aiogram.client.telegram.TelegramAPIServer.from_base(f"{sandbox.http_url}/telegram")
        return aiogram.Bot(token, session=aiogram.client.session.aiohttp.AiohttpSession(api=server))

    return made


@pytest.fixture
def buttons(aiogram: ModuleType) -> Any:
    button = aiogram.types.InlineKeyboardButton(text="Да", callback_data="yes:1")
    return aiogram.types.InlineKeyboardMarkup(inline_keyboard=[[button]])


def ann_of(sandbox: Sandbox) -> Phone:
    return sandbox.phones[0]


def call(sandbox: Sandbox, method: str, token: str = TOKEN, **given: Any) -> dict[str, Any]:
    answer = httpx2.post(f"{sandbox.http_url}/telegram/bot{token}/{method}", json=given)
    told = dict(answer.json())
    assert told["ok"] is (answer.status_code == 200)
    assert told.get("error_code", 200) == answer.status_code
    return told


def test_aiogram_sends_texts_and_files(
    start: Callable[..., Sandbox], aiogram: ModuleType, bot_of: Callable[..., Any], buttons: Any
) -> None:
    sandbox = start()

    async def play() -> None:
        async with bot_of(sandbox) as bot:
            assert (await bot.get_me()).username == "kaskad_sandbox_bot"
            sent = await bot.send_message(1001, "Заказ <b>готов</b>", parse_mode="HTML", reply_markup=buttons)
            assert (sent.text, sent.chat.id, sent.chat.first_name) == ("Заказ готов", 1001, "Ann")
            photo = await bot.send_photo(
                1001, aiogram.types.BufferedInputFile(b"\x89PNG....", "cart.png"), caption="Корзина"
            )
            assert photo.photo and photo.caption == "Корзина"
            file = await bot.send_document(1001, "https://shop.example.org/bill.pdf")
            assert file.document is not None and file.document.file_name == "bill.pdf"
            edited = await bot.edit_message_text("Спасибо", chat_id=1001, message_id=sent.message_id)
            assert isinstance(edited, aiogram.types.Message) and edited.text == "Спасибо"

    asyncio.run(play())
    shown = [(bubble.text, bubble.media) for bubble in ann_of(sandbox).chats["telegram"].bubbles]
    assert shown == [
        ("Спасибо", ()), ("Корзина", (("photo", "cart.png"),)),
        ("", (("document", "https://shop.example.org/bill.pdf"),)),
    ]  # fmt: skip
    assert sandbox.counts()["telegram"].received == 3


def test_a_dispatcher_gets_presses_texts_and_blocks_and_is_refused_then(
    start: Callable[..., Sandbox], aiogram: ModuleType, bot_of: Callable[..., Any], buttons: Any
) -> None:
    sandbox = start()
    ann = ann_of(sandbox)
    got: list[tuple[str, str]] = []

    async def play() -> None:
        dispatcher = aiogram.Dispatcher()

        @dispatcher.callback_query()
        async def pressed(query: Any) -> None:
            got.append(("press", query.data or ""))
            await query.answer("Принято")

        @dispatcher.message()
        async def written(message: Any) -> None:
            got.append(("text", message.text or ""))

        @dispatcher.my_chat_member()
        async def changed(update: Any) -> None:
            got.append(("member", update.new_chat_member.status))
            await dispatcher.stop_polling()

        async with bot_of(sandbox) as bot:
            await bot.send_message(1001, "Готово?", reply_markup=buttons)
            bubble = ann.chats["telegram"].bubbles[0]

            def act() -> None:
                sandbox.do(lambda deeds: deeds.press(ann, bubble, bubble.buttons[0][0]))
                sandbox.do(lambda deeds: deeds.write(ann, "telegram", "/start abc"))
                sandbox.do(lambda deeds: deeds.block(ann, "telegram"))

            acting = asyncio.get_running_loop().run_in_executor(None, act)
            await asyncio.wait_for(dispatcher.start_polling(bot, handle_signals=False, polling_timeout=2), 15)
            await acting
            with pytest.raises(
                aiogram.exceptions.TelegramForbiddenError, match="bot was blocked by the user"
            ):
                async with bot_of(sandbox) as again:
                    await again.send_message(1001, "Ещё раз")

    asyncio.run(play())
    assert sorted(got) == [("member", "kicked"), ("press", "yes:1"), ("text", "/start abc")]
    assert ann.chats["telegram"].bubbles[0].toast == "Принято"
    counts = sandbox.counts()["telegram"]
    assert (counts.reacted, counts.stopped) == (1, 1)


def test_aiogram_knows_the_refusals(
    start: Callable[..., Sandbox], aiogram: ModuleType, bot_of: Callable[..., Any]
) -> None:
    sandbox = start()
    sandbox.set_faults(Fault("telegram", "throttle", left=1, seconds=7))

    async def play() -> None:
        async with bot_of(sandbox) as bot:
            with pytest.raises(aiogram.exceptions.TelegramRetryAfter) as caught:
                await bot.send_message(1001, "x")
            assert caught.value.retry_after == 7
        async with bot_of(sandbox, "1:wrong-token-of-somebody-else") as other:
            with pytest.raises(aiogram.exceptions.TelegramUnauthorizedError):
                await other.get_me()

    asyncio.run(play())


LONG = "я" * 4097
ROWS = "inline_keyboard"


@pytest.mark.parametrize(
    ("method", "given", "code", "words"),
    [
        ("sendMessage", {"chat_id": 5, "text": "x"}, 400, "Bad Request: chat not found"),
        ("sendMessage", {"text": "x"}, 400, "Bad Request: chat_id is empty"),
        ("sendMessage", {"chat_id": 1001}, 400, "Bad Request: message text is empty"),
        ("sendMessage", {"chat_id": 1001, "text": LONG}, 400, "Bad Request: message is too long"),
        (
            "sendMessage",
            {
                "chat_id": 1001,
                "text": "x",
                "reply_markup": {ROWS: [[{"text": "x", "callback_data": "я" * 33}]]},
            },
            400,
            "Bad Request: BUTTON_DATA_INVALID",
        ),
        (
            "sendMessage",
            {
                "chat_id": 1001,
                "text": "x",
                "reply_markup": {ROWS: [[{"text": "x", "url": "http://localhost/"}]]},
            },
            400,
            "Bad Request: inline keyboard button URL 'http://localhost/' is invalid: Wrong HTTP URL",
        ),
        (
            "sendMessage",
            {"chat_id": 1001, "text": "x", "reply_markup": {ROWS: [[{"url": "https://example.org"}]]}},
            400,
            "Bad Request: can't parse reply keyboard markup JSON object",
        ),
        (
            "sendMessage",
            {"chat_id": 1001, "text": "<div>x</div>", "parse_mode": "HTML"},
            400,
            'Bad Request: can\'t parse entities: Unsupported start tag "div" at byte offset 0',
        ),
        ("sendPhoto", {"chat_id": 1001}, 400, "Bad Request: there is no photo in the request"),
        (
            "sendPhoto",
            {"chat_id": 1001, "photo": "cart.png"},
            400,
            "Bad Request: wrong file identifier/HTTP URL specified",
        ),
        (
            "answerCallbackQuery",
            {"callback_query_id": "1"},
            400,
            "Bad Request: query is too old and response timeout expired or query ID is invalid",
        ),
        ("sendDice2", {}, 404, "Not Found: method not found"),
    ],
)
def test_what_the_service_refuses_is_refused_in_its_words(
    start: Callable[..., Sandbox], method: str, given: dict[str, Any], code: int, words: str
) -> None:
    told = call(start(), method, **given)
    assert (told["error_code"], told["description"]) == (code, words)


def test_a_token_that_is_none_is_not_found(start: Callable[..., Sandbox]) -> None:
    assert call(start(), "getMe", token="nonsense")["description"] == "Not Found"


def test_an_offset_confirms_and_a_poll_waits_for_news(start: Callable[..., Sandbox]) -> None:
    sandbox = start()
    ann = ann_of(sandbox)
    for text in ("one", "two"):
        sandbox.do(lambda deeds, text=text: deeds.write(ann, "telegram", text))
    first = call(sandbox, "getUpdates", limit=1)["result"]
    assert [update["message"]["text"] for update in first] == ["one"]
    rest = call(sandbox, "getUpdates", offset=first[0]["update_id"] + 1)["result"]
    assert [update["message"]["text"] for update in rest] == ["two"]
    began = time.monotonic()
    assert call(sandbox, "getUpdates", offset=rest[0]["update_id"] + 1, timeout=1)["result"] == []
    assert time.monotonic() - began >= 0.9


def test_a_webhook_gets_updates_with_its_secret_until_it_takes_them(
    start: Callable[..., Sandbox], receiver: Receiver
) -> None:
    sandbox = start()
    ann = ann_of(sandbox)
    refusals = iter([500])
    receiver.answers["/hooks/telegram"] = lambda _: (next(refusals, 200), "")
    url = f"{receiver.url}/hooks/telegram"
    call(sandbox, "setWebhook", url=url, secret_token="s3", allowed_updates=["message"])
    told = call(sandbox, "getUpdates")
    assert told["error_code"] == 409 and "while webhook is active" in told["description"]
    sandbox.do(lambda deeds: deeds.write(ann, "telegram", "Привет"))
    posts = wait_for(lambda: len(receiver.at("/hooks/telegram")) == 2 and receiver.at("/hooks/telegram"))
    assert {post.headers["x-telegram-bot-api-secret-token"] for post in posts} == {"s3"}
    updates = [json.loads(post.body) for post in posts]
    assert updates[0] == updates[1] and updates[0]["message"]["text"] == "Привет"
    info = wait_for(
        lambda: (told := call(sandbox, "getWebhookInfo")["result"])["pending_update_count"] == 0 and told
    )
    assert (info["url"], info["last_error_message"]) == (url, "Wrong response from the webhook: 500")
    call(sandbox, "deleteWebhook")
    assert call(sandbox, "getUpdates")["result"] == []


def test_a_webhook_may_answer_with_a_method(start: Callable[..., Sandbox], receiver: Receiver) -> None:
    sandbox = start()
    ann = ann_of(sandbox)
    said = {"method": "sendMessage", "chat_id": 1001, "text": "Ответ"}
    receiver.answers["/hooks/telegram"] = lambda _: (200, json.dumps(said))
    call(sandbox, "setWebhook", url=f"{receiver.url}/hooks/telegram")
    sandbox.do(lambda deeds: deeds.write(ann, "telegram", "Вопрос"))
    wait_for(lambda: [bubble.text for bubble in ann.chats["telegram"].bubbles] == ["Вопрос", "Ответ"])

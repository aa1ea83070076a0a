"""Telegram's file against the Bot API as others read it: published payloads, and aiogram's types."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from kaskad.domain.cascade import Button
from kaskad.domain.errors import Invalid, SendError
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.domain.tokens import Signer
from kaskad.providers.base import Account, Inbound, Outgoing, Receipt, Request, Response
from kaskad.providers.telegram import ALLOWED, MAX_DATA, Telegram

HERE = Path(__file__).parent
CASES = {path.stem: json.loads(path.read_text()) for path in (HERE / "cases/telegram").glob("*.json")}
TELEGRAM = Telegram()
PRESS = Receipt(kind=Kind.CLICKED, raw=CASES["receipt"]["webhook"]["body"].encode())
POLLED = Account(1, "chat", "telegram", Channel.TELEGRAM, {"bot": "@shop_bot"}, {"token": "1:t"})
HOOKED = msgspec.structs.replace(POLLED, settings={"mode": "webhook"})


def outgoing(**more):
    return Outgoing("ref" * 6, "k", Channel.TELEGRAM, "100200", 0, **more)


def method_and_fields(request: Request):
    return request.url.rpartition("/")[2], json.loads(request.body)


def update(number=7, **what):
    return {"update_id": number, **what}


def message(**more):
    chat = {"id": 100200, "type": "private"}
    return {"message_id": 60, "date": 1767261630, "chat": chat, "text": "hi", **more}


def polled(*updates):
    body = json.dumps({"ok": True, "result": updates}).encode()
    return TELEGRAM.read_poll(Response(200, {}, body), POLLED)


@pytest.mark.parametrize("path", sorted((HERE / "payloads/telegram").glob("*.json")), ids=lambda p: p.stem)
def test_a_published_payload_is_read_byte_by_byte_as_it_was_published(path):
    case = CASES[f"webhook_{path.stem}"]
    assert case["payload"] == f"telegram/{path.name}"
    assert case["webhook"]["body"].encode() == path.read_bytes()


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if "Request" in case.get("request", {})])
def test_what_we_send_is_what_aiogram_knows_of_the_method(name, aiogram):
    request = CASES[name]["request"]["Request"]
    method = request["url"].rpartition("/")[2]
    cls = getattr(aiogram.methods, method[0].upper() + method[1:])
    fields = json.loads(request["body"])
    assert set(fields) <= set(cls.model_fields)
    cls.model_validate(fields)


@pytest.mark.parametrize("request_", [
    TELEGRAM.poll_request(POLLED, "8"), *TELEGRAM.setup_requests(POLLED, ""),
    *TELEGRAM.setup_requests(HOOKED, "https://k.example.org/hooks/chat"),
    *TELEGRAM.follow_up([PRESS], POLLED),
])  # fmt: skip
def test_the_other_requests_are_those_of_the_bot_api_too(request_, aiogram):
    method, fields = method_and_fields(request_)
    cls = getattr(aiogram.methods, method[0].upper() + method[1:])
    assert set(fields) <= set(cls.model_fields)
    cls.model_validate(fields)


def test_the_updates_of_our_cases_are_those_of_the_bot_api(aiogram):
    own = [case for case in CASES.values() if case["covers"] in ("receipt", "inbound", "nothing")]
    made = [case["webhook"]["body"] for case in own if "payload" not in case]  # published ones are older
    assert len([aiogram.types.Update.model_validate_json(body) for body in made]) > 10


def test_a_poll_tells_everything_and_where_to_go_on():
    told, cursor = polled(update(7, message=message()), update(9, message=message(text="/start Tok")))
    assert cursor == "10"
    assert [(one.kind, one.text) for one in told] == [(Kind.REPLIED, "hi"), (Kind.STARTED, "Tok")]
    assert json.loads(told[1].raw)["update_id"] == 9
    assert method_and_fields(TELEGRAM.poll_request(POLLED, cursor)) == (
        "getUpdates", {"timeout": 25, "limit": 100, "allowed_updates": list(ALLOWED), "offset": 10},
    )  # fmt: skip


def test_an_empty_poll_leaves_the_cursor_as_it_is():
    assert polled() == ([], "")
    assert "offset" not in method_and_fields(TELEGRAM.poll_request(POLLED, ""))[1]


def test_an_update_that_cannot_be_read_does_not_keep_the_others_from_us():
    told, cursor = polled(update(7, message={"text": 5}), update(8, message=message()))
    assert cursor == "9"
    assert [one.kind for one in told] == [None, Kind.REPLIED]
    assert told[0].name == "unreadable" and b'"text": 5' in told[0].raw


@pytest.mark.parametrize("status, body, reason", [
    (409, {"ok": False, "error_code": 409, "description": "Conflict"}, Reason.AUTH),
    (401, {"ok": False, "error_code": 401, "description": "Unauthorized"}, Reason.AUTH),
    (429, {"ok": False, "error_code": 429, "description": "Too Many Requests"}, Reason.RATE_LIMITED),
    (502, {"ok": False, "error_code": 502, "description": "Bad Gateway"}, Reason.AMBIGUOUS),
    (200, {"ok": True, "result": True}, Reason.AMBIGUOUS),
    (200, {"ok": True, "result": [1]}, None),
])  # fmt: skip
def test_a_poll_that_failed_is_told_as_an_error(status, body, reason):
    response = Response(status, {}, json.dumps(body).encode())
    if reason is None:
        assert TELEGRAM.read_poll(response, POLLED)[0][0].name == "unreadable"
        return
    with pytest.raises(SendError) as caught:
        TELEGRAM.read_poll(response, POLLED)
    assert caught.value.reason is reason


def test_polling_takes_the_webhook_away_and_a_webhook_ends_polling():
    (request,) = TELEGRAM.setup_requests(POLLED, "https://k.example.org/hooks/chat")
    assert method_and_fields(request) == ("deleteWebhook", {})
    assert TELEGRAM.poll_request(HOOKED, "") is None
    (request,) = TELEGRAM.setup_requests(HOOKED, "https://k.example.org/hooks/chat")
    method, fields = method_and_fields(request)
    assert (method, fields["url"]) == ("setWebhook", "https://k.example.org/hooks/chat")
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,256}", fields["secret_token"])
    hook = Request("POST", "", {"x-telegram-bot-api-secret-token": fields["secret_token"]}, b"")
    TELEGRAM.verify_webhook(hook, HOOKED, 0)


def test_an_account_without_a_token_asks_for_it():
    bare = Account(1, "chat", "telegram", Channel.TELEGRAM)
    with pytest.raises(SendError, match="has no token") as caught:
        TELEGRAM.build_request(outgoing(text="x"), bare)
    assert caught.value.reason is Reason.AUTH


@pytest.mark.parametrize("text, media, taken", [
    ("x" * 4096, (), True), ("x" * 4097, (), False), ("😀" * 2048, (), True), ("😀" * 2049, (), False),
    ("x" * 1024, ("https://e.org/a.png",), True), ("x" * 1025, ("https://e.org/a.png",), False),
    ("", tuple(f"https://e.org/{n}.png" for n in range(10)), True),
    ("", tuple(f"https://e.org/{n}.png" for n in range(11)), False),
])  # fmt: skip
def test_what_telegram_would_refuse_is_refused_before_it_leaves(text, media, taken):
    if taken:
        TELEGRAM.build_request(outgoing(text=text, media=media), POLLED)
        return
    with pytest.raises(SendError) as caught:
        TELEGRAM.build_request(outgoing(text=text, media=media), POLLED)
    assert (caught.value.reason, caught.value.accepted) == (Reason.CONTENT, False)


def test_several_files_and_a_button_do_not_go_together():
    two = ("https://e.org/a.png", "https://e.org/b.png")
    with pytest.raises(SendError, match="no buttons below several files"):
        TELEGRAM.build_request(outgoing(media=two, buttons=(Button("a", reply="b"),)), POLLED)


@pytest.mark.parametrize("reply", ["да", "x" * 300, "", "a:b", "я" * 40])
def test_a_pressed_button_names_its_very_message(reply):
    reference = Signer([(1, b"k" * 32)]).reference((1 << 62) + 5, 1 << 31, 255, 1)
    message_ = msgspec.structs.replace(outgoing(text="x"), reference=reference)
    built = TELEGRAM.build_request(
        msgspec.structs.replace(message_, buttons=(Button("Yes", reply=reply),)), POLLED
    )
    data = json.loads(built.body)["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
    assert 1 <= len(data.encode()) <= MAX_DATA
    ((receipt,), _) = polled(update(callback_query={"id": "1", "data": data, "message": message()}))
    assert isinstance(receipt, Receipt)
    assert (receipt.kind, receipt.reference) == (Kind.CLICKED, reference)
    assert receipt.key in (reply, "#0")


def test_every_press_is_answered_also_one_that_is_not_ours():
    told, _ = polled(
        update(1, callback_query={"id": "a", "data": "ref" * 6 + ":yes"}),
        update(2, callback_query={"id": "b", "data": "of another program"}),
        update(3, message=message()),
    )
    asked = [method_and_fields(request) for request in TELEGRAM.follow_up(told, POLLED)]
    assert asked == [("answerCallbackQuery", {"callback_query_id": key}) for key in "ab"]


@pytest.mark.parametrize("text, kind, token", [
    ("/start", Kind.STARTED, ""), ("/start@shop_bot Tok-en_1", Kind.STARTED, "Tok-en_1"),
    ("/START Tok", Kind.STARTED, "Tok"), ("/started", Kind.REPLIED, "/started"),
    ("start", Kind.REPLIED, "start"), ("/start a b", Kind.REPLIED, "/start a b"),
])  # fmt: skip
def test_a_start_is_told_from_a_message(text, kind, token):
    ((one,), _) = polled(update(message=message(text=text)))
    assert isinstance(one, Inbound)
    assert (one.kind, one.text, one.address) == (kind, token, "100200")


def test_an_opt_in_link_needs_the_name_of_the_bot():
    assert TELEGRAM.opt_in_link(POLLED, "Tok") == "https://t.me/shop_bot?start=Tok"
    with pytest.raises(Invalid, match="without @"):
        TELEGRAM.opt_in_link(HOOKED, "Tok")

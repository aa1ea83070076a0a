"""MAX's file against the Bot API as others read it: published payloads, and the types of maxapi."""

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from maxapi.enums.update import UpdateType
from maxapi.types.updates import UpdateUnionAdapter

from kaskad.domain.cascade import Button
from kaskad.domain.errors import BadSignature, Invalid, SendError
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.domain.tokens import Signer
from kaskad.providers.base import UNREADABLE, Account, Outgoing, Receipt, Request, Response
from kaskad.providers.max import MAX_PAYLOAD, UPDATES, Max

HERE = Path(__file__).parent
CASES = {path.stem: json.loads(path.read_text()) for path in (HERE / "cases/max").glob("*.json")}
MAX = Max()
POLLED = Account(1, "chat", "max", Channel.MAX, {"bot": "@shop_bot"}, {"token": "t"})
HOOKED = msgspec.structs.replace(POLLED, settings={"mode": "webhook"})
REFERENCE = Signer([(1, b"k" * 32)]).reference((1 << 62) + 5, 1 << 31, 255, 1)


def outgoing(**more):
    return Outgoing(REFERENCE, "k", Channel.MAX, "100200", 0, **more)


def press(payload, callback_id="a/b+c", **more):
    return {"update_type": "message_callback", "timestamp": 7, "user_locale": "ru", "message": None,
            "callback": {"timestamp": 5, "callback_id": callback_id, "payload": payload,
                         "user": {"user_id": 100200}}, **more}  # fmt: skip


def polled(*updates, marker=8):
    body = json.dumps({"updates": updates, "marker": marker}).encode()
    return MAX.read_poll(Response(200, {}, body), POLLED)


@pytest.mark.parametrize("path", sorted((HERE / "payloads/max").glob("*.json")), ids=lambda p: p.stem)
def test_a_published_payload_is_read_byte_by_byte_as_it_was_published(path):
    held = {case["payload"]: (case.get("webhook") or case["response"])["body"] for case in CASES.values()
            if "payload" in case}  # fmt: skip
    assert held[f"max/{path.name}"].encode() == path.read_bytes()


def test_the_updates_of_our_cases_are_those_that_maxapi_reads():
    own = [case for name, case in CASES.items() if case["covers"] in ("receipt", "inbound")]
    made = [UpdateUnionAdapter.validate_python(json.loads(case["webhook"]["body"])) for case in own]
    assert len(made) > 10
    assert {update.update_type for update in made} == {name for name, kind in UPDATES.items() if kind}


def test_every_kind_of_update_that_maxapi_knows_has_its_row():
    assert {kind.value for kind in UpdateType} - {"on_started", "raw_api_response"} == UPDATES.keys()


def test_a_poll_tells_everything_and_where_to_go_on():
    started = {"update_type": "bot_started", "timestamp": 7, "user": {"user_id": 5}, "payload": "Tok"}
    told, cursor = polled(press(f"{REFERENCE}:yes"), started)
    assert cursor == "8"
    assert [(one.kind, one.raw[:1]) for one in told] == [(Kind.CLICKED, b"{"), (Kind.STARTED, b"{")]
    request = MAX.poll_request(POLLED, cursor)
    where = urlsplit(request.url)
    assert (request.method, where.path) == ("GET", "/updates") and request.body == b""
    assert parse_qs(where.query)["marker"] == ["8"] and int(parse_qs(where.query)["timeout"][0]) < 45
    assert "message_callback" in parse_qs(where.query)["types"][0].split(",")


def test_a_poll_without_a_marker_leaves_the_cursor_as_it_is():
    assert polled(marker=None) == ([], "")
    assert "marker" not in MAX.poll_request(POLLED, "").url


def test_an_update_that_cannot_be_read_does_not_keep_the_others_from_us():
    told, cursor = polled({"update_type": 5}, press(f"{REFERENCE}:yes"))
    assert cursor == "8"
    assert [one.kind for one in told] == [None, Kind.CLICKED]
    assert told[0].name == UNREADABLE and b"5" in told[0].raw


@pytest.mark.parametrize("status, body, reason", [
    (401, {"code": "verify.token", "message": "Invalid access_token"}, Reason.AUTH),
    (429, {"code": "too.many", "message": ""}, Reason.RATE_LIMITED),
    (500, {"code": "internal", "message": ""}, Reason.AMBIGUOUS),
    (200, {"updates": 7}, Reason.AMBIGUOUS),
    (404, "no such page", Reason.AUTH),
])  # fmt: skip
def test_a_poll_that_failed_is_told_as_an_error(status, body, reason):
    with pytest.raises(SendError) as caught:
        MAX.read_poll(Response(status, {}, json.dumps(body).encode()), POLLED)
    assert caught.value.reason is reason


def test_a_webhook_is_subscribed_with_its_secret_and_a_polled_account_needs_nothing():
    assert MAX.setup_requests(POLLED, "https://k.example.org/hooks/chat") == []
    assert MAX.poll_request(HOOKED, "") is None
    (request,) = MAX.setup_requests(HOOKED, "https://k.example.org/hooks/chat")
    fields = json.loads(request.body)
    assert fields["url"] == "https://k.example.org/hooks/chat"
    assert re.fullmatch(r"[\w-]{5,256}", fields["secret"])
    MAX.verify_webhook(Request("POST", "", {"x-max-bot-api-secret": fields["secret"]}, b""), HOOKED, 0)
    with pytest.raises(BadSignature):
        MAX.verify_webhook(Request("POST", "", {"x-max-bot-api-secret": ""}, b""), HOOKED, 0)


def test_what_a_set_up_did_not_do_is_told():
    MAX.read_setup(Response(200, {}, b'{"success": true}'))
    with pytest.raises(SendError, match="must be https"):
        MAX.read_setup(Response(200, {}, b'{"success": false, "message": "must be https"}'))


def test_every_press_is_answered_also_one_that_is_not_ours():
    told, _ = polled(press(f"{REFERENCE}:yes"), press("of another program", "b"))
    asked = MAX.follow_up(told, POLLED)
    ids = [parse_qs(urlsplit(request.url).query)["callback_id"] for request in asked]
    assert ids == [["a/b+c"], ["b"]]
    assert all(json.loads(request.body)["notification"] for request in asked)


@pytest.mark.parametrize("reply", ["да", "x" * 1200, "", "a:b"])
def test_a_pressed_button_names_its_very_message(reply):
    built = MAX.build_request(outgoing(text="x", buttons=(Button("Yes", reply=reply),)), POLLED)
    keyboard = json.loads(built.body)["attachments"][0]["payload"]["buttons"]
    payload = keyboard[0][0]["payload"]
    assert len(payload) <= MAX_PAYLOAD
    ((receipt,), _) = polled(press(payload))
    assert isinstance(receipt, Receipt)
    assert (receipt.kind, receipt.reference) == (Kind.CLICKED, REFERENCE)
    assert receipt.key in (reply, "#0")


def test_an_account_without_a_token_asks_for_it():
    with pytest.raises(SendError, match="has no token") as caught:
        MAX.build_request(outgoing(text="x"), Account(1, "chat", "max", Channel.MAX))
    assert caught.value.reason is Reason.AUTH


@pytest.mark.parametrize("text, taken", [("x" * 4000, True), ("x" * 4001, False)])
def test_a_text_that_max_would_refuse_is_refused_before_it_leaves(text, taken):
    if taken:
        MAX.build_request(outgoing(text=text), POLLED)
        return
    with pytest.raises(SendError) as caught:
        MAX.build_request(outgoing(text=text), POLLED)
    assert (caught.value.reason, caught.value.accepted) == (Reason.CONTENT, False)


def test_the_roots_of_the_account_go_with_every_request():
    account = msgspec.structs.replace(POLLED, settings={"roots": "/etc/kaskad/root.pem"})
    sent = MAX.build_request(outgoing(text="x"), account)
    assert {sent.roots, MAX.poll_request(account, "").roots} == {"/etc/kaskad/root.pem"}
    assert MAX.build_request(outgoing(text="x"), POLLED).roots == ""


def test_an_opt_in_link_needs_the_name_of_the_bot():
    assert MAX.opt_in_link(POLLED, "Tok") == "https://max.ru/shop_bot?start=Tok"
    with pytest.raises(Invalid, match=re.escape("max.ru/<name>")):
        MAX.opt_in_link(HOOKED, "Tok")

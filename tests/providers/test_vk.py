"""VK's file against the API as vk_api reads and writes it."""

import json
import re
from pathlib import Path
from urllib.parse import parse_qs

import msgspec
import pytest
from vk_api.bot_longpoll import VkBotMessageEvent
from vk_api.keyboard import VkKeyboard

from kaskad.domain.cascade import Button
from kaskad.domain.errors import BadSignature, Invalid, SendError
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.domain.tokens import Signer
from kaskad.providers.base import Account, Outgoing, Receipt, Request, Response
from kaskad.providers.vk import MAX_PAYLOAD, Vk

HERE = Path(__file__).parent
CASES = {path.stem: json.loads(path.read_text()) for path in (HERE / "cases/vk").glob("*.json")}
VK = Vk()
ACCOUNT = Account(
    1, "vk", "vk", Channel.VK, {"group_id": "123456", "confirmation": "9fd4"}, {"token": "t", "secret": "s"}
)
REFERENCE = Signer([(1, b"k" * 32)]).reference((1 << 62) + 5, 1 << 31, 255, 1)


def outgoing(key="k", **more):
    return Outgoing(REFERENCE, key, Channel.VK, "100200", 0, **more)


def fields(request):
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


def event(kind, told, secret="s", group_id=123456, event_id="e1"):
    body = {"type": kind, "group_id": group_id, "event_id": event_id, "v": "5.199", "secret": secret,
            "object": told}  # fmt: skip
    return Request("POST", "", {}, json.dumps(body).encode())


def press(payload):
    return event(
        "message_event",
        {
            "user_id": 100200,
            "peer_id": 100200,
            "event_id": "p1",
            "payload": payload,
            "conversation_message_id": 5,
        },
    )


def test_one_message_has_one_number_and_another_message_another():
    ids = [fields(VK.build_request(outgoing(key, text="x"), ACCOUNT))["random_id"] for key in "aab"]
    assert ids[0] == ids[1] != ids[2]
    assert all(0 < int(each) < 1 << 31 for each in ids)


def test_the_keyboard_is_the_one_that_vk_api_builds():
    buttons = (Button("Да", reply="yes"), Button("Открыть", url="https://k.example.org/l/t"))
    theirs = VkKeyboard(inline=True)
    theirs.add_callback_button("Да", payload={"r": REFERENCE, "k": "yes"})
    theirs.add_line()
    theirs.add_openlink_button("Открыть", "https://k.example.org/l/t")
    wanted = json.loads(theirs.get_keyboard())
    for row in wanted["buttons"]:
        row[0].pop("color", None)  # the default
        action = row[0]["action"]
        if action.pop("payload", None):  # of a link button it is null
            action["payload"] = {"r": REFERENCE, "k": "yes"}
    ours = json.loads(fields(VK.build_request(outgoing(text="x", buttons=buttons), ACCOUNT))["keyboard"])
    ours["buttons"][0][0]["action"]["payload"] = json.loads(ours["buttons"][0][0]["action"]["payload"])
    assert ours == wanted


@pytest.mark.parametrize(
    "name",
    [n for n, c in CASES.items() if c["covers"] == "inbound" and "message_new" in c["webhook"]["body"]],
)
def test_words_of_our_cases_are_those_that_vk_api_reads(name):
    body = json.loads(CASES[name]["webhook"]["body"])
    read = VkBotMessageEvent({**body, "group_id": 123456})
    assert read.from_user and str(read.message.from_id) == CASES[name]["read"][0]["Inbound"]["address"]


@pytest.mark.parametrize("reply", ["да", "x" * 300, "", 'a"b'])
@pytest.mark.parametrize("as_text", [False, True])
def test_a_pressed_button_names_its_very_message(reply, as_text):
    built = VK.build_request(outgoing(text="x", buttons=(Button("Yes", reply=reply),)), ACCOUNT)
    payload = json.loads(fields(built)["keyboard"])["buttons"][0][0]["action"]["payload"]
    assert len(payload) <= MAX_PAYLOAD
    (receipt,) = VK.read_webhook(press(payload if as_text else json.loads(payload)), ACCOUNT)
    assert isinstance(receipt, Receipt)
    assert (receipt.kind, receipt.reference) == (Kind.CLICKED, REFERENCE)
    assert receipt.key in (reply, "#0")


def test_every_press_is_answered_also_one_that_is_not_ours():
    told = [*VK.read_webhook(press({"r": REFERENCE, "k": "yes"}), ACCOUNT),
            *VK.read_webhook(press({"their": "own"}), ACCOUNT),
            *VK.read_webhook(event("message_deny", {"user_id": 5}), ACCOUNT)]  # fmt: skip
    asked = VK.follow_up(told, ACCOUNT)
    assert [request.url.rpartition("/")[2] for request in asked] == ["messages.sendMessageEventAnswer"] * 2
    assert fields(asked[0])["event_id"] == "p1" and fields(asked[0])["peer_id"] == "100200"
    VK.read_setup(Response(200, {}, b'{"response": 1}'))
    with pytest.raises(SendError):
        VK.read_setup(Response(200, {}, b'{"error": {"error_code": 100, "error_msg": "event_id"}}'))


def test_a_read_is_one_of_that_message_and_of_those_before():
    read = {"from_id": 100200, "peer_id": 100200, "read_message_id": 9, "conversation_message_id": 57}
    (receipt,) = VK.read_webhook(event("message_read", read), ACCOUNT)
    assert (receipt.provider_id, receipt.earlier[:2]) == ("100200:57", ("100200:56", "100200:55"))
    assert receipt.event == ""  # a message that is read again is not read twice


@pytest.mark.parametrize("status, body, reason", [
    (200, {"error": {"error_code": 6, "error_msg": "Too many requests per second"}}, Reason.RATE_LIMITED),
    (200, {"error": {"error_code": 10, "error_msg": "Internal"}}, Reason.AMBIGUOUS),
    (200, {}, Reason.AMBIGUOUS),
    (503, {}, Reason.AMBIGUOUS),
])  # fmt: skip
def test_a_refusal_is_told_although_every_answer_is_200(status, body, reason):
    with pytest.raises(SendError) as caught:
        VK.read_response(Response(status, {}, json.dumps(body).encode()))
    assert caught.value.reason is reason
    assert (caught.value.accepted is None) == (reason is Reason.AMBIGUOUS)


def test_the_confirmation_is_answered_to_the_community_alone():
    right = event("confirmation", None, secret=None)
    VK.verify_webhook(right, ACCOUNT, 0)
    assert VK.answer_webhook(right, ACCOUNT) == ("text/plain", b"9fd4")
    with pytest.raises(BadSignature):
        VK.verify_webhook(event("confirmation", None, secret=None, group_id=7), ACCOUNT, 0)
    with pytest.raises(BadSignature):
        VK.verify_webhook(event("message_deny", {"user_id": 5}, secret=None), ACCOUNT, 0)
    assert VK.answer_webhook(event("message_deny", {"user_id": 5}), ACCOUNT) == ("text/plain", b"ok")


def test_a_number_of_a_community_is_a_number():
    assert VK.check(ACCOUNT) == []
    wrong = msgspec.structs.replace(ACCOUNT, settings={"group_id": "club123456"})
    (problem,) = VK.check(wrong)
    assert "without `club`" in problem
    with pytest.raises(Invalid, match=re.escape("`group_id`")):
        VK.opt_in_link(wrong, "Tok")


def test_an_opt_in_link_leads_to_the_community():
    assert VK.opt_in_link(ACCOUNT, "Tok") == "https://vk.me/club123456?ref=Tok"

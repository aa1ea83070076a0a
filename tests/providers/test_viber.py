"""Viber's file against the Bot API as its official library, viberbot, reads and writes it."""

import json
import re
from pathlib import Path

import msgspec
import pytest
from viberbot import Api
from viberbot.api import messages
from viberbot.api.bot_configuration import BotConfiguration
from viberbot.api.message_sender import MessageSender
from viberbot.api.viber_requests import EVENT_TYPE_TO_CLASS

from kaskad.domain.cascade import Button
from kaskad.domain.errors import Invalid, SendError
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.domain.tokens import Signer
from kaskad.providers.base import Account, Inbound, Outgoing, Receipt, Request, Response
from kaskad.providers.signatures import hmac_hex
from kaskad.providers.viber import EVENTS, MAX_TRACKING, STATUSES, Viber

HERE = Path(__file__).parent
CASES = {path.stem: json.loads(path.read_text()) for path in (HERE / "cases/viber").glob("*.json")}
VIBER = Viber()
ACCOUNT = Account(
    1, "vb", "viber", Channel.VIBER, {"sender": "Shop", "uri": "shop"}, {"token": "445da6az-tok"}
)
REFERENCE = Signer([(1, b"k" * 32)]).reference((1 << 62) + 5, 1 << 31, 255, 1)
PERSON = "01234567890123456789A="


def judge(token="445da6az-tok"):
    return Api(BotConfiguration(auth_token=token, name="Shop", avatar="https://shop.example.org/logo.png"))


def outgoing(**more):
    return Outgoing(REFERENCE, "k", Channel.VIBER, PERSON, 0, **more)


def event(name, **more):
    body = json.dumps({"event": name, "timestamp": 1767261630000, "message_token": 5, **more}).encode()
    return Request("POST", "", {"x-viber-content-signature": hmac_hex("sha256", "445da6az-tok", body)}, body)


def said(text, track, language="ru"):
    sender = {"id": PERSON, "name": "A", "language": language}
    message = {"type": "text", "text": text, "tracking_data": track}
    (one,) = VIBER.read_webhook(event("message", sender=sender, message=message), ACCOUNT)
    return one


def test_the_published_payload_is_read_byte_by_byte_as_it_was_published():
    case = CASES["webhook_delivered"]
    assert case["webhook"]["body"].encode() == (HERE / "payloads" / case["payload"]).read_bytes()


def test_the_signature_is_the_one_of_the_vector_and_of_viberbot():
    vectors = json.loads((HERE / "payloads/signature_vectors.json").read_text())["vectors"]
    vector = next(each for each in vectors if each["provider"] == "viber_bot")
    body, account = (
        vector["body"].encode(),
        msgspec.structs.replace(ACCOUNT, secrets={"token": "viber-token"}),
    )
    headers = {"x-viber-content-signature": vector["signature"]}
    VIBER.verify_webhook(Request("POST", "", headers, body), account, 0)
    assert judge("viber-token").verify_signature(body, vector["signature"])


def test_every_event_of_our_cases_is_one_that_viberbot_reads():
    bodies = [case["webhook"]["body"] for case in CASES.values() if case["covers"] in ("receipt", "inbound")]
    read = [judge().parse_request(body) for body in bodies]
    assert {request.event_type for request in read} == EVENT_TYPE_TO_CLASS.keys() - {"webhook"}
    assert EVENT_TYPE_TO_CLASS.keys() <= EVENTS.keys()


@pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if "Request" in case.get("request", {})]
)
def test_what_we_send_is_what_viberbot_would_send(name):
    request = CASES[name]["request"]["Request"]
    ours = json.loads(request["body"])
    kept = {**ours, "keyboard": ours.get("keyboard")}
    message = messages.get_message(kept)
    sender = MessageSender(None, None, judge()._bot_configuration)
    theirs = sender._prepare_payload(
        message=message, receiver=ours["receiver"], sender_name=ours["sender"]["name"],
        sender_avatar=ours["sender"].get("avatar"),
    )  # fmt: skip
    assert message.validate()
    assert theirs.pop("auth_token")  # ours goes as a header: https://creators.viber.com/docs/bots-api
    theirs.pop("thumbnail", None)
    theirs["sender"] = {key: value for key, value in theirs["sender"].items() if value is not None}
    assert ours == theirs


def test_every_status_of_a_refusal_is_a_reason_and_a_new_one_is_other():
    assert set(STATUSES) == {-1, *range(1, 25)}
    body = json.dumps({"status": 77, "status_message": "new"}).encode()
    with pytest.raises(SendError, match="new") as caught:
        VIBER.read_response(Response(200, {}, body))
    assert caught.value.reason is Reason.OTHER


@pytest.mark.parametrize("reply", ["да", "x" * 300, "", "a:b"])
def test_a_pressed_button_names_its_very_message(reply):
    fields = json.loads(
        VIBER.build_request(outgoing(text="x", buttons=(Button("Yes", reply=reply),)), ACCOUNT).body
    )
    body = fields["keyboard"]["Buttons"][0]["ActionBody"]
    assert body and len(fields["tracking_data"]) <= MAX_TRACKING
    receipt = said(body, fields["tracking_data"])
    assert isinstance(receipt, Receipt)
    assert (receipt.kind, receipt.reference, receipt.text) == (Kind.CLICKED, REFERENCE, "Yes")
    other = said("other words", fields["tracking_data"])
    assert isinstance(other, Inbound) and (other.kind, other.text) == (Kind.REPLIED, "other words")


def test_more_answers_than_viber_carries_back_are_refused_before_they_leave():
    many = tuple(Button(f"{n} " + "t" * 30, reply=f"{n} " + "r" * 190) for n in range(24))
    with pytest.raises(SendError, match="too long for Viber") as caught:
        VIBER.build_request(outgoing(text="x", buttons=many), ACCOUNT)
    assert caught.value.reason is Reason.CONTENT


def test_who_opens_the_chat_by_a_link_is_welcomed_and_known_by_the_first_words():
    user = {"id": PERSON, "name": "A", "language": "ru"}
    opened = event("conversation_started", type="open", context="Tok", user=user, subscribed=False)
    VIBER.verify_webhook(opened, ACCOUNT, 0)
    (told,) = VIBER.read_webhook(opened, ACCOUNT)
    assert told.kind is None  # nothing can be sent to them yet
    kind, welcome = VIBER.answer_webhook(opened, ACCOUNT)
    words = json.loads(welcome)
    assert kind == "application/json" and messages.get_message(words).validate()
    button = words["keyboard"]["Buttons"][0]["ActionBody"]
    start = said(button, words["tracking_data"])
    assert (start.kind, start.text, start.address) == (Kind.STARTED, "Tok", PERSON)
    stop = said("стоп", words["tracking_data"])
    assert (stop.kind, stop.text) == (Kind.REPLIED, "стоп")


def test_who_has_subscribed_needs_no_welcome_and_starts_at_once():
    user = {"id": PERSON, "name": "A"}
    opened = event("conversation_started", type="open", context="Tok", user=user, subscribed=True)
    (told,) = VIBER.read_webhook(opened, ACCOUNT)
    assert (told.kind, told.text) == (Kind.STARTED, "Tok")
    assert VIBER.answer_webhook(opened, ACCOUNT) == ("", b"")


def test_a_webhook_is_set_and_never_taken_away():
    (request,) = VIBER.setup_requests(ACCOUNT, "https://k.example.org/hooks/vb")
    fields = json.loads(request.body)
    assert request.url.endswith("/pa/set_webhook") and fields["url"] == "https://k.example.org/hooks/vb"
    assert set(fields["event_types"]) <= EVENT_TYPE_TO_CLASS.keys()
    assert VIBER.setup_requests(ACCOUNT, "") == []
    VIBER.read_setup(Response(200, {}, b'{"status": 0, "status_message": "ok", "event_types": []}'))
    with pytest.raises(SendError, match="invalidUrl"):
        VIBER.read_setup(Response(200, {}, b'{"status": 1, "status_message": "invalidUrl"}'))


def test_a_number_is_no_address_of_a_bot_and_stays_good():
    number = msgspec.structs.replace(outgoing(text="x"), to="+79000000001")
    with pytest.raises(SendError, match="not to numbers") as caught:
        VIBER.build_request(number, ACCOUNT)
    assert caught.value.reason is Reason.WINDOW


def test_a_name_that_viber_does_not_show_is_told():
    assert VIBER.check(ACCOUNT) == []
    (problem,) = VIBER.check(msgspec.structs.replace(ACCOUNT, settings={"sender": "x" * 29}))
    assert "shorten" in problem


def test_an_opt_in_link_needs_the_name_of_the_bot():
    assert VIBER.opt_in_link(ACCOUNT, "Tok") == "viber://pa?chatURI=shop&context=Tok"
    with pytest.raises(Invalid, match=re.escape("`uri`")):
        VIBER.opt_in_link(msgspec.structs.replace(ACCOUNT, settings={"sender": "Shop"}), "Tok")

"""Messenger's and Instagram's files: requests as fbmessenger makes them, set-up, opt-in links, challenges."""

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import fbmessenger
import pytest
from fbmessenger import attachments, elements, quick_replies

from kaskad.domain.cascade import Button
from kaskad.domain.errors import BadSignature, Invalid, SendError
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.providers import meta_chat
from kaskad.providers.base import Account, Outgoing, Request, Response
from kaskad.providers.facebook_messenger import FacebookMessenger
from kaskad.providers.instagram import Instagram

HERE = Path(__file__).parent
SECRETS = {"access_token": "EAAtest", "app_secret": "a secret", "verify_token": "a word of ours"}
PAGE = Account(1, "page", "facebook_messenger", Channel.FACEBOOK_MESSENGER, {"page_id": "100200300"}, SECRETS)
ON_INSTAGRAM = Account(
    2, "insta", "instagram", Channel.INSTAGRAM,
    {"instagram_id": "17841400000000001", "username": "@shop.example"}, SECRETS,
)  # fmt: skip
MESSENGER, INSTAGRAM = FacebookMessenger(), Instagram()
BOTH = [(MESSENGER, PAGE, "page", "100200300"), (INSTAGRAM, ON_INSTAGRAM, "instagram", "17841400000000001")]
REFERENCE = "AQEFAGr4KQwA2QfPhgqYQ_C6Jw"
TOKEN = "0123456789abcdefABCDEF_-01234567"


def outgoing(**more):
    return Outgoing(REFERENCE, "k", Channel.FACEBOOK_MESSENGER, "1254477777772919", 0, **more)


class Session:
    """What fbmessenger calls instead of Meta."""

    def __init__(self):
        self.asked = []

    def post(self, url, params=None, json=None, timeout=None):
        self.asked.append((url, json))
        return self

    def json(self):
        return {}


class WithButtons:
    """A template around the library's buttons: its own wants `collections.Iterable`, gone since 3.10."""

    def __init__(self, *buttons):
        self.buttons = [button.to_dict() for button in buttons]

    def to_dict(self):
        payload = {"template_type": "button", "text": "Hi", "buttons": self.buttons}
        return {"attachment": {"type": "template", "payload": payload}}


MESSAGES = {
    "text": (outgoing(text="Hi"), elements.Text("Hi")),
    "picture": (
        outgoing(media=("https://example.org/1.jpg",)),
        attachments.Image("https://example.org/1.jpg"),
    ),
    "video": (outgoing(media=("https://example.org/1.mp4",)), attachments.Video("https://example.org/1.mp4")),
    "sound": (outgoing(media=("https://example.org/1.mp3",)), attachments.Audio("https://example.org/1.mp3")),
    "file": (outgoing(media=("https://example.org/1.pdf",)), attachments.File("https://example.org/1.pdf")),
    "buttons": (
        outgoing(text="Hi", buttons=(Button("Yes", reply="yes"), Button("Open", url="https://example.org/"))),
        WithButtons(
            elements.Button("postback", title="Yes", payload=f"{REFERENCE}:yes"),
            elements.Button("web_url", title="Open", url="https://example.org/"),
        ),
    ),
    "quick replies": (
        outgoing(text="Hi", buttons=tuple(Button(f"{n}", reply=f"{n}") for n in range(4))),
        elements.Text(
            "Hi",
            quick_replies.QuickReplies(
                [quick_replies.QuickReply(title=f"{n}", payload=f"{REFERENCE}:{n}") for n in range(4)]
            ),
        ),
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_we_ask_what_fbmessenger_asks(name):
    message, theirs = MESSAGES[name]
    session = Session()
    client = fbmessenger.MessengerClient("EAAtest", session=session, api_version="25.0")
    client.send(theirs.to_dict(), "1254477777772919", messaging_type="UPDATE")
    url, fields = session.asked[0]
    del fields["notification_type"]  # REGULAR, which is what Meta takes without it
    request = MESSENGER.build_request(message, PAGE)
    assert request.url == url.replace("/me/", "/100200300/")
    ours = json.loads(request.body)
    assert ours["message"].pop("metadata") == REFERENCE
    assert ours == fields


def test_the_kinds_of_messaging_are_those_of_fbmessenger():
    told = [
        MESSENGER.build_request(msg, PAGE)
        for msg in (outgoing(text="a"), Outgoing("", "k", Channel.SMS, "1", 0))
    ]
    kinds = {json.loads(request.body)["messaging_type"] for request in told}
    assert kinds == {"UPDATE", "RESPONSE"} <= fbmessenger.MessengerClient.MESSAGING_TYPES


def test_the_page_is_subscribed_and_gets_its_button_for_opt_in_links():
    subscribe, profile = MESSENGER.setup_requests(PAGE, "https://k.example.org/hooks/page")
    assert subscribe.url.endswith("/v25.0/100200300/subscribed_apps")
    assert set(json.loads(subscribe.body)["subscribed_fields"].split(",")) >= {"messages", "message_reads"}
    assert json.loads(profile.body) == {"get_started": {"payload": meta_chat.START}}
    MESSENGER.read_setup(Response(200, {}, b'{"success": true}'))
    with pytest.raises(SendError) as caught:
        MESSENGER.read_setup(Response(400, {}, b'{"error": {"message": "no", "code": 190}}'))
    assert caught.value.reason is Reason.AUTH


@pytest.mark.parametrize(("provider", "account", "what", "ours"), BOTH)
def test_an_opt_in_link_is_told_as_a_start_with_its_token(provider, account, what, ours):
    link = urlsplit(provider.opt_in_link(account, TOKEN))
    ref = parse_qs(link.query)["ref"][0]
    event = {"sender": {"id": "7"}, "recipient": {"id": ours}, "timestamp": 1767261660123,
             "referral": {"ref": ref, "source": "SHORTLINK", "type": "OPEN_THREAD"}}  # fmt: skip
    body = json.dumps({"object": what, "entry": [{"id": ours, "messaging": [event]}]}).encode()
    (told,) = provider.read_webhook(Request("POST", "", {}, body), account)
    assert (told.kind, told.text, told.address) == (Kind.STARTED, TOKEN, "7")


def test_links_name_the_page_by_its_name_or_its_id_and_the_account_by_its_name():
    assert MESSENGER.opt_in_link(PAGE, "t") == "https://m.me/100200300?ref=t"
    named = Account(
        1, "page", "facebook_messenger", Channel.FACEBOOK_MESSENGER, {"page_id": "1", "page": "shop"}
    )
    assert MESSENGER.opt_in_link(named, "t") == "https://m.me/shop?ref=t"
    assert INSTAGRAM.opt_in_link(ON_INSTAGRAM, "t") == "https://ig.me/m/shop.example?ref=t"
    with pytest.raises(Invalid, match="give `username`"):
        INSTAGRAM.opt_in_link(Account(2, "insta", "instagram", Channel.INSTAGRAM), "t")


@pytest.mark.parametrize(("provider", "account", "what", "ours"), BOTH)
def test_metas_first_look_is_answered_with_its_challenge(provider, account, what, ours):
    url = "https://k.example.org/hooks/a?hub.mode=subscribe&hub.challenge=11&hub.verify_token="
    assert provider.answer_look(Request("GET", url + "a%20word%20of%20ours"), account)[1] == b"11"
    with pytest.raises(BadSignature):
        provider.answer_look(Request("GET", url + "other"), account)


def test_settings_that_can_never_work_are_told():
    assert MESSENGER.check(PAGE) == [] and INSTAGRAM.check(ON_INSTAGRAM) == []
    shop = Account(1, "page", "facebook_messenger", Channel.FACEBOOK_MESSENGER, {"page_id": "shop"})
    assert "`page_id`" in MESSENGER.check(shop)[0]
    wrong = Account(1, "i", "instagram", Channel.INSTAGRAM, {"instagram_id": "@shop", "page_id": "x"})
    assert len(INSTAGRAM.check(wrong)) == 2


def test_instagram_counts_bytes():
    INSTAGRAM.build_request(outgoing(text="я" * 500), ON_INSTAGRAM)
    with pytest.raises(SendError, match="1002 bytes"):
        INSTAGRAM.build_request(outgoing(text="я" * 501), ON_INSTAGRAM)

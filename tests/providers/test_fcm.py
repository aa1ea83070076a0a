"""What the cases of FCM cannot show: the assertion, wrong service accounts, and where a tap leads."""

import json
from pathlib import Path
from urllib.parse import parse_qs

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kaskad.domain.cascade import Button, Content
from kaskad.domain.content import LinkMaker, compile_content
from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, MessageClass, Reason
from kaskad.domain.tokens import Signer
from kaskad.providers import provider
from kaskad.providers.base import Account, Outgoing, Response
from kaskad.providers.push import LONGEST_S, tap_of, ttl_s

FCM = provider("fcm")
SECRETS = json.loads((Path(__file__).parent / "accounts.json").read_text())["fcm"]["one"]["secrets"]
SERVICE = json.loads(SECRETS["service_account"])
NOW = 1_767_261_600_000


def account(service=SECRETS["service_account"], **settings):
    return Account(1, "app", "fcm", Channel.PUSH, settings, {"service_account": service})


def outgoing(text="", buttons=(), **more):
    return Outgoing("ref", "1:2:0", Channel.PUSH, "token-token", NOW, text=text, buttons=buttons, **more)


def test_the_assertion_is_what_google_describes():
    request = FCM.auth_request(account(), NOW)
    asked = {name: values[-1] for name, values in parse_qs(request.body.decode()).items()}
    assert request.url == "https://oauth2.googleapis.com/token"
    assert asked["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    public = load_pem_private_key(SERVICE["private_key"].encode(), None).public_key()
    claims = jwt.decode(
        asked["assertion"], public, algorithms=["RS256"], audience=SERVICE["token_uri"],
        options={"verify_exp": False, "verify_iat": False, "require": ["iss", "iat", "exp", "aud"]},
    )  # fmt: skip
    assert claims["iss"] == SERVICE["client_email"]
    assert claims["scope"] == "https://www.googleapis.com/auth/firebase.messaging"
    assert (claims["iat"], claims["exp"]) == (NOW // 1000, NOW // 1000 + 3600)
    assert jwt.get_unverified_header(asked["assertion"])["kid"] == SERVICE["private_key_id"]


def test_the_token_and_its_life_are_read():
    body = b'{"access_token": "ya29.abc", "expires_in": 3599, "token_type": "Bearer"}'
    assert FCM.read_auth(Response(200, {}, body)) == ("ya29.abc", 3_599_000)


@pytest.mark.parametrize(
    "status, body, reason, accepted",
    [(400, b'{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}', Reason.AUTH, False),
     (401, b'{"error": "invalid_client"}', Reason.AUTH, False), (429, b"", Reason.RATE_LIMITED, False),
     (503, b"", Reason.AMBIGUOUS, None), (200, b"{}", Reason.AMBIGUOUS, None),
     (200, b"[" * 100_000, Reason.AMBIGUOUS, None)],
)  # fmt: skip
def test_no_token_is_an_error_with_its_reason(status, body, reason, accepted):
    with pytest.raises(SendError) as caught:
        FCM.read_auth(Response(status, {}, body))
    assert (caught.value.reason, caught.value.accepted) == (reason, accepted)


@pytest.mark.parametrize(
    "service",
    ["{", "[]", json.dumps({**SERVICE, "project_id": None}), json.dumps({"project_id": "p"}),
     json.dumps({**SERVICE, "private_key": "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----"})],
)  # fmt: skip
def test_a_service_account_that_is_none_is_refused_when_it_is_saved(service):
    told = FCM.check(account(service))
    assert len(told) == 1 and "service_account" in told[0] and SERVICE["private_key"] not in told[0]
    with pytest.raises(SendError) as caught:
        FCM.auth_request(account(service), NOW)
    assert caught.value.reason is Reason.AUTH


def test_a_right_service_account_passes():
    assert FCM.check(account()) == []


@pytest.mark.parametrize(
    "text, shown, url",
    [
        ("Ready: https://k.example.org/l/a", "Ready", "https://k.example.org/l/a"),
        (
            "See https://k.example.org/l/a now",
            "See https://k.example.org/l/a now",
            "https://k.example.org/l/a",
        ),
        ("https://k.example.org/l/a", "https://k.example.org/l/a", "https://k.example.org/l/a"),
        ("No link", "No link", ""),
    ],
)
def test_a_tap_opens_the_link_of_the_text(text, shown, url):
    assert tap_of(outgoing(text)) == (shown, url)


def test_a_tap_opens_the_first_button_with_a_link():
    buttons = (Button("Later", "", "later"), Button("Open", "https://k.example.org/l/b"))
    told = outgoing("Ready https://k.example.org/l/a", buttons)
    assert tap_of(told) == ("Ready https://k.example.org/l/a", "https://k.example.org/l/b")


def test_the_time_to_live_is_that_of_the_message():
    assert [ttl_s(outgoing(valid_for_ms=ms)) for ms in (0, 1, 90_000, 1 << 40)] == [
        LONGEST_S,
        1,
        90,
        LONGEST_S,
    ]


@pytest.mark.parametrize("message_class", MessageClass)
def test_what_is_urgent_is_told_as_urgent(message_class):
    request = FCM.build_request(outgoing("Hi", message_class=message_class), account())
    message = json.loads(request.body)["message"]
    urgent = message_class in (MessageClass.EMERGENCY, MessageClass.TRANSACTIONAL)
    assert message["android"]["priority"] == ("HIGH" if urgent else "NORMAL")
    assert (message["webpush"]["headers"]["Urgency"] == "high") is urgent


def test_a_push_of_a_cascade_has_its_title_and_a_tracked_link():
    button = Button("Open", "https://shop.example.org/cart")
    compiled = compile_content(
        Content(subject="Your {{ contact.x }}", text="Waits", buttons=(button,)), Channel.PUSH
    )
    maker = LinkMaker(Signer([(1, b"0" * 32)]), "https://k.example.org", 5, 6, 0, NOW)
    words = compiled.render({"contact": {"x": "cart"}}, maker)
    told = outgoing(words.text, words.buttons, subject=words.subject)
    message = json.loads(FCM.build_request(told, account()).body)["message"]
    assert message["notification"] == {"title": "Your cart", "body": "Waits"}
    assert message["data"]["url"].startswith("https://k.example.org/l/")
    assert words.links == ("https://shop.example.org/cart",)


def test_an_account_shows_none_of_its_key():
    assert "PRIVATE" not in repr(account()) and "PRIVATE" not in repr(
        FCM.build_request(outgoing("x"), account())
    )
    assert msgspec.json.encode(FCM.build_request(outgoing("x"), account()).body).find(b"PRIVATE") == -1

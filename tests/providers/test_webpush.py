"""Web push: the example of RFC 8291, what other libraries read in our bytes, keys, and where we may post."""

import contextlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

import http_ece
import pytest
import pywebpush
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from py_vapid import Vapid02

from kaskad.domain.address import BadAddress, normalise
from kaskad.domain.errors import Invalid, SendError
from kaskad.domain.subscription import BadSubscription, Subscription, is_subscription, read_subscription
from kaskad.domain.terms import Channel, MessageClass, Reason
from kaskad.engine.account_form import AccountForm
from kaskad.providers import provider
from kaskad.providers.base import Account, Outgoing
from kaskad.providers.vapid import LIFE_S, MAX_TEXT, encrypted, new_key, public_key, sealed

WEB = provider("webpush")
NOW = 1_767_261_600_000


def plain(text):
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def url64(data):
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def number(text):
    return int.from_bytes(plain(text), "big")


# https://www.rfc-editor.org/rfc/rfc8291#section-5 and #appendix-A
EXAMPLE = {
    "text": b"When I grow up, I want to be a watermelon",
    "browser_public": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcx"
    "aOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "browser_private": "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94",
    "once_private": "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw",
    "salt": "DGv6ra1nlYgDCS1FRnbzlw",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    "body": (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml"
        "mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT"
        "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    ),
}
BROWSER = derive_private_key(number(EXAMPLE["browser_private"]), SECP256R1())
ENDPOINT = "https://updates.push.services.mozilla.com/wpush/v2/abc"
TO = Subscription(ENDPOINT, plain(EXAMPLE["browser_public"]), plain(EXAMPLE["auth"]))
PRIVATE = new_key()


def account(**settings):
    own = {"contact": "mailto:push@example.org", **settings}
    return Account(1, "web", "webpush", Channel.PUSH, own, {"private_key": PRIVATE})


def outgoing(text="Ready", to=str(TO), **more):
    return Outgoing("ref", "1:2:0", Channel.PUSH, to, NOW, text=text, **more)


def opened(body):
    """Return what the browser reads, by a library that is not ours."""
    return http_ece.decrypt(body, private_key=BROWSER, auth_secret=TO.auth, version="aes128gcm")


def test_the_example_of_the_standard_is_ours_byte_for_byte():
    once = derive_private_key(number(EXAMPLE["once_private"]), SECP256R1())
    assert url64(sealed(EXAMPLE["text"], TO, once, plain(EXAMPLE["salt"]))) == EXAMPLE["body"]


@given(text=st.binary(max_size=MAX_TEXT))
def test_another_library_reads_what_we_encrypt(text):
    body = encrypted(text, TO, PRIVATE, b"1")
    assert opened(body) == text and len(body) <= 4096


def test_the_longest_text_fits_into_one_record():
    assert len(encrypted(b"x" * MAX_TEXT, TO, PRIVATE, b"1")) == 4096


def test_pywebpush_encrypts_what_our_reading_of_the_standard_reads():
    key = generate_private_key(SECP256R1())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    told = {"endpoint": ENDPOINT, "keys": {"p256dh": url64(point), "auth": EXAMPLE["auth"]}}
    theirs = pywebpush.WebPusher(told).encode(b"hello", content_encoding="aes128gcm")["body"]
    ours = encrypted(b"hello", read_subscription(json.dumps(told)), PRIVATE, b"1")
    for body in (theirs, ours):
        assert http_ece.decrypt(body, private_key=key, auth_secret=TO.auth, version="aes128gcm") == b"hello"
    assert len(theirs) == len(ours) and theirs[16:21] == ours[16:21]


def test_no_two_messages_share_their_key_and_the_same_message_is_the_same():
    other = Subscription(ENDPOINT + "d", TO.p256dh, TO.auth)
    bodies = [
        encrypted(text, to, private, unique)
        for text, to, private, unique in (
            (b"a", TO, PRIVATE, b"1"), (b"b", TO, PRIVATE, b"1"), (b"a", other, PRIVATE, b"1"),
            (b"a", TO, new_key(), b"1"), (b"a", TO, PRIVATE, b"2"),
        )
    ]  # fmt: skip
    assert len({body[:16] for body in bodies}) == len({body[21:86] for body in bodies}) == 5
    assert encrypted(b"a", TO, PRIVATE, b"1") == bodies[0]


def test_a_library_for_vapid_believes_the_signature():
    request = WEB.build_request(outgoing(), account())
    assert Vapid02.verify(request.headers["Authorization"].replace(", ", ","))  # it knows one spelling only
    scheme, _, rest = request.headers["Authorization"].partition(" ")
    token, _, key = rest.partition(", ")
    assert scheme == "vapid" and token.startswith("t=") and key == f"k={public_key(PRIVATE)}"
    claims = json.loads(plain(token.split(".")[1]))
    assert claims["aud"] == "https://updates.push.services.mozilla.com"
    assert claims["sub"] == "mailto:push@example.org"
    assert claims["exp"] - NOW // 1000 <= LIFE_S < 86_400 and claims["exp"] > NOW // 1000


def test_the_worker_gets_what_it_shows():
    request = WEB.build_request(
        outgoing("Ready https://k.example.org/l/a", status_url="https://k.example.org/hooks/web"),
        account(title="Shop"),
    )
    assert request.url == ENDPOINT and request.headers["Content-Encoding"] == "aes128gcm"
    told = json.loads(opened(request.body))
    assert (told["title"], told["body"], told["url"]) == ("Shop", "Ready", "https://k.example.org/l/a")
    assert told["status_url"] == "https://k.example.org/hooks/web" and told["reference"] == "ref"


@pytest.mark.parametrize("message_class", MessageClass)
def test_urgency_is_a_word_of_the_standard(message_class):
    request = WEB.build_request(outgoing(message_class=message_class), account())
    assert request.headers["Urgency"] in ("very-low", "low", "normal", "high")


def test_the_topic_is_that_of_the_message_and_short_enough():
    topics = {
        WEB.build_request(Outgoing("r", key, Channel.PUSH, str(TO), NOW, text="x"), account()).headers[
            "Topic"
        ]
        for key in ("1:2:0", "1:2:1", "123456789:1234567890123456789:255", "123456789:1234567890123456789:25")
    }
    assert len(topics) == 4 and all(len(topic) <= 32 for topic in topics)


# Addresses

JSON = json.dumps(
    {"endpoint": ENDPOINT, "expirationTime": None,
     "keys": {"p256dh": EXAMPLE["browser_public"], "auth": EXAMPLE["auth"]}}
)  # fmt: skip


def test_a_subscription_as_browsers_write_it_becomes_one_line():
    kept = normalise(Channel.PUSH, JSON)
    assert kept == f"{ENDPOINT}#{EXAMPLE['browser_public']}.{EXAMPLE['auth']}"
    assert normalise(Channel.PUSH, kept) == kept and read_subscription(kept) == TO
    assert is_subscription(kept) and not is_subscription("dQw4w9WgXcQ:APA91bHun4MxP5egoKMwt2KZFBaFUH")


@pytest.mark.parametrize(
    "text",
    ["{}", "{" * 5000, "https://push.example.org/x", f"https://push.example.org/x#{EXAMPLE['auth']}",
     JSON.replace(ENDPOINT, "ftp://push.example.org/x"), JSON.replace(ENDPOINT, "https://u@push.example.org/"),
     JSON.replace(ENDPOINT, "https://"), JSON.replace(ENDPOINT, ENDPOINT + "#x"),
     JSON.replace(ENDPOINT, ENDPOINT + "x" * 1500), JSON.replace(EXAMPLE["auth"], "AAAA"),
     JSON.replace(EXAMPLE["browser_public"], "A" * 87), JSON.replace(EXAMPLE["auth"], "ж" * 22)],
)  # fmt: skip
def test_what_no_browser_gives_is_no_address(text):
    with pytest.raises(BadAddress):
        normalise(Channel.PUSH, text)


@given(st.text())
def test_any_text_is_read_or_refused(text):
    for told in (text, "{" + text, "https://" + text):
        with contextlib.suppress(BadSubscription):
            assert read_subscription(str(read_subscription(told))) == read_subscription(told)


# Accounts


def form(known=None, settings=None, secrets=None):
    reader = AccountForm()
    told = {"name": "web", "provider": "webpush", "settings": settings or {}, "secrets": secrets or {}}
    saved = reader.read(told, known)
    return saved, reader.problems


MINE = {"contact": "mailto:push@example.org"}


def test_an_account_without_keys_gets_a_pair_and_keeps_it():
    made, problems = form(settings=MINE)
    assert problems == [] and public_key(made.secrets["private_key"]) == made.settings["public_key"]
    other, _ = form(settings=MINE)
    assert other.secrets != made.secrets
    again, problems = form(made, {**MINE, "title": "Shop"})
    assert problems == []
    assert (again.secrets, again.settings["public_key"]) == (made.secrets, made.settings["public_key"])


def test_a_private_key_of_ones_own_makes_the_public_one():
    made, problems = form(settings=MINE, secrets={"private_key": PRIVATE})
    assert problems == [] and made.settings["public_key"] == public_key(PRIVATE)


@pytest.mark.parametrize(
    "settings, secrets, word",
    [({"contact": "push@example.org"}, {}, "contact"), (MINE, {"private_key": "abc"}, "private_key"),
     (MINE, {"private_key": "A" * 43}, "private_key"),
     ({**MINE, "public_key": public_key(PRIVATE)}, {}, "public_key"),
     ({**MINE, "public_key": public_key(new_key())}, {"private_key": PRIVATE}, "public_key")],
)  # fmt: skip
def test_what_can_never_work_is_refused_when_it_is_saved(settings, secrets, word):
    made, problems = form(settings=settings, secrets=secrets)
    assert made is None and len(problems) == 1 and word in problems[0]
    assert PRIVATE not in problems[0]


def test_a_personal_link_hides_its_token_from_servers():
    assert WEB.opt_in_link(account(), "tok") == "/push/web#kaskad=tok"
    assert WEB.opt_in_link(account(page="https://shop.example.org/push"), "tok") == (
        "https://shop.example.org/push#kaskad=tok"
    )
    with pytest.raises(Invalid):
        WEB.opt_in_link(account(page="https://shop.example.org/#push"), "tok")


def test_a_wrong_key_in_the_account_is_the_accounts_fault():
    broken = Account(1, "web", "webpush", Channel.PUSH, MINE, {"private_key": "abc"})
    with pytest.raises(SendError) as caught:
        WEB.build_request(outgoing(), broken)
    assert caught.value.reason is Reason.AUTH

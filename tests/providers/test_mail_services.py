"""The mail services beyond their cases: official libraries as judges, tokens, SNS, answers."""

import asyncio
import json
from base64 import urlsafe_b64encode
from email import message_from_bytes
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import parse_qs

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sendgrid.helpers.eventwebhook import EventWebhook
from sendgrid.helpers.mail import (
    ClickTracking,
    CustomArg,
    Email,
    From,
    Header,
    HtmlContent,
    Mail,
    OpenTracking,
    PlainTextContent,
    ReplyTo,
    Subject,
    SubscriptionTracking,
    To,
    TrackingSettings,
)

from kaskad.domain.errors import BadSignature, SendError
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.engine.carrier import Carrier
from kaskad.engine.parcel import Parcel
from kaskad.providers import mail, provider, signatures
from kaskad.providers.base import Account, Outgoing, Receipt, Request, Response
from kaskad.providers.mime import on_one_line
from support.faults import serving

HERE = Path(__file__).parent
ACCOUNTS = json.loads((HERE / "accounts.json").read_text())
VECTORS = json.loads((HERE / "payloads" / "signature_vectors.json").read_text())["vectors"]
SERVICES = ["amazon_ses", "mailgun", "postmark", "sendgrid", "sendpulse", "unisender", "unisender_go"]
REFERENCE = urlsafe_b64encode(bytes(range(1, 19))).decode()
LETTER = Outgoing(
    REFERENCE, "5:1:0", Channel.EMAIL, "ann@example.org", 1_767_261_600_000, subject="Ваша корзина",
    html="<p>ждёт</p>", text="ждёт", unsubscribe_url="https://k.example.org/u/token", contact_name="Анна",
)  # fmt: skip


def account(name, chosen="one", **settings):
    given = {"id": 1, "name": chosen, "provider": name, **ACCOUNTS[name][chosen]}
    found = msgspec.convert(given, Account)
    return msgspec.structs.replace(found, settings={**found.settings, **settings})


def vector(name):
    return next(each for each in VECTORS if each["provider"] == name)


def case(name, stem):
    return json.loads((HERE / "cases" / name / f"{stem}.json").read_text())


def test_sendgrids_own_library_writes_the_same_letter():
    request = provider("sendgrid").build_request(LETTER, account("sendgrid"))
    theirs = Mail(
        From("shop@example.org", "Магазин"), To("ann@example.org", "Анна"), Subject(LETTER.subject),
        PlainTextContent(LETTER.text), HtmlContent(LETTER.html),
    )  # fmt: skip
    theirs.add_custom_arg(CustomArg("kaskad", REFERENCE, p=0))
    for name, value in mail.headers(LETTER, "example.org").items():
        theirs.add_header(Header(name, value))
    back = mail.reply_to(LETTER, account("sendgrid"))[1]
    theirs.reply_to = ReplyTo(back)
    theirs.tracking_settings = TrackingSettings(
        ClickTracking(False, False), OpenTracking(False), SubscriptionTracking(False)
    )
    assert json.loads(request.body) == theirs.get()
    assert Email(back).email.startswith("r+")


@pytest.mark.parametrize("stem, right", [("receipt", True), ("bad_signature", False)])
def test_sendgrids_own_library_judges_the_signatures_alike(stem, right):
    hook = case("sendgrid", stem)["webhook"]
    judge = EventWebhook(account("sendgrid")["webhook_public_key"])
    head = hook["headers"]
    stamp = head["x-twilio-email-event-webhook-timestamp"]
    given_ = head["x-twilio-email-event-webhook-signature"]
    assert judge.verify_signature(hook["body"], given_, stamp) is right


def test_the_vectors_of_the_notes_are_believed_and_changed_ones_are_not():
    told = vector("mailgun")
    signed = {name: told[name] for name in ("timestamp", "token", "signature")}
    keyed = msgspec.structs.replace(account("mailgun"), secrets={"signing_key": told["signing_key"]})
    now = int(told["timestamp"]) * 1000
    hook = Request("POST", "/", {}, json.dumps({"signature": signed, "event-data": {}}).encode())
    provider("mailgun").verify_webhook(hook, keyed, now)
    with pytest.raises(BadSignature):
        provider("mailgun").verify_webhook(hook, keyed, now + 10 * 3_600_000)
    told = vector("unisender_go")
    keyed = msgspec.structs.replace(account("unisender_go"), secrets={"api_key": told["api_key"]})
    provider("unisender_go").verify_webhook(Request("POST", "/", {}, told["body"].encode()), keyed, 0)
    spaced = told["body"].replace("{", "{ ", 1).encode()  # the same JSON in other bytes
    with pytest.raises(BadSignature):
        provider("unisender_go").verify_webhook(Request("POST", "/", {}, spaced), keyed, 0)


@pytest.mark.parametrize("name", SERVICES)
def test_an_address_or_a_sender_that_cannot_be_written_is_refused_before_anything_leaves(name):
    with pytest.raises(SendError) as caught:
        provider(name).build_request(
            msgspec.structs.replace(LETTER, to="ann@example.org\r\nBcc: b"), account(name)
        )
    assert (caught.value.reason, caught.value.accepted) == (Reason.INVALID_ADDRESS, False)
    with pytest.raises(SendError) as caught:
        provider(name).build_request(LETTER, account(name, sender="nobody"))
    assert caught.value.reason is Reason.AUTH


def subject_in(told):
    """Return the subject of a letter, wherever a service has its place."""
    for name, value in told.items():
        if name.lower() == "subject":
            return value if isinstance(value, str) else value["Data"]
    inner = [subject_in(value) for value in told.values() if isinstance(value, dict)]
    return next((value for value in inner if value is not None), None)


@pytest.mark.parametrize("name", SERVICES)
@given(words=st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
def test_any_words_are_written_whole_and_in_one_place(name, words):
    letter = msgspec.structs.replace(LETTER, subject=words, text=words, html=words, contact_name=words)
    request = provider(name).build_request(letter, account(name))
    assert not {"\r", "\n"} & set("".join(request.headers.values()))
    one_line = on_one_line(words)
    if request.headers["Content-Type"] == "application/json":
        assert subject_in(json.loads(request.body)) == one_line
        return
    if request.headers["Content-Type"] == "application/x-www-form-urlencoded":
        fields = parse_qs(request.body.decode(), keep_blank_values=True)
        assert fields["subject"] == [one_line] and len(fields["email"]) == 1
        return
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    parts = message_from_bytes(head + request.body).get_payload()
    named = {part.get_param("name", header="content-disposition"): part for part in parts}
    assert len(named) == len(parts) and named["subject"].get_payload(decode=True).decode() == one_line
    assert parseaddr(named["to"].get_payload(decode=True).decode())[1] == "ann@example.org"


@given(st.binary(min_size=5, max_size=36), st.booleans())
def test_an_answer_finds_its_message_whatever_a_server_does_to_letters(token, shout):
    reference = urlsafe_b64encode(token).decode().rstrip("=")
    letter = msgspec.structs.replace(LETTER, reference=reference)
    _, back = mail.reply_to(letter, account("sendgrid"))
    assert len(back.partition("@")[0]) <= 64
    back = back.upper() if shout else back
    told = mail.reply([("Message-ID", "<1@example.org>")], "да", [back], b"")
    assert (told.kind, told.reference, told.text) == (Kind.REPLIED, reference, "да")
    answered = mail.headers(letter, "example.org")["Message-ID"]
    assert mail.reply([("References", f"<x@y> {answered}")], "", [], b"").reference == reference


@pytest.mark.parametrize("value, at", [
    (1_767_261_650, 1_767_261_650_000), (1_767_261_650.25, 1_767_261_650_250), (True, None), ("1", None),
    (-1, None), (1e300, None), (None, None), (float("nan"), None),
])  # fmt: skip
def test_seconds_that_are_no_instant_are_none(value, at):
    assert mail.unix_seconds(value) == at


def test_what_a_service_says_is_kept_without_addresses():
    assert mail.words_of("No <ann@example.org>\r\n at all" + "x" * 500).startswith("No <address> at all")
    assert len(mail.words_of("x" * 500)) == 200 and mail.words_of(["x"]) == ""


# Unisender Go


def test_unisender_go_is_asked_to_report_where_it_can_reach_us():
    go, url = provider("unisender_go"), "https://k.example.org/hooks/mail"
    (request,) = go.setup_requests(account("unisender_go"), url)
    assert request.url == "https://go1.unisender.ru/ru/transactional/api/v1/webhook/set.json"
    told = json.loads(request.body)
    published = json.loads((HERE / "specs" / "unione.json").read_text())
    assert not set(told["events"]["email_status"]) - set(published["statuses"])
    assert (told["url"], told["event_format"], told["single_event"]) == (url, "json_post", 0)
    assert go.setup_requests(account("unisender_go"), "http://127.0.0.1:8000/hooks/mail") == []
    assert go.setup_requests(account("unisender_go", "two"), url) == []  # another key: set by hand
    go.read_setup(Response(200, {}, b'{"status": "success", "object": {"id": 1}}'))
    for status, body in ((200, b'{"status": "error", "code": 1}'), (403, b'{"message": "no"}'), (502, b"")):
        with pytest.raises(SendError):
            go.read_setup(Response(status, {}, body))


# SNS


def test_only_the_certificates_and_addresses_of_sns_are_asked_for():
    ses, told = provider("amazon_ses"), case("amazon_ses", "receipt")
    good = json.loads(told["webhook"]["body"])

    def wanted(url, **settings):
        hook = Request("POST", "/", {}, json.dumps({**good, "SigningCertURL": url}).encode())
        return ses.key_request(hook, account("amazon_ses", **settings)).url

    cn = "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-1.pem"
    assert wanted(cn) == cn and wanted(good["SigningCertURL"]) == good["SigningCertURL"]
    own = "http://127.0.0.1:8800/cert.pem"
    assert wanted(own, base_url="http://127.0.0.1:8800/ses") == own
    for url in ("http://sns.eu-central-1.amazonaws.com/x.pem", "https://sns.evil.org/x.pem",
                "https://sns.eu-central-1.amazonaws.com.evil.org/x.pem", own, "", "https://[/x.pem",
                "https://sns.eu-central-1.amazonaws.com@evil.org/x.pem",
                "https://sns.eu-central-1.amazonaws.com/x.exe"):  # fmt: skip
        with pytest.raises((BadSignature, ValueError)):
            wanted(url)


def test_a_subscription_is_confirmed_where_it_leads_to_sns():
    ses, mine = provider("amazon_ses"), account("amazon_ses")
    body = case("amazon_ses", "confirmation")["webhook"]["body"]
    told = ses.read_webhook(Request("POST", "/", {}, body.encode()), mine)
    (request,) = ses.follow_up(told, mine)
    assert (request.method, request.url) == ("GET", json.loads(body)["SubscribeURL"])
    for stem in ("receipt", "confirmation_of_the_end", "receipt_of_a_trial"):
        other = case("amazon_ses", stem)["webhook"]["body"].encode()
        assert ses.follow_up(ses.read_webhook(Request("POST", "/", {}, other), mine), mine) == []
    led_away = json.dumps({**json.loads(body), "SubscribeURL": "https://evil.example.org/"}).encode()
    evil = Receipt(kind=None, name="SubscriptionConfirmation", raw=led_away)
    assert ses.follow_up([evil], mine) == []


def test_a_key_or_a_certificate_of_another_kind_is_refused_with_words():
    rsa = "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK0LqPv5C6r4Xr1B2vM4lGQzJm1T1Zl9R1z0cJ0kP0d9s6y3b7m8T5c9b4Q1vH0o"
    for key in ("", "no base64 §", rsa):
        with pytest.raises(BadSignature):
            signatures.check_ecdsa(key, b"x", "AAAA")
    for certificate in (b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        with pytest.raises(BadSignature):
            signatures.check_rsa(certificate, "sha256", b"x", "AAAA")


# SendPulse's tokens


@pytest.mark.parametrize("answer, expected", [
    ({"access_token": "t", "token_type": "Bearer", "expires_in": 3600}, ("t", 3_600_000)),
    ({"access_token": "t"}, ("t", 3_600_000)), ({"access_token": "t", "expires_in": -1}, ("t", 3_600_000)),
])  # fmt: skip
def test_a_token_holds_for_an_hour_unless_told_otherwise(answer, expected):
    assert provider("sendpulse").read_auth(Response(200, {}, json.dumps(answer).encode())) == expected


@pytest.mark.parametrize("status, body, reason", [
    (401, b"{}", Reason.AUTH), (200, b"{}", Reason.AMBIGUOUS), (200, b"?", Reason.AMBIGUOUS),
    (429, b"", Reason.RATE_LIMITED),
])  # fmt: skip
def test_an_answer_without_a_token_is_an_error(status, body, reason):
    with pytest.raises(SendError) as caught:
        provider("sendpulse").read_auth(Response(status, {}, body))
    assert caught.value.reason is reason


def test_sendpulse_over_a_socket_asks_for_a_token_and_sends_with_it():
    def service(peer):
        while request := peer.request():
            head, _, body = request.partition(b"\r\n\r\n")
            if head.startswith(b"POST /oauth/access_token "):
                asked.append(json.loads(body))
                told = {"access_token": f"t-{len(asked)}", "expires_in": 3600}
            else:
                sent.append((head, json.loads(body)))
                told = {"result": True, "id": f"m-{len(sent)}"}
            answer = json.dumps(told).encode()
            peer.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)

    asked, sent, results = [], [], []

    async def carry(mine):
        carrier = Carrier({1: mine}, lambda: 5, results.extend)
        carrier.take([Parcel(1, 1, step, 1, 1, LETTER) for step in range(3)])
        while len(results) < 3:
            await asyncio.sleep(0.01)
        await carrier.stop(5)

    with serving(service) as server:
        asyncio.run(carry(account("sendpulse", base_url=f"http://127.0.0.1:{server.port}")))
    assert asked == [
        {"grant_type": "client_credentials", "client_id": "an-id", "client_secret": "a-client-secret"}
    ]
    assert sorted(result.provider_id for result in results) == ["m-1", "m-2", "m-3"]
    assert all(b"\r\nAuthorization: Bearer t-1\r\n" in head + b"\r\n" for head, _ in sent)

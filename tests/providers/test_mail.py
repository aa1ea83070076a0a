"""Mails: parts and encodings, headers for lists, return addresses, and DKIM as dkimpy verifies it."""

import base64
import email
import email.policy
import functools
import json
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, MessageClass, Reason
from kaskad.domain.tokens import Signer
from kaskad.providers import provider
from kaskad.providers.base import Account, Outgoing
from kaskad.providers.dkim import OVERSIGNED, relaxed_body
from kaskad.providers.verp import BOUNCE, MESSAGE, UNSUBSCRIBE, find, local_part

SMTP = provider("smtp")
SIGNER = Signer([(1, b"k" * 32)])
SECRET = "a long text that nobody knows"
SETTINGS = {"sender": "Магазин <shop@example.org>", "host": "mail.example.org"}
BOUNCING = {**SETTINGS, "bounce_domain": "b.example.org"}
RUSSIAN = "Здравствуйте, Анна! " * 30
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200) | st.text("ab \t\r\n.=", max_size=60)


def account(settings=SETTINGS, **secrets):
    return Account(1, "mail", "smtp", Channel.EMAIL, settings, secrets)


def outgoing(**more):
    told = {
        "reference": SIGNER.reference(7, 9, 1, 1), "key": "7:9:1", "channel": Channel.EMAIL,
        "to": "ann@example.org", "at": 1_790_000_000_000, "subject": "Ваша корзина ждёт", "text": "Text\n",
        "html": "<p>HTML</p>", "contact_name": "Анна", "unsubscribe_url": "https://k.example.org/u/t",
    }  # fmt: skip
    return Outgoing(**{**told, **more})


def read(content):
    return email.message_from_bytes(content, policy=email.policy.SMTP)


def test_the_text_comes_first_and_each_part_has_the_shorter_encoding():
    mail = read(SMTP.build_mail(outgoing(text=RUSSIAN, html='<p class="a">Hello</p>'), account()).content)
    assert mail.get_content_type() == "multipart/alternative"
    plain, html = mail.iter_parts()
    assert (plain.get_content_type(), plain["Content-Transfer-Encoding"]) == ("text/plain", "base64")
    assert (html.get_content_type(), html["Content-Transfer-Encoding"]) == ("text/html", "quoted-printable")
    assert plain.get_content() == RUSSIAN and html.get_content() == '<p class="a">Hello</p>'


@pytest.mark.parametrize(
    "text", ["one\n", "one\r\ntwo", "no end", "\n", ".\n..\n", "a=b ", "x" * 5000, "trail \n"]
)
@pytest.mark.parametrize("html", ["", "<p>x</p>\n"])
def test_a_text_reads_back_as_it_was_with_the_line_ends_of_mail(text, html):
    content = SMTP.build_mail(outgoing(text=text, html=html), account()).content
    (plain,) = [part for part in read(content).walk() if part.get_content_type() == "text/plain"]
    assert plain.get_payload(decode=True).decode() == text.replace("\r\n", "\n").replace("\n", "\r\n")
    assert content.endswith(b"\r\n") and max(map(len, content.split(b"\r\n"))) <= 100


def test_headers_say_what_kind_of_mail_it_is():
    listed = account({**SETTINGS, "list_id": "news.example.org", "feedback_id": "shop-kz"})
    mail = read(
        SMTP.build_mail(outgoing(message_class=MessageClass.ADVERTISING, language="ru"), listed).content
    )
    assert mail["List-ID"] == "<news.example.org>" and mail["Feedback-ID"] == "mail:advertising:shop-kz"
    assert mail["Content-Language"] == "ru" and "Auto-Submitted" not in mail
    service = read(SMTP.build_mail(outgoing(language="русский"), account()).content)
    assert service["Auto-Submitted"] == "auto-generated"
    assert {"List-ID", "Feedback-ID", "Content-Language"}.isdisjoint(service.keys())


def test_the_return_address_the_id_and_unsubscribing_name_the_message():
    message = outgoing()
    mail = SMTP.build_mail(message, account(BOUNCING, bounce_secret=SECRET))
    headers = read(mail.content)
    assert find(mail.sender, SECRET) == (BOUNCE, message.reference) and mail.sender.endswith("@b.example.org")
    assert find(headers["Message-ID"], SECRET) == (MESSAGE, message.reference)
    assert headers["Message-ID"].endswith("@example.org>")
    web, by_mail = headers["List-Unsubscribe"].split(", ")
    assert (
        web == "<https://k.example.org/u/t>"
        and headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    )
    assert find(by_mail, SECRET) == (UNSUBSCRIBE, message.reference)
    assert by_mail.endswith("@b.example.org?subject=unsubscribe>")


def test_without_a_bounce_domain_the_sender_is_the_envelope_sender():
    assert SMTP.build_mail(outgoing(), account()).sender == "shop@example.org"
    assert (
        SMTP.build_mail(outgoing(), account({**SETTINGS, "bounces": "b@example.org"})).sender
        == "b@example.org"
    )


def test_a_bounce_domain_without_its_secret_is_a_fault_of_the_settings():
    with pytest.raises(SendError, match="bounce_secret") as caught:
        SMTP.build_mail(outgoing(), account(BOUNCING))
    assert caught.value.reason is Reason.AUTH


@example(2**40, 2**40, 255, "b")  # longer than hexadecimal has room for
@example(2**32, 2**40, 0, "u")
@given(st.integers(1, 2**40), st.integers(1, 2**40), st.integers(0, 255), st.sampled_from("bum"))
def test_a_reference_survives_servers_that_change_the_case(contact, run, step, kind):
    reference = SIGNER.reference(contact, run, step, 1)
    local = local_part(kind, reference, SECRET)
    assert len(local) <= 64
    for written in (local, local.upper(), local.title()):
        assert find(f"rfc822; <{written}@b.example.org>", SECRET) == (kind, reference)


def test_a_changed_or_foreign_address_is_not_ours():
    local = local_part(BOUNCE, SIGNER.reference(7, 9, 1, 1), SECRET)
    other = local_part(BOUNCE, SIGNER.reference(7, 9, 2, 1), SECRET)
    assert find(f"{local}@x", "another secret") is None and find(f"{local}@x", "") is None
    assert find("u" + local[1:] + "@x", SECRET) is None, "an address for bounces unsubscribes nobody"
    assert find(other.split(".")[0] + "." + local.split(".")[1] + "@x", SECRET) is None
    assert find(f"x{local}@x", SECRET) is None and find(local, SECRET) is None


@pytest.mark.parametrize("reference", ["r1.AbC-9", "", "=", "a" * 60, "AAAAB"])
def test_a_reference_that_is_no_token_gets_no_address(reference):
    assert local_part(BOUNCE, reference, SECRET) is None


@functools.cache
def keys():
    """RSA and Ed25519: private keys in PEM, and the records of their public halves."""
    rsa, ed = generate_private_key(65537, 2048), Ed25519PrivateKey.generate()
    pem = "".join(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode() for key in (rsa, ed)
    )
    public = rsa.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    raw = ed.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return pem, {
        b"r1._domainkey.example.org.": b"v=DKIM1; k=rsa; p=" + base64.b64encode(public),
        b"e1._domainkey.example.org.": b"v=DKIM1; k=ed25519; p=" + base64.b64encode(raw),
    }


def signed(message, **more):
    pem, _ = keys()
    signing = {**BOUNCING, "dkim_domain": "example.org", "dkim_selector": "r1, e1", **more}
    return SMTP.build_mail(message, account(signing, dkim_key=pem, bounce_secret=SECRET)).content


def verify(content, index):
    _, records = keys()
    try:
        return dkim.DKIM(content).verify(index, dnsfunc=lambda name, **_: records[name])
    except dkim.ValidationError:
        return False


@settings(max_examples=60)
@given(subject=texts, text=texts, html=texts, name=texts)
@example(subject="x", text="a \t b  \n\n\n", html="", name="")
@example(subject="  two  spaces ", text="", html="", name="A  B")
def test_dkimpy_verifies_both_signatures_over_any_mail(subject, text, html, name):
    content = signed(outgoing(subject=subject, text=text, html=html, contact_name=name))
    assert content.count(b"DKIM-Signature: ") == 2
    assert verify(content, 0) and verify(content, 1)


@pytest.mark.parametrize("header", ["Subject", "From", "To", "Reply-To", "List-Unsubscribe", "List-ID"])
def test_nobody_can_add_another_header_or_change_one(header):
    content = signed(outgoing())
    assert verify(content, 0)
    assert not verify(f"{header}: other\r\n".encode() + content, 0)
    assert not verify(content.replace(b"List-Unsubscribe: <", b"List-Unsubscribe: <x"), 0)
    assert not verify(content.replace(b"</p>", b"</p>!"), 0)


def test_the_signature_covers_both_headers_of_unsubscribing():
    tags = signed(outgoing()).partition(b" h=")[2].partition(b";")[0].decode().split(":")
    assert tags.count("List-Unsubscribe") == tags.count("List-Unsubscribe-Post") == tags.count("From") == 2
    assert set(OVERSIGNED) <= set(tags)


@given(st.text("ab \t\r\n", max_size=40))
def test_a_body_is_canonical_as_dkimpy_has_it(text):
    body = text.replace("\r", "").replace("\n", "\r\n").encode()
    assert relaxed_body(body) == dkim.canonicalization.Relaxed.canonicalize_body(body)


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"dkim_selector": "r1"}, "2 private keys"),
        ({"dkim_selector": ""}, "2 private keys"),
        ({"dkim_domain": "example.org; x"}, "names"),
    ],
)
def test_settings_that_cannot_sign_stop_the_account_and_say_why(wrong, told):
    with pytest.raises(SendError, match=told) as caught:
        signed(outgoing(), **wrong)
    assert caught.value.reason is Reason.AUTH and "mail" in caught.value.detail


@pytest.mark.parametrize(
    "pem", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]
)
def test_a_key_that_cannot_be_read_stops_the_account(pem):
    signing = {**SETTINGS, "dkim_domain": "example.org", "dkim_selector": "r1"}
    with pytest.raises(SendError, match="dkim_key") as caught:
        SMTP.build_mail(outgoing(), account(signing, dkim_key=pem))
    assert "AAAA" not in caught.value.detail


def test_the_case_of_a_whole_mail_is_one_that_dkimpy_verifies():
    """Ed25519 signs the same twice, so the case can hold the signature."""
    case = json.loads((Path(__file__).parent / "cases/smtp/accepted_signed.json").read_text())
    record = case["record"].encode()
    assert dkim.verify(case["mail"]["Mail"]["content"].encode(), dnsfunc=lambda *_, **__: record)

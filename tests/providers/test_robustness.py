"""Whatever a provider or a stranger says: one of the promised errors, and never a wrong proof."""

import contextlib
import email.policy
import json
import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kaskad.domain.errors import BadSignature, SendError
from kaskad.domain.terms import Channel, Reason
from kaskad.providers import PROVIDERS, provider
from kaskad.providers.base import Account, Outgoing, Request, Response, retry_after_ms, status_error
from kaskad.providers.signatures import check_hmac, check_secret, hmac_hex
from kaskad.providers.smtp import Reply

HTTP = [name for name, each in PROVIDERS.items() if each.transport == "http"]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
WORDS = "id name reference message_id recipient channel cost occurred_at error_class machine final text key"
events = st.dictionaries(st.sampled_from(WORDS.split()), values)
named = st.sampled_from(["delivered", "bounced_soft", "clicked", "busy", "no such name"])
bodies = st.one_of(
    st.binary(),
    values.map(lambda value: json.dumps(value).encode()),
    st.lists(st.builds(lambda e, n: {**e, "name": n}, events, named)).map(lambda v: json.dumps(v).encode()),
)


@pytest.mark.parametrize("name", HTTP)
@given(status=st.integers(200, 599), body=bodies)
def test_any_answer_is_an_acceptance_or_a_send_error(name, status, body):
    try:
        PROVIDERS[name].read_response(Response(status, {}, body))
    except SendError as error:
        assert error.accepted is None or (error.accepted is False and 300 <= status < 500)
        assert (error.accepted is None) == (error.reason is Reason.AMBIGUOUS)
    else:
        assert 200 <= status < 300


@pytest.mark.parametrize("name", HTTP)
@given(body=bodies)
def test_any_webhook_body_is_read_or_refused_with_value_error(name, body):
    account = Account(1, "a", name, Channel.SMS)
    with contextlib.suppress(ValueError):
        PROVIDERS[name].read_webhook(Request("POST", "https://k.example.org/hooks/1", {}, body), account)


@pytest.mark.parametrize("name", PROVIDERS)
@given(headers=st.dictionaries(st.sampled_from(["x-cascade-timestamp", "x-cascade-signature"]), st.text()))
def test_what_is_not_signed_is_never_believed(name, headers):
    account = Account(1, "a", name, Channel.SMS, {}, {"secret": "s"})
    with pytest.raises(BadSignature):
        PROVIDERS[name].verify_webhook(Request("POST", "/", headers, b"{}"), account, 0)


@pytest.mark.parametrize("secret", ["", "secret"])
def test_an_account_without_secret_believes_nobody(secret):
    given_ = hmac_hex("sha256", "", b"x")
    with pytest.raises(BadSignature):
        check_hmac("sha256", secret, b"x", [given_, ""])
    with pytest.raises(BadSignature):
        check_secret(secret, "")


def test_the_signature_is_the_one_that_openssl_makes():
    command = ["openssl", "dgst", "-sha256", "-hmac", "secret", "-hex"]
    made = subprocess.run(command, input=b"v1:1767261600:{}", capture_output=True, check=True).stdout
    assert made.decode().split()[-1] == hmac_hex("sha256", "secret", b"v1:1767261600:{}")


@given(st.integers(300, 599))
def test_only_a_status_below_500_proves_that_nothing_was_accepted(status):
    error = status_error(Response(status, {}, b""))
    assert error.accepted is (False if status < 500 else None)


@pytest.mark.parametrize(
    "value, wait",
    [("7", 7_000), ("0", 0), ("", None), ("-1", None), ("soon", None), ("999999999999", 86_400_000),
     ("٣", None), ("Thu, 01 Jan 2026 10:01:00 GMT", 60_000), ("Thu, 01 Jan 2026 09:00:00 GMT", 0)],
)  # fmt: skip
def test_retry_after_is_read_in_both_forms(value, wait):
    headers = {"retry-after": value, "date": "Thu, 01 Jan 2026 10:00:00 GMT"}
    assert retry_after_ms(Response(429, headers, b"")) == wait


MAIL_ACCOUNT = Account(1, "m", "smtp", Channel.EMAIL, {"sender": "Магазин <shop@example.org>"})
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300) | st.text(
    'ab\r\n\t\0 :,<>"@', max_size=40
)
EVIL = "a\r\nBcc: eve@example.org\r\n\r\nbody"


@given(subject=texts, name=texts, text=texts, html=texts, reference=texts)
@example(subject=EVIL, name=EVIL, text="", html="", reference=EVIL)
def test_any_text_makes_a_mail_that_reads_back_the_same(subject, name, text, html, reference):
    outgoing = Outgoing(
        reference, "k", Channel.EMAIL, "ann@example.org", 0, subject=subject, text=text, html=html,
        contact_name=name, unsubscribe_url="https://k.example.org/u/" + "t" * 300,
    )  # fmt: skip
    content = provider("smtp").build_mail(outgoing, MAIL_ACCOUNT).content
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert not set(b"\r\n\0") & set(content.replace(b"\r\n", b""))
    mail = email.message_from_bytes(content, policy=email.policy.SMTP)
    assert mail["To"].addresses[0].addr_spec == "ann@example.org" and len(mail["To"].addresses) == 1
    assert set(mail.keys()) <= {
        "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "List-Unsubscribe",
        "List-Unsubscribe-Post", "Content-Type", "Content-Transfer-Encoding", "Auto-Submitted",
    }  # fmt: skip
    bodies = {part.get_content_subtype(): part for part in mail.walk() if not part.is_multipart()}
    for kind, wanted in (("plain", text), ("html", html)):
        if wanted:
            lines = wanted.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
            assert bodies[kind].get_payload(decode=True).decode() == lines
    if subject.isprintable():
        assert mail["Subject"].split() == subject.split()
    assert content.count(b"\r\nList-Unsubscribe: <https://k.example.org/u/ttt") == 1


@pytest.mark.parametrize(
    "to",
    ["", "ann", "ann@", "@example.org", "a>b@example.org", "a b@example.org", "ан@example.org", "a@b..org",
     "a@example.org\r\nRCPT TO:<b@example.org>"],
)  # fmt: skip
def test_an_address_that_breaks_the_envelope_is_refused(to):
    outgoing = Outgoing("r", "k", Channel.EMAIL, to, 0, text="x")
    with pytest.raises(SendError) as caught:
        provider("smtp").build_mail(outgoing, MAIL_ACCOUNT)
    assert caught.value.reason is Reason.INVALID_ADDRESS and caught.value.accepted is False


@given(st.integers(0, 999), texts)
def test_any_reply_of_a_mail_server_is_an_acceptance_or_a_send_error(code, text):
    try:
        provider("smtp").read_reply(Reply(code, text))
    except SendError as error:
        assert not 200 <= code < 300 and error.accepted is False
    else:
        assert 200 <= code < 300

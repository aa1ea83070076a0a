"""Mails and forms that are taken apart by hand are read as the email package reads them, or left to it."""

import json
from contextlib import contextmanager
from email import message_from_bytes, message_from_string
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad.providers import mail, mails_in, mime_in
from kaskad.providers.base import Request
from kaskad.providers.mails_in import marked, read_mail
from kaskad.providers.mime_in import fields_of, headers_of
from kaskad.providers.smtp import reason_of
from providers.test_mails_in import ARF, BOUNCES, OURS, SECRET, dsn, reply

CASES = Path(__file__).parent / "cases"
PARTS = (
    f"From: Ann <ann@example.org>\nTo: shop@example.org\nIn-Reply-To:\n {OURS}\nMIME-Version: 1.0\n"
    "Content-Type: multipart/alternative;\n boundary=b1\n\n--b1\n"
    "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nБеру\n> x\n\n--b1\n"
    "Content-Type: text/html; charset=koi8-r\nContent-Transfer-Encoding: quoted-printable\n\n"
    "<p>Yes=20</p>\n--b1--\n"
)
BARE = (
    f"From: mailer-daemon@example.org\nTo: {BOUNCES}\nSubject: failure notice\n"
    "Content-Type: multipart/mixed; boundary=b1\n\nfor old programs\n--b1\n\n550 5.1.1 no such user\n--b1--\n"
)
NOTICE = (
    'From: ann@example.org\nTo: x@example.org\nContent-Type: multipart/report; boundary="b1"\n\n'
    f"--b1\n\nRead\n--b1\nContent-Type: message/disposition-notification\n\nOriginal-Message-ID: {OURS}\n"
    "Disposition: manual-action/MDN-sent-manually; displayed\n\n--b1--\n"
)


def _bodies(provider):
    for path in sorted((CASES / provider).glob("*.json")):
        if hook := json.loads(path.read_text()).get("webhook"):
            yield hook


def _mails():
    written = [dsn(), dsn("delayed"), ARF.format(kind="abuse", id=OURS), PARTS, BARE, NOTICE]
    for text in written:
        yield text.encode()
        yield text.replace("\n", "\r\n").encode()
    for text in ("Беру", "Yes\n> no", "a" * 200):
        yield reply(text)
    yield reply("<p>Yes</p>", "html")
    yield from (hook["body"].encode() for hook in _bodies("smtp"))


MAILS = list(_mails())
FORM = (
    'multipart/form-data; boundary="b1"',
    b'--b1\r\nContent-Disposition: form-data; name="to"\r\n\r\nann@example.org\r\n--b1\r\n'
    b'Content-Disposition: form-data; name="text"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n'
    b"\xd0\x91\r\n\r\n--b1--\r\n",
)
FORMS = [FORM, *(
    (hook["headers"]["content-type"], hook["body"].encode())
    for name in ("sendgrid", "mailgun")
    for hook in _bodies(name)
    if hook["headers"].get("content-type", "").startswith("multipart/")
)]  # fmt: skip
ODD = [
    b"\r", b"\n", b"\r\n", b"\n\n", b"\r\n\r\n", b" ", b"\n ", b"\n\t\n", b"\xff", b":", b"\nFrom x\n",
    b"\x0c", b"\x00", b"--b1", b"\n--b1\n", b"\n--b1--\n", b"\r--b1\r", b"\n--b1 \n", b"\n--b1\n\n",
    b"--", b";", b'"', b"=", b"(", b"a",
    b"\nContent-Type: message/delivery-status\n\nAction: delayed\n",
    b"\nContent-Type: message/rfc822\n\n",
    b"\nContent-Type: multipart/mixed; boundary=b2\n\n--b2\n\nx\n--b2--\n", b"; boundary=b2",
    b"multipart/", b"message/", b"\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n",
    b"\nContent-Transfer-Encoding: base64\n", b"\nAuto-Submitted: auto-replied",
    b"\nContent-Type: text/plain; charset=utf-16", b'; filename="x"', b"; name=x",
]  # fmt: skip
CHANGES = st.lists(
    st.tuples(st.integers(0, 2000), st.integers(0, 40), st.sampled_from([b"", *ODD])), max_size=4
)


def changed(raw, changes):
    for at, gone, new in changes:
        at %= len(raw) + 1
        raw = raw[:at] + new + raw[at + (gone if gone < 20 else 0) :]
    return raw


@contextmanager
def the_whole_way():
    """Make mails and forms go through the email package."""
    with (
        patch.object(mails_in, "mail_of", message_from_bytes),
        patch.object(mails_in, "head_of", message_from_bytes),
        patch.object(mail, "fields_of", lambda kind, body: None),
    ):
        yield


def outcome(call, *args):
    try:
        found = call(*args)
        return found if found is None or isinstance(found, tuple | dict) else list(found)
    except ValueError as error:
        return str(error)


def mail_outcome(raw):
    hook = Request("POST", "https://k.example.org/hooks/1", {}, raw)
    return outcome(marked, hook, SECRET), outcome(lambda: list(read_mail(raw, "b", "reference", reason_of)))


def form_outcome(kind, body):
    return outcome(mail.form, Request("POST", "https://k.example.org/1", {"content-type": kind}, body))


@given(st.sampled_from(MAILS), CHANGES)
def test_a_mail_is_read_by_hand_as_the_email_package_reads_it(raw, changes):
    raw = changed(raw, changes)
    by_hand = mail_outcome(raw)
    with the_whole_way():
        assert by_hand == mail_outcome(raw)


@given(st.sampled_from(FORMS), CHANGES)
def test_a_form_is_read_by_hand_as_the_email_package_reads_it(form, changes):
    kind, body = form[0], changed(form[1], changes)
    by_hand = form_outcome(kind, body)
    with the_whole_way():
        assert by_hand == form_outcome(kind, body)


@given(st.text(alphabet="Aa:- \t\r\n.é", max_size=40))
def test_headers_alone_are_read_as_the_email_package_reads_them(text):
    assert _on_one_line(headers_of(text)) == _on_one_line(message_from_string(text))


def _on_one_line(found):
    return [(name, str(value).split()) for name, value in found.items()]


@pytest.mark.parametrize("raw", MAILS)
def test_common_mails_do_not_go_through_the_email_package(raw):
    with patch.object(mime_in, "message_from_bytes", side_effect=AssertionError("the whole way")):
        mail_outcome(raw)


@pytest.mark.parametrize("kind, body", FORMS)
def test_common_forms_do_not_go_through_the_email_package(kind, body):
    assert fields_of(kind, body)


def test_the_mail_that_a_report_returns_is_left_alone():
    returned = dsn().replace("Subject: x\n", "Subject: x\n\n" + "--b2\n" * 1000)
    assert len(mime_in.mail_of(returned.encode()).get_payload()) == 1


def test_a_mail_in_parts_without_a_part_is_read():
    head = "Content-Type: multipart/mixed; boundary=b1\nContent-Transfer-Encoding: base64\n\n"
    (told,) = mail_outcome(f"From: mailer-daemon@example.org\n{head}--b1--\n".encode())[1]
    assert (told.name, told.code) == ("bounce", "")


@pytest.mark.parametrize("end", ["\r", "\r\r\n", "\n\r"])
@pytest.mark.parametrize("field", ["Original-Message-ID", "Disposition"])
def test_a_lone_carriage_return_ends_a_field_as_in_the_email_package(end, field):
    raw = NOTICE.replace("\n", "\r\n").replace(f"\n{field}", f"\nX: y{end}{field}").encode()
    by_hand = mail_outcome(raw)
    with the_whole_way():
        assert by_hand == mail_outcome(raw)

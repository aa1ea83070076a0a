"""Mails that come back: who is believed, and what each kind of report, bounce and reply means."""

import contextlib
from email.message import EmailMessage
from time import process_time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad.domain.errors import BadSignature
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.domain.tokens import Signer
from kaskad.providers import provider
from kaskad.providers.base import Account, Request
from kaskad.providers.mails_in import said
from kaskad.providers.verp import BOUNCE, MESSAGE, UNSUBSCRIBE, find, local_part

SMTP = provider("smtp")
SECRET = "a long text that nobody knows"
REFERENCE = Signer([(1, b"k" * 32)]).reference(7, 9, 1, 1)
ACCOUNT = Account(
    1, "mail", "smtp", Channel.EMAIL, {"bounce_domain": "b.example.org"}, {"bounce_secret": SECRET}
)
BOUNCES = f"{local_part(BOUNCE, REFERENCE, SECRET)}@b.example.org"
LEAVES = f"{local_part(UNSUBSCRIBE, REFERENCE, SECRET)}@b.example.org"
OURS = f"<{local_part(MESSAGE, REFERENCE, SECRET)}@example.org>"

DSN = """Return-Path: <>
To: {to}
From: MAILER-DAEMON@mx.example.org
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
Message-ID: <dsn-1@mx.example.org>
Date: Thu, 01 Jan 2026 10:00:30 +0000
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain

It did not go.
--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; ann@example.org
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {diagnostic}

--b1
Content-Type: text/rfc822-headers

Message-ID: {id}
Subject: x
--b1--
"""
ARF = """From: <fbl@mailbox.example.org>
To: complaints@example.org
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b1"

--b1
Content-Type: text/plain

A person pressed "spam".
--b1
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: FBL/1.0
Version: 1

--b1
Content-Type: message/rfc822

From: shop@example.org
To: redacted@mailbox.example.org
Message-ID: {id}
Subject: x

Hello
--b1--
"""


def read(mail, to=""):
    body = mail.replace("\n", "\r\n").encode() if isinstance(mail, str) else mail
    url = "https://k.example.org/hooks/mail" + (f"?to={quote(to)}" if to else "")
    hook = Request("POST", url, {"content-type": "message/rfc822"}, body)
    SMTP.verify_webhook(hook, ACCOUNT, 0)
    return SMTP.read_webhook(hook, ACCOUNT)


def one(mail, to=""):
    (receipt,) = read(mail, to)
    assert receipt.reference == REFERENCE
    return receipt


def dsn(action="failed", status="5.1.1", diagnostic="550 5.1.1 no such user", to=BOUNCES, id=OURS):
    return DSN.format(action=action, status=status, diagnostic=diagnostic, to=to, id=id)


@pytest.mark.parametrize(
    "action, status, kind, reason",
    [
        ("failed", "5.1.1", Kind.BOUNCED, Reason.INVALID_ADDRESS),
        ("failed", "5.1.10", Kind.BOUNCED, Reason.INVALID_ADDRESS),
        ("failed", "5.2.2", Kind.BOUNCED, Reason.OTHER),
        ("failed", "5.7.1", Kind.BOUNCED, Reason.OTHER),
        ("failed", "4.4.7", Kind.BOUNCED, Reason.TRANSIENT),
        ("FAILED", "5.6.1 (content)", Kind.BOUNCED, Reason.CONTENT),
        ("delayed", "4.2.2", Kind.SOFT_BOUNCED, Reason.TRANSIENT),
        ("delivered", "2.0.0", Kind.DELIVERED, None),
        ("relayed", "2.0.0", None, None),
        ("expanded", "2.0.0", None, None),
        ("invented", "5.0.0", None, None),
    ],
)
def test_a_report_on_delivery_is_read_by_its_action_and_enhanced_code(action, status, kind, reason):
    receipt = one(dsn(action, status))
    assert (receipt.kind, receipt.reason, receipt.at) == (kind, reason, 1767261630000)
    assert receipt.event == "<dsn-1@mx.example.org>"
    assert receipt.code == (status.split()[0] if reason else "")


def test_a_report_without_a_readable_status_is_read_by_what_the_server_said():
    assert one(dsn(status="?", diagnostic="550 5.1.1 gone")).code == "5.1.1"
    bare = one(dsn(status="?", diagnostic="550 gone"))
    assert (bare.code, bare.reason) == ("550", Reason.INVALID_ADDRESS)
    assert one(dsn(status="?", diagnostic="gone")).reason is Reason.OTHER


def test_whom_the_server_names_counts_before_what_the_mail_says():
    other = Signer([(1, b"k" * 32)]).reference(8, 1, 0, 1)
    elsewhere = f"{local_part(BOUNCE, other, SECRET)}@b.example.org"
    assert read(dsn(to=elsewhere), BOUNCES)[0].reference == REFERENCE
    assert read(dsn(to=elsewhere))[0].reference == other


def test_the_quoted_id_is_enough_where_the_address_was_lost():
    assert one(dsn(to="shop@example.org")).kind is Kind.BOUNCED


@pytest.mark.parametrize("kind", ["abuse", "Fraud", "other"])
def test_a_complaint_is_found_by_the_id_of_the_mail_in_it(kind):
    assert one(ARF.format(kind=kind, id=OURS)).kind is Kind.COMPLAINED


@pytest.mark.parametrize("kind", ["not-spam", "virus", "auth-failure", "new"])
def test_other_feedback_is_no_complaint(kind):
    assert one(ARF.format(kind=kind, id=OURS)).kind is None


FORGED = [
    dsn(to="b+aaaaaaaaaaaaaaaa.0123456789abcd@b.example.org", id="<x@example.org>"),
    dsn(to=BOUNCES.replace(".", ".0", 1)[: len(BOUNCES)], id="<x@example.org>"),
    ARF.format(kind="abuse", id="<other@example.org>"),
    "From: a@example.org\n\nHello",
    "",
]


@pytest.mark.parametrize("mail", FORGED)
def test_a_mail_that_names_no_message_of_ours_is_refused(mail):
    with pytest.raises(BadSignature):
        read(mail)


def test_an_account_without_secret_believes_nothing():
    hook = Request("POST", "https://k.example.org/hooks/mail", {}, dsn().encode())
    with pytest.raises(BadSignature, match="bounce_secret"):
        SMTP.verify_webhook(hook, Account(1, "mail", "smtp", Channel.EMAIL), 0)


def reply(text="Спасибо, беру!", subtype="plain", **headers):
    mail = EmailMessage()
    mail["From"] = "Ann <ann@example.org>"
    mail["To"] = "shop@example.org"
    mail["In-Reply-To"] = OURS
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text, subtype=subtype)
    return mail.as_bytes()


def test_a_persons_reply_is_found_by_what_it_answers():
    quoted = (
        "Да, в пять.\n\nOn Thu, 1 Jan 2026 at 10:00, Shop <shop@example.org>\nwrote:\n> Ждём вас\n> завтра"
    )
    receipt = one(reply(quoted))
    assert (receipt.kind, receipt.text) == (Kind.REPLIED, "Да, в пять.")
    below = one(reply("> Ждём вас\nПриду\n-- \nАнна"))
    assert below.text == "Приду"
    russian = one(reply("Стоп\n\n1 янв. 2026 г., 10:00 Магазин <shop@example.org> пишет:\n> x"))
    assert russian.text == "Стоп"


def test_a_reply_in_html_alone_is_read_without_its_tags_and_quotes():
    html = "<style>p{}</style><p>Беру &amp; точка</p><blockquote>Вы просили: стоп</blockquote>"
    assert one(reply(html, "html")).text == "Беру & точка"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<SCRIPT src=x>a</script>Да<br>нет", "Да нет"),
        ("<style>a</style >b", "a b"),
        ("1 < 2", "1 < 2"),
        ("a<style>b", "a b"),
        ("<stylex>a</stylex>", "a"),
    ],
)
def test_the_words_of_html_are_those_between_its_tags(html, text):
    mail = EmailMessage()
    mail.set_content(html, subtype="html")
    assert said(mail).split() == text.split()


@pytest.mark.parametrize("piece", ["<style>", "<style ", "<script>", "<", "<blockquote>", "On a\n", "> \n"])
def test_a_long_mail_of_anybody_holds_the_server_up_for_no_time(piece):
    mail = EmailMessage()
    mail.set_content("x", subtype="html" if "<" in piece else "plain")
    mail.set_payload(piece * (2_000_000 // len(piece)))
    began = process_time()
    said(mail)
    assert process_time() - began < 5, "it grows with the square of the length"


def test_of_a_report_as_many_recipients_are_read_as_an_alias_may_have():
    block = "Action: failed\nStatus: 5.1.1\n\n"
    many = DSN.format(to=BOUNCES, action="failed", status="5.1.1", diagnostic="550 no", id=OURS).replace(
        "\n--b1\nContent-Type: text/rfc822-headers",
        f"\n{block * 5_000}--b1\nContent-Type: text/rfc822-headers",
    )
    assert len(read(many)) == 100


def test_of_the_addresses_in_a_mail_as_many_are_tried_as_an_answer_may_quote():
    forged = local_part(BOUNCE, REFERENCE, "another secret") + "@b.example.org "
    assert find(forged * 99 + BOUNCES, SECRET) == (BOUNCE, REFERENCE)
    assert find(forged * 100 + BOUNCES, SECRET) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-generated (vacation)"},
        {"Precedence": "auto_reply"},
        {"X_Autoreply": "yes"},
        {"Return_Path": "<>"},
    ],
)
def test_what_a_machine_answers_is_no_reply(headers):
    assert one(reply("I am on holiday", **headers)).kind is None


def test_a_mail_to_the_address_for_leaving_unsubscribes_unless_a_machine_wrote_it():
    assert one(reply("unsubscribe"), LEAVES).kind is Kind.UNSUBSCRIBED
    assert one(reply("I am on holiday", Auto_Submitted="auto-replied"), LEAVES).kind is None


@pytest.mark.parametrize(
    "subject, text, code, reason",
    [
        ("failure notice", "This is qmail-send.\n<a@b.org>:\n550 no user", "550", Reason.INVALID_ADDRESS),
        ("Undeliverable: x", "Remote server returned '550 5.7.1 blocked'", "5.7.1", Reason.OTHER),
        ("Недоставленное сообщение", "mailbox is full, 552 5.2.2", "5.2.2", Reason.OTHER),
        ("Returned mail", "no reason at all", "", Reason.OTHER),
    ],
)  # fmt: skip
def test_a_bounce_in_a_servers_own_words_is_read_by_the_code_in_it(subject, text, code, reason):
    mail = EmailMessage()
    mail["From"], mail["Return-Path"], mail["Subject"] = "postmaster@mx.example.org", "<>", subject
    mail.set_content(text)
    receipt = one(mail.as_bytes(), BOUNCES)
    assert (receipt.kind, receipt.code, receipt.reason) == (Kind.BOUNCED, code, reason)


@pytest.mark.parametrize(
    "disposition, kind",
    [
        ("manual-action/MDN-sent-manually; displayed", Kind.READ),
        ("automatic-action/MDN-sent-automatically; displayed", None),
        ("manual-action/MDN-sent-manually; deleted", None),
    ],
)
def test_a_notice_of_reading_counts_when_a_person_sent_it(disposition, kind):
    mail = (
        f"From: ann@example.org\nTo: shop@example.org\nContent-Type: multipart/report; boundary=b\n\n--b\n"
        f"Content-Type: message/disposition-notification\n\nOriginal-Message-ID: {OURS}\n"
        f"Disposition: {disposition}\n\n--b--\n"
    )
    assert one(mail).kind is kind


@given(
    st.binary(max_size=300),
    st.sampled_from([dsn(), ARF.format(kind="abuse", id=OURS), ""]),
    st.integers(0, 900),
)
def test_any_mail_is_read_or_refused_with_value_error(noise, mail, at):
    body = mail.encode()
    hook = Request(
        "POST", f"https://k.example.org/hooks/mail?to={quote(BOUNCES)}", {}, body[:at] + noise + body[at:]
    )
    with contextlib.suppress(ValueError):
        assert all(told.reference == REFERENCE for told in SMTP.read_webhook(hook, ACCOUNT))

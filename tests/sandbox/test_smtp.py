"""The mail server and what comes back from mailboxes."""

import smtplib
from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default

import pytest

from kaskad.sandbox.faults import Fault
from kaskad.sandbox.serve import Sandbox
from kaskad.sandbox.servers.smtp import Keys
from support.world import ANN, Receiver, profile, wait_for

KEYS = Keys(user="shop", password="secret")
HTML = (
    '<p>Здравствуйте! <a href="{url}/l/one">Корзина</a> <a href="{url}/l/two">Помощь</a></p>'
    '<a href="{url}/l/trap" aria-hidden="true"></a><img src="{url}/o/pixel" width="1" height="1">'
)
MAIL = "{{open: {{median: 1}}, click: {{median: 1}}, {}}}"


def letter(url: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Магазин <shop@example.org>"
    message["Subject"] = "Ваша корзина"
    message["Message-ID"] = "<1@example.org>"
    message["List-Unsubscribe"] = f"<{url}/u/ann>, <mailto:out@example.org>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(f"Корзина: {url}/l/one")
    message.add_alternative(HTML.format(url=url), subtype="html")
    return message


def send(sandbox: Sandbox, url: str = "http://127.0.0.1:9", to: str = ANN.email) -> None:
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port) as client:
        if KEYS in sandbox.config.keys:
            client.login(KEYS.user, KEYS.password)
        client.sendmail("bounces@example.org", [to], letter(url).as_bytes(policy=SMTP))


def refusal(sandbox: Sandbox, to: str = ANN.email) -> str:
    with pytest.raises((smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError)) as caught:
        send(sandbox, to=to)
    error = caught.value
    code, text = error.recipients[to] if isinstance(error, smtplib.SMTPRecipientsRefused) else error.args
    return f"{code} {text.decode().split()[0]}"


def habits(**shares: float) -> str:
    return MAIL.format(", ".join(f"{name}: {share}" for name, share in shares.items()))


def test_a_mail_lies_in_its_mailbox_as_it_was_sent(start: Callable[..., Sandbox]) -> None:
    sandbox = start()
    send(sandbox)
    mail = sandbox.phones[0].mails[0]
    assert (mail.sender, mail.subject) == ("Магазин <shop@example.org>", "Ваша корзина")
    assert [link.shown for link in mail.links] == ["Корзина", "Помощь", ""]
    assert (mail.return_path, mail.one_click) == ("bounces@example.org", True)
    assert sandbox.counts()["email"].received == 1


@pytest.mark.parametrize(
    ("kind", "answer"), [("missing", "550 5.1.1"), ("full", "552 5.2.2"), ("greylisted", "450 4.7.1")]
)
def test_mailboxes_refuse_as_real_ones_do(start: Callable[..., Sandbox], kind: str, answer: str) -> None:
    sandbox = start(profile=profile(mail=habits(**{kind: 1})))
    assert refusal(sandbox) == answer
    if kind == "greylisted":
        send(sandbox)
        assert len(sandbox.phones[0].mails) == 1


def test_nobody_lives_at_an_unknown_address_unless_strangers_may(start: Callable[..., Sandbox]) -> None:
    assert refusal(start(), "nobody@example.org") == "550 5.1.1"
    open_house = start(people=())
    send(open_house, to="nobody@example.org")
    assert open_house.phones[0].person.email == "nobody@example.org"


def test_a_login_is_asked_where_there_is_one(start: Callable[..., Sandbox]) -> None:
    sandbox = start(keys=[KEYS])
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port) as client:
        client.ehlo()
        assert client.mail("shop@example.org")[0] == 530
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("shop", "wrong")
    send(sandbox)
    assert sandbox.phones[0].mails


@pytest.mark.parametrize(
    ("kind", "answer"), [("throttle", "421 4.7.0"), ("error", "451 4.3.0"), ("reject", "554 5.7.1")]
)
def test_the_server_fails_on_demand(start: Callable[..., Sandbox], kind: str, answer: str) -> None:
    sandbox = start()
    sandbox.set_faults(Fault("email", kind, left=1))
    assert refusal(sandbox) == answer
    send(sandbox)
    assert len(sandbox.phones[0].mails) == 1


def test_a_reader_opens_then_clicks_one_link_as_a_browser(
    start: Callable[..., Sandbox], receiver: Receiver
) -> None:
    sandbox = start(profile=profile(mail=habits(clicks=1)), time_factor=20)
    receiver.answers["/l/one"] = lambda _: (302, "https://shop.example.org/cart")
    send(sandbox, receiver.url)
    wait_for(lambda: receiver.at("/l/one"))
    assert [(one.method, one.path) for one in receiver.arrivals] == [("GET", "/o/pixel"), ("GET", "/l/one")]
    assert all("Chrome" in one.headers["user-agent"] for one in receiver.arrivals)
    assert {one.headers["x-forwarded-for"] for one in receiver.arrivals} == {sandbox.phones[0].ip}
    assert sandbox.counts()["email"].reacted == 1


def test_a_gateway_follows_every_link_at_once(start: Callable[..., Sandbox], receiver: Receiver) -> None:
    sandbox = start(profile=profile(mail=habits(scanned=1)), time_factor=20)
    send(sandbox, receiver.url)
    wait_for(lambda: len(receiver.arrivals) == 8)
    paths = {(one.method, one.path) for one in receiver.arrivals}
    assert paths == {(m, p) for m in ("HEAD", "GET") for p in ("/l/one", "/l/two", "/l/trap", "/u/ann")}
    assert receiver.arrivals[0].headers["x-forwarded-for"] != sandbox.phones[0].ip
    assert sandbox.counts()["email"].reacted == 0


def test_a_mail_program_loads_pictures_unasked(start: Callable[..., Sandbox], receiver: Receiver) -> None:
    sandbox = start(profile=profile(mail=habits(prefetched=1)), time_factor=100)
    send(sandbox, receiver.url)
    hit = wait_for(lambda: receiver.at("/o/pixel"))[0]
    assert hit.headers["user-agent"] == "Mozilla/5.0"
    assert not sandbox.phones[0].mails[0].opened


def test_one_click_unsubscribes_by_post(start: Callable[..., Sandbox], receiver: Receiver) -> None:
    sandbox = start(profile=profile(mail=habits(unsubscribes=1)), time_factor=20)
    send(sandbox, receiver.url)
    post = wait_for(lambda: receiver.at("/u/ann"))[0]
    assert (post.method, post.form) == ("POST", {"List-Unsubscribe": "One-Click"})
    assert sandbox.counts()["email"].stopped == 1


def test_an_accepted_mail_may_bounce_to_its_envelope_sender(
    start: Callable[..., Sandbox], receiver: Receiver
) -> None:
    sandbox = start(
        profile=profile(mail=habits(bounces_later=1)), time_factor=10_000, mail_route=f"{receiver.url}/mail"
    )
    send(sandbox)
    bounce = message_from_bytes(wait_for(lambda: receiver.at("/mail"))[0].body, policy=default)
    assert (bounce["To"], bounce.get_content_type()) == ("bounces@example.org", "multipart/report")
    report = next(part for part in bounce.walk() if part.get_content_type() == "message/delivery-status")
    words = str(report)
    assert f"Final-Recipient: rfc822; {ANN.email}" in words and "Status: 5.1.1" in words
    assert "Message-ID: <1@example.org>" in str(bounce)
    assert not sandbox.phones[0].mails


def test_an_answer_goes_out_by_smtp(start: Callable[..., Sandbox]) -> None:
    kaskad = start(people=())  # any mail server will do
    sandbox = start(mail_route=f"smtp://127.0.0.1:{kaskad.smtp_port}")
    send(sandbox)
    ann = sandbox.phones[0]
    sandbox.do(lambda deeds: deeds.reply_to_mail(ann, ann.mails[0], "Спасибо"))
    got = wait_for(lambda: kaskad.phones and kaskad.phones[0].mails)[0]
    assert kaskad.phones[0].person.email == "shop@example.org"
    assert (got.text.strip(), got.subject) == ("Спасибо", "Re: Ваша корзина")
    assert "In-Reply-To: <1@example.org>" in got.raw.decode()

"""Anymail, a library of others, as the client of the mail services and as the judge of what they tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from anymail.exceptions import AnymailAPIError, AnymailRecipientsRefused, AnymailWebhookValidationFailure
from anymail.message import AnymailMessage
from anymail.signals import inbound, tracking
from django.conf import settings
from django.test import RequestFactory
from django.test.utils import override_settings
from django.utils.module_loading import import_string

from kaskad.domain.terms import Kind
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.serve import Sandbox
from kaskad.sandbox.servers import mailgun, postmark, sendgrid, unisender
from support.carried import account_of, heard
from support.world import ANN, Arrival, Receiver, wait_for

pytestmark = pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailWarning")
if not settings.configured:
    settings.configure(ALLOWED_HOSTS=["*"], USE_TZ=True, LOGGING_CONFIG=None)

MARK = {"kaskad": "AQIDBAUGBwgJCgsMDQ4PEBES"}
PASSWORD = f"kaskad:{postmark.Keys().webhook_password}"
SENDING: dict[str, tuple[str, dict[str, str]]] = {  # the address below the server's, and the credentials
    "sendgrid": ("/v3/", {"api_key": sendgrid.Keys().api_key}),
    "mailgun": ("/v3/", {"api_key": mailgun.Keys().api_key, "sender_domain": mailgun.Keys().domain}),
    "postmark": ("/", {"server_token": postmark.Keys().server_token}),
    "unisender_go": (f"{unisender.GO}/", {"api_key": unisender.GoKeys().api_key}),
}
BELIEVING: dict[str, dict[str, str]] = {
    "sendgrid": {"SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY": sendgrid.Keys().public_key()},
    "mailgun": {"MAILGUN_WEBHOOK_SIGNING_KEY": mailgun.Keys().signing_key},
    "postmark": {"WEBHOOK_SECRET": PASSWORD},
    "unisender_go": {"UNISENDER_GO_API_KEY": unisender.GoKeys().api_key},
}
CLASSES = {
    "sendgrid": "SendGrid", "mailgun": "Mailgun", "postmark": "Postmark", "unisender_go": "UnisenderGo",
}  # fmt: skip
KINDS = {
    "queued": Kind.SENT, "sent": Kind.SENT, "delivered": Kind.DELIVERED, "opened": Kind.OPENED,
    "clicked": Kind.CLICKED, "complained": Kind.COMPLAINED,
}  # fmt: skip
SIGNALS = {"Tracking": tracking, "Inbound": inbound}
SENT = {"sendgrid": "queued", "mailgun": "queued", "unisender_go": "sent"}  # Postmark tells no such thing


def send(sandbox: Sandbox, name: str, to: str = ANN.email, **credentials: str) -> AnymailMessage:
    """Send a letter by Anymail's backend; raises what it raises."""
    path, usual = SENDING[name]
    backend = import_string(f"anymail.backends.{name}.EmailBackend")
    url = f"{sandbox.http_url}/{name}{path}"
    sender = f"Магазин <shop@{mailgun.Keys().domain}>"
    letter = AnymailMessage("Ваш заказ", "готов", sender, [f"Анна <{to}>"])
    letter.attach_alternative('<p>готов: <a href="http://127.0.0.1:9/l/1">смотреть</a></p>', "text/html")
    letter.metadata, letter.track_opens, letter.track_clicks = MARK, True, True
    letter.connection = backend(api_url=url, **{**usual, **credentials})
    letter.send()
    return letter


@contextmanager
def told(signal: Any) -> Iterator[list[Any]]:
    events: list[Any] = []

    def hear(sender: Any, event: Any, esp_name: str, **more: Any) -> None:
        events.append(event)

    signal.connect(hear)
    yield events
    signal.disconnect(hear)


def judged(name: str, arrival: Arrival, kind: str = "Tracking") -> list[Any]:
    """Return the events that Anymail reads in a webhook; raises where it does not believe it."""
    view = import_string(f"anymail.webhooks.{name}.{CLASSES[name]}{kind}WebhookView")
    headers = {
        f"HTTP_{key.upper().replace('-', '_')}": value
        for key, value in arrival.headers.items()
        if key not in ("content-type", "content-length")
    }
    post = RequestFactory().post(
        arrival.path, arrival.body, content_type=arrival.headers["content-type"], **headers
    )
    with override_settings(ANYMAIL=BELIEVING[name]), told(SIGNALS[kind]) as events:
        assert view.as_view()(post).status_code == 200
    return events


@pytest.mark.parametrize("name", list(SENDING))
def test_anymail_sends_and_reads_all_that_is_told(
    start: Callable[..., Sandbox], receiver: Receiver, name: str
) -> None:
    sandbox = start(servers=(name,), time_factor=20)
    letter = send(sandbox, name)
    assert letter.anymail_status.status in ({"queued"}, {"sent"})
    ann = sandbox.phones[0]
    mail = wait_for(lambda: ann.mails)[0]
    assert (mail.subject, mail.sender.partition(" <")[0].strip('"')) == ("Ваш заказ", "Магазин")
    sandbox.do(lambda deeds: deeds.open_mail(ann, mail))
    sandbox.do(lambda deeds: deeds.follow(ann, mail, "http://127.0.0.1:9/l/1"))
    sandbox.do(lambda deeds: deeds.complain(ann, mail))

    def events() -> list[Any]:
        return [event for one in receiver.at(f"/hooks/{account(name)}") for event in judged(name, one)]

    wanted = {"delivered", "opened", "clicked", "complained"} | ({SENT[name]} if name in SENT else set())
    wait_for(lambda: {event.event_type for event in events()} == wanted)
    assert {event.recipient for event in events()} == {ANN.email}
    assert all(event.metadata.items() >= MARK.items() for event in events())
    assert all(event.timestamp is not None for event in events() if event.event_type != "complained")
    (click,) = [event for event in events() if event.event_type == "clicked"]
    assert click.click_url == "http://127.0.0.1:9/l/1" and "Chrome" in click.user_agent
    ours = [one.kind for one in heard(sandbox, receiver, account_of(sandbox, name))]
    assert [KINDS[event.event_type] for event in events()] == ours  # our adapter reads the same
    if name in ("mailgun", "postmark"):
        ids = {event.message_id.strip("<>") for event in events()}
        assert ids == {letter.anymail_status.message_id.strip("<>")}


@pytest.mark.parametrize("name", list(SENDING))
def test_anymail_reads_a_bounce_and_believes_no_forgery(
    start: Callable[..., Sandbox], receiver: Receiver, name: str
) -> None:
    sandbox = start(servers=(name,), time_factor=20)
    sandbox.set_faults(Fault(name, "bad_signature", left=1))
    send(sandbox, name, "nobody@example.org")
    path = f"/hooks/{account(name)}"
    wait_for(lambda: len(receiver.at(path)) >= (2 if name == "postmark" else 3))
    forged, *good = receiver.at(path)
    with pytest.raises(AnymailWebhookValidationFailure):
        judged(name, forged)
    (bounce,) = [event for one in good for event in judged(name, one) if event.event_type == "bounced"]
    assert bounce.recipient == "nobody@example.org"
    assert bounce.reject_reason == (None if name == "sendgrid" else "bounced")  # told of drops only


@pytest.mark.parametrize("name", ["sendgrid", "mailgun", "postmark"])
def test_anymail_reads_an_answer(start: Callable[..., Sandbox], receiver: Receiver, name: str) -> None:
    sandbox = start(servers=(name,), time_factor=20)
    send(sandbox, name)
    ann = sandbox.phones[0]
    mail = wait_for(lambda: ann.mails)[0]
    mail.reply_to = "r+aebagbafaydqqcikbmga2dqpcaire@answers.example.org"
    before = len(receiver.arrivals)
    sandbox.do(lambda deeds: deeds.reply_to_mail(ann, mail, "Спасибо, приду"))
    kind = {"sendgrid": "multipart", "mailgun": "form", "postmark": "json"}[name]

    def answers() -> list[Arrival]:
        return [one for one in receiver.arrivals[before:] if is_answer(one, kind)]

    (event,) = judged(name, wait_for(answers)[0], "Inbound")
    assert str(event.message.from_email) == ANN.email
    assert event.message.text.strip() == "Спасибо, приду"
    assert event.message.envelope_recipient == mail.reply_to


@pytest.mark.parametrize("name", list(SENDING))
def test_anymail_knows_the_refusals(start: Callable[..., Sandbox], name: str) -> None:
    sandbox = start(servers=(name,))
    wrong = "server_token" if name == "postmark" else "api_key"
    with pytest.raises(AnymailAPIError) as caught:
        send(sandbox, name, **{wrong: "wrong"})
    assert caught.value.status_code == 401
    for kind, status in (("throttle", 429), ("error", 500)):
        sandbox.set_faults(Fault(name, kind, left=1))
        with pytest.raises(AnymailAPIError) as caught:
            send(sandbox, name)
        assert caught.value.status_code == status
    with pytest.raises((AnymailAPIError, AnymailRecipientsRefused)):
        send(sandbox, name, "ann@nowhere")


def account(name: str) -> str:
    return name.replace("_", "-")


def is_answer(one: Arrival, kind: str) -> bool:
    """Return whether a webhook brings a mail that came in, and not an event."""
    if kind == "json":
        return b'"FromFull"' in one.body
    return kind in one.headers["content-type"]

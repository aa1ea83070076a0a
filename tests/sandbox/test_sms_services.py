"""SMS services: Kaskad's own transport and adapters against them, and Twilio's and Vonage's own libraries."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable

import httpx2
import pytest
from msgspec.structs import replace
from twilio.base.exceptions import TwilioRestException
from vonage_http_client import Auth, HttpClient, HttpClientOptions
from vonage_sms import Sms, SmsMessage
from vonage_sms.errors import SmsError

from kaskad.domain.errors import BadSignature
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.providers import provider
from kaskad.providers.base import Inbound, Outgoing, Receipt, Response, Sent
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.serve import Sandbox
from kaskad.sandbox.servers import twilio, vonage
from support.carried import account_of, carry, heard
from support.twilio_client import client_of
from support.world import ANN, Receiver, profile, wait_for

SERVICES = {  # provider: server
    "twilio": "twilio_sms",
    "vonage": "vonage",
    "vonage_messages": "vonage_messages",
    "mts_exolve": "exolve",
}
REFERENCE = urlsafe_b64encode(bytes(range(1, 19))).decode()
TEXT = Outgoing(
    REFERENCE, "5:1:0", Channel.SMS, ANN.phone, 0, text="Ваша корзина ждёт", valid_for_ms=7_200_000
)
ABSENT = "{deliver: {median: 1}, react: {median: 1}, absent: 1}"
services = pytest.mark.parametrize("name", SERVICES)


def hooked(receiver: Receiver, sandbox: Sandbox, name: str) -> Outgoing:
    """Return the message with the address for its reports."""
    return replace(TEXT, status_url=f"{receiver.url}/hooks/{account_of(sandbox, name).name}")


def receipts(sandbox: Sandbox, receiver: Receiver, name: str) -> list[Receipt]:
    told = heard(sandbox, receiver, account_of(sandbox, name))
    return [one for one in told if isinstance(one, Receipt) and one.kind is not None]


@services
def test_a_text_is_delivered_and_told_of(
    start: Callable[..., Sandbox], receiver: Receiver, name: str
) -> None:
    sandbox = start(servers=(SERVICES[name],), time_factor=50)
    (result,) = carry(sandbox, account_of(sandbox, name), hooked(receiver, sandbox, name))
    assert (result.reason, result.detail) == (None, "") and result.provider_id
    both = {Kind.SENT, Kind.DELIVERED}  # in any order: each is told by a request of its own
    wait_for(lambda: {one.kind for one in receipts(sandbox, receiver, name)} == both)
    told = receipts(sandbox, receiver, name)
    if provider(name).capabilities.echoes_reference:
        assert {one.reference for one in told} == {REFERENCE}
    else:
        assert {one.provider_id for one in told} == {result.provider_id}
    (sms,) = sandbox.phones[0].texts
    assert (sms.text, sms.by) == ("Ваша корзина ждёт", SERVICES[name])


@services
def test_a_number_of_nobody_is_told_of(start: Callable[..., Sandbox], receiver: Receiver, name: str) -> None:
    sandbox = start(servers=(SERVICES[name],), time_factor=50)
    carry(sandbox, account_of(sandbox, name), replace(hooked(receiver, sandbox, name), to="+79000000999"))
    (told,) = wait_for(lambda: receipts(sandbox, receiver, name))
    assert told.kind is Kind.FAILED
    if name != "mts_exolve":  # which does not say why
        assert told.reason is Reason.INVALID_ADDRESS


@services
def test_an_absent_phone_gets_it_no_more_in_the_end(
    start: Callable[..., Sandbox], receiver: Receiver, name: str
) -> None:
    sandbox = start(servers=(SERVICES[name],), time_factor=1_000_000, profile=profile(sms=ABSENT))
    carry(sandbox, account_of(sandbox, name), hooked(receiver, sandbox, name))
    wait_for(lambda: len(receipts(sandbox, receiver, name)) == 2)
    last = next(one for one in receipts(sandbox, receiver, name) if one.kind is not Kind.SENT)
    assert last.kind in (Kind.EXPIRED, Kind.FAILED) and last.reason is Reason.TRANSIENT


@services
def test_an_answer_comes_to_the_webhook(start: Callable[..., Sandbox], receiver: Receiver, name: str) -> None:
    sandbox = start(servers=(SERVICES[name],), time_factor=50)
    carry(sandbox, account_of(sandbox, name), hooked(receiver, sandbox, name))
    wait_for(lambda: sandbox.phones[0].texts)
    sandbox.do(lambda deeds: deeds.send_sms(sandbox.phones[0], "Приеду"))
    sandbox.do(lambda deeds: deeds.send_sms(sandbox.phones[0], "СТОП"))

    def answers() -> list[Inbound]:
        told = heard(sandbox, receiver, account_of(sandbox, name))
        return [one for one in told if isinstance(one, Inbound)]

    wait_for(lambda: len(answers()) == 2)
    assert {(one.address, one.text) for one in answers()} == {(ANN.phone, "Приеду"), (ANN.phone, "СТОП")}
    stop = next(one for one in answers() if one.text == "СТОП")
    assert stop.kind is (Kind.UNSUBSCRIBED if name == "twilio" else Kind.REPLIED)


@services
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("throttle", Reason.RATE_LIMITED),
        ("error", Reason.AMBIGUOUS),
        ("reject", None),
        ("hang", Reason.AMBIGUOUS),
    ],
)
def test_what_goes_wrong_is_understood(
    start: Callable[..., Sandbox], receiver: Receiver, name: str, kind: str, reason: Reason | None
) -> None:
    sandbox = start(servers=(SERVICES[name],), time_factor=50)
    sandbox.set_faults(Fault(SERVICES[name], kind, left=1))
    patience = 1 if kind == "hang" else 10
    told = hooked(receiver, sandbox, name)
    (result,) = carry(sandbox, account_of(sandbox, name), told, timeout_s=patience)
    assert result.reason is not None and (reason is None or result.reason is reason)
    assert (result.accepted is None) == (kind in ("error", "hang"))
    if kind == "hang":  # taken all the same
        wait_for(lambda: sandbox.phones[0].texts)


@services
def test_repeated_reports_say_the_same(start: Callable[..., Sandbox], receiver: Receiver, name: str) -> None:
    sandbox = start(servers=(SERVICES[name],), time_factor=50)
    sandbox.set_faults(Fault(SERVICES[name], "duplicate"))
    carry(sandbox, account_of(sandbox, name), hooked(receiver, sandbox, name))
    wait_for(lambda: len(receipts(sandbox, receiver, name)) >= 4)
    assert len({one.event for one in receipts(sandbox, receiver, name)}) == 2


@services
def test_forged_reports_are_refused(start: Callable[..., Sandbox], receiver: Receiver, name: str) -> None:
    sandbox = start(servers=(SERVICES[name],), time_factor=50)
    sandbox.set_faults(Fault(SERVICES[name], "bad_signature"))
    carry(sandbox, account_of(sandbox, name), hooked(receiver, sandbox, name))
    wait_for(lambda: receiver.arrivals)
    with pytest.raises(BadSignature):
        heard(sandbox, receiver, account_of(sandbox, name))


@pytest.mark.parametrize("name", ["twilio", "mts_exolve"])
def test_what_became_of_a_text_can_be_asked(
    start: Callable[..., Sandbox], receiver: Receiver, name: str
) -> None:
    sandbox = start(servers=(SERVICES[name],), time_factor=50)
    account = account_of(sandbox, name)
    (result,) = carry(sandbox, account, TEXT)
    wait_for(lambda: sandbox.phones[0].texts)
    told, all_known = looked_up(sandbox, name, result.provider_id)
    assert [one.kind for one in told] == [Kind.DELIVERED] and all_known
    if name == "twilio":
        assert told[0].cost is not None and (told[0].cost.minor, told[0].cost.currency) == (1, "USD")
    assert looked_up(sandbox, name, result.provider_id)[0][0].event == told[0].event


def looked_up(sandbox: Sandbox, name: str, provider_id: str) -> tuple[list[Receipt], bool]:
    account, carrying = account_of(sandbox, name), provider(name)
    sent = Sent(provider_id, sandbox.world.pace.now())
    request = carrying.look_up(sent, account, sandbox.world.pace.now())
    answer = httpx2.request(
        request.method, request.url, headers=dict(request.headers), content=request.body, trust_env=False
    )
    return carrying.read_look_up(Response(answer.status_code, {}, answer.content), sent, account)


def test_twilios_own_library_sends_looks_and_is_refused(
    start: Callable[..., Sandbox], receiver: Receiver
) -> None:
    sandbox = start(servers=("twilio_sms",), time_factor=50)
    client = client_of(sandbox, path="twilio_sms")
    sender = twilio.Keys().number
    sent = client.messages.create(to=ANN.phone, from_=sender, body="Hello")
    assert (sent.status, sent.price, sent.num_segments) == ("queued", None, "1")
    wait_for(lambda: sandbox.phones[0].texts)
    after = client.messages(sent.sid).fetch()
    assert (after.status, after.price, after.price_unit) == ("delivered", "-0.00790", "USD")
    sandbox.do(lambda deeds: deeds.send_sms(sandbox.phones[0], "stop"))
    for wrong, code in (
        ({"to": "+7900"}, 21211),
        ({"from_": "+15550199"}, 21606),
        ({"body": "x" * 1601}, 21617),
    ):
        with pytest.raises(TwilioRestException) as caught:
            client.messages.create(**{"to": ANN.phone, "from_": sender, "body": "Hello", **wrong})
        assert caught.value.code == code
    with pytest.raises(TwilioRestException) as caught:
        client.messages.create(to=ANN.phone, from_=sender, body="Hello")
    assert caught.value.code == 21610


def test_vonages_own_library_sends_and_is_refused(
    start: Callable[..., Sandbox], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = start(servers=("vonage",), time_factor=50)
    keys = vonage.Keys()
    place = f"{sandbox.http_url}/vonage"
    client = HttpClient(
        Auth(api_key=keys.key, api_secret=keys.secret), HttpClientOptions(rest_host="sandbox.invalid")
    )
    ask = client._session.request
    monkeypatch.setattr(client._session, "request", lambda method, url, **more: ask(
        method, url.replace("https://sandbox.invalid", place), **more
    ))  # fmt: skip
    message = {"to": ANN.phone.lstrip("+"), "from_": keys.sender, "text": "Hello " * 40}
    answer = Sms(client).send(SmsMessage(**message))
    assert answer.message_count == "2" and {one.message_price for one in answer.messages} == {vonage.PRICE}
    wait_for(lambda: sandbox.phones[0].texts)
    for wrong in ({"text": "Привет"}, {"from_": "Other"}, {"to": "12"}):
        with pytest.raises(SmsError):
            Sms(client).send(SmsMessage(**{**message, "text": "Hello", **wrong}))

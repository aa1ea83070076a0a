"""The mail services: Kaskad's own transport and adapters against them, and the services' own libraries."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable

import botocore.config
import botocore.session
import httpx2
import pytest
from botocore.exceptions import ClientError
from msgspec.structs import replace
from python_http_client.exceptions import BadRequestsError, UnauthorizedError
from sendgrid import SendGridAPIClient
from sendgrid.helpers.eventwebhook import EventWebhook
from sendgrid.helpers.mail import Mail as Written

from kaskad.domain.errors import BadSignature
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.providers import provider
from kaskad.providers.base import Outgoing, Receipt
from kaskad.providers.sigv4 import Credentials, signed
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import Mail, Phone
from kaskad.sandbox.serve import Sandbox
from kaskad.sandbox.servers import amazon_ses, sendgrid, sendpulse
from support.carried import account_of, carry, heard, hook_of
from support.world import ANN, Receiver, profile, wait_for

SERVICES = ["sendgrid", "mailgun", "postmark", "amazon_ses", "sendpulse", "unisender_go", "unisender"]
MUTE = {"unisender"}  # never asked to count opens: its adapter switches that off
UNTRACKED = {"sendpulse"}  # counts by its own setting
NO_SENT = {"postmark"}
ANSWERED = {"sendgrid", "mailgun", "postmark"}  # bring answers to the webhook
REFERENCE = urlsafe_b64encode(bytes(range(1, 19))).decode()
LETTER = Outgoing(
    REFERENCE, "5:1:0", Channel.EMAIL, ANN.email, 0, subject="Ваша корзина",
    html='<p>Анна, <a href="http://127.0.0.1:9/l/1">корзина</a> ждёт</p>', text="Корзина ждёт",
    unsubscribe_url="http://127.0.0.1:9/u/ann", contact_name="Анна",
)  # fmt: skip
HEADED = {"sendgrid", "mailgun", "postmark", "amazon_ses", "unisender_go"}  # our way out, not theirs


def habits(**shares: float) -> str:
    told = ", ".join(f"{name}: {share}" for name, share in shares.items())
    return f"{{open: {{median: 1}}, click: {{median: 1}}, {told}}}"


def kinds(sandbox: Sandbox, receiver: Receiver, name: str) -> list[Kind]:
    account = account_of(sandbox, name)
    return [one.kind for one in heard(sandbox, receiver, account) if one.kind is not None]


def ann_of(sandbox: Sandbox) -> Phone:
    return sandbox.phones[0]


def arrived(sandbox: Sandbox) -> Mail:
    return wait_for(lambda: ann_of(sandbox).mails)[-1]


@pytest.mark.parametrize("name", SERVICES)
def test_a_letter_lies_in_the_mailbox_and_is_told_of(
    start: Callable[..., Sandbox], receiver: Receiver, name: str
) -> None:
    sandbox = start(servers=(name,), time_factor=20)
    (result,) = carry(sandbox, account_of(sandbox, name), LETTER)
    assert (result.reason, result.detail) == (None, "")
    mail = arrived(sandbox)
    assert mail.subject == "Ваша корзина" and "shop@" in mail.sender and mail.by == name
    assert mail.links[0].url == "http://127.0.0.1:9/l/1"
    assert (mail.unsubscribe == LETTER.unsubscribe_url) == (name in HEADED)
    wanted = {Kind.DELIVERED} if name in NO_SENT else {Kind.SENT, Kind.DELIVERED}
    wait_for(lambda: set(kinds(sandbox, receiver, name)) == wanted)
    told = [one for one in heard(sandbox, receiver, account_of(sandbox, name)) if one.kind is not None]
    assert all(isinstance(one, Receipt) for one in told)
    named = {(one.reference or "", one.provider_id) for one in told if isinstance(one, Receipt)}
    assert all(reference == REFERENCE or result.provider_id == id for reference, id in named)
    assert all(abs((one.at or 0) - sandbox.world.pace.now()) < 3_600_000 for one in told)
    assert len({one.event for one in told}) == len(told)


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in MUTE])
def test_opens_and_clicks_are_told_where_they_are_counted(
    start: Callable[..., Sandbox], receiver: Receiver, name: str
) -> None:
    sandbox = start(servers=(name,), time_factor=20)
    ann = ann_of(sandbox)

    def read_it(tracking: str) -> None:
        before = len(ann.mails)
        carry(sandbox, account_of(sandbox, name, tracking=tracking), LETTER)
        mail = wait_for(lambda: ann.mails[before:])[-1]
        sandbox.do(lambda deeds: deeds.open_mail(ann, mail))
        sandbox.do(lambda deeds: deeds.follow(ann, mail, "http://127.0.0.1:9/l/1"))

    if name not in UNTRACKED:
        read_it("off")
        wait_for(lambda: Kind.DELIVERED in kinds(sandbox, receiver, name))
        assert not {Kind.OPENED, Kind.CLICKED} & set(kinds(sandbox, receiver, name))
    read_it("on")
    wait_for(lambda: {Kind.OPENED, Kind.CLICKED} <= set(kinds(sandbox, receiver, name)))


DROPPED = {  # what the next letter to somebody who complained comes to: the answer's reason, or what is told
    "sendgrid": (None, Kind.REJECTED), "mailgun": (None, Kind.REJECTED), "postmark": (Reason.WINDOW, None),
    "amazon_ses": (None, Kind.REJECTED), "sendpulse": (None, None),
    "unisender_go": (Reason.OPTED_OUT, None), "unisender": (Reason.OPTED_OUT, None),
}  # fmt: skip


@pytest.mark.parametrize("name", SERVICES)
def test_who_complains_is_written_to_no_more(
    start: Callable[..., Sandbox], receiver: Receiver, name: str
) -> None:
    sandbox = start(servers=(name,), time_factor=20)
    account, ann = account_of(sandbox, name), ann_of(sandbox)
    carry(sandbox, account, LETTER)
    mail = arrived(sandbox)
    sandbox.do(lambda deeds: deeds.complain(ann, mail))
    wait_for(lambda: Kind.COMPLAINED in kinds(sandbox, receiver, name))
    assert sandbox.counts()["email"].stopped == 1
    (result,) = carry(sandbox, account, replace(LETTER, key="5:2:0"))
    reason, kind = DROPPED[name]
    assert result.reason is reason
    if kind is not None:
        wait_for(lambda: kind in kinds(sandbox, receiver, name))
    assert len(ann.mails) == 1


@pytest.mark.parametrize("name", SERVICES)
def test_a_mailbox_that_is_not_there_bounces(
    start: Callable[..., Sandbox], receiver: Receiver, name: str
) -> None:
    sandbox = start(servers=(name,), profile=profile(mail=habits(missing=1)), time_factor=20)
    carry(sandbox, account_of(sandbox, name), LETTER)
    wait_for(lambda: Kind.BOUNCED in kinds(sandbox, receiver, name))
    told = heard(sandbox, receiver, account_of(sandbox, name))
    reasons = [one.reason for one in told if isinstance(one, Receipt) and one.kind is Kind.BOUNCED]
    assert reasons == [Reason.INVALID_ADDRESS] and not ann_of(sandbox).mails


@pytest.mark.parametrize("name", SERVICES)
def test_a_full_mailbox_is_tried_and_given_up(
    start: Callable[..., Sandbox], receiver: Receiver, name: str
) -> None:
    sandbox = start(servers=(name,), profile=profile(mail=habits(full=1)), time_factor=50_000)
    carry(sandbox, account_of(sandbox, name), LETTER)
    over = Kind.FAILED if name == "mailgun" else Kind.BOUNCED
    wait_for(lambda: {Kind.SOFT_BOUNCED, over} <= set(kinds(sandbox, receiver, name)))
    told = heard(sandbox, receiver, account_of(sandbox, name))
    final = next(one for one in told if isinstance(one, Receipt) and one.kind is over)
    assert final.reason is not Reason.INVALID_ADDRESS  # the address stays good


@pytest.mark.parametrize("name", SERVICES)
def test_faults_are_told_in_the_words_of_the_service(
    start: Callable[..., Sandbox], receiver: Receiver, name: str
) -> None:
    sandbox = start(servers=(name,), time_factor=20)
    account = account_of(sandbox, name)

    def befallen(kind: str, **more: float) -> tuple[Reason | None, bool | None]:
        sandbox.set_faults(Fault(name, kind, left=1, **more))
        (result,) = carry(sandbox, account, LETTER, timeout_s=1.0 if kind == "hang" else 10.0)
        return result.reason, result.accepted

    assert befallen("throttle", seconds=7) == (Reason.RATE_LIMITED, False)
    assert befallen("error") == (Reason.AMBIGUOUS, None)
    reason, accepted = befallen("reject")
    assert accepted is False and reason not in (Reason.RATE_LIMITED, Reason.OTHER, None)
    assert not ann_of(sandbox).mails
    assert befallen("hang") == (Reason.AMBIGUOUS, None)
    arrived(sandbox)  # taken all the same


@pytest.mark.parametrize("name", SERVICES)
def test_a_forged_receipt_is_not_believed(
    start: Callable[..., Sandbox], receiver: Receiver, name: str
) -> None:
    sandbox = start(servers=(name,), time_factor=20)
    account = account_of(sandbox, name)
    carry(sandbox, account, LETTER)
    wait_for(lambda: Kind.DELIVERED in kinds(sandbox, receiver, name))
    ann, mail = ann_of(sandbox), arrived(sandbox)
    before = len(receiver.arrivals)
    sandbox.set_faults(Fault(name, "bad_signature", left=1))
    sandbox.do(lambda deeds: deeds.complain(ann, mail))
    wait_for(lambda: len(receiver.arrivals) == before + 2)
    forged, good = (hook_of(receiver, account, one) for one in receiver.arrivals[before:])
    carrying, now = provider(name), sandbox.world.pace.now()
    with pytest.raises(BadSignature):
        carrying.verify_webhook(forged, account, now)
    carrying.verify_webhook(good, account, now)
    (told,) = carrying.read_webhook(good, account)
    assert told.kind is Kind.COMPLAINED


@pytest.mark.parametrize("name", SERVICES)
def test_a_stranger_is_not_let_in(start: Callable[..., Sandbox], name: str) -> None:
    sandbox = start(servers=(name,))
    wrong = {
        "amazon_ses": "secret_access_key", "postmark": "server_token", "sendpulse": "client_secret",
    }.get(name, "api_key")  # fmt: skip
    (result,) = carry(sandbox, account_of(sandbox, name, **{wrong: "wrong"}), LETTER)
    assert (result.reason, result.accepted) == (Reason.AUTH, False)


@pytest.mark.parametrize("name", SERVICES)
def test_an_answer_is_brought_to_the_webhook_or_goes_as_a_mail(
    start: Callable[..., Sandbox], receiver: Receiver, name: str
) -> None:
    sandbox = start(servers=(name,), mail_route=f"{receiver.url}/mail", time_factor=20)
    carry(sandbox, account_of(sandbox, name), LETTER)
    ann, mail = ann_of(sandbox), arrived(sandbox)
    sandbox.do(lambda deeds: deeds.reply_to_mail(ann, mail, "Перезвоните, пожалуйста"))
    if name not in ANSWERED:
        assert wait_for(lambda: receiver.at("/mail"))
        return
    wait_for(lambda: Kind.REPLIED in kinds(sandbox, receiver, name))
    told = heard(sandbox, receiver, account_of(sandbox, name))
    (reply,) = [one for one in told if isinstance(one, Receipt) and one.kind is Kind.REPLIED]
    assert (reply.reference, reply.text) == (REFERENCE, "Перезвоните, пожалуйста")


@pytest.mark.parametrize("name", ["sendpulse", "unisender_go", "unisender"])
def test_one_leaves_by_the_services_own_header_where_ours_is_not_carried(
    start: Callable[..., Sandbox], receiver: Receiver, name: str
) -> None:
    sandbox = start(servers=(name,), time_factor=20)
    account, ann = account_of(sandbox, name), ann_of(sandbox)
    carry(sandbox, account, replace(LETTER, unsubscribe_url=""))
    mail = arrived(sandbox)
    assert mail.one_click and mail.unsubscribe.startswith(sandbox.http_url)
    sandbox.do(lambda deeds: deeds.unsubscribe(ann, mail))
    wait_for(lambda: Kind.UNSUBSCRIBED in kinds(sandbox, receiver, name))


def test_sendgrids_own_library_sends_is_refused_and_believes_the_events(
    start: Callable[..., Sandbox], receiver: Receiver
) -> None:
    sandbox = start(servers=("sendgrid",), time_factor=20)
    keys = sendgrid.Keys()

    def client(key: str) -> SendGridAPIClient:
        return SendGridAPIClient(key, host=f"{sandbox.http_url}/sendgrid")

    letter = Written("shop@example.org", ANN.email, "Заказ", html_content="<p>готов</p>")
    answer = client(keys.api_key).send(letter)
    assert answer.status_code == 202 and answer.headers["X-Message-Id"]
    assert arrived(sandbox).subject == "Заказ"
    hook = wait_for(lambda: receiver.at("/hooks/sendgrid"))[0]
    signature, stamp = hook.headers[sendgrid.SIGNATURE.lower()], hook.headers[sendgrid.STAMP.lower()]
    judge = EventWebhook(keys.public_key())
    assert judge.verify_signature(hook.body.decode(), signature, stamp)
    assert not judge.verify_signature(hook.body.decode() + " ", signature, stamp)
    with pytest.raises(UnauthorizedError):
        client("SG.wrong").send(letter)
    with pytest.raises(BadRequestsError) as caught:
        client(keys.api_key).send(Written("shop@example.org", "nobody@nowhere", "x", html_content="x"))
    assert json.loads(caught.value.body)["errors"][0]["field"] == "personalizations.0.to.0.email"


def test_amazons_own_library_sends_and_knows_the_refusals(
    start: Callable[..., Sandbox], receiver: Receiver
) -> None:
    sandbox = start(servers=("amazon_ses",), time_factor=20)
    keys = amazon_ses.Keys()

    def client(secret: str = keys.secret_access_key):
        return botocore.session.get_session().create_client(
            "sesv2", region_name=amazon_ses.REGION, endpoint_url=f"{sandbox.http_url}/amazon_ses",
            aws_access_key_id=keys.access_key_id, aws_secret_access_key=secret,
            config=botocore.config.Config(retries={"total_max_attempts": 1}),
        )  # fmt: skip

    def send(one, **more):
        content = {"Simple": {"Subject": {"Data": "Заказ"}, "Body": {"Text": {"Data": "готов"}}}}
        return one.send_email(
            FromEmailAddress="shop@example.org", Destination={"ToAddresses": [ANN.email]}, Content=content,
            **more,
        )  # fmt: skip

    assert send(client())["MessageId"]
    assert arrived(sandbox).subject == "Заказ"
    with pytest.raises(ClientError, match="signature we calculated"):
        send(client("wrong"))
    with pytest.raises(ClientError) as caught:
        send(client(), ConfigurationSetName="another")
    assert caught.value.response["Error"]["Code"] == "NotFoundException"
    sandbox.set_faults(Fault("amazon_ses", "throttle", left=1))
    with pytest.raises(ClientError) as caught:
        send(client())
    assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert not receiver.arrivals  # without a configuration set nothing is told


NONSENSE = (
    b"", b"\xff\xfe", b"[]", b"null", b'{"email": {"html": 1}}', b'{"email": {"html": "\xd1\x8f"}}',
    b'{"x":' * 20_000, b'{"message": {"recipients": [1]}}', b"email=a&email=b&%ff=%fe",
)  # fmt: skip


@pytest.mark.parametrize("name", SERVICES)
def test_nonsense_is_refused_and_breaks_nothing(start: Callable[..., Sandbox], name: str) -> None:
    sandbox = start(servers=(name,))
    account, carrying, now = account_of(sandbox, name), provider(name), sandbox.world.pace.now()
    request = carrying.build_request(replace(LETTER, at=now), account)
    if name == "sendpulse":
        request = carrying.authorize(request, sendpulse.Keys().api_key)
    for body in NONSENSE:
        asked = replace(request, body=body)
        if name == "amazon_ses":
            by = Credentials(account["access_key_id"], account["secret_access_key"])
            bare = replace(asked, headers={"Content-Type": "application/json"})
            asked = signed(bare, by, account["region"], "ses", now)
        answer = httpx2.request(asked.method, asked.url, content=asked.body, headers=dict(asked.headers))
        words = answer.text if name == "unisender" else str(answer.status_code)
        assert words.startswith(("4", '{"error"')), (body[:40], words)
    assert not ann_of(sandbox).mails

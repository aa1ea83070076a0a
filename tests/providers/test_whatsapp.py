"""WhatsApp's file against the Cloud API as pywa knows it: requests, signatures, statuses, error codes."""

import json
from pathlib import Path

import httpx
import msgspec
import pytest
import pywa
from pywa import errors, utils
from pywa.types import Button, URLButton
from pywa.types.message_status import MessageStatusType
from pywa.types.templates import (
    BodyText,
    HeaderImage,
    QuickReplyButton,
    TemplateLanguage,
    TemplateStatus,
)
from pywa.types.templates import URLButton as TemplateURLButton

from kaskad.domain import cascade
from kaskad.domain.address import BadAddress, normalise
from kaskad.domain.errors import BadSignature, Invalid, SendError
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.providers import whatsapp
from kaskad.providers.base import Account, Outgoing, Request, Response
from kaskad.providers.whatsapp_templates import STATES

HERE = Path(__file__).parent
CASES = {path.stem: json.loads(path.read_text()) for path in (HERE / "cases/whatsapp").glob("*.json")}
HOOKS = {stem: case for stem, case in CASES.items() if "webhook" in case}
SECRET = "an app secret of the tests"
ACCOUNT = Account(
    1, "wa", "whatsapp", Channel.WHATSAPP,
    {"phone_number_id": "106540352242922", "phone": "+15550783881"},
    {"access_token": "EAAtest", "app_secret": SECRET, "verify_token": "a word of ours"},
)  # fmt: skip
WHATSAPP = whatsapp.WhatsApp()
REFERENCE = "AQEFAGr4KQwA2QfPhgqYQ_C6Jw"


def outgoing(**more):
    return Outgoing(REFERENCE, "k", Channel.WHATSAPP, "+15550101", 0, **more)


def asked_by_pywa(send):
    """Return the request that pywa makes for the same message."""
    asked = []

    def answer(request):
        asked.append((request.method, request.url.path, json.loads(request.content)))
        told = {"contacts": [{"input": "1", "wa_id": "15550101"}], "messages": [{"id": "wamid.1"}]}
        return httpx.Response(200, json={"messaging_product": "whatsapp", **told})

    session = httpx.Client(transport=httpx.MockTransport(answer))
    send(pywa.WhatsApp(phone_id=106540352242922, token="EAAtest", session=session, api_version=25.0))
    return asked[0]


def asked_by_us(message):
    request = WHATSAPP.build_request(message, ACCOUNT)
    fields = json.loads(request.body)
    fields["to"] = fields["to"].removeprefix("+")
    return request.method, httpx.URL(request.url).path, fields


def plain(asked):
    """Return a request, the words of its template as both may spell them: pywa writes BODY, 0, no policy."""
    template = asked[2].get("template", {})
    template.get("language", {}).pop("policy", None)
    for part in template.get("components", []):
        told = {name: str(part[name]).lower() for name in ("type", "sub_type", "index") if name in part}
        part.update(told)
    return asked


MESSAGES = {
    "text": (
        outgoing(text="Hi"),
        lambda wa: wa.send_message("15550101", "Hi", tracker=REFERENCE),
    ),
    "answers": (
        outgoing(text="Hi", buttons=(cascade.Button("Yes", reply="yes"), cascade.Button("No", reply="no"))),
        lambda wa: wa.send_message(
            "15550101", "Hi", tracker=REFERENCE,
            buttons=[Button("Yes", f"{REFERENCE}:yes"), Button("No", f"{REFERENCE}:no")],
        ),
    ),
    "link": (
        outgoing(text="Hi", buttons=(cascade.Button("Open", url="https://k.example.org/l/t"),)),
        lambda wa: wa.send_message(
            "15550101", "Hi", tracker=REFERENCE, buttons=URLButton("Open", "https://k.example.org/l/t")
        ),
    ),
    "picture": (
        outgoing(text="Hi", media=("https://example.org/1.jpg",)),
        lambda wa: wa.send_image("15550101", "https://example.org/1.jpg", caption="Hi", tracker=REFERENCE),
    ),
    "video": (
        outgoing(media=("https://example.org/1.mp4",)),
        lambda wa: wa.send_video("15550101", "https://example.org/1.mp4", tracker=REFERENCE),
    ),
    "document": (
        outgoing(text="Hi", media=("https://example.org/1.pdf",)),
        lambda wa: wa.send_document(
            "15550101", "https://example.org/1.pdf", filename="1.pdf", caption="Hi", tracker=REFERENCE
        ),
    ),
    "template": (
        outgoing(
            buttons=(cascade.Button("Yes", reply="yes"),),
            approved=cascade.Approved(
                "order_ready", "ru", ("Anna", "17"), header="https://example.org/1.jpg", buttons=("", "t")
            ),
        ),
        lambda wa: wa.send_template(
            "15550101", "order_ready", TemplateLanguage.RUSSIAN, tracker=REFERENCE,
            params=[
                HeaderImage.params(image="https://example.org/1.jpg"),
                BodyText.params("Anna", "17"),
                QuickReplyButton.params(index=0, callback_data=f"{REFERENCE}:yes"),
                TemplateURLButton.params(index=1, url_variable="t"),
            ],
        ),
    ),
    "template with names": (
        outgoing(approved=cascade.Approved("reservation", "en_US", ("4", "Monday"), names=("guests", "day"))),
        lambda wa: wa.send_template(
            "15550101", "reservation", TemplateLanguage.ENGLISH_US, tracker=REFERENCE,
            params=[BodyText.params(guests="4", day="Monday")],
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_we_ask_what_pywa_asks(name):
    message, send = MESSAGES[name]
    assert plain(asked_by_us(message)) == plain(asked_by_pywa(send))


@pytest.mark.parametrize("stem", HOOKS)
def test_pywa_believes_the_webhooks_that_we_believe(stem):
    case = HOOKS[stem]
    given = case["webhook"]["headers"].get("x-hub-signature-256", "")
    believed = utils.webhook_updates_validator(SECRET, case["webhook"]["body"].encode(), given)
    assert believed == (case["covers"] != "bad_signature")


def test_every_status_that_pywa_knows_has_its_row():
    unknown = {MessageStatusType.UNKNOWN}
    assert {each.value for each in MessageStatusType} - unknown <= whatsapp.STATUSES.keys()
    assert {each.value for each in TemplateStatus} - {TemplateStatus.UNKNOWN} <= STATES.keys()


def test_every_error_of_sending_that_pywa_knows_has_its_row():
    families = (
        errors.AuthorizationError, errors.ThrottlingError, errors.IntegrityError, errors.SendMessageError
    )  # fmt: skip
    classes = [each for family in families for each in family.__subclasses__()]
    codes = {code for each in classes for code in each.__error_codes__} - set(range(200, 300))
    assert len(codes) > 40 and codes <= whatsapp.ERRORS.keys()


def test_metas_first_look_is_answered_with_its_challenge():
    url = "https://k.example.org/hooks/wa?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
    look = Request("GET", url + "a%20word%20of%20ours")
    assert WHATSAPP.answer_look(look, ACCOUNT) == ("text/plain", b"1158201444")
    with pytest.raises(BadSignature):
        WHATSAPP.answer_look(Request("GET", url + "another"), ACCOUNT)
    with pytest.raises(BadSignature):  # an account without a word takes none, not the empty one
        WHATSAPP.answer_look(Request("GET", url), Account(1, "wa", "whatsapp", Channel.WHATSAPP))
    assert WHATSAPP.answer_look(Request("GET", "https://k.example.org/hooks/wa"), ACCOUNT) == ("", b"")


def test_the_number_reports_to_the_accounts_own_address():
    url = "https://k.example.org/hooks/wa"
    (request,) = WHATSAPP.setup_requests(ACCOUNT, url)
    assert request.url.endswith("/v25.0/106540352242922")
    override = {"override_callback_uri": url, "verify_token": "a word of ours"}
    assert request.json() == {"webhook_configuration": override}


def test_where_meta_cannot_call_nothing_is_set():
    assert WHATSAPP.setup_requests(ACCOUNT, "http://127.0.0.1:8700/hooks/wa") == []
    assert WHATSAPP.setup_requests(ACCOUNT, "") == []
    wordless = msgspec.structs.replace(ACCOUNT, secrets={"access_token": "EAAtest"})
    assert WHATSAPP.setup_requests(wordless, "https://k.example.org/hooks/wa") == []


def test_a_set_up_that_is_refused_is_an_error():
    WHATSAPP.read_setup(Response(200, {}, b'{"success": true}'))
    refused = b'{"error": {"message": "Callback verification failed", "code": 2200}}'
    with pytest.raises(SendError, match="Callback verification failed"):
        WHATSAPP.read_setup(Response(400, {}, refused))


def test_the_text_of_an_opt_in_link_is_a_start_with_its_token():
    link = httpx.URL(WHATSAPP.opt_in_link(ACCOUNT, "0123456789abcdefABCDEF_-01234567"))
    assert (link.host, link.path) == ("wa.me", "/15550783881")
    message = {"from": "15550101", "id": "wamid.1", "timestamp": "1767261660", "type": "text"}
    value = {"messages": [{**message, "text": {"body": link.params["text"]}}]}
    body = {
        "object": "whatsapp_business_account",
        "entry": [{"changes": [{"field": "messages", "value": value}]}],
    }
    (told,) = WHATSAPP.read_webhook(Request("POST", "", {}, json.dumps(body).encode()), ACCOUNT)
    assert (told.kind, told.text, told.address) == (
        Kind.STARTED,
        "0123456789abcdefABCDEF_-01234567",
        "+15550101",
    )


def test_an_account_without_its_number_has_no_opt_in_links():
    with pytest.raises(Invalid, match="give `phone`"):
        WHATSAPP.opt_in_link(Account(1, "wa", "whatsapp", Channel.WHATSAPP), "t")


def test_settings_that_can_never_work_are_told():
    settings = {"phone_number_id": "+15550783881", "business_account_id": "x", "phone": "shop"}
    told = WHATSAPP.check(Account(1, "wa", "whatsapp", Channel.WHATSAPP, settings))
    assert len(told) == 3 and "phone_number_id" in told[0]
    assert WHATSAPP.check(ACCOUNT) == []


def test_a_request_without_a_token_is_not_made():
    with pytest.raises(SendError) as caught:
        WHATSAPP.build_request(outgoing(text="Hi"), Account(1, "wa", "whatsapp", Channel.WHATSAPP))
    assert caught.value.reason is Reason.AUTH


def test_who_hides_the_number_is_known_by_an_id():
    assert normalise(Channel.WHATSAPP, " US.13491208655302741918 ") == "US.13491208655302741918"
    for text in ("us.1", "USA.1", "US.", "US.a-b"):
        with pytest.raises(BadAddress):
            normalise(Channel.WHATSAPP, text)
    with pytest.raises(BadAddress):
        normalise(Channel.SMS, "US.13491208655302741918")

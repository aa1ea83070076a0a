"""Every request that we build and every word that we read, held against what the services publish.

The requests are those of the cases. Where a service passes unknown fields over, they are a failure here
all the same: a misspelled field would be lost. `specs/ORIGIN.md` tells where the descriptions come from.
"""

import json
from base64 import b64decode
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path
from urllib.parse import parse_qs

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.loaders
import botocore.model
import botocore.validate
import jsonschema_rs
import pytest

from kaskad.providers import (
    amazon_ses,
    fcm,
    mailgun,
    postmark,
    sendgrid,
    twilio_voice,
    unisender_go,
    whatsapp,
)
from kaskad.sandbox import spec
from kaskad.sandbox.servers.whatsapp import described

HERE = Path(__file__).parent
SENDGRID, MAILGUN, POSTMARK, UNIONE, FCM = (
    json.loads((HERE / "specs" / f"{name}.json").read_text())
    for name in ("sendgrid_mail_send", "mailgun_messages", "postmark", "unione", "fcm_send")
)
SES = botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model("sesv2", "service-2"))
ACCOUNTS = json.loads((HERE / "accounts.json").read_text())


def requests(name):
    """Return the requests that send, in the cases of a provider, with their cases."""
    paths = sorted((HERE / "cases" / name).glob("*.json"))
    cases = [(path.stem, json.loads(path.read_text())) for path in paths]
    found = [
        (stem, case) for stem, case in cases if "message" in case and "Request" in case.get("request", {})
    ]
    assert found, f"{name} has no case with a request"
    return [pytest.param(case["request"]["Request"], case, id=f"{name}/{stem}") for stem, case in found]


def closed(schema):
    """Return a schema that takes no field it does not name."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(part) for name, part in schema.items()}
    if isinstance(schema.get("properties"), dict):
        found["additionalProperties"] = False
    return found


def parts(request):
    """Return the fields of a form in parts, in their order."""
    head = f"Content-Type: {request['headers']['Content-Type']}\r\n\r\n"
    body = request["body"]
    mail = message_from_bytes(
        head.encode() + (body.encode() if isinstance(body, str) else b64decode(body["base64"]))
    )
    assert mail.is_multipart() and not mail.defects
    return [
        (
            part.get_param("name", header="content-disposition"),
            part.get_payload(decode=True).decode(errors="replace"),
        )
        for part in mail.get_payload()
    ]


@pytest.mark.parametrize("request_, case", requests("sendgrid"))
def test_sendgrid_takes_the_request(request_, case):
    assert request_["url"].endswith("/v3/mail/send")
    assert request_["headers"]["Authorization"].startswith("Bearer ")
    mail = json.loads(request_["body"])
    validator = jsonschema_rs.validator_for(closed(SENDGRID["request"]), validate_formats=True)
    assert [error.message for error in validator.iter_errors(mail)] == []
    assert len(json.dumps(mail["personalizations"][0]["custom_args"])) < 10_000
    kinds = [part["type"] for part in mail["content"]]
    assert kinds == sorted(kinds, reverse=True)  # text/plain first
    reserved = {"to", "from", "subject", "reply-to", "cc", "bcc", "content-type", "dkim-signature"}
    assert not reserved & {name.lower() for name in mail["headers"]}


@pytest.mark.parametrize("request_, case", requests("mailgun"))
def test_mailgun_takes_the_request(request_, case):
    assert request_["url"].endswith("/v3/mg.example.org/messages")
    fields = parts(request_)
    told = {}
    for name, value in fields:
        if name in ("to", "attachment", "inline"):
            told.setdefault(name, []).append(value)
        elif not name.startswith(("h:", "v:")):
            assert name not in told
            told[name] = value
    validator = jsonschema_rs.validator_for(closed(MAILGUN["request"]))
    assert [error.message for error in validator.iter_errors(told)] == []
    options = [(name, value) for name, value in fields if name[1:2] == ":"]
    assert sum(len(name) + len(value) for name, value in options) < 16 << 10


@pytest.mark.parametrize("request_, case", requests("fcm"))
def test_fcm_takes_the_request(request_, case):
    assert request_["method"] == FCM["method"]
    assert request_["url"].endswith("/v1/projects/shop-example/messages:send")
    asked = json.loads(request_["body"])
    validator = jsonschema_rs.validator_for(closed(FCM["request"]))
    assert [error.message for error in validator.iter_errors(asked)] == []
    message = asked["message"]
    assert not [name for name in message.get("data", {}) if name in ("from", "message_type")]
    assert not [name for name in message.get("data", {}) if name.startswith(("google", "gcm"))]
    options = [part.get("fcmOptions", {}) for part in message.values() if isinstance(part, dict)]
    links = [option["link"] for option in options if "link" in option]
    assert all(link.startswith("https://") for link in links)  # "For all URL values, HTTPS is required"
    assert 0 <= int(message["android"]["ttl"].removesuffix("s")) <= 4 * 7 * 86_400
    assert len(message["apns"]["headers"]["apns-collapse-id"].encode()) <= 64
    assert all(isinstance(value, str) for value in message["apns"]["headers"].values())


def test_the_scope_of_fcm_is_a_published_one():
    assert fcm.SCOPE in FCM["scopes"]


@pytest.mark.parametrize("request_, case", requests("amazon_ses"))
def test_amazon_ses_takes_the_request(request_, case):
    operation = SES.operation_model("SendEmail")
    assert request_["method"] == operation.http["method"]
    assert request_["url"].endswith(operation.http["requestUri"])
    mail = json.loads(request_["body"])
    report = botocore.validate.ParamValidator().validate(mail, operation.input_shape)
    assert not report.has_errors(), report.generate_report()
    for header in mail["Content"]["Simple"]["Headers"]:
        assert header["Value"].isascii() and len(header["Value"]) <= 995
    assert all(address.isascii() and "\n" not in address for address in mail["Destination"]["ToAddresses"])


@pytest.mark.parametrize("request_, case", requests("amazon_ses"))
def test_amazon_would_sign_the_request_as_we_do(request_, case, monkeypatch):
    """Botocore, given the same request at the same instant, makes the same signature."""
    given = ACCOUNTS["amazon_ses"][case["account"]]
    settings, secrets = given["settings"], given["secrets"]
    credentials = botocore.credentials.Credentials(
        settings["access_key_id"], secrets["secret_access_key"], secrets.get("session_token")
    )
    headers = {"Content-Type": request_["headers"]["Content-Type"]}
    theirs = botocore.awsrequest.AWSRequest("POST", request_["url"], headers, request_["body"].encode())
    stamp = request_["headers"]["X-Amz-Date"]
    assert stamp == "20260101T100000Z"  # the instant of the attempt in every case
    instant = datetime(2026, 1, 1, 10, tzinfo=UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: instant)
    signer = botocore.auth.SigV4Auth(credentials, "ses", settings["region"])
    signer.add_auth(theirs)
    assert theirs.headers["X-Amz-Date"] == stamp
    assert theirs.headers["Authorization"] == request_["headers"]["Authorization"]
    assert theirs.headers.get("X-Amz-Security-Token") == request_["headers"].get("X-Amz-Security-Token")


@pytest.mark.parametrize("request_, case", requests("unisender_go"))
def test_unione_knows_the_fields_of_the_request(request_, case):
    assert request_["url"].endswith("/transactional/api/v1/email/send.json")
    message = json.loads(request_["body"])["message"]
    assert not message.keys() - set(UNIONE["message"])
    assert message["template_engine"] in ("simple", "velocity", "liquid", "none")


@pytest.mark.parametrize("request_, case", requests("telegram"))
def test_telegram_takes_the_request(request_, case):
    method, given = request_["url"].rpartition("/")[2], json.loads(request_["body"])
    assert spec.bot_parameters(method, given).keys() == given.keys()


@pytest.mark.parametrize("request_, case", requests("twilio_voice"))
def test_twilio_takes_the_request(request_, case):
    given = parse_qs(request_["body"], keep_blank_values=True)
    assert spec.twilio_problem("CreateCall", given) == ("", "")
    known = json.loads(spec._text("twilio.json"))["CreateCall"]["properties"]
    assert not given.keys() - known.keys()


@pytest.mark.parametrize("request_, case", requests("whatsapp"))
def test_whatsapp_takes_the_request(request_, case):
    """`recipient` and `biz_opaque_callback_data` are younger than the description; it has no captions."""
    told, meta = json.loads(request_["body"]), described()
    told["to"] = told.pop("recipient", None) or told["to"]
    assert told.pop("biz_opaque_callback_data", "ref") and request_["url"].endswith(
        "/106540352242922/messages"
    )
    kind = told["type"]
    schema = closed(meta["messages"][kind])
    if kind in ("image", "video", "document"):
        told[kind] = {"link": told[kind]["link"]}
        schema["properties"][kind] = {"type": "object"}
    assert [error.message for error in jsonschema_rs.validator_for(schema).iter_errors(told)] == []
    if kind == "interactive" and told[kind]["type"] == "button":
        buttons = jsonschema_rs.validator_for(closed(meta["actions"]["button"]))
        assert [error.message for error in buttons.iter_errors(told[kind]["action"])] == []


def test_a_wrong_request_does_fit_none_of_the_descriptions():
    validator = jsonschema_rs.validator_for(closed(SENDGRID["request"]), validate_formats=True)
    wrong = {"personalizations": [{"to": [{"email": "no address"}], "custom": {}}], "from": {}, "subject": ""}
    assert len(list(validator.iter_errors(wrong))) >= 5
    assert list(jsonschema_rs.validator_for(closed(MAILGUN["request"])).iter_errors({"o:tracking": "off"}))
    shape = SES.operation_model("SendEmail").input_shape
    assert botocore.validate.ParamValidator().validate({"Content": {"Simple": {}}}, shape).has_errors()


def test_every_published_word_has_its_row():
    assert set(MAILGUN["events"]) == mailgun.EVENTS.keys()
    assert set(POSTMARK["bounce_types"]) == postmark.BOUNCES.keys()
    assert set(UNIONE["statuses"]) == unisender_go.STATUSES.keys()
    assert set(UNIONE["delivery_statuses"]) <= unisender_go.DELIVERY.keys()
    # "duplicate" stands beside the address that was taken
    assert set(UNIONE["failed_emails"]) - {"duplicate"} == unisender_go.REFUSED.keys()
    calls = json.loads(spec._text("twilio.json"))["call_enum_status"]["enum"]
    assert set(calls) <= twilio_voice.STATUSES.keys()
    assert set(described()["statuses"]) <= whatsapp.STATUSES.keys()
    assert set(described()["message_status"]) == {"accepted", "held_for_quality_assessment", "paused"}


def test_every_event_and_error_of_amazon_has_its_row():
    events = {name.upper().replace(" ", "") for name in amazon_ses.EVENTS}
    assert {name.replace("_", "") for name in SES.shape_for("EventType").enum} == events
    errors = {shape.name for shape in SES.operation_model("SendEmail").error_shapes}
    assert errors <= amazon_ses.ERRORS.keys()
    types = {kind.upper() for kind, _ in amazon_ses.BOUNCES}
    assert types == set(SES.shape_for("BounceType").enum)


def test_every_documented_refusal_of_sendgrid_has_its_reason():
    refused = {int(status) for status in SENDGRID["statuses"] if 400 <= int(status) < 500}
    assert refused <= sendgrid.REFUSALS.keys()

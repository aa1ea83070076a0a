"""The Telegram Gateway's file against the API as tgateway reads and writes it."""

import json
from pathlib import Path

import pytest
import time_machine
from tgateway.exceptions import api_error_code_to_exception
from tgateway.integrity import SignatureInvalidError, validate_report_integrity
from tgateway.methods import SendVerificationMessage
from tgateway.types import RequestStatus, TelegramGatewayResult

from kaskad.domain.errors import BadSignature, SendError
from kaskad.domain.terms import Channel, Reason
from kaskad.providers.base import Account, Outgoing, Request
from kaskad.providers.telegram_gateway import ERRORS, TelegramGateway

HERE = Path(__file__).parent
CASES = {p.stem: json.loads(p.read_text()) for p in (HERE / "cases/telegram_gateway").glob("*.json")}
GATEWAY = TelegramGateway()
ACCOUNT = Account(1, "codes", "telegram_gateway", Channel.TELEGRAM, {}, {"token": "TESTTOKEN"})


def outgoing(text, to="+79000000001"):
    return Outgoing("ref", "k", Channel.TELEGRAM, to, 0, text=text)


@pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if "Request" in case.get("request", {})]
)
def test_what_we_send_is_what_tgateway_knows_of_the_method(name):
    fields = json.loads(CASES[name]["request"]["Request"]["body"])
    assert fields.keys() <= SendVerificationMessage.model_fields.keys()
    SendVerificationMessage.model_validate(fields)


def test_the_answers_and_reports_of_our_cases_are_those_that_tgateway_reads():
    answers = [CASES[name]["response"]["body"] for name in CASES if name.startswith("accepted")]
    assert all(TelegramGatewayResult[RequestStatus].model_validate_json(body).result for body in answers)
    known = ("sent", "read", "revoked")  # it is older than delivered and expired
    bodies = [case["webhook"]["body"] for name, case in CASES.items() if name.endswith(known)]
    assert len([RequestStatus.model_validate_json(body) for body in bodies]) == 3


def test_every_error_that_tgateway_knows_has_its_row():
    assert api_error_code_to_exception.keys() - {"FLOOD_WAIT_%d"} == ERRORS.keys()


def test_the_signature_is_the_one_of_the_vector_and_of_tgateway():
    vectors = json.loads((HERE / "payloads/signature_vectors.json").read_text())["vectors"]
    vector = next(each for each in vectors if each["provider"] == "telegram_gateway")
    body, stamp = vector["body"].encode(), int(vector["timestamp"])
    headers = {"x-request-timestamp": vector["timestamp"], "x-request-signature": vector["signature"]}
    GATEWAY.verify_webhook(Request("POST", "", headers, body), ACCOUNT, stamp * 1000)
    with time_machine.travel(stamp, tick=False):
        validate_report_integrity("TESTTOKEN", stamp, vector["signature"], body)
        with pytest.raises(SignatureInvalidError):
            validate_report_integrity("TESTTOKEN", stamp, "0" * 64, body)
    with pytest.raises(BadSignature, match="five minutes"):
        GATEWAY.verify_webhook(Request("POST", "", headers, body), ACCOUNT, stamp * 1000 + 400_000)
    with pytest.raises(BadSignature):
        GATEWAY.verify_webhook(Request("POST", "", headers, body + b" "), ACCOUNT, stamp * 1000)


@pytest.mark.parametrize("text, taken", [
    ("1234", True), ("12345678", True), (" 004217\n", True), ("123", False), ("123456789", False),
    ("", False), ("Your code: 1234", False), ("12 34", False), ("١٢٣٤", False),
])  # fmt: skip
def test_a_code_is_sent_and_no_other_text(text, taken):
    if taken:
        fields = json.loads(GATEWAY.build_request(outgoing(text), ACCOUNT).body)
        assert fields["code"] == text.strip()
        return
    with pytest.raises(SendError, match="codes only") as caught:
        GATEWAY.build_request(outgoing(text), ACCOUNT)
    assert caught.value.reason is Reason.CONTENT


def test_a_chat_is_no_address_of_the_gateway_and_stays_good():
    with pytest.raises(SendError, match="a chat with a bot") as caught:
        GATEWAY.build_request(outgoing("1234", "100200"), ACCOUNT)
    assert caught.value.reason is Reason.WINDOW

"""The provider that CONTRIBUTING adds works, on the case that stands beside it."""

import json
import re
from pathlib import Path

import pytest

from kaskad.domain.errors import BadSignature, SendError
from kaskad.domain.terms import Channel, Reason
from kaskad.providers.base import Account, Outgoing, Provider, Request, Response
from providers.test_cases import shown

TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text("utf-8")
ACCOUNT = Account(
    1, "sms", "courier", Channel.SMS, {"sender": "SHOP"}, {"api_key": "key", "webhook_secret": "secret"}
)


def block(language):
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    return found


@pytest.fixture
def courier():
    names: dict[str, object] = {}
    exec(compile(block("python"), "CONTRIBUTING.md", "exec"), names)
    (found,) = (one for one in names.values() if isinstance(one, type) and issubclass(one, Provider)
                and one is not Provider)  # fmt: skip
    return found()


def test_its_case_holds(courier):
    case = json.loads(block("json"))
    hook = Request("POST", "https://k.example.org/hooks/sms", case["webhook"]["headers"],
                   case["webhook"]["body"].encode())  # fmt: skip
    courier.verify_webhook(hook, ACCOUNT, case["now"])
    assert [shown(item) for item in courier.read_webhook(hook, ACCOUNT)] == case["read"]
    with pytest.raises(BadSignature):
        courier.verify_webhook(
            Request("POST", hook.url, hook.headers, hook.body + b" "), ACCOUNT, case["now"]
        )


def test_it_sends_and_knows_why_not(courier):
    outgoing = Outgoing("reference", "5:1:0", Channel.SMS, "+79000000001", 0, text="Hello")
    request = courier.build_request(outgoing, ACCOUNT)
    assert request.headers["Idempotency-Key"] == "5:1:0" and request.json()["text"] == "Hello"
    assert courier.read_response(Response(201, {}, b'{"id": "m-1"}')).provider_id == "m-1"
    for status, body, reason in (
        (422, b'{"error": "bad_number"}', Reason.INVALID_ADDRESS),
        (402, b'{"error": "no_funds"}', Reason.AUTH),
        (429, b"", Reason.RATE_LIMITED),
        (502, b"", Reason.AMBIGUOUS),
    ):
        with pytest.raises(SendError) as refused:
            courier.read_response(Response(status, {}, body))
        assert refused.value.reason is reason

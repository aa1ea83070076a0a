"""Every request to a messenger that we build and every word that we read, held against what it publishes.

The requests are those of the cases. `specs/ORIGIN.md` tells where the descriptions come from.
"""

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jsonschema_rs
import pytest

from kaskad.domain.terms import Channel
from kaskad.providers import base
from kaskad.providers import max as max_

HERE = Path(__file__).parent
MAX_SPEC = json.loads((HERE / "specs/max.json").read_text())
MAX_SPEC["$defs"]["MessageBody"]["required"].remove("link")  # published updates have it beside the body
MAX_SPEC["$defs"]["User"]["required"].remove("username")  # nor has everybody one there
POLLED = base.Account(1, "chat", "max", Channel.MAX, {}, {"token": "t"})
HOOKED = base.Account(1, "chat", "max", Channel.MAX, {"mode": "webhook"}, {"token": "t"})


def cases(name):
    return {path.stem: json.loads(path.read_text()) for path in (HERE / "cases" / name).glob("*.json")}


def requests(name):
    """Return the requests in the cases of a provider."""
    found = {stem: case["request"]["Request"] for stem, case in cases(name).items()
             if "Request" in case.get("request", {})}  # fmt: skip
    assert found, f"{name} has no case with a request"
    return [pytest.param(request, id=f"{name}/{stem}") for stem, request in sorted(found.items())]


def of_max(name, *, closed=True):
    """Return what checks a value against one of MAX's schemas; `closed` refuses fields that it doesn't name.

    In lists an object's `type` says which schema it is; in `allOf` the same name stands for its base alone.
    """
    defs = MAX_SPEC["$defs"]
    text = json.dumps({key: {k: v for k, v in part.items() if k[0] != "$" or k == "$ref"}
                       for key, part in defs.items()})  # fmt: skip
    for key, part in defs.items():
        listed = f'"items": {{"$ref": "#/$defs/{key}"}}'
        if "$mapping" in part:
            text = text.replace(listed, f'"items": {{"$ref": "#/$defs/Any{key}"}}')
    parts = json.loads(text)
    for key, part in defs.items():
        if "$mapping" in part:
            parts[f"Any{key}"] = {"oneOf": [
                {"$ref": f"#/$defs/{wanted}", "properties": {"type": {"const": word}}, "required": ["type"],
                 "unevaluatedProperties": False}
                for word, wanted in part["$mapping"].items()
            ]}  # fmt: skip
    schema = {"$ref": f"#/$defs/{name}", "unevaluatedProperties": not closed, "$defs": parts}
    return jsonschema_rs.validator_for({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


@pytest.mark.parametrize("request_", requests("max"))
def test_max_takes_the_request(request_):
    where = urlsplit(request_["url"])
    assert where.path.removeprefix("/max") == "/messages" and request_["headers"]["Authorization"]
    assert parse_qs(where.query).keys() <= MAX_SPEC["queries"]["/messages"].keys()
    body = json.loads(request_["body"])
    assert [error.message for error in of_max("NewMessageBody").iter_errors(body)] == []


@pytest.mark.parametrize("stem", ["receipt", "inbound", "inbound_reply", "inbound_started_by_link"])
def test_an_update_of_ours_is_one_of_max(stem):
    body = json.loads(cases("max")[stem]["webhook"]["body"])
    name = "".join(word.title() for word in body["update_type"].split("_")) + "Update"
    assert [error.message for error in of_max(name, closed=False).iter_errors(body)] == []


def test_the_other_requests_to_max_are_those_of_its_schema():
    (subscribe,) = max_.Max().setup_requests(HOOKED, "https://k.example.org/hooks/chat")
    assert of_max("SubscriptionRequestBody").is_valid(json.loads(subscribe.body))
    body = cases("max")["receipt"]["webhook"]["body"].encode()
    told = max_.Max().read_webhook(base.Request("POST", "", {}, body), HOOKED)
    (answer,) = max_.Max().follow_up(told, HOOKED)
    assert of_max("CallbackAnswer").is_valid(json.loads(answer.body))
    poll = max_.Max().poll_request(POLLED, "5")
    asked = parse_qs(urlsplit(poll.url).query)
    assert asked.keys() <= MAX_SPEC["queries"]["/updates"].keys()
    assert int(asked["timeout"][0]) <= 90 and int(asked["limit"][0]) <= 1000


def test_every_kind_of_update_that_max_publishes_has_its_row():
    assert set(MAX_SPEC["updates"]) == max_.UPDATES.keys()


def test_a_wrong_request_fits_none_of_the_descriptions():
    keyboard = {"type": "inline_keyboard", "payload": {"buttons": [[{"type": "callback", "text": "x"}]]}}
    right = {"text": "x", "attachments": None, "link": None}
    check = of_max("NewMessageBody")
    assert check.is_valid(right)
    assert not check.is_valid({**right, "other": 1})
    assert not check.is_valid({**right, "attachments": [keyboard]})  # a button without its payload
    assert not check.is_valid({**right, "text": "x" * 4001})

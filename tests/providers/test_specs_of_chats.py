"""Every request to a messenger that we build and every word that we read, held against what it publishes.

The requests are those of the cases. `specs/ORIGIN.md` tells where the descriptions come from.
"""

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jsonschema_rs
import pytest

from kaskad.domain.terms import Channel
from kaskad.providers import base, vk
from kaskad.providers import max as max_

HERE = Path(__file__).parent
MAX_SPEC = json.loads((HERE / "specs/max.json").read_text())
MAX_SPEC["$defs"]["MessageBody"]["required"].remove("link")  # published updates have it beside the body
MAX_SPEC["$defs"]["User"]["required"].remove("username")  # nor has everybody one there
VK_SPEC = json.loads((HERE / "specs/vk.json").read_text())
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


def of_vk(name):
    schema = {"$ref": f"#/$defs/{name}", "$defs": VK_SPEC["$defs"]}
    return jsonschema_rs.validator_for({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def takes(method, told):
    """Say what of a form is not as VK describes the method; `access_token` and `v` go with every one."""
    known, given = VK_SPEC["methods"][method]["parameters"], {**told}
    assert given.pop("access_token") and given.pop("v")
    problems = [f"{name} is unknown" for name in given.keys() - known.keys()]
    problems += [
        f"{name} is missing" for name, each in known.items() if each["required"] and name not in given
    ]
    for name in given.keys() & known.keys():
        value, kind = given[name], known[name]
        if kind["type"] == "integer" and not -(1 << 31) <= int(value) < 1 << (63 if "format" in kind else 31):
            problems.append(f"{name} is too large")
        if len(value) > kind.get("maxLength", 1 << 30):
            problems.append(f"{name} is too long")
    return problems


@pytest.mark.parametrize("request_", requests("vk"))
def test_vk_takes_the_request(request_):
    told = {name: values[0] for name, values in parse_qs(request_["body"]).items()}
    assert takes(request_["url"].rpartition("/")[2], told) == []
    if "keyboard" in told:
        check = of_vk("messages_keyboard")
        assert [error.message for error in check.iter_errors(json.loads(told["keyboard"]))] == []


def test_the_answer_to_a_press_is_one_of_vk():
    account = base.Account(1, "vk", "vk", Channel.VK, {}, {"token": "t"})
    hook = base.Request("POST", "", {}, cases("vk")["receipt_pressed"]["webhook"]["body"].encode())
    (answer,) = vk.Vk().follow_up(vk.Vk().read_webhook(hook, account), account)
    told = {name: values[0] for name, values in parse_qs(answer.body.decode()).items()}
    assert takes(answer.url.rpartition("/")[2], told) == []


OBJECTS = {"message_new": "message_object", "message_event": "message_event", "message_read": "message_read",
           "message_allow": "message_allow", "message_deny": "message_deny",
           "message_reaction_event": "message_reaction_event"}  # fmt: skip


@pytest.mark.parametrize(
    "stem", sorted(name for name in cases("vk") if name.startswith(("receipt", "inbound")))
)
def test_an_event_of_ours_is_one_of_vk(stem):
    body = json.loads(cases("vk")[stem]["webhook"]["body"])
    told = body.pop("object")
    assert of_vk("callback_base").is_valid(body)
    if body["type"] == "message_event" and isinstance(told["payload"], dict):
        told["payload"] = json.dumps(told["payload"])  # the schema says text, what comes is an object
    assert [error.message for error in of_vk(f"callback_{OBJECTS[body['type']]}").iter_errors(told)] == []


def test_every_published_error_of_sending_and_event_of_messages_has_its_row():
    assert set(VK_SPEC["methods"]["messages.send"]["errors"]) <= vk.ERRORS.keys()
    published = {name for name in VK_SPEC["events"] if name.startswith("message_")}
    assert published <= vk.EVENTS.keys()
    sent = json.loads(cases("vk")["accepted"]["response"]["body"])["response"][0]
    assert of_vk("messages_send_user_ids_response_item").is_valid(sent)


def test_a_wrong_request_fits_none_of_the_descriptions():
    keyboard = {"type": "inline_keyboard", "payload": {"buttons": [[{"type": "callback", "text": "x"}]]}}
    right = {"text": "x", "attachments": None, "link": None}
    check = of_max("NewMessageBody")
    assert check.is_valid(right)
    assert not check.is_valid({**right, "other": 1})
    assert not check.is_valid({**right, "attachments": [keyboard]})  # a button without its payload
    assert not check.is_valid({**right, "text": "x" * 4001})
    told = {"access_token": "t", "v": "5.199", "peer_ids": "1", "random_id": str(1 << 40), "text": "x"}
    assert takes("messages.send", told) == ["text is unknown", "random_id is too large"]
    assert not of_vk("messages_keyboard").is_valid({"one_time": False, "buttons": [[{"action": {}}]]})

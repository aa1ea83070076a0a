"""Every provider against its cases: what we build, and what we read in the provider's own words.

A case is a JSON file: `source` of the payload, what it `covers`, a `message` with the provider's `response`
or `reply`, a `webhook`, or a `look_up`; and our half, `request` or `mail`, `read` and what we `answer`, which
`--update-cases` rewrites. What a service tells over a standing connection is `events`, to which our half adds
`requests`. Where the protocol is one of bytes, our half is `pdus` and the service's an `answer` or what was
`heard`, all in hexadecimal. A case that names a `payload` holds that published file, byte for byte; where
those come from is told in `payloads/SOURCES.md`.
"""

import json
import re
from base64 import b64encode
from pathlib import Path

import msgspec
import pytest

from kaskad.domain.errors import BadSignature, SendError
from kaskad.domain.terms import Coded, Kind, Reason
from kaskad.providers import PROVIDERS
from kaskad.providers.apprise import Verdict
from kaskad.providers.base import Accepted, Account, Outgoing, Request, Response, Sent
from kaskad.providers.smpp_pdu import read_pdu
from kaskad.providers.smtp import Reply

HERE = Path(__file__).parent
CASES = sorted((HERE / "cases").glob("*/*.json"))
ACCOUNTS = json.loads((HERE / "accounts.json").read_text())
SENDS = {"accepted", "rejected", "throttled"}
REPORTS = {"receipt", "bad_signature"}
UNTOLD = {"apprise": {"throttled"}}  # it says no, and not why


def account(provider, name):
    return msgspec.convert({"id": 1, "name": name, "provider": provider, **ACCOUNTS[provider][name]}, Account)


def shown(value):
    """Return a value as it stands in a case: without defaults, enumerations by name."""
    if isinstance(value, SendError):
        fields = ("reason", "detail", "code", "retry_after_ms", "accepted")
        return {"error": {name: shown(getattr(value, name)) for name in fields}}
    if isinstance(value, msgspec.Struct):
        defaults = dict(zip(value.__struct_fields__[::-1], value.__struct_defaults__[::-1], strict=False))
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        told = {n: shown(v) for n, v in fields.items() if n not in defaults or v != defaults[n]}
        return {type(value).__name__: told}
    if isinstance(value, Coded):
        return value.value
    if isinstance(value, Kind):
        return value.name.lower()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": b64encode(value).decode()}
    if isinstance(value, tuple):
        return [shown(item) for item in value]
    return value


def attempt(function, *arguments):
    try:
        return shown(function(*arguments))
    except SendError as error:
        return shown(error)


def ours(case, provider):
    """Return our half of a case."""
    chosen = account(provider.name, case.get("account", "one"))
    if "webhook" in case:
        got = case["webhook"]
        url = got.get("url", "https://k.example.org/hooks/1")
        hook = Request("POST", url, got["headers"], got["body"].encode(), got.get("key", "").encode())
        try:
            provider.verify_webhook(hook, chosen, case["now"])
            read = {"read": [shown(item) for item in provider.read_webhook(hook, chosen)]}
            kind, words = provider.answer_webhook(hook, chosen)
            return {**read, "answer": [kind, words.decode()]} if words else read
        except BadSignature as error:
            return {"read": {"bad_signature": str(error)}}
        except ValueError:
            return {"read": "unreadable"}
    if "events" in case:
        told, requests, calls = [], [], {}
        for event in case["events"]:
            step = provider.step(json.dumps(event).encode(), calls, chosen)
            if step is not None:
                told += step.told
                requests += [*step.requests, *([step.later[1]] if step.later else [])]
                calls = {step.call.channel: step.call} if step.call else {}
        return {"read": [shown(one) for one in told], "requests": [shown(one) for one in requests]}
    if "heard" in case:
        try:
            return {"read": [shown(provider.read_heard(read_pdu(bytes.fromhex(case["heard"])), chosen))]}
        except ValueError:
            return {"read": "unreadable"}
    if "look_up" in case:
        sent = msgspec.convert(case["look_up"]["sent"], Sent)
        asked = shown(provider.look_up(sent, chosen, case["now"]))
        read = attempt(provider.read_look_up, answered(case["look_up"]["response"]), sent, chosen)
        told = read if isinstance(read, dict) else {"told": [shown(one) for one in read[0]], "all": read[1]}
        return {"request": asked, "read": told}
    outgoing = msgspec.convert(case["message"], Outgoing)
    if "answer" in case:
        pdus = [part.octets().hex() for part in provider.build_parts(outgoing, chosen)]
        answer = read_pdu(bytes.fromhex(case["answer"]))
        read = attempt(lambda: Accepted(provider.read_submitted(answer, chosen)))
        return {"pdus": pdus, "read": read}
    if "verdict" in case:
        verdict = msgspec.convert(case["verdict"], Verdict)
        note = attempt(provider.build_note, outgoing, chosen)
        return {"note": note, "read": attempt(provider.read_verdict, verdict, outgoing.to)}
    if "reply" in case:
        reply = msgspec.convert(case["reply"], Reply)
        mail = shown(provider.build_mail(outgoing, chosen))
        return {"mail": mail, "read": attempt(provider.read_reply, reply)}
    return {
        "request": attempt(provider.build_request, outgoing, chosen),
        "read": attempt(provider.read_response, answered(case["response"])),
    }


def answered(answer):
    return Response(answer["status"], answer["headers"], answer["body"].encode())


def holds(body, published):
    """Say whether a body is the published text: whole, signed, inside an envelope, or as a text there (SNS).

    Some publish what is signed without the signature, which then stands first in the body, or with dots or a
    signature by some other secret in its place.
    """
    unsigned = re.sub(r'("sig(?:nature)?": )"[0-9A-Fa-f]{64}"', r'\1"..."', body)
    return (
        published in (body, unsigned)
        or unsigned == re.sub(r'("sig": )"[0-9A-F]{64}"', r'\1"..."', published)
        or f"[{published}]" in body
        or body.endswith(published.removeprefix("{"))
        or (body.startswith("{") and json.loads(body).get("Message") == published)
    )


def test_a_payload_is_held_byte_for_byte():
    assert holds('{"a": 1}\n', '{"a": 1}\n') and holds('{"auth":"x", "a": 1}', '{ "a": 1}')
    assert holds('{"signature": "%s", "a": 1}' % ("0a" * 32), '{"signature": "...", "a": 1}')
    assert holds(json.dumps({"Type": "Notification", "Message": '{ "a": 1 }'}), '{ "a": 1 }')
    assert not holds('{"a":1}', '{"a": 1}') and not holds('{"auth":"x", "a":1}', '{ "a": 1}')


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_we_build_and_read_what_the_case_says(path, request):
    case = json.loads(path.read_text())
    built = ours(case, PROVIDERS[path.parent.name])
    if request.config.getoption("--update-cases", default=False):
        path.write_text(json.dumps({**case, **built}, ensure_ascii=False, indent=2) + "\n")
        return
    assert built == {name: case.get(name) for name in built}
    assert case["source"], "a case names where its payload is documented"
    if "payload" in case:
        half = case.get("response") or case.get("webhook") or case["look_up"]["response"]
        body = half["body"]
        assert holds(body, (HERE / "payloads" / case["payload"]).read_text())


@pytest.mark.parametrize("name", [name for name, each in PROVIDERS.items() if not each.own])
def test_a_provider_has_its_cases(name):
    covered = {json.loads(path.read_text())["covers"] for path in CASES if path.parent.name == name}
    told = PROVIDERS[name].capabilities.receipts
    needed = SENDS - UNTOLD.get(name, set())
    needed |= (REPORTS if told else set()) - ({"receipt"} if told == {Kind.REPLIED} else set())
    needed |= {"look_up"} if PROVIDERS[name].capabilities.look_ups else set()
    assert needed <= covered, f"{name} has no case of: {', '.join(sorted(needed - covered))}"


@pytest.mark.parametrize("name", PROVIDERS)
def test_what_a_case_covers_is_what_we_read_in_it(name):
    for path in CASES:
        case = json.loads(path.read_text())
        if path.parent.name != name:
            continue
        error = case["read"].get("error", {}) if isinstance(case["read"], dict) else {}
        match case["covers"]:
            case "accepted":
                assert "Accepted" in case["read"], path
            case "rejected":
                assert error["reason"] != Reason.RATE_LIMITED.value, path
            case "throttled":
                assert error["reason"] == Reason.RATE_LIMITED.value and error["accepted"] is False, path
            case "unknown":
                assert error["accepted"] is None, path
            case "bad_signature":
                assert "bad_signature" in case["read"], path
            case "look_up":
                assert "error" in case["read"] or case["read"]["told"] or not case["read"]["all"], path
            case "receipt":
                assert all("Receipt" in item for item in case["read"]) and case["read"], path


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_describes_itself(name):
    provider = PROVIDERS[name]
    assert provider.name == name and provider.title and provider.channels and type(provider).__doc__
    assert len({setting.name for setting in provider.settings}) == len(provider.settings)


@pytest.mark.parametrize("name", [name for name in PROVIDERS if not PROVIDERS[name].own])  # which has no wire
def test_a_provider_tells_by_itself_what_its_cases_tell_and_no_more(name):
    reads = [json.loads(path.read_text())["read"] for path in CASES if path.parent.name == name]
    told = [next(iter(item.values())) for read in reads if isinstance(read, list) for item in read]
    kinds = {Kind[item["kind"].upper()] for item in told if item.get("kind")}
    of_chats = {Kind.STARTED, Kind.BLOCKED, Kind.UNBLOCKED}
    able = PROVIDERS[name].capabilities.receipts
    assert kinds - of_chats <= able, f"{name} has no word for {kinds - of_chats - able} in its capabilities"
    assert able <= kinds, f"{name} has no case of {able - kinds}"

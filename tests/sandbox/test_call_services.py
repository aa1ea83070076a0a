"""Voximplant's and MTS Exolve's calls: Kaskad's own transport and adapters, and Voximplant's own library."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from msgspec.structs import replace
from voximplant.apiclient import VoximplantAPI
from voximplant.apiclient.client import VoximplantException

from kaskad.domain.errors import BadSignature
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.providers import provider
from kaskad.providers.base import Outgoing, Receipt, Response, Sent
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.serve import Sandbox
from kaskad.sandbox.servers.voximplant import Voximplant
from support.carried import account_of, carry, heard
from support.world import ANN, Receiver, profile, wait_for

SERVICES = {"voximplant": "voximplant", "mts_exolve_voice": "exolve_voice"}  # provider: server
REFERENCE = urlsafe_b64encode(bytes(range(1, 19))).decode()
SAID = (
    "Здравствуйте! Ваш заказ собран и ждёт вас. Нажмите 1, чтобы подтвердить, 9, чтобы мы больше не звонили."
)
services = pytest.mark.parametrize("name", SERVICES)


def order(receiver: Receiver, sandbox: Sandbox, name: str) -> Outgoing:
    keys = {"1": "confirm", "9": "opt_out"} if name == "voximplant" else {}
    url = f"{receiver.url}/hooks/{account_of(sandbox, name).name}"
    return Outgoing(REFERENCE, "5:1:0", Channel.ROBOT_CALL, ANN.phone, 0, say=SAID, keys=keys, status_url=url)


def begun(start: Callable[..., Sandbox], name: str, people: str, **more: Any) -> Sandbox:
    habits = profile(call=f"{{pick_up: {{median: 1}}, think: {{median: 1}}, {people}}}")
    return start(servers=(SERVICES[name],), time_factor=100, profile=habits, **more)


def told(sandbox: Sandbox, receiver: Receiver, name: str) -> list[Receipt]:
    found = heard(sandbox, receiver, account_of(sandbox, name))
    return [one for one in found if isinstance(one, Receipt) and one.kind is not None]


def last(sandbox: Sandbox, receiver: Receiver, name: str) -> Receipt:
    return wait_for(lambda: [one for one in told(sandbox, receiver, name) if one.kind is not Kind.SENT])[-1]


@services
def test_a_call_is_heard_to_the_end(start: Callable[..., Sandbox], receiver: Receiver, name: str) -> None:
    sandbox = begun(start, name, "presses: 0")
    (result,) = carry(sandbox, account_of(sandbox, name), order(receiver, sandbox, name))
    assert (result.reason, result.kind) == (None, None) and result.provider_id
    found = last(sandbox, receiver, name)
    assert (found.kind, found.provider_id) == (Kind.ANSWERED, result.provider_id)
    (call,) = sandbox.phones[0].calls
    assert call.heard[0] == SAID and call.status == "completed"


def test_a_key_is_told_and_thanked_for(start: Callable[..., Sandbox], receiver: Receiver) -> None:
    sandbox = begun(start, "voximplant", "presses: 1")
    carry(sandbox, account_of(sandbox, "voximplant"), order(receiver, sandbox, "voximplant"))
    pressed = wait_for(
        lambda: [one for one in told(sandbox, receiver, "voximplant") if one.kind is Kind.KEYPRESS]
    )
    assert [(one.key, one.reference) for one in pressed] == [("1", REFERENCE)]
    ended = wait_for(lambda: [one for one in told(sandbox, receiver, "voximplant") if one.name == "ended"])
    assert ended[0].cost is not None and ended[0].cost.minor == 120
    assert sandbox.phones[0].calls[0].heard[-1].startswith(("Спасибо", "Thank"))


def test_a_machine_is_hung_up_on(start: Callable[..., Sandbox], receiver: Receiver) -> None:
    sandbox = begun(start, "voximplant", "machine: 1")
    carry(sandbox, account_of(sandbox, "voximplant"), order(receiver, sandbox, "voximplant"))
    assert last(sandbox, receiver, "voximplant").kind is Kind.MACHINE_ANSWERED
    assert sandbox.phones[0].calls[0].heard == []


@services
@pytest.mark.parametrize(("people", "code"), [("busy: 1", "busy"), ("no_answer: 1", "no_answer")])
def test_a_call_that_nobody_takes_says_why_in_the_same_words(
    start: Callable[..., Sandbox], receiver: Receiver, name: str, people: str, code: str
) -> None:
    sandbox = begun(start, name, people)
    carry(sandbox, account_of(sandbox, name), order(receiver, sandbox, name))
    found = last(sandbox, receiver, name)
    assert (found.kind, found.code) == (Kind.FAILED, code)


@services
def test_a_number_of_nobody_does_not_exist(
    start: Callable[..., Sandbox], receiver: Receiver, name: str
) -> None:
    sandbox = begun(start, name, "presses: 1")
    carry(sandbox, account_of(sandbox, name), replace(order(receiver, sandbox, name), to="+79000000999"))
    found = last(sandbox, receiver, name)
    assert (found.kind, found.code, found.reason) == (Kind.FAILED, "invalid_number", Reason.INVALID_ADDRESS)


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
    sandbox = begun(start, name, "presses: 1")
    sandbox.set_faults(Fault(SERVICES[name], kind, left=1))
    patience = 1 if kind == "hang" else 10
    told = order(receiver, sandbox, name)
    (result,) = carry(sandbox, account_of(sandbox, name), told, timeout_s=patience)
    assert result.reason is not None and (reason is None or result.reason is reason)
    assert (result.accepted is None) == (kind in ("error", "hang"))
    if kind == "hang":  # it rings all the same
        wait_for(lambda: sandbox.phones[0].calls)


@services
def test_forged_reports_are_refused(start: Callable[..., Sandbox], receiver: Receiver, name: str) -> None:
    sandbox = begun(start, name, "busy: 1")
    sandbox.set_faults(Fault(SERVICES[name], "bad_signature"))
    carry(sandbox, account_of(sandbox, name), order(receiver, sandbox, name))
    wait_for(lambda: receiver.arrivals)
    with pytest.raises(BadSignature):
        told(sandbox, receiver, name)


@services
def test_how_a_call_ended_can_be_asked(start: Callable[..., Sandbox], receiver: Receiver, name: str) -> None:
    sandbox = begun(start, name, "presses: 0")
    sandbox.set_faults(Fault(SERVICES[name], "lost"))
    account, carrying = account_of(sandbox, name), provider(name)
    (result,) = carry(sandbox, account, order(receiver, sandbox, name))
    sent = Sent(result.provider_id, sandbox.world.pace.now())

    def asked() -> tuple[list[Receipt], bool]:
        request = carrying.look_up(sent, account, sandbox.world.pace.now())
        answer = httpx2.request(
            request.method, request.url, headers=dict(request.headers), content=request.body, trust_env=False
        )
        return carrying.read_look_up(Response(answer.status_code, {}, answer.content), sent, account)

    (found,) = wait_for(lambda: asked()[0] if asked()[1] else None)
    if name == "voximplant":  # its history knows the seconds and the money, not who listened
        assert found.kind is Kind.DELIVERED and found.cost is not None and found.cost.minor == 120
    else:
        assert found.kind is Kind.ANSWERED


def test_voximplants_own_library_starts_and_looks(
    start: Callable[..., Sandbox], receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = begun(start, "voximplant", "busy: 1")
    place = f"{sandbox.http_url}/voximplant"
    post = httpx.post

    def detour(url: str, **more: Any) -> httpx.Response:
        return post(url.replace("https://sandbox.invalid", place), **{**more, "verify": False})

    monkeypatch.setattr(httpx, "post", detour)
    file = tmp_path / "service.json"
    file.write_text(str(Voximplant.settings(sandbox.server(Voximplant).place)["service_account"]))
    client = VoximplantAPI(str(file), endpoint="sandbox.invalid")
    told = {
        "to": ANN.phone.lstrip("+"), "from": "79000000099", "text": "Hello", "thanks": "Thanks", "keys": "",
        "voice": "", "amd": "", "callback": f"{receiver.url}/hooks/voximplant", "reference": "r", "key": "k",
    }  # fmt: skip
    started = client.start_scenarios(rule_id="42", script_custom_data=json.dumps(told))
    assert started["result"] == 1
    id = started["call_session_history_id"]
    wait_for(lambda: receiver.at("/hooks/voximplant")[1:])
    day = datetime(2026, 1, 1, tzinfo=UTC)
    history = client.get_call_history(from_date=day, to_date=day, call_session_history_id=id, with_calls=True)
    assert history["result"][0]["calls"][0]["successful"] is False
    with pytest.raises(VoximplantException, match="340"):
        client.start_scenarios(rule_id="41", script_custom_data="{}")
    file.write_text(file.read_text().replace('"account_id": 12345', '"account_id": 1'))
    with pytest.raises(VoximplantException, match="100"):
        VoximplantAPI(str(file), endpoint="sandbox.invalid").start_scenarios(rule_id="42")
